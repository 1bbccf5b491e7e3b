/**
 * An engine to measure the engine by: no file, no event loop, and a device whose reads end at once and move no byte, so
 * that what is left is what the engine itself does.
 */

import { type Bytes, type Errno, type Ns, ROOT, type Vpn } from '../base/index.ts'
import type { CachedFile } from '../cache/index.ts'
import type { Device, Request } from '../device/index.ts'
import type { Engine } from '../engine/index.ts'
import { LinearFile } from '../fs/index.ts'
import { newVmFault } from '../memmap/index.ts'
import { faultArgs, newOpening, type OpenFile, PROT_READ, type Space } from '../mm/index.ts'
import { rigEngine } from '../rig/index.ts'
import { Alarm, type Chore, type Scheduler, TimedDriver, type Verb } from '../sched/index.ts'

export const PAGE: Bytes = 4096
const WHO = { name: 'bench', group: ROOT }

/** Ends every request well, after `start` has returned. */
export class EmptyDevice implements Device, Chore {
  readonly name = 'empty'
  readonly disk = '1:0'
  readonly readOnly = false
  onEnd: (request: Request, error: Errno) => void = () => {}
  private readonly started: Request[] = []
  private readonly scheduler: Scheduler
  private readonly alarm: Alarm

  constructor(scheduler: Scheduler) {
    this.scheduler = scheduler
    this.alarm = new Alarm(scheduler, this)
  }

  start(request: Request): void {
    this.started.push(request)
    this.alarm.by(this.scheduler.now())
  }

  run(): Ns {
    for (const request of this.started.splice(0)) this.onEnd(request, 0)
    return Infinity
  }
}

export class World {
  readonly engine: Engine
  readonly space: Space
  private readonly driver = new TimedDriver()

  /** `frames` pages of memory. The host gives memory as it is touched, and the empty device touches none. */
  constructor(frames: number) {
    this.engine = rigEngine({ frames: frames + 1, driver: this.driver })
    this.space = this.engine.mm.createSpace({ name: 'bench', group: ROOT, commandLine: 'bench' })
  }

  file(pages: number): CachedFile {
    const { engine } = this
    const device = new EmptyDevice(engine.scheduler)
    const backing = new LinearFile(device, engine.io, engine.memory, { stablePages: false, spaceFor: pages })
    return engine.cache.add('data', pages * PAGE, backing)
  }

  /** Brings every page of a file into the cache. */
  fill(file: CachedFile): void {
    for (let start = 0; start < file.pages; start += 256) {
      this.engine.cache.readAhead(file, { start, size: 256, mark: -1 }, ROOT)
      this.engine.scheduler.run(Infinity)
    }
  }

  /** A VMA of `pages` from page `offset` of the file on, where there is room or at `fixed`. */
  map(open: OpenFile, offset: number, pages: number, fixed?: Vpn): Vpn {
    const plan = { prot: PROT_READ, share: 'shared', open, pageOffset: offset, advice: 'random' } as const
    const args = { space: this.space, pages, fixed, locked: false, start: 0, plan }
    this.perform(this.engine.verbs.map, args)
    return args.start
  }

  unmap(start: Vpn, pages: number): void {
    this.perform(this.engine.verbs.unmap, { space: this.space, start, end: start + pages })
  }

  load(vpn: Vpn): void {
    const fault = newVmFault(vpn, 'load', ROOT, 0)
    this.perform(this.engine.verbs.fault, faultArgs(this.space, fault, 'go on'))
  }

  perform<Args>(verb: Verb<Args>, args: Args): void {
    const task = this.engine.scheduler.spawn(verb, args, WHO)
    this.engine.scheduler.run(Infinity)
    if (task.state !== 'ended' || task.errno !== 0)
      throw new Error(`${verb.name} is ${task.state} with errno ${task.errno}`)
  }
}

export function openOf(file: CachedFile): OpenFile {
  return newOpening(file, { advice: 'random', readOnly: true })
}
