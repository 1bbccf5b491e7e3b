/**
 * Calls of Linux that Node doesn't offer: memory, memory files, event counters, waiting for descriptors. One object a
 * thread. A call that fails throws a LinuxError, which names the call and the host's word for the error.
 */
import { getSystemErrorName } from 'node:util'
import type { Bytes } from '../base/index.ts'
import {
  AF_UNIX,
  CLONE_FILES,
  CMSG_BYTES,
  CMSG_DATA,
  EFD_CLOEXEC,
  EFD_NONBLOCK,
  F_SETFL,
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  HUGE_PAGE_BYTES,
  MADV_HUGEPAGE,
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_NORESERVE,
  MAP_PRIVATE,
  MAP_SHARED,
  MFD_CLOEXEC,
  O_CLOEXEC,
  O_NONBLOCK,
  POLLIN,
  PROT_READ,
  PROT_WRITE,
  RWF_NOWAIT,
  SCM_RIGHTS,
  SIGACTION_WORDS,
  SOCK_CLOEXEC,
  SOCK_STREAM,
  SOL_SOCKET,
  SYNC_FILE_RANGE_WRITE_AND_WAIT,
  UIO_MAXIOV,
} from './abi.ts'
import { type Address, type Ffi, type Foreign, loadFfi } from './ffi.ts'

export class LinuxError extends Error {
  readonly errno: number
  readonly code: string

  constructor(call: string, errno: number) {
    const code = getSystemErrorName(-errno)
    super(`${call} failed with ${code}`)
    this.errno = errno
    this.code = code
  }
}

/** One buffer of a vectored read or write, as struct iovec. */
const IOVEC_WORDS = 2

export class Linux {
  readonly ffi: Ffi
  /** Of the host's own pages. */
  readonly pageSize: Bytes
  private readonly mmapCall: Foreign
  private readonly munmapCall: Foreign
  private readonly mprotectCall: Foreign
  private readonly madviseCall: Foreign
  private readonly memfdCreateCall: Foreign
  private readonly ftruncateCall: Foreign
  private readonly fallocateCall: Foreign
  private readonly eventfdCall: Foreign
  private readonly pollCall: Foreign
  private readonly readCall: Foreign
  private readonly writeCall: Foreign
  private readonly writevCall: Foreign
  private readonly closeCall: Foreign
  private readonly ioctlCall: Foreign
  private readonly ioctlNewCall: Foreign
  private readonly syscallCall: Foreign
  private readonly preadCall: Foreign
  private readonly pwriteCall: Foreign
  private readonly preadvCall: Foreign
  private readonly pwritevCall: Foreign
  private readonly preadv2Call: Foreign
  private readonly fsyncCall: Foreign
  private readonly syncfsCall: Foreign
  private readonly gettidCall: Foreign
  private readonly dlsymCall: Foreign
  private readonly sigactionCall: Foreign
  private readonly tgkillCall: Foreign
  private readonly abortCall: Foreign
  private readonly exitCall: Foreign
  private readonly mountCall: Foreign
  private readonly umountCall: Foreign
  private readonly unshareCall: Foreign
  private readonly openByHandleCall: Foreign
  private readonly syncFileRangeCall: Foreign
  private readonly prctlCall: Foreign
  private readonly socketpairCall: Foreign
  private readonly recvmsgCall: Foreign
  private readonly fcntlCall: Foreign
  private readonly counter = new BigUint64Array(1)
  private readonly watched = new Int32Array(4)
  private readonly vectors = new Uint32Array(2 * IOVEC_WORDS * UIO_MAXIOV)

