/**
 * A run on a real file under the real driver: bytes go to the host's disk and back, and the host's threads decide in
 * which order. What they decide isn't seeded, so a failure may need several tries to come again.
 */
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { setTimeout as delay, setImmediate as turn } from 'node:timers/promises'
import { type Bytes, type Errno, MS, type Ns, SECOND } from '../base/index.ts'
import { BrokenDevice, DeferredDevice, type Device } from '../device/index.ts'
import { Engine } from '../engine/index.ts'
import { HostFile, memoryBuffer } from '../host/index.ts'
import { disciplineNamed, RESTART } from '../mm/index.ts'
import { RealDriver } from '../sched/index.ts'
import { type Backend, linearSubject, WRITEBACK } from './backend.ts'
import { FullDevice } from './full-device.ts'
import type { Plan } from './operations.ts'
import type { Subject } from './subject.ts'

/** Turns of the event loop in which a round is to be over. */
const TURNS_MAX = 200_000

export class FileBackend implements Backend {
  readonly engine: Engine
  readonly volume = undefined
  private readonly device: Device
  private readonly plan: Plan
  private readonly driver = new RealDriver()
  private readonly folder = fs.mkdtempSync(path.join(os.tmpdir(), 'faultline-exerciser-'))
  private readonly broken: BrokenDevice[] = []
  private readonly hosts: HostFile[] = []
  private readonly file: HostFile

  constructor(plan: Plan, content: Uint8Array) {
    const { pageSize, frames, windowPages, blocks } = plan
    this.plan = plan
    const deferred = new DeferredDevice()
    this.engine = new Engine({
      driver: this.driver,
      buffer: memoryBuffer(frames * pageSize),
      frames,
      pageSize,
      discipline: disciplineNamed(plan.discipline) ?? RESTART,
      writeback: WRITEBACK,
      ...(plan.swap ? { swap: { device: deferred, bytes: 8 * windowPages * pageSize } } : {}),
    })
    const { scheduler } = this.engine
    this.driver.attach(scheduler)
    this.file = this.open('file', content)
    const stored = blocks === null ? this.file : new FullDevice(scheduler, this.file, content.length, blocks)
    this.device = this.breakable(stored)
    deferred.stands(this.breakable(this.open('swap', new Uint8Array(0))))
  }

  subjects(): readonly Subject[] {
    return [linearSubject(this.engine, this.device, this.plan)]
  }

  crash(): void {
    // A file by itself promises nothing that a crash could break.
  }

  /** Time passes by itself here: a turn of the event loop is enough to let things begin. Long pauses are kept. */
  async pause(ns: Ns): Promise<void> {
    if (ns >= SECOND) await delay(ns / MS)
    else await turn()
  }

  async until(over: () => boolean): Promise<boolean> {
    for (let turns = 0; turns < TURNS_MAX; turns++) {
      if (over()) return true
      await turn()
    }
    return false
  }

  durable(): { readonly length: Bytes; read(buffer: Uint8Array): void } {
    const { name } = this.file
    return { length: fs.statSync(name).size, read: buffer => buffer.set(fs.readFileSync(name)) }
  }

  breaks(nth: number, times: number, error: Errno): void {
    for (const device of this.broken) device.breaks({ nth, times, errno: error })
  }

  heals(): void {
    for (const device of this.broken) device.heals()
  }

  async close(): Promise<void> {
    for (const task of [...this.engine.scheduler.tasks.values()]) this.engine.scheduler.kill(task)
    // Requests on their way still use the descriptors.
    for (let turns = 0; turns < 100; turns++) await turn()
    this.driver.close()
    for (const host of this.hosts) host.close()
    fs.rmSync(this.folder, { recursive: true })
  }

  private open(name: string, content: Uint8Array): HostFile {
    const where = path.join(this.folder, name)
    fs.writeFileSync(where, content)
    const host = HostFile.open(where, { mode: 'r+', direct: true, pump: () => this.driver.pump() })
    this.hosts.push(host)
    return host
  }

  private breakable(device: Device): Device {
    const broken = new BrokenDevice(this.engine.scheduler, device)
    this.broken.push(broken)
    return broken
  }
}

export function fileBackend(plan: Plan, content: Uint8Array): Backend {
  return new FileBackend(plan, content)
}
