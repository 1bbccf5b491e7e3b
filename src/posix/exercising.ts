/**
 * Random operations on the files of a directory, each answered as the flat model says: names, attributes, extended attributes and
 * bytes, by calls and through mappings, by names and by descriptors whose file has none any more; and calls that are refused. What a
 * mount is asked by a program, the kernel's caches and all.
 *
 * Invariants
 *   FE1 An operation and its arguments depend on the seed and on the model alone, so that a seed and a count play the same again.
 */
import fs from 'node:fs'
import { messageOf, Prng } from '../base/index.ts'
import {
  AT_SYMLINK_NOFOLLOW,
  Calls,
  FALLOC_FL_COLLAPSE_RANGE,
  FALLOC_FL_INSERT_RANGE,
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  FALLOC_FL_ZERO_RANGE,
  O_APPEND,
  O_CREAT,
  O_EXCL,
  O_NOFOLLOW,
  O_RDWR,
  O_TRUNC,
  RENAME_EXCHANGE,
  RENAME_NOREPLACE,
  S_IFCHR,
  S_IFIFO,
  S_IFSOCK,
  type Said,
  SEEK_DATA,
  SEEK_HOLE,
  UTIME_OMIT,
} from './calls.ts'
import { FlatModel, type Node, type NodeKind, type Place, SIZE_MAX, touched } from './flat-model.ts'

const BLOCK = 4096
const LENGTH_MAX = 40_000
/** Few, so that names meet. One isn't UTF-8, and one is long. */
const NAMES = ['a', 'b', 'c', 'caf\xe9 \xff', `long ${'n'.repeat(200)}`]
/** Directories one in the other, the first with them. */
const DEPTH_MAX = 3
const HANDLES_MAX = 12
const XATTRS = ['user.a', 'user.b', 'trusted.c', `user.${'n'.repeat(200)}`]
const DEVICE = 0x103
const STAT_KINDS: Readonly<Record<NodeKind, number>> = {
  regular: 0o100000,
  directory: 0o040000,
  symlink: 0o120000,
  fifo: S_IFIFO,
  socket: S_IFSOCK,
  char: S_IFCHR,
}

/** What a filesystem does beside what POSIX and Linux have calls for. Paths begin at the exercised directory, with '/'. */
export interface Tool {
  shift(how: 'collapse' | 'insert', path: string, position: number, length: number): Said
  snapshot(from: string, to: string): Said
  /** Whether two files hold the same. */
  dedupe(one: string, other: string): boolean
}

interface Handle {
  readonly fd: number
  readonly node: Node
}

/** How often each is drawn. */
const WEIGHTS = {
  write: 8,
  append: 3,
  store: 5,
  read: 8,
  load: 4,
  truncate: 4,
  fallocate: 4,
  copy: 4,
  shift: 1,
  dedupe: 0.4,
  seek: 3,
  forget: 2,
  fsync: 2,
  close: 2,
  create: 5,
  mkdir: 2,
  symlink: 2,
  mknod: 2,
  rename: 5,
  link: 2,
  unlink: 3,
  rmdir: 2,
  snapshot: 0.2,
  chmod: 3,
  chown: 3,
  utimens: 3,
  setxattr: 4,
  removexattr: 2,
  getxattr: 3,
  look: 6,
  list: 2,
}

type OperationName = keyof typeof WEIGHTS

export class Exercising {
  private readonly base: string
  private readonly chance: Prng
  private readonly tool: Tool | undefined
  private readonly calls = new Calls()
  private readonly model = new FlatModel()
  private handles: Handle[] = []
  private readonly drawn: readonly OperationName[]

  constructor(base: string, seed: number, tool: Tool | undefined) {
    this.base = base
    this.chance = new Prng(seed)
    this.tool = tool
    fs.chmodSync(base, 0o755)
    this.calls.umask(0o022)
    this.drawn = Object.entries(WEIGHTS).flatMap(([name, weight]) =>
      new Array<OperationName>(Math.round(weight * 5)).fill(name as OperationName),
    )
  }

