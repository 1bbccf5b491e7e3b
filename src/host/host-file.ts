/**
 * A file of this computer as a device: requests go to threads of the host (calls.ts), their ends come back through the
 * event loop.
 *
 * With `direct`, requests that are aligned bypass the host's page cache (O_DIRECT), so that I/O is I/O; the others, and
 * all of them where the host refuses, go through it. The two see each other's bytes.
 *
 * Invariants   D1 to D3 (device/device.ts)
 *   HF1 `length` is how long the file is, as far as this device has seen to it. A read that finds less was overtaken by
 *       somebody who truncated the file behind our back, and ends with ESTALE instead of zeros that aren't the file's.
 *   HF3 After a flush that failed every later one fails too: the host may have dropped what it had not written, and says so
 *       once. Whoever opens the file anew sees what is left.
 *   HF2 The number of a descriptor is used by nobody once it is closed: a request that comes later ends with EBADF.
 */
import fs from 'node:fs'
import { type Bytes, codeOf, type Errno, errno } from '../base/index.ts'
import type { Device, Request } from '../device/index.ts'
import { type HostCalls, NODE_CALLS } from './calls.ts'
import { closeDescriptor } from './descriptor.ts'

/** What O_DIRECT asks of positions, lengths and memory everywhere we have met it. */
export const ALIGNMENT: Bytes = 4096
const ZEROS = new Uint8Array(1024 * 1024)
/** The half of libuv's four threads, at a MiB each: who wants a page finds a thread, and the event loop a processor. */
const IN_FLIGHT: Bytes = 2 * 1024 * 1024

export interface HostFileOptions {
  readonly mode: 'r' | 'r+'
  /** Makes the file: if there is none, or if there is nothing of that name. It must exist if left out. */
  readonly create?: 'if missing' | 'new' | undefined
  /** Bypass the host's page cache where it can be done. */
  readonly direct: boolean
  /** What else than a regular file it may be. */
  readonly allow?: 'a block device'
  /** Runs what an end has made ready. */
  readonly pump: () => void
  /** After so many bytes have been written, the host is made to write them down: a flush then finds little left. Not at all if left out. */
  readonly flushEvery?: Bytes
  /** Node's if left out. */
  readonly calls?: HostCalls | undefined
}

export class HostFile implements Device {
  readonly name: string
  /** The same, where it isn't text. */
  readonly path: string | Buffer
  readonly disk: string
  readOnly: boolean
  /** Whether the host has given the file less space than it is long. */
  readonly sparse: boolean
  /** Which file it is, however it was named. */
  readonly inode: string
  /** Whether this opening made it. */
  readonly made: boolean
  readonly inFlightBytes = IN_FLIGHT
  length: Bytes
  onEnd: (request: Request, error: Errno) => void = () => {}
  private fd: number
  private directFd: number | undefined
  /** Descriptors that requests on their way may still use. */
  private readonly retired: number[] = []
  private readonly pump: () => void
  private readonly calls: HostCalls
  private readonly flushEvery: Bytes
  /** Bytes written since a flush was last begun. */
  private unflushed: Bytes = 0
  private isFlushingEarly = false
  /** Requests on their way. */
  private running = 0
  private closing: PromiseWithResolvers<void> | undefined
  private isClosed = false
  /** How the first flush that failed did (HF3). */
  private flushFailed: NodeJS.ErrnoException | undefined

  private constructor(
    path: string | Buffer,
    fd: number,
    directFd: number | undefined,
    stat: fs.Stats,
    inode: string,
    length: Bytes,
    made: boolean,
    options: HostFileOptions,
  ) {
    this.name = String(path)
    this.path = path
    this.made = made
    this.fd = fd
    this.directFd = directFd
    this.disk = diskOf(stat.isBlockDevice() ? stat.rdev : stat.dev)
    this.readOnly = options.mode === 'r'
    this.inode = inode
    this.length = length
    this.sparse = stat.isFile() && stat.blocks * 512 < length
    this.pump = options.pump
    this.calls = options.calls ?? NODE_CALLS
    this.flushEvery = options.flushEvery ?? Infinity
  }

  /** Opens a regular file, or what is allowed beside. Errors are the host's: ENOENT, EACCES, EROFS; EISDIR for a directory, EINVAL for the rest. */
  static open(path: string | Buffer, options: HostFileOptions): HostFile {
    const { fd, made } = descriptorOf(path, options)
    const stat = fs.fstatSync(fd)
    // As text: a large number would be taken for its neighbour's.
    const { ino } = fs.fstatSync(fd, { bigint: true })
    const isDevice = stat.isBlockDevice() && options.allow === 'a block device'
    if (!stat.isFile() && !isDevice) {
      closeDescriptor(fd)
      const code = stat.isDirectory() ? 'EISDIR' : 'EINVAL'
      throw Object.assign(
        new Error(`${path} is ${stat.isDirectory() ? 'a directory' : 'not a regular file'}`),
        { code },
      )
    }
    const length = isDevice ? deviceBytes(stat.rdev) : stat.size
    const direct = options.direct ? openDirect(path, options.mode) : undefined
    return new HostFile(path, fd, direct, stat, `${stat.dev}:${ino}`, length, made, options)
  }

