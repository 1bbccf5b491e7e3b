/**
 * mmap: adds a VMA to a space, at a free place or at a given one, where it replaces what was there.
 *
 * Locks    mmap write; the VMAs of a fixed range and the neighbours it merges with. No wait but for them. A neighbour of
 *          another kind isn't locked: a fault that waits in it is no obstacle, as in Linux (vma_merge_new_range).
 */
import { errno, type Vpn } from '../base/index.ts'
import { continues, type Mm, newVma, PROT_WRITE, type Space, type Vma, type VmaPlan } from '../mm/index.ts'
import { VPN_END } from '../mmu/index.ts'
import { again, done, fail, type Outcome, releaseAll, type Task, type Verb } from '../sched/index.ts'
import { addVma, isolate, lockRange, mergeAround, unmapSome, VMAS_MAX } from './vmas.ts'

export interface MapArgs {
  readonly space: Space
  readonly pages: number
  /** Where; undefined: wherever there is room. */
  readonly fixed: Vpn | undefined
  readonly plan: Omit<VmaPlan, 'start' | 'end'>
  readonly locked: boolean
  /** Where it was mapped. */
  start: Vpn
}

export class MapVerb implements Verb<MapArgs> {
  readonly name = 'mmap'
  private readonly mm: Mm

  constructor(mm: Mm) {
    this.mm = mm
  }

  attempt(task: Task<MapArgs>): Outcome {
    const { args } = task
    const { space, pages, fixed, plan } = args
    if (plan.share === 'shared' && plan.open?.readOnly === true && (plan.prot & PROT_WRITE) !== 0)
      return fail(errno.EACCES)
    if (task.reached === undefined) {
      const queued = lockRange(task, space, 0, 0)
      if (queued !== undefined) return queued
      const start = fixed ?? space.findFree(pages, VPN_END)
      if (start === -1 || space.vmas.size >= VMAS_MAX || space.state === 'exiting') return this.refuse(task)
      args.start = start
      const waiting = lockRange(task, space, ...withMerging(space, this.vmaFor(args)))
      if (waiting !== undefined) return waiting
      if (fixed !== undefined) isolate(this.mm, space, start, start + pages)
      task.reached = fixed ?? start + pages
    }
    const end = args.start + pages
    task.reached = unmapSome(this.mm, space, task.reached, end)
    if (task.reached < end) return again
    if (fixed !== undefined) space.table.prune(args.start, end)
    addVma(this.mm, this.vmaFor(args))
    mergeAround(this.mm, space, args.start, end)
    releaseAll(task)
    return done
  }

  private vmaFor({ space, start, pages, plan, locked }: MapArgs): Vma {
    const pageOffset: number = plan.open === undefined ? start : plan.pageOffset
    const vma = newVma(this.mm.scheduler, space, { ...plan, start, end: start + pages, pageOffset })
    vma.locked = locked
    return vma
  }

  private refuse(task: Task): Outcome {
    releaseAll(task)
    return fail(errno.ENOMEM)
  }
}

/** The range of a new VMA with those neighbours that it will be one with: the others are left alone. */
function withMerging(space: Space, vma: Vma): readonly [Vpn, Vpn] {
  const left = space.find(vma.start - 1)
  const right = space.find(vma.end)
  return [
    left !== undefined && continues(left, vma) ? vma.start - 1 : vma.start,
    right !== undefined && continues(vma, right) ? vma.end + 1 : vma.end,
  ]
}
