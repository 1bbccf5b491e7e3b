/**
 * A read or write call as it goes through a file page by page: which page is at hand, what is asked for it, and where in it
 * the copy stands. The request of a page lasts from attempt to attempt, since it carries what the call has waited for.
 */
import type { Bytes, GroupId, Ns } from '../base/index.ts'
import { newVmFault, type PageRequest, type ReadState } from '../memmap/index.ts'

export interface Copying {
  readonly position: Bytes
  readonly buffer: Uint8Array
  /** How the file is read, by its opened file's readahead. */
  readonly read: ReadState
  /** Bytes copied so far. */
  copied: number
  /** The request for the page at hand. */
  request: PageRequest | undefined
}

export interface Caller {
  readonly group: GroupId
  readonly access: 'load' | 'store'
  readonly now: Ns
}

/** The request for the page where the copy stands. */
export function requestAt(copying: Copying, pageSize: Bytes, { group, access, now }: Caller): PageRequest {
  const index = Math.floor((copying.position + copying.copied) / pageSize)
  if (copying.request?.index !== index) {
    const end = copying.position + copying.buffer.length
    copying.request = {
      index,
      fault: newVmFault(0, access, group, now),
      read: copying.read,
      fileEnd: access === 'load' ? 0 : end,
      wanted: access === 'load' ? Math.ceil(end / pageSize) - index : 1,
    }
  }
  return copying.request
}

/** Where the copy stands in its page, and how many bytes of the page it wants. */
export function partAt(
  { position, copied }: Copying,
  pageSize: Bytes,
  end: Bytes,
): { readonly inPage: Bytes; readonly length: Bytes } {
  const at = position + copied
  const inPage = at % pageSize
  return { inPage, length: Math.min(pageSize - inPage, end - at) }
}
