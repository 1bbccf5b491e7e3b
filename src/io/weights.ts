/**
 * io.weight of one disk: groups that want more than the disk gives share it by their weights.
 *
 * Each group has a virtual time, which runs on by the cost of what it issues (cost.ts), slower the more weight it has.
 * The group whose time is furthest behind goes first. A share is of what is wanted now: siblings that want nothing don't
 * count, so what one doesn't use goes to the others at once, and whoever comes back begins at the present time, with no
 * credit for having been away.
 *
 *     share of a group = the product, from it up to the root, of its weight / the weights of its siblings that are active
 *
 * Invariants
 *   WT1 Between two groups that always want more, what they get is as their shares, to one bio each.
 *   WT2 Virtual time of the disk never runs back; a group's time is at least that when it becomes active.
 *
 * Compare  Linux 6.12 block/blk-iocost.c. There the disk's time runs by a rate that is found by measuring, and a group
 *          may issue as long as it isn't ahead of it; a group that doesn't use its share donates what is left. Here the
 *          disk is given no more than keeps it busy (depth.ts), and the order of what waits makes the shares.
 */
import { type GroupId, type GroupTree, type Ns, ROOT } from '../base/index.ts'
import type { Bio } from './bio.ts'
import { costOf } from './cost.ts'
import { Depth } from './depth.ts'
import { TAKEN } from './fair-queue.ts'
import type { Policy, Queue } from './policy.ts'

/** CGROUP_WEIGHT_DFL, _MIN and _MAX. */
export const WEIGHT_DEFAULT = 100
export const WEIGHT_MIN = 1
export const WEIGHT_MAX = 10_000

export class Weights implements Policy {
  readonly next = Infinity
  private readonly tree: GroupTree
  private readonly disk: Pick<Queue, 'nrRequests' | 'issued'>
  private readonly isProtected: (group: GroupId) => boolean
  /** What keeps the disk busy; it is found anew for each disk, from its first bio on. */
  private depth: Depth | undefined
  private readonly weights = new Map<GroupId, number>()
  private readonly times = new Map<GroupId, number>()
  /** How many bios of each group and of those below it wait or are on their way. */
  private readonly active = new Map<GroupId, number>()
  private now = 0

  /** Whoever `isProtected` goes whatever the disk has. */
  constructor(
    tree: GroupTree,
    disk: Pick<Queue, 'nrRequests' | 'issued'>,
    isProtected: (group: GroupId) => boolean,
  ) {
    this.tree = tree
    this.disk = disk
    this.isProtected = isProtected
  }

  /** Whether anybody has a weight of his own: else turns are as good. */
  get inUse(): boolean {
    return this.weights.size > 0
  }

  weight(group: GroupId): number {
    return this.weights.get(group) ?? WEIGHT_DEFAULT
  }

  /** What groups have set. */
  settings(): Iterable<readonly [GroupId, number]> {
    return this.weights
  }

  setWeight(group: GroupId, weight: number): void {
    if (weight === WEIGHT_DEFAULT) this.weights.delete(group)
    else this.weights.set(group, weight)
  }

  refusal({ operation }: Bio, group: GroupId): GroupId | typeof TAKEN {
    if (!this.inUse || this.depth === undefined || this.disk.issued < this.depth.limit) return TAKEN
    return (operation === 'read' || operation === 'write') && !this.isProtected(group) ? group : TAKEN
  }

  queued({ group }: Bio): void {
    if ((this.active.get(group) ?? 0) === 0) this.times.set(group, Math.max(this.now, this.timeOf(group)))
    this.count(group, 1)
  }

  started(bio: Bio): void {
    this.depth ??= new Depth(this.disk.nrRequests)
    this.depth.started(this.disk.issued)
    const { group } = bio
    const time = this.timeOf(group)
    this.now = Math.max(this.now, time)
    this.times.set(group, time + costOf(bio) / this.share(group))
  }

  ended(bio: Bio, now: Ns): void {
    this.depth?.ended(costOf(bio), now)
    this.count(bio.group, -1)
  }

  /** Who goes first: the group whose time is least. */
  timeOf(group: GroupId): number {
    return this.times.get(group) ?? 0
  }

  /** Of the disk, for a group that is active. */
  share(group: GroupId): number {
    let share = 1
    for (let id = group; id > ROOT; id = this.tree.parent(id)) {
      let sum = 0
      for (const sibling of this.tree.children(this.tree.parent(id)))
        if (sibling === id || (this.active.get(sibling) ?? 0) > 0) sum += this.weight(sibling)
      share *= this.weight(id) / sum
    }
    return share
  }

  private count(group: GroupId, change: 1 | -1): void {
    for (let id = group; id !== 0; id = this.tree.parent(id))
      this.active.set(id, (this.active.get(id) ?? 0) + change)
  }
}
