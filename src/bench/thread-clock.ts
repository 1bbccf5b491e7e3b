/**
 * Where this thread's time goes: it runs; or it could run, and no processor is free; or it waits for something. Read together,
 * since a thread that is stopped between two of the clocks would be told to have waited for what it hasn't.
 *
 *     ran       by its own clock, to the microsecond: getrusage, which Node has, counts in ticks of the host
 *     queued    in the host's queue for a processor (/proc/thread-self/schedstat); 0 where the host doesn't tell
 */
import fs from 'node:fs'
import { type Foreign, loadFfi } from '../linux/index.ts'

/** <time.h> */
const CLOCK_THREAD_CPUTIME_ID = 3
/** Milliseconds that it takes to read the clocks, when nothing comes between. */
const AT_ONCE = 0.2
const TRIES_MAX = 100
const SPACE = 32

export class ThreadTimes {
  /** All in ms, by the last `read`. */
  at = 0
  ran = 0
  queued = 0
  private readonly time = new BigInt64Array(2)
  // hot: a whole number of 64 bits would be garbage
  private readonly words = new Uint32Array(this.time.buffer)
  private readonly text = new Uint8Array(64)
  private readonly schedstat: number | undefined
  private readonly gettime: Foreign
  private readonly pread: Foreign

  constructor() {
    const libc = loadFfi().open(null)
    this.gettime = libc.call('clock_gettime', 'int', ['int', 'pointer'])
    this.pread = libc.call('pread', 'long', ['int', 'pointer', 'long', 'long'])
    this.schedstat = openSchedstat()
  }

  read(): void {
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      const before = performance.now()
      this.gettime(CLOCK_THREAD_CPUTIME_ID, this.time)
      this.ran = (this.words[0]! + this.words[1]! * 2 ** 32) * 1e3 + this.words[2]! / 1e6
      if (this.schedstat !== undefined) this.queued = this.queuedNow(this.schedstat)
      this.at = performance.now()
      if (this.at - before < AT_ONCE) return
    }
  }

  close(): void {
    if (this.schedstat !== undefined) fs.closeSync(this.schedstat)
  }

  /** "ran queued slices", in nanoseconds. */
  private queuedNow(fd: number): number {
    const { text } = this
    const length = this.pread(fd, text, text.length, 0)
    let at = 0
    while (at < length && text[at] !== SPACE) at++
    let queued = 0
    for (at++; at < length && text[at] !== SPACE; at++) queued = 10 * queued + text[at]! - 48
    return queued / 1e6
  }
}

function openSchedstat(): number | undefined {
  try {
    return fs.openSync('/proc/thread-self/schedstat', 'r')
  } catch {
    return undefined
  }
}
