/**
 * A run on the files of a volume, in the cache or DAX, under a simulated clock; after a crash on another machine with what
 * the first one has left.
 *
 * Invariants checked, beside those of the exerciser
 *   VS1 (volume/space.ts) before each wait: free + used + reserved = size
 *   VK1 A promise is one of a page that is dirty, and all promises together are what the space has promised.
 */

import { assert, type Bytes, type Errno, type Ns, Prng } from '../base/index.ts'
import { BrokenDevice, DeferredDevice, type Device, MemoryDevice, SlowDevice } from '../device/index.ts'
import type { Engine } from '../engine/index.ts'
import { DIRTY } from '../memory/index.ts'
import { disciplineNamed, RESTART } from '../mm/index.ts'
import { replace, rigEngine } from '../rig/index.ts'
import { TimedDriver, type Verb } from '../sched/index.ts'
import { Making, MemoryStore, makeArgs, Opening, openArgs, Region, type Volume } from '../volume/index.ts'
import { type Backend, Steps, serviceTime, settles, WRITEBACK } from './backend.ts'
import { ForgetfulDevice } from './forgetful-device.ts'
import type { Plan } from './operations.ts'
import { CachedSubject, DaxSubject, type Subject } from './subject.ts'

/** What a crash leaves. */
interface Image {
  readonly store: readonly [string, Uint8Array][]
  readonly device: Uint8Array
}

/** A machine with the volume, and the device that it lies on. */
interface Machine {
  readonly engine: Engine
  readonly driver: TimedDriver
  readonly volume: Volume
  readonly store: MemoryStore
  readonly broken: BrokenDevice
  /** What the device holds, once a crash has lost what it may. */
  readonly left: (prng: Prng) => Uint8Array
}

export class VolumeBackend implements Backend {
  private readonly plan: Plan
  private readonly prng: Prng
  private readonly steps: Steps
  private machine: Machine | undefined
  private opened: readonly Subject[] = []

  constructor(plan: Plan) {
    assert(plan.blocks !== null, 'a volume has so many blocks')
    this.plan = plan
    this.prng = new Prng(plan.seed)
    this.steps = new Steps(() => this.machine?.volume.usage)
    this.machine = this.boot(undefined)
    for (let file = 0; file < plan.files; file++) {
      const made = this.volume.create(`/${file}`, 'file')
      assert(made.value !== undefined, 'a new volume takes a file')
    }
    const { engine, driver } = this.machine
    const ticket = this.volume.sync()
    settles(driver, engine.scheduler, () => ticket.complete)
  }

  get engine(): Engine {
    return this.machine!.engine
  }

  get volume(): Volume {
    return this.machine!.volume
  }

  subjects(): readonly Subject[] {
    const { engine, volume, plan } = this
    this.opened = Array.from({ length: plan.files }, (_, file) => {
      if (plan.volume === 'dax') {
        const { value } = volume.openDax(`/${file}`, { durable: false })
        assert(value !== undefined, `/${file} is there`)
        // Stores in order are rare here, and what is copied for them is to meet everything.
        replace(value.stores, 'worth', () => index => 1 + (index % 4))
        return new DaxSubject(engine, volume, value)
      }
      const { value } = volume.open(`/${file}`)
      assert(value !== undefined, `/${file} is there`)
      return new CachedSubject(engine, value.cached, value)
    })
    return this.opened
  }

  crash(seed: number): void {
    const { store, left } = this.machine!
    this.machine = this.boot({ store: store.image(), device: left(new Prng(seed)) })
  }

  /** What doesn't add up, now that nothing is under way. */
  *wrong(): Generator<string> {
    const { engine, volume } = this
    yield* volume.check().wrong
    yield* volume.damage
    const { cache } = engine
    let promised = 0
    for (const { file, opened } of this.opened)
      for (const index of opened!.node.reserved.inside({ start: 0, end: Infinity }, Infinity)) {
        promised++
        const frame = cache.find(file.id, index)
        if (frame === 0 || !cache.frames.has(frame, DIRTY))
          yield `VK1: page ${index} of ${file.name} has a block promised, and isn't dirty`
      }
    const { reserved } = volume.usage
    if (reserved !== promised) yield `VK1: ${reserved} blocks are promised, and pages have ${promised}`
  }

