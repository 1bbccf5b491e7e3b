/**
 * How a daemon ended, told to who waits for it. The daemon writes it into a file in memory, which it keeps locked; who is to
 * wait opens that file while there is a mount to ask for it, and reads it when the daemon has written or is gone.
 *
 * Invariants
 *   MEN1 Who has the file open learns the end however it comes: the kernel gives the lock free with the process.
 */
import { randomUUID } from 'node:crypto'
import { closeSync, constants, ftruncateSync, openSync, readFileSync, readlinkSync, writeSync } from 'node:fs'
import { errno, messageOf } from '../base/index.ts'
import { FaultlineError } from '../calls/index.ts'
import { flock, type Linux } from '../linux/index.ts'
import { askMounted } from './asking.ts'

const NAME = 'faultline-end'

/** Where a daemon writes its end. */
export interface EndPlace {
  readonly pid: number
  readonly fd: number
}

type Told = 'durable' | { readonly code: string; readonly operation: string; readonly message: string }

/** Of the daemon. It is open as long as the process is there. */
export class Ending {
  readonly place: EndPlace

  constructor(linux: Linux) {
    const fd = linux.memfd(NAME, 0)
    flock(fd, 'exclusive')
    this.place = { pid: process.pid, fd }
  }

  /** Nothing was mounted: there is no end to tell. */
  discard(): void {
    closeSync(this.place.fd)
  }

  /** Tells how it ended to who waits. */
  async tell<T>(end: Promise<T>): Promise<T> {
    try {
      const how = await end
      this.write('durable')
      return how
    } catch (error) {
      const { code, operation } =
        error instanceof FaultlineError ? error : { code: 'EIO', operation: 'umount' }
      this.write({ code, operation, message: messageOf(error) })
      throw error
    }
  }

  private write(told: Told): void {
    const { fd } = this.place
    try {
      writeSync(fd, JSON.stringify(told), 0)
    } catch {
      // Without memory for a line it says nothing: who waits takes that for an end that isn't known.
      ftruncateSync(fd, 0)
    }
  }
}

/** Of who waits. */
export class AwaitedEnd {
  private readonly target: string
  private readonly asker = randomUUID()
  private readonly fd: number

  private constructor(target: string, fd: number) {
    this.target = target
    this.fd = fd
  }

  /** Before it is unmounted. undefined: its daemon is gone already. Throws why its end can't be seen from here. */
  static of(target: string): AwaitedEnd | undefined {
    let place: EndPlace
    try {
      place = askMounted(target, 'end', null)
    } catch (error) {
      if (error instanceof FaultlineError && GONE.has(error.code)) return undefined
      throw error
    }
    const path = `/proc/${place.pid}/fd/${place.fd}`
    // By other numbers of processes that may be any file.
    if (readlinkSync(path) !== `/memfd:${NAME} (deleted)`)
      throw new FaultlineError('ESRCH', 'umount', `umount of ${target}: its daemon can't be seen from here`)
    return new AwaitedEnd(target, openSync(path, constants.O_RDONLY | constants.O_NONBLOCK))
  }

  /** Whether everything is durable by now. Throws why it can't be; nothing is lost by that. */
  isDurable(): boolean {
    const { target } = this
    try {
      return askMounted(target, 'sync', { asker: this.asker }).isDurable
    } catch (error) {
      if (!(error instanceof FaultlineError)) throw error
      const { code } = error
      // Its end is told by what it has written.
      if (GONE.has(code)) return true
      throw new FaultlineError(
        code,
        'umount',
        `umount of ${target}: what was written can't be made durable now (${code}), and it stays mounted: mend that, such as by making room on the volume's disk, and ask again; with --detach what isn't durable is lost`,
        error,
      )
    }
  }

  /** Whether it has ended, and everything is durable. Throws what was lost. */
  hasEnded(): boolean {
    // In this order: one who writes, and is gone then, has written.
    const isGone = flock(this.fd, 'shared') === errno.OK
    const told = this.told()
    if (told === 'durable') return true
    if (told !== undefined) throw new FaultlineError(told.code, told.operation, told.message)
    if (!isGone) return false
    throw new FaultlineError(
      'EIO',
      'umount',
      `umount of ${this.target}: its daemon ended before it had said that everything is durable; what was not durable yet is lost`,
    )
  }

  close(): void {
    closeSync(this.fd)
  }

  private told(): Told | undefined {
    try {
      return JSON.parse(readFileSync(`/proc/self/fd/${this.fd}`, 'utf8')) as Told
    } catch {
      return undefined
    }
  }
}

/** No daemon answers there: ENOTCONN from its mount, ECONNABORTED from the call that was under way. */
const GONE: ReadonlySet<string> = new Set(['ENOTCONN', 'ECONNABORTED'])
