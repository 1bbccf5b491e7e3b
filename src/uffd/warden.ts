/**
 * Touches of arrays that have no pager any more: the machine was closed while somebody held them, or the thread that
 * started it has ended. Each is refused as the pager would (poison.ts); nobody waits for ever, and nobody reads zeros.
 *
 * Invariants
 *   WA1 A range stays registered while an array over it is held.
 */
import type { Bytes } from '../base/index.ts'
import { FaultlineError } from '../calls/index.ts'
import { type Address, type Linux, LinuxError, ThreadSignals, Userfaultfd } from '../linux/index.ts'
import { Control } from './control.ts'
import { Poison } from './poison.ts'
import type { Held } from './wire.ts'

interface Range {
  readonly name: string
  readonly address: Address
  readonly length: Bytes
  readonly control: Control
}

export class Warden {
  private readonly linux: Linux
  private readonly uffd: Userfaultfd
  private readonly pageSize: Bytes
  private readonly poison: Poison
  private readonly why: string
  private readonly ranges: Set<Range>

  /** `why`: what has become of the machine. */
  constructor(linux: Linux, { userfaultfd, pageSize, onError, ranges }: Held, why: string) {
    this.linux = linux
    this.uffd = Userfaultfd.of(linux, userfaultfd)
    this.pageSize = pageSize
    this.why = why
    // Nobody is left who could be told of a worker that is stopped.
    const tell = () => {}
    this.poison = new Poison(linux, this.uffd, pageSize, new ThreadSignals(linux), onError, tell)
    this.ranges = new Set(ranges.map(each => ({ ...each, control: new Control(each.control) })))
    // The pager may have read of touches that it has not answered: they ask again.
    for (const { address, length } of this.ranges) this.uffd.wake(address, length)
  }

  /** Answers what has come since. */
  look(): void {
    for (const { thread, address, access } of this.uffd.read())
      for (const range of this.ranges) {
        const offset = address - range.address
        if (offset < 0 || offset >= range.length) continue
        const page = address - (offset % this.pageSize)
        this.poison.asked(page)
        this.poison.refuse({ thread, address: page, access }, range.control, this.refusal(access, range))
        this.poison.answered(page)
      }
    if (this.poison.waiting) this.poison.sweep()
  }

  /** Gives back what nobody holds any more. Returns whether anything is left. */
  sweep(): boolean {
    for (const range of this.ranges) {
      if (range.control.inUse()) continue
      try {
        this.linux.munmap(range.address, range.length)
      } catch (error) {
        // It stays, and is tried again.
        if (error instanceof LinuxError) continue
        throw error
      }
      this.ranges.delete(range)
    }
    if (this.ranges.size === 0) this.uffd.close()
    return this.ranges.size > 0
  }

  private refusal(access: string, { name }: Range): FaultlineError {
    return new FaultlineError('EBADF', access, `${access} of ${name} failed with EBADF: ${this.why}`)
  }
}
