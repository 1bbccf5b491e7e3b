/**
 * Requests of FUSE: who asks a daemon for what, which thread of it answers, and who slept for that.
 *
 *     asked --> under way --> answered: whom the answering thread wakes then had waited for it
 *                   '-------> open at the end: who asked, if it still sleeps, waits
 *
 * Invariants
 *   RQ1  At most UNDER_WAY_MAX requests are followed: of more the oldest is given up.
 *   RQ2  An answer without a question, as at the beginning of a trace, tells only who the daemon is.
 */
import type { TraceRecord } from '../trace/index.ts'
import { History, type Interval, overlap } from './history.ts'
import type { Sleep, Task } from './tasks.ts'

export interface Asked extends Interval {
  readonly task: Task
  readonly connection: string
  readonly unique: number
  /** READ, LOOKUP, ... */
  readonly opcode: string
  readonly start: number
  /** -1 while it is under way. */
  end: number
  /** The thread that answered it, 0 while none has. */
  daemon: number
}

const UNDER_WAY_MAX = 1 << 14
const DAEMONS_MAX = 1024
/** An answer wakes who waits for it at once, unless the answering thread loses its CPU. */
const WAKES_NS = 10e6
/** What took less isn't what anybody waits long for. */
const KEPT_NS = 1e6

export class Requests {
  private readonly underWay = new Map<string, Asked>()
  private readonly answeredLong = new History<Asked>()
  /** By thread of a daemon: what it answered last. */
  private readonly lastOf = new Map<number, Asked>()
  /** By connection: which thread answered last. */
  private readonly daemons = new Map<string, number>()

  asked(task: Task, { device, unique, name, time }: TraceRecord): void {
    if (this.underWay.size >= UNDER_WAY_MAX) this.giveUp(this.underWay.values().next().value!)
    const key = keyOf(device, unique)
    // The answer to the one before it was lost, or its connection is another's by now.
    const before = this.underWay.get(key)
    if (before !== undefined) this.giveUp(before)
    const asked = {
      task,
      connection: device,
      unique,
      opcode: name,
      start: time,
      end: -1,
      daemon: 0,
    }
    this.underWay.set(key, asked)
    task.asks++
  }

  answered(by: Task, { device, unique, time }: TraceRecord, oldestAsked: () => number): Asked | undefined {
    if (by.answersSince === -1) by.answersSince = time
    remember(this.daemons, device, by.tid)
    const asked = this.underWay.get(keyOf(device, unique))
    this.lastOf.delete(by.tid)
    if (asked === undefined) return undefined
    this.giveUp(asked)
    asked.end = time
    asked.daemon = by.tid
    remember(this.lastOf, by.tid, asked)
    if (time - asked.start >= KEPT_NS) this.answeredLong.add(asked, oldestAsked)
    return asked
  }

  /** The request whose answer makes a thread wake somebody now. */
  answeredJustNow(tid: number, time: number): Asked | undefined {
    const asked = this.lastOf.get(tid)
    return asked !== undefined && time - asked.end <= WAKES_NS ? asked : undefined
  }

  /** Who answers on a connection, 0 if nobody has yet. */
  daemonOf(connection: string): number {
    return this.daemons.get(connection) ?? 0
  }

  open(): Iterable<Asked> {
    return this.underWay.values()
  }

  /** The request that a task waited for while it slept, for most of that time. */
  of({ tid, start, end }: Sleep): Asked | undefined {
    let best: Asked | undefined
    const least = (end - start) / 2
    const look = (asked: Asked, until: number) => {
      if (asked.task.tid !== tid || overlap({ start: asked.start, end: until }, start, end) < least) return
      if (best === undefined || asked.start < best.start) best = asked
    }
    for (const asked of this.underWay.values()) look(asked, Infinity)
    for (const asked of this.answeredLong.overlapping(start, end)) look(asked, asked.end)
    return best
  }

  /** When the oldest that is under way was asked for. */
  get oldest(): number {
    return this.underWay.values().next().value?.start ?? Infinity
  }

  private giveUp(asked: Asked): void {
    this.underWay.delete(keyOf(asked.connection, asked.unique))
    asked.task.asks--
  }
}

/** What was set last stands last, so that the first is the one to forget. */
function remember<K, V>(map: Map<K, V>, key: K, value: V): void {
  map.delete(key)
  map.set(key, value)
  if (map.size > DAEMONS_MAX) map.delete(map.keys().next().value!)
}

const keyOf = (connection: string, unique: number): string => `${connection} ${unique}`
