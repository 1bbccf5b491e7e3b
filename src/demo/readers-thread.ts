/**
 * A thread of the batch job: one stores to every page of the array, round and round; the other forks and maps and unmaps,
 * in the same process, so that somebody always wants the address space for writing.
 */

import { parentPort, threadId, workerData } from 'node:worker_threads'
import type { MappingHandle } from '../api/index.ts'
import { Linux } from '../linux/index.ts'
import { attach } from '../uffd/index.ts'

/** The array: a mapping of the hardware MMU, or memory that the kernel itself maps. */
export type Shown = { readonly handle: MappingHandle } | { readonly address: number; readonly length: number }

export type Part =
  | { readonly part: 'writer'; readonly shown: Shown; readonly over: SharedArrayBuffer }
  | { readonly part: 'forker'; readonly over: SharedArrayBuffer }

/** What it did, and the longest that one of its acts took. */
export interface Done {
  readonly count: number
  readonly longestMs: number
}

const PAGE = 4096
const FORK_EVERY_MS = 2

const linux = new Linux()
const sleep = new Int32Array(new SharedArrayBuffer(4))

function writer(shown: Shown): Done {
  const bytes =
    'handle' in shown
      ? attach(shown.handle).bytes
      : new Uint8Array(linux.ffi.view(shown.address, shown.length))
  let count = 0
  let longestMs = 0
  ready()
  for (let page = 0; !isOver(); page = (page + 1) % (bytes.length / PAGE)) {
    const began = performance.now()
    bytes[page * PAGE] = count++
    longestMs = Math.max(longestMs, performance.now() - began)
  }
  return { count, longestMs }
}

function forker(): Done {
  const libc = linux.ffi.open('libc.so.6')
  const fork = libc.call('fork', 'int', [])
  const waitpid = libc.call('waitpid', 'int', ['int', 'pointer', 'int'])
  const scratch = linux.memfd(`forker-${threadId}`, PAGE)
  let count = 0
  let longestMs = 0
  ready()
  while (!isOver()) {
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

function ready(): void {
  parentPort!.postMessage('ready')
}

function isOver(): boolean {
  return Atomics.load(over, 0) !== 0
}

const plan = workerData as Part
const over = new Int32Array(plan.over)
parentPort!.postMessage(plan.part === 'writer' ? writer(plan.shown) : forker())
