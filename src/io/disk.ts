/**
 * A disk as the I/O scheduler sees it: how much it takes at once, who queues for it, its limits and its counters.
 *
 * Devices that name the same disk share all of it. Its policies are asked in the order of their list; what a group has set is
 * theirs, and a disk to come begins with what another has (`like`).
 */
import type { GroupId, GroupTree, Ns } from '../base/index.ts'
import type { Bio } from './bio.ts'
import { FairQueue, FULL, TAKEN } from './fair-queue.ts'
import { Guard } from './guard.ts'
import { Latency } from './latency.ts'
import type { Policy, Queue } from './policy.ts'
import { IoStats } from './stat.ts'
import { Throttle } from './throttle.ts'
import { Weights } from './weights.ts'

/** BLKDEV_DEFAULT_RQ is 128; what NVMe and virtio disks set is this or more (queue/nr_requests). */
const NR_REQUESTS = 256

export interface DiskOptions {
  /** How many requests it is given at once. */
  readonly nrRequests: number
  /** Whether its latency is judged by the mean, as a rotating disk's, or by how many requests miss the target. */
  readonly rotational: boolean
}

export class Disk implements Queue {
  readonly name: string
  readonly queue: FairQueue
  readonly throttle: Throttle
  readonly latency: Latency
  readonly guard: Guard
  readonly weights: Weights
  readonly stats: IoStats
  /** Who is asked, in this order, and told of each bio. */
  private readonly policies: readonly Policy[]
  nrRequests = NR_REQUESTS
  rotational = false
  issued = 0

  constructor(name: string, tree: GroupTree) {
    this.name = name
    this.queue = new FairQueue(tree, 'queued')
    this.throttle = new Throttle(tree)
    this.latency = new Latency(tree, this)
    this.guard = new Guard(tree)
    this.weights = new Weights(tree, this, group => this.guard.isProtected(group))
    this.policies = [this.guard, this.weights, this.latency]
    this.stats = new IoStats(tree)
  }

  /** Takes over what groups have set on another one. */
  like({ throttle, latency, guard, weights }: Disk, now: Ns): void {
    for (const [group, max] of throttle.settings()) this.throttle.setLimit(group, max, now)
    for (const [group, target] of latency.settings()) this.latency.setTarget(group, target, now)
    for (const [group, target] of guard.settings()) this.guard.setTarget(group, target)
    for (const [group, weight] of weights.settings()) this.weights.setWeight(group, weight)
  }

  /** When time lets something go on that waits. */
  get next(): Ns {
    return this.policies.reduce((least, { next }) => Math.min(least, next), this.throttle.next)
  }

  beginRound(): void {
    for (const policy of this.policies) policy.beginRound?.()
  }

  /** Whose limit refuses to let the bio go in the turn of `group`: TAKEN, if nobody's. */
  refusal(bio: Bio, group: GroupId, now: Ns): GroupId | typeof TAKEN | typeof FULL {
    if (this.issued >= this.nrRequests) return FULL
    for (const policy of this.policies) {
      const refused = policy.refusal(bio, group, now)
      if (refused !== TAKEN) return refused
    }
    return TAKEN
  }

  queued(bio: Bio): void {
    this.stats.count(bio)
    for (const policy of this.policies) policy.queued?.(bio)
  }

  started(bio: Bio, now: Ns): void {
    this.issued++
    for (const policy of this.policies) policy.started(bio, now)
  }

  ended(bio: Bio, now: Ns): void {
    this.issued--
    for (const policy of this.policies) policy.ended(bio, now)
  }

  tick(now: Ns): void {
    for (const policy of this.policies) policy.tick?.(now)
  }
}
