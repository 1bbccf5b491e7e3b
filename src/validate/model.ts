/**
 * The same experiment in the lab's model: the engine on a simulated clock, under the discipline that the kernel has. A
 * frozen filesystem is a file whose pages have no space yet, on a device that gives it when it is thawed: page_mkwrite
 * waits for it as it waits for the end of a freeze.
 */
import { MS, ROOT } from '../base/index.ts'
import { MemoryDevice, SlowDevice } from '../device/index.ts'
import { LinearFile } from '../fs/index.ts'
import { newReadState, newVmFault } from '../memmap/index.ts'
import {
  type Discipline,
  disciplineNamed,
  faultArgs,
  PROT_READ,
  PROT_WRITE,
  type Space,
} from '../mm/index.ts'
import { type ProcFile, procArgs } from '../proc/index.ts'
import { rigEngine } from '../rig/index.ts'
import { type Task, TimedDriver, type Verb } from '../sched/index.ts'
import { mremapArgs, populateArgs } from '../space/index.ts'
import { CALL_AT, type Call, PAGES, READ_AT, READERS, type Reader } from './experiments.ts'

const PAGE = 4096
const DATA = 1024
const BESIDE = 2048
const ELSEWHERE = 4096

/** Which of the model's files of /proc takes the locks that the kernel's takes; stat takes none. */
const FILES: Readonly<Record<Exclude<Reader, 'stat'>, ProcFile>> = {
  cmdline: 'cmdline',
  environ: 'cmdline',
  maps: 'maps',
  smaps: 'smaps',
  smaps_rollup: 'smaps',
  numa_maps: 'smaps',
}

/** The row of the table that a kernel is; maps has gone by VMA locks since 6.17, its other files not yet. */
export function disciplineOf(release: string): { readonly faults: string; readonly maps: string } {
  const [major = 0, minor = 0] = release.split('.').map(Number)
  const version = major * 1000 + minor
  const faults = version >= 6004 ? 'linux-6.4' : version >= 5001 ? 'linux-5.1' : 'hold'
  return { faults, maps: version >= 6017 ? 'linux-7.x' : faults }
}

/** `thawedAt`: milliseconds from the store to the thaw. */
export function inModel(release: string, call: Call, thawedAt: number): readonly number[] {
  const { faults, maps } = disciplineOf(release)
  const times = play(disciplineNamed(faults)!, call, thawedAt)
  const byVma = play(disciplineNamed(maps)!, call, thawedAt)
  const at = 2 + READERS.indexOf('maps')
  return times.map((time, place) => (place === at ? byVma[place]! : time))
}

function play(discipline: Discipline, call: Call, thawedAt: number): number[] {
  const driver = new TimedDriver()
  const engine = rigEngine({ frames: 256, driver, discipline })
  const { scheduler, verbs, io, memory, cache } = engine
  const inner = new MemoryDevice(scheduler, { name: 'data', length: PAGES * PAGE })
  const device = new SlowDevice(scheduler, inner, { latency: 0, nsPerByte: 0, slots: 64 })
  const file = cache.add(
    'data',
    PAGES * PAGE,
    new LinearFile(device, io, memory, { stablePages: true, spaceFor: 0 }),
  )
  const open = { file, read: newReadState('normal'), readOnly: false, mappings: 0, seen: 0 }
  const space = engine.mm.createSpace({ name: 'victim', group: ROOT, commandLine: 'victim' })
  const who = { name: 'victim', group: ROOT }
  const run = <Args>(verb: Verb<Args>, args: Args) => {
    const task = scheduler.spawn(verb, args, who)
    driver.runWhile(scheduler, () => task.state === 'ended')
  }
  const prot = PROT_READ | PROT_WRITE
  const advice = 'normal' as const
  const map = (fixed: number, share: 'shared' | 'private', of: typeof open | undefined) =>
    run(verbs.map, {
      space,
      pages: PAGES,
      fixed,
      plan: { prot, share, open: of, pageOffset: 0, advice },
      locked: false,
      start: 0,
    })
  map(DATA, 'shared', open)
  map(BESIDE, 'private', undefined)
  run(verbs.populate, populateArgs(space, DATA, DATA + PAGES, 'load'))
  const start = driver.now()
  const until = (ms: number) => driver.runUntil(scheduler, start + ms * MS)
  device.service = { latency: Math.round(thawedAt * MS), nsPerByte: 0, slots: 64 }
  const began: number[] = []
  const ended: number[] = []
  const spawn = <Args>(verb: Verb<Args>, args: Args, place: number) => {
    began[place] = driver.now()
    const task = scheduler.spawn(verb, args, who) as Task
    return { task, place }
  }
  const tasks = [spawn(verbs.fault, faultArgs(space, newVmFault(DATA, 'store', ROOT, start), 'go on'), 0)]
  const look = () => {
    for (const { task, place } of tasks)
      if (task.state === 'ended' && ended[place] === undefined) ended[place] = driver.now()
  }
  const lookUntil = (ms: number) => {
    for (let at = Math.floor((driver.now() - start) / MS); at <= ms; at++) {
      until(at)
      look()
    }
  }
  lookUntil(CALL_AT)
  const [verb, args] = callOf(engine, space, call)
  tasks.push(spawn(verb, args, 1))
  lookUntil(READ_AT)
  for (const [at, reader] of READERS.entries()) {
    if (reader === 'stat') {
      began[2 + at] = driver.now()
      ended[2 + at] = driver.now()
    } else tasks.push(spawn(verbs.proc, procArgs(space, FILES[reader]), 2 + at))
  }
  lookUntil(thawedAt + 10)
  return began.map((time, place) => ((ended[place] ?? Infinity) - time) / MS)
}

function callOf(
  { verbs }: ReturnType<typeof rigEngine>,
  space: Space,
  call: Call,
): readonly [Verb<never>, never] {
  const data = { space, start: DATA, end: DATA + PAGES }
  const beside = { space, start: BESIDE, end: BESIDE + PAGES }
  const plan = { name: 'child', group: ROOT, commandLine: '' }
  const anonymous = { prot: 3, share: 'private', open: undefined, pageOffset: 0, advice: 'normal' } as const
  const calls = {
    fork: [verbs.fork, { space, plan, child: undefined }],
    munmap: [verbs.unmap, data],
    mprotect: [verbs.protect, { ...data, prot: PROT_READ }],
    mremap: [
      verbs.mremap,
      mremapArgs({
        space,
        from: DATA,
        pages: PAGES,
        newPages: PAGES,
        where: { fixed: ELSEWHERE },
        old: 'is unmapped',
      }),
    ],
    madvise: [verbs.advise, { ...data, advice: 'random' }],
    'munmap beside': [verbs.unmap, beside],
    'mprotect beside': [verbs.protect, { ...beside, prot: PROT_READ }],
    thread: [verbs.map, { space, pages: 256, fixed: undefined, plan: anonymous, locked: false, start: 0 }],
  } as const
  return calls[call] as unknown as readonly [Verb<never>, never]
}
