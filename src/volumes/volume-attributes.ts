/** What programs say of the attributes of a volume's files, checked: modes, owners, times, devices, extended attributes. */
import type { LinkOptions, MakeOptions, NodeOptions, RenameOptions, TimesOfFile } from '../api/index.ts'
import { checkKeys, choice, invalid } from '../calls/index.ts'
import { shown } from '../group/index.ts'
import type { InodePlan, Kind, RenameHow, Time } from '../volume/index.ts'

const MODE_MAX = 0o7777
const ID_MAX = 2 ** 32 - 2
const MAJOR_MAX = 2 ** 12 - 1
const MINOR_MAX = 2 ** 20 - 1
const RENAMES = { 'is replaced': 'replace', stays: 'noreplace', 'is exchanged': 'exchange' } as const
const MAKE_KEYS = ['mode', 'uid', 'gid'] as const

export function now(): Time {
  return timeOf(performance.timeOrigin + performance.now())
}

/** What this process makes. */
export function planOf(kind: Kind, options: MakeOptions, operation: string): InodePlan {
  checkKeys(options, MAKE_KEYS, operation)
  return planned(kind, options, operation)
}

/** What mknod is asked for. */
export function nodePlan(options: NodeOptions, operation: string): InodePlan {
  checkKeys(options, [...MAKE_KEYS, 'kind', 'major', 'minor'], operation)
  const { kind = 'file', major = 0, minor = 0 } = options
  const known = ['file', 'fifo', 'socket', 'block device', 'char device'] as const
  checkWithin(major, MAJOR_MAX, 'major', operation)
  checkWithin(minor, MINOR_MAX, 'minor', operation)
  // As the kernel packs it (new_encode_dev).
  const rdev = ((minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12)) >>> 0
  return { ...planned(choice(kind, known, 'kind', operation), options, operation), rdev }
}

export function linkPlan(target: unknown, operation: string): InodePlan {
  if (typeof target !== 'string' || target === '' || target.includes('\0'))
    throw invalid(operation, `target: expected where the link is to lead, got ${shown(target)}`)
  return { ...planned('symlink', { mode: 0o777 }, operation), target }
}

export function checkMode(mode: unknown, operation: string): number {
  return checkWithin(mode, MODE_MAX, 'mode', operation)
}

export function checkId(id: unknown, what: 'uid' | 'gid', operation: string): number {
  return checkWithin(id, ID_MAX, what, operation)
}

export function lastOf(options: LinkOptions, operation: string): 'followed' | 'itself' {
  checkKeys(options, ['link'], operation)
  return choice(options.link ?? 'followed', ['followed', 'itself'], 'link', operation)
}

export function renameHow(options: RenameOptions, operation: string): RenameHow {
  checkKeys(options, ['existing'], operation)
  const { existing = 'is replaced' } = options
  return RENAMES[choice(existing, ['is replaced', 'stays', 'is exchanged'], 'existing', operation)]
}

export function checkTimes(
  times: TimesOfFile,
  operation: string,
): { readonly atime?: Time; readonly mtime?: Time } {
  checkKeys(times, ['atime', 'mtime'], operation)
  const { atime, mtime } = times
  return {
    ...(atime !== undefined && { atime: checkTime(atime, 'atime', operation) }),
    ...(mtime !== undefined && { mtime: checkTime(mtime, 'mtime', operation) }),
  }
}

export function checkAttribute(name: unknown, operation: string): string {
  if (typeof name !== 'string' || name === '')
    throw invalid(operation, `name: expected the name of an attribute, such as user.note, got ${shown(name)}`)
  return name
}

function planned(kind: Kind, options: MakeOptions, operation: string): InodePlan {
  const {
    mode = kind === 'directory' ? 0o755 : 0o644,
    uid = process.getuid?.() ?? 0,
    gid = process.getgid?.() ?? 0,
  } = options
  return {
    kind,
    mode: checkMode(mode, operation),
    uid: checkId(uid, 'uid', operation),
    gid: checkId(gid, 'gid', operation),
  }
}

function checkTime(time: unknown, what: string, operation: string): Time {
  if (time instanceof Date && !Number.isNaN(time.getTime())) return timeOf(time.getTime())
  const { seconds, nanoseconds } = (typeof time === 'object' && time !== null ? time : {}) as Partial<Time>
  if (
    Number.isSafeInteger(seconds) &&
    Number.isInteger(nanoseconds) &&
    nanoseconds! >= 0 &&
    nanoseconds! < 1e9
  )
    return { seconds: seconds!, nanoseconds: nanoseconds! }
  throw invalid(operation, `${what}: expected a Date, or seconds and nanoseconds, got ${shown(time)}`)
}

function timeOf(milliseconds: number): Time {
  const seconds = Math.floor(milliseconds / 1000)
  return { seconds, nanoseconds: Math.floor((milliseconds - seconds * 1000) * 1e6) }
}

function checkWithin(value: unknown, most: number, what: string, operation: string): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= most) return value
  throw invalid(operation, `${what}: expected a whole number from 0 to ${most}, got ${shown(value)}`)
}