  /** One operation; says what differs. */
  step(): string | undefined {
    return this.caught(() => this[this.chance.pick(this.drawn)]())
  }

  /** Everything that there is. */
  compare(): string | undefined {
    return this.caught(() => {
      for (const [path, directory] of this.model.directories()) {
        const differs = this.listing(path, directory) ?? this.looked(path, directory)
        if (differs !== undefined) return differs
      }
      for (const { path, node } of this.model.places()) {
        const differs = this.looked(path, node!) ?? this.whole(path, node!)
        if (differs !== undefined) return differs
      }
      return undefined
    })
  }

  end(): void {
    for (const { fd } of this.handles.splice(0)) fs.closeSync(fd)
  }

  private caught(act: () => string | undefined): string | undefined {
    try {
      return act()
    } catch (error) {
      return messageOf(error)
    }
  }

  // ---- what is drawn

  private draw(): Place {
    const open = this.model.directories().filter(([path]) => path.split('/').length <= DEPTH_MAX)
    const [path, directory] = this.chance.pick(open)
    const name = this.chance.pick(NAMES)
    return { directory, name, path: `${path}/${name}`, node: directory.entries.get(name) }
  }

  /** A name that something has, of a kind that `is`; undefined: none has. */
  private one(is: (node: Node) => boolean): (Place & { readonly node: Node }) | undefined {
    const all = this.model.places().filter((place): place is Place & { node: Node } => is(place.node!))
    return all.length === 0 ? undefined : this.chance.pick(all)
  }

  /** A file, mostly open already; sometimes one that has no name any more. */
  private file(): Handle | undefined {
    if (this.handles.length > 0 && this.chance.below(3) > 0) return this.chance.pick(this.handles)
    const place = this.one(({ kind }) => kind === 'regular')
    if (place === undefined) return undefined
    const known = this.handles.find(({ node }) => node === place.node)
    if (known !== undefined) return known
    return this.keep({ fd: fs.openSync(this.bytesOf(place.path), O_RDWR), node: place.node })
  }

  private keep(handle: Handle): Handle {
    if (this.handles.length === HANDLES_MAX) this.closeOne()
    this.handles.push(handle)
    return handle
  }

  private closeOne(): void {
    if (this.handles.length === 0) return
    const [handle] = this.handles.splice(this.chance.below(this.handles.length), 1)
    fs.closeSync(handle!.fd)
  }

  private range(most: number): { readonly position: number; readonly length: number } {
    const position = this.chance.below(most)
    return { position, length: 1 + this.chance.below(Math.min(LENGTH_MAX, most - position)) }
  }

  private content(length: number): Uint8Array {
    const bytes = new Uint8Array(length)
    for (let n = 0, value = this.chance.below(256); n < length; n++) bytes[n] = value = (value * 13 + 7) & 255
    return bytes
  }

  private mode(): number {
    return this.chance.pick([
      0o644,
      0o600,
      0o755,
      0o4755,
      0o2755,
      0o2644,
      0o1777,
      0o444,
      0,
      this.chance.below(0o10000),
    ])
  }

  // ---- bytes

  write(): string | undefined {
    const file = this.file()
    if (file === undefined) return undefined
    const { position, length } = this.range(SIZE_MAX)
    const bytes = this.content(length)
    const written = fs.writeSync(file.fd, bytes, 0, length, position)
    if (written !== length) return `write of ${position}+${length}: wanted ${length}, got ${written}`
    this.model.write(file.node, position, bytes)
    return undefined
  }

