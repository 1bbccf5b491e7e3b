/**
 * The composition root: chooses the parts of a machine and connects them. Everything below a machine's doors is here,
 * and nothing here knows of files of a host, of promises, or of the event loop.
 *
 * The hooks, all of them, by which news goes up:
 *
 *     Scheduler.keeper     a stash is a pin in memory
 *     Scheduler.watcher    waits are counted as pressure, and shown to whoever watches
 *     Memory.pressure      a shortage reclaims (mm/reclaim.ts)
 *     Io.onEnd             the end of a bio goes to the page cache
 *     PageCache.mappers    the cache invalidates and cleans through rmap
 *     PageCache.onDirty, onWritten   dirty pages wake the flusher (hung by Writeback)
 *     Rmap.onSwapEntryGone           a swap slot loses a user (hung by Swapping)
 *     Groups.limited       a lowered limit is reached by reclaim
 *     Groups.isThere       whether a disk is there is for the host to say (hung by the door)
 *     Mm.onLastUnmap       a file that nobody maps may be closed (hung by the door)
 *     Hardware             entries that change, and pages that leave the cache, go to the hardware MMU (made by the door)
 */
import { assert, type Bytes, GroupTree, hang, type SpaceId } from '../base/index.ts'
import {
  type CacheSizes,
  Forget,
  PageCache,
  ReadCall,
  Refresh,
  Sync,
  Truncate,
  WRITEBACK_DEFAULTS,
  Writeback,
  type WritebackSettings,
  WriteCall,
} from '../cache/index.ts'
import type { Device } from '../device/index.ts'
import { LinearFile, Swap } from '../fs/index.ts'
import { Groups, Pressure, PressureWatcher } from '../group/index.ts'
import { Io } from '../io/index.ts'
import { Frames, Ledger, Memory, type PageStore } from '../memory/index.ts'
import { type Discipline, Fault, Mm, RESTART, Rmap, Swapping, shrink } from '../mm/index.ts'
import type { TableMirror } from '../mmu/index.ts'
import { ProcReader, Ps } from '../proc/index.ts'
import { type Driver, Scheduler, type Watcher, watchers } from '../sched/index.ts'
import {
  Advise,
  Collapse,
  Exit,
  Fork,
  LockPages,
  MapVerb,
  Mremap,
  Msync,
  Populate,
  Protect,
  Unmap,
} from '../space/index.ts'

/** An MMU of the host: it keeps the bytes of files' pages, and a copy of each space's page table. */
export interface Hardware {
  readonly store: PageStore
  mirrorOf(space: SpaceId): TableMirror
}

export interface EngineOptions extends CacheSizes {
  readonly driver: Driver
  /** The memory itself: `frames` pages and the zero page before them. */
  readonly buffer: ArrayBuffer
  /** How many frames of it are used, with the zero page; all that fit if left out. */
  readonly frames?: number
  /** A power of two from 4096. */
  readonly pageSize: Bytes
  readonly discipline?: Discipline
  readonly writeback?: WritebackSettings
  /** Where anonymous pages go, and how many bytes of them. */
  readonly swap?: { readonly device: Device; readonly bytes: Bytes }
  /** Sees every task begin, wait, resume and end. */
  readonly watcher?: Watcher
  /** undefined: memory is `buffer`, and the software MMU reads it. */
  readonly hardware?: Hardware
}

export class Engine {
  readonly scheduler: Scheduler
  readonly tree = new GroupTree()
  readonly memory: Memory
  readonly io: Io
  readonly cache: PageCache
  readonly writeback: Writeback
  readonly mm: Mm
  readonly groups: Groups
  readonly pressure: Pressure
  readonly verbs: Verbs
  readonly discipline: Discipline

