/**
 * Writes down who waited for whom while a scene plays, for the timeline: a Watcher of the machine.
 *
 * Only waits of SHORTEST and more are kept, and at most SPANS_MAX of them; what is dropped is counted.
 *
 * Invariants
 *   RX1 Each kept wait becomes one span of its actor's row, one more for each lock that it kept, and an arrow for each
 *       task that was in its way when it began.
 */
import { MS, type Ns } from '../base/index.ts'
import { chainSentence, waitChain } from '../lock/index.ts'
import type { Arrow, Row, Span, SpanKind, Stall, Timeline } from '../report/index.ts'
import type { Task, Wait, Watcher } from '../sched/index.ts'

const SHORTEST: Ns = 0.5 * MS
const SPANS_MAX = 20_000
/** A wait of the monitor worth a sentence. */
const STALL: Ns = 20 * MS

interface Open {
  readonly since: Ns
  /** The names of the locks that it keeps while it waits. */
  readonly holds: readonly string[]
  readonly blockers: readonly string[]
  readonly chain: string
}

export function kindOf({ why }: Wait): SpanKind {
  if (why === 'lock' || why === 'vma lock') return 'waiting'
  return why === 'timer' || why === 'throttle' ? 'sleeping' : 'io'
}

export class Recorder implements Watcher {
  dropped = 0
  private readonly rows: Row[]
  private readonly spans: Span[] = []
  private readonly arrows: Arrow[] = []
  private readonly stalls: Stall[] = []
  private readonly open = new Map<Task, Open>()
  private from: Ns = 0
  private readonly actorOf: (task: Task) => string
  private readonly now: () => Ns

  /** `rows`: the actors; `actorOf` says which of them a task belongs to. */
  constructor(rows: readonly Row[], actorOf: (task: Task) => string, now: () => Ns) {
    this.rows = [...rows]
    this.actorOf = actorOf
    this.now = now
  }

  /** The scene begins: what came before is forgotten. */
  start(): void {
    this.from = this.now()
    this.spans.length = 0
    this.arrows.length = 0
    this.stalls.length = 0
  }

  began(): void {
    // A task that doesn't wait leaves no trace.
  }

  waits(task: Task, wait: Wait): void {
    const row = this.rowOf(this.actorOf(task))
    if (row === -1) return
    const blockers = wait.on === undefined ? [] : wait.on.inTheWay(task).map(other => this.actorOf(other))
    const chain = wait.on === undefined || row !== 0 ? '' : chainSentence(waitChain(task), this.actorOf)
    const holds = task.held.map(({ lock }) => lock.name)
    this.open.set(task, { since: this.now(), holds, blockers, chain })
  }

  resumes(task: Task, wait: Wait, waited: Ns): void {
    const open = this.open.get(task)
    this.open.delete(task)
    const row = this.rowOf(this.actorOf(task))
    if (open === undefined || waited < SHORTEST || open.since < this.from) return
    if (this.spans.length >= SPANS_MAX) {
      this.dropped++
      return
    }
    const start = open.since - this.from
    const end = start + waited
    this.spans.push({ row, start, end, kind: kindOf(wait), label: wait.ticket.what })
    for (const lock of open.holds)
      this.spans.push({ row, start, end, kind: 'holding', label: `holds ${lock}`, lock })
    for (const blocker of open.blockers)
      if (this.rowOf(blocker) !== -1)
        this.arrows.push({ time: start, fromRow: row, toRow: this.rowOf(blocker), label: wait.ticket.what })
    if (row === 0 && waited >= STALL)
      this.stalls.push({
        row,
        start,
        end: start + waited,
        sentence: `${Math.round(waited / MS)} ms: ${open.chain}`,
      })
  }

  ended(): void {
    // Its last wait has been written down.
  }

  timeline(id: string, title: string): Timeline {
    const { rows, spans, arrows, stalls } = this
    const lead =
      this.dropped === 0
        ? 'Waits of half a millisecond and more.'
        : `${this.dropped} more waits are not drawn.`
    return { kind: 'timeline', id, title, lead, rows, spans, arrows, stalls, sharedScale: 'demo' }
  }

  private rowOf(name: string): number {
    return this.rows.findIndex(row => row.name === name)
  }
}
