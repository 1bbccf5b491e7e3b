/**
 * The pages of files as memory of the host: a memory file for each file of the cache, page i at byte i * pageSize. All
 * mappings of the file show this memory, so they see one another's stores.
 *
 * The pager has a view of its own, in pieces, that is registered with no userfaultfd: touching a page there makes it. So
 * it touches only pages that have a frame.
 *
 * Pages that leave the cache are given back in runs. A page of such a run that comes again is given back first.
 *
 * Views of files that are gone show those that come: V8 counts each new one as memory, and collects garbage for it.
 *
 * Invariants
 *   US1 A page of the memory file exists only if the page has a frame, or is in the run that is given back next.
 *   US2 A page that comes again after it was dropped is zero.
 *   US3 A view shows one file, from before its first page is asked for: what it showed before is nowhere in it.
 */
import type { Bytes, FileId, PageIndex } from '../base/index.ts'
import {
  type Address,
  type Linux,
  LinuxError,
  MADV_DONTFORK,
  MADV_NOHUGEPAGE,
  MADV_RANDOM,
  type Userfaultfd,
} from '../linux/index.ts'
import type { PageStore } from '../memory/index.ts'
import { firmly } from './refused.ts'

/** What one piece of the pager's view covers. */
const PIECE: Bytes = 2 ** 28
/** Bytes of a file have safe numbers. A memory file takes no memory for what was never touched. */
const FILE_PAGES = 2 ** 41
/** So many views of files that are gone are kept. */
const UNUSED_MAX = 4
/** So many dropped pages are given back at once at most. */
const DROPPED_MAX = 1024

/** Where bytes lie in a memory file. */
export interface Place {
  readonly fd: number
  readonly offset: Bytes
  /** Where they lie in a registered view of it; undefined: the host has no range left for one. */
  readonly address: Address | undefined
}

/** The pager's of a piece. */
interface View {
  readonly address: Address
  readonly bytes: Uint8Array
}

interface Piece {
  readonly view: View
  readonly stage: Address | undefined
}

interface MemoryFile {
  readonly fd: number
  readonly pieces: (Piece | undefined)[]
}

export class MemoryFiles implements PageStore {
  private readonly linux: Linux
  private readonly uffd: Userfaultfd
  private readonly pageSize: Bytes
  private readonly piecePages: number
  private readonly files = new Map<FileId, MemoryFile>()
  /** Views of files that are gone. */
  private readonly unused: View[] = []
  /** Where the pieces of the view begin. */
  private readonly places = new WeakMap<ArrayBufferLike, Place>()
  /** Pages [start, end) of `file` are to be given back. */
  private readonly dropped = { file: 0, start: 0, end: 0 }

  constructor(linux: Linux, uffd: Userfaultfd, pageSize: Bytes) {
    this.linux = linux
    this.uffd = uffd
    this.pageSize = pageSize
    this.piecePages = PIECE / pageSize
  }

  admit(file: FileId, index: PageIndex): boolean {
    try {
      this.piece(file, Math.floor(index / this.piecePages))
      return true
    } catch (error) {
      if (error instanceof LinuxError) return false
      throw error
    }
  }

  /** Makes the memory file. Throws a LinuxError. */
  begin(file: FileId): void {
    this.file(file)
  }

  bytes(file: FileId, index: PageIndex): Uint8Array {
    const { dropped, piecePages } = this
    if (file === dropped.file && index >= dropped.start && index < dropped.end) this.flush()
    const place = index % piecePages
    const piece = this.piece(file, (index - place) / piecePages)
    return piece.subarray(place * this.pageSize, (place + 1) * this.pageSize)
  }

  /** Where bytes of the view lie; undefined: in no memory file. */
  placeOf({ buffer, byteOffset }: Uint8Array): Place | undefined {
    const piece = this.places.get(buffer)
    if (piece === undefined) return undefined
    const { fd, offset, address } = piece
    return { fd, offset: offset + byteOffset, address: address && address + byteOffset }
  }

