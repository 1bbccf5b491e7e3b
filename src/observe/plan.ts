/**
 * A plan: what each task of a scene did, as steps that the engine can do again under another discipline.
 *
 *     seen in the trace                          in the plan
 *     wait for an mm's lock, then a hold         until (when it asked) · lock · work (the rest of the hold) · unlock
 *     a hold inside a hold, as fork's            lock and unlock inside
 *     a write holder asleep for a VMA lock       drain, instead of so much work
 *     a sleep in a fault, without mmap_lock      until · fault, whose I/O takes as long
 *     the same inside a read hold of its own mm  the hold is that fault's: until · fault
 *     a fault for another, as get_user_pages     the hold around it, for as long as it took
 *     a VMA lock's holder that never slept       until · run in a fault, for as long as the writer waited
 *     a read lock taken right after a read's I/O that fault's second try, so no step of its own
 *
 * How long a lock or a drain was waited for isn't in the plan: the engine answers that. What was observed is beside it, in
 * `observed`, and steps name their place there.
 *
 * Invariants
 *   PN1 Steps of a task are in order, and begin at the times of the trace, or later if the one before took longer.
 *   PN2 Every hold, drain and fault of the scene is in exactly one step, or counted in `leftOut`.
 */

import type { Hold, Inversion, Sleep, Wait } from '../analysis/index.ts'
import { droppedItsLock, isInFault, isRemoteFault, placeOf } from '../analysis/index.ts'
import type { Why } from '../sched/index.ts'
import type { Scene } from './scene.ts'

/** A wait of a fault, and how long it took. */
export interface FaultWait {
  readonly why: Why
  readonly ns: number
}

/** `wait` is the place of what was observed, -1 if nothing was. Times are nanoseconds since the plan's beginning. */
export type Step =
  | { readonly kind: 'until'; readonly time: number }
  | { readonly kind: 'work'; readonly ns: number }
  | {
      readonly kind: 'lock'
      readonly mm: string
      readonly write: boolean
      readonly wait: number
      /** From being woken with the lock to running; paid only when the lock had to be waited for. */
      readonly delayNs: number
      /** A reader of /proc that newer kernels let go by VMA locks, and what it reads. */
      readonly proc?: 'stack' | 'vmas'
    }
  | { readonly kind: 'drain'; readonly mm: string; readonly wait: number; readonly by?: 'fork' }
  /** A fault that keeps its lock without waiting for anything: it runs, or waits for a CPU. */
  | { readonly kind: 'run in a fault'; readonly mm: string; readonly ns: number }
  | { readonly kind: 'downgrade'; readonly mm: string }
  | { readonly kind: 'unlock'; readonly mm: string }
  | {
      readonly kind: 'fault'
      readonly mm: string
      readonly waits: readonly FaultWait[]
      readonly wait: number
    }

export interface ObservedWait {
  readonly tid: number
  readonly comm: string
  readonly mm: string
  readonly lock: 'mmap_lock (read)' | 'mmap_lock (write)' | 'VMA lock'
  readonly startNs: number
  readonly ns: number
  /** A writer whom readers passed asks, in the plan, after the last that did: so much of its wait lies before that. */
  readonly passedNs: number
}

export interface Plan {
  readonly tasks: readonly { readonly tid: number; readonly name: string; readonly steps: readonly Step[] }[]
  readonly observed: readonly ObservedWait[]
  readonly sections: number
  readonly faults: number
  /** Sleeps in a fault of a task whose memory isn't known. */
  readonly leftOut: number
}

const FORK = /^(dup_mmap?|copy_(mm|process)|kernel_clone|_?do_fork)\b/
/** Readers of memory in the stack, and of the list of VMAs: those of /proc/PID/cmdline and environ, maps and smaps. */
const PROC_STACK = /^(proc_pid_cmdline|get_(mm_)?cmdline|environ_read)/
const PROC_VMAS = /^(m_start|m_next|proc_(pid_)?maps|show_(map|smap|numa)|smaps?_)/
/** A sleep under a VMA lock begins after the lock was taken; a writer that already waited is taken to have come after. */
const BEFORE_NS = 1000
/** Of writers that waited less nobody asks who passed them. */
const PASSED_MIN_NS = 1e6

