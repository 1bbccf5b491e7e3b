/**
 * io.latency, io.max, io.stat and io.pressure, as cgroup2 words them (Documentation/admin-guide/cgroup-v2.rst).
 *
 * A setting that names no disk is for every disk, those to come too; it shows under `*`.
 */
import { type GroupId, US } from '../base/index.ts'
import { EVERY_DISK, type Io, type IoMax, WEIGHT_DEFAULT, WEIGHT_MAX, WEIGHT_MIN } from '../io/index.ts'
import { fieldsOf, type Keys } from './key.ts'
import type { Pressure } from './pressure.ts'
import { SettingError, shown } from './setting-error.ts'
import { parseBytesOrMax, parseCountOrMax, type Size, showOrMax } from './size.ts'

/** io.max: what a group may do with a disk in a second. What isn't said stays as it is; 'max' is no limit. */
export interface IoMaxSetting {
  /** A disk as io.stat shows it: '8:0', or the address of a server; every disk if left out. */
  readonly disk?: string
  /** Bytes a second that may be read. */
  readonly rbps?: Size
  /** Bytes a second that may be written. */
  readonly wbps?: Size
  /** Reads a second. */
  readonly riops?: number | string
  /** Writes a second. */
  readonly wiops?: number | string
}

/** io.latency: how long the group's requests may take before groups without such a target are slowed down. */
export interface IoLatencySetting {
  /** A disk as io.stat shows it: '8:0', or the address of a server; every disk if left out. */
  readonly disk?: string
  /** Microseconds; 0 or 'max' is none. */
  readonly target: number | string
}

/** A latency that is kept for a group, on one disk or on all. */
export interface IoProtectSetting {
  /** 'major:minor', or a server as 'https://host'; every disk if left out. */
  readonly disk?: string
  /** Microseconds; 0 or 'max' is none. */
  readonly target: number | string
}

/** A share of one disk, or of each. */
export interface IoWeightSetting {
  /** 'major:minor', or a server as 'https://host'; every disk if left out. */
  readonly disk?: string
  /** 1 to 10,000; 100 is usual. */
  readonly weight: number
}

const RATES = ['rbps', 'wbps', 'riops', 'wiops'] as const

export interface IoParts {
  readonly io: Io
  readonly pressure: Pressure
  readonly now: () => number
  /** Whether there is such a disk, used or not. */
  readonly isThere: (disk: string) => boolean
}

export function ioKeys({ io, pressure, now, isThere }: IoParts): Keys {
  const disks = () => [EVERY_DISK, ...io.diskNames]
  const diskOf = (what: string, fields: ReadonlyMap<string, unknown>) => {
    const disk = diskNamed(what, fields)
    if (disk === EVERY_DISK || io.diskNames.includes(disk) || isThere(disk)) return disk
    throw new SettingError(
      'ENODEV',
      `${what}: there is no disk ${disk} here; expected the major:minor of one, as in /proc/self/mountinfo`,
    )
  }
  return {
    'io.max': {
      read: group => lines(disks(), disk => shownMax(io.max(disk, group))),
      prepare: value => {
        const fields = fieldsOf('io.max', value, ['disk', ...RATES])
        const disk = diskOf('io.max', fields)
        const max: { -readonly [Rate in keyof IoMax]?: number } = {}
        for (const rate of RATES) if (fields.has(rate)) max[rate] = rateOf(rate, fields.get(rate))
        return group => io.setMax(disk, group, max)
      },
    },
    'io.latency': {
      read: group =>
        lines(disks(), disk => {
          const target = io.latencyTarget(disk, group)
          return target === 0 ? '' : `target=${target / US}`
        }),
      prepare: value => {
        const fields = fieldsOf('io.latency', value, ['disk', 'target'])
        if (!fields.has('target'))
          throw new SettingError(
            'EINVAL',
            `io.latency: expected target in microseconds, got ${shown(value)} without it`,
          )
        const disk = diskOf('io.latency', fields)
        const target = parseCountOrMax(fields.get('target'), 'io.latency target')
        return group => io.setLatency(disk, group, target === Infinity ? 0 : target * US)
      },
    },
    'io.protect': {
      read: group =>
        lines(disks(), disk => {
          const { target, rate } = io.protection(disk, group)
          if (target === 0) return ''
          return `target=${target / US}${rate === Infinity ? '' : ` others=${rate.toFixed(3)}`}`
        }),
      prepare: value => {
        const fields = fieldsOf('io.protect', value, ['disk', 'target'])
        if (!fields.has('target'))
          throw new SettingError(
            'EINVAL',
            `io.protect: expected target in microseconds, got ${shown(value)} without it`,
          )
        const disk = diskOf('io.protect', fields)
        const target = parseCountOrMax(fields.get('target'), 'io.protect target')
        return group => io.setProtection(disk, group, target === Infinity ? 0 : target * US)
      },
    },
    'io.weight': {
      read: group =>
        `default ${io.weight(EVERY_DISK, group)}\n${lines(io.diskNames, disk =>
          io.weight(disk, group) === io.weight(EVERY_DISK, group) ? '' : String(io.weight(disk, group)),
        )}`,
      prepare: value => {
        const { disk, weight } = weightOf(value)
        if (disk !== EVERY_DISK) diskOf('io.weight', new Map([['disk', disk]]))
        return group => io.setWeight(disk, group, weight)
      },
    },
    'io.stat': { read: group => lines(io.diskNames, disk => shownStat(io, disk, group)) },
    'io.pressure': { read: group => pressure.read(group, 'io', now()) },
  }
}

