/**
 * The memory of a machine whose last frames are the blocks of a volume: a file of the host, mapped shared, so that what is
 * stored there is in the file at once, and on its disk once the file is flushed (or where it lies in memory, never).
 *
 *     0 … frames              memory of the machine          (a memory file)
 *     frames … + blocks       block 0, block 1, …            (the volume's data)
 *
 * Mapping is what Node can't do: it takes the package koffi, on Linux.
 */
import fs from 'node:fs'
import type { Bytes, Errno } from '../base/index.ts'
import { FaultlineError } from '../calls/index.ts'
import type { Device, Request } from '../device/index.ts'
import type { HostFile } from '../host/index.ts'
import { closeDescriptor } from '../host/index.ts'
import { type Address, Linux, LinuxError, NoFfi } from '../linux/index.ts'
import { placeOf } from '../store/index.ts'
import type { Region } from '../volume/index.ts'

export class DaxMemory {
  /** The file that is mapped. */
  readonly data: string
  readonly blocks: number
  readonly buffer: ArrayBuffer
  private readonly linux: Linux
  private readonly address: Address

  private constructor(linux: Linux, data: string, blocks: number, address: Address, length: Bytes) {
    this.linux = linux
    this.data = data
    this.blocks = blocks
    this.address = address
    this.buffer = linux.ffi.view(address, length)
  }

  /** `frames` of memory, and the blocks of the volume at `path`. */
  static map(path: string, frames: number, pageSize: Bytes): DaxMemory {
    const { data } = placeOf(path)
    try {
      return DaxMemory.begin(data, frames, pageSize)
    } catch (error) {
      if (!(error instanceof NoFfi || error instanceof LinuxError || isOfHost(error))) throw error
      const code = 'code' in error && typeof error.code === 'string' ? error.code : 'ENOSYS'
      throw new FaultlineError(code, 'start', `dax: ${data} can't be mapped: ${error.message}`, error)
    }
  }

  private static begin(data: string, frames: number, pageSize: Bytes): DaxMemory {
    const fd = fs.openSync(data, 'r+')
    try {
      const blocks = Math.floor(fs.fstatSync(fd).size / pageSize)
      if (blocks === 0)
        throw new FaultlineError('EINVAL', 'start', `dax: ${data} has no block; expected a volume's data`)
      const linux = new Linux()
      const memory = linux.memfd('faultline', frames * pageSize)
      try {
        const length = (frames + blocks) * pageSize
        const address = linux.mmap(memory, 0, length)
        linux.mmapOver(address + frames * pageSize, fd, 0, blocks * pageSize)
        return new DaxMemory(linux, data, blocks, address, length)
      } finally {
        linux.close(memory)
      }
    } finally {
      closeDescriptor(fd)
    }
  }

  /** Nothing may look at the memory any more. */
  unmap(): void {
    const { byteLength } = this.buffer
    this.buffer.transfer()
    this.linux.munmap(this.address, byteLength)
  }
}

/** A region whose bytes are a file's: it serves requests, and a flush is the host's. */
export class MappedRegion implements Device {
  readonly name: string
  readonly disk: string
  readonly region: Region
  private readonly host: HostFile

  constructor(region: Region, host: HostFile) {
    this.region = region
    this.host = host
    this.name = host.name
    this.disk = host.disk
  }

  get readOnly(): boolean {
    return this.host.readOnly
  }

  get length(): Bytes {
    return this.region.length
  }

  get onEnd(): Device['onEnd'] {
    return this.region.onEnd
  }

  set onEnd(told: (request: Request, error: Errno) => void) {
    this.region.onEnd = told
    this.host.onEnd = told
  }

  start(request: Request): void {
    const device = request.operation === 'flush' ? this.host : this.region
    device.start(request)
  }
}

function isOfHost(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'syscall' in error
}