export function planOf(scene: Scene): Plan {
  const planner = new Planner(scene)
  return planner.plan()
}

/** Something a task did, before it is turned into steps. */
type Act =
  | { readonly kind: 'hold'; readonly start: number; readonly hold: Hold; readonly wait: Wait | null }
  | { readonly kind: 'drain'; readonly start: number; readonly sleep: Sleep; readonly mm: string }
  | { readonly kind: 'fault'; readonly start: number; readonly mm: string; readonly sleeps: Sleep[] }
  | { readonly kind: 'run'; readonly start: number; readonly mm: string; readonly end: number }

class Planner {
  private readonly scene: Scene
  private readonly origin: number
  private readonly drains: readonly { readonly sleep: Sleep; readonly mm: string }[]
  private readonly observed: ObservedWait[] = []
  /** When each wait is taken to have asked: after those that asked before it, or were let past it. */
  private readonly asked = new Map<Wait, number>()
  private readonly holdsOf: ReadonlyMap<number, readonly Hold[]>
  private readonly waitsOf: ReadonlyMap<number, readonly Wait[]>
  private readonly sleepsOf: ReadonlyMap<number, readonly Sleep[]>
  private sections = 0
  private faults = 0
  private leftOut = 0

  constructor(scene: Scene) {
    this.scene = scene
    this.holdsOf = byTask(scene.holds)
    this.waitsOf = byTask(scene.waits)
    this.sleepsOf = byTask(scene.sleeps)
    const all = [...scene.waits, ...scene.holds, ...scene.sleeps]
    this.origin = all.reduce((least, each) => Math.min(least, each.start), scene.start) - BEFORE_NS
    this.drains = scene.sleeps.flatMap(sleep => {
      const mm = this.drainedMm(sleep)
      return mm === '' ? [] : [{ sleep, mm }]
    })
    this.order()
  }

  /**
   * Puts those that asked at the same time, as far as the trace tells times, in their order, and writers behind the readers
   * that passed them: the engine's lock is fair at once, Linux's only from the hand-off on.
   */
  private order(): void {
    let last = -1
    let ties = 0
    for (const wait of this.scene.waits.toSorted((a, b) => a.start - b.start || a.order - b.order)) {
      ties = wait.start === last ? ties + 1 : 0
      last = wait.start
      this.asked.set(wait, wait.start + ties)
    }
    const readers = this.scene.waits.filter(wait => !wait.write && wait.success)
    for (const writer of this.scene.waits) {
      if (!writer.write || writer.end - writer.start < PASSED_MIN_NS) continue
      const own = this.asked.get(writer)!
      const beside = readers.filter(
        ({ mm, tid, start }) => mm === writer.mm && tid !== writer.tid && start >= writer.start,
      )
      const passed = beside.reduce(
        (last, { end }) => (end < writer.end ? Math.max(last, end + 1) : last),
        own,
      )
      // Not behind a reader that did wait for it.
      const asked = beside.reduce(
        (first, { start, end }) =>
          end - start >= PASSED_MIN_NS && end >= writer.end ? Math.min(first, start - 1) : first,
        passed,
      )
      this.asked.set(writer, Math.max(own, asked))
    }
  }

  plan(): Plan {
    const tasks = [...this.scene.actors.values()]
      .map(({ tid, comm }) => ({ tid, name: comm || `task ${tid}`, steps: this.steps(tid) }))
      .filter(task => task.steps.length > 0)
    return {
      tasks,
      observed: this.observed,
      sections: this.sections,
      faults: this.faults,
      leftOut: this.leftOut,
    }
  }