  append(): string | undefined {
    const place = this.one(({ kind, bytes }) => kind === 'regular' && bytes.length < SIZE_MAX)
    if (place === undefined) return undefined
    const bytes = this.content(1 + this.chance.below(9000))
    const fd = fs.openSync(this.bytesOf(place.path), O_RDWR | O_APPEND)
    const written = fs.writeSync(fd, bytes)
    fs.closeSync(fd)
    if (written !== bytes.length) return `append of ${bytes.length}: got ${written}`
    this.model.write(place.node, place.node.bytes.length, bytes)
    return undefined
  }

  store(): string | undefined {
    const file = this.file()
    if (file === undefined || file.node.bytes.length === 0) return undefined
    const { position, length } = this.range(file.node.bytes.length)
    const bytes = this.content(length)
    const start = position - (position % BLOCK)
    const said = this.calls.mapped(file.fd, start, position + length - start, address =>
      this.calls.storeAt(address + position - start, bytes),
    )
    if (said !== 'OK') return `mmap of ${start}: ${said}`
    file.node.bytes.set(bytes, position)
    file.node.stored = true
    touched(file.node)
    return undefined
  }

  read(): string | undefined {
    const file = this.file()
    if (file === undefined) return undefined
    const { position, length } = this.range(SIZE_MAX)
    const target = new Uint8Array(length)
    const got = fs.readSync(file.fd, target, 0, length, position)
    const wanted = file.node.bytes.subarray(position, position + length)
    if (got !== wanted.length)
      return `read of ${position}+${length}: wanted ${wanted.length} bytes, got ${got}`
    return differs(`read of ${position}+${length}`, target.subarray(0, got), wanted)
  }

  load(): string | undefined {
    const file = this.file()
    if (file === undefined || file.node.bytes.length === 0) return undefined
    const { position, length } = this.range(file.node.bytes.length)
    const start = position - (position % BLOCK)
    const bytes = new Uint8Array(length)
    const said = this.calls.mapped(file.fd, start, position + length - start, address =>
      this.calls.loadFrom(address + position - start, bytes),
    )
    if (said !== 'OK') return `mmap of ${start}: ${said}`
    return differs(
      `load of ${position}+${length}`,
      bytes,
      file.node.bytes.subarray(position, position + length),
    )
  }

  truncate(): string | undefined {
    const file = this.file()
    if (file === undefined) return undefined
    const size = this.chance.below(SIZE_MAX)
    fs.ftruncateSync(file.fd, size)
    this.model.truncate(file.node, size)
    return undefined
  }

  fallocate(): string | undefined {
    const file = this.file()
    if (file === undefined) return undefined
    const { position, length } = this.range(SIZE_MAX)
    const mode = this.chance.pick([
      0,
      FALLOC_FL_KEEP_SIZE,
      FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
      FALLOC_FL_ZERO_RANGE,
      FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
    ])
    const said = this.calls.fallocate(file.fd, mode, position, length)
    if (said !== 'OK') return `fallocate ${mode} of ${position}+${length}: ${said}`
    if ((mode & FALLOC_FL_KEEP_SIZE) === 0) this.model.grow(file.node, position + length)
    if ((mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) !== 0)
      this.model.zero(file.node, position, position + length)
    touched(file.node)
    return undefined
  }

  copy(): string | undefined {
    const [source, target] = [this.file(), this.file()]
    if (source === undefined || target === undefined || source.node === target.node) return undefined
    // The second may have taken the place of the first among those that are open.
    if (!this.handles.includes(source) || source.node.bytes.length === 0) return undefined
    const aligned = this.chance.below(2) === 0
    const place = (most: number) => {
      const position = this.chance.below(most)
      return aligned ? position - (position % BLOCK) : position
    }
    const [from, position] = [place(source.node.bytes.length), place(SIZE_MAX - LENGTH_MAX)]
    const length = Math.min(1 + this.chance.below(LENGTH_MAX), source.node.bytes.length - from)
    this.calls.lseek(source.fd, from, 0)
    this.calls.lseek(target.fd, position, 0)
    for (let copied = 0; copied < length; ) {
      const got = this.calls.copyFileRange(source.fd, target.fd, length - copied)
      if (typeof got === 'string' || got === 0) return `copy_file_range of ${from}+${length}: ${got}`
      copied += got
    }
    this.model.write(target.node, position, source.node.bytes.slice(from, from + length))
    return undefined
  }