  constructor(options: EngineOptions) {
    const { driver, buffer, pageSize, discipline = RESTART, writeback = WRITEBACK_DEFAULTS, swap } = options
    assert(
      pageSize >= 4096 && Number.isInteger(Math.log2(pageSize)),
      'a page is a power of two of bytes, from 4096',
    )
    this.discipline = discipline
    this.scheduler = new Scheduler(driver)
    const count = options.frames ?? Math.floor(buffer.byteLength / pageSize)
    const { hardware } = options
    const frames = new Frames(buffer, count, pageSize, hardware?.store)
    const ledger = new Ledger(this.tree)
    this.memory = new Memory(frames, ledger)
    this.io = new Io(this.scheduler, frames, this.tree)
    this.cache = new PageCache(this.scheduler, this.memory, this.io, options)
    this.writeback = new Writeback(this.cache, this.tree, writeback)
    const rmap = new Rmap(this.memory)
    const swapping = swap === undefined ? undefined : this.swapTo(swap.device, swap.bytes, rmap)
    this.mm = new Mm({
      scheduler: this.scheduler,
      memory: this.memory,
      cache: this.cache,
      writeback: this.writeback,
      io: this.io,
      rmap,
      groups: this.tree,
      discipline,
      swapping,
      mirrorOf: hardware === undefined ? undefined : space => hardware.mirrorOf(space),
    })
    this.pressure = new Pressure(this.tree)
    const { io, tree, pressure } = this
    this.groups = new Groups({ tree, io, ledger, pressure, clock: this.scheduler, pageSize })

    hang(this.scheduler, 'keeper', this.memory)
    hang(
      this.scheduler,
      'watcher',
      watchers([new PressureWatcher(pressure, this.scheduler), options.watcher]),
    )
    hang(this.memory, 'pressure', (over, wanted) => shrink(this.mm, over, wanted))
    hang(this.io, 'onEnd', bio => this.cache.endBio(bio))
    hang(this.cache, 'mappers', rmap)
    hang(this.groups, 'limited', group => this.reachLimit(group))
    this.verbs = new Verbs(this)
  }

  private swapTo(device: Device, bytes: Bytes, rmap: Rmap): Swapping {
    const slots = Math.floor(bytes / this.memory.frames.pageSize)
    const backing = new LinearFile(device, this.io, this.memory, { stablePages: false, spaceFor: slots })
    const file = this.cache.add(device.name, slots * this.memory.frames.pageSize, backing)
    return new Swapping(new Swap(file, slots), this.cache, rmap)
  }

  /** A limit was lowered: reclaims until it is met or nothing more can be had without waiting. */
  private reachLimit(group: number): void {
    const { ledger } = this.memory
    while (ledger.usage(group) > ledger.limits(group).max)
      if (shrink(this.mm, group, group).kind !== 'done') return
  }
}

/** What tasks of a machine can do. */
export class Verbs {
  readonly fault: Fault
  readonly populate: Populate
  readonly map: MapVerb
  readonly unmap: Unmap
  readonly mremap: Mremap
  readonly protect: Protect
  readonly advise: Advise
  readonly collapse: Collapse
  readonly lock: LockPages
  readonly fork: Fork
  readonly exit: Exit
  readonly sync: Sync
  readonly msync: Msync
  readonly truncate: Truncate
  readonly refresh: Refresh
  readonly read: ReadCall
  readonly write: WriteCall
  readonly forget: Forget
  readonly proc: ProcReader
  readonly ps: Ps

  constructor({ mm, cache, writeback }: Engine) {
    this.fault = new Fault(mm)
    this.populate = new Populate(mm, this.fault)
    this.map = new MapVerb(mm)
    this.unmap = new Unmap(mm)
    this.mremap = new Mremap(mm)
    this.protect = new Protect(mm)
    this.advise = new Advise(mm)
    this.collapse = new Collapse(mm)
    this.lock = new LockPages(mm)
    this.fork = new Fork(mm)
    this.exit = new Exit(mm)
    this.sync = new Sync(cache)
    this.msync = new Msync(mm, this.sync)
    this.truncate = new Truncate(cache)
    this.refresh = new Refresh(cache)
    this.read = new ReadCall(cache)
    this.write = new WriteCall(cache, writeback)
    this.forget = new Forget(cache)
    this.proc = new ProcReader(mm)
    this.ps = new Ps(mm)
  }
}