  private steps(tid: number): Step[] {
    const steps: Step[] = []
    const open: Hold[] = []
    let clock = Number.NEGATIVE_INFINITY
    const reach = (time: number) => {
      if (open.length === 0) steps.push({ kind: 'until', time: Math.max(0, time - this.origin) })
      else if (time > clock) steps.push({ kind: 'work', ns: time - clock })
      clock = Math.max(clock, time)
    }
    const close = (until: number) => {
      for (;;) {
        const first = open.reduce<Hold | null>(
          (least, hold) => (hold.end <= until && (least === null || hold.end < least.end) ? hold : least),
          null,
        )
        if (first === null) return
        if (first.downgraded > clock) {
          reach(first.downgraded)
          steps.push({ kind: 'downgrade', mm: first.mm })
        }
        reach(first.end)
        steps.push({ kind: 'unlock', mm: first.mm })
        open.splice(open.indexOf(first), 1)
      }
    }
    for (const act of this.acts(tid)) {
      close(act.start)
      if (act.kind === 'hold') {
        const { hold, wait } = act
        reach(act.start)
        // A write lock inside another is the child's, whose memory fork fills: every VMA of the parent is locked first.
        const parent = hold.write ? open.find(each => each.write) : undefined
        const write = hold.write || hold.downgraded !== -1
        const observed = wait === null ? -1 : this.observe(wait, write)
        const proc = write ? undefined : this.procOf(wait)
        steps.push({
          kind: 'lock',
          mm: hold.mm,
          write,
          wait: observed,
          delayNs: this.delayOf(wait),
          ...(proc === undefined ? {} : { proc }),
        })
        if (parent !== undefined && !this.drainsWithin(tid, hold))
          steps.push({ kind: 'drain', mm: parent.mm, wait: -1, by: 'fork' })
        clock = hold.start
        open.push(hold)
        this.sections++
      } else if (act.kind === 'drain') {
        const { sleep, mm } = act
        reach(sleep.start)
        const by = sleep.frames.some(frame => FORK.test(frame)) ? { by: 'fork' as const } : {}
        steps.push({ kind: 'drain', mm, wait: this.observeDrain(sleep, mm), ...by })
        clock = sleep.end
      } else if (act.kind === 'run') {
        reach(act.start)
        steps.push({ kind: 'run in a fault', mm: act.mm, ns: act.end - act.start })
        clock = act.end
        this.faults++
      } else {
        reach(act.start)
        steps.push(this.faultStep(act))
        clock = act.sleeps.at(-1)!.end
      }
    }
    close(Number.POSITIVE_INFINITY)
    return steps
  }

  /** What a task did, in order. */
  private acts(tid: number): Act[] {
    const waits = new Map((this.waitsOf.get(tid) ?? []).map(wait => [`${wait.end} ${wait.mm}`, wait]))
    const holds = this.holdsOf.get(tid) ?? []
    const acts: Act[] = []
    const taken = new Set<Hold>()
    for (const group of this.faultsOf(tid, holds)) {
      const { mm, sleeps, hold } = group
      if (hold !== null) taken.add(hold)
      const retry = hold ?? this.retryOf(sleeps, mm, holds)
      if (retry !== null) taken.add(retry)
      acts.push({ kind: 'fault', start: this.faultStart(sleeps[0]!, mm, hold), mm, sleeps })
    }
    for (const { sleep, mm } of this.drains) {
      if (sleep.tid === tid) acts.push({ kind: 'drain', start: sleep.start, sleep, mm })
      else if (this.readBy(sleep, tid) && !acts.some(act => meets(act, sleep)))
        acts.push({ kind: 'run', start: sleep.start - BEFORE_NS, mm, end: sleep.end })
    }
    for (const hold of holds) {
      if (taken.has(hold)) continue
      const wait = waits.get(`${hold.start} ${hold.mm}`) ?? null
      const asked = wait === null ? hold.start : (this.asked.get(wait) ?? wait.start)
      acts.push({ kind: 'hold', start: asked, hold, wait })
    }
    return acts.sort((a, b) => a.start - b.start)
  }

  /** Sleeps in faults, those of one fault together: a writer that waited over the gap between two shows that they are. */
  private faultsOf(
    tid: number,
    holds: readonly Hold[],
  ): { readonly mm: string; readonly sleeps: Sleep[]; readonly hold: Hold | null }[] {
    const faults: { mm: string; sleeps: Sleep[]; hold: Hold | null }[] = []
    for (const sleep of (this.sleepsOf.get(tid) ?? []).filter(each => this.isFault(each))) {
      const around = holds.filter(hold => hold.start <= sleep.start && hold.end >= sleep.end)
      const mm = this.scene.actors.get(tid)!.mm || this.mmDrainedOver(sleep)
      const own = around.find(hold => hold.mm === mm && !hold.write && around.length === 1) ?? null
      if (around.length > 0 && own === null) continue
      if (mm === '') {
        this.leftOut++
        continue
      }
      const last = faults.at(-1)
      const isSame =
        last !== undefined &&
        last.mm === mm &&
        (own === null ? this.isDrainedOver(mm, last.sleeps.at(-1)!.end, sleep.start) : last.hold === own)
      if (isSame) last.sleeps.push(sleep)
      else faults.push({ mm, sleeps: [sleep], hold: own })
    }
    this.faults += faults.length
    return faults
  }

