/**
 * mremap: makes a mapping longer or shorter, where it is or elsewhere, and takes its pages along (Linux 6.18 mm/mremap.c).
 *
 *     shorter                       its tail is unmapped
 *     longer, and room behind it    it grows where it is
 *     else                          a new place is found, or the given one cleared; the entries move there, one by one
 *
 * Pages move by their entries: nothing is copied, read or written, and nobody who maps the same file or the same family's
 * pages elsewhere notices. Private pages keep their numbers (A4). The entries move in slices, under the locks from the first
 * to the last; a section, which takes none, may find some at the old place and some at the new one, as threads do in Linux.
 *
 * Locks    mmap write; the VMAs of both ranges and the neighbours they may be one with. No wait but for them.
 *
 * Invariants
 *   MV1 At each moment between two slices an entry of the mapping is at the old place or at the new one.
 *   MV2 A call that fails has changed nothing.
 */
import { errno, type Vpn } from '../base/index.ts'
import { anonIndexOf, flagsOf, indexOf, type Mm, newVma, type Space, type Vma } from '../mm/index.ts'
import { frameOf, SWAP, VPN_END } from '../mmu/index.ts'
import {
  again,
  done,
  type Fail,
  fail,
  type Outcome,
  releaseAll,
  type Task,
  type Verb,
  type Wait,
} from '../sched/index.ts'
import { addVma, isolate, lockRange, mergeAround, unmapSome, VMAS_MAX, withNeighbours } from './vmas.ts'

export interface MremapArgs {
  readonly space: Space
  /** What is remapped now: `pages` from `from` on, all of one VMA unless it gets shorter or goes to a given place as long as it is. */
  readonly from: Vpn
  readonly pages: number
  readonly newPages: number
  /** MREMAP_MAYMOVE, or where to (MREMAP_FIXED). */
  readonly where: 'stays' | 'may move' | { readonly fixed: Vpn }
  /** MREMAP_DONTUNMAP: the old range stays mapped, with nothing in it. */
  readonly old: 'is unmapped' | 'stays mapped'
  /** Where it is afterwards. */
  to: Vpn
  /** What is done in slices; undefined: nothing has changed yet. */
  stage: Stage | undefined
  /** The part of it that is being moved, which lies in one VMA. */
  piece: Piece | undefined
}

interface Piece {
  readonly from: Vpn
  readonly pages: number
  readonly newPages: number
  readonly to: Vpn
}

/** In this order, as far as there is something to do. */
type Stage = 'clearing the new place' | 'cutting the tail' | 'moving' | 'unmapping the old place'

type Plan = 'shorter' | 'longer' | 'elsewhere' | 'as it is'

export function mremapArgs(plan: Omit<MremapArgs, 'to' | 'stage' | 'piece'>): MremapArgs {
  return { ...plan, to: plan.from, stage: undefined, piece: undefined }
}

export class Mremap implements Verb<MremapArgs> {
  readonly name = 'mremap'
  private readonly mm: Mm

  constructor(mm: Mm) {
    this.mm = mm
  }

  attempt(task: Task<MremapArgs>): Outcome {
    const { args } = task
    if (args.stage === undefined) {
      const begun = this.begin(task)
      if (begun !== undefined) return begun
    }
    for (;;) {
      const next = this.goOn(task)
      if (next !== undefined) return next
      if (!this.nextPiece(task)) break
    }
    releaseAll(task)
    return done
  }

  /** Locks, decides, and does what needs no slices. Undefined: stages follow. */
  private begin(task: Task<MremapArgs>): Outcome | undefined {
    const { args } = task
    const { space, from, pages, newPages } = args
    const queued = lockRange(task, space, 0, 0)
    if (queued !== undefined) return queued
    const plan = this.plan(args)
    if (typeof plan !== 'string') {
      releaseAll(task)
      return plan
    }
    const waiting = this.lock(task, plan)
    if (waiting !== undefined) return waiting
    switch (plan) {
      case 'as it is':
        args.to = from
        releaseAll(task)
        return done
      case 'longer':
        this.grow(args)
        releaseAll(task)
        return done
      case 'shorter':
        args.to = from
        args.piece = { from, pages, newPages, to: from }
        this.enter(task, 'cutting the tail')
        break
      case 'elsewhere':
        this.nextPiece(task)
    }
    return undefined
  }

  /** Begins with the next VMA's part of what is moved; all of it at once, if it changes its length (remap_move). */
  private nextPiece(task: Task<MremapArgs>): boolean {
    const { args } = task
    const { space, from, pages, newPages, to } = args
    const reached = args.piece === undefined ? from : args.piece.from + args.piece.pages
    const vma = reached < from + pages ? space.firstFrom(reached) : undefined
    if (to === from || vma === undefined || vma.start >= from + pages) return false
    const start = Math.max(reached, vma.start)
    const part = Math.min(vma.end, from + pages) - start
    args.piece =
      pages === newPages
        ? { from: start, pages: part, newPages: part, to: to + start - from }
        : { from, pages, newPages, to }
    const { piece } = args
    isolate(this.mm, space, piece.to, piece.to + piece.newPages)
    // Linux unlocks all of a VMA that is moved from in part and stays mapped; here what isn't moved stays locked.
    if (args.old === 'is unmapped' || vma.locked)
      isolate(this.mm, space, piece.from, piece.from + Math.min(piece.pages, piece.newPages))
    this.enter(task, 'clearing the new place')
    return true
  }

