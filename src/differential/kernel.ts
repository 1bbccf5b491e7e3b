/**
 * The kernel's side: tracees map twins of the files, and do to them what the operations say. Loads and stores are calls
 * that copy between the arena and a file in memory, its image, at the same place: they stop at the first page that can't
 * be touched, and say how far they came.
 */
import fs from 'node:fs'
import type { Bytes } from '../base/index.ts'
import type { Address } from '../linux/index.ts'
import {
  AT_FDCWD,
  MADV_DONTNEED_LOCKED,
  MADVICE,
  MAP_FIXED_NOREPLACE,
  MAP_POPULATE,
  MREMAP_DONTUNMAP,
  MREMAP_FIXED,
  MREMAP_MAYMOVE,
  type SystemCall,
} from './abi.ts'
import type { FilesystemName } from './differences.ts'
import { type Operation, PAGE, PAGES_BEFORE_TABLE_EDGE, PROCESSES_MAX, pattern, SEEN } from './operations.ts'
import type { Outcome, Run, Side, View, VmaView } from './side.ts'
import { Smaps } from './smaps.ts'
import type { Tracee, Tracer } from './tracee.ts'
import { done, failed } from './words.ts'

/** An edge between two page tables of the hardware, which lies inside the arena. */
const TABLE_EDGE: Address = 0x100000000000
const ARENA_ADDRESS: Address = TABLE_EDGE - PAGES_BEFORE_TABLE_EDGE * PAGE
/** Where each process has a page for paths and answers, and one for lists of calls. All of them and we share both. */
const SCRATCH: Address = 0x200000000000
const LIST: Address = SCRATCH + PAGE
const SCRATCH_BYTES = 2 * PAGE
const MAP_SHARED = 1
const MAP_PRIVATE = 2
const MAP_FIXED = 0x10
const MAP_ANONYMOUS = 0x20
/** Without it Linux counts what it has promised, and keeps apart what is counted from what isn't. */
const MAP_NORESERVE = 0x4000

interface Twin {
  readonly path: string
  readonly fd: number
  /** In every process: for both, and for loads alone. */
  readonly rw: number
  readonly ro: number
}

export class Kernel implements Side {
  private readonly tracer: Tracer
  private readonly filesystem: FilesystemName
  /** Whether a process has ever forked, lazily freed, paged out, or taken every right away. */
  forked = false
  freed = false
  pagedOut = false
  hidden = false
  private readonly alive: Tracee[]
  private readonly twins: Twin[]
  /** The arena's image, which loads fill and stores are taken from. */
  private readonly imageFd: number
  private readonly image: Uint8Array
  private readonly imageAddress: Address
  private readonly imageInside: number
  private readonly scratch: Uint8Array
  private readonly list: BigInt64Array
  private readonly smaps = new Map<Tracee, Smaps>()
  private readonly scratchAddress: Address
  private readonly scratchFd: number
  private readonly text = new Uint8Array(256 * 1024)
  private readonly entries = new BigUint64Array(SEEN)

  constructor(tracer: Tracer, filesystem: FilesystemName, paths: readonly string[]) {
    const { linux } = tracer
    this.tracer = tracer
    this.filesystem = filesystem
    this.imageFd = linux.memfd('image', SEEN * PAGE)
    this.imageAddress = linux.mmap(this.imageFd, 0, SEEN * PAGE)
    this.image = new Uint8Array(linux.ffi.view(this.imageAddress, SEEN * PAGE))
    this.scratchFd = linux.memfd('scratch', SCRATCH_BYTES)
    this.scratchAddress = linux.mmap(this.scratchFd, 0, SCRATCH_BYTES)
    const shared = linux.ffi.view(this.scratchAddress, SCRATCH_BYTES)
    this.scratch = new Uint8Array(shared, 0, PAGE)
    this.list = new BigInt64Array(shared, PAGE, PAGE / 8)
    const root = tracer.begin()
    this.alive = [root]
    const bare = root.call('mmap', SCRATCH, PAGE, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0)
    if (bare !== SCRATCH) throw new Error(`the process of the comparison can't map: ${bare}`)
    const scratchInside = this.open(root, `/proc/${process.pid}/fd/${this.scratchFd}`, fs.constants.O_RDWR)
    root.call('mmap', SCRATCH, SCRATCH_BYTES, 3, MAP_SHARED | MAP_FIXED, scratchInside, 0)
    this.imageInside = this.open(root, `/proc/${process.pid}/fd/${this.imageFd}`, fs.constants.O_RDWR)
    this.twins = paths.map(path => ({
      path,
      fd: fs.openSync(path, 'r+'),
      rw: this.open(root, path, fs.constants.O_RDWR),
      ro: this.open(root, path, fs.constants.O_RDONLY),
    }))
  }

  get processes(): number {
    return this.alive.length
  }