  /** Whole blocks are taken out or put in, inside of the file. */
  shift(): string | undefined {
    const place = this.one(({ kind, bytes }) => kind === 'regular' && bytes.length > 2 * BLOCK)
    if (place === undefined) return undefined
    const { node, path } = place
    const how = node.bytes.length > SIZE_MAX - 8 * BLOCK || this.chance.below(2) === 0 ? 'collapse' : 'insert'
    const blocks = Math.ceil(node.bytes.length / BLOCK) - 1
    const at = this.chance.below(blocks)
    const most = how === 'collapse' ? blocks - at : 8
    const [position, length] = [at * BLOCK, (1 + this.chance.below(Math.min(8, most))) * BLOCK]
    const said =
      this.tool === undefined
        ? this.shiftByKernel(path, how, position, length)
        : this.tool.shift(how, path, position, length)
    // FUSE hands these on to no filesystem.
    if (said === 'ENOTSUP' && this.tool === undefined) return undefined
    if (said !== 'OK') return `${how} of ${position}+${length}: ${said}`
    this.model[how](node, position, length)
    return undefined
  }

  private shiftByKernel(path: string, how: 'collapse' | 'insert', position: number, length: number): Said {
    const fd = fs.openSync(this.bytesOf(path), O_RDWR)
    const mode = how === 'collapse' ? FALLOC_FL_COLLAPSE_RANGE : FALLOC_FL_INSERT_RANGE
    const said = this.calls.fallocate(fd, mode, position, length)
    fs.closeSync(fd)
    return said
  }

  dedupe(): string | undefined {
    const is = ({ kind, bytes }: Node) => kind === 'regular' && bytes.length > 0
    const [one, other] = [this.one(is), this.one(is)]
    if (this.tool === undefined || one === undefined || other === undefined || one.node === other.node)
      return undefined
    const same = this.tool.dedupe(one.path, other.path)
    const wanted = Buffer.compare(one.node.bytes, other.node.bytes) === 0
    return same === wanted ? undefined : `dedupe: wanted ${wanted}, got ${same}`
  }

  /** Where no data is there are zeros, and what isn't zero is data. */
  seek(): string | undefined {
    const file = this.file()
    if (file === undefined) return undefined
    const { bytes } = file.node
    const from = this.chance.below(bytes.length + 10)
    const data = this.calls.lseek(file.fd, from, SEEK_DATA)
    const hole = this.calls.lseek(file.fd, from, SEEK_HOLE)
    if (from >= bytes.length)
      return data === 'ENXIO' && hole === 'ENXIO' ? undefined : `lseek behind the end: ${data}, ${hole}`
    const skipped = bytes.subarray(from, typeof data === 'number' ? data : bytes.length)
    if ((typeof data !== 'number' && data !== 'ENXIO') || skipped.some(byte => byte !== 0))
      return `SEEK_DATA from ${from}: got ${data}, and there is data before`
    if (typeof hole !== 'number' || hole < from || hole > bytes.length)
      return `SEEK_HOLE from ${from} of ${bytes.length} bytes: got ${hole}`
    const end = Math.min(bytes.length, hole - (hole % BLOCK) + BLOCK)
    return hole < bytes.length && bytes.subarray(hole, end).some(byte => byte !== 0)
      ? `SEEK_HOLE from ${from}: got ${hole}, where data is`
      : undefined
  }

  forget(): string | undefined {
    const file = this.file()
    if (file === undefined) return undefined
    const said = this.calls.forgetPages(file.fd)
    return said === 'OK' ? undefined : `posix_fadvise: ${said}`
  }