  constructor() {
    this.ffi = loadFfi()
    const libc = this.ffi.open('libc.so.6')
    this.mmapCall = libc.call('mmap', 'long', ['long', 'long', 'int', 'int', 'int', 'long'])
    this.munmapCall = libc.call('munmap', 'int', ['long', 'long'])
    this.mprotectCall = libc.call('mprotect', 'int', ['long', 'long', 'int'])
    this.madviseCall = libc.call('madvise', 'int', ['long', 'long', 'int'])
    this.memfdCreateCall = libc.call('memfd_create', 'int', ['pointer', 'int'])
    this.ftruncateCall = libc.call('ftruncate', 'int', ['int', 'long'])
    this.fallocateCall = libc.call('fallocate', 'int', ['int', 'int', 'long', 'long'])
    this.eventfdCall = libc.call('eventfd', 'int', ['int', 'int'])
    this.pollCall = libc.call('poll', 'int', ['pointer', 'long', 'int'])
    this.readCall = libc.call('read', 'long', ['int', 'pointer', 'long'])
    this.writeCall = libc.call('write', 'long', ['int', 'pointer', 'long'])
    this.writevCall = libc.call('writev', 'long', ['int', 'pointer', 'int'])
    this.closeCall = libc.call('close', 'int', ['int'])
    this.ioctlCall = libc.call('ioctl', 'int', ['int', 'long', 'pointer'])
    this.ioctlNewCall = libc.call('ioctl', 'int', ['int', 'long', 'long'])
    this.syscallCall = libc.call('syscall', 'long', ['long', 'long', 'long', 'long', 'long', 'long', 'long'])
    this.preadCall = libc.call('pread', 'long', ['int', 'long', 'long', 'long'])
    this.pwriteCall = libc.call('pwrite', 'long', ['int', 'long', 'long', 'long'])
    this.preadvCall = libc.call('preadv', 'long', ['int', 'pointer', 'int', 'long'])
    this.pwritevCall = libc.call('pwritev', 'long', ['int', 'pointer', 'int', 'long'])
    this.preadv2Call = libc.call('preadv2', 'long', ['int', 'pointer', 'int', 'long', 'int'])
    this.fsyncCall = libc.call('fsync', 'int', ['int'])
    this.syncfsCall = libc.call('syncfs', 'int', ['int'])
    this.gettidCall = libc.call('gettid', 'int', [])
    this.dlsymCall = libc.call('dlsym', 'long', ['long', 'pointer'])
    this.sigactionCall = libc.call('sigaction', 'int', ['int', 'pointer', 'pointer'])
    this.tgkillCall = libc.call('tgkill', 'int', ['int', 'int', 'int'])
    this.abortCall = libc.call('abort', 'int', [])
    this.exitCall = libc.call('_exit', 'int', ['int'])
    this.mountCall = libc.call('mount', 'int', ['pointer', 'pointer', 'pointer', 'long', 'pointer'])
    this.umountCall = libc.call('umount2', 'int', ['pointer', 'int'])
    this.unshareCall = libc.call('unshare', 'int', ['int'])
    this.openByHandleCall = libc.call('open_by_handle_at', 'int', ['int', 'pointer', 'int'])
    this.syncFileRangeCall = libc.call('sync_file_range', 'int', ['int', 'long', 'long', 'int'])
    this.socketpairCall = libc.call('socketpair', 'int', ['int', 'int', 'int', 'pointer'])
    this.recvmsgCall = libc.call('recvmsg', 'long', ['int', 'pointer', 'int'])
    this.fcntlCall = libc.call('fcntl', 'int', ['int', 'int', 'long'])
    this.prctlCall = libc.call('prctl', 'int', ['int', 'long', 'long', 'long', 'long'])
    this.pageSize = libc.call('getpagesize', 'int', [])()
  }

  /** Shared memory of a file, wherever there is room. It takes none until it is touched. */
  mmap(fd: number, offset: Bytes, length: Bytes): Address {
    const protection = PROT_READ | PROT_WRITE
    return this.checked('mmap', this.mmapCall(0, length, protection, MAP_SHARED | MAP_NORESERVE, fd, offset))
  }

