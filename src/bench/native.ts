/** What Node doesn't offer and a bench compares with: mmap of the host, and dropping a file from the host's page cache. */
import fs from 'node:fs'
import koffi from 'koffi'
import type { Bytes } from '../base/index.ts'
import { Skipped } from './measure.ts'

const PROT_READ = 1
const PROT_WRITE = 2
const MAP_SHARED = 1
const MADV = { normal: 0, random: 1, sequential: 2 } as const
const MS_SYNC = 4
const POSIX_FADV_DONTNEED = 4
const MAP_FAILED = 0xffff_ffff_ffff_ffffn

export interface NativeMap {
  readonly bytes: Uint8Array
  /** Writes what was stored to the device. */
  sync(): void
  /** Nothing may touch `bytes` any more. */
  unmap(): void
}

export interface NativeOptions {
  /** As the other side is advised: `random` reads what is touched and no more. */
  readonly advice?: keyof typeof MADV
  readonly stores?: true
}

export class Native {
  private readonly mmap
  private readonly munmap
  private readonly madvise
  private readonly msync
  private readonly fadvise

  constructor() {
    if (process.platform !== 'linux') throw new Skipped('native mmap is called through libc on Linux only')
    const libc = koffi.load('libc.so.6')
    this.mmap = libc.func('void *mmap(void *, size_t, int, int, int, int64_t)')
    this.munmap = libc.func('int munmap(void *, size_t)')
    this.madvise = libc.func('int madvise(void *, size_t, int)')
    this.msync = libc.func('int msync(void *, size_t, int)')
    this.fadvise = libc.func('int posix_fadvise(int, int64_t, int64_t, int)')
  }

  /** Maps a file shared, as its pages are asked for: for loads alone and advised `random` if left out. */
  map(path: string, length: Bytes, { advice = 'random', stores }: NativeOptions = {}): NativeMap {
    const fd = fs.openSync(path, stores ? 'r+' : 'r')
    const prot = stores ? PROT_READ | PROT_WRITE : PROT_READ
    const address: bigint = this.mmap(null, length, prot, MAP_SHARED, fd, 0)
    fs.closeSync(fd)
    if (address === MAP_FAILED) throw new Error(`mmap of ${path} failed with errno ${koffi.errno()}`)
    this.madvise(address, length, MADV[advice])
    return {
      bytes: new Uint8Array(koffi.view(address, length)),
      sync: () => {
        if (this.msync(address, length, MS_SYNC) !== 0)
          throw new Error(`msync of ${path} failed with errno ${koffi.errno()}`)
      },
      unmap: () => this.munmap(address, length),
    }
  }

  /** Drops the file's clean pages from the host's page cache. No mapping of it may be left. */
  dropCache(path: string): void {
    const fd = fs.openSync(path, 'r')
    fs.fsyncSync(fd)
    const error: number = this.fadvise(fd, 0, 0, POSIX_FADV_DONTNEED)
    fs.closeSync(fd)
    if (error !== 0) throw new Error(`posix_fadvise of ${path} failed with errno ${error}`)
  }
}
