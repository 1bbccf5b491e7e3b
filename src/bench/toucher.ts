/**
 * A worker thread of the benches that touches pages of a file and times each: the pages of a mapping of ours, of a native
 * one, or by read calls. It begins when all threads of a round are ready, so that they fault at once; then it waits for the next
 * round.
 */

import fs from 'node:fs'
import { parentPort } from 'node:worker_threads'
import type { MappingHandle } from '../api/index.ts'
import type { Bytes } from '../base/index.ts'
import { attach } from '../uffd/index.ts'
import { sink } from './measure.ts'
import { Native } from './native.ts'

export interface Touches {
  readonly file:
    | { readonly handle: MappingHandle }
    | { readonly mmap: string }
    | { readonly readSync: string }
  readonly length: Bytes
  readonly pageSize: Bytes
  /** The pages to touch, one after the other. */
  readonly pages: Uint32Array
  /** Counts the threads that are ready, in shared memory; all begin when it is `threads`. */
  readonly ready: Int32Array
  readonly threads: number
}

const native = new Native()

parentPort!.on('message', (touches: Touches) => parentPort!.postMessage(timed(touches)))

/** What each touch took, in milliseconds. */
function timed({ file, length, pageSize, pages, ready, threads }: Touches): Float64Array {
  const { touch, end } = toucher(file, length, pageSize)
  Atomics.add(ready, 0, 1)
  Atomics.notify(ready, 0)
  for (let seen = Atomics.load(ready, 0); seen < threads; seen = Atomics.load(ready, 0))
    Atomics.wait(ready, 0, seen)
  const took = new Float64Array(pages.length)
  for (let at = 0; at < pages.length; at++) {
    const start = performance.now()
    sink.value += touch(pages[at]! * pageSize)
    took[at] = performance.now() - start
  }
  end()
  return took
}

function toucher(
  file: Touches['file'],
  length: Bytes,
  pageSize: Bytes,
): { touch(offset: Bytes): number; end(): void } {
  if ('handle' in file) {
    const attached = attach(file.handle)
    const { bytes } = attached
    return { touch: offset => bytes[offset]!, end: () => attached.detach() }
  }
  if ('mmap' in file) {
    const map = native.map(file.mmap, length)
    return { touch: offset => map.bytes[offset]!, end: () => map.unmap() }
  }
  const fd = fs.openSync(file.readSync, 'r')
  const page = new Uint8Array(pageSize)
  return {
    touch: offset => {
      fs.readSync(fd, page, 0, pageSize, offset)
      return page[0]!
    },
    end: () => fs.closeSync(fd),
  }
}
