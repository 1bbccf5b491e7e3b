/**
 * Moves columns of numbers into one buffer, so that one comparison sees whether any of them changed: a small machine has
 * dozens of columns of a dozen numbers each.
 */
type Column = Float64Array | Int32Array | Uint32Array | Uint16Array | Uint8Array

/** A column begins at a multiple of the size of the widest number. */
const WIDEST = Float64Array.BYTES_PER_ELEMENT

/** Moves the columns that are fields of these parts, but for views of the buffer `but`. Nobody else may hold one. */
export function sideBySide(parts: readonly object[], but: ArrayBufferLike): void {
  const found = parts.flatMap(part => {
    const fields = Object.entries(part) as [string, unknown][]
    return fields.flatMap(([name, column]) =>
      isColumn(column) && column.buffer !== but ? [{ part, name, column }] : [],
    )
  })
  const buffer = new ArrayBuffer(found.reduce((sum, { column }) => sum + aligned(column.byteLength), 0))
  let at = 0
  for (const { part, name, column } of found) {
    const make = column.constructor as new (buffer: ArrayBuffer, at: number, length: number) => Column
    const moved = new make(buffer, at, column.length)
    moved.set(column)
    Object.defineProperty(part, name, { value: moved })
    at += aligned(column.byteLength)
  }
}

function isColumn(value: unknown): value is Column {
  return ArrayBuffer.isView(value) && !(value instanceof DataView)
}

function aligned(bytes: number): number {
  return Math.ceil(bytes / WIDEST) * WIDEST
}