  /** check_prep_vma, vrm_remap_type, mremap_to. Sets where it goes. */
  private plan(args: MremapArgs): Plan | Fail {
    const { space, from, pages, newPages, where, old } = args
    const fixed = typeof where === 'object' ? where.fixed : undefined
    const moves = fixed !== undefined || old === 'stays mapped'
    if (old === 'stays mapped' && newPages !== pages) return fail(errno.EINVAL)
    if (fixed !== undefined && fixed < from + pages && from < fixed + newPages) return fail(errno.EINVAL)
    const vma = space.find(from)
    if (vma === undefined) return fail(errno.EFAULT)
    if (!moves && newPages <= pages) return newPages < pages ? 'shorter' : 'as it is'
    const whole = fixed !== undefined && newPages === pages
    if (!whole && from + Math.min(newPages, pages) > vma.end) return fail(errno.EFAULT)
    if (!moves && from + pages === vma.end && isFree(space, vma.end, from + newPages)) return 'longer'
    if (where === 'stays') return fail(errno.ENOMEM)
    if (space.vmas.size + VMAS_ADDED > VMAS_MAX || space.state === 'exiting') return fail(errno.ENOMEM)
    const to = fixed ?? space.findFree(newPages, VPN_END)
    if (to === -1) return fail(errno.ENOMEM)
    args.to = to
    return 'elsewhere'
  }

  private lock(task: Task<MremapArgs>, plan: Plan): Wait | undefined {
    const { space, from, pages, newPages, to } = task.args
    const end = from + Math.max(pages, plan === 'longer' ? newPages : 0)
    const waiting = lockRange(task, space, ...withNeighbours(from, end))
    if (waiting !== undefined || plan !== 'elsewhere') return waiting
    return lockRange(task, space, ...withNeighbours(to, to + newPages))
  }

  /** What is added behind is mapped alike, and so becomes one with it. */
  private grow({ space, from, pages, newPages }: MremapArgs): void {
    const vma = space.find(from)!
    addVma(this.mm, this.alike(vma, vma.end, from + newPages, vma.end))
    mergeAround(this.mm, space, from + pages, from + newPages)
  }

  private goOn(task: Task<MremapArgs>): Outcome | undefined {
    const { args } = task
    const { space } = args
    const { from, pages, newPages, to } = args.piece!
    const moved = Math.min(pages, newPages)
    if (args.stage === 'clearing the new place') {
      if (!this.unmap(task, to + newPages)) return again
      space.table.prune(to, to + newPages)
      this.enter(task, 'cutting the tail')
    }
    if (args.stage === 'cutting the tail') {
      if (moved < pages) {
        if (task.reached === from + moved) isolate(this.mm, space, from + moved, from + pages)
        if (!this.unmap(task, from + pages)) return again
        space.table.prune(from + moved, from + pages)
      }
      if (to === from) return undefined
      const vma = space.find(from)!
      addVma(this.mm, this.alike(vma, to, to + newPages, from))
      this.enter(task, 'moving')
    }
    if (args.stage === 'moving') {
      const slice = { left: this.mm.cache.slicePages }
      const move = (vpn: Vpn) => this.move(space, vpn, vpn + to - from)
      task.reached = space.table.walk(task.reached!, from + moved, slice, move)
      if (task.reached < from + moved) return again
      if (args.old === 'stays mapped') leaveBehind(space.find(from)!, pages)
      else this.enter(task, 'unmapping the old place')
    }
    if (args.stage === 'unmapping the old place' && !this.unmap(task, from + moved)) return again
    space.table.prune(from, from + moved)
    mergeAround(this.mm, space, to, to + newPages)
    return undefined
  }

  private enter(task: Task<MremapArgs>, stage: Stage): void {
    const { from, pages, newPages, to } = task.args.piece!
    task.args.stage = stage
    if (stage === 'clearing the new place') task.reached = to
    else task.reached = stage === 'cutting the tail' ? from + Math.min(pages, newPages) : from
  }

  /** Unmaps on from where the task has come to. Whether all up to `end` is unmapped. */
  private unmap(task: Task<MremapArgs>, end: Vpn): boolean {
    task.reached = unmapSome(this.mm, task.args.space, task.reached!, end)
    return task.reached >= end
  }

  /** A VMA like another, with what that one has at `at` at its start (copy_vma). */
  private alike(vma: Vma, start: Vpn, end: Vpn, at: Vpn): Vma {
    const { space, prot, share, open } = vma
    const pageOffset: number = open === undefined ? start : indexOf(vma, at)
    const anonOffset = vma.hasAnon ? anonIndexOf(vma, at) : start
    const plan = { start, end, prot, share, open, pageOffset, anonOffset, ...flagsOf(vma) }
    const made = newVma(this.mm.scheduler, space, plan)
    made.hasAnon = vma.hasAnon
    return made
  }

  /** move_ptes: at the new place before it goes from the old, so that the page is never nobody's. */
  private move(space: Space, from: Vpn, to: Vpn): void {
    const { rmap, swapping } = this.mm
    const entry = space.table.get(from)
    if ((entry & SWAP) !== 0) swapping!.share(frameOf(entry))
    rmap.setEntry(space, to, entry)
    rmap.setEntry(space, from, 0)
  }
}

/** MREMAP_DONTUNMAP: the old VMA isn't cut; moved as a whole, it has no page of its own any more (dontunmap_complete). */
function leaveBehind(vma: Vma, moved: number): void {
  vma.locked = false
  if (moved === vma.end - vma.start) vma.hasAnon = false
}

/** A move may cut the old VMA twice and adds one (move_vma, Linux 6.18). */
const VMAS_ADDED = 3

function isFree(space: Space, start: Vpn, end: Vpn): boolean {
  return end <= VPN_END && space.overlapping(start, end).length === 0
}
