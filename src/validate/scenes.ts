/**
 * How each fault is brought about on the kernel: what is made ready, what makes it wait, the fault itself, and what is
 * put back. Nothing here is timed; kernel.ts says when what happens.
 *
 * Invariants
 *   WX1 `end` puts everything back, however far `prepare` came: limits, the swap file, a frozen filesystem.
 */
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { type Filesystem, MADVICE, NotHere, type Tracee, type Tracer } from '../differential/index.ts'
import { type FaultName, FULL_PAGES, PAGE_BYTES, PAGES, rateFor, WAIT_MS } from './experiments.ts'
import { LimitedGroup, MemoryGroup, memoryVersion } from './groups.ts'

/** The mapping that the fault is in, one beside it, and where mremap goes. */
export const TARGET = 0x100000000000
export const BESIDE = 0x110000000000
export const ELSEWHERE = 0x120000000000
const PATHS = 0x130000000000
const FULL = 0x140000000000
const PATH_BYTES = 64 * 1024
const LENGTH = PAGES * PAGE_BYTES
const SHARED = 1
const PRIVATE = 2
const FIXED = 0x10
const ANONYMOUS = 0x20
const READ_WRITE = 3
const FIFREEZE = 0xc0045877
const FITHAW = 0xc0045878
const FADV_DONTNEED = 4
const SYNC_FILE_RANGE_WRITE = 2
const SWAP_BYTES = 2 ** 20
const SWAPPED_TRIES = 100

/** What a file is, when it is mapped. */
type Contents = 'in memory' | 'not in memory'

export abstract class Scene {
  readonly tracer: Tracer
  readonly victim: Tracee
  protected readonly filesystem: Filesystem
  protected readonly name: string
  /** Of the file, in the victim. */
  protected fd = -1
  /** When its device was limited, by performance.now: what has been earned since counts. */
  limitedAt: number | undefined

  constructor(tracer: Tracer, filesystem: Filesystem) {
    this.tracer = tracer
    this.filesystem = filesystem
    this.name = path.join(filesystem.directory, 'data')
    this.victim = tracer.begin()
  }

  abstract prepare(): void
  /** What makes the fault wait, just before it. */
  abstract begin(): void
  abstract fault(): void
  /** What may still be waited for is let go. */
  abstract end(): void

  /** When the victim has gone. */
  leave(): void {
    fs.rmSync(this.name, { force: true })
  }

  /** The thread that makes the call beside the fault. */
  admit(_caller: Tracee): void {
    // Most experiments don't mind where it belongs.
  }

  /** Milliseconds from the beginning after which `release` is called; undefined: the wait ends by itself. */
  get releaseAt(): number | undefined {
    return undefined
  }

  release(): void {
    // A limit lets go by itself.
  }

  protected mapFile(contents: Contents, pages = PAGES): void {
    fs.writeFileSync(this.name, Buffer.alloc(pages * PAGE_BYTES, 1))
    const fd = fs.openSync(this.name, 'r')
    fs.fsyncSync(fd)
    fs.closeSync(fd)
    mapPaths(this.victim)
    this.fd = openIn(this.victim, this.name, fs.constants.O_RDWR)
    this.map(TARGET, SHARED, this.fd)
    this.map(BESIDE, PRIVATE | ANONYMOUS, -1)
    if (contents === 'in memory') this.victim.call('madvise', TARGET, LENGTH, MADVICE.populateRead)
    else this.victim.call('fadvise64', this.fd, 0, 0, FADV_DONTNEED)
  }

  protected map(address: number, flags: number, fd: number, length = LENGTH): void {
    const result = this.victim.call('mmap', address, length, READ_WRITE, flags | FIXED, fd, 0)
    if (result !== address) throw new Error(`mmap of the experiment failed: errno ${-result}`)
  }

  protected limited(): LimitedGroup {
    const { rdev } = fs.statSync(this.filesystem.device!)
    const group = new LimitedGroup(`${rdev >> 8}:${rdev & 255}`)
    group.add(this.victim.pid)
    return group
  }
}

class Frozen extends Scene {
  private directory = -1
  private isFrozen = false

