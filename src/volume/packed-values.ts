/**
 * The values of a block of records, one behind the other in one buffer: what lies there is nothing that a collector moves or
 * marks, and a change of a hundred thousand records leaves it no more than their keys.
 *
 *     bytes: | length u32 | value | length u32 | value | … | free        starts: [ 28, gone, 0, … ] in order of the keys
 *
 * A value that is replaced or removed stays where it is until the buffer is full; then what is left goes into another.
 *
 * Invariants
 *   VQ1 Bytes that were handed out never change.
 *   VQ2 A buffer has room for twice what was in use when it was made, or BYTES_MIN: what nobody wants any more is no more than that.
 */
import type { Bytes } from '../base/index.ts'
import type { Values } from './sorted-map.ts'

const LENGTH_BYTES: Bytes = 4
const BYTES_MIN: Bytes = 1024
/** In place of where a value begins: its key is gone. */
const GONE = -1

export class PackedValues implements Values<Uint8Array | null> {
  private readonly starts: number[] = []
  private bytes = new Uint8Array(0)
  private view = new DataView(this.bytes.buffer)
  /** Up to where `bytes` is written. */
  private end: Bytes = 0

  at(place: number): Uint8Array | null {
    const start = this.starts[place]!
    if (start === GONE) return null
    return new Uint8Array(this.bytes.buffer, start + LENGTH_BYTES, this.view.getUint32(start))
  }

  insert(place: number, value: Uint8Array | null): void {
    this.starts.splice(place, 0, this.written(value))
  }

  replace(place: number, value: Uint8Array | null): void {
    this.starts[place] = GONE
    this.starts[place] = this.written(value)
  }

  remove(place: number): void {
    this.starts.splice(place, 1)
  }

  cut(place: number): PackedValues {
    const cut = this.part(place)
    this.starts.length = place
    return cut
  }

  copy(): PackedValues {
    return this.part(0)
  }

  private part(from: number): PackedValues {
    const part = new PackedValues()
    for (let place = from; place < this.starts.length; place++) part.insert(place - from, this.at(place))
    return part
  }

  /** Where it begins. */
  private written(value: Uint8Array | null): number {
    if (value === null) return GONE
    const length = LENGTH_BYTES + value.length
    if (this.end + length > this.bytes.length) this.makeRoom(length)
    const start = this.end
    this.view.setUint32(start, value.length)
    this.bytes.set(value, start + LENGTH_BYTES)
    this.end += length
    return start
  }

  /** Takes what is in use into another buffer, which has room for `more`. */
  private makeRoom(more: Bytes): void {
    const { starts, bytes, view } = this
    let used = more
    for (const start of starts) if (start !== GONE) used += LENGTH_BYTES + view.getUint32(start)
    this.bytes = new Uint8Array(Math.max(BYTES_MIN, 2 * used))
    this.view = new DataView(this.bytes.buffer)
    this.end = 0
    for (let place = 0; place < starts.length; place++) {
      const start = starts[place]!
      if (start === GONE) continue
      const length = LENGTH_BYTES + view.getUint32(start)
      this.bytes.set(bytes.subarray(start, start + length), this.end)
      starts[place] = this.end
      this.end += length
    }
  }
}
