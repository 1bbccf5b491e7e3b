/**
 * The flat model: what a program is promised to see, written to be obviously right. A file is an array of bytes and a
 * size; a space is an array of pages, each of which says what is mapped there and holds its private copy, if it has one.
 * Nothing is cached, shared or postponed here.
 *
 *   access to a page that isn't mapped       EFAULT
 *   that the mapping doesn't allow           EACCES
 *   that lies wholly past the end of file    ENXIO (SIGBUS by page, not by byte)
 *
 * Invariants
 *   ML1 Bytes of the file past its end are zero, or, in its last page, what a mapping stored there or zero (twin.ts).
 *   ML2 A private page without a copy shows the file; its first store copies the page as it is then.
 *   ML3 Truncation takes the private copies of pages past the new end away; a punch leaves them.
 */
import { type Bytes, type Errno, errno } from '../base/index.ts'
import { type Allowed, type Kept, type Pages, SPACES } from './operations.ts'
import { Twin } from './twin.ts'

export interface ModelPage {
  readonly share: Kept
  /** The page of the file; for anonymous memory it means nothing. */
  readonly index: number
  allowed: Allowed
  locked: boolean
  copy: Twin | undefined
}

export type ModelSpace = (ModelPage | undefined)[]

export interface Mapping {
  readonly share: Kept
  readonly allowed: Allowed
  readonly from: number
}

export class Model {
  readonly pageSize: Bytes
  readonly file: Twin
  size: Bytes
  readonly spaces: (ModelSpace | undefined)[] = []
  private readonly windowPages: number

  constructor(pageSize: Bytes, filePages: number, windowPages: number, content: Uint8Array) {
    this.pageSize = pageSize
    this.windowPages = windowPages
    this.file = Twin.zeros(filePages * pageSize)
    this.file.set(content, 0)
    this.size = content.length
    for (let space = 0; space < SPACES; space++) this.spaces.push(space < 2 ? this.emptySpace() : undefined)
  }

  get capacity(): Bytes {
    return this.file.length
  }

  /** Pages of the file, the last one perhaps in part. */
  get filePages(): number {
    return Math.ceil(this.size / this.pageSize)
  }

  pagesOf({ space, page, pages }: Pages): (ModelPage | undefined)[] {
    return this.spaces[space]!.slice(page, page + pages)
  }

  // ---- through mappings

  /** What an access to bytes [at, at + length) of a window comes to: 0, or the error of the first page that has one. */
  access(space: number, at: Bytes, length: Bytes, access: 'load' | 'store'): Errno {
    for (let page = this.pageAt(at); page * this.pageSize < at + length; page++) {
      const error = this.accessPage(this.spaces[space]![page], access)
      if (error !== errno.OK) return error
    }
    return errno.OK
  }

  accessPage(page: ModelPage | undefined, access: 'load' | 'store'): Errno {
    if (page === undefined) return errno.EFAULT
    if (page.allowed === 'nothing' || (access === 'store' && page.allowed === 'loads')) return errno.EACCES
    if (page.share !== 'anonymous' && page.index >= this.filePages) return errno.ENXIO
    return errno.OK
  }

  /** The first byte of `bytes`, loaded from `at` of a window, that the model forbids; -1: none. */
  loadDiffers(space: number, at: Bytes, bytes: Uint8Array): number {
    return this.eachPage(at, bytes.length, (page, inPage, done, length) => {
      const { from, start } = this.shown(this.spaces[space]![page]!)
      const differs = from.differs(bytes.subarray(done, done + length), start + inPage)
      return differs === -1 ? -1 : done + differs
    })
  }

  store(space: number, at: Bytes, bytes: Uint8Array): void {
    this.eachPage(at, bytes.length, (number, inPage, done, length) => {
      const page = this.spaces[space]![number]!
      const part = bytes.subarray(done, done + length)
      if (page.share === 'shared') this.storeToFile(page.index * this.pageSize + inPage, part)
      else this.copyOf(page).set(part, inPage)
      return -1
    })
  }

  /** The page has its private copy from now on. */
  copyOf(page: ModelPage): Twin {
    if (page.copy === undefined) {
      const { from, start } = this.shown(page)
      page.copy = from.copy(start, start + this.pageSize)
    }
    return page.copy
  }

  // ---- calls on the file

  /** How many bytes a read call is to give. */
  readable(at: Bytes, length: Bytes): Bytes {
    return Math.max(0, Math.min(length, this.size - at))
  }

  write(at: Bytes, bytes: Uint8Array): void {
    if (bytes.length === 0) return
    this.grow(at + bytes.length)
    this.file.set(bytes, at)
  }

  truncate(size: Bytes): void {
    this.grow(size)
    this.size = size
    this.file.zero(size, this.capacity)
    for (const space of this.spaces)
      for (const page of space ?? [])
        if (page?.share === 'private' && page.index >= this.filePages) page.copy = undefined
  }

  punch(at: Bytes, length: Bytes): void {
    this.file.zero(at, at + length)
  }

  // ---- mappings themselves

  map({ space, page, pages }: Pages, { share, allowed, from }: Mapping): void {
    for (let at = 0; at < pages; at++)
      this.spaces[space]![page + at] = { share, allowed, index: from + at, locked: false, copy: undefined }
  }

  unmap({ space, page, pages }: Pages): void {
    this.spaces[space]!.fill(undefined, page, page + pages)
  }

  /** Private pages of the range are as they were when they were mapped. */
  forgetCopies(range: Pages): void {
    for (const page of this.pagesOf(range)) if (page !== undefined) page.copy = undefined
  }

  fork(space: number, child: number): void {
    this.spaces[child] = this.spaces[space]!.map(page =>
      page === undefined ? undefined : { ...page, locked: false, copy: page.copy?.copy(0, this.pageSize) },
    )
  }

  exit(space: number): void {
    this.spaces[space] = undefined
  }

  private emptySpace(): ModelSpace {
    return new Array<ModelPage | undefined>(this.windowPages).fill(undefined)
  }

  private pageAt(at: Bytes): number {
    return Math.floor(at / this.pageSize)
  }

  /** What stands behind a page: its own copy, or the file, or nothing but zeros. */
  private shown(page: ModelPage): { readonly from: Twin; readonly start: Bytes } {
    if (page.copy !== undefined) return { from: page.copy, start: 0 }
    if (page.share !== 'anonymous') return { from: this.file, start: page.index * this.pageSize }
    return { from: Twin.zeros(this.pageSize), start: 0 }
  }

  private storeToFile(at: Bytes, bytes: Uint8Array): void {
    const inside = Math.max(0, Math.min(bytes.length, this.size - at))
    this.file.set(bytes.subarray(0, inside), at)
    this.file.setFleeting(bytes.subarray(inside), at + inside)
  }

  /** What was stored past the old end doesn't show. */
  private grow(size: Bytes): void {
    if (size <= this.size) return
    this.file.zero(this.size, size)
    this.size = size
  }

  private eachPage(
    at: Bytes,
    length: Bytes,
    visit: (page: number, inPage: Bytes, done: Bytes, length: Bytes) => number,
  ): number {
    for (let done = 0; done < length; ) {
      const inPage = (at + done) % this.pageSize
      const part = Math.min(length - done, this.pageSize - inPage)
      const answer = visit(this.pageAt(at + done), inPage, done, part)
      if (answer !== -1) return answer
      done += part
    }
    return -1
  }
}
