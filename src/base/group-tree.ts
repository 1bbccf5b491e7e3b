/**
 * The tree of groups, as numbers: who is whose parent. Names and settings belong to the rooms above; memory, I/O and
 * policy each keep their own columns by GroupId.
 *
 * Invariants
 *   G1  The root is ROOT and its own parent is 0. A parent's number is smaller than its children's.
 */
import { assert } from './assert.ts'
import type { GroupId } from './units.ts'

export const ROOT: GroupId = 1

export class GroupTree {
  private readonly parents: GroupId[] = [0, 0]

  /** The number of groups ever made; ids run from ROOT to this. */
  get last(): GroupId {
    return this.parents.length - 1
  }

  create(parent: GroupId): GroupId {
    assert(parent >= ROOT && parent <= this.last, `G1: the parent ${parent} is a group`)
    return this.parents.push(parent) - 1
  }

  /** 0 for the root. */
  parent(group: GroupId): GroupId {
    return this.parents[group]!
  }

  children(group: GroupId): GroupId[] {
    const found: GroupId[] = []
    for (let id = group + 1; id < this.parents.length; id++) if (this.parents[id] === group) found.push(id)
    return found
  }

  /** Whether `group` is `ancestor` or below it. */
  isWithin(group: GroupId, ancestor: GroupId): boolean {
    for (let id = group; id !== 0; id = this.parents[id]!) if (id === ancestor) return true
    return false
  }
}