  fsync(): string | undefined {
    const file = this.file()
    if (file === undefined) return undefined
    fs.fsyncSync(file.fd)
    file.node.stored = false
    return undefined
  }

  close(): undefined {
    this.closeOne()
  }

  // ---- names

  create(): string | undefined {
    const place = this.draw()
    const { node, path } = place
    const how = this.chance.pick([O_EXCL, O_TRUNC, 0])
    const mode = this.mode()
    const fd = this.calls.open(this.pathOf(path), O_CREAT | O_RDWR | O_NOFOLLOW | how, mode)
    const said = this.calls.said(fd)
    if (node === undefined) {
      this.model.make(place, 'regular', mode)
      const made = place.directory.entries.get(place.name)!
      if (fd >= 0) this.keep({ fd, node: made })
      return this.answered('open', path, said, 'OK')
    }
    const otherwise = {
      regular: 'OK',
      directory: 'EISDIR',
      symlink: 'ELOOP',
      fifo: 'OK',
      socket: 'ENXIO',
      char: '',
    }
    const wanted = how === O_EXCL ? 'EEXIST' : otherwise[node.kind]
    if (fd >= 0) fs.closeSync(fd)
    if (wanted === '') return undefined
    if (wanted === 'OK' && how === O_TRUNC && node.kind === 'regular') this.model.truncate(node, 0)
    return this.answered('open', path, said, wanted)
  }

  mkdir(): string | undefined {
    const place = this.draw()
    const mode = this.chance.pick([0o755, 0o700, 0o1755])
    const said = this.calls.mkdir(this.pathOf(place.path), mode)
    return this.answered('mkdir', place.path, said, this.model.make(place, 'directory', mode))
  }

  symlink(): string | undefined {
    const place = this.draw()
    const target = this.chance.pick(['a', '../nowhere', 'caf\xe9', 'x/'.repeat(1 + this.chance.below(500))])
    const said = this.calls.symlink(target, this.pathOf(place.path))
    return this.answered('symlink', place.path, said, this.model.make(place, 'symlink', 0, { target }))
  }

  mknod(): string | undefined {
    const place = this.draw()
    const kind = this.chance.pick(['fifo', 'socket', 'char'] as const)
    const [mode, rdev] = [this.mode(), kind === 'char' ? DEVICE : 0]
    const said = this.calls.mknod(this.pathOf(place.path), STAT_KINDS[kind] | mode, rdev)
    return this.answered('mknod', place.path, said, this.model.make(place, kind, mode, { rdev }))
  }

  rename(): string | undefined {
    const [from, to] = [this.draw(), this.draw()]
    if (isTooDeep(from.node, to) || isTooDeep(to.node, from)) return undefined
    const how = this.chance.pick(['replace', 'replace', 'no-replace', 'exchange'] as const)
    const flags = { replace: 0, 'no-replace': RENAME_NOREPLACE, exchange: RENAME_EXCHANGE }[how]
    const said = this.calls.rename(this.pathOf(from.path), this.pathOf(to.path), flags)
    return this.answered(`rename, ${how}, of ${from.path}`, to.path, said, this.model.rename(from, to, how))
  }

  link(): string | undefined {
    const [from, to] = [this.draw(), this.draw()]
    const said = this.calls.link(this.pathOf(from.path), this.pathOf(to.path))
    return this.answered(`link of ${from.path}`, to.path, said, this.model.link(from, to))
  }

  unlink(): string | undefined {
    const place = this.draw()
    const said = this.calls.unlink(this.pathOf(place.path))
    return this.answered('unlink', place.path, said, this.model.unlink(place))
  }

  rmdir(): string | undefined {
    const place = this.draw()
    const said = this.calls.rmdir(this.pathOf(place.path))
    return this.answered('rmdir', place.path, said, this.model.rmdir(place))
  }

