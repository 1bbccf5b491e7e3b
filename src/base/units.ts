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
 *   PageIndex  page number in a file, 0 <= index < 2^32
 *   Bytes      a length or a position in bytes, a safe integer
 *   Ns         nanoseconds since the machine started, or a duration
 *   GroupId, TaskId, FileId, SpaceId   small integers from 1; 0 means nobody
 */
type Named<Name extends string> = number & { readonly unit?: Name }

export type Vpn = Named<'vpn'>
export type Pfn = Named<'pfn'>
export type PageIndex = Named<'page index'>
export type Bytes = Named<'bytes'>
export type Ns = Named<'ns'>
export type GroupId = Named<'group'>
export type TaskId = Named<'task'>
export type FileId = Named<'file'>
export type SpaceId = Named<'space'>

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