  private isFault(sleep: Sleep): boolean {
    if (isRemoteFault(sleep.frames)) return false
    if (sleep.waitsFor !== '' || this.drains.some(drain => drain.sleep === sleep)) return false
    if (sleep.frames.length > 0) return isInFault(sleep.frames)
    return sleep.inFault || this.linked(sleep, ({ reader }) => reader)
  }

  /** The mm whose VMA lock a sleep waits for, '' if none. */
  private drainedMm(sleep: Sleep): string {
    const place = placeOf(sleep.frames)
    const isDrain =
      place?.kind === 'vma lock' || (place === null && this.linked(sleep, ({ writer }) => writer))
    if (!isDrain) return ''
    const around = (this.holdsOf.get(sleep.tid) ?? []).filter(
      hold =>
        (hold.write || hold.downgraded >= sleep.end) && hold.start <= sleep.start && hold.end >= sleep.end,
    )
    const own = this.scene.actors.get(sleep.tid)?.mm
    return (around.find(hold => hold.mm === own) ?? around[0])?.mm ?? ''
  }

  /** Whether an inversion's chain names the sleeper as the writer, or the reader, of a VMA lock. */
  private linked(
    sleep: Sleep,
    side: (link: { readonly writer: number; readonly reader: number }) => number,
  ): boolean {
    return this.scene.inversions.some(
      inversion =>
        inversion.startSec * 1e9 < sleep.end &&
        (inversion.endSec ?? Number.POSITIVE_INFINITY) * 1e9 > sleep.start &&
        vmaLinks(inversion).some(link => side(link) === sleep.tid),
    )
  }

  /** Whether the chain of an inversion says that a task held the VMA lock that a writer slept for. */
  private readBy(drain: Sleep, tid: number): boolean {
    return this.scene.inversions.some(
      inversion =>
        inversion.startSec * 1e9 < drain.end &&
        (inversion.endSec ?? Number.POSITIVE_INFINITY) * 1e9 > drain.start &&
        vmaLinks(inversion).some(link => link.writer === drain.tid && link.reader === tid),
    )
  }

  private mmDrainedOver(sleep: Sleep): string {
    return this.drains.find(each => each.sleep.start < sleep.end && each.sleep.end > sleep.start)?.mm ?? ''
  }

  private isDrainedOver(mm: string, start: number, end: number): boolean {
    return this.drains.some(each => each.mm === mm && each.sleep.start <= start && each.sleep.end >= end)
  }

  private drainsWithin(tid: number, hold: Hold): boolean {
    return this.drains.some(
      ({ sleep }) => sleep.tid === tid && sleep.start >= hold.start && sleep.end <= hold.end,
    )
  }

  private faultStart(sleep: Sleep, mm: string, hold: Hold | null): number {
    if (hold !== null) return this.waitBefore(hold)?.start ?? hold.start
    const drain = this.drains.find(
      each =>
        each.mm === mm &&
        each.sleep.tid !== sleep.tid &&
        each.sleep.start < sleep.start &&
        each.sleep.end > sleep.start,
    )
    return drain === undefined ? sleep.start : drain.sleep.start - BEFORE_NS
  }

  /** The read lock with which a fault that had dropped its lock for I/O came back. */
  private retryOf(sleeps: readonly Sleep[], mm: string, holds: readonly Hold[]): Hold | null {
    const last = sleeps.at(-1)!
    if (!isRead(whyOf(last))) return null
    const next = holds.find(hold => hold.start >= last.end)
    if (next === undefined || next.mm !== mm || next.write || next.downgraded !== -1) return null
    const later = (this.sleepsOf.get(last.tid) ?? []).find(each => each.start >= last.end)
    return later !== undefined && later.start < next.start && later.waitsFor !== mm ? null : next
  }

