/**
 * The hierarchy of groups under names: what cgroup2's directories and files are to the kernel.
 *
 *     /                  the root: everything that was given no group; it has counters and takes no settings
 *     /batch             io.max, io.latency, io.protect, io.weight, memory.max, memory.high, memory.low, memory.min   settings
 *     /batch/import      io.stat, io.pressure, memory.current, memory.stat, memory.events, memory.pressure   counters
 *
 * Owns       names; the checks of names, keys and values
 * Leaves to  io and memory: the settings themselves and what they do; `limited`: who reclaims when a limit changes
 *
 * Invariants
 *   GN1  Names are unique among siblings, so a path names one group.
 *   GN2  What is refused changes nothing: settings are all checked before a group is made or one of them is set.
 */
import { type Bytes, type GroupId, type GroupTree, type Ns, ROOT } from '../base/index.ts'
import type { Io } from '../io/index.ts'
import type { Ledger } from '../memory/index.ts'
import {
  type IoLatencySetting,
  type IoMaxSetting,
  type IoProtectSetting,
  type IoWeightSetting,
  ioKeys,
} from './io-keys.ts'
import type { Change, Key, Keys } from './key.ts'
import { memoryKeys } from './memory-keys.ts'
import type { Pressure } from './pressure.ts'
import { didYouMean, SettingError, shown } from './setting-error.ts'
import type { Size } from './size.ts'

/** NAME_MAX. */
const NAME_LENGTH_MAX = 255

/** The settings of a group, under cgroup2's names and with their meaning. */
export interface Settings {
  /** What it may read and write in a second: `{ wbps: '4 MiB' }`, or the kernel's line '8:0 wbps=4194304'. */
  readonly 'io.max'?: IoMaxSetting | string
  /** How long its requests may take: `{ target: 75 }`, in microseconds, or the kernel's line. */
  readonly 'io.latency'?: IoLatencySetting | string
  /** The latency that this group is to have, whatever others do: `{ target: 75 }`, in microseconds. */
  readonly 'io.protect'?: IoProtectSetting | string
  /** Its share among its siblings, where there is too little for all: 1 to 10,000; 100 if left out. */
  readonly 'io.weight'?: IoWeightSetting | number | string
  /** Bytes that its pages may take; beyond it they are reclaimed, and who wants more waits. 'max' is no limit. */
  readonly 'memory.max'?: Size
  /** Bytes above which its pages are reclaimed and who allocates is slowed down. */
  readonly 'memory.high'?: Size
  /** Bytes that others' need takes only if nothing unprotected is left. */
  readonly 'memory.low'?: Size
  /** Bytes that others' need never takes. */
  readonly 'memory.min'?: Size
}

export interface GroupParts {
  readonly tree: GroupTree
  readonly io: Io
  readonly ledger: Ledger
  readonly pressure: Pressure
  readonly clock: { now(): Ns }
  readonly pageSize: Bytes
}

export class Groups {
  /** News of a changed memory limit. Set once, by the machine. */
  readonly limited: (group: GroupId) => void = () => {}
  /** Whether the host has a disk of that number. Set once, by the door; without one every disk may come. */
  readonly isThere: (disk: string) => boolean = () => true
  private readonly tree: GroupTree
  private readonly keys: Keys
  private readonly names: string[] = ['', '']

  constructor({ tree, io, ledger, pressure, clock, pageSize }: GroupParts) {
    this.tree = tree
    const now = () => clock.now()
    const limited = (group: GroupId) => this.limited(group)
    this.keys = {
      ...ioKeys({ io, pressure, now, isThere: disk => this.isThere(disk) }),
      ...memoryKeys({ tree, ledger, pressure, pageSize, now, limited }),
    }
  }

  create(name: string, parent: GroupId, settings: Settings = {}): GroupId {
    this.check(parent)
    if (
      typeof name !== 'string' ||
      name === '' ||
      name.length > NAME_LENGTH_MAX ||
      /^\.{1,2}$|[/\n]/.test(name)
    )
      throw new SettingError(
        'EINVAL',
        `expected a name of 1 to ${NAME_LENGTH_MAX} letters without '/', got ${shown(name)}`,
      )
    if (this.child(parent, name) !== undefined)
      throw new SettingError('EEXIST', `${this.path(parent)} has a group called ${shown(name)} already`)
    const changes = this.prepare(settings)
    const group = this.tree.create(parent)
    this.names[group] = name
    for (const change of changes) change(group)
    return group
  }

  set(group: GroupId, key: string, value: unknown): void {
    this.check(group)
    const change = this.change(key, value)
    if (group === ROOT)
      throw new SettingError('EACCES', `${key} can't be set for the root; make a group and set it there`)
    change(group)
  }

  /** In the form of the kernel's file. */
  read(group: GroupId, key: string): string {
    this.check(group)
    return this.key(key).read(group)
  }

  path(group: GroupId): string {
    this.check(group)
    if (group === ROOT) return '/'
    const above = this.tree.parent(group)
    return `${above === ROOT ? '' : this.path(above)}/${this.names[group]}`
  }

  /** The group that a path names. */
  find(path: string): GroupId {
    let group = ROOT
    for (const name of path.split('/').filter(part => part !== '')) {
      const child = this.child(group, name)
      if (child === undefined) {
        const siblings = this.tree.children(group).map(id => this.names[id]!)
        throw new SettingError(
          'ENOENT',
          `${this.path(group)} has no group called ${shown(name)}${didYouMean(name, siblings)}`,
        )
      }
      group = child
    }
    return group
  }

  /** Every key, settings and counters. */
  get keyNames(): readonly string[] {
    return Object.keys(this.keys)
  }

  private child(parent: GroupId, name: string): GroupId | undefined {
    return this.tree.children(parent).find(id => this.names[id] === name)
  }

  private prepare(settings: Settings): Change[] {
    if (typeof settings !== 'object' || settings === null || Array.isArray(settings))
      throw new SettingError('EINVAL', `group: expected an object of settings, got ${shown(settings)}`)
    return Object.entries(settings)
      .filter(([, value]) => value !== undefined)
      .map(([key, value]) => this.change(key, value))
  }

  private change(name: string, value: unknown): Change {
    const key = this.key(name)
    if (key.prepare === undefined)
      throw new SettingError(
        'EACCES',
        `${name} is a counter and can only be read; what can be set is ${this.settable().join(', ')}`,
      )
    return key.prepare(value)
  }

  private key(name: string): Key {
    const key = typeof name === 'string' && Object.hasOwn(this.keys, name) ? this.keys[name] : undefined
    if (key === undefined)
      throw new SettingError(
        'ENOENT',
        `${shown(name)} isn't a key of a group${didYouMean(name, this.keyNames) || `; expected one of ${this.keyNames.join(', ')}`}`,
      )
    return key
  }

  private settable(): string[] {
    return this.keyNames.filter(name => this.keys[name]!.prepare !== undefined)
  }

  private check(group: GroupId): void {
    if (!Number.isInteger(group) || group < ROOT || group > this.tree.last)
      throw new SettingError('ENOENT', `${shown(group)} isn't the number of a group`)
  }
}