  /** Shared memory of a file, in place of what is mapped at `address`. It takes none until it is touched. */
  mmapOver(address: Address, fd: number, offset: Bytes, length: Bytes): void {
    const protection = PROT_READ | PROT_WRITE
    const flags = MAP_SHARED | MAP_FIXED | MAP_NORESERVE
    this.checked('mmap', this.mmapCall(address, length, protection, flags, fd, offset))
  }

  /** Memory of this process alone, zero, HUGE_PAGE_BYTES of it: one huge page where the host has one. */
  hugePage(): Address {
    const flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
    const length = 2 * HUGE_PAGE_BYTES
    const start = this.checked('mmap', this.mmapCall(0, length, PROT_READ | PROT_WRITE, flags, -1, 0))
    const address = Math.ceil(start / HUGE_PAGE_BYTES) * HUGE_PAGE_BYTES
    const end = address + HUGE_PAGE_BYTES
    if (address > start) this.munmap(start, address - start)
    if (end < start + length) this.munmap(end, start + length - end)
    // Hosts without huge pages refuse; small ones do.
    this.madviseCall(address, HUGE_PAGE_BYTES, MADV_HUGEPAGE)
    return address
  }

  munmap(address: Address, length: Bytes): void {
    this.checked('munmap', this.munmapCall(address, length))
  }

  /** The same of memory that nobody uses any more: a host that refuses to take it away keeps it. */
  release(address: Address, length: Bytes): void {
    this.munmapCall(address, length)
  }

  mprotect(address: Address, length: Bytes, protection: number): void {
    this.checked('mprotect', this.mprotectCall(address, length, protection))
  }

  madvise(address: Address, length: Bytes, advice: number): void {
    this.checked('madvise', this.madviseCall(address, length, advice))
  }

  /** A file in memory, as long as said and empty; `name` is what /proc/self/maps shows. */
  memfd(name: string, length: Bytes): number {
    const fd = this.checked('memfd_create', this.memfdCreateCall(Buffer.from(`${name}\0`), MFD_CLOEXEC))
    try {
      this.ftruncate(fd, length)
      return fd
    } catch (error) {
      this.close(fd)
      throw error
    }
  }

  ftruncate(fd: number, length: Bytes): void {
    this.checked('ftruncate', this.ftruncateCall(fd, length))
  }

  /** Takes pages out of a file in memory, and out of every mapping of it. */
  punch(fd: number, offset: Bytes, length: Bytes): void {
    const mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE
    this.checked('fallocate', this.fallocateCall(fd, mode, offset, length))
  }

  /** A counter that wakes whoever polls it. */
  eventfd(): number {
    return this.checked('eventfd', this.eventfdCall(0, EFD_CLOEXEC | EFD_NONBLOCK))
  }

  notify(eventfd: number): void {
    this.counter[0] = 1n
    this.writeCall(eventfd, this.counter, 8)
  }

  /** Sets the counter back to 0. */
  clear(eventfd: number): void {
    this.readCall(eventfd, this.counter, 8)
  }

  /** Waits until one of two descriptors can be read, or so many milliseconds. */
  poll(
    first: number,
    second: number,
    timeout: number,
  ): { readonly first: boolean; readonly second: boolean } {
    const { watched } = this
    watched[0] = first
    watched[1] = POLLIN
    watched[2] = second
    watched[3] = POLLIN
    this.pollCall(watched, 2, timeout)
    return { first: watched[1]! >>> 16 !== 0, second: watched[3]! >>> 16 !== 0 }
  }

  /** Bytes that there were; 0: none now. */
  read(fd: number, target: NodeJS.TypedArray): Bytes {
    return Math.max(0, this.readCall(fd, target, target.byteLength))
  }

  /** Bytes that there were, or -errno. */
  tryRead(fd: number, target: NodeJS.TypedArray): number {
    return this.result(this.readCall(fd, target, target.byteLength))
  }

