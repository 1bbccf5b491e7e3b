/** The monitor, a process of its own: reads /proc/<pid>/cmdline and smaps every millisecond, and times each read. */
import fs from 'node:fs'
import os from 'node:os'

export interface Reads {
  readonly count: number
  readonly longestMs: number
  /** Longer than SLOW_MS. */
  readonly slow: number
}

export interface MonitorDone {
  readonly cmdline: Reads
  readonly smaps: Reads
}

export const SLOW_MS = 20
const INTERVAL_MS = 1

function watch(pid: string, seconds: number): MonitorDone {
  const buffer = Buffer.alloc(2 ** 20)
  const sleep = new Int32Array(new SharedArrayBuffer(4))
  const done = { cmdline: { count: 0, longestMs: 0, slow: 0 }, smaps: { count: 0, longestMs: 0, slow: 0 } }
  const until = performance.now() + seconds * 1000
  while (performance.now() < until) {
    for (const name of ['cmdline', 'smaps'] as const) {
      const began = performance.now()
      const fd = fs.openSync(`/proc/${pid}/${name}`, 'r')
      while (fs.readSync(fd, buffer) > 0);
      fs.closeSync(fd)
      const took = performance.now() - began
      const reads = done[name]
      reads.count++
      reads.longestMs = Math.max(reads.longestMs, took)
      if (took > SLOW_MS) reads.slow++
    }
    Atomics.wait(sleep, 0, 0, INTERVAL_MS)
  }
  return done
}

if (process.argv[1] === import.meta.filename) {
  try {
    // What is measured is the kernel's locks, not whose turn it is on a busy computer.
    os.setPriority(os.constants.priority.PRIORITY_HIGHEST)
  } catch {
    // Only root may; the figures are then of this computer's load too.
  }
  watch(process.argv[2]!, 0.2)
  console.log(JSON.stringify(watch(process.argv[2]!, Number(process.argv[3]))))
}
