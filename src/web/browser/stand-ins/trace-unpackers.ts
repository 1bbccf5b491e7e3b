/** trace/unpackers.ts where there is no Node. */
import { Buffer } from 'buffer'
import { unzlibSync } from 'fflate'
import { Decompress, decompress } from 'fzstd'

export const inflateWhole = (bytes: Uint8Array): Buffer => Buffer.from(unzlibSync(bytes))

export const unzstdWhole = (bytes: Uint8Array): Buffer => Buffer.from(decompress(bytes))

export class ZstdStream {
  private readonly unpacked: Buffer[] = []
  private readonly stream = new Decompress(piece => this.unpacked.push(Buffer.from(piece)))
  private isBroken = false

  async unpack(packed: Uint8Array): Promise<Buffer[]> {
    try {
      if (!this.isBroken) this.stream.push(new Uint8Array(packed))
    } catch {
      // What could be unpacked was.
      this.isBroken = true
    }
    return this.unpacked.splice(0)
  }

  end(): void {}
}