  /** Bytes that were taken, or -errno. */
  tryWrite(fd: number, source: NodeJS.TypedArray): number {
    return this.result(this.writeCall(fd, source, source.byteLength))
  }

  /** The same of several pieces, UIO_MAXIOV of them at most. */
  tryWritev(fd: number, pieces: readonly Uint8Array[]): number {
    const { vectors } = this
    let [memory, start]: [ArrayBufferLike | undefined, Address] = [undefined, 0]
    for (let at = 0; at < pieces.length; at++) {
      const piece = pieces[at]!
      // hot: most lie in the same memory, and to ask for an address is a call
      if (piece.buffer !== memory) start = this.ffi.addressOf(piece) - piece.byteOffset
      memory = piece.buffer
      const address = start + piece.byteOffset
      // Numbers of 64 bits, without a BigInt for each.
      vectors[4 * at] = address % 2 ** 32
      vectors[4 * at + 1] = Math.floor(address / 2 ** 32)
      vectors[4 * at + 2] = piece.length
    }
    return this.result(this.writevCall(fd, vectors, pieces.length))
  }

  /** 0 or -errno. `data`: what the kind of filesystem takes as options. */
  mount(mount: {
    readonly source: string
    readonly target: string
    readonly type: string
    readonly flags: number
    readonly data: string
  }): number {
    const { source, target, type, flags, data } = mount
    return this.result(this.mountCall(text(source), text(target), text(type), flags, text(data)))
  }

  /** 0 or -errno. It may wait until the filesystem has written what is dirty. */
  umount(target: string, flags: number): number {
    return this.result(this.umountCall(text(target), flags))
  }

