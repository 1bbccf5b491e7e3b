/**
 * A userfaultfd: the kernel's way to let a thread of this process answer the page faults of the others.
 *
 *     touch of a missing page      -> a message; the thread that touched it waits     -> install, then wake
 *     store to a protected page    -> a message; the same                             -> unprotect, then wake
 *
 * Ranges are shared mappings of memory files. A fault is told whether the file has the page (a minor fault) or not (a
 * missing one); for us both are the same question. Installing and waking are separate: several pages are installed with
 * one call, and a thread goes on when its own fault has ended.
 *
 * Closing the descriptor lets waiting threads go on and missing pages read as zeros: nothing may be registered then.
 */
import fs from 'node:fs'
import { assert, type Bytes } from '../base/index.ts'
import {
  O_CLOEXEC,
  O_NONBLOCK,
  SYS_USERFAULTFD,
  UFFD_API,
  UFFD_EVENT_PAGEFAULT,
  UFFD_FEATURE_MINOR_SHMEM,
  UFFD_FEATURE_MISSING_SHMEM,
  UFFD_FEATURE_THREAD_ID,
  UFFD_FEATURE_WP_HUGETLBFS_SHMEM,
  UFFD_MSG_BYTES,
  UFFD_PAGEFAULT_FLAG_WP,
  UFFD_PAGEFAULT_FLAG_WRITE,
  UFFDIO_API,
  UFFDIO_CONTINUE,
  UFFDIO_CONTINUE_MODE_DONTWAKE,
  UFFDIO_CONTINUE_MODE_WP,
  UFFDIO_COPY,
  UFFDIO_COPY_MODE_DONTWAKE,
  UFFDIO_REGISTER,
  UFFDIO_REGISTER_MODE_MINOR,
  UFFDIO_REGISTER_MODE_MISSING,
  UFFDIO_REGISTER_MODE_WP,
  UFFDIO_WAKE,
  UFFDIO_WRITEPROTECT,
  UFFDIO_WRITEPROTECT_MODE_DONTWAKE,
  UFFDIO_WRITEPROTECT_MODE_WP,
  USERFAULTFD_IOC_NEW,
} from './abi.ts'
import { type Linux, LinuxError } from './calls.ts'
import type { Address } from './ffi.ts'

const DEVICE = '/dev/userfaultfd'
const MESSAGES_MAX = 64
/** What the second word of a number counts. */
const WORD = 2 ** 32
const FEATURES =
  UFFD_FEATURE_MISSING_SHMEM |
  UFFD_FEATURE_MINOR_SHMEM |
  UFFD_FEATURE_WP_HUGETLBFS_SHMEM |
  UFFD_FEATURE_THREAD_ID

/** The host has no userfaultfd for this process. The message says which switch to turn. */
export class NoUserfaultfd extends Error {}

export interface FaultMessage {
  readonly address: Address
  readonly access: 'load' | 'store'
  /** The thread that waits, as the kernel numbers it. */
  readonly thread: number
}

/** The size of its argument that an ioctl's number carries. */
function sizeOf(request: number): Bytes {
  return (request >>> 16) & 0x3fff
}

export class Userfaultfd {
  readonly fd: number
  private readonly linux: Linux
  private readonly messages = new DataView(new ArrayBuffer(MESSAGES_MAX * UFFD_MSG_BYTES))
  private readonly messageBytes = new Uint8Array(this.messages.buffer)
  /** What an ioctl takes, numbers of 64 bits, in words of 32: no BigInt is made for each fault. */
  private readonly argument = new Uint32Array(10)

  private constructor(linux: Linux, fd: number) {
    this.linux = linux
    this.fd = fd
  }

  /** One that was opened before, perhaps by another thread. */
  static of(linux: Linux, fd: number): Userfaultfd {
    return new Userfaultfd(linux, fd)
  }

  static open(linux: Linux): Userfaultfd {
    assert(
      sizeOf(UFFDIO_WAKE) === 16 &&
        sizeOf(UFFDIO_WRITEPROTECT) === 24 &&
        sizeOf(UFFDIO_API) === 24 &&
        sizeOf(UFFDIO_REGISTER) === 32 &&
        sizeOf(UFFDIO_CONTINUE) === 32 &&
        sizeOf(UFFDIO_COPY) === 40,
      'the ioctls of userfaultfd take what is passed to them',
    )
    const fd = open(linux)
    const error = linux.ioctl(fd, UFFDIO_API, BigUint64Array.of(BigInt(UFFD_API), BigInt(FEATURES), 0n))
    if (error === 0) return new Userfaultfd(linux, fd)
    linux.close(fd)
    throw new NoUserfaultfd(
      'this kernel has no userfaultfd for shared memory with write protection; it needs Linux 5.19 or later',
    )
  }

