/**
 * The inversions that kernels have shown, and their controls.
 *
 * `page-mkwrite-fork` is the experiment of traces/page-mkwrite-inversion-6.18.txt. What btrfs and blkio did there, by the
 * trace, and how it is modelled:
 *
 *     sync writes the dirty file as one bio of 16 MiB (block_bio_queue "W 272384 + 32768")   bioBytesMax 16 MiB
 *     the throttle holds a bio until all of it has been earned: 4 s at 4 MiB/s                throttle.ts, as in Linux
 *     its pages are under writeback until that one bio ends, and btrfs_page_mkwrite waits     stablePages
 *     the device then takes it in 12 ms                                                       devices.ts, loop
 *
 * So every page becomes stable at the same moment: the writer waits once for each sync, for all of the 4 s.
 */
import { MS, SECOND } from '../base/index.ts'
import type { DeviceName } from './devices.ts'
import type { Stage } from './stage.ts'
import { roundAndRound } from './touch.ts'
import { type Actor, every, KIB, MIB, type Workload } from './workload.ts'

interface Mkwrite {
  readonly device: DeviceName
  /** io.max of the batch; undefined: none. */
  readonly wbps: number | undefined
  /** What its other thread does every 2 ms. */
  readonly beside: 'forks' | 'maps anonymous memory' | 'protects another mapping'
}

/** One process stores to a shared mapping and syncs it; a monitor of another group looks at it. */
function mkwrite({ device, wbps, beside }: Mkwrite): Workload['cast'] {
  return stage => {
    const safe = stage.group('protected')
    const batch = stage.group('batch')
    const space = stage.space('batch', batch)
    const file = stage.file('data', { bytes: 16 * MIB, device, stablePages: true })
    const mapped = stage.map(space, file)
    stage.populate(space, mapped)
    const calls = {
      forks: () => stage.forkAndExit(space),
      'maps anonymous memory': () => stage.mapAndUnmap(space),
      'protects another mapping': () => stage.protect(space, ownMapping(stage, space)),
    }[beside]()
    if (wbps !== undefined) stage.engine.groups.set(batch, 'io.max', { wbps })
    const actors: Actor[] = [
      { name: 'monitor', group: safe, does: 'loop', plan: every(MS, [stage.readCommandLine(space)]) },
      {
        name: 'batch',
        group: batch,
        does: 'touch',
        plan: { space, access: 'store', next: roundAndRound(mapped.start, mapped.pages), think: 0 },
      },
      { name: 'mapper', group: batch, does: 'loop', plan: every(2 * MS, calls) },
      { name: 'syncer', group: batch, does: 'loop', plan: every(0.2 * SECOND, [stage.sync(file)]) },
      app(stage, safe),
    ]
    return { batch, actors }
  }
}

/** The protected application: reads a file of its own at random, on a drive of its own. */
export function app(stage: Stage, group: number): Actor {
  const space = stage.space('app', group)
  const { start, pages } = stage.map(
    space,
    stage.file('app', { bytes: 64 * MIB, device: 'nvme', stablePages: false }),
    'random',
  )
  const { prng } = stage
  const next = () => start + prng.below(pages)
  return { name: 'app', group, does: 'touch', plan: { space, access: 'load', next, think: 200_000 } }
}

function ownMapping(stage: Stage, space: ReturnType<Stage['space']>) {
  return stage.map(space, stage.file('heap', { bytes: 1 * MIB, device: 'nvme', stablePages: false }))
}

