/**
 * The signal that stops one thread of this process for good: it never runs another instruction of the program. Its handler
 * is `pause` of libc, with every signal blocked, from which no thread returns. A thread that a signal takes out of a page
 * fault enters the handler before anything else, whatever has become of the page meanwhile.
 *
 * Invariants
 *   TS1 A signal that somebody else of this process handles is left to him.
 */
import { SIGACTION_WORDS, SIGRTMAX, SIGRTMIN } from './abi.ts'
import type { Linux } from './calls.ts'

const DEFAULT = 0n
const EVERY_SIGNAL = 0xffff_ffff_ffff_ffffn

export class ThreadSignals {
  private readonly linux: Linux
  private readonly stopping: number

  constructor(linux: Linux) {
    this.linux = linux
    this.stopping = this.take()
  }

  stop(thread: number): void {
    this.linux.signal(thread, this.stopping)
  }

  /** A signal whose handler is ours, by now or already. */
  private take(): number {
    const handler = BigInt(this.linux.addressOf('pause'))
    for (let signal = SIGRTMAX; signal > SIGRTMIN; signal--) {
      const now = this.linux.handlerOf(signal)
      if (now === handler) return signal
      if (now !== DEFAULT) continue
      // struct sigaction of glibc: handler, 1024 bits of mask, flags, restorer.
      const action = new BigUint64Array(SIGACTION_WORDS).fill(EVERY_SIGNAL, 1, SIGACTION_WORDS - 2)
      action[0] = handler
      this.linux.handle(signal, action)
      return signal
    }
    throw new Error(`every signal from ${SIGRTMIN + 1} to ${SIGRTMAX} has a handler in this process`)
  }
}