  override get releaseAt(): number {
    return WAIT_MS
  }

  prepare(): void {
    this.mapFile('in memory')
    this.directory = fs.openSync(this.filesystem.directory, 'r')
    fs.fsyncSync(this.directory)
  }

  begin(): void {
    this.freeze(FIFREEZE)
    this.isFrozen = true
  }

  fault(): void {
    this.tracer.stores(this.victim.pid, TARGET)
  }

  override release(): void {
    this.freeze(FITHAW)
    this.isFrozen = false
  }

  end(): void {
    if (this.isFrozen) this.release()
    if (this.directory !== -1) fs.closeSync(this.directory)
  }

  private freeze(request: number): void {
    const error = this.tracer.linux.ioctl(this.directory, request, null)
    if (error !== 0) throw new Error(`the filesystem can't be frozen or thawed: errno ${error}`)
  }
}

abstract class Limited extends Scene {
  protected group: LimitedGroup | undefined

  protected limit(direction: 'read' | 'write', bytesPerSecond: number): void {
    this.group!.limit(direction, bytesPerSecond)
    this.limitedAt = performance.now()
  }

  end(): void {
    this.group?.lift()
  }

  override leave(): void {
    super.leave()
    this.group?.remove()
  }
}

class Writeback extends Limited {
  prepare(): void {
    this.mapFile('in memory')
    this.group = this.limited()
    for (let page = 0; page < PAGES; page++)
      this.victim.call('pwrite64', this.fd, TARGET, 1, page * PAGE_BYTES)
    this.limit('write', rateFor(LENGTH))
  }

  begin(): void {
    this.victim.call('sync_file_range', this.fd, 0, 0, SYNC_FILE_RANGE_WRITE)
  }

  fault(): void {
    this.tracer.stores(this.victim.pid, TARGET)
  }
}

class Read extends Limited {
  prepare(): void {
    this.mapFile('not in memory')
    this.group = this.limited()
    this.limit('read', rateFor(PAGE_BYTES))
  }

  begin(): void {
    // The limit is there.
  }

  fault(): void {
    this.tracer.loads(this.victim.pid, TARGET)
  }
}

class SwapIn extends Limited {
  private memory: MemoryGroup | undefined
  private swap: string | undefined
  private readonly leaveSwap = () => this.swapOff()

  prepare(): void {
    mapPaths(this.victim)
    // What the victim runs on and is told by stays in memory.
    this.victim.call('mlock', this.tracer.stubOf(this.victim.pid), PAGE_BYTES)
    this.victim.call('mlock', PATHS, PAGE_BYTES)
    this.memory = new MemoryGroup()
    this.memory.add(this.victim.pid)
    this.group = this.limited()
    this.map(TARGET, PRIVATE | ANONYMOUS, -1)
    this.map(BESIDE, PRIVATE | ANONYMOUS, -1)
    this.swapOn()
    // Of a page of zeros the kernel would only note that it is one.
    writeIn(this.victim, TARGET, Buffer.alloc(PAGE_BYTES, 1))
    // It is written by the advice, and leaves the swap cache when the group is reclaimed.
    this.victim.call('madvise', TARGET, PAGE_BYTES, MADVICE.pageout)
    for (let tries = 0; this.isInMemory(); tries++) {
      if (tries === SWAPPED_TRIES) throw new NotHere('the kernel doesn’t swap a page out when it is told to')
      this.memory.empty()
    }
    this.limit('read', rateFor(PAGE_BYTES))
  }

  begin(): void {
    // The limit is there.
  }

  fault(): void {
    this.tracer.loads(this.victim.pid, TARGET)
  }

  override end(): void {
    super.end()
    this.swapOff()
  }

  override leave(): void {
    super.leave()
    this.memory?.remove()
  }

  /** In the page table, or in the swap cache. */
  private isInMemory(): boolean {
    this.victim.call('mincore', TARGET, PAGE_BYTES, PATHS)
    const answer = Buffer.alloc(1)
    const memory = fs.openSync(`/proc/${this.victim.pid}/mem`, 'r')
    fs.readSync(memory, answer, 0, 1, PATHS)
    fs.closeSync(memory)
    return (answer[0]! & 1) === 1
  }

