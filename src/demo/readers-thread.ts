/**
 * A thread of the batch job: one stores to every page of the array, round and round; the other forks and maps and unmaps,
 * in the same process, so that somebody always wants the address space for writing.
 */
import { parentPort, threadId, workerData } from 'node:worker_threads'
import { Linux } from '../linux/index.ts'
import type { MappingHandle } from '../map/index.ts'
import { attach } from '../uffd/index.ts'

/** The array: a mapping of the hardware MMU, or memory that the kernel itself maps. */
export type Shown = { readonly handle: MappingHandle } | { readonly address: number; readonly length: number }

export type Part =
  | { readonly part: 'writer'; readonly shown: Shown; readonly until: number }
  | { readonly part: 'forker'; readonly until: number }

/** What it did, and the longest that one of its acts took. */
export interface Done {
  readonly count: number
  readonly longestMs: number
}

const PAGE = 4096
const FORK_EVERY_MS = 2

const linux = new Linux()
const sleep = new Int32Array(new SharedArrayBuffer(4))

function writer(shown: Shown, until: number): Done {
  const bytes =
    'handle' in shown
      ? attach(shown.handle).bytes
      : new Uint8Array(linux.ffi.view(shown.address, shown.length))
  let count = 0
  let longestMs = 0
  for (let now = Date.now(), page = 0; now < until; page = (page + 1) % (bytes.length / PAGE)) {
    const began = performance.now()
    bytes[page * PAGE] = count++
    longestMs = Math.max(longestMs, performance.now() - began)
    now = Date.now()
  }
  return { count, longestMs }
}

function forker(until: number): Done {
  const libc = linux.ffi.open('libc.so.6')
  const fork = libc.call('fork', 'int', [])
  const waitpid = libc.call('waitpid', 'int', ['int', 'pointer', 'int'])
  const scratch = linux.memfd(`forker-${threadId}`, PAGE)
  let count = 0
  let longestMs = 0
  while (Date.now() < until) {
    const began = performance.now()
    const child = fork()
    if (child === 0) linux.exitNow(0)
    waitpid(child, null, 0)
    linux.munmap(linux.mmap(scratch, 0, PAGE), PAGE)
    longestMs = Math.max(longestMs, performance.now() - began)
    count++
    Atomics.wait(sleep, 0, 0, FORK_EVERY_MS)
  }
  linux.close(scratch)
  return { count, longestMs }
}

const { part, until, ...rest } = workerData as Part & { readonly shown: Shown }
parentPort!.postMessage(part === 'writer' ? writer(rest.shown, until) : forker(until))