/** A disk of the host, or a server whose files are read. */
const DISK = /^(\d+:\d+|https?:\/\/[^/\s]+)$/

/** 250, 'default 250', '8:0 250', '8:0 default', or { disk, weight }. */
function weightOf(value: unknown): { readonly disk: string; readonly weight: number } {
  let disk: unknown = EVERY_DISK
  let weight = value
  if (typeof value === 'object' && value !== null) {
    const fields = fieldsOf('io.weight', value, ['disk', 'weight'])
    disk = fields.get('disk') ?? EVERY_DISK
    weight = fields.get('weight')
  } else if (typeof value === 'string' && /\s/.test(value.trim())) {
    const [first, second] = value.trim().split(/\s+/)
    disk = first === 'default' ? EVERY_DISK : first
    weight = second
  }
  const number = weight === 'default' ? WEIGHT_DEFAULT : Number(weight)
  if (typeof disk !== 'string' || !(Number.isInteger(number) && number >= WEIGHT_MIN && number <= WEIGHT_MAX))
    throw new SettingError(
      'EINVAL',
      `io.weight: expected a whole number from ${WEIGHT_MIN} to ${WEIGHT_MAX}, alone or after a disk, got ${shown(value)}`,
    )
  return { disk, weight: number }
}

function rateOf(rate: keyof IoMax, value: unknown): number {
  const what = `io.max ${rate}`
  const parsed = rate.endsWith('bps') ? parseBytesOrMax(value, what) : parseCountOrMax(value, what)
  if (parsed === 0) throw new SettingError('EINVAL', `${what}: expected at least 1 a second, or 'max', got 0`)
  return parsed
}

function diskNamed(what: string, fields: ReadonlyMap<string, unknown>): string {
  const disk = fields.get('disk') ?? EVERY_DISK
  if (typeof disk !== 'string' || !(disk === EVERY_DISK || DISK.test(disk)))
    throw new SettingError(
      'EINVAL',
      `${what}: expected a disk as major:minor, or a server as https://host, got ${shown(disk)}`,
    )
  return disk
}

function lines(disks: readonly string[], show: (disk: string) => string): string {
  return disks
    .map(disk => ({ disk, text: show(disk) }))
    .filter(({ text }) => text !== '')
    .map(({ disk, text }) => `${disk} ${text}\n`)
    .join('')
}

function shownMax(max: IoMax): string {
  if (RATES.every(rate => max[rate] === Infinity)) return ''
  return RATES.map(rate => `${rate}=${showOrMax(max[rate])}`).join(' ')
}

function shownStat(io: Io, disk: string, group: GroupId): string {
  const stat = io.stat(disk, group)
  if (stat === undefined) return ''
  const { rbytes, wbytes, rios, wios, dbytes, dios } = stat
  const spent = [...(io.spent(disk, group) ?? [])].map(([name, value]) => ` ${name}=${value}`)
  return `rbytes=${rbytes} wbytes=${wbytes} rios=${rios} wios=${wios} dbytes=${dbytes} dios=${dios}${spent.join('')}`
}
