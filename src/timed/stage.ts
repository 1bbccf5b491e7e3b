/**
 * A machine for a workload, under a simulated clock: devices by name, files, groups, spaces and mappings, each made in
 * a call. What takes time here passes before the workload begins.
 *
 * Invariants
 *   TG1 The same seed, discipline and calls give the same machine: chance comes from `prng` alone.
 */

import { type Bytes, type GroupId, Prng, ROOT, type Vpn } from '../base/index.ts'
import { type CachedFile, syncArgs } from '../cache/index.ts'
import { MemoryDevice, SlowDevice } from '../device/index.ts'
import type { Engine } from '../engine/index.ts'
import { LinearFile } from '../fs/index.ts'
import type { Settings } from '../group/index.ts'
import type { Advice } from '../memmap/index.ts'
import { type Discipline, newOpening, type OpenFile, PROT_READ, PROT_WRITE, type Space } from '../mm/index.ts'
import { procArgs } from '../proc/index.ts'
import { rigEngine } from '../rig/index.ts'
import { type Task, type Ticket, TimedDriver, type Verb, type Watcher } from '../sched/index.ts'
import { populateArgs } from '../space/index.ts'
import { copyBeforeStore } from './copy-before-store.ts'
import { type DeviceName, serviceTime } from './devices.ts'
import { InodeLock } from './inode-lock.ts'
import type { KernelTrait } from './kernel-traits.ts'
import type { Call } from './loop.ts'
import { SlowFork } from './slow-fork.ts'

export interface StageOptions {
  readonly discipline: Discipline
  readonly seed: number
  readonly memory: Bytes
  readonly bioBytesMax: Bytes
  readonly without: readonly KernelTrait[]
  readonly watcher: Watcher
}

export interface FilePlan {
  readonly bytes: Bytes
  readonly device: DeviceName
  /** A store to a page that is being written waits for it. */
  readonly stablePages: boolean
  /** What else the filesystem does in a fault or an fsync; undefined: nothing that lets anybody wait. */
  readonly filesystem?: 'inode lock across writeback' | 'copies before a store'
}

export interface Mapped {
  readonly start: Vpn
  readonly pages: number
}

const PAGE: Bytes = 4096

export class Stage {
  readonly engine: Engine
  readonly driver = new TimedDriver()
  readonly prng: Prng
  /** What of the things that kernels do it has. */
  readonly traits = new Set<KernelTrait>()
  private readonly without: readonly KernelTrait[]
  private readonly slowFork: SlowFork
  private readonly devices = new Map<DeviceName, string>()
  private readonly inodeLocks = new Map<CachedFile, InodeLock>()

  constructor({ discipline, seed, memory, bioBytesMax, without, watcher }: StageOptions) {
    this.prng = new Prng(seed)
    this.without = without
    const { driver } = this
    this.engine = rigEngine({ frames: memory / PAGE, driver, discipline, bioBytesMax, watcher })
    this.slowFork = new SlowFork(this.engine.verbs.fork)
  }

  kernelHas(trait: KernelTrait): boolean {
    if (this.without.includes(trait)) return false
    this.traits.add(trait)
    return true
  }

  group(name: string, settings: Settings = {}): GroupId {
    return this.engine.groups.create(name, ROOT, settings)
  }

  /** A file on a device of its own; devices of one model share their disk's queue. */
  file(name: string, plan: FilePlan): OpenFile & { readonly file: CachedFile } {
    const { bytes, device, stablePages, filesystem } = plan
    const { engine } = this
    const { scheduler, io, memory, cache, verbs } = engine
    const inner = new MemoryDevice(scheduler, { name: device, disk: this.diskOf(device), length: bytes })
    const slow = new SlowDevice(scheduler, inner, serviceTime(device, new Prng(this.prng.u32())))
    const spaceFor = bytes / PAGE
    const file = cache.add(name, bytes, new LinearFile(slow, io, memory, { stablePages, spaceFor }))
    if (filesystem === 'copies before a store' && this.kernelHas('dax-copy'))
      copyBeforeStore(scheduler, file, new Prng(this.prng.u32()))
    if (filesystem === 'inode lock across writeback' && this.kernelHas('inode-lock'))
      this.inodeLocks.set(file, new InodeLock(scheduler, verbs.sync, file))
    return newOpening(file)
  }

