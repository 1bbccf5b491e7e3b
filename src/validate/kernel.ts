/** An experiment on the kernel that runs: how long the store, the call and each reader took, in milliseconds. */
import fs from 'node:fs'
import path from 'node:path'
import {
  type Filesystem,
  MADVICE,
  MREMAP_FIXED,
  MREMAP_MAYMOVE,
  type SystemCall,
  type Tracee,
  Tracer,
} from '../differential/index.ts'
import { PROT_READ } from '../linux/index.ts'
import { CALL_AT, type Call, PAGES, READ_AT, READERS, THAW_AT } from './experiments.ts'

const PAGE = 4096
/** The mapping that is stored to, one beside it, and where mremap goes. */
const DATA = 0x100000000000
const BESIDE = 0x110000000000
const ELSEWHERE = 0x120000000000
const PATHS = 0x130000000000
const FIFREEZE = 0xc0045877
const FITHAW = 0xc0045878
const POLL_MS = 0.2
/** So long after the thaw everybody has ended, or never will. */
const PATIENCE_MS = 5_000
const SHARED = 1
const PRIVATE = 2
const FIXED = 0x10
const ANONYMOUS = 0x20
const READ_WRITE = 3
const BUFFER_BYTES = 64 * 1024

/** What was seen, and when the thaw had been made. */
export interface Seen {
  readonly times: readonly number[]
  readonly thawedAt: number
}

export function onKernel(filesystem: Filesystem, call: Call): Seen {
  const tracer = new Tracer()
  const name = path.join(filesystem.directory, 'data')
  fs.writeFileSync(name, Buffer.alloc(PAGES * PAGE, 1))
  const directory = fs.openSync(filesystem.directory, 'r')
  fs.fsyncSync(directory)
  const victim = tracer.begin()
  prepare(victim, name)
  const caller = victim.thread()
  const readers = READERS.map(file => beginReader(tracer, victim.pid, file))
  try {
    return measure({ tracer, victim, caller, readers, directory, call })
  } finally {
    for (const { reader } of readers) tracer.kill(reader.pid)
    tracer.kill(victim.pid)
    fs.closeSync(directory)
    fs.rmSync(name)
  }
}

interface Cast {
  readonly tracer: Tracer
  readonly victim: Tracee
  readonly caller: Tracee
  readonly readers: readonly { readonly reader: Tracee; readonly fd: number }[]
  /** Of the filesystem that is frozen. */
  readonly directory: number
  readonly call: Call
}

function measure({ tracer, victim, caller, readers, directory, call }: Cast): Seen {
  const begun = new Map<number, number>()
  const took = new Map<number, number>()
  const sleep = new Int32Array(new SharedArrayBuffer(4))
  const expected = [victim.pid, caller.pid, ...readers.map(({ reader }) => reader.pid)]
  freeze(tracer, directory, FIFREEZE)
  let frozen = true
  let thawedAt = THAW_AT
  const start = performance.now()
  const steps: [number, () => void][] = [
    [0, () => tracer.stores(victim.pid, DATA)],
    [CALL_AT, () => begin(tracer, caller, call)],
    [
      READ_AT,
      () => {
        for (const { reader, fd } of readers) {
          begun.set(reader.pid, performance.now())
          tracer.begins(reader.pid, 'read', [fd, PATHS, BUFFER_BYTES])
        }
      },
    ],
  ]
  const who = [victim.pid, caller.pid]
  try {
    while (took.size < expected.length) {
      const now = performance.now()
      const next = steps[0]
      if (next !== undefined && now - start >= next[0]) {
        steps.shift()
        const pid = who[2 - steps.length]
        if (pid !== undefined) begun.set(pid, performance.now())
        next[1]()
      }
      if (frozen && now - start >= THAW_AT) {
        freeze(tracer, directory, FITHAW)
        frozen = false
        thawedAt = performance.now() - start
      }
      for (let pid = tracer.ended(); pid !== undefined; pid = tracer.ended())
        if (begun.has(pid)) took.set(pid, performance.now() - begun.get(pid)!)
      if (now - start > THAW_AT + PATIENCE_MS)
        throw new Error(`${call}: somebody still waits ${PATIENCE_MS} ms after the thaw`)
      Atomics.wait(sleep, 0, 0, POLL_MS)
    }
  } finally {
    if (frozen) freeze(tracer, directory, FITHAW)
  }
  if (call === 'fork') tracer.kill(tracer.resultOf(caller.pid))
  return { times: expected.map(pid => took.get(pid)!), thawedAt }
}

function prepare(victim: Tracee, name: string): void {
  const length = PAGES * PAGE
  victim.call('mmap', PATHS, BUFFER_BYTES, READ_WRITE, PRIVATE | ANONYMOUS | FIXED, -1, 0)
  const fd = open(victim, name, fs.constants.O_RDWR)
  victim.call('mmap', DATA, length, READ_WRITE, SHARED | FIXED, fd, 0)
  victim.call('mmap', BESIDE, length, READ_WRITE, PRIVATE | ANONYMOUS | FIXED, -1, 0)
  // The pages are in memory and mapped for loads: what is left to a store is page_mkwrite.
  victim.call('madvise', DATA, length, MADVICE.populateRead)
}

function beginReader(
  tracer: Tracer,
  pid: number,
  file: string,
): { readonly reader: Tracee; readonly fd: number } {
  const reader = tracer.begin()
  reader.call('mmap', PATHS, BUFFER_BYTES, READ_WRITE, PRIVATE | ANONYMOUS | FIXED, -1, 0)
  return { reader, fd: open(reader, `/proc/${pid}/${file}`, fs.constants.O_RDONLY) }
}

function begin(tracer: Tracer, { pid }: Tracee, call: Call): void {
  const length = PAGES * PAGE
  const calls = {
    fork: ['fork', []],
    munmap: ['munmap', [DATA, length]],
    mprotect: ['mprotect', [DATA, length, PROT_READ]],
    mremap: ['mremap', [DATA, length, length, MREMAP_MAYMOVE | MREMAP_FIXED, ELSEWHERE]],
    madvise: ['madvise', [DATA, length, MADVICE.random]],
    'munmap beside': ['munmap', [BESIDE, length]],
    'mprotect beside': ['mprotect', [BESIDE, length, PROT_READ]],
    // What pthread_create asks of the space: a stack.
    thread: ['mmap', [0, 2 ** 20, READ_WRITE, PRIVATE | ANONYMOUS, -1, 0]],
  } as const satisfies Record<Call, readonly [SystemCall, readonly number[]]>
  const [name, args] = calls[call]
  tracer.begins(pid, name, args)
}

function open(tracee: Tracee, name: string, flags: number): number {
  const memory = fs.openSync(`/proc/${tracee.pid}/mem`, 'r+')
  fs.writeSync(memory, `${name}\0`, PATHS)
  fs.closeSync(memory)
  const fd = tracee.call('openat', -100, PATHS, flags)
  if (fd < 0) throw new Error(`${name} can't be opened: errno ${-fd}`)
  return fd
}

function freeze(tracer: Tracer, directory: number, request: number): void {
  const error = tracer.linux.ioctl(directory, request, null)
  if (error !== 0) throw new Error(`the filesystem can't be frozen or thawed: errno ${error}`)
}
