/**
 * A file as the web takes one: what a Blob does, without its bytes in memory. Parts are slices of the same file; a stream
 * reads ahead of its reader by one piece at most.
 *
 * Not an instance of Blob, since the platform's own functions read a Blob's bytes past its methods. Where they take pieces one
 * after the other (`for await`, in Node `new Response(blob)` and fs.writeFile) they have it; where they would take it for text,
 * as `new Blob([blob])` and a browser's Response do, it throws and says what to pass.
 */
import { FaultlineError } from '../base/index.ts'
import { bytesOf, checkFile, type ReadableFile } from './readable-file.ts'

/** What one piece of a stream holds. */
const PIECE = 256 * 1024

export class FileBlob {
  readonly size: number
  readonly type: string
  private readonly file: ReadableFile
  private readonly start: number

  private constructor(file: ReadableFile, start: number, size: number, type: string) {
    this.file = file
    this.start = start
    this.size = size
    this.type = type
  }

  /** All of the file, as long as it is now. `type`: a media type, as it stands. */
  static of(file: ReadableFile, type = ''): FileBlob {
    checkFile(file, 'blob')
    checkType(type)
    return new FileBlob(file, 0, file.size, type)
  }

  /** Positions before 0 count from the end, as Blob.slice has it. */
  slice(start = 0, end = this.size, type = ''): FileBlob {
    checkType(type)
    const place = (given: number) => {
      // As the platform's own has it: what is between two bytes is the first, and what is no number is 0.
      const at = Math.trunc(Number(given)) || 0
      return Math.min(this.size, Math.max(0, at < 0 ? this.size + at : at))
    }
    const from = place(start)
    return new FileBlob(this.file, this.start + from, Math.max(0, place(end) - from), type)
  }

  bytes(): Promise<Uint8Array<ArrayBuffer>> {
    return bytesOf(this.file, this.start, this.start + this.size)
  }

  async arrayBuffer(): Promise<ArrayBuffer> {
    return (await this.bytes()).buffer
  }

  async text(): Promise<string> {
    return new TextDecoder().decode(await this.bytes())
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array<ArrayBuffer>> {
    return this.stream()[Symbol.asyncIterator]()
  }

  /** Whoever wants it as text would have its name for its bytes. */
  [Symbol.toPrimitive](): never {
    throw new FaultlineError(
      'EINVAL',
      'blob',
      `blob of ${this.file.name}: it is no Blob of the platform, and what takes it for text would have other bytes; pass blob.stream(), or await blob.bytes()`,
    )
  }

  stream(): ReadableStream<Uint8Array<ArrayBuffer>> {
    const { file } = this
    const end = this.start + this.size
    const aborting = new AbortController()
    let at = this.start
    return new ReadableStream({
      async pull(controller) {
        const piece = await bytesOf(file, at, Math.min(end, at + PIECE), aborting.signal)
        if (piece.length > 0) controller.enqueue(piece)
        at += piece.length
        if (at >= end || piece.length === 0) controller.close()
      },
      cancel: reason => aborting.abort(reason),
    })
  }
}

function checkType(type: unknown): void {
  if (typeof type !== 'string')
    throw new FaultlineError('EINVAL', 'blob', `blob: type: expected a media type, got ${typeof type}`)
}

/** A file as a Blob, as long as it is now. */
export const blob = (file: ReadableFile, type?: string): FileBlob => FileBlob.of(file, type)
