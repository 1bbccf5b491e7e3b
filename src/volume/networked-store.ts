/**
 * A store whose records lie on a metadata server: of the commit that it is at it has here what was asked for.
 *
 *     entering -> at a commit -> lost          a writer by a lease, a reader by a pin on the commit that it is at
 *     commit:  sent -> answered                the ticket completes
 *                 \-> given up -> outcome asked for, until it is known -> made: the ticket completes well
 *                                                      it never will be: ETIMEDOUT, and ESTALE if the lease is lost
 *
 * Invariants   ST1 to ST9 (volume/store.ts)
 *   NS1 What is here of a range is all that the commit has of it: `here` says of which ranges.
 */
import { type Errno, errno } from '../base/index.ts'
import type { Scheduler, Ticket } from '../sched/index.ts'
import { Absent, Failure } from './failure.ts'
import type { Call, Client, Commit, Reply, Way } from './metadata-calls.ts'
import { SortedMap } from './sorted-map.ts'
import type { Basis, Change, Entry, News, Store } from './store.ts'

/** With more records here, all are let go of when the next commit is come to: some 40 MB. */
const RECORDS_MAX = 200_000

export type Role =
  | { readonly as: 'reader'; readonly name: string }
  /** `over`: the lease that has run out. */
  | { readonly as: 'writer'; readonly name: string; readonly over: number }

interface Pending {
  readonly ticket: Ticket
  readonly changes: readonly Change[]
  readonly basis: Basis
}

interface Range {
  readonly start: string
  readonly end: string
}

export class NetworkedStore implements Store, Client {
  readonly name: string
  readonly readOnly: boolean
  readonly onCommit: (news: News) => void = () => {}
  at = 0
  horizon = 0
  readonly lease = { epoch: 0, lost: false }
  /** Completes when it is at a commit; ESTALE: somebody else has the lease. */
  readonly entered: Ticket
  private readonly scheduler: Scheduler
  private readonly network: Way
  private records = new SortedMap<Uint8Array>()
  /** In order; no two touch. */
  private here: Range[] = []
  private readonly coming = new Map<string, Ticket>()
  private pending: Pending | undefined
  /** What `advance` will adopt. */
  private news: Extract<Reply, { kind: 'commits' | 'too old' }> | undefined

  constructor(scheduler: Scheduler, network: Way, role: Role) {
    this.scheduler = scheduler
    this.network = network
    this.name = role.name
    this.readOnly = role.as === 'reader'
    this.entered = scheduler.ticket(`${role.name} enters`)
    network.send(this, { kind: 'enter', ...role })
  }

  get(key: string): Uint8Array | undefined {
    this.need(key)
    return this.records.get(key)
  }

  /** What is here of a record, asking nobody; 'unknown': it isn't here. */
  known(key: string): Uint8Array | undefined | 'unknown' {
    return this.rangeOf(key) === undefined ? 'unknown' : this.records.get(key)
  }

  *range(start: string, end: string): Generator<Entry> {
    for (let from = start; from < end; ) {
      const range = this.need(from)
      const stop = range.end < end ? range.end : end
      yield* this.records.range(from, stop)
      from = stop
    }
  }

  /** What was committed since, as far as it is known: the keys of each commit, or that any may have changed. */
  get pendingNews(): readonly News[] {
    const { news, at } = this
    if (news === undefined) return []
    if (news.kind === 'too old') return [{ kind: 'reset', at: news.at }]
    return news.commits.slice(at - news.since).map(({ changes }, place) => ({
      kind: 'commit',
      at: at + place + 1,
      keys: changes.map(({ key }) => key),
    }))
  }

  advance(): void {
    const { news, lease } = this
    this.news = undefined
    if (news === undefined || lease.lost) return
    if (news.kind === 'too old') this.begin(news.at)
    else for (const commit of news.commits.slice(this.at - news.since)) this.adopt(commit)
    this.network.send(this, { kind: 'pin', at: this.at })
  }

  commit(changes: readonly Change[], basis: Basis): Ticket {
    const ticket = this.scheduler.ticket('commit of the metadata')
    const { lost, epoch } = this.lease
    if (lost || basis.epoch !== epoch || basis.after !== this.at) {
      this.scheduler.complete(ticket, errno.ESTALE)
      return ticket
    }
    this.pending = { ticket, changes, basis }
    this.network.send(this, { kind: 'commit', basis, changes })
    return ticket
  }

  /** A reader asks what was committed since; a writer, how far back anybody looks. */
  renew(): void {
    this.network.send(this, this.readOnly ? { kind: 'news', since: this.at } : { kind: 'renew' })
  }

  /** Keeps its lease, or its place at the commit that it is at. */
  keep(): void {
    if (this.lease.lost || !this.entered.complete) return
    this.network.send(this, this.readOnly ? { kind: 'pin', at: this.at } : { kind: 'renew' })
  }

  /** Its time has run out: by its own clock, so before the server lets others have what it had. */
  expire(): void {
    this.lease.lost = true
  }

