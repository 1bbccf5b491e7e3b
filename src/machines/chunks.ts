/**
 * Parts of objects that were read lately. Objects never change, so a part that is here is good for ever; the oldest go.
 *
 *     wanted chunks of a turn, by object -> those that lie in a row, or nearly, are one range -> kept -> copied out
 *
 * Invariants
 *   CHK1 A chunk is asked for once at a time, whoever wants it.
 */
import type { Bytes } from '../base/index.ts'
import type { Bucket } from './bucket.ts'

const CHUNK: Bytes = 128 * 1024
/** A range is at most so long: a retry asks for all of it again. */
const RANGE_CHUNKS = 32
/** So many chunks that nobody wants are read rather than skipped. */
const GAP_CHUNKS = 1
const KEPT_CHUNKS = 256

export interface StoredObject {
  readonly key: string
  readonly bytes: Bytes
}

interface Wanted {
  readonly chunk: number
  readonly got: (bytes: Uint8Array) => void
  readonly failed: (error: unknown) => void
}

export class Chunks {
  private readonly bucket: Bucket
  /** The one that was used last is last. */
  private readonly kept = new Map<string, Promise<Uint8Array>>()
  private wanted = new Map<string, { readonly object: StoredObject; readonly chunks: Wanted[] }>()

  constructor(bucket: Bucket) {
    this.bucket = bucket
  }

  /** Throws RemoteError. */
  async read(object: StoredObject, from: Bytes, into: Uint8Array): Promise<void> {
    for (let at = 0; at < into.length; ) {
      const chunk = Math.floor((from + at) / CHUNK)
      const bytes = await this.chunk(object, chunk)
      const part = bytes.subarray(from + at - chunk * CHUNK).subarray(0, into.length - at)
      into.set(part, at)
      at += part.length
    }
  }

  private chunk(object: StoredObject, chunk: number): Promise<Uint8Array> {
    const name = `${object.key} ${chunk}`
    const kept = this.kept.get(name)
    const bytes = kept ?? this.want(object, chunk)
    this.kept.delete(name)
    this.kept.set(name, bytes)
    if (kept === undefined) bytes.catch(() => this.kept.delete(name))
    if (this.kept.size > KEPT_CHUNKS) this.kept.delete(this.kept.keys().next().value!)
    return bytes
  }

  private want(object: StoredObject, chunk: number): Promise<Uint8Array> {
    if (this.wanted.size === 0) setImmediate(() => this.ask())
    let of = this.wanted.get(object.key)
    if (of === undefined) {
      of = { object, chunks: [] }
      this.wanted.set(object.key, of)
    }
    const { chunks } = of
    return new Promise((got, failed) => chunks.push({ chunk, got, failed }))
  }

  private ask(): void {
    const { wanted } = this
    this.wanted = new Map()
    for (const { object, chunks } of wanted.values()) {
      chunks.sort((a, b) => a.chunk - b.chunk)
      let group: Wanted[] = []
      for (const each of chunks) {
        const isNear = group.length === 0 || each.chunk - group.at(-1)!.chunk <= 1 + GAP_CHUNKS
        if (!isNear || each.chunk - (group[0]?.chunk ?? each.chunk) >= RANGE_CHUNKS) {
          void this.bring(object, group)
          group = []
        }
        group.push(each)
      }
      void this.bring(object, group)
    }
  }

  private async bring({ key, bytes: length }: StoredObject, group: readonly Wanted[]): Promise<void> {
    const from = group[0]!.chunk * CHUNK
    const to = Math.min(length, (group.at(-1)!.chunk + 1) * CHUNK)
    try {
      const bytes = await this.bucket.read(key, from, to)
      for (const { chunk, got } of group) got(bytes.slice(chunk * CHUNK - from, (chunk + 1) * CHUNK - from))
    } catch (error) {
      for (const { failed } of group) failed(error)
    }
  }
}
