/**
 * A disk as the I/O scheduler sees it: how much it takes at once, who queues for it, its limits and its counters.
 *
 * Devices that name the same disk share all of it.
 */
import type { GroupTree, Ns } from '../base/index.ts'
import { Depth } from './depth.ts'
import { FairQueue } from './fair-queue.ts'
import { Guard } from './guard.ts'
import { Latency, type Queue } from './latency.ts'
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
  depth = new Depth(NR_REQUESTS)
  private requests = NR_REQUESTS
  rotational = false
  issued = 0

  constructor(name: string, tree: GroupTree) {
    this.name = name
    this.queue = new FairQueue(tree, 'queued')
    this.throttle = new Throttle(tree)
    this.latency = new Latency(tree, this)
    this.guard = new Guard(tree)
    this.weights = new Weights(tree)
    this.stats = new IoStats(tree)
  }

  get nrRequests(): number {
    return this.requests
  }

  set nrRequests(requests: number) {
    this.requests = requests
    this.depth = new Depth(requests)
  }

  /** When time lets something go on that waits. */
  get next(): Ns {
    return Math.min(this.throttle.next, this.latency.next, this.guard.next)
  }
}