  perform(operation: Operation): Outcome {
    switch (operation.name) {
      case 'load':
        return this.access('pwrite64', operation.process, operation.at, operation.length)
      case 'store':
        this.image.set(pattern(operation.value, operation.length), operation.at)
        return {
          ...this.access('pread64', operation.process, operation.at, operation.length),
          bytes: undefined,
        }
      case 'read':
        return this.read(operation.file, operation.at, operation.length)
      case 'write':
        return this.write(operation.file, operation.at, pattern(operation.value, operation.length))
      case 'truncate':
        fs.ftruncateSync(this.twins[operation.file]!.fd, operation.size)
        return done
      case 'punch':
        this.tracer.linux.punch(this.twins[operation.file]!.fd, operation.at, operation.length)
        return done
      case 'sync':
        fs.fsyncSync(this.twins[operation.file]!.fd)
        return done
      case 'fork':
        return this.fork(operation.process)
      case 'exit':
        return this.exit(operation.process)
      case 'look':
        return done
      default:
        return this.change(operation)
    }
  }

  sizeOf(file: number): Bytes {
    return fs.fstatSync(this.twins[file]!.fd).size
  }

  view(process: number): View {
    const tracee = this.processAt(process)
    const vmas = this.smapsOf(tracee).parse(this.proc(tracee, 'smaps'))
    return { vmas, present: this.present(tracee), resident: this.resident(tracee, vmas) }
  }

  bytes(process: number, runs: readonly Run[]): readonly Uint8Array[] {
    const calls = runs.map(([start, end]) => {
      const [at, length] = [start * PAGE, (end - start) * PAGE]
      return ['pwrite64', this.imageInside, ARENA_ADDRESS + at, length, at] as const
    })
    const results = this.processAt(process).calls(this.list, LIST, calls)
    return runs.map(([start, end], at) => {
      if (results[at] !== (end - start) * PAGE)
        throw new Error(`pages ${start} to ${end} are mapped, and a load says ${results[at]}`)
      return this.image.subarray(start * PAGE, end * PAGE)
    })
  }

  touch(process: number, pages: readonly number[]): void {
    const at = (page: number) => page * PAGE
    const calls = pages.map(
      page => ['pwrite64', this.imageInside, ARENA_ADDRESS + at(page), 1, at(page)] as const,
    )
    this.processAt(process).calls(this.list, LIST, calls)
  }

  drop(process: number, pages: readonly number[]): void {
    const calls = pages.map(
      page => ['madvise', ARENA_ADDRESS + page * PAGE, PAGE, MADV_DONTNEED_LOCKED] as const,
    )
    this.processAt(process).calls(this.list, LIST, calls)
  }

  content(file: number): { readonly size: Bytes; readonly bytes: Uint8Array } {
    const bytes = fs.readFileSync(this.twins[file]!.path)
    return { size: bytes.length, bytes }
  }

  end(): void {
    for (const tracee of this.alive) tracee.exit()
    for (const { fd } of this.twins) fs.closeSync(fd)
    const { linux } = this.tracer
    linux.munmap(this.imageAddress, SEEN * PAGE)
    linux.munmap(this.scratchAddress, SCRATCH_BYTES)
    linux.close(this.imageFd)
    linux.close(this.scratchFd)
  }

  private processAt(process: number): Tracee {
    return this.alive[process % this.alive.length]!
  }

  private open(tracee: Tracee, path: string, flags: number): number {
    this.tell(tracee, `${path}\0`)
    const fd = tracee.call('openat', AT_FDCWD, SCRATCH, flags)
    if (fd < 0) throw new Error(`the process of the comparison can't open ${path}: errno ${-fd}`)
    return fd
  }

  /** A path, where the process can read it. */
  private tell(tracee: Tracee, text: string): void {
    const memory = fs.openSync(`/proc/${tracee.pid}/mem`, 'r+')
    fs.writeSync(memory, Buffer.from(text), 0, text.length, SCRATCH)
    fs.closeSync(memory)
  }

  private access(call: 'pread64' | 'pwrite64', process: number, at: Bytes, length: Bytes): Outcome {
    const result = this.processAt(process).call(call, this.imageInside, ARENA_ADDRESS + at, length, at)
    if (result < 0) return failed(call === 'pwrite64' ? 'load' : 'store', -result)
    return { said: `${result} bytes`, bytes: this.image.slice(at, at + result) }
  }

  private read(file: number, at: Bytes, length: Bytes): Outcome {
    const bytes = new Uint8Array(length)
    const { fd } = this.twins[file]!
    const read = fs.readSync(fd, bytes, 0, length, at)
    // tmpfs reads holes without making pages: the row "holes of tmpfs". Here they are made, as elsewhere.
    if (this.filesystem === 'tmpfs')
      for (let byte = 0; byte < read; byte += PAGE - ((at + byte) % PAGE))
        fs.writeSync(fd, bytes, byte, 1, at + byte)
    return { said: `${read} bytes`, bytes: bytes.subarray(0, read) }
  }

  /** Page by page, or the filesystem makes one folio of many, which is dirty as a whole. */
  private write(file: number, at: Bytes, bytes: Uint8Array): Outcome {
    for (let from = 0; from < bytes.length; ) {
      const to = Math.min(bytes.length, from + PAGE - ((at + from) % PAGE))
      fs.writeSync(this.twins[file]!.fd, bytes, from, to - from, at + from)
      from = to
    }
    return { said: `${bytes.length} bytes`, bytes: undefined }
  }

