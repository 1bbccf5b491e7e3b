/**
 * What files are packed with on their way, taken off as the bytes flow. The page that runs in a browser has other hands for the
 * same (web/stand-ins/unpack-unpackers.ts).
 */
import { Readable, type Transform } from 'node:stream'
import { createGunzip, createInflate, createInflateRaw, createZstdDecompress, gunzipSync } from 'node:zlib'

export type Bytes = AsyncIterable<Buffer>

const CHUNK = { chunkSize: 1 << 20 }

export const gunzip = (source: Bytes): Bytes => through(source, createGunzip(CHUNK))
export const unzstd = (source: Bytes): Bytes => through(source, createZstdDecompress(CHUNK))
export const inflate = (source: Bytes): Bytes => through(source, createInflate(CHUNK))
export const inflateRaw = (source: Bytes): Bytes => through(source, createInflateRaw(CHUNK))
export const gunzipWhole = (bytes: Buffer): Buffer => gunzipSync(bytes)

async function* copies(pieces: Bytes): AsyncGenerator<Buffer> {
  for await (const piece of pieces) yield Buffer.from(piece)
}

function through(source: Bytes, unpacker: Transform): Bytes {
  const packed = Readable.from(copies(source))
  packed.on('error', error => unpacker.destroy(error))
  packed.pipe(unpacker)
  return unpacker
}
