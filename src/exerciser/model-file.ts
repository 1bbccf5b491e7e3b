/**
 * A file of the model: its bytes and its size, and what a crash may leave of it.
 *
 *     promised --- changes since, in order --- now          a sync that ends well promises what was so when it began
 *
 * What a crash leaves isn't one state: of what was changed since the last promise, each byte may be there or not. So the
 * changes are kept, and every byte that is found must be the promised one or one that was stored there since. A file that
 * grows by several pages may be found to end with any of them, since they are written one by one.
 *
 * Invariants
 *   ML1 Bytes of the file past its end are zero, or, in its last page, what a mapping stored there or zero (twin.ts).
 *   MF1 `promised` with all of `changes` made to it is `bytes`.
 */
import type { Bytes } from '../base/index.ts'
import { Twin } from './twin.ts'

/** Bytes [at, end) became `one` or `other`, zero if there are none, and the file as long as `size`. */
interface Change {
  readonly at: Bytes
  readonly end: Bytes
  readonly one: Uint8Array | undefined
  readonly other: Uint8Array | undefined
  readonly size: Bytes
}

export class ModelFile {
  readonly bytes: Twin
  size: Bytes
  private readonly pageSize: Bytes
  private promised: Twin
  private promisedSize: Bytes
  private changes: Change[] = []

  constructor(pageSize: Bytes, capacity: Bytes, content: Uint8Array) {
    this.pageSize = pageSize
    this.bytes = Twin.zeros(capacity)
    this.bytes.set(content, 0)
    this.size = content.length
    this.promised = this.bytes.copy(0, capacity)
    this.promisedSize = this.size
  }

  // ---- what happens to it

  set(at: Bytes, bytes: Uint8Array): void {
    this.bytes.set(bytes, at)
    const kept = bytes.slice()
    this.note(at, at + bytes.length, kept, kept)
  }

  /** Stores what may be zero again at any time. */
  setFleeting(at: Bytes, bytes: Uint8Array): void {
    this.bytes.setFleeting(bytes, at)
    this.note(at, at + bytes.length, bytes.slice(), undefined)
  }

  zero(start: Bytes, end: Bytes): void {
    this.bytes.zero(start, end)
    this.note(start, Math.min(end, this.bytes.length), undefined, undefined)
  }

  /** What was stored past the old end doesn't show. */
  grow(size: Bytes): void {
    if (size <= this.size) return
    const from = this.size
    this.size = size
    this.zero(from, size)
  }

  truncate(size: Bytes): void {
    this.grow(size)
    this.size = size
    this.zero(size, this.bytes.length)
  }

  /** What lies from `at` on is moved by so many bytes, and the end with it; zeros come in between. */
  shift(at: Bytes, by: Bytes): void {
    const { one } = this.bytes
    const old = one.slice(0, this.size)
    this.size += by
    const now = new Uint8Array(one.length - at)
    if (by > 0) now.set(old.subarray(at), by)
    else now.set(old.subarray(at - by))
    this.set(at, now)
  }

  // ---- what a crash may leave

  /** How many changes there have been since the last promise. */
  get mark(): number {
    return this.changes.length
  }

  /** What was so when there had been `mark` changes is promised from now on. */
  promise(mark: number): void {
    for (const { at, end, one, other, size } of this.changes.splice(0, mark)) {
      copy(this.promised.one, at, end, one)
      copy(this.promised.other, at, end, other)
      this.promisedSize = size
    }
  }

  /** What is wrong with what a crash has left, if something is. */
  forbids(left: Uint8Array): string | undefined {
    if (!this.wasSoLong(left.length))
      return `has ${left.length} bytes, and never had since they were ${this.promisedSize}`
    const explained = new Uint8Array(left.length)
    const look = (at: Bytes, end: Bytes, bytes: Uint8Array | undefined) => {
      for (let byte = at; byte < Math.min(end, left.length); byte++)
        if (left[byte] === (bytes === undefined ? 0 : bytes[byte - at])) explained[byte] = 1
    }
    const { one, other } = this.promised
    look(0, left.length, one)
    look(0, left.length, other)
    for (const change of this.changes) {
      look(change.at, change.end, change.one)
      look(change.at, change.end, change.other)
    }
    const wrong = explained.indexOf(0)
    return wrong === -1 ? undefined : `has ${left[wrong]} at byte ${wrong}, where it was never stored`
  }

  /** What a crash has left is the file from now on. */
  becomes(left: Uint8Array): void {
    this.bytes.zero(0, this.bytes.length)
    this.bytes.set(left, 0)
    this.size = left.length
    this.promised = this.bytes.copy(0, this.bytes.length)
    this.promisedSize = this.size
    this.changes = []
  }

  private wasSoLong(size: Bytes): boolean {
    let before = this.promisedSize
    for (const { size: now } of this.changes) {
      if (size === now || (size > before && size < now && size % this.pageSize === 0)) return true
      before = now
    }
    return size === this.promisedSize
  }

  private note(at: Bytes, end: Bytes, one: Change['one'], other: Change['other']): void {
    this.changes.push({ at, end, one, other, size: this.size })
  }
}

function copy(into: Uint8Array, at: Bytes, end: Bytes, bytes: Uint8Array | undefined): void {
  if (bytes === undefined) into.fill(0, at, end)
  else into.set(bytes, at)
}