  private waitBefore(hold: Hold): Wait | null {
    return (
      (this.waitsOf.get(hold.tid) ?? []).find(wait => wait.mm === hold.mm && wait.end === hold.start) ?? null
    )
  }

  /** How long a task that was given the lock waited for a CPU. */
  private delayOf(wait: Wait | null): number {
    const woken = this.sleepOf(wait)
    return woken === undefined ? 0 : wait!.end - woken.end
  }

  /** What of /proc it reads, by the stack of its wait. */
  private procOf(wait: Wait | null): 'stack' | 'vmas' | undefined {
    const frames = this.sleepOf(wait)?.frames ?? []
    if (frames.some(frame => PROC_STACK.test(frame))) return 'stack'
    return frames.some(frame => PROC_VMAS.test(frame)) ? 'vmas' : undefined
  }

  private sleepOf(wait: Wait | null): Sleep | undefined {
    if (wait === null) return undefined
    return (this.sleepsOf.get(wait.tid) ?? []).findLast(
      sleep => sleep.waitsFor === wait.mm && sleep.start >= wait.start && sleep.end <= wait.end,
    )
  }

  private faultStep({ mm, sleeps, start }: Extract<Act, { kind: 'fault' }>): Step {
    const waits = sleeps.map((sleep, at) => ({
      why: whyOf(sleep),
      ns: sleep.end - (at === 0 ? Math.min(sleep.start, start) : sleeps[at - 1]!.end),
    }))
    const holds = this.holdsOf.get(sleeps[0]!.tid) ?? []
    const around = holds.find(hold => hold.start <= sleeps[0]!.start && hold.end >= sleeps[0]!.end)
    const section = around ?? this.retryOf(sleeps, mm, holds)
    const wait = section === null || section === undefined ? null : this.waitBefore(section)
    if (around !== undefined) waits[0] = { why: waits[0]!.why, ns: sleeps[0]!.end - around.start }
    return { kind: 'fault', mm, waits, wait: wait === null ? -1 : this.observe(wait, false) }
  }

  private observe(wait: Wait, write: boolean): number {
    const { tid, mm, start, end } = wait
    const lock = write ? 'mmap_lock (write)' : 'mmap_lock (read)'
    const passedNs = (this.asked.get(wait) ?? start) - start
    return this.note({ tid, mm, lock, startNs: start, ns: end - start, passedNs })
  }

  private observeDrain({ tid, start, end }: Sleep, mm: string): number {
    return this.note({ tid, mm, lock: 'VMA lock', startNs: start, ns: end - start, passedNs: 0 })
  }

  private note(wait: Omit<ObservedWait, 'comm'>): number {
    return this.observed.push({ ...wait, comm: this.scene.actors.get(wait.tid)?.comm ?? '' }) - 1
  }
}

/** Which kind of wait of the fault path a sleep was. */
function whyOf({ frames }: Sleep): Why {
  const kind = placeOf(frames)?.kind
  if (kind === 'dirty throttle') return 'throttle'
  if (kind === 'reclaim' || kind === 'memory throttle') return 'memory'
  // Without a stack nothing is known but that the lock was kept, which is what a wait before a store does.
  if (kind === undefined || kind === 'writeback') return 'writeback'
  if (!droppedItsLock(frames)) return 'reserve'
  return kind === 'page lock' ? 'page lock' : 'read'
}

/** Whether a fault's sleeps lie in a drain. */
const meets = (act: Act, drain: Sleep): boolean =>
  act.kind === 'fault' && act.sleeps.some(each => each.start < drain.end && each.end > drain.start)

export const isRead = (why: Why): boolean => why === 'read' || why === 'page lock'

export function vmaLinks(
  inversion: Inversion,
): readonly { readonly writer: number; readonly reader: number }[] {
  return inversion.chain.flatMap((link, at) =>
    link.role === 'holder of a VMA lock' ? [{ writer: inversion.chain[at - 1]!.tid, reader: link.tid }] : [],
  )
}

function byTask<T extends { readonly tid: number; readonly start: number }>(
  all: readonly T[],
): Map<number, T[]> {
  const found = new Map<number, T[]>()
  for (const each of all) {
    const list = found.get(each.tid)
    if (list === undefined) found.set(each.tid, [each])
    else list.push(each)
  }
  for (const list of found.values()) list.sort((a, b) => a.start - b.start)
  return found
}
