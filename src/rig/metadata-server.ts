/**
 * A server that keeps the metadata of a volume for many machines, as PostgreSQL would: a table of records at each commit, a
 * log of commits, one row with who may commit. Each call is one transaction. It's there to break clients with, in tests
 * and the lab.
 *
 * Invariants
 *   SR1 Each commit in the log stands on the one before it, and was made under the lease that was valid then.
 *   SR2 After the lease has passed on, or an outcome was asked for, no call under the old epoch changes anything.
 *   SR3 No pin is below `horizon`, and `horizon` never goes back.
 */
import { type Basis, type Call, type Commit, type Entry, type Reply, SortedMap } from '../volume/index.ts'

/** Records that one answer brings at most. */
const FETCH_MAX = 4

export class MetadataServer {
  /** Of the one who may commit. */
  epoch = 0
  holder = ''
  horizon = 0
  /** Commits, from number 1 on; those before `logStart` can't be asked for any more. */
  readonly log: Commit[] = []
  logStart = 1
  readonly pins = new Map<string, number>()

  get head(): number {
    return this.log.length
  }

  answer(client: string, call: Call): Reply {
    switch (call.kind) {
      case 'enter':
        return call.as === 'writer' ? this.passTo(client, call.over) : this.letIn(client)
      case 'fetch':
        return this.fetch(client, call)
      case 'commit':
        return this.commit(call)
      case 'outcome':
        return this.outcome(client, call.basis)
      case 'renew':
        return client === this.holder ? { kind: 'horizon', horizon: this.look() } : { kind: 'stale' }
      case 'news':
        return this.news(call.since)
      case 'pin':
        return this.pin(client, call.at)
    }
  }

  /** What a commit left. */
  stateAt(at: number): SortedMap<Uint8Array> {
    const state = new SortedMap<Uint8Array>()
    for (const { changes } of this.log.slice(0, at))
      for (const { key, value } of changes)
        if (value === null) state.delete(key)
        else state.set(key, value)
    return state
  }

  /** A reader's pin has run out, or the last of its time has. */
  forget(client: string): void {
    this.pins.delete(client)
  }

  /** The log is cut: who hasn't heard of what goes is told so. */
  cutLog(): void {
    this.logStart = this.head + 1
  }

  /** `over`: the lease that has run out. A call that comes too late takes nothing from who came in between. */
  private passTo(client: string, over: number): Reply {
    if (over !== this.epoch && this.holder !== client) return { kind: 'stale' }
    if (over === this.epoch) this.epoch++
    this.holder = client
    return { kind: 'entered', epoch: this.epoch, at: this.head, horizon: this.look() }
  }

  private letIn(client: string): Reply {
    const at = this.pins.get(client) ?? this.head
    this.pins.set(client, at)
    return { kind: 'entered', epoch: 0, at, horizon: this.horizon }
  }

  private fetch(client: string, { start, at }: Extract<Call, { kind: 'fetch' }>): Reply {
    if (at < this.horizon && client !== this.holder && this.pins.get(client) !== at) return { kind: 'stale' }
    const entries: Entry[] = []
    for (const entry of this.stateAt(at).range(start, '~')) {
      if (entries.length === FETCH_MAX) return { kind: 'records', entries, end: entry.key }
      entries.push(entry)
    }
    return { kind: 'records', entries, end: '~' }
  }

  private commit({ basis, changes }: Extract<Call, { kind: 'commit' }>): Reply {
    if (basis.epoch !== this.epoch || basis.after !== this.head) return { kind: 'stale' }
    this.log.push({ epoch: basis.epoch, changes })
    return { kind: 'committed', horizon: this.look() }
  }

  private outcome(client: string, { epoch, after }: Basis): Reply {
    const made = this.log[after]?.epoch === epoch
    if (this.holder !== client) return { kind: 'outcome', made, epoch: undefined }
    // What is under way yet comes too late from here on (SR2).
    if (this.epoch === epoch) this.epoch++
    return { kind: 'outcome', made, epoch: this.epoch }
  }

  private news(since: number): Reply {
    if (since + 1 < this.logStart) return { kind: 'too old', at: this.head }
    return { kind: 'commits', since, commits: this.log.slice(since) }
  }

  private pin(client: string, at: number): Reply {
    if (at < this.horizon) return { kind: 'stale' }
    const pinned = this.pins.get(client)
    if (pinned === undefined || pinned < at) this.pins.set(client, at)
    return { kind: 'pinned' }
  }

  /** Told to the writer, who gives out what was freed up to there: no reader is let in below it from now on. */
  private look(): number {
    this.horizon = Math.max(this.horizon, Math.min(this.head, ...this.pins.values()))
    return this.horizon
  }
}
