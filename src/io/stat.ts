/**
 * io.stat of one disk: what has gone through, by group, each group with all that are below it.
 *
 * Compare  Linux 6.12 block/blk-cgroup.c: blk_cgroup_bio_start and cgroup-v2.rst. A flush or a resize counts as a write
 *          of no bytes, zeroing as a discard. Counted when io.max lets it go, to the group it belongs to.
 */
import type { Bytes, GroupId, GroupTree } from '../base/index.ts'
import type { Spent } from '../device/index.ts'
import type { Bio } from './bio.ts'

export interface IoStat {
  rbytes: Bytes
  wbytes: Bytes
  rios: number
  wios: number
  dbytes: Bytes
  dios: number
}

export class IoStats {
  private readonly tree: GroupTree
  private readonly stats = new Map<GroupId, IoStat>()
  private readonly spent = new Map<GroupId, Map<string, number>>()

  constructor(tree: GroupTree) {
    this.tree = tree
  }

  /** Undefined if nothing went through yet. */
  of(group: GroupId): Readonly<IoStat> | undefined {
    return this.stats.get(group)
  }

  /** What devices spent on bios of `group`, by name; undefined: nothing. */
  spentOf(group: GroupId): ReadonlyMap<string, number> | undefined {
    return this.spent.get(group)
  }

  spend(bio: Bio, spent: Spent): void {
    for (let id = bio.group; id !== 0; id = this.tree.parent(id)) {
      const sums = this.spent.get(id) ?? new Map<string, number>()
      this.spent.set(id, sums)
      for (const [name, value] of Object.entries(spent)) sums.set(name, (sums.get(name) ?? 0) + value)
    }
  }

  count(bio: Bio): void {
    for (let id = bio.group; id !== 0; id = this.tree.parent(id)) add(this.stat(id), bio)
  }

  private stat(group: GroupId): IoStat {
    let stat = this.stats.get(group)
    if (stat === undefined) {
      stat = { rbytes: 0, wbytes: 0, rios: 0, wios: 0, dbytes: 0, dios: 0 }
      this.stats.set(group, stat)
    }
    return stat
  }
}

function add(stat: IoStat, { operation, length }: Bio): void {
  switch (operation) {
    case 'read':
      stat.rbytes += length
      stat.rios++
      break
    case 'zero':
      stat.dbytes += length
      stat.dios++
      break
    case 'write':
      stat.wbytes += length
      stat.wios++
      break
    case 'flush':
    case 'resize':
      stat.wios++
      break
  }
}