  snapshot(): string | undefined {
    const from = this.one(({ kind }) => kind === 'directory')
    const to = this.draw()
    if (this.tool === undefined || from === undefined || to.node !== undefined) return undefined
    if (isTooDeep(from.node, to)) return undefined
    if (`${to.path}/`.startsWith(`${from.path}/`)) return undefined
    const said = this.tool.snapshot(from.path, to.path)
    if (said !== 'OK') return `snapshot of ${from.path} to ${to.path}: ${said}`
    this.model.snapshot(from, to)
    return undefined
  }

  // ---- attributes

  chmod(): string | undefined {
    const place = this.one(({ kind }) => kind !== 'symlink')
    if (place === undefined) return undefined
    const mode = place.node.kind === 'directory' ? this.chance.pick([0o755, 0o2755, 0o1755]) : this.mode()
    const said = this.calls.chmod(this.pathOf(place.path), mode)
    place.node.mode = mode
    return (
      this.answered(`chmod ${mode.toString(8)}`, place.path, said, 'OK') ??
      this.looked(place.path, place.node)
    )
  }

  chown(): string | undefined {
    const place = this.one(() => true)
    if (place === undefined) return undefined
    const id = () => this.chance.pick([-1, 0, 1000, 65_534, 2 ** 31 + 5])
    const [uid, gid] = [id(), id()]
    const said = this.calls.lchown(this.pathOf(place.path), uid, gid)
    this.model.chown(place.node, uid, gid)
    return this.answered(`chown ${uid}:${gid}`, place.path, said, 'OK') ?? this.looked(place.path, place.node)
  }

  utimens(): string | undefined {
    const place = this.one(() => true)
    if (place === undefined) return undefined
    const [seconds, nanoseconds] = [
      BigInt(this.chance.below(2 ** 33)) - 2n ** 31n,
      BigInt(this.chance.below(1e9)),
    ]
    const times = [0n, UTIME_OMIT, seconds, nanoseconds] as const
    const said = this.calls.utimens(this.pathOf(place.path), times, AT_SYMLINK_NOFOLLOW)
    place.node.mtime = place.node.stored ? undefined : seconds * 1_000_000_000n + nanoseconds
    return this.answered('utimensat', place.path, said, 'OK') ?? this.looked(place.path, place.node)
  }

  setxattr(): string | undefined {
    const place = this.one(() => true)
    if (place === undefined) return undefined
    const name = this.chance.pick(XATTRS)
    const value = Buffer.from(this.content(this.chance.pick([0, 3, 200, 1024, 2500]))).toString('latin1')
    const how = this.chance.pick(['set', 'set', 'create', 'replace'] as const)
    const flags = { set: 0, create: 1, replace: 2 }[how]
    const said = this.calls.setxattr(this.pathOf(place.path), name, Buffer.from(value, 'latin1'), flags)
    const wanted = this.model.setxattr(place.node, name, value, how)
    return this.answered(`setxattr ${name}, ${how}`, place.path, said, wanted)
  }

  removexattr(): string | undefined {
    const place = this.one(() => true)
    if (place === undefined) return undefined
    const name = this.chance.pick(XATTRS)
    const said = this.calls.removexattr(this.pathOf(place.path), name)
    return this.answered(`removexattr ${name}`, place.path, said, this.model.removexattr(place.node, name))
  }

  getxattr(): string | undefined {
    const place = this.one(({ kind }) => kind === 'regular' || kind === 'directory')
    if (place === undefined) return undefined
    const name = this.chance.pick(XATTRS)
    const got = this.calls.getxattr(this.pathOf(place.path), name)
    return got === (place.node.xattrs.get(name) ?? 'ENODATA')
      ? undefined
      : `getxattr ${name} of ${place.path} differs`
  }

  look(): string | undefined {
    const place = this.draw()
    if (place.node !== undefined) return this.looked(place.path, place.node)
    const stat = fs.lstatSync(this.bytesOf(place.path), { throwIfNoEntry: false })
    return stat === undefined ? undefined : `${place.path} is there`
  }

