/**
 * An address space: its VMAs, its page table, its locks (struct mm_struct). The verbs that change it are in space/; the
 * fault path, which fills its page table, is in fault.ts.
 *
 * Invariants
 *   A1 (vma.ts)
 *   SP1 resident = the present entries of its table that map a frame other than the zero page.
 *   SP2 Entries exist only inside VMAs.
 *   SP3 Spaces that come from one another by fork are a family: an anonymous page has the same number in each (A4).
 *   SP4 mapped = the pages of its VMAs; kept by whoever adds and removes them (space/vmas.ts).
 */
import { type GroupId, OrderedList, type SpaceId, type Vpn } from '../base/index.ts'
import { SpaceLock } from '../lock/index.ts'
import { PageTable, type TableMirror } from '../mmu/index.ts'
import type { Scheduler, Task } from '../sched/index.ts'
import type { Vma } from './vma.ts'

/** The first page number that is handed out; page 0 stays unmapped, as everywhere. */
const FIRST_VPN: Vpn = 16

/** Bytes that one leaf of a page table covers at most. */
const LEAF_BYTES_MAX = 2 ** 31

export interface Family {
  /** The owner of its anonymous frames. */
  readonly id: number
  readonly spaces: Set<Space>
}

/** What /proc and the door's statistics say of a space. */
export interface SpaceStat {
  faults: number
  major: number
  retries: number
  /** Waits for I/O while a lock of the space was held. */
  ioUnderLock: number
  /** Reads that had to be done again because their page was gone before the fault came back. */
  rereads: number
  /** Calls of pageMkwrite that said done. */
  mkwrites: number
  /** How often a fault read-locked the space, and how often a VMA. */
  mapLocks: number
  vmaLocks: number
}

export interface SpacePlan {
  readonly name: string
  readonly group: GroupId
  readonly commandLine: string
}

export class Space {
  readonly id: SpaceId
  readonly name: string
  readonly group: GroupId
  readonly commandLine: string
  readonly family: Family
  readonly locks: SpaceLock
  readonly table: PageTable
  readonly vmas = new OrderedList<Vma>(
    vma => vma.start,
    vma => vma.end,
  )
  /** Private VMAs that mremap has moved, by the numbers of their pages (A4). */
  readonly moved = new OrderedList<Vma>(
    vma => vma.anonOffset,
    vma => vma.anonOffset + vma.end - vma.start,
  )
  readonly stat: SpaceStat = {
    faults: 0,
    major: 0,
    retries: 0,
    ioUnderLock: 0,
    rereads: 0,
    mkwrites: 0,
    mapLocks: 0,
    vmaLocks: 0,
  }
  /** Pages that its VMAs cover (total_vm). */
  mapped = 0
  resident = 0
  /** Entries that name a swap slot. */
  swapped = 0
  state: 'alive' | 'exiting' = 'alive'
  private nextFree: Vpn = FIRST_VPN

  constructor(
    scheduler: Scheduler,
    id: SpaceId,
    plan: SpacePlan,
    family: Family,
    pageSize: number,
    mirror?: TableMirror,
  ) {
    this.id = id
    this.name = plan.name
    this.group = plan.group
    this.commandLine = plan.commandLine
    this.family = family
    this.locks = new SpaceLock(scheduler, plan.name)
    this.table = new PageTable(LEAF_BYTES_MAX / pageSize, mirror)
    family.spaces.add(this)
  }

  find(vpn: Vpn): Vma | undefined {
    const vma = this.vmas.floor(vpn)
    return vma !== undefined && vpn < vma.end ? vma : undefined
  }

  /** The first VMA that ends past `vpn`. */
  firstFrom(vpn: Vpn): Vma | undefined {
    const vma = this.find(vpn)
    if (vma !== undefined) return vma
    for (const next of this.vmas.from(vpn)) return next
    return undefined
  }

  /** VMAs that overlap [start, end), in order. The list may be changed while the caller holds the array. */
  overlapping(start: Vpn, end: Vpn): Vma[] {
    const first = start < end ? this.find(start) : undefined
    const found: Vma[] = first === undefined ? [] : [first]
    for (const vma of this.vmas.from(start + (first === undefined ? 0 : 1))) {
      if (vma.start >= end) break
      found.push(vma)
    }
    return found
  }

  /** A free run of `pages`, aligned so that a large mapping can have large leaves; -1: none below `end`. */
  findFree(pages: number, end: Vpn): Vpn {
    const alignment = alignmentFor(pages)
    const align = (vpn: Vpn) => Math.ceil(vpn / alignment) * alignment
    const ahead = align(this.nextFree)
    if (
      ahead + pages <= end &&
      this.vmas.floor(ahead + pages - 1) === this.vmas.floor(ahead) &&
      this.find(ahead) === undefined
    ) {
      this.nextFree = ahead + pages
      return ahead
    }
    let from = align(FIRST_VPN)
    for (const vma of this.vmas) {
      if (from + pages <= vma.start) return from
      from = align(Math.max(from, vma.end))
    }
    return from + pages <= end ? from : -1
  }
}

/** Large mappings begin at a multiple of their size (rounded up to a power of two), small ones anywhere. */
function alignmentFor(pages: number): number {
  if (pages < 1024) return 1
  return Math.min(2 ** Math.ceil(Math.log2(pages)), 2 ** 19)
}

/** Whether a task works on this space. */
export function worksOn({ args }: Task, space: Space): boolean {
  return typeof args === 'object' && args !== null && 'space' in args && args.space === space
}