  pause(ns: Ns): void {
    const { driver, engine } = this.machine!
    driver.runUntil(engine.scheduler, driver.now() + ns)
  }

  until(over: () => boolean): boolean {
    this.steps.begin()
    return settles(this.machine!.driver, this.engine.scheduler, over)
  }

  durable(): undefined {
    return undefined
  }

  /** Flushes go on: a volume whose flush has failed takes no more changes. */
  breaks(nth: number, times: number, error: Errno): void {
    this.machine!.broken.breaks({ nth, times, errno: error, operations: ['read', 'write'] })
  }

  heals(): void {
    this.machine!.broken.heals()
  }

  close(): void {}

  private boot(image: Image | undefined): Machine {
    const { pageSize, frames, swap, windowPages, discipline, volume: how, blocks } = this.plan
    const driver = new TimedDriver()
    const deferred = new DeferredDevice()
    const dax = how === 'dax' ? blocks! : 0
    const engine = rigEngine({
      driver,
      frames: frames + dax,
      pageSize,
      discipline: disciplineNamed(discipline) ?? RESTART,
      writeback: WRITEBACK,
      watcher: this.steps,
      ...(swap ? { swap: { device: deferred, bytes: 8 * windowPages * pageSize } } : {}),
    })
    const { scheduler, memory, cache, io, verbs } = engine
    const slow = (device: Device) => new SlowDevice(scheduler, device, serviceTime(this.prng))
    deferred.stands(slow(new MemoryDevice(scheduler, { name: 'swap', disk: '1:1' })))
    const store = new MemoryStore(scheduler, image?.store)
    const size = blocks! * pageSize
    const region = dax > 0 ? new Region(scheduler, memory, 'pmem', dax) : undefined
    const lying = region === undefined ? onDisk(scheduler, size) : inMemory(engine, region)
    if (image !== undefined) lying.fill(image.device)
    const broken = new BrokenDevice(scheduler, lying.device)
    const plan = { cache, io, calls: verbs, device: slow(broken), store, ...(region && { region }) }
    const args = image === undefined ? makeArgs({ ...plan, size, id: 7 }) : openArgs(plan)
    const verb = (image === undefined ? new Making() : new Opening()) as Verb<typeof args>
    const task = scheduler.spawn(verb, args, { name: verb.name, group: 1 })
    settles(driver, scheduler, () => task.state === 'ended')
    assert(task.errno === 0 && args.volume !== undefined, 'what a crash leaves is a volume')
    return { engine, driver, volume: args.volume, store, broken, left: lying.left }
  }
}

/** Where the blocks are: a device, how it is filled, and what a crash leaves of it. */
interface Lying {
  readonly device: Device
  readonly fill: (bytes: Uint8Array) => void
  readonly left: (prng: Prng) => Uint8Array
}

function onDisk(scheduler: Engine['scheduler'], size: Bytes): Lying {
  const disk = new MemoryDevice(scheduler, { name: 'disk', length: size })
  const device = new ForgetfulDevice(disk)
  return {
    device,
    fill: bytes => disk.poke(0, bytes),
    left(prng) {
      device.crash(prng)
      const bytes = new Uint8Array(size)
      disk.peek(0, bytes)
      return bytes
    },
  }
}

/** Persistent memory keeps every store. */
function inMemory({ memory: { frames } }: Engine, region: Region): Lying {
  const start = region.first * frames.pageSize
  const bytes = frames.data.subarray(start, start + region.length)
  return { device: region, fill: image => bytes.set(image), left: () => bytes.slice() }
}
