/**
 * The numbers of this house, told apart by type.
 *
 * Each is an ordinary JavaScript number with a name that the compiler checks: a `Vpn` isn't taken where a `Pfn` is
 * wanted, while plain arithmetic still gives a number that may be named again. Byte addresses exist at the doors
 * only; inside, everything is a page number.
 *
 * Units
 *   Vpn        page number in one address space, 0 <= vpn < 2^31
 *   Pfn        frame number; 0 is the zero page and is never handed out
 *   PageIndex  page number in a file, 0 <= index < 2^41: files have less than 2^53 bytes
 *   Bytes      a length or a position in bytes, a safe integer
 *   Ns         nanoseconds since the machine started, or a duration
 *   GroupId, TaskId, FileId, SpaceId   small integers from 1; 0 means nobody
 */
/** A number with a name that the compiler checks; any plain number may be given. */
export type Unit<Name extends string> = number & {
  /** Never there: it only tells units apart when types are checked. */
  readonly unit?: Name
}

export type Vpn = Unit<'vpn'>
export type Pfn = Unit<'pfn'>
export type PageIndex = Unit<'page index'>
/** A length or a position in bytes: a safe integer. */
export type Bytes = Unit<'bytes'>
/** Nanoseconds. */
export type Ns = Unit<'ns'>
/** The number of a group in its machine. */
export type GroupId = Unit<'group'>
/** The number of a task in its machine. */
export type TaskId = Unit<'task'>
export type FileId = Unit<'file'>
/** The number of an address space in its machine: what ps shows as its pid. */
export type SpaceId = Unit<'space'>

/** Half-open, in pages: [start, end). */
export interface PageRange {
  readonly start: number
  readonly end: number
}

export const US: Ns = 1_000
export const MS: Ns = 1_000_000
export const SECOND: Ns = 1_000_000_000

/** Pages needed for `bytes`, the last one perhaps in part. */
export function pagesOf(bytes: Bytes, pageSize: Bytes): number {
  return Math.ceil(bytes / pageSize)
}
