/**
 * Answers to hardware faults: each message becomes a fault of the engine, the same as any other; when it has ended, the
 * page is installed and the thread goes on. The thread goes on only then, so what a store owes for dirtying, and the
 * delays of its group, are paid by the thread that stored.
 *
 * Invariants
 *   AN1 A thread is woken only when the hardware lets its access through, or to fail (poison.ts).
 *   AN2 Each turn of an answer is paid for by a fault of the engine that ended well.
 */
import type { Bytes, Pfn } from '../base/index.ts'
import { FaultlineError } from '../calls/index.ts'
import type { FaultMessage, Userfaultfd } from '../linux/index.ts'
import type { Areas, Placed } from './areas.ts'
import type { Mirror } from './mirror.ts'
import type { Poison } from './poison.ts'

export class Answers {
  private readonly uffd: Userfaultfd
  private readonly pageSize: Bytes
  private readonly areas: Areas
  private readonly mirror: Mirror
  private readonly poison: Poison
  private readonly letGo: (frame: Pfn) => void

  constructor(
    uffd: Userfaultfd,
    pageSize: Bytes,
    areas: Areas,
    mirror: Mirror,
    poison: Poison,
    letGo: (frame: Pfn) => void,
  ) {
    this.uffd = uffd
    this.pageSize = pageSize
    this.areas = areas
    this.mirror = mirror
    this.poison = poison
    this.letGo = letGo
  }

  async answer(message: FaultMessage): Promise<void> {
    const placed = this.areas.find(message.address)
    // The thread was stopped while it waited, and its range is gone with it.
    if (placed === undefined) return
    const { area } = placed
    const page = Math.floor((message.address - area.address) / this.pageSize)
    const address = area.address + page * this.pageSize
    this.poison.asked(address)
    try {
      const refused = await this.bring(placed, page, message.access)
      if (refused !== undefined) this.poison.refuse({ ...message, address }, placed.control, refused)
    } finally {
      this.poison.answered(address)
    }
  }

  /** Returns when the thread goes on, or with the reason why it can't. */
  private async bring(
    placed: Placed,
    page: number,
    access: 'load' | 'store',
  ): Promise<FaultlineError | undefined> {
    const { area, mapping } = placed
    const miss = { vpn: area.start + page, access }
    // Then the fault says that the hardware lacks what it was given before.
    if (placed.state === 'mapped' && this.mirror.allows(area, page, access)) this.mirror.restore(area, page)
    for (;;) {
      if (placed.state === 'let go') return unmapped(placed, access)
      const brought = await mapping.bring(miss, undefined)
      if (typeof brought !== 'number') return brought
      const answered = this.install(placed, page, access)
      if (brought !== 0) this.letGo(brought)
      if (answered === 'installed') return undefined
      if (answered === 'elsewhere') return replaced(placed, access)
    }
  }

  /** Lets the thread go on, if the entry is still there that the fault has set. */
  private install(
    { area, mapping, state }: Placed,
    page: number,
    access: 'load' | 'store',
  ): 'installed' | 'elsewhere' | 'gone again' {
    if (state === 'let go') return 'gone again'
    const entry = mapping.space.mm.table.get(area.start + page)
    this.mirror.refresh(area, area.start + page, entry)
    this.mirror.show(area)
    if (this.mirror.allows(area, page, access)) {
      this.uffd.wake(area.address + page * this.pageSize, this.pageSize)
      return 'installed'
    }
    return entry === 0 || this.mirror.isOf(area, page, entry) ? 'gone again' : 'elsewhere'
  }
}

function unmapped({ mapping }: Placed, access: string): FaultlineError {
  return new FaultlineError(
    'EBADF',
    access,
    `${access} of ${mapping.name} failed with EBADF: it was unmapped`,
  )
}

function replaced({ mapping }: Placed, access: string): FaultlineError {
  return new FaultlineError(
    'EFAULT',
    access,
    `${access} of ${mapping.name} failed with EFAULT: another mapping was put in its place`,
  )
}
