/** An open file, of the host, of a volume or of a server. */
import type { Bytes } from '../base/index.ts'
import type { Settled } from '../cache/index.ts'
import type { GroupFace } from './group.ts'

/** An open file of the host or of a volume: calls through the page cache, and what spaces map. */
export interface FileFace extends AsyncDisposable {
  /** Its path, as it was opened. */
  readonly name: string
  /** Bytes, with what was written and not synced yet. */
  readonly size: Bytes
  /** Whether it was opened with mode 'r'. */
  readonly readOnly: boolean
  /** Fills `target` from `position`, in bytes. Returns how many bytes there were before the end of the file. Errors: EIO, ENOMEM, EBADF. */
  read(target: Uint8Array, position: Bytes | bigint, options?: CallOptions): Promise<Bytes>
  /**
   * Writes all of `source` at `position`, in bytes, and makes the file longer if it must. It is in the page cache then, and
   * durable after `sync`.
   *
   * Errors: EACCES, EROFS (its volume was found damaged), ENOSPC, EDQUOT, EFBIG, EIO: the pages before the one that failed were
   * written.
   */
  write(source: Uint8Array, position: Bytes | bigint, options?: CallOptions): Promise<void>
  /**
   * Writes all of `source` at the end of the file as it is when the appends that were asked for before have ended, through
   * whichever openings of this machine. Returns where it went, in bytes. Another process that writes to the file isn't seen.
   *
   * Errors: as write.
   */
  append(source: Uint8Array, options?: CallOptions): Promise<Bytes>
  /** Makes the file `size` bytes long. Mapped pages past the end are taken away; loads of them fail with ENXIO. */
  truncate(size: Bytes | bigint, options?: CallOptions): Promise<void>
  /**
   * Sees what other processes have written to a file of the host since its pages were read, and how long it is by now. What was
   * stored here and isn't synced stays. Of files of volumes and of servers nothing else can be seen, and nothing is done.
   *
   * Errors: EBADF after close; the host's. Cost: the clean pages of the file, which are read anew when they are touched.
   */
  refresh(options?: CallOptions): Promise<void>
  /** Makes [position, position + length) read as zeros. A volume frees the blocks; on a file of the host zeros are written. */
  punch(position: Bytes | bigint, length: Bytes | bigint, options?: CallOptions): Promise<void>
  /** Makes everything stored and written so far durable, and tells an error of writeback that wasn't told before. */
  sync(options?: CallOptions): Promise<void>
  /**
   * Syncs and closes; or only writes, and closes. Mappings of the file go on working.
   *
   * Errors: those of sync.
   */
  close(options?: CloseOptions): Promise<void>
}

/** Who is charged for a call, and what aborts it. */
export interface CallOptions {
  /** Who is charged and limited; the root group if left out. */
  readonly group?: GroupFace
  /** Aborts the call, which then fails with ABORT_ERR; what it began in the machine ends or is undone. */
  readonly signal?: AbortSignal
}

/** How a file is closed. */
export interface CloseOptions {
  /**
   * What close waits for: 'durable', a sync; 'written', that the host has been given all that was stored, which it writes in
   * its own time: it outlives the process, and not a power cut. 'durable' if left out.
   */
  readonly until?: Settled
}
