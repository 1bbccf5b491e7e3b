/**
 * Who is charged for memory: cgroup2's counters and limits, as numbers by group. No policy: what to do about a limit is
 * for reclaim and for the fault path.
 *
 * Invariants
 *   B1  usage[g] = the frames charged to g or to a group below it.
 *   B2  usage[g] <= max[g] after each charge. A limit that is lowered is reached by reclaim, not at once.
 *
 * Units   pages. Infinity means "max".
 * Compare Linux mm/memcontrol.c, mm/page_counter.c (6.12). Linux charges in batches of 64; here each page is charged,
 *         since there are no per-CPU stocks to save, and batches are counted for the penalty above memory.high alone.
 */
import { broken, type GroupId, type GroupTree } from '../base/index.ts'

/** MEMCG_CHARGE_BATCH: what Linux charges at a time, and so what it makes a task pay for above memory.high. */
export const CHARGE_BATCH = 64

export interface MemoryLimits {
  /** Hard limit: the charge that would pass it fails, after reclaim. */
  max: number
  /** Above it the group is slowed down and reclaimed. */
  high: number
  /** Not reclaimed while anything unprotected is left. */
  low: number
  /** Never reclaimed. */
  min: number
}

/** memory.events of cgroup-v2.rst. */
export interface MemoryEvents {
  low: number
  high: number
  max: number
  oom: number
}

/** memory.stat, in pages and in counts of events. */
export interface MemoryStat {
  anon: number
  file: number
  dirty: number
  writeback: number
  pgfault: number
  pgmajfault: number
  refault: number
  activate: number
  scan: number
  steal: number
  swapIn: number
  swapOut: number
}

export class Ledger {
  /** Rises when a limit is set. */
  changes = 0
  private readonly tree: GroupTree
  private readonly accounts: {
    limits: MemoryLimits
    events: MemoryEvents
    stat: MemoryStat
    usage: number
    /** Pages charged to this very group since `takeBatches` last looked. */
    charged: number
  }[] = []

  constructor(tree: GroupTree) {
    this.tree = tree
  }

  setLimits(group: GroupId, limits: Partial<MemoryLimits>): void {
    Object.assign(this.account(group).limits, limits)
    this.changes++
  }

  limits(group: GroupId): Readonly<MemoryLimits> {
    return this.account(group).limits
  }

  usage(group: GroupId): number {
    return this.account(group).usage
  }

  events(group: GroupId): MemoryEvents {
    return this.account(group).events
  }

  /** This group's own statistics; a reader sums them over the tree. */
  stat(group: GroupId): MemoryStat {
    return this.account(group).stat
  }

  /** The nearest group, from `group` up, that so many more pages would take over its max; 0: none. */
  wouldExceed(group: GroupId, pages = 1): GroupId {
    for (let id = group; id !== 0; id = this.tree.parent(id)) {
      const { usage, limits } = this.account(id)
      if (usage + pages > limits.max) return id
    }
    return 0
  }

  /** The nearest group, from `group` up, that is above its high; 0: none. */
  aboveHigh(group: GroupId): GroupId {
    for (let id = group; id !== 0; id = this.tree.parent(id)) {
      const { usage, limits } = this.account(id)
      if (usage > limits.high) return id
    }
    return 0
  }

  /** A charge was refused for good, where a limit is reached. */
  outOfMemory(group: GroupId): void {
    const over = this.wouldExceed(group)
    if (over !== 0) this.events(over).oom++
  }

  /** The pages charged to a group since this was last asked, in whole batches. The rest is kept for the next time, or is forgiven. */
  takeBatches(group: GroupId, rest: 'kept' | 'forgiven'): number {
    const account = this.account(group)
    const batches = Math.floor(account.charged / CHARGE_BATCH)
    account.charged = rest === 'kept' ? account.charged % CHARGE_BATCH : 0
    return batches
  }

  charge(group: GroupId): void {
    this.account(group).charged++
    for (let id = group; id !== 0; id = this.tree.parent(id)) this.account(id).usage++
  }

  uncharge(group: GroupId): void {
    for (let id = group; id !== 0; id = this.tree.parent(id)) {
      const account = this.account(id)
      if (account.usage <= 0) broken(`B1: group ${id} gives back only what it was charged`)
      account.usage--
    }
  }

  /**
   * What of a group's memory reclaim on behalf of `root` must leave alone: effective min and low, in pages
   * (mem_cgroup_calculate_protection, Linux 6.12 mm/memcontrol.c; with memory_recursiveprot).
   */
  protection(group: GroupId, root: GroupId): { readonly min: number; readonly low: number } {
    if (group === root || group === 0) return { min: 0, low: 0 }
    const { limits, usage } = this.account(group)
    const parent = this.tree.parent(group)
    if (parent === root || parent === 0)
      return { min: Math.min(usage, limits.min), low: Math.min(usage, limits.low) }
    const above = this.protection(parent, root)
    return {
      min: this.share(group, parent, limits.min, above.min, 'min'),
      low: this.share(group, parent, limits.low, above.low, 'low'),
    }
  }

  private share(group: GroupId, parent: GroupId, own: number, above: number, kind: 'min' | 'low'): number {
    const usage = this.usage(group)
    const wanted = Math.min(usage, own)
    let siblings = 0
    for (const child of this.tree.children(parent))
      siblings += Math.min(this.usage(child), this.account(child).limits[kind])
    if (siblings > above) return (wanted * above) / siblings
    if (usage <= wanted) return wanted
    // More than 0: what this one uses beyond what it claims is a part of it.
    const unclaimedUsage = this.usage(parent) - siblings
    return wanted + ((above - siblings) * (usage - wanted)) / unclaimedUsage
  }

  private account(group: GroupId) {
    while (this.accounts.length <= group)
      this.accounts.push({
        limits: { max: Infinity, high: Infinity, low: 0, min: 0 },
        events: { low: 0, high: 0, max: 0, oom: 0 },
        stat: {
          anon: 0,
          file: 0,
          dirty: 0,
          writeback: 0,
          pgfault: 0,
          pgmajfault: 0,
          refault: 0,
          activate: 0,
          scan: 0,
          steal: 0,
          swapIn: 0,
          swapOut: 0,
        },
        usage: 0,
        charged: 0,
      })
    return this.accounts[group]!
  }
}
