/** A thread that loads and stores through arrays of mappings, as the exerciser of the hardware MMU tells it to. */

import { parentPort } from 'node:worker_threads'
import type { MappingHandle } from '../api/index.ts'
import { type Attachment, attach } from '../uffd/index.ts'

export type Touch =
  | { readonly kind: 'load'; readonly map: number; readonly at: number; readonly length: number }
  | {
      readonly kind: 'store'
      readonly map: number
      readonly at: number
      readonly length: number
      readonly byte: number
    }

/** Mappings to attach to or to let go of, by number, and then what to do. */
export interface Turn {
  readonly attach: readonly { readonly map: number; readonly handle: MappingHandle }[]
  readonly detach: readonly number[]
  readonly touches: readonly Touch[]
}

const arrays = new Map<number, Attachment>()

parentPort?.on('message', ({ attach: fresh, detach, touches }: Turn) => {
  for (const { map, handle } of fresh) arrays.set(map, attach(handle))
  const loaded: Uint8Array[] = []
  for (const touch of touches) {
    const { bytes } = arrays.get(touch.map)!
    if (touch.kind === 'store') bytes.fill(touch.byte, touch.at, touch.at + touch.length)
    else loaded.push(bytes.slice(touch.at, touch.at + touch.length))
  }
  for (const map of detach) {
    arrays.get(map)!.detach()
    arrays.delete(map)
  }
  parentPort!.postMessage(loaded)
})
