/**
 * Damaged traces whose truth is known: tasks wait for locks, hold them and sleep in them; what a tracer would write of that is
 * then lost in part, overwritten at the beginning, torn, and pasted. Nothing that the analysis calls certain may contradict
 * what the tasks did.
 *
 * Run by locks.fuzz.ts --mode damaged.
 */
import assert from 'node:assert/strict'
import { Prng } from '../base/index.ts'
import { SAME } from '../observe/forms.fixture.ts'
import { TextReader } from '../trace/index.ts'
import { Analysis } from './analysis.ts'
import type { Inversion } from './inversion.ts'

const MMS = ['00000000aaaaaaaa', '00000000bbbbbbbb']
const CPUS = 3
const US = 1000
const THRESHOLD_MS = 2
/** Forms that change lines and not the bytes they are packed in. */
const FORMS = SAME.filter(
  ({ name }) =>
    /quoted|carriage|cat -n|as dmesg|hexadecimal|without the arrow|raw booleans|paths of cgroups|markdown|RFC 5424|kubectl|kmsg/.test(
      name,
    ) && !/one behind the other|Docker/.test(name),
)

interface Stretch {
  readonly tid: number
  readonly mm: string
  readonly write: boolean
  readonly start: number
  end: number
}

interface Sleep {
  readonly tid: number
  readonly start: number
  end: number
  readonly kind: string
}

interface Line {
  readonly time: number
  readonly cpu: number
  readonly text: string
}

interface Truth {
  readonly waits: Stretch[]
  readonly holds: Stretch[]
  readonly sleeps: Sleep[]
}

const PLACES: readonly (readonly [string, readonly string[]])[] = [
  [
    'writeback',
    [
      '__schedule',
      'schedule',
      'folio_wait_writeback',
      'btrfs_page_mkwrite',
      'do_page_mkwrite',
      'exc_page_fault',
    ],
  ],
  [
    'freeze',
    [
      '__schedule',
      'schedule',
      'percpu_rwsem_wait',
      '__percpu_down_read',
      'ext4_page_mkwrite',
      'exc_page_fault',
    ],
  ],
  ['journal', ['__schedule', 'schedule', 'wait_transaction_locked', 'start_this_handle']],
]

/** A fair lock, and tasks that take it: each does one thing after the other, at times of its own. */
class World {
  readonly lines: Line[] = []
  readonly truth: Truth = { waits: [], holds: [], sleeps: [] }
  private readonly prng: Prng
  private readonly queue = new Map<string, Stretch[]>(MMS.map(mm => [mm, []]))
  private readonly held = new Map<string, Stretch[]>(MMS.map(mm => [mm, []]))
  private readonly due: { time: number; run: () => void }[] = []
  private now = 1_000_000 * US

  constructor(prng: Prng) {
    this.prng = prng
  }

  run(tasks: number, steps: number): void {
    for (let tid = 101; tid <= 100 + tasks; tid++) this.later(this.prng.below(3000), () => this.ask(tid))
    for (let step = 0; step < steps && this.due.length > 0; step++) {
      this.due.sort((a, b) => a.time - b.time)
      const next = this.due.shift()!
      this.now = next.time
      next.run()
    }
    for (const all of [this.truth.waits, this.truth.holds, this.truth.sleeps])
      for (const each of all) if (each.end === -1) each.end = this.now
  }

  private later(us: number, run: () => void): void {
    this.due.push({ time: this.now + (1 + us) * US, run })
  }

  private say(tid: number, rest: string): void {
    // A microsecond each, so that the order is that of the times.
    this.now += US
    const cpu = this.prng.below(CPUS)
    const time = `${Math.floor(this.now / 1e9)}.${String(Math.floor((this.now % 1e9) / US)).padStart(6, '0')}`
    this.lines.push({
      time: this.now,
      cpu,
      text: `        task-${tid}-${tid}     [${String(cpu).padStart(3, '0')}] d..2.  ${time}: ${rest}`,
    })
  }

  private lock(tid: number, event: string, { mm, write }: Pick<Stretch, 'mm' | 'write'>, more = ''): void {
    this.say(tid, `mmap_lock_${event}: mm=${mm} memcg_id=7 write=${write}${more}`)
  }