  /** Two sockets that are connected, closed by a process that this one becomes. */
  socketpair(): readonly [number, number] {
    const pair = new Int32Array(2)
    this.checked('socketpair', this.socketpairCall(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
    return [pair[0]!, pair[1]!]
  }

  /**
   * The descriptor that another process has sent over a socket, made so that it doesn't wait; -1: it sent none. Waits until something
   * comes, or the other end is closed.
   */
  receiveDescriptor(socket: number): number {
    const byte = new Uint8Array(1)
    const vector = BigUint64Array.of(BigInt(this.ffi.addressOf(byte)), 1n)
    const control = new Uint8Array(CMSG_BYTES)
    // struct msghdr: name, its length, vectors, how many, control, its length, flags.
    const header = BigUint64Array.of(
      0n,
      0n,
      BigInt(this.ffi.addressOf(vector)),
      1n,
      BigInt(this.ffi.addressOf(control)),
      BigInt(CMSG_BYTES),
      0n,
    )
    this.checked('recvmsg', this.recvmsgCall(socket, header, 0))
    const words = new DataView(control.buffer)
    if (words.getInt32(8, true) !== SOL_SOCKET || words.getInt32(12, true) !== SCM_RIGHTS) return -1
    const fd = words.getInt32(CMSG_DATA, true)
    this.checked('fcntl', this.fcntlCall(fd, F_SETFL, O_NONBLOCK))
    return fd
  }

  /** 0 or -errno. */
  prctl(operation: number, argument: number): number {
    return this.result(this.prctlCall(operation, argument, 0, 0, 0))
  }

  /** Linux has given the number back, whatever it says. */
  close(fd: number): void {
    this.closeCall(fd)
  }

  /** 0, or the errno: some errors of ioctls are news. */
  ioctl(fd: number, request: number, argument: NodeJS.TypedArray | null): number {
    return this.ioctlCall(fd, request, argument) < 0 ? this.ffi.errno() : 0
  }

  /** A descriptor that an ioctl makes. */
  ioctlNew(fd: number, request: number, flags: number): number {
    return this.checked('ioctl', this.ioctlNewCall(fd, request, flags))
  }

  syscall(number: number, argument: number): number {
    return this.checked('syscall', this.syscallCall(number, argument, 0, 0, 0, 0, 0))
  }

  /** What a system call answers, or -errno. */
  trySyscall(number: number, first: number, second = 0, third = 0, fourth = 0): number {
    return this.result(this.syscallCall(number, first, second, third, fourth, 0, 0))
  }

  /** Bytes moved, or -errno. */
  pread(fd: number, address: Address, length: Bytes, position: Bytes): number {
    return this.result(this.preadCall(fd, address, length, position))
  }

  pwrite(fd: number, address: Address, length: Bytes, position: Bytes): number {
    return this.result(this.pwriteCall(fd, address, length, position))
  }

  /** Bytes moved, or -errno. `vectors`: address and length of each piece. */
  preadv(fd: number, vectors: BigUint64Array, position: Bytes): number {
    return this.result(this.preadvCall(fd, vectors, vectors.length / IOVEC_WORDS, position))
  }

  /** The same of what the host has in its cache: -EAGAIN rather than wait for a device. */
  preadvNow(fd: number, vectors: BigUint64Array, position: Bytes): number {
    return this.result(this.preadv2Call(fd, vectors, vectors.length / IOVEC_WORDS, position, RWF_NOWAIT))
  }

  pwritev(fd: number, vectors: BigUint64Array, position: Bytes): number {
    return this.result(this.pwritevCall(fd, vectors, vectors.length / IOVEC_WORDS, position))
  }

  /** 0 or -errno. */
  fsync(fd: number): number {
    return this.result(this.fsyncCall(fd))
  }

  /** 0 or -errno. */
  tryFtruncate(fd: number, length: Bytes): number {
    return this.result(this.ftruncateCall(fd, length))
  }

  /** The kernel hands the filesystem of an open file all that it has kept back. 0 or -errno. */
  syncfs(fd: number): number {
    return this.result(this.syncfsCall(fd))
  }

  /** From now on this thread has a table of descriptors of its own, with what was in the process's. 0 or -errno. */
  unshareFiles(): number {
    return this.result(this.unshareCall(CLONE_FILES))
  }

  /** A descriptor of a file by its handle (struct file_handle), or -errno. `near`: something open in the same filesystem. */
  openByHandle(near: number, handle: Uint32Array): number {
    return this.result(this.openByHandleCall(near, handle, O_CLOEXEC))
  }

  /** The kernel's dirty pages of a file are handed to its filesystem, and have been taken. 0 or -errno. */
  writePages(fd: number): number {
    return this.result(this.syncFileRangeCall(fd, 0, 0, SYNC_FILE_RANGE_WRITE_AND_WAIT))
  }

  /** This thread, as the kernel numbers it. */
  gettid(): number {
    return this.gettidCall()
  }

  /** Where a function of libc begins. */
  addressOf(name: string): Address {
    return this.dlsymCall(0, Buffer.from(`${name}\0`))
  }

  /** What handles a signal in this process: the address of a function, 0 for the default. */
  handlerOf(signal: number): bigint {
    const action = new BigUint64Array(SIGACTION_WORDS)
    this.checked('sigaction', this.sigactionCall(signal, null, action))
    return action[0]!
  }

  /** `action`: a struct sigaction. */
  handle(signal: number, action: BigUint64Array): void {
    this.checked('sigaction', this.sigactionCall(signal, action, null))
  }

  /** To one thread of this process. One that has ended meanwhile gets none. */
  signal(thread: number, signal: number): void {
    this.tgkillCall(process.pid, thread, signal)
  }

  /** Ends the process at once, with SIGABRT. */
  abort(): void {
    this.abortCall()
  }

  /** Ends the process at once, waiting for no thread. */
  exitNow(status: number): void {
    this.exitCall(status)
  }

  private checked(call: string, result: number): number {
    if (result === -1) throw new LinuxError(call, this.ffi.errno())
    return result
  }

  private result(result: number): number {
    return result === -1 ? -this.ffi.errno() : result
  }
}

function text(value: string): Uint8Array {
  return Buffer.from(`${value}\0`)
}
