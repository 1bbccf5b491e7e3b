/**
 * A file whose I/O takes as long as it took in a trace, for the engine's own fault path to map.
 *
 * Each task has a page of its own. Before a fault is replayed its waits are laid on the page; `fault` and `pageMkwrite` then
 * say `wait` for each in turn, with a ticket that the clock completes, and `done` when none is left. What locks are kept
 * meanwhile is the business of the fault path.
 *
 * Invariants
 *   OB1 Waits that bring a page are said by `fault`, those before a store by `pageMkwrite`, in the order observed.
 */
import { errno, type FileId, type PageIndex, type Pfn } from '../base/index.ts'
import { type Mappable, type PageRequest, VM_FAULT_MAJOR } from '../memmap/index.ts'
import { done, fail, type Outcome, type Scheduler, type Ticket, wait } from '../sched/index.ts'
import { type FaultWait, isRead } from './plan.ts'

interface Pending {
  readonly waits: FaultWait[]
  ticket: Ticket | undefined
}

export class ObservedFile implements Mappable {
  readonly id: FileId
  readonly name: string
  readonly size: number
  readonly readOnly = false
  private readonly scheduler: Scheduler
  private readonly frame: Pfn
  private readonly pending = new Map<PageIndex, Pending>()

  constructor(
    scheduler: Scheduler,
    plan: { readonly id: FileId; readonly name: string; readonly size: number; readonly frame: Pfn },
  ) {
    this.scheduler = scheduler
    this.id = plan.id
    this.name = plan.name
    this.size = plan.size
    this.frame = plan.frame
  }

  lay(index: PageIndex, waits: readonly FaultWait[]): void {
    this.pending.set(index, { waits: [...waits], ticket: undefined })
  }

  fault(request: PageRequest): Outcome {
    const waiting = this.next(request, 'bringing')
    if (waiting !== undefined) return waiting
    request.fault.frame = this.frame
    return done
  }

  pageMkwrite(request: PageRequest): Outcome {
    return this.next(request, 'all') ?? done
  }

  setDirty(): void {
    // Nothing is ever written: the time that writing took is in the waits.
  }

  residentPage(): Pfn {
    return 0
  }

  private next({ index, fault }: PageRequest, which: 'bringing' | 'all'): Outcome | undefined {
    const pending = this.pending.get(index)
    if (pending === undefined) return fail(errno.ENXIO)
    for (let first = pending.waits[0]; first !== undefined; first = pending.waits[0]) {
      if (which === 'bringing' && !isRead(first.why)) return undefined
      if (first.why === 'read') fault.result |= VM_FAULT_MAJOR
      pending.ticket ??= this.scheduler.after(first.ns, first.why)
      if (!pending.ticket.complete) return wait(pending.ticket, first.why)
      pending.ticket = undefined
      pending.waits.shift()
    }
    return undefined
  }
}
