/** Rows of numbers, and what tells them apart. */

/** 53 bits of a row, or of its first `length` numbers, as one number. */
export function hashOf(row: ArrayLike<number>, length = row.length): number {
  let a = 0x9e3779b9 | 0
  let b = 0x85ebca6b | 0
  for (let at = 0; at < length; at++) {
    const value = row[at]!
    a = Math.imul(a ^ value, 0x01000193)
    a ^= a >>> 15
    b = Math.imul(b + value, 0xc2b2ae35) ^ (b >>> 13)
  }
  a = Math.imul(a ^ (a >>> 16), 0x7feb352d)
  b = Math.imul(b ^ (b >>> 16), 0x846ca68b)
  return (a >>> 0) * 0x200000 + ((b ^ (b >>> 15)) & 0x1fffff)
}
