/**
 * Parts of files that never change: segments of a bucket, and files on servers in one version. A part that is here is good for
 * ever; in memory the oldest go.
 *
 *     wanted chunks of a turn, by file -> in memory -> kept on this computer -> what lies in a row, or nearly, is one range -> copied out
 *
 * Invariants
 *   CHK1 A chunk is asked for once at a time, whoever wants it.
 */
import type { Bytes } from '../base/index.ts'
import type { Request } from '../device/index.ts'
import type { Keep } from './keep.ts'

const CHUNK: Bytes = 128 * 1024
/** A range is at most so long: a retry asks for all of it again. */
const RANGE_CHUNKS = 32
/** So many chunks that nobody wants are read rather than skipped. */
const GAP_CHUNKS = 1

export interface StoredFile {
  /** No two have the same, nor two versions of one. */
  readonly key: string
  readonly bytes: Bytes
}

export interface ChunksPlan {
  /** Chunks that stay in memory. */
  readonly inMemory: number
  /** undefined: what was let go of is asked for again. */
  readonly keep: Keep | undefined
  /** Bytes [from, to) from where they come, on the account of a request. */
  readonly bring: (file: StoredFile, from: Bytes, to: Bytes, request: Request) => Promise<Uint8Array>
}

interface Wanted {
  readonly chunk: number
  readonly request: Request
  readonly got: (bytes: Uint8Array) => void
  readonly failed: (error: unknown) => void
}

export class Chunks {
  private readonly plan: ChunksPlan
  /** The one that was used last is last. */
  private readonly recent = new Map<string, Uint8Array>()
  private readonly coming = new Map<string, Promise<Uint8Array>>()
  private wanted = new Map<string, { readonly file: StoredFile; readonly chunks: Wanted[] }>()

  constructor(plan: ChunksPlan) {
    this.plan = plan
  }

  /** Throws what `bring` does. */
  async read(file: StoredFile, from: Bytes, into: Uint8Array, request: Request): Promise<void> {
    const parts: Promise<void>[] = []
    for (let at = 0; at < into.length; ) {
      const chunk = Math.floor((from + at) / CHUNK)
      const start = from + at - chunk * CHUNK
      const part = into.subarray(at, at + CHUNK - start)
      parts.push(
        this.chunk(file, chunk, request).then(bytes => part.set(bytes.subarray(start, start + part.length))),
      )
      at += part.length
    }
    await Promise.all(parts)
  }

  private async chunk(file: StoredFile, chunk: number, request: Request): Promise<Uint8Array> {
    const name = `${file.key} ${chunk}`
    const recent = this.recent.get(name)
    if (recent !== undefined) {
      this.note(name, recent)
      return recent
    }
    let coming = this.coming.get(name)
    if (coming === undefined) {
      coming = this.want(file, chunk, request).finally(() => this.coming.delete(name))
      this.coming.set(name, coming)
    }
    const bytes = await coming
    this.note(name, bytes)
    return bytes
  }

  private note(name: string, bytes: Uint8Array): void {
    this.recent.delete(name)
    this.recent.set(name, bytes)
    if (this.recent.size > this.plan.inMemory) this.recent.delete(this.recent.keys().next().value!)
  }

  private want(file: StoredFile, chunk: number, request: Request): Promise<Uint8Array> {
    if (this.wanted.size === 0) setImmediate(() => this.ask())
    let of = this.wanted.get(file.key)
    if (of === undefined) {
      of = { file, chunks: [] }
      this.wanted.set(file.key, of)
    }
    const { chunks } = of
    return new Promise((got, failed) => chunks.push({ chunk, request, got, failed }))
  }

  private ask(): void {
    const { wanted } = this
    this.wanted = new Map()
    for (const { file, chunks } of wanted.values()) void this.askFor(file, chunks)
  }

  private async askFor(file: StoredFile, chunks: readonly Wanted[]): Promise<void> {
    const missing = await this.missing(file, chunks)
    let group: Wanted[] = []
    for (const each of missing.toSorted((a, b) => a.chunk - b.chunk)) {
      const isNear = group.length === 0 || each.chunk - group.at(-1)!.chunk <= 1 + GAP_CHUNKS
      if (!isNear || each.chunk - (group[0]?.chunk ?? each.chunk) >= RANGE_CHUNKS) {
        void this.bring(file, group)
        group = []
      }
      group.push(each)
    }
    if (group.length > 0) void this.bring(file, group)
  }

  /** Those that aren't kept on this computer. */
  private async missing(file: StoredFile, chunks: readonly Wanted[]): Promise<readonly Wanted[]> {
    const { keep } = this.plan
    if (keep === undefined) return chunks
    const missing: Wanted[] = []
    await Promise.all(
      chunks.map(async each => {
        const bytes = await keep.get(file.key, each.chunk)
        if (bytes?.length === endOf(file, each.chunk) - each.chunk * CHUNK) each.got(bytes)
        else missing.push(each)
      }),
    )
    return missing
  }

  private async bring(file: StoredFile, group: readonly Wanted[]): Promise<void> {
    const first = group[0]!
    const last = group.at(-1)!
    const from = first.chunk * CHUNK
    try {
      const bytes = await this.plan.bring(file, from, endOf(file, last.chunk), first.request)
      const parts = new Map<number, Uint8Array>()
      for (let chunk = first.chunk; chunk <= last.chunk; chunk++) {
        const part = bytes.slice(chunk * CHUNK - from, (chunk + 1) * CHUNK - from)
        parts.set(chunk, part)
        this.plan.keep?.put(file.key, chunk, part)
      }
      for (const { chunk, got } of group) got(parts.get(chunk)!)
    } catch (error) {
      for (const { failed } of group) failed(error)
    }
  }
}

function endOf({ bytes }: StoredFile, chunk: number): Bytes {
  return Math.min(bytes, (chunk + 1) * CHUNK)
}