/** What 5.1 cured: a batch job reads at 4 MiB/s and maps beside it; its monitor is on another group. */
const readFault: Workload['cast'] = stage => {
  const safe = stage.group('protected')
  const batch = stage.group('batch', { 'memory.max': 32 * MIB })
  const space = stage.space('batch', batch)
  const { start, pages } = stage.map(
    space,
    stage.file('data', { bytes: 512 * MIB, device: 'sata-ssd', stablePages: false }),
  )
  stage.engine.groups.set(batch, 'io.max', { rbps: 4 * MIB })
  const { prng } = stage
  const readers = Array.from({ length: 8 }, (_, at): Actor => {
    const next = () => start + prng.below(pages)
    return {
      name: `batch ${at + 1}`,
      group: batch,
      does: 'touch',
      plan: { space, access: 'load', next, think: 0 },
    }
  })
  const actors: Actor[] = [
    { name: 'monitor', group: safe, does: 'loop', plan: every(MS, [stage.readCommandLine(space)]) },
    ...readers,
    { name: 'mapper', group: batch, does: 'loop', plan: every(2 * MS, stage.mapAndUnmap(space)) },
    app(stage, safe),
  ]
  return { batch, actors }
}

/** What 5.5 cured: writers that dirty more than their device takes are paused, in the fault, with the lock or without. */
const dirtyThrottle: Workload['cast'] = stage => {
  const safe = stage.group('protected')
  const batch = stage.group('batch', { 'memory.max': 64 * MIB })
  const space = stage.space('batch', batch)
  const file = stage.file('log', { bytes: 256 * MIB, device: 'disk', stablePages: false })
  const { start, pages } = stage.map(space, file, 'sequential')
  const writers = Array.from({ length: 4 }, (_, at): Actor => {
    const next = roundAndRound(start + (at * pages) / 4, pages / 4)
    return {
      name: `batch ${at + 1}`,
      group: batch,
      does: 'touch',
      plan: { space, access: 'store', next, think: 0 },
    }
  })
  const actors: Actor[] = [
    { name: 'monitor', group: safe, does: 'loop', plan: every(MS, [stage.readCommandLine(space)]) },
    ...writers,
    {
      name: 'mapper',
      group: batch,
      does: 'loop',
      plan: every(10 * MS, stage.protect(space, ownMapping(stage, space))),
    },
    app(stage, safe),
  ]
  return { batch, actors }
}

const LIMITED: Mkwrite = { device: 'loop', wbps: 4 * MIB, beside: 'forks' }
const SETTING = { seconds: 6, memory: 256 * MIB, bioBytesMax: 16 * MIB }

export const INVERSIONS: readonly Workload[] = [
  {
    name: 'page-mkwrite-fork',
    about:
      'Stores to a 16 MiB mapping, stable pages, sync every 0.2 s, fork every 2 ms, 4 MiB/s. Linux 6.18: 4.05 s.',
    ...SETTING,
    cast: mkwrite(LIMITED),
  },
  {
    name: 'page-mkwrite-anon',
    about: 'The control: the thread beside the writer only maps anonymous memory. Linux 6.18: 0.7 ms.',
    ...SETTING,
    cast: mkwrite({ ...LIMITED, beside: 'maps anonymous memory' }),
  },
  {
    name: 'page-mkwrite-unlimited',
    about: 'The control: the device has no limit. Linux 6.18: 27 ms.',
    ...SETTING,
    cast: mkwrite({ ...LIMITED, wbps: undefined }),
  },
  {
    name: 'page-mkwrite-mprotect',
    about: 'The thread beside the writer protects a mapping of its own, which nobody faults in.',
    ...SETTING,
    cast: mkwrite({ ...LIMITED, beside: 'protects another mapping' }),
  },
  {
    name: 'page-mkwrite-disk',
    about: 'The experiment on a disk without a limit: the inversion needs slowness, not a throttle.',
    ...SETTING,
    cast: mkwrite({ device: 'disk', wbps: undefined, beside: 'forks' }),
  },
  {
    name: 'read-fault-mmap',
    about:
      'Eight threads of a batch job read at 4 MiB/s through a mapping; one maps beside them. What 5.1 cured.',
    seconds: 4,
    memory: 256 * MIB,
    bioBytesMax: 128 * KIB,
    cast: readFault,
  },
  {
    name: 'dirty-throttle-mprotect',
    about:
      'Four writers dirty more than a disk takes and are paused in the fault; one protects beside them. 5.5.',
    seconds: 4,
    memory: 256 * MIB,
    bioBytesMax: 1 * MIB,
    cast: dirtyThrottle,
  },
]
