/**
 * A VMA: a run of pages of one space that are mapped alike (struct vm_area_struct). Plain data.
 *
 * Invariants
 *   A1  start < end; the VMAs of a space don't overlap and are kept in order of start.
 *   A2  start, end, pageOffset and anonOffset change only with the mmap lock held for writing and the VMA write-locked.
 *   A3  A VMA of a file is on the file's list of mappers while it is in its space (rmap.ts).
 *   A4  The private pages of a VMA keep their number in the family wherever mremap takes it: page vpn has the number
 *       anonOffset + vpn - start. A VMA that has none of its own yet is numbered by where it lies, and one of a file by
 *       its neighbour's numbers, when it becomes one with that.
 */
import { namesOf, type PageIndex, type Pfn, type Vpn } from '../base/index.ts'
import type { ErrorCursor } from '../cache/index.ts'
import { VmaLock } from '../lock/index.ts'
import { type Mappable, newReadState, type ReadState } from '../memmap/index.ts'
import type { Scheduler } from '../sched/index.ts'
import type { Space } from './space.ts'

export const PROT_NONE = 0
export const PROT_READ = 1
export const PROT_WRITE = 2
export type Prot = number

/** A file as one opener has it: what was mapped keeps it open, whatever becomes of the VMA. */
export interface OpenFile extends ErrorCursor {
  readonly file: Mappable
  readonly read: ReadState
  /** This opening may not store, whatever others may. */
  readonly readOnly: boolean
  /** VMAs that map it through this opening. */
  mappings: number
}

/** How a file is opened: to be stored to, with no advice, if nothing else is said. */
export interface OpeningPlan {
  readonly advice?: ReadState['advice']
  readonly readOnly?: boolean
  /** The errors of the file that came before it: it isn't told of them. */
  readonly seen?: number
}

/** An opening that nothing maps yet. */
export function newOpening<F extends Mappable>(
  file: F,
  { advice = 'normal', readOnly = false, seen = 0 }: OpeningPlan = {},
): OpenFile & { readonly file: F } {
  return { file, read: newReadState(advice), readOnly, mappings: 0, seen }
}

/** Flags that it doesn't name are off. */
export interface VmaPlan extends Readonly<Partial<VmaFlags>> {
  readonly start: Vpn
  readonly end: Vpn
  readonly prot: Prot
  readonly share: 'shared' | 'private'
  /** undefined: anonymous memory. */
  readonly open: OpenFile | undefined
  /** The page of the file at `start`. */
  readonly pageOffset: PageIndex
  /** Its own advice; the opening's read state carries the rest. */
  readonly advice: VmaFlags['advice']
  /** The number of the private page at `start`, if it isn't `start` (A4). */
  readonly anonOffset?: Vpn
}

export interface Vma extends VmaFlags {
  readonly space: Space
  start: Vpn
  end: Vpn
  prot: Prot
  readonly share: 'shared' | 'private'
  readonly open: OpenFile | undefined
  pageOffset: PageIndex
  anonOffset: Vpn
  /** A page of its own was made in it (anon_vma isn't NULL). */
  hasAnon: boolean
  readonly lock: VmaLock
}

/** What is set on a VMA once it is mapped. What is cut off or moved has it too, and neighbours that differ in it stay two. */
export interface VmaFlags {
  advice: 'normal' | 'random' | 'sequential'
  /** Its pages are locked in memory (VM_LOCKED). */
  locked: boolean
  /** A child doesn't get it (VM_DONTCOPY), or gets it without its pages (VM_WIPEONFORK). */
  leftOut: boolean
  wiped: boolean
}

/** Each flag as it is of a new mapping: what is added here goes wherever flags go. */
const NO_FLAGS: Readonly<VmaFlags> = { advice: 'normal', locked: false, leftOut: false, wiped: false }
const FLAGS = namesOf(NO_FLAGS)

export function flagsOf({ advice, locked, leftOut, wiped }: VmaFlags): VmaFlags {
  return { advice, locked, leftOut, wiped }
}

export function newVma(scheduler: Scheduler, space: Space, plan: VmaPlan): Vma {
  const { start, end, prot, share, open, pageOffset, anonOffset = start } = plan
  const lock = new VmaLock(scheduler, `VMA at page ${start} of ${space.name}`)
  const hasAnon = false
  return {
    space,
    start,
    end,
    prot,
    share,
    open,
    pageOffset,
    anonOffset,
    hasAnon,
    ...flagsOf({ ...NO_FLAGS, ...plan }),
    lock,
  }
}

export function allows(vma: Vma, access: 'load' | 'store'): boolean {
  return (vma.prot & (access === 'store' ? PROT_WRITE : PROT_READ)) !== 0
}

export function indexOf(vma: Vma, vpn: Vpn): PageIndex {
  return vma.pageOffset + vpn - vma.start
}

/** The number in the family of a private page of this VMA (A4). */
export function anonIndexOf(vma: Vma, vpn: Vpn): Vpn {
  return vma.anonOffset + vpn - vma.start
}

/** Whether `next` goes on where `vma` ends, mapped alike, so that the two can be one. */
export function continues(vma: Vma, next: Vma): boolean {
  return (
    vma.end === next.start &&
    vma.prot === next.prot &&
    vma.share === next.share &&
    vma.open === next.open &&
    FLAGS.every(flag => vma[flag] === next[flag]) &&
    (vma.open === undefined || vma.pageOffset + (vma.end - vma.start) === next.pageOffset) &&
    (vma.share === 'shared' || anonOffsetOfBoth(vma, next) !== undefined)
  )
}

/**
 * The number at the start of both, if the private pages of both can be numbered as one. In Linux those of a file have the
 * file's numbers, so that a VMA without any goes with each (is_mergeable_anon_vma); anonymous memory has its own even then.
 */
export function anonOffsetOfBoth(vma: Vma, next: Vma): Vpn | undefined {
  const offset = next.anonOffset - (next.start - vma.start)
  if (offset === vma.anonOffset) return offset
  if (vma.open === undefined) return undefined
  if (!next.hasAnon) return vma.anonOffset
  return vma.hasAnon || offset < 0 ? undefined : offset
}

/** The frame that an entry of this VMA would share with others: 0 is the zero page. */
export const ZERO_PAGE: Pfn = 0
