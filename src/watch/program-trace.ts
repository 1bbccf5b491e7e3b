/**
 * What the tasks of a program's own machine do and wait for, as a timeline: a Watcher.
 *
 *     a row for each name of tasks in a group      a span for each task, with its verb's name
 *                                                  in it a span for each wait, and an arrow to who was in its way
 *
 * Invariants
 *   PT1 At most SPANS_MAX spans are kept, the first ones; what is dropped is counted.
 */
import type { GroupId, Ns } from '../base/index.ts'
import type { Arrow, Row, Span, Timeline } from '../report/index.ts'
import type { Task, Wait, Watcher } from '../sched/index.ts'
import { kindOf } from './recorder.ts'

/** Chosen: some 100 MB of trace, which the Perfetto UI still opens. */
const SPANS_MAX = 500_000

interface Begun {
  readonly row: number
  readonly at: Ns
}

export interface Clock {
  now(): Ns
}

export class ProgramTrace implements Watcher {
  dropped = 0
  private readonly rows: Row[] = []
  private readonly rowOfName = new Map<string, number>()
  private readonly spans: Span[] = []
  private readonly arrows: Arrow[] = []
  private readonly begun = new Map<Task, Begun>()
  private readonly waitsIn = new Map<Task, Ns>()
  private clock: Clock | undefined
  private pathOf: (group: GroupId) => string = group => `group ${group}`

  /** The machine that it watches is there. */
  attach(clock: Clock, pathOf: (group: GroupId) => string): void {
    this.clock = clock
    this.pathOf = pathOf
  }

  began(task: Task): void {
    this.begun.set(task, { row: this.rowOf(task), at: this.clock?.now() ?? 0 })
  }

  waits(task: Task, wait: Wait): void {
    this.waitsIn.set(task, task.waitingSince)
    const fromRow = this.begun.get(task)?.row
    if (wait.on === undefined || fromRow === undefined || this.arrows.length >= SPANS_MAX) return
    for (const other of wait.on.inTheWay(task)) {
      const toRow = this.begun.get(other)?.row
      if (toRow !== undefined)
        this.arrows.push({ time: task.waitingSince, fromRow, toRow, label: wait.ticket.what })
    }
  }

  resumes(task: Task, wait: Wait, waited: Ns): void {
    const start = this.waitsIn.get(task)
    const begun = this.begun.get(task)
    this.waitsIn.delete(task)
    if (start === undefined || begun === undefined) return
    this.keep({ row: begun.row, start, end: start + waited, kind: kindOf(wait), label: wait.ticket.what })
  }

  ended(task: Task): void {
    const begun = this.begun.get(task)
    this.begun.delete(task)
    if (begun === undefined) return
    const end = Math.max(begun.at, this.clock?.now() ?? 0)
    this.keep({ row: begun.row, start: begun.at, end, kind: 'running', label: task.verb.name })
  }

  timeline(): Timeline {
    const { rows, spans, arrows } = this
    const lead =
      this.dropped === 0 ? 'Every task and every wait.' : `${this.dropped} later spans were not kept.`
    return { kind: 'timeline', id: 'program', title: 'faultline', lead, rows, spans, arrows }
  }

  private keep(span: Span): void {
    if (this.spans.length < SPANS_MAX) this.spans.push(span)
    else this.dropped++
  }

  private rowOf(task: Task): number {
    const key = `${task.group} ${task.name}`
    let row = this.rowOfName.get(key)
    if (row === undefined) {
      row = this.rows.push({ name: task.name, group: this.pathOf(task.group) }) - 1
      this.rowOfName.set(key, row)
    }
    return row
  }
}