  /** From now on faults of the range come here. It must be a shared mapping of a memory file. */
  register(start: Address, length: Bytes): void {
    const mode = UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP | UFFDIO_REGISTER_MODE_MINOR
    const error = this.ask(UFFDIO_REGISTER, start, length, mode)
    if (error !== 0) throw new LinuxError('UFFDIO_REGISTER', error)
  }

  /** What has come since. */
  read(): FaultMessage[] {
    const length = this.linux.read(this.fd, this.messageBytes)
    const found: FaultMessage[] = []
    for (let at = 0; at < length; at += UFFD_MSG_BYTES) {
      if (this.messages.getUint8(at) !== UFFD_EVENT_PAGEFAULT) continue
      const flags = this.messages.getUint32(at + 8, true)
      const stores = (flags & (UFFD_PAGEFAULT_FLAG_WRITE | UFFD_PAGEFAULT_FLAG_WP)) !== 0
      found.push({
        address: this.messages.getUint32(at + 16, true) + this.messages.getUint32(at + 20, true) * WORD,
        access: stores ? 'store' : 'load',
        thread: this.messages.getUint32(at + 24, true),
      })
    }
    return found
  }

  /** Installs pages that the file has. Wakes nobody. Returns how many bytes it did, and 0 or the errno of the rest. */
  install(start: Address, length: Bytes, allowed: 'loads' | 'stores'): { done: Bytes; error: number } {
    const mode = UFFDIO_CONTINUE_MODE_DONTWAKE | (allowed === 'loads' ? UFFDIO_CONTINUE_MODE_WP : 0)
    const error = this.ask(UFFDIO_CONTINUE, start, length, mode)
    return { done: this.doneAt(3), error }
  }

  /** Lets stores to installed pages through, or stops them. Wakes nobody. */
  protect(start: Address, length: Bytes, allowed: 'loads' | 'stores'): void {
    // The mode that stops stores wakes nobody anyway, and takes no second bit.
    const mode = allowed === 'loads' ? UFFDIO_WRITEPROTECT_MODE_WP : UFFDIO_WRITEPROTECT_MODE_DONTWAKE
    const error = this.ask(UFFDIO_WRITEPROTECT, start, length, mode)
    if (error !== 0) throw new LinuxError('UFFDIO_WRITEPROTECT', error)
  }

  /** Threads that wait for the range try again. */
  wake(start: Address, length: Bytes): void {
    const error = this.ask(UFFDIO_WAKE, start, length, 0)
    if (error !== 0) throw new LinuxError('UFFDIO_WAKE', error)
  }

  close(): void {
    this.linux.close(this.fd)
  }

  /**
   * Makes pages of a memory file that it doesn't have, with bytes of this process, through a registered range. It takes no
   * lock of the file's. Wakes nobody. Returns how many bytes it did; it stops at a page that is there.
   */
  copy(target: Address, source: Address, length: Bytes): Bytes {
    // struct uffdio_copy: dst, src, len, mode, copy.
    this.ask(UFFDIO_COPY, target, source, length, UFFDIO_COPY_MODE_DONTWAKE)
    return this.doneAt(4)
  }

  /** The others take start, length, mode, and say what they did. */
  private ask(request: number, first: number, second: number, third: number, fourth = 0): number {
    this.set(0, first)
    this.set(1, second)
    this.set(2, third)
    this.set(3, fourth)
    this.set(4, 0)
    return this.linux.ioctl(this.fd, request, this.argument)
  }

  private set(at: number, value: number): void {
    this.argument[2 * at] = value
    this.argument[2 * at + 1] = value / WORD
  }

  /** A count of bytes that an ioctl has left, or 0 where it is -errno. */
  private doneAt(at: number): Bytes {
    const high = this.argument[2 * at + 1]! | 0
    return high < 0 ? 0 : high * WORD + this.argument[2 * at]!
  }
}

/** By the device where it may be opened, else by the system call. */
function open(linux: Linux): number {
  const flags = O_CLOEXEC | O_NONBLOCK
  const number = SYS_USERFAULTFD[process.arch]
  if (number === undefined) throw new NoUserfaultfd(`userfaultfd isn't known on ${process.arch}`)
  let device: number | undefined
  try {
    device = fs.openSync(DEVICE, fs.constants.O_RDWR)
    return linux.ioctlNew(device, USERFAULTFD_IOC_NEW, flags)
  } catch {
    // Whatever the device says, the system call may be allowed.
  } finally {
    if (device !== undefined) fs.closeSync(device)
  }
  try {
    return linux.syscall(number, flags)
  } catch (error) {
    throw new NoUserfaultfd(`userfaultfd can't be had: ${advice(error as LinuxError)}`, { cause: error })
  }
}

function advice({ code }: LinuxError): string {
  if (code === 'ENOSYS')
    return 'this kernel was built without it, or a container hides it (CONFIG_USERFAULTFD)'
  return (
    `${code}. Turn one of these: sysctl vm.unprivileged_userfaultfd=1; permission to read and write ${DEVICE};` +
    " in a container, a seccomp profile that allows userfaultfd (Docker's default blocks it)"
  )
}
