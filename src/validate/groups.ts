/**
 * Cgroups of an experiment: one that reads and writes a device no faster than it is told to, and one whose memory is
 * limited. They are made, used and removed here, by whichever hierarchy this kernel has its controllers in.
 *
 *     version 1    blkio.throttle.*_bps_device, memory.limit_in_bytes; each limit is its own group's alone
 *     version 2    io.max, memory.max
 *
 * Invariants
 *   LG1 No limit outlives the experiment: `remove` lifts it before the group goes.
 */

import fs from 'node:fs'
import path from 'node:path'
import { codeOf } from '../base/index.ts'
import { NotHere } from '../differential/index.ts'

type Version = 1 | 2

interface Hierarchy {
  readonly version: Version
  readonly root: string
}

/** Where a controller is; undefined: this kernel has none. */
function hierarchyOf(controller: 'blkio' | 'memory'): Hierarchy | undefined {
  const mounts = fs
    .readFileSync('/proc/mounts', 'latin1')
    .split('\n')
    .map(line => line.split(' '))
  const legacy = mounts.find(
    ([, , type, options]) => type === 'cgroup' && options!.split(',').includes(controller),
  )
  if (legacy !== undefined) return { version: 1, root: legacy[1]! }
  const name = controller === 'blkio' ? 'io' : controller
  const unified = mounts.find(([, , type]) => type === 'cgroup2')?.[1]
  if (unified === undefined) return undefined
  const has = fs.readFileSync(path.join(unified, 'cgroup.controllers'), 'latin1').trim().split(' ')
  if (!has.includes(name)) return undefined
  fs.writeFileSync(path.join(unified, 'cgroup.subtree_control'), `+${name}`)
  return { version: 2, root: unified }
}

/** Of the memory controller, and whether reclaim of a group waits for what is being written (version 1 alone). */
export function memoryVersion(): Version | undefined {
  return hierarchyOf('memory')?.version
}

/** Makes a group of its own in the hierarchy of a controller. */
function make(controller: 'blkio' | 'memory'): { readonly version: Version; readonly folder: string } {
  const found = hierarchyOf(controller)
  if (found === undefined) throw new NotHere(`this kernel has no cgroup controller ${controller}`)
  const folder = path.join(found.root, `faultline-validate-${process.pid}`)
  fs.mkdirSync(folder, { recursive: true })
  return { version: found.version, folder }
}

export class LimitedGroup {
  private readonly version: Version
  private readonly folder: string
  private readonly device: string
  private lifts: (() => void)[] = []

  /** `device`: as "7:0". */
  constructor(device: string) {
    const { version, folder } = make('blkio')
    this.version = version
    this.folder = folder
    this.device = device
  }

  add(pid: number): void {
    fs.writeFileSync(path.join(this.folder, 'cgroup.procs'), String(pid))
  }

  limit(direction: 'read' | 'write', bytesPerSecond: number): void {
    if (this.version === 2) {
      const key = direction === 'read' ? 'rbps' : 'wbps'
      this.set(path.join(this.folder, 'io.max'), `${key}=${bytesPerSecond}`, `${key}=max`)
      return
    }
    // What a filesystem writes by a thread of its own is the root's; the root's limit is nobody else's on this device.
    for (const folder of [this.folder, path.dirname(this.folder)])
      this.set(path.join(folder, `blkio.throttle.${direction}_bps_device`), String(bytesPerSecond), '0')
  }

  lift(): void {
    for (const lift of this.lifts.splice(0)) lift()
  }

  remove(): void {
    this.lift()
    fs.rmdirSync(this.folder)
  }

  private set(file: string, limit: string, none: string): void {
    fs.writeFileSync(file, `${this.device} ${limit}`)
    this.lifts.push(() => fs.writeFileSync(file, `${this.device} ${none}`))
  }
}

/** A group of memory; its pages can be sent to swap, and it can be full. */
export class MemoryGroup {
  private readonly version: Version
  private readonly folder: string

  constructor() {
    const { version, folder } = make('memory')
    this.version = version
    this.folder = folder
  }

  add(pid: number): void {
    fs.writeFileSync(path.join(this.folder, 'cgroup.procs'), String(pid))
  }

  /** What this thread's calls allocate in the kernel isn't the group's: version 1 only. */
  exempt(tid: number): void {
    fs.writeFileSync(path.join(path.dirname(this.folder), 'tasks'), String(tid))
  }

  /** Reclaims all that it has, as far as it can. */
  empty(): void {
    if (this.version === 1) fs.writeFileSync(path.join(this.folder, 'memory.force_empty'), '0')
    else {
      try {
        fs.writeFileSync(path.join(this.folder, 'memory.reclaim'), '1G')
      } catch (error) {
        // It had less.
        if (codeOf(error) !== 'EAGAIN') throw error
      }
    }
  }

  /** From now on it may have what it has, and no more: version 1 only. */
  closeLimit(): void {
    const has = fs.readFileSync(path.join(this.folder, 'memory.usage_in_bytes'), 'latin1').trim()
    fs.writeFileSync(path.join(this.folder, 'memory.limit_in_bytes'), has)
  }

  remove(): void {
    fs.rmdirSync(this.folder)
  }
}
