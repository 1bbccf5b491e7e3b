/**
 * The pager's wait while a server is asked for ranges, or Node for files of the host: answers come through the event loop, so
 * it turns.
 *
 * Invariants
 *   LPW1 A wait ends with the first of: a descriptor that can be read, a range more or less under way, a call of the
 *       host's that was begun, its time.
 */
import type { Linux, Watch } from '../linux/index.ts'

export class LoopWait {
  private readonly linux: Linux
  private readonly descriptors: readonly number[]
  private watches: readonly Watch[] = []
  private underWay = 0
  private calls = 0
  private timer: NodeJS.Timeout | undefined
  private goOn: (() => void) | undefined

  constructor(linux: Linux, descriptors: readonly number[]) {
    this.linux = linux
    this.descriptors = descriptors
  }

  /** For the machine: how many ranges are under way, whenever it changes. */
  readonly asked = (underWay: number): void => {
    this.underWay = underWay
    this.end()
  }

  get isNeeded(): boolean {
    return this.underWay > 0 || this.calls > 0
  }

  /** Does what takes calls of Node's own, which end through the event loop. */
  async during<T>(act: () => Promise<T>): Promise<T> {
    this.calls++
    try {
      return await act()
    } finally {
      this.calls--
    }
  }

  /** Calls `then` once, after at most `ms` milliseconds. */
  wait(ms: number, then: () => void): void {
    if (this.watches.length === 0)
      this.watches = this.descriptors.map(fd => this.linux.ffi.watch(fd, () => this.end()))
    this.goOn = then
    for (const watch of this.watches) watch.start()
    this.timer = setTimeout(() => this.end(), ms)
  }

  /** There is something to do. */
  wake(): void {
    this.end()
  }

  /** Before the descriptors are closed. */
  close(): void {
    this.end()
    for (const watch of this.watches) watch.close()
    this.watches = []
  }

  private end(): void {
    const { goOn } = this
    if (goOn === undefined) return
    this.goOn = undefined
    clearTimeout(this.timer)
    for (const watch of this.watches) watch.stop()
    goOn()
  }
}
