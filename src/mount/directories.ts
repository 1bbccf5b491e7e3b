/**
 * Directories: opened, listed, with the attributes of what is in them or without, made durable, closed.
 *
 * Position 1 is behind ".", 2 behind "..", and each name has one of its own from there on (positions.ts). What comes behind a position is
 * what comes behind its name, in the order of names: that holds whatever comes and goes meanwhile.
 */
import { errno } from '../base/index.ts'
import { type Answered, answer, type Operations, type Request, wire } from '../fuse/index.ts'
import { bytesOf, type Found } from '../volume/index.ts'
import { accessed, direntType, entryOf, hold, type Parts, perform } from './parts.ts'

const { Opcode, Dirent, Direntplus, EntryOut, DIRENT_ALIGN } = wire

/** "." and "..". */
const DOTS = 2
/** A name has at least one byte: no more entries than this fill an answer. */
const LEAST_PLAIN = Dirent.size + DIRENT_ALIGN
const LEAST_PLUS = Direntplus.size + DIRENT_ALIGN

export function directoryOperations(parts: Parts): Operations {
  const { core, handles, files } = parts

  function open(request: Request): Answered {
    const ino = request.nodeid
    // What the kernel has kept of it has positions that nobody knows any more.
    const keeping = handles.told.opened(ino) === 'known' ? wire.FOPEN_KEEP_CACHE : 0
    const fh = handles.directories.add({ ino })
    request.unsent = () => close(fh)
    return answer(wire.OpenOut, { fh, open_flags: keeping | wire.FOPEN_CACHE_DIR })
  }

  function close(fh: number): void {
    const handle = handles.directories.take(fh)
    if (handle !== undefined) handles.told.released(handle.ino)
  }

  function list(request: Request, how: 'plain' | 'plus'): Answered {
    const { fh, offset, size } = request.take(wire.ReadIn)
    const handle = handles.directories.get(fh)
    if (handle === undefined) return errno.EBADF
    const { value: directory, errno: failed } = core.inodes.getattr(handle.ino)
    if (directory === undefined) return failed
    const listing = new Listing(parts, request, size, how)
    if (offset === 0) {
      accessed(parts, handle.ino)
      handles.told.rewound(handle.ino)
    }
    if (offset === 0 && !listing.dot('.', handle.ino, 1)) return listing.payload()
    if (offset <= 1 && !listing.dot('..', directory.parent, DOTS)) return listing.payload()
    const wrong = addEntries(handle.ino, Math.max(DOTS, offset), listing)
    return wrong === errno.OK || listing.length > 0 ? listing.payload() : wrong
  }

  function addEntries(ino: number, from: number, listing: Listing): number {
    const positions = handles.told.positions(ino)
    let behind = from === DOTS ? undefined : positions.nameAt(from - DOTS - 1)
    // A position that was never told: seekdir with a number of its own.
    if (from > DOTS && behind === undefined) return errno.OK
    for (;;) {
      const part = core.inodes.readdir(ino, behind, listing.most)
      // One that was removed has no entry any more.
      if (part.errno === errno.ESTALE || part.errno === errno.ENOENT) return errno.OK
      if (part.value === undefined) return part.errno
      for (const entry of part.value.entries) {
        if (!listing.add(entry.name, entry.ino, entry.kind, DOTS + positions.of(entry.name) + 1))
          return errno.OK
        behind = entry.name
      }
      if (part.value.isLast) return errno.OK
    }
  }

  function fsync(request: Request): Answered | Promise<Answered> {
    if (request.nodeid === wire.ROOT_ID) return files.sync()
    return files.beforeNames(() =>
      perform(parts, request, core.syncing, { commit: undefined }, ({ errno: failed }) => failed),
    )
  }

  return {
    [Opcode.OPENDIR]: open,
    [Opcode.READDIR]: request => list(request, 'plain'),
    [Opcode.READDIRPLUS]: request => list(request, 'plus'),
    [Opcode.RELEASEDIR](request) {
      close(request.take(wire.ReleaseIn).fh)
      return errno.OK
    },
    [Opcode.FSYNCDIR]: fsync,
  }
}

/** An answer that is filled with entries until one doesn't fit. */
class Listing {
  length = 0
  private readonly parts: Parts
  private readonly request: Request
  private readonly how: 'plain' | 'plus'
  private readonly bytes: Uint8Array
  private readonly view: DataView

  constructor(parts: Parts, request: Request, size: number, how: 'plain' | 'plus') {
    this.parts = parts
    this.request = request
    this.how = how
    this.bytes = request.room(size).fill(0)
    this.view = new DataView(this.bytes.buffer, this.bytes.byteOffset, size)
  }

  /** How many entries may fit yet. */
  get most(): number {
    const left = this.bytes.length - this.length
    return 1 + Math.floor(left / (this.how === 'plus' ? LEAST_PLUS : LEAST_PLAIN))
  }

  payload(): Uint8Array {
    return this.bytes.subarray(0, this.length)
  }

  /** The kernel knows the directory and the one above it already. */
  dot(name: '.' | '..', ino: number, off: number): boolean {
    const at = this.place(name.length)
    if (at === undefined) return false
    this.entry(
      at,
      Uint8Array.from(name, each => each.charCodeAt(0)),
      ino,
      'directory',
      off,
    )
    return true
  }

  add(name: string, ino: number, kind: Found['kind'], off: number): boolean {
    const bytes = bytesOf(name)
    const found = this.how === 'plus' ? this.parts.core.inodes.getattr(ino).value : undefined
    const at = this.place(bytes.length)
    if (at === undefined) return false
    if (found !== undefined) {
      EntryOut.write(this.view, at - EntryOut.size, entryOf(this.parts, found))
      hold(this.parts, this.request, ino)
    }
    this.entry(at, bytes, ino, kind, off)
    return true
  }

  /** Where a dirent with a name of so many bytes goes; undefined: it doesn't fit. */
  private place(nameLength: number): number | undefined {
    const before = this.how === 'plus' ? EntryOut.size : 0
    const whole = before + Math.ceil((Dirent.size + nameLength) / DIRENT_ALIGN) * DIRENT_ALIGN
    if (this.length + whole > this.bytes.length) return undefined
    const at = this.length + before
    this.length += whole
    return at
  }

  private entry(at: number, name: Uint8Array, ino: number, kind: Found['kind'], off: number): void {
    Dirent.write(this.view, at, { ino, off, namelen: name.length, type: direntType(kind) })
    this.bytes.set(name, at + Dirent.size)
  }
}