  /** Becomes writable if `other`, a second opening of the same file, is; requests on their way go on. Ends `other`. */
  adopt(other: HostFile): void {
    if (!this.readOnly || other.readOnly) {
      void other.close()
      return
    }
    this.retired.push(this.fd)
    this.fd = other.fd
    for (const fd of [this.directFd, other.directFd]) if (fd !== undefined) this.retired.push(fd)
    // The file itself, whatever its name means by now.
    if (this.directFd !== undefined) this.directFd = openDirect(`/proc/self/fd/${this.fd}`, 'r+')
    this.readOnly = false
  }

  /** Whether requests bypass the host's cache. */
  get direct(): boolean {
    return this.directFd !== undefined
  }

  start(request: Request): void {
    this.running++
    if (this.closing !== undefined) {
      queueMicrotask(() => this.finish(request, errno.EBADF))
      return
    }
    switch (request.operation) {
      case 'read':
        this.read(request)
        break
      case 'write':
        this.write(request, request.position, request.buffers)
        break
      case 'flush':
        this.flush(request)
        break
      case 'resize':
        this.calls.resize(this.fd, request.length, error => {
          if (error === null) this.length = request.length
          this.end(request, error)
        })
        break
      case 'zero':
        this.zero(request, request.position)
        break
    }
  }

  /** Writes in this thread, at once. Throws the host's error. */
  writeNow(position: Bytes, bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length; )
      done += fs.writeSync(this.fd, bytes, done, bytes.length - done, position + done)
  }

  /** How long the file is by now, whoever made it so. Throws what the host says. */
  measure(): Bytes {
    if (this.closing !== undefined) return this.length
    const stat = fs.fstatSync(this.fd)
    if (stat.isFile()) this.length = stat.size
    return this.length
  }

  /** Cuts off what a write that failed halfway has left past the end of the file. */
  trim(size: Bytes): void {
    if (!this.readOnly && this.closing === undefined && this.length > size) fs.ftruncateSync(this.fd, size)
  }

  /** Closes once nothing is on its way (HF2). Settles when the descriptors are given back, however that went. */
  close(): Promise<void> {
    if (this.closing === undefined) {
      this.closing = Promise.withResolvers()
      if (this.running === 0) this.closeAll()
    }
    return this.closing.promise
  }

  private closeAll(): void {
    if (this.isClosed) return
    this.isClosed = true
    for (const fd of [this.fd, this.directFd, ...this.retired]) if (fd !== undefined) closeDescriptor(fd)
    this.closing!.resolve()
  }

  private read(request: Request): void {
    // The file may grow or shrink by our own doing meanwhile: what was there all the time must be there.
    this.readOn(request, 0, this.length)
  }

  /** `done` bytes are there; a host may bring fewer than it was asked for before the end of the file. */
  private readOn(request: Request, done: Bytes, before: Bytes): void {
    const buffers = done === 0 ? request.buffers : after(request.buffers, done)
    const position = request.position + done
    const fd = this.fdFor(position, buffers)
    const ended = (error: NodeJS.ErrnoException | null, got: Bytes) => {
      if (this.isToBeAskedAgain(error, fd)) return this.readOn(request, done, before)
      if (error !== null) return this.end(request, error)
      const there = done + got
      const expected = Math.max(0, Math.min(request.length, Math.min(before, this.length) - request.position))
      if (there < expected && got > 0) return this.readOn(request, there, before)
      if (there < expected) return this.finish(request, errno.ESTALE)
      zeroFrom(request.buffers, there)
      this.finish(request, errno.OK)
    }
    if (fd === this.directFd) this.calls.readDirect(fd, buffers, position, ended)
    else this.calls.read(fd, buffers, position, ended)
  }

  private write(request: Request, position: Bytes, buffers: readonly Uint8Array[]): void {
    const fd = this.fdFor(position, buffers)
    this.calls.write(fd, buffers, position, (error, taken) => {
      if (this.isToBeAskedAgain(error, fd)) return this.write(request, position, buffers)
      if (error !== null) return this.end(request, error)
      this.length = Math.max(this.length, position + taken)
      this.unflushed += taken
      this.flushEarly()
      const rest = after(buffers, taken)
      if (rest.length === 0) this.finish(request, errno.OK)
      else if (taken === 0) this.finish(request, errno.EIO)
      else this.write(request, position + taken, rest)
    })
  }

  private flush(request: Request): void {
    this.unflushed = 0
    this.calls.flush(this.fd, error => {
      if (error?.code === 'EINTR') return this.flush(request)
      this.flushFailed ??= error ?? undefined
      this.end(request, this.flushFailed ?? null)
    })
  }

  /** Nobody waits for it; how it fails is told by the flushes after it (HF3). */
  private flushEarly(): void {
    if (this.unflushed < this.flushEvery || this.isFlushingEarly || this.closing !== undefined) return
    this.unflushed = 0
    this.isFlushingEarly = true
    this.running++
    this.calls.flush(this.fd, error => {
      this.isFlushingEarly = false
      if (error?.code !== 'EINTR') this.flushFailed ??= error ?? undefined
      this.leave()
    })
  }

  /** Node knows no fallocate: the range is overwritten. What lies past the end of the file is zero already. */
  private zero(request: Request, position: Bytes): void {
    const end = Math.min(request.position + request.length, this.length)
    if (position >= end) {
      queueMicrotask(() => this.finish(request, errno.OK))
      return
    }
    const part = ZEROS.subarray(0, Math.min(ZEROS.length, end - position))
    this.calls.write(this.fd, [part], position, (error, taken) => {
      if (this.isToBeAskedAgain(error, this.fd)) this.zero(request, position)
      else if (error !== null) this.end(request, error)
      else if (taken === 0) this.finish(request, errno.EIO)
      else this.zero(request, position + taken)
    })
  }

  /** A call that a signal has interrupted, or that O_DIRECT doesn't fit after all. */
  private isToBeAskedAgain(error: NodeJS.ErrnoException | null, fd: number): boolean {
    if (error?.code === 'EINVAL' && fd !== this.fd) {
      this.giveUpDirect()
      return true
    }
    return error?.code === 'EINTR'
  }

  private end(request: Request, error: NodeJS.ErrnoException | null): void {
    this.finish(request, error === null ? errno.OK : -(error.errno ?? -errno.EIO))
  }

  private leave(): void {
    this.running--
    if (this.closing !== undefined && this.running === 0) this.closeAll()
  }

  private finish(request: Request, error: Errno): void {
    this.leave()
    this.onEnd(request, error)
    this.pump()
  }

  private fdFor(position: Bytes, buffers: readonly Uint8Array[]): number {
    if (this.directFd === undefined || position % ALIGNMENT !== 0) return this.fd
    for (const { byteOffset, length } of buffers)
      if (byteOffset % ALIGNMENT !== 0 || length % ALIGNMENT !== 0) return this.fd
    return this.directFd
  }

  /** The host took O_DIRECT at open and refuses it now: memory or file aren't aligned as it wants. */
  private giveUpDirect(): void {
    if (this.directFd !== undefined) this.retired.push(this.directFd)
    this.directFd = undefined
  }
}