  private ask(tid: number): void {
    const mm = MMS[this.prng.below(MMS.length)]!
    const wait: Stretch = { tid, mm, write: this.prng.below(2) === 0, start: 0, end: -1 }
    this.lock(tid, 'start_locking', wait)
    const asked = { ...wait, start: this.now }
    this.truth.waits.push(asked)
    this.queue.get(mm)!.push(asked)
    this.grant(mm)
  }

  /** Gives the lock to whoever is first in the queue, and to the readers behind a reader. */
  private grant(mm: string): void {
    const queue = this.queue.get(mm)!
    const held = this.held.get(mm)!
    for (let first = queue[0]; first !== undefined; first = queue[0]) {
      if (held.length > 0 && (first.write || held[0]!.write)) return
      queue.shift()
      this.lock(first.tid, 'acquire_returned', first, ' success=true')
      first.end = this.now
      const hold: Stretch = { tid: first.tid, mm, write: first.write, start: this.now, end: -1 }
      this.truth.holds.push(hold)
      held.push(hold)
      this.later(this.prng.below(400), () => this.inside(hold, this.prng.below(3)))
    }
  }

  /** Sleeps so many times, and then lets go. */
  private inside(hold: Stretch, sleeps: number): void {
    if (sleeps === 0) {
      this.lock(hold.tid, 'released', hold)
      hold.end = this.now
      const held = this.held.get(hold.mm)!
      held.splice(held.indexOf(hold), 1)
      this.later(this.prng.below(3000), () => this.ask(hold.tid))
      this.grant(hold.mm)
      return
    }
    const [kind, frames] = PLACES[this.prng.below(PLACES.length)]!
    const name = `task-${hold.tid}`
    this.say(
      hold.tid,
      `sched_switch: prev_comm=${name} prev_pid=${hold.tid} prev_prio=120 prev_state=D ==> next_comm=swapper/0 next_pid=0 next_prio=120`,
    )
    const sleep: Sleep = { tid: hold.tid, start: this.now, end: -1, kind }
    this.truth.sleeps.push(sleep)
    this.say(hold.tid, ['<stack trace>', ...frames.map(frame => ` => ${frame}`)].join('\n'))
    this.later(this.prng.below(20_000), () => {
      this.say(999, `sched_waking: comm=${name} pid=${hold.tid} prio=120 target_cpu=000`)
      sleep.end = this.now
      this.later(this.prng.below(50), () => this.inside(hold, sleeps - 1))
    })
  }
}

/** One damaged trace: its text, and the truth. */
export function damagedTrace(seed: number): { readonly text: string; readonly truth: Truth } {
  const prng = new Prng(seed)
  const world = new World(prng)
  world.run(2 + prng.below(4), 20 + prng.below(120))
  let lines: (Line | string)[] = [...world.lines]
  if (prng.below(3) === 0) lines = wrapped(lines as Line[], prng)
  if (prng.below(2) === 0) lines = lossy(lines, prng)
  let text = lines.map(line => `${typeof line === 'string' ? line : line.text}\n`).join('')
  if (prng.below(2) === 0) text = torn(text, prng)
  if (prng.below(2) === 0) text = FORMS[prng.below(FORMS.length)]!.write(text).toString('latin1')
  return { text, truth: world.truth }
}

function wrapped(lines: readonly Line[], prng: Prng): (Line | string)[] {
  const from = Array.from(
    { length: CPUS },
    () => lines[prng.below(Math.max(1, Math.floor(lines.length / 2)))]?.time ?? 0,
  )
  const kept = lines.filter(line => line.time >= from[line.cpu]!)
  const begun = new Set<number>()
  return [
    '# tracer: nop',
    `# entries-in-buffer/entries-written: ${kept.length}/${lines.length + 1}   #P:${CPUS}`,
    ...kept.flatMap(line => {
      const isFirst = !begun.has(line.cpu)
      begun.add(line.cpu)
      return isFirst && begun.size > 1 ? [`##### CPU ${line.cpu} buffer started ####`, line] : [line]
    }),
  ]
}

