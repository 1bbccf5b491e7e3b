/** Our side: the engine over files of the same filesystem, driven until each operation has ended. */
import fs from 'node:fs'
import { type Bytes, type Errno, errno, ROOT } from '../base/index.ts'
import { type CachedFile, copyArgs, syncArgs, truncateArgs } from '../cache/index.ts'
import { Engine } from '../engine/index.ts'
import { LinearFile, RamFile } from '../fs/index.ts'
import type { Linux } from '../linux/index.ts'
import { newReadState, newVmFault } from '../memmap/index.ts'
import { faultArgs, type OpenFile, type Space, ZERO_PAGE } from '../mm/index.ts'
import { frameOf, LOAD, PRESENT, STORE } from '../mmu/index.ts'
import { type ProcFile, procArgs } from '../proc/index.ts'
import type { Verb } from '../sched/index.ts'
import {
  bringing,
  bringingAsWritable,
  mremapArgs,
  msyncArgs,
  populateArgs,
  residentPages,
} from '../space/index.ts'
import { MSYNC } from './abi.ts'
import { DirectDevice } from './direct-device.ts'
import {
  FILE_PAGES,
  type Operation,
  PAGE,
  PAGES_BEFORE_TABLE_EDGE,
  PROCESSES_MAX,
  pattern,
  SEEN,
} from './operations.ts'
import type { Outcome, Run, Side, View } from './side.ts'
import { Smaps } from './smaps.ts'
import { done, failed } from './words.ts'

/** The page of the space where the arena begins: an edge between page tables lies where the kernel's side has one. */
const FIRST = 1024 - PAGES_BEFORE_TABLE_EDGE
const FRAMES = 1024
const ATTEMPTS_MAX = 100_000

interface OurFile {
  readonly path: string
  readonly fd: number
  readonly file: CachedFile
  readonly rw: OpenFile
  readonly ro: OpenFile
}

export class Ours implements Side {
  readonly engine: Engine
  private readonly alive: Space[]
  private readonly files: OurFile[]
  private readonly devices: DirectDevice[] = []
  private readonly smaps = new Map<Space, Smaps>()
  private time = 0
  private spaces = 0

  constructor(linux: Linux, paths: readonly string[]) {
    this.engine = new Engine({
      driver: { now: () => this.time, wake() {} },
      buffer: new ArrayBuffer((FRAMES + 1) * PAGE),
      pageSize: PAGE,
      readAheadBytes: 0,
    })
    this.alive = [this.engine.mm.createSpace(this.plan())]
    this.files = paths.map(path => this.open(linux, path))
  }

  get processes(): number {
    return this.alive.length
  }