function descriptorOf(
  path: string | Buffer,
  { mode, create }: HostFileOptions,
): { readonly fd: number; readonly made: boolean } {
  const { O_CREAT, O_EXCL, O_NONBLOCK = 0 } = fs.constants
  // Without O_NONBLOCK the open of a FIFO would wait for its other end.
  const flags = accessOf(mode) | O_NONBLOCK
  if (create === 'new') return { fd: fs.openSync(path, flags | O_CREAT | O_EXCL), made: true }
  try {
    return { fd: fs.openSync(path, flags), made: false }
  } catch (error) {
    if (create === undefined || codeOf(error) !== 'ENOENT') throw error
    return { fd: fs.openSync(path, flags | O_CREAT), made: true }
  }
}

function accessOf(mode: 'r' | 'r+'): number {
  return mode === 'r' ? fs.constants.O_RDONLY : fs.constants.O_RDWR
}

function openDirect(path: string | Buffer, mode: 'r' | 'r+'): number | undefined {
  const { O_DIRECT } = fs.constants
  if (O_DIRECT === undefined) return undefined
  try {
    return fs.openSync(path, O_DIRECT | accessOf(mode))
  } catch {
    return undefined
  }
}

/** How long a block device is: stat says 0, sysfs tells its sectors of 512 bytes. */
export function deviceBytes(rdev: number): Bytes {
  return 512 * Number(fs.readFileSync(`/sys/dev/block/${diskOf(rdev)}/size`, 'utf8'))
}

/** "major:minor" of a dev_t (gnu_dev_major, gnu_dev_minor). */
export function diskOf(dev: number): string {
  const major = (dev >>> 8) & 0xfff
  const minor = (dev & 0xff) | ((dev >>> 12) & 0xfff00)
  return `${major}:${minor}`
}

function zeroFrom(buffers: readonly Uint8Array[], from: number): void {
  let at = 0
  for (const buffer of buffers) {
    if (at + buffer.length > from) buffer.fill(0, Math.max(0, from - at))
    at += buffer.length
  }
}

/** What is left of the buffers after the first `taken` bytes. */
function after(buffers: readonly Uint8Array[], taken: number): Uint8Array[] {
  const rest: Uint8Array[] = []
  for (const buffer of buffers) {
    if (taken < buffer.length) rest.push(buffer.subarray(taken))
    taken = Math.max(0, taken - buffer.length)
  }
  return rest
}
