/**
 * What containers are packed with, taken off in memory. The page that runs in a browser has other hands for the same
 * (web/stand-ins/trace-unpackers.ts).
 */
import { createZstdDecompress, inflateSync, zstdDecompressSync } from 'node:zlib'

export const inflateWhole = (bytes: Buffer): Buffer => inflateSync(bytes)

export const unzstdWhole = (bytes: Buffer): Buffer => zstdDecompressSync(bytes)

/** A stream of zstd that needn't end: what was put in comes out as far as it can be unpacked. */
export class ZstdStream {
  private readonly stream = createZstdDecompress()
  private readonly unpacked: Buffer[] = []

  constructor() {
    this.stream.on('data', piece => this.unpacked.push(piece))
    // The stream never ends with its file; what could be unpacked was.
    this.stream.on('error', () => {})
  }

  async unpack(packed: Buffer): Promise<Buffer[]> {
    await new Promise<void>(resolve => this.stream.write(Buffer.from(packed), () => resolve()))
    await new Promise<void>(resolve => setImmediate(resolve))
    return this.unpacked.splice(0)
  }

  end(): void {
    this.stream.destroy()
  }
}