/** Events of one CPU are lost for a while, as its buffer overflows; its next event is told after the loss. */
function lossy(lines: readonly (Line | string)[], prng: Prng): (Line | string)[] {
  const cpu = prng.below(CPUS)
  const start = prng.below(lines.length + 1)
  const end = start + 1 + prng.below(20)
  let lost = 0
  const told = lines.flatMap((line, at) => {
    if (typeof line === 'string' || line.cpu !== cpu) return [line]
    if (at >= start && at < end) {
      lost++
      return []
    }
    const mark = at >= end && lost > 0 ? [`CPU:${cpu} [LOST ${lost} EVENTS]`] : []
    if (mark.length > 0) lost = 0
    return [...mark, line]
  })
  // What is lost at the very end is told there, or nobody could know.
  return lost > 0 ? [...told, `CPU:${cpu} [LOST ${lost} EVENTS]`] : told
}

/** Lines end too soon, begin too late, or run into the next. */
function torn(text: string, prng: Prng): string {
  return text
    .split('\n')
    .map(line => {
      if (line === '' || prng.below(25) !== 0) return `${line}\n`
      // A line that is gone, or spaces alone before the next, are no sign of anything.
      const indent = line.length - line.trimStart().length
      const at = indent + 1 + prng.below(Math.max(1, line.length - indent - 1))
      const how = prng.below(3)
      return how === 0 ? `${line.slice(0, at)}\n` : how === 1 ? `${line.slice(at)}\n` : line.slice(0, at)
    })
    .join('')
}

/** Checks one trace; how many certain statements it made. */
export function checkDamaged(seed: number): number {
  const { text, truth } = damagedTrace(seed)
  const analysis = new Analysis({ thresholdMs: THRESHOLD_MS })
  const reader = new TextReader(analysis.take)
  reader.push(Buffer.from(text, 'latin1'))
  reader.end()
  const { inversions, openWaits } = analysis.finish()
  let certain = 0
  for (const inversion of [...inversions, ...openWaits]) certain += checkInversion(inversion, truth, seed)
  return certain
}

const NEAR = 2 * US

function checkInversion(
  { waiter, startSec, endSec, chain, cause }: Inversion,
  truth: Truth,
  seed: number,
): number {
  const [start, end] = [startSec * 1e9, (endSec ?? Number.POSITIVE_INFINITY) * 1e9]
  const overlaps = (each: { readonly start: number; readonly end: number }) =>
    Math.min(each.end, end) - Math.max(each.start, start)
  let certain = 0
  const must = (isTrue: boolean, what: string) => {
    certain++
    assert.ok(isTrue, `--mode damaged --seed ${seed} --count 1: certain, and not true: ${what}`)
  }
  chain.forEach((link, at) => {
    if (link.certainty !== 'certain') return
    if (at === 0)
      must(
        truth.waits.some(
          wait =>
            wait.tid === waiter.tid &&
            wait.mm === waiter.mm &&
            Math.abs(wait.start - start) < NEAR &&
            (endSec === null || Math.abs(wait.end - end) < NEAR),
        ),
        `${link.comm} waited from ${startSec} to ${endSec}`,
      )
    else {
      // Behind a holder that waits for an mmap_lock itself, that may be another mm's.
      const isOfWaiter = at === 1 || !chain[at - 1]!.waitsFor?.startsWith('mmap_lock')
      const own = truth.holds.filter(hold => hold.tid === link.tid)
      const mms = isOfWaiter ? [waiter.mm] : [...new Set(own.map(hold => hold.mm))]
      const heldNs = mms.map(mm =>
        own.filter(hold => hold.mm === mm).reduce((sum, hold) => sum + Math.max(0, overlaps(hold)), 0),
      )
      must(
        heldNs.some(ns => ns >= link.ms * 1e6 - NEAR),
        `${link.comm} held ${link.holds} for ${link.ms} ms`,
      )
    }
  })
  const last = chain.at(-1)!
  if (cause.certainty === 'certain' && chain.length > 1)
    must(
      truth.sleeps.some(sleep => sleep.tid === last.tid && sleep.kind === cause.kind && overlaps(sleep) > 0),
      `${last.comm} slept for ${cause.kind}`,
    )
  return certain
}

/** Checks `count` traces from `seed` on. */
export function checkMany(seed: number, count: number): number {
  let certain = 0
  for (let at = seed; at < seed + count; at++) certain += checkDamaged(at)
  return certain
}