  hear(call: Call, reply: Reply | 'nothing'): void {
    switch (call.kind) {
      case 'enter':
        this.enter(call, reply)
        break
      case 'fetch':
        this.receive(call, reply)
        break
      case 'commit':
        this.settle(call.basis, reply)
        break
      case 'outcome':
        this.learn(call.basis, reply)
        break
      default:
        this.note(reply)
    }
  }

  private enter(call: Call, reply: Reply | 'nothing'): void {
    if (reply === 'nothing') this.network.send(this, call)
    else if (reply.kind === 'entered') {
      this.at = reply.at
      this.horizon = reply.horizon
      this.lease.epoch = reply.epoch
      this.scheduler.complete(this.entered)
    } else {
      this.lease.lost = true
      this.scheduler.complete(this.entered, errno.ESTALE)
    }
  }

  private receive({ start, at }: Extract<Call, { kind: 'fetch' }>, reply: Reply | 'nothing'): void {
    if (reply !== 'nothing' && reply.kind === 'stale') this.lease.lost = true
    if (reply !== 'nothing' && reply.kind === 'records' && at === this.at) {
      for (const { key, value } of reply.entries) this.records.set(key, value)
      this.cover(start, reply.end)
    }
    const ticket = this.coming.get(start)!
    this.coming.delete(start)
    this.scheduler.complete(ticket)
  }

  /** The answer to a commit. */
  private settle(basis: Basis, reply: Reply | 'nothing'): void {
    // ST5: none says nothing.
    if (reply === 'nothing') this.network.send(this, { kind: 'outcome', basis })
    else if (reply.kind === 'committed') {
      this.horizon = reply.horizon
      this.made()
    } else if (reply.kind === 'failed') this.end(reply.errno)
    else this.fenced()
  }

  /** The answer to what became of one. */
  private learn(basis: Basis, reply: Reply | 'nothing'): void {
    if (reply === 'nothing') this.network.send(this, { kind: 'outcome', basis })
    else if (reply.kind === 'outcome') {
      const { made, epoch } = reply
      if (epoch === undefined) this.lease.lost = true
      else this.lease.epoch = epoch
      if (made) this.made()
      else this.end(epoch === undefined ? errno.ESTALE : errno.ETIMEDOUT)
    }
  }

  private made(): void {
    const { changes, basis } = this.pending!
    this.adopt({ epoch: basis.epoch, changes })
    this.end(errno.OK)
  }

  private fenced(): void {
    this.lease.lost = true
    this.end(errno.ESTALE)
  }

  private end(error: Errno): void {
    const { ticket } = this.pending!
    this.pending = undefined
    this.scheduler.complete(ticket, error)
  }

  private note(reply: Reply | 'nothing'): void {
    if (reply === 'nothing') return
    if (reply.kind === 'stale') this.lease.lost = true
    else if (reply.kind === 'horizon') this.horizon = Math.min(reply.horizon, this.at)
    else if (reply.kind === 'commits' || reply.kind === 'too old') this.news = reply
  }

  private adopt({ changes }: Commit): void {
    if (this.records.size > RECORDS_MAX) this.letGo()
    for (const { key, value } of changes)
      if (this.rangeOf(key) === undefined) continue
      else if (value === null) this.records.delete(key)
      else this.records.set(key, value)
    this.at++
    if (this.readOnly) this.horizon = this.at
    this.onCommit({ kind: 'commit', at: this.at, keys: changes.map(({ key }) => key) })
  }

  private begin(at: number): void {
    this.letGo()
    this.at = at
    this.horizon = at
    this.onCommit({ kind: 'reset', at })
  }

  /** The range that is here and has the key; throws if there is none. */
  private need(key: string): Range {
    const { lost } = this.lease
    if (lost && this.readOnly) throw new Failure(errno.ESTALE)
    const range = this.rangeOf(key)
    if (range !== undefined) return range
    if (lost) throw new Failure(errno.ESTALE)
    let ticket = this.coming.get(key)
    if (ticket === undefined) {
      ticket = this.scheduler.ticket(`records of ${this.name} from ${key} on`)
      this.coming.set(key, ticket)
      this.network.send(this, { kind: 'fetch', start: key, at: this.at })
    }
    throw new Absent(ticket)
  }

  private letGo(): void {
    this.records = new SortedMap()
    this.here = []
  }

  private rangeOf(key: string): Range | undefined {
    const range = this.here[this.placeOf(key)]
    return range !== undefined && range.start <= key ? range : undefined
  }

  /** Of the first range that ends behind the key. */
  private placeOf(key: string): number {
    const { here } = this
    let low = 0
    let high = here.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (here[middle]!.end <= key) low = middle + 1
      else high = middle
    }
    return low
  }

  private cover(start: string, end: string): void {
    const { here } = this
    const before = here[this.placeOf(start) - 1]
    const first = this.placeOf(start) - (before?.end === start ? 1 : 0)
    let last = first
    while (last < here.length && here[last]!.start <= end) last++
    const from = first < last && here[first]!.start < start ? here[first]!.start : start
    const to = first < last && here[last - 1]!.end > end ? here[last - 1]!.end : end
    here.splice(first, last - first, { start: from, end: to })
  }
}
