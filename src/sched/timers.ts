/**
 * Tickets that time completes: a binary heap ordered by when, then by who came first.
 *
 * Invariants
 *   M1  A parent is never later than its children.
 *   M2  Two timers of one moment fire in the order they were set, so a run can be repeated.
 */
import type { Ns } from '../base/index.ts'
import type { Ticket } from './ticket.ts'

interface Timer {
  readonly at: Ns
  readonly order: number
  readonly ticket: Ticket
}

export class Timers {
  private readonly heap: Timer[] = []
  private order = 0

  /** When the next timer fires; Infinity if none is set. */
  get next(): Ns {
    return this.heap.length === 0 ? Infinity : this.heap[0]!.at
  }

  set(at: Ns, ticket: Ticket): void {
    this.heap.push({ at, order: this.order++, ticket })
    this.rise(this.heap.length - 1)
  }

  /** Takes the next timer off, if it is due at `now`. */
  takeDue(now: Ns): Ticket | undefined {
    if (this.next > now) return undefined
    const due = this.heap[0]!.ticket
    const last = this.heap.pop()!
    if (this.heap.length > 0) {
      this.heap[0] = last
      this.sink(0)
    }
    return due
  }

  private before(left: number, right: number): boolean {
    const a = this.heap[left]!
    const b = this.heap[right]!
    return a.at < b.at || (a.at === b.at && a.order < b.order)
  }

  private rise(at: number): void {
    for (let parent = (at - 1) >> 1; at > 0 && this.before(at, parent); parent = (at - 1) >> 1) {
      this.swap(at, parent)
      at = parent
    }
  }

  private sink(at: number): void {
    for (;;) {
      let least = at
      const left = 2 * at + 1
      if (left < this.heap.length && this.before(left, least)) least = left
      if (left + 1 < this.heap.length && this.before(left + 1, least)) least = left + 1
      if (least === at) return
      this.swap(at, least)
      at = least
    }
  }

  private swap(a: number, b: number): void {
    const kept = this.heap[a]!
    this.heap[a] = this.heap[b]!
    this.heap[b] = kept
  }
}