  perform(operation: Operation): Outcome {
    switch (operation.name) {
      case 'load':
        return this.access('load', operation.process, operation.at, operation.length, undefined)
      case 'store': {
        const bytes = pattern(operation.value, operation.length)
        return this.access('store', operation.process, operation.at, operation.length, bytes)
      }
      case 'read':
        return this.read(operation.file, operation.at, operation.length)
      case 'write':
        return this.write(operation.file, operation.at, pattern(operation.value, operation.length))
      case 'truncate': {
        const { file } = this.files[operation.file]!
        return this.said('truncate', this.run(this.engine.verbs.truncate, truncateArgs(file, operation)))
      }
      case 'punch': {
        const { file } = this.files[operation.file]!
        const change = { position: operation.at, length: operation.length }
        return this.said('punch', this.run(this.engine.verbs.truncate, truncateArgs(file, change)))
      }
      case 'sync':
        return this.sync(operation.file)
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

  view(process: number): View {
    const space = this.spaceAt(process)
    const vmas = this.smapsOf(space).parse(this.proc(space, 'smaps'))
    let present = ''
    for (let page = 0; page < SEEN; page++) present += this.letter(space.table.get(FIRST + page))
    const pages = new Array<string>(SEEN).fill('.')
    for (const { start, end } of vmas)
      for (let page = start; page < Math.min(end, SEEN); page++) pages[page] = '0'
    for (const vpn of residentPages(space, FIRST, FIRST + SEEN)) pages[vpn - FIRST] = '1'
    return { vmas, present, resident: pages.join('') }
  }

  bytes(process: number, runs: readonly Run[]): readonly Uint8Array[] {
    return runs.map(([start, end]) => {
      const { said, bytes } = this.access('load', process, start * PAGE, (end - start) * PAGE, undefined)
      if (bytes === undefined) throw new Error(`pages ${start} to ${end} are mapped, and a load says ${said}`)
      return bytes
    })
  }

  touch(process: number, pages: readonly number[]): void {
    for (const page of pages) this.access('load', process, page * PAGE, 1, undefined)
  }

  drop(process: number, pages: readonly number[]): void {
    const space = this.spaceAt(process)
    for (const page of pages) {
      const frame = frameOf(space.table.get(FIRST + page))
      if (!this.engine.mm.rmap.isAnonymous(frame)) this.engine.mm.rmap.setEntry(space, FIRST + page, 0)
    }
  }

  content(file: number): { readonly size: Bytes; readonly bytes: Uint8Array } {
    const bytes = fs.readFileSync(this.files[file]!.path)
    return { size: bytes.length, bytes }
  }

  sync(file: number): Outcome {
    const each = this.files[file]!
    return this.said('fsync', this.run(this.engine.verbs.sync, syncArgs(each.file, 0, Infinity, each.rw)))
  }

  end(): void {
    for (const space of this.alive) this.run(this.engine.verbs.exit, { space })
    for (const { fd } of this.files) fs.closeSync(fd)
  }

  private smapsOf(space: Space): Smaps {
    let smaps = this.smaps.get(space)
    if (smaps === undefined) {
      smaps = new Smaps(FIRST * PAGE)
      this.smaps.set(space, smaps)
    }
    return smaps
  }

  private letter(entry: number): '-' | 'a' | 'f' {
    if ((entry & PRESENT) === 0) return '-'
    const frame = frameOf(entry)
    return frame === ZERO_PAGE || this.engine.mm.rmap.isAnonymous(frame) ? 'a' : 'f'
  }

  private spaceAt(process: number): Space {
    return this.alive[process % this.alive.length]!
  }

  private plan() {
    return { name: `space ${++this.spaces}`, group: ROOT, commandLine: '' }
  }

  /** A file whose pages are in memory, as those of a file that was just written. */
  private open(linux: Linux, path: string): OurFile {
    const name = path.slice(path.lastIndexOf('/') + 1)
    const fd = fs.openSync(path, 'r+')
    const device = new DirectDevice(name, fd, (fd, position, length) => linux.punch(fd, position, length))
    this.devices.push(device)
    const { io, memory, cache, verbs } = this.engine
    const backing = new LinearFile(device, io, memory, { stablePages: false, spaceFor: FILE_PAGES })
    const file = cache.add(name, FILE_PAGES * PAGE, backing)
    const opened = (readOnly: boolean): OpenFile => ({
      file,
      read: newReadState('normal'),
      readOnly,
      mappings: 0,
      seen: 0,
    })
    const made = { path, fd, file, rw: opened(false), ro: opened(true) }
    this.run(verbs.read, copyArgs(file, 0, new Uint8Array(FILE_PAGES * PAGE), made.rw.read))
    return made
  }

  private access(
    access: 'load' | 'store',
    process: number,
    at: Bytes,
    length: Bytes,
    stored: Uint8Array | undefined,
  ): Outcome {
    const space = this.spaceAt(process)
    const bytes = stored ?? new Uint8Array(length)
    let moved = 0
    while (moved < length) {
      const vpn = FIRST + Math.floor((at + moved) / PAGE)
      const inPage = (at + moved) % PAGE
      const part = Math.min(length - moved, PAGE - inPage)
      if (this.fault(space, vpn, access) !== errno.OK) break
      const frame = this.engine.memory.frames.bytes(frameOf(space.table.get(vpn)))
      if (access === 'load') bytes.set(frame.subarray(inPage, inPage + part), moved)
      else frame.set(bytes.subarray(moved, moved + part), inPage)
      moved += part
    }
    // A page that can't be touched is a signal, or EFAULT of the call that meets it.
    if (moved === 0) return failed(access, errno.EFAULT)
    return { said: `${moved} bytes`, bytes: access === 'load' ? bytes.subarray(0, moved) : undefined }
  }

  private fault(space: Space, vpn: number, access: 'load' | 'store'): Errno {
    if ((space.table.get(vpn) & (access === 'load' ? LOAD : STORE)) !== 0) return errno.OK
    const fault = newVmFault(vpn, access, ROOT, this.time)
    return this.run(this.engine.verbs.fault, faultArgs(space, fault, 'go on'))
  }

  private read(file: number, at: Bytes, length: Bytes): Outcome {
    const each = this.files[file]!
    const args = copyArgs(each.file, at, new Uint8Array(length), each.rw.read)
    const error = this.run(this.engine.verbs.read, args)
    if (error !== errno.OK) return failed('read', error)
    return { said: `${args.copied} bytes`, bytes: args.buffer.subarray(0, args.copied) }
  }

  private write(file: number, at: Bytes, bytes: Uint8Array): Outcome {
    const each = this.files[file]!
    const args = copyArgs(each.file, at, bytes, each.rw.read)
    const error = this.run(this.engine.verbs.write, args)
    return error !== errno.OK ? failed('write', error) : { said: `${args.copied} bytes`, bytes: undefined }
  }

  private fork(process: number): Outcome {
    if (this.alive.length === PROCESSES_MAX) return done
    const args = { space: this.spaceAt(process), plan: this.plan(), child: undefined as Space | undefined }
    const error = this.run(this.engine.verbs.fork, args)
    if (args.child !== undefined) this.alive.push(args.child)
    return this.said('fork', error)
  }

  private exit(process: number): Outcome {
    if (this.alive.length === 1) return done
    const [leaving] = this.alive.splice(process % this.alive.length, 1)
    return this.said('exit_group', this.run(this.engine.verbs.exit, { space: leaving! }))
  }

  private change(operation: Extract<Operation, { readonly pages: number }>): Outcome {
    const { verbs } = this.engine
    const space = this.spaceAt(operation.process)
    const start = FIRST + operation.page
    const end = start + operation.pages
    switch (operation.name) {
      case 'map':
        return this.map(space, operation, start)
      case 'unmap':
        return this.said('munmap', this.run(verbs.unmap, { space, start, end }))
      case 'protect':
        return this.protect(space, start, end, operation.prot)
      case 'remap':
        return this.remap(space, operation)
      case 'advise':
        return this.said('madvise', this.advise(space, start, end, operation.advice))
      case 'msync':
        return this.said('msync', this.msync(space, start, end, operation.flags))
      case 'lock': {
        const error = this.run(verbs.lock, { space, start, end, to: 'locked' })
        return this.said('mlock', error === errno.OK ? this.bring(space, start, end) : error)
      }
      case 'unlock':
        return this.said('munlock', this.run(verbs.lock, { space, start, end, to: 'unlocked' }))
    }
  }

  private protect(space: Space, start: number, end: number, prot: number): Outcome {
    const following = bringingAsWritable(space, start, end, prot)
    const error = this.run(this.engine.verbs.protect, { space, start, end, prot })
    for (const each of following)
      if ((space.find(each.start)?.prot ?? 0) === prot)
        this.run(this.engine.verbs.populate, populateArgs(space, each.start, each.end, each.access))
    return this.said('mprotect', error)
  }

  private map(space: Space, operation: Extract<Operation, { readonly name: 'map' }>, start: number): Outcome {
    const { what, share, offset, prot, pages, opened, touched, where } = operation
    if (where === 'noreplace' && space.overlapping(start, start + pages).length > 0)
      return failed('mmap', errno.EEXIST)
    const open = what === 'anonymous' ? this.sharedMemory(share, pages) : this.files[what]![opened]
    const plan = {
      prot,
      share,
      open,
      pageOffset: what === 'anonymous' ? 0 : offset,
      advice: 'normal',
    } as const
    const args = { space, pages, fixed: start, plan, locked: false, start: 0 }
    const error = this.run(this.engine.verbs.map, args)
    if (error === errno.OK && touched === 'populated') this.bring(space, start, start + pages)
    return this.said('mmap', error)
  }

  private sharedMemory(share: 'shared' | 'private', pages: number): OpenFile | undefined {
    if (share === 'private') return undefined
    const { memory, cache } = this.engine
    const file = new RamFile(memory, cache.newId(), 'shared memory', pages * PAGE)
    return { file, read: newReadState('normal'), readOnly: false, mappings: 0, seen: 0 }
  }

  private remap(space: Space, operation: Extract<Operation, { readonly name: 'remap' }>): Outcome {
    const { page, pages, newPages, where, old } = operation
    const from = FIRST + page
    const place = typeof where === 'object' ? { fixed: FIRST + where.fixed } : where
    const args = mremapArgs({ space, from, pages, newPages, where: place, old })
    const error = this.run(this.engine.verbs.mremap, args)
    if (error !== errno.OK) return failed('mremap', error)
    const locked = space.find(args.to)?.locked === true
    if (locked && newPages > pages) this.bring(space, args.to + pages, args.to + newPages)
    if (args.to === from) return { said: 'where it was', bytes: undefined }
    if (typeof where === 'object') return done
    const back = mremapArgs({
      space,
      from: args.to,
      pages: newPages,
      newPages,
      where: { fixed: FIRST },
      old: 'is unmapped',
    })
    const error2 = this.run(this.engine.verbs.mremap, back)
    return error2 !== errno.OK ? failed('mremap back', error2) : { said: 'moved', bytes: undefined }
  }

  private advise(
    space: Space,
    start: number,
    end: number,
    advice: Extract<Operation, { readonly name: 'advise' }>['advice'],
  ): Errno {
    const { verbs } = this.engine
    if (advice === 'populateRead') return this.populate(space, start, end, 'load')
    if (advice === 'populateWrite') return this.populate(space, start, end, 'store')
    return this.run(verbs.advise, { space, start, end, advice })
  }

  /** madvise says EINVAL for what protection forbids, EFAULT for a page that isn't, ENOMEM for a hole. */
  private populate(space: Space, start: number, end: number, access: 'load' | 'store'): Errno {
    const error = this.run(this.engine.verbs.populate, populateArgs(space, start, end, access))
    if (error === errno.EACCES) return errno.EINVAL
    if (error === errno.EFAULT) return errno.ENOMEM
    return error === errno.ENXIO ? errno.EFAULT : error
  }

  /** Up to the first VMA that can't be brought (__mm_populate). */
  private bring(space: Space, start: number, end: number): Errno {
    for (const each of bringing(space, start, end)) {
      const args = populateArgs(space, each.start, each.end, each.access)
      if (this.run(this.engine.verbs.populate, args) !== errno.OK) return errno.ENOMEM
    }
    return errno.OK
  }

  private msync(space: Space, start: number, end: number, flags: number): Errno {
    if ((flags & MSYNC.async) !== 0 && (flags & MSYNC.sync) !== 0) return errno.EINVAL
    const flagged = [
      ['sync', MSYNC.sync],
      ['later', MSYNC.async],
      ['invalidate', MSYNC.invalidate],
    ] as const
    const words = flagged.filter(([, bit]) => (flags & bit) !== 0).map(([word]) => word)
    return this.run(this.engine.verbs.msync, msyncArgs(space, start, end, words))
  }

  private said(call: string, error: Errno): Outcome {
    return error === errno.OK ? done : failed(call, error)
  }

  private proc(space: Space, file: ProcFile): string {
    const args = procArgs(space, file)
    this.run(this.engine.verbs.proc, args)
    return args.text
  }

  /** Runs everything until the task has ended. Its errno. */
  private run<Args>(verb: Verb<Args>, args: Args): Errno {
    const { scheduler } = this.engine
    const task = scheduler.spawn(verb, args, { name: verb.name, group: ROOT })
    for (let attempts = 0; task.state !== 'ended'; attempts++) {
      if (attempts === ATTEMPTS_MAX) throw new Error(`${verb.name} doesn't end`)
      scheduler.fireTimers()
      const next = scheduler.ready()[0]
      if (next !== undefined) scheduler.step(next)
      else if (!this.devices.map(device => device.pump()).includes(true)) {
        if (scheduler.timers.next === Infinity) throw new Error(`${verb.name} waits for nothing`)
        this.time = scheduler.timers.next
      }
    }
    while (this.devices.map(device => device.pump()).includes(true)) {
      // What it has begun beside its own work ends too.
    }
    return task.errno
  }
}
