/**
 * A file as the web takes one: what a Blob does, without its bytes in memory. Parts are slices of the same file; a stream
 * reads ahead of its reader by one piece at most.
 *
 * Not an instance of Blob, since the platform's own functions read a Blob's bytes past its methods: `new Response(blob)` wants
 * `blob.stream()` here.
 */
import { bytesOf, type ReadableFile } from './readable-file.ts'

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
    return new FileBlob(file, 0, file.size, type)
  }

  /** Positions before 0 count from the end, as Blob.slice has it. */
  slice(start = 0, end = this.size, type = ''): FileBlob {
    const place = (at: number) => Math.min(this.size, Math.max(0, at < 0 ? this.size + at : at))
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

/** A file as a Blob, as long as it is now. */
export const blob = (file: ReadableFile, type?: string): FileBlob => FileBlob.of(file, type)
