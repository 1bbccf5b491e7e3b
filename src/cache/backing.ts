/**
 * What a cached file stands on: where its pages come from and go to. Filesystems implement it; the cache calls it.
 *
 * Each call starts I/O and returns its bio; ends come to the cache by the bio's purpose. Nothing here waits.
 *
 * Invariants
 *   KB1  `write` of a page for which `reserve` has said done can't fail with ENOSPC.
 *   KB2  What `reserve` prepared is found again by (file, index), whoever prepared it.
 */
import type { Bytes, GroupId, PageIndex, Pfn } from '../base/index.ts'
import type { Bio } from '../io/index.ts'
import type { PageRequest } from '../memmap/index.ts'
import type { Outcome, Ticket } from '../sched/index.ts'
import type { CachedFile } from './cached-file.ts'

export interface Backing {
  /** Pages may not change while they are written: they are checksummed or mirrored below. */
  readonly stablePages: boolean
  readonly readOnly: boolean
  /** So many bytes in a row are brought as soon as one of them; 0: each page costs. */
  readonly readUnit: Bytes
  /** Of a range that is read or written, no more is begun while so many bytes of the file are on their way. */
  readonly inFlightBytes: Bytes
  /** Brings pages [index, index + frames.length). */
  read(file: CachedFile, index: PageIndex, frames: readonly Pfn[], group: GroupId): Bio
  /** Takes them, up to the file's size. */
  write(file: CachedFile, index: PageIndex, frames: readonly Pfn[], group: GroupId): Bio
  /** An attempt: sees that page `index`, now in `frame`, has its space. Called before each clean-to-dirty transition. */
  reserve(file: CachedFile, request: PageRequest, frame: Pfn): Outcome
  /** Whether `reserve` of that page would say done at once. */
  isReserved(file: CachedFile, index: PageIndex): boolean
  /** The ticket of a reservation in [start, end) that is on its way, if there is one. */
  reservationIn(file: CachedFile, start: PageIndex, end: PageIndex): Ticket | undefined
  /** Makes what was written durable. */
  flush(file: CachedFile, group: GroupId): Bio
  resize(file: CachedFile, size: Bytes, group: GroupId): Bio
  /** News of a bio with purpose 'operation' that it started, before the bio's ticket completes. */
  endOperation(bio: Bio): void
  zero(file: CachedFile, position: Bytes, length: Bytes, group: GroupId): Bio
}
