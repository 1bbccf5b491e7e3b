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
 *   ML1, MF1 (model-file.ts)
 *   ML2 A private page without a copy shows the file; its first store copies the page as it is then.
 *   ML3 Truncation, and a collapse, take the private copies of pages past the new end away; a punch leaves them.
 */
import { type Bytes, type Errno, errno } from '../base/index.ts'
import { ModelFile } from './model-file.ts'
import { type Allowed, type Kept, type Of, type Pages, type Plan, type Remap, SPACES } from './operations.ts'
import { Twin } from './twin.ts'

export interface ModelPage {
  readonly share: Kept
  /** The file, and the page of it; for anonymous memory they mean nothing. */
  readonly file: number
  readonly index: number
  allowed: Allowed
  locked: boolean
  /** A child doesn't get it, or gets zeros for it. */
  leftOut: boolean
  wiped: boolean
  copy: Twin | undefined
}

export type ModelSpace = (ModelPage | undefined)[]

export interface Mapping {
  readonly share: Kept
  readonly file: number
  readonly allowed: Allowed
  readonly from: number
}

export class Model {
  readonly pageSize: Bytes
  /** The most bytes that a file may have. */
  readonly capacity: Bytes
  readonly files: readonly ModelFile[]
  readonly spaces: (ModelSpace | undefined)[] = []
  private readonly windowPages: number

  constructor({ pageSize, filePages, windowPages, files }: Plan, content: Uint8Array) {
    this.pageSize = pageSize
    this.windowPages = windowPages
    this.capacity = filePages * pageSize
    const nothing = new Uint8Array(0)
    this.files = Array.from(
      { length: files },
      (_, at) => new ModelFile(pageSize, this.capacity, at === 0 ? content : nothing),
    )
    this.noSpaces()
  }

  /** The file that an opening is one of. */
  fileOf(open: number): number {
    return open % this.files.length
  }

  /** Pages of a file, the last one perhaps in part. */
  pagesIn(file: number): number {
    return Math.ceil(this.files[file]!.size / this.pageSize)
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
    if (page.share !== 'anonymous' && page.index >= this.pagesIn(page.file)) return errno.ENXIO
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
      if (page.share === 'shared') this.storeToFile(page, inPage, part)
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

  // ---- calls on files

  /** How many bytes a read call is to give. */
  readable(file: number, at: Bytes, length: Bytes): Bytes {
    return Math.max(0, Math.min(length, this.files[file]!.size - at))
  }

  write(file: number, at: Bytes, bytes: Uint8Array): void {
    if (bytes.length === 0) return
    this.files[file]!.grow(at + bytes.length)
    this.files[file]!.set(at, bytes)
  }

  truncate(file: number, size: Bytes): void {
    this.files[file]!.truncate(size)
    this.forgetCutOff(file)
  }

  /** What lies behind `at` is `length` bytes further down, or further up behind zeros. */
  shift({ kind, file, at, length }: Of<'collapse' | 'insert'>): void {
    this.files[file]!.shift(at, kind === 'insert' ? length : -length)
    this.forgetCutOff(file)
  }

  /** What a clone or a copy does: a file's bytes are in another file too. */
  remap({ source, from, target, to }: Remap, length: Bytes): void {
    this.write(target, to, this.files[source]!.bytes.one.slice(from, from + length))
  }

  /** The machine is gone, and each file holds what is found. */
  crash(left: readonly Uint8Array[]): void {
    left.forEach((bytes, file) => {
      this.files[file]!.becomes(bytes)
    })
    this.noSpaces()
  }

  private forgetCutOff(file: number): void {
    for (const space of this.spaces)
      for (const page of space ?? [])
        if (page?.share === 'private' && page.file === file && page.index >= this.pagesIn(file))
          page.copy = undefined
  }

  // ---- mappings themselves

  map({ space, page, pages }: Pages, { share, file, allowed, from }: Mapping): void {
    for (let at = 0; at < pages; at++)
      this.spaces[space]![page + at] = {
        share,
        file,
        allowed,
        index: from + at,
        locked: false,
        leftOut: false,
        wiped: false,
        copy: undefined,
      }
  }

  unmap({ space, page, pages }: Pages): void {
    this.spaces[space]!.fill(undefined, page, page + pages)
  }

  mremap({ space, page, pages, newPages, to, old }: Of<'mremap'>): void {
    const window = this.spaces[space]!
    const first = window[page]!
    const kept = window.slice(page, page + Math.min(pages, newPages))
    const added = (at: number) => ({ ...first, index: first.index + at, copy: undefined })
    // Between the VMAs that go to a given place are holes, which aren't moved.
    const leavesHoles = to !== null && pages === newPages
    if (to === null) this.unmap({ space, page: page + kept.length, pages: pages - kept.length })
    else if (old === 'is unmapped') this.unmap({ space, page, pages })
    else
      for (const [at, each] of kept.entries())
        if (each !== undefined) window[page + at] = { ...each, locked: false, copy: undefined }
    for (let at = 0; at < newPages; at++)
      if ((to !== null && !(leavesHoles && kept[at] === undefined)) || at >= pages)
        window[(to ?? page) + at] = kept[at] ?? added(at)
  }

  /** What these pages hold may be zero again at any time, until it is stored anew (MADV_FREE). */
  mayForget(pages: readonly (ModelPage | undefined)[]): void {
    for (const page of pages) page?.copy?.mayBeZero()
  }

  /** Private pages of the range are as they were when they were mapped. */
  forgetCopies(pages: readonly (ModelPage | undefined)[]): void {
    for (const page of pages) if (page !== undefined) page.copy = undefined
  }

  fork(space: number, child: number): void {
    this.spaces[child] = this.spaces[space]!.map(page => {
      if (page === undefined || page.leftOut) return undefined
      return { ...page, locked: false, copy: page.wiped ? undefined : page.copy?.copy(0, this.pageSize) }
    })
  }

  exit(space: number): void {
    this.spaces[space] = undefined
  }

  /** As at the beginning. */
  private noSpaces(): void {
    for (let space = 0; space < SPACES; space++)
      this.spaces[space] = space < 2 ? this.emptySpace() : undefined
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
    if (page.share !== 'anonymous')
      return { from: this.files[page.file]!.bytes, start: page.index * this.pageSize }
    return { from: Twin.zeros(this.pageSize), start: 0 }
  }

  private storeToFile({ file: number, index }: ModelPage, inPage: Bytes, bytes: Uint8Array): void {
    const file = this.files[number]!
    const at = index * this.pageSize + inPage
    const inside = Math.max(0, Math.min(bytes.length, file.size - at))
    file.set(at, bytes.subarray(0, inside))
    if (inside < bytes.length) file.setFleeting(at + inside, bytes.subarray(inside))
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
