/**
 * Memory for frames, aligned to a page of the host: O_DIRECT reads and writes into it as it is.
 *
 * JavaScript doesn't say where an ArrayBuffer lies, and V8 puts large ones sixteen bytes past a page. The buffer of a
 * WebAssembly.Memory begins on a page. It can have 4 GiB; what is larger is an ArrayBuffer, and direct I/O gives up on it.
 */
import type { Bytes } from '../base/index.ts'

/** The part of WebAssembly that this file needs: Node's types leave it to the DOM's. */
declare const WebAssembly: {
  readonly Memory: new (size: { readonly initial: number }) => { readonly buffer: ArrayBuffer }
}

const WASM_PAGE: Bytes = 65_536
const WASM_BYTES_MAX: Bytes = 65_536 * WASM_PAGE

export function memoryBuffer(bytes: Bytes): ArrayBuffer {
  if (bytes > WASM_BYTES_MAX) return new ArrayBuffer(bytes)
  return new WebAssembly.Memory({ initial: Math.ceil(bytes / WASM_PAGE) }).buffer
}