  private fork(process: number): Outcome {
    if (this.alive.length === PROCESSES_MAX) return done
    this.forked = true
    this.alive.push(this.processAt(process).fork())
    return done
  }

  private exit(process: number): Outcome {
    if (this.alive.length === 1) return done
    const [leaving] = this.alive.splice(process % this.alive.length, 1)
    leaving!.exit()
    return done
  }

  private change(operation: Extract<Operation, { readonly pages: number }>): Outcome {
    const tracee = this.processAt(operation.process)
    const address = ARENA_ADDRESS + operation.page * PAGE
    const length = operation.pages * PAGE
    const call = (name: SystemCall, ...more: readonly number[]): Outcome => {
      const result = tracee.call(name, address, length, ...more)
      return result < 0 ? failed(name, -result) : done
    }
    switch (operation.name) {
      case 'map':
        return call('mmap', operation.prot, ...this.mmapArguments(operation))
      case 'unmap':
        return call('munmap')
      case 'protect':
        if (operation.prot === 0) this.hidden = true
        return call('mprotect', operation.prot)
      case 'remap':
        return this.remap(tracee, operation, address, length)
      case 'advise':
        if (operation.advice === 'free') this.freed = true
        if (operation.advice === 'pageout') this.pagedOut = true
        return call('madvise', MADVICE[operation.advice])
      case 'msync':
        return call('msync', operation.flags)
      case 'lock':
        return call('mlock')
      case 'unlock':
        return call('munlock')
    }
  }

  private mmapArguments(operation: Extract<Operation, { readonly name: 'map' }>): readonly number[] {
    const { what, share, where, touched, opened, offset } = operation
    const flags =
      (share === 'shared' ? MAP_SHARED : MAP_PRIVATE) |
      (where === 'fixed' ? MAP_FIXED : MAP_FIXED_NOREPLACE) |
      (touched === 'populated' ? MAP_POPULATE : 0) |
      (what === 'anonymous' ? MAP_ANONYMOUS : 0) |
      MAP_NORESERVE
    return what === 'anonymous' ? [flags, -1, 0] : [flags, this.twins[what]![opened], offset * PAGE]
  }

  /** What has moved to where the kernel likes is moved back into the arena, so that both sides have the same addresses. */
  private remap(
    tracee: Tracee,
    operation: Extract<Operation, { readonly name: 'remap' }>,
    address: Address,
    length: Bytes,
  ): Outcome {
    const { where, old, newPages } = operation
    const flags =
      (where === 'stays' ? 0 : MREMAP_MAYMOVE) |
      (typeof where === 'object' ? MREMAP_FIXED : 0) |
      (old === 'stays mapped' ? MREMAP_DONTUNMAP : 0)
    const to = typeof where === 'object' ? ARENA_ADDRESS + where.fixed * PAGE : 0
    const result = tracee.call('mremap', address, length, newPages * PAGE, flags, to)
    if (result < 0) return failed('mremap', -result)
    if (result === address) return { said: 'where it was', bytes: undefined }
    if (typeof where === 'object') return done
    const size = newPages * PAGE
    const back = tracee.call('mremap', result, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, ARENA_ADDRESS)
    return back < 0 ? failed('mremap back', -back) : { said: 'moved', bytes: undefined }
  }

  private proc(tracee: Tracee, name: 'maps' | 'smaps'): string {
    const length = tracee.proc(name, this.text, 0)
    return Buffer.from(this.text.buffer, 0, length).toString('latin1')
  }

  private present(tracee: Tracee): string {
    const { entries } = this
    tracee.proc('pagemap', new Uint8Array(entries.buffer), (ARENA_ADDRESS / PAGE) * 8)
    let digits = ''
    for (const entry of entries) digits += entry >> 63n === 0n ? '-' : (entry >> 61n) & 1n ? 'f' : 'a'
    return digits
  }

  /** One mincore for each run of VMAs without a hole, each answer at its own place. */
  private resident(tracee: Tracee, vmas: readonly VmaView[]): string {
    const runs: [number, number][] = []
    for (const { start, end } of vmas) {
      const last = runs.at(-1)
      if (last?.[1] === start) last[1] = end
      else runs.push([start, end])
    }
    const calls = runs.map(
      ([start, end]) =>
        ['mincore', ARENA_ADDRESS + start * PAGE, (end - start) * PAGE, SCRATCH + start] as const,
    )
    tracee.calls(this.list, LIST, calls)
    const pages = new Array<string>(SEEN).fill('.')
    for (const [start, end] of runs)
      for (let page = start; page < Math.min(end, SEEN); page++) pages[page] = String(this.scratch[page]! & 1)
    return pages.join('')
  }

  private smapsOf(tracee: Tracee): Smaps {
    let smaps = this.smaps.get(tracee)
    if (smaps === undefined) {
      smaps = new Smaps(ARENA_ADDRESS)
      this.smaps.set(tracee, smaps)
    }
    return smaps
  }
}