  space(name: string, group: GroupId): Space {
    return this.engine.mm.createSpace({ name, group, commandLine: `/usr/bin/${name} --serve` })
  }

  /** Maps a file shared and writable, all of it. */
  map(space: Space, open: OpenFile, advice: Advice = 'normal'): Mapped {
    const pages = open.file.size / PAGE
    const plan = { prot: PROT_READ | PROT_WRITE, share: 'shared', open, pageOffset: 0, advice } as const
    const args = { space, pages, fixed: undefined, locked: false, start: 0, plan }
    this.play(this.engine.verbs.map, args, space)
    return { start: args.start, pages }
  }

  populate(space: Space, { start, pages }: Mapped): void {
    this.play(this.engine.verbs.populate, populateArgs(space, start, start + pages, 'load'), space)
  }

  readCommandLine(space: Space): Call {
    const { scheduler, verbs } = this.engine
    return who => scheduler.spawn(verbs.proc, procArgs(space, 'cmdline'), who)
  }

  sync({ file }: { readonly file: CachedFile }): Call {
    const { scheduler, verbs } = this.engine
    const cursor = { seen: 0 }
    const verb = this.inodeLocks.get(file) ?? verbs.sync
    return who => scheduler.spawn(verb, syncArgs(file, 0, file.pages, cursor), who)
  }

  /** Two calls: a page of anonymous memory comes, and goes. `verbs`: what makes them, if it isn't the engine itself. */
  mapAndUnmap(
    space: Space,
    verbs: Pick<Engine['verbs'], 'map' | 'unmap'> = this.engine.verbs,
  ): readonly Call[] {
    const { scheduler } = this.engine
    let start: Vpn = 0
    const plan = {
      prot: PROT_READ | PROT_WRITE,
      share: 'private',
      open: undefined,
      pageOffset: 0,
      advice: 'normal',
    } as const
    let mapping: Task<{ start: Vpn }> | undefined
    return [
      who => {
        const args = { space, pages: 1, fixed: undefined, locked: false, start: 0, plan }
        mapping = scheduler.spawn(verbs.map, args, who)
        return mapping
      },
      who => {
        if (mapping === undefined || mapping.errno !== 0) return undefined
        start = mapping.args.start
        return scheduler.spawn(verbs.unmap, { space, start, end: start + 1 }, who)
      },
    ]
  }

  /** Two calls: a child comes, and ends. The parent's locks are held until what `copying` begins is over. */
  forkAndExit(space: Space, copying?: () => Ticket): readonly Call[] {
    const { scheduler, verbs } = this.engine
    let forking: Task<{ child: Space | undefined }> | undefined
    return [
      who => {
        const plan = { name: `child of ${space.name}`, group: space.group, commandLine: space.commandLine }
        forking = scheduler.spawn(
          this.slowFork,
          { space, plan, child: undefined, copying, stage: 'locking' },
          who,
        )
        return forking
      },
      who => {
        const child = forking?.args.child
        return child === undefined ? undefined : scheduler.spawn(verbs.exit, { space: child }, who)
      },
    ]
  }

  /** Makes a range's protection narrower and wider again, as a collector or a JIT does. */
  protect(space: Space, { start, pages }: Mapped): readonly Call[] {
    const { scheduler, verbs } = this.engine
    const end = start + pages
    const to = (prot: number): Call => {
      return who => scheduler.spawn(verbs.protect, { space, start, end, prot }, who)
    }
    return [to(PROT_READ), to(PROT_READ | PROT_WRITE)]
  }

  /** Plays one call to its end, before the workload begins. */
  private play<Args>(verb: Verb<Args>, args: Args, { name, group }: Space): void {
    const { scheduler } = this.engine
    const task = scheduler.spawn(verb, args, { name, group })
    this.driver.runWhile(scheduler, () => task.state === 'ended')
  }

  private diskOf(device: DeviceName): string {
    let disk = this.devices.get(device)
    if (disk === undefined) {
      disk = `259:${this.devices.size}`
      this.devices.set(device, disk)
    }
    return disk
  }
}