  drop(file: FileId, index: PageIndex): void {
    const { dropped } = this
    const before = index === dropped.start - 1
    if (
      dropped.file !== file ||
      !(before || index === dropped.end) ||
      dropped.end - dropped.start >= DROPPED_MAX
    ) {
      this.flush()
      dropped.file = file
      dropped.start = index
      dropped.end = index
    }
    if (before) dropped.start = index
    else dropped.end = index + 1
  }

  forget(file: FileId): void {
    if (this.dropped.file === file) this.flush()
    const found = this.files.get(file)
    if (found === undefined) return
    this.files.delete(file)
    for (const piece of found.pieces) {
      if (piece === undefined) continue
      const { view, stage } = piece
      this.places.delete(view.bytes.buffer)
      if (this.unused.length < UNUSED_MAX) this.unused.push(view)
      else this.discard(view)
      if (stage !== undefined) this.linux.release(stage, PIECE)
    }
    this.linux.close(found.fd)
  }

  /** Gives back what files that are gone have left. */
  close(): void {
    for (const view of this.unused.splice(0)) this.discard(view)
  }

  /** Gives back what was dropped. */
  flush(): void {
    const { dropped, pageSize } = this
    const { file, start, end } = dropped
    dropped.start = 0
    dropped.end = 0
    if (end <= start) return
    const { fd } = this.file(file)
    firmly(this.linux, () => this.linux.punch(fd, start * pageSize, (end - start) * pageSize))
  }

  /** Pages [index, index + pages) of a file, for programs: nothing of it is there before it is installed. */
  map(file: FileId, index: PageIndex, pages: number): Address {
    return this.mapRegistered(this.file(file).fd, index * this.pageSize, pages * this.pageSize)
  }

  /** The host allows so many ranges, fewer than a very large file may want. */
  private stageFor(fd: number, offset: Bytes): Address | undefined {
    try {
      return this.mapRegistered(fd, offset, PIECE)
    } catch (error) {
      if (error instanceof LinuxError) return undefined
      throw error
    }
  }

  private mapRegistered(fd: number, offset: Bytes, length: Bytes): Address {
    const address = this.linux.mmap(fd, offset, length)
    try {
      this.linux.madvise(address, length, MADV_DONTFORK)
      // What is used soon again is the engine's to find out: the host's own lists cost a tenth of taking a page away.
      this.linux.madvise(address, length, MADV_RANDOM)
      this.uffd.register(address, length)
      return address
    } catch (error) {
      this.linux.munmap(address, length)
      throw error
    }
  }

  private piece(file: FileId, at: number): Uint8Array {
    const { pieces, fd } = this.file(file)
    const found = pieces[at]
    if (found !== undefined) return found.view.bytes
    const offset = at * PIECE
    const view = this.viewOf(fd, offset)
    const stage = this.stageFor(fd, offset)
    pieces[at] = { view, stage }
    this.places.set(view.bytes.buffer, { fd, offset, address: stage })
    return view.bytes
  }

  private viewOf(fd: number, offset: Bytes): View {
    const { linux } = this
    const view = this.unused.pop() ?? this.newView(fd, offset)
    const { address } = view
    try {
      linux.mmapOver(address, fd, offset, PIECE)
      linux.madvise(address, PIECE, MADV_DONTFORK)
      // A huge page would bring neighbours that have no frame.
      linux.madvise(address, PIECE, MADV_NOHUGEPAGE)
      return view
    } catch (error) {
      this.discard(view)
      throw error
    }
  }

  private newView(fd: number, offset: Bytes): View {
    const address = this.linux.mmap(fd, offset, PIECE)
    return { address, bytes: new Uint8Array(this.linux.ffi.view(address, PIECE)) }
  }

  /** Nobody may look at it any more. */
  private discard({ address, bytes }: View): void {
    ;(bytes.buffer as ArrayBuffer).transfer()
    this.linux.release(address, PIECE)
  }

  private file(id: FileId): MemoryFile {
    let file = this.files.get(id)
    if (file === undefined) {
      file = { fd: this.linux.memfd('faultline', FILE_PAGES * this.pageSize), pieces: [] }
      this.files.set(id, file)
    }
    return file
  }
}
