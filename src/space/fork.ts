/**
 * fork: a second space with the same mappings. Private pages are shared read-only until one side stores (copy-on-write);
 * pages of files aren't copied but faulted again (dup_mmap, copy_page_range).
 *
 * Every VMA of the parent is write-locked first, so no fault is halfway while entries are copied and a child can't see a
 * store made after the fork. A fault that waits without a lock is no obstacle: it looks everything up again.
 *
 * Locks    mmap write of the parent and all of its VMAs. The child is known to nobody yet.
 *
 * Invariants
 *   FK1 After fork no private page is writable in either space.
 *   FK2 Both see what the parent saw when it returned, and from then on only their own stores to private pages.
 */
import type { Vpn } from '../base/index.ts'
import { ANON } from '../memory/index.ts'
import { type Mm, newVma, type Space, type SpacePlan, type Vma, ZERO_PAGE } from '../mm/index.ts'
import { frameOf, PRESENT, readOnly, SWAP, VPN_END } from '../mmu/index.ts'
import { done, type Outcome, releaseAll, type Task, type Verb } from '../sched/index.ts'
import { addVma, lockRange } from './vmas.ts'

export interface ForkArgs {
  readonly space: Space
  readonly plan: SpacePlan
  child: Space | undefined
}

export class Fork implements Verb<ForkArgs> {
  readonly name = 'fork'
  private readonly mm: Mm

  constructor(mm: Mm) {
    this.mm = mm
  }

  attempt(task: Task<ForkArgs>): Outcome {
    const { args } = task
    const parent = args.space
    const queued = lockRange(task, parent, 0, VPN_END)
    if (queued !== undefined) return queued
    const child = this.mm.createSpace(args.plan, parent.family)
    for (const vma of parent.vmas) {
      const { start, end, prot, share, open, pageOffset, advice } = vma
      addVma(this.mm, newVma(this.mm.scheduler, child, { start, end, prot, share, open, pageOffset, advice }))
      if (share === 'private') this.sharePages(vma, child)
    }
    args.child = child
    releaseAll(task)
    return done
  }

  private sharePages(vma: Vma, child: Space): void {
    for (const vpn of vma.space.table.used(vma.start, vma.end)) this.shareEntry(vma, child, vpn)
  }

  private shareEntry(vma: Vma, child: Space, vpn: Vpn): void {
    const { rmap, memory, swapping } = this.mm
    const { table } = vma.space
    const entry = table.get(vpn)
    if ((entry & SWAP) !== 0) {
      swapping!.share(frameOf(entry))
      rmap.setEntry(child, vpn, entry)
      return
    }
    const frame = frameOf(entry)
    if ((entry & PRESENT) === 0 || frame === ZERO_PAGE || memory.frames.kind[frame] !== ANON) return
    table.set(vpn, readOnly(entry))
    rmap.setEntry(child, vpn, readOnly(entry))
  }
}
