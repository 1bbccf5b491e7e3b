/**
 * The pager's wait while a server is asked for ranges: answers come through the event loop, so it turns.
 *
 * Invariants
 *   LPW1 A wait ends with the first of: a descriptor that can be read, a range more or less under way, its time.
 */
import type { Linux, Watch } from '../linux/index.ts'

export class LoopWait {
  private readonly linux: Linux
  private readonly descriptors: readonly number[]
  private watches: readonly Watch[] = []
  private underWay = 0
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
    return this.underWay > 0
  }

  /** Calls `then` once, after at most `ms` milliseconds. */
  wait(ms: number, then: () => void): void {
    if (this.watches.length === 0)
      this.watches = this.descriptors.map(fd => this.linux.ffi.watch(fd, () => this.end()))
    this.goOn = then
    for (const watch of this.watches) watch.start()
    this.timer = setTimeout(() => this.end(), ms)
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