  list(): string | undefined {
    const [path, directory] = this.chance.pick(this.model.directories())
    return this.listing(path, directory)
  }

  // ---- what is found, against the model

  private listing(path: string, directory: Node): string | undefined {
    const found = fs.readdirSync(this.bytesOf(path), { encoding: 'buffer' })
    const names = found.map(name => name.toString('latin1')).sort()
    const wanted = [...directory.entries.keys()].sort()
    return names.join('/') === wanted.join('/')
      ? undefined
      : `names in ${path || '/'}: wanted ${wanted}, got ${names}`
  }

  private looked(path: string, node: Node): string | undefined {
    const stat = fs.lstatSync(this.bytesOf(path), { bigint: true, throwIfNoEntry: false })
    if (stat === undefined) return `${path} isn't there`
    const ino = Number(stat.ino)
    node.ino ||= ino
    const size = node.kind === 'symlink' ? node.target.length : node.bytes.length
    const wanted: Readonly<Record<string, number>> = {
      ino: node.ino,
      mode: STAT_KINDS[node.kind] | node.mode,
      uid: node.uid,
      gid: node.gid,
      rdev: node.rdev,
      nlink: this.model.links(node),
      ...(node.kind !== 'directory' && { size }),
    }
    for (const [what, is] of Object.entries(wanted)) {
      const got = Number(stat[what as 'ino'])
      if (got !== is) return `${what} of ${path}: wanted ${is}, got ${got}`
    }
    if (node.mtime !== undefined && stat.mtimeNs !== node.mtime)
      return `mtime of ${path}: wanted ${node.mtime}, got ${stat.mtimeNs}`
    return undefined
  }

  private whole(path: string, node: Node): string | undefined {
    const at = this.bytesOf(path)
    if (node.kind === 'regular') {
      const differing = differs(path, fs.readFileSync(at), node.bytes)
      if (differing !== undefined) return differing
    }
    if (node.kind === 'symlink' && fs.readlinkSync(at, 'latin1') !== node.target)
      return `${path} leads elsewhere`
    const names = this.calls.listxattr(this.pathOf(path))
    const wanted = [...node.xattrs.keys()].sort()
    if (String(names) !== String(wanted)) return `xattrs of ${path}: wanted ${wanted}, got ${names}`
    for (const [name, value] of node.xattrs)
      if (this.calls.getxattr(this.pathOf(path), name) !== value) return `${name} of ${path} differs`
    return undefined
  }

  private answered(what: string, path: string, said: Said, wanted: Said): string | undefined {
    // POSIX lets a directory that isn't empty be EEXIST too.
    if (said === wanted || (said === 'EEXIST' && wanted === 'ENOTEMPTY')) return undefined
    return `${what} ${path}: wanted ${wanted}, got ${said}`
  }

  private pathOf(path: string): string {
    return this.base + path
  }

  private bytesOf(path: string): Buffer {
    return Buffer.from(this.pathOf(path), 'latin1')
  }
}

/** Whether a directory would reach further down than names are drawn, where nobody would take anything away. */
function isTooDeep(node: Node | undefined, { path }: Place): boolean {
  return node?.kind === 'directory' && path.split('/').length - 2 + height(node) > DEPTH_MAX
}

/** Directories one in the other. */
function height({ entries }: Node): number {
  const below = [...entries.values()].filter(({ kind }) => kind === 'directory')
  return 1 + Math.max(0, ...below.map(height))
}

function differs(what: string, got: Uint8Array, wanted: Uint8Array): string | undefined {
  if (got.length !== wanted.length) return `${what}: wanted ${wanted.length} bytes, got ${got.length}`
  if (Buffer.compare(got, wanted) === 0) return undefined
  const at = wanted.findIndex((byte, place) => got[place] !== byte)
  return `${what}: byte ${at} is ${got[at]}, wanted ${wanted[at]}`
}
