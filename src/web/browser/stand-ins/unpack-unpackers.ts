/** unpack/unpackers.ts where there is no Node. */
import { Buffer } from 'buffer'
import { Gunzip, gunzipSync, Inflate, Unzlib } from 'fflate'
import { Decompress } from 'fzstd'

export type Bytes = AsyncIterable<Buffer>

/** Pieces go in, and what they unpack to comes out, before `push` returns. */
interface Unpacker {
  push(piece: Uint8Array, isLast?: boolean): void
}

type Make = (out: (piece: Uint8Array) => void) => Unpacker

export const gunzip = (source: Bytes): Bytes => through(source, out => new Gunzip(out))
export const unzstd = (source: Bytes): Bytes => through(source, out => new Decompress(out))
export const inflate = (source: Bytes): Bytes => through(source, out => new Unzlib(out))
export const inflateRaw = (source: Bytes): Bytes => through(source, out => new Inflate(out))
export const gunzipWhole = (bytes: Uint8Array): Buffer => Buffer.from(gunzipSync(bytes))

async function* through(source: Bytes, make: Make): AsyncGenerator<Buffer> {
  const pieces: Uint8Array[] = []
  const unpacker = make(piece => pieces.push(piece))
  const told = () => pieces.splice(0).filter(piece => piece.length > 0)
  const push = (piece: Uint8Array, isLast: boolean) => {
    try {
      unpacker.push(piece, isLast)
    } catch (error) {
      throw Object.assign(new Error(String(error)), { code: 'Z_DATA_ERROR' })
    }
  }
  for await (const piece of source) {
    // The unpacker keeps a part of it; the source will write over it.
    push(new Uint8Array(piece), false)
    for (const each of told()) yield Buffer.from(each.buffer, each.byteOffset, each.length)
  }
  push(new Uint8Array(0), true)
  for (const each of told()) yield Buffer.from(each.buffer, each.byteOffset, each.length)
}
