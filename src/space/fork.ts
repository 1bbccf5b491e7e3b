/**
 * fork: a second space with the same mappings. Private pages are shared read-only until one side stores (copy-on-write);
 * pages of files aren't copied but faulted again, except where private ones lie among them (dup_mmap, vma_needs_copy).
 *
 * Every VMA of the parent is write-locked first, so no fault is halfway while entries are copied and a child can't see a
 * store made after the fork. A fault that waits without a lock is no obstacle: it looks everything up again. Under a
 * discipline whose fork skips, shared mappings aren't locked: nothing of theirs is copied, and stores to them are seen by both.
 *
 * The entries are copied in slices, under the locks from the first to the last. A store that a section makes meanwhile
 * hits only where the page isn't copied yet, and then the child gets it too; elsewhere it misses and waits for the locks.
 * So of two stores, one of which was made after the other, the child never has the later one alone.
 *
 * Locks    mmap write of the parent and all of its VMAs, or its private ones. The child is known to nobody yet.
 *
 * Invariants
 *   FK1 After fork no private page is writable in either space.
 *   FK2 Both see what the parent saw when it returned, and from then on only their own stores to private pages.
 */
import type { Slice, Vpn } from '../base/index.ts'
import { flagsOf, type Mm, newVma, type Space, type SpacePlan, type Vma } from '../mm/index.ts'
import { frameOf, PRESENT, readOnly, SWAP, VPN_END } from '../mmu/index.ts'
import { again, done, type Outcome, releaseAll, type Task, type Verb } from '../sched/index.ts'
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
    if (task.reached === undefined) {
      const which = this.mm.discipline.fork === 'all' ? 'all' : 'private'
      const queued = lockRange(task, parent, 0, VPN_END, which)
      if (queued !== undefined) return queued
      parent.locks.writeStack(task)
      task.reached = 0
      args.child = this.mm.newSpace(args.plan, parent.family)
    }
    task.reached = this.copySome(parent, args.child!, task.reached)
    if (task.reached < VPN_END) return again
    this.mm.addSpace(args.child!)
    releaseAll(task)
    return done
  }

  /** Copies the mappings from page `from` on, as far as one slice goes. Returns the page to go on from. */
  private copySome(parent: Space, child: Space, from: Vpn): Vpn {
    const slice = { left: this.mm.cache.slicePages }
    for (let at = from; slice.left > 0; slice.left--) {
      const vma = parent.firstFrom(at)
      if (vma === undefined) return VPN_END
      if (at <= vma.start) this.copyVma(vma, child)
      at = this.sharePages(vma, child, Math.max(at, vma.start), slice)
      if (at < vma.end) return at
      from = at
    }
    return from
  }

  private copyVma(vma: Vma, child: Space): void {
    if (vma.leftOut) return
    const { start, end, prot, share, open, pageOffset, anonOffset } = vma
    // Locks aren't inherited (mlock(2)).
    const flags = { ...flagsOf(vma), locked: false }
    const plan = { start, end, prot, share, open, pageOffset, anonOffset, ...flags }
    const copy = newVma(this.mm.scheduler, child, plan)
    copy.hasAnon = vma.hasAnon && !vma.wiped
    addVma(this.mm, copy)
  }

  private sharePages(vma: Vma, child: Space, from: Vpn, slice: Slice): Vpn {
    if (vma.share !== 'private' || !vma.hasAnon || vma.wiped || vma.leftOut) return vma.end
    return vma.space.table.walk(from, vma.end, slice, vpn => this.shareEntry(vma, child, vpn))
  }

  private shareEntry(vma: Vma, child: Space, vpn: Vpn): void {
    const { rmap, swapping } = this.mm
    const { table } = vma.space
    const entry = table.get(vpn)
    if ((entry & SWAP) !== 0) {
      swapping!.share(frameOf(entry))
      rmap.setEntry(child, vpn, entry)
      return
    }
    if ((entry & PRESENT) === 0) return
    table.set(vpn, readOnly(entry))
    rmap.setEntry(child, vpn, readOnly(entry))
  }
}
