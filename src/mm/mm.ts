/**
 * The parts that faults and verbs work with, brought together: one object for each machine, no state of its own beyond
 * the spaces. The machine makes it; nothing here decides anything.
 */
import { type GroupId, type GroupTree, ROOT, type SpaceId } from '../base/index.ts'
import type { PageCache, Writeback } from '../cache/index.ts'
import type { Io } from '../io/index.ts'
import type { Memory } from '../memory/index.ts'
import type { TableMirror } from '../mmu/index.ts'
import type { Scheduler } from '../sched/index.ts'
import type { Discipline } from './disciplines.ts'
import type { Rmap } from './rmap.ts'
import { type Family, Space, type SpacePlan } from './space.ts'
import type { Swapping } from './swapping.ts'
import type { OpenFile } from './vma.ts'

export interface MmParts {
  readonly scheduler: Scheduler
  readonly memory: Memory
  readonly cache: PageCache
  readonly writeback: Writeback
  readonly io: Io
  readonly rmap: Rmap
  readonly groups: GroupTree
  readonly discipline: Discipline
  /** undefined: anonymous pages can't be reclaimed. */
  readonly swapping: Swapping | undefined
  /** Who mirrors the page table of a space; undefined: nobody. */
  readonly mirrorOf: ((space: SpaceId) => TableMirror) | undefined
}

export class Mm {
  readonly scheduler: Scheduler
  readonly memory: Memory
  readonly cache: PageCache
  readonly writeback: Writeback
  readonly io: Io
  readonly rmap: Rmap
  readonly groups: GroupTree
  readonly discipline: Discipline
  readonly swapping: Swapping | undefined
  private readonly mirrorOf: MmParts['mirrorOf']
  readonly spaces = new Map<SpaceId, Space>()
  /** The last VMA that mapped a file through this opening has gone. Set once, by the machine. */
  readonly onLastUnmap: (open: OpenFile) => void = () => {}
  /** The group at which the next reclaim begins: all groups of a full machine take turns (mem_cgroup_iter). */
  reclaimFrom: GroupId = ROOT
  /** For a group that reclaim found nothing for: what memory's `changes` and its limits' were then. */
  readonly barren = new Map<GroupId, number>()
  private ids = 0

  constructor(parts: MmParts) {
    this.scheduler = parts.scheduler
    this.memory = parts.memory
    this.cache = parts.cache
    this.writeback = parts.writeback
    this.io = parts.io
    this.rmap = parts.rmap
    this.groups = parts.groups
    this.discipline = parts.discipline
    this.swapping = parts.swapping
    this.mirrorOf = parts.mirrorOf
  }

  /** A new space of a family of its own. */
  createSpace(plan: SpacePlan): Space {
    const space = this.newSpace(plan, this.newFamily())
    this.addSpace(space)
    return space
  }

  /** A space that nobody sees before it is added: fork fills it first. */
  newSpace(plan: SpacePlan, family: Family): Space {
    const id = ++this.ids
    const { pageSize } = this.memory.frames
    return new Space(this.scheduler, id, plan, family, pageSize, this.mirrorOf?.(id))
  }

  addSpace(space: Space): void {
    this.spaces.set(space.id, space)
  }

  /** Forgets a space that has no VMA left. */
  forgetSpace(space: Space): void {
    this.spaces.delete(space.id)
    space.family.spaces.delete(space)
    if (space.family.spaces.size === 0) this.rmap.dropFamily(space.family)
  }

  private newFamily(): Family {
    const family: Family = { id: this.cache.newId(), spaces: new Set() }
    this.rmap.addFamily(family)
    return family
  }
}