  private swapOn(): void {
    const name = path.join(this.filesystem.directory, 'swap')
    fs.writeFileSync(name, '', { mode: 0o600 })
    if (this.filesystem.name === 'btrfs') execFileSync('chattr', ['+C', name])
    const fd = fs.openSync(name, 'r+')
    fs.writeSync(fd, Buffer.alloc(SWAP_BYTES))
    fs.fsyncSync(fd)
    fs.closeSync(fd)
    execFileSync('mkswap', [name], { stdio: 'ignore' })
    this.swap = name
    process.on('exit', this.leaveSwap)
    execFileSync('swapon', [name], { stdio: 'pipe' })
  }

  private swapOff(): void {
    if (this.swap === undefined) return
    process.off('exit', this.leaveSwap)
    try {
      execFileSync('swapoff', [this.swap], { stdio: 'pipe' })
    } finally {
      fs.rmSync(this.swap, { force: true })
      this.swap = undefined
    }
  }
}

class Reclaim extends Limited {
  private memory: MemoryGroup | undefined

  prepare(): void {
    if (memoryVersion() !== 1)
      throw new NotHere(
        'reclaim of a cgroup waits for what is being written in version 1 of cgroups only; this kernel has its memory controller in version 2',
      )
    const bytes = FULL_PAGES * PAGE_BYTES
    fs.writeFileSync(this.name, '')
    mapPaths(this.victim)
    this.memory = new MemoryGroup()
    this.memory.add(this.victim.pid)
    this.group = this.limited()
    this.fd = openIn(this.victim, this.name, fs.constants.O_RDWR)
    this.map(TARGET, PRIVATE | ANONYMOUS, -1, bytes)
    this.map(BESIDE, PRIVATE | ANONYMOUS, -1)
    this.victim.call('madvise', TARGET, PAGE_BYTES, MADVICE.populateWrite)
    this.map(FULL, PRIVATE | ANONYMOUS, -1, PAGE_BYTES)
    for (let page = 0; page < FULL_PAGES; page++)
      this.victim.call('pwrite64', this.fd, FULL, PAGE_BYTES, page * PAGE_BYTES)
    this.limit('write', rateFor(bytes))
  }

  override admit(caller: Tracee): void {
    this.memory!.exempt(caller.pid)
  }

  begin(): void {
    this.victim.call('sync_file_range', this.fd, 0, 0, SYNC_FILE_RANGE_WRITE)
    this.memory!.closeLimit()
  }

  fault(): void {
    this.tracer.fills(this.victim.pid, TARGET, FULL_PAGES * PAGE_BYTES)
  }

  override leave(): void {
    super.leave()
    this.memory?.remove()
  }
}

const SCENES = {
  frozen: Frozen,
  writeback: Writeback,
  read: Read,
  'swap-in': SwapIn,
  reclaim: Reclaim,
} as const satisfies Record<FaultName, unknown>

export function sceneOf(fault: FaultName, tracer: Tracer, filesystem: Filesystem): Scene {
  return new SCENES[fault](tracer, filesystem)
}

/** Where a tracee has paths and answers. */
export function mapPaths(tracee: Tracee): void {
  tracee.call('mmap', PATHS, PATH_BYTES, READ_WRITE, PRIVATE | ANONYMOUS | FIXED, -1, 0)
}

export const ANSWER = { address: PATHS, bytes: PATH_BYTES } as const

export function openIn(tracee: Tracee, name: string, flags: number): number {
  writeIn(tracee, PATHS, Buffer.from(`${name}\0`))
  const fd = tracee.call('openat', -100, PATHS, flags)
  if (fd < 0) throw new Error(`${name} can't be opened: errno ${-fd}`)
  return fd
}

function writeIn(tracee: Tracee, address: number, bytes: Uint8Array): void {
  const memory = fs.openSync(`/proc/${tracee.pid}/mem`, 'r+')
  fs.writeSync(memory, bytes, 0, bytes.length, address)
  fs.closeSync(memory)
}
