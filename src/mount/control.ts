/**
 * What only the tool asks of a mounted volume: snapshots, dedupe, ranges taken out and put in, growth, check, and what the daemon
 * is doing. Root may ask, and who has mounted it.
 */
import { type Errno, errno, errnoName } from '../base/index.ts'
import { FaultlineError, fromErrno } from '../calls/index.ts'
import { type Answered, type Operations, type Request, room, wire } from '../fuse/index.ts'
import type { Verb } from '../sched/index.ts'
import {
  type Answer,
  countingArgs,
  type Place,
  remappingArgs,
  shiftingArgs,
  snapshotArgs,
} from '../volume/index.ts'
import {
  CONTROL_BYTES,
  CONTROL_IOCTL,
  type ControlAnswer,
  type ControlCall,
  type ControlCalls,
  type ControlName,
  type MountStatus,
  type PathRange,
  putText,
  textPart,
} from './control-wire.ts'
import type { EndPlace } from './ending.ts'
import type { Used } from './files.ts'
import type { Notifications } from './notifications.ts'
import { type Parts, perform, wroteRange } from './parts.ts'

const { Opcode, IoctlIn, IoctlOut } = wire
const ENOTTY = 25

/** What of the mount it needs beside its parts. */
export interface ControlScope {
  readonly volume: { grow(size: number): Promise<void>; check(how: CheckWords): ReturnType<Check> }
  readonly notifications: Notifications
  readonly writes: 'through' | 'back'
  readonly end: EndPlace
  status(): MountStatus
}

type CheckWords = ControlCalls['check']['takes']
type Check = (how: CheckWords) => Promise<ControlCalls['check']['gives']['report']>
type Performed<Name extends ControlName> = (
  request: Request,
  takes: ControlCalls[Name]['takes'],
) => Promise<ControlCalls[Name]['gives']>

export function controlOperations(
  parts: Parts,
  { volume, notifications, writes, end, status }: ControlScope,
): Operations {
  const { core, files, handles, pages } = parts
  /** Syncs that were asked for, by who did; undefined: under way. */
  const syncs = new Map<string, Errno | undefined>()

  const calls: { readonly [Name in Exclude<ControlName, 'rest'>]: Performed<Name> } = {
    async snapshot(request, { from, to, mode }) {
      await pages.write(pages.files)
      const args = snapshotArgs({ from, to, mode }, parts.now())
      await does(request, 'snapshot', `${from} to ${to}`, core.snapshot, args)
      await notifications.entry(placeOf(to))
      await durable('snapshot', to)
      return { files: args.files }
    },
    async dedupe(request, { one, other }) {
      return using('dedupe', one, source =>
        using('dedupe', other, async target => {
          await pages.write([source.ino, target.ino])
          const { size } = source.file
          if (size !== target.file.size) return { same: false, shared: 0 }
          const range = { source: source.file, from: 0, target: target.file, to: 0, length: size }
          const plan = { how: 'dedupe', ...range } as const
          obey(core.remapping.brokenRule(plan), 'dedupe', `${one} to ${other}`)
          const args = remappingArgs(plan)
          await does(request, 'dedupe', `${one} to ${other}`, core.remapping, args)
          await durable('dedupe', other)
          return { same: !args.differs, shared: args.remapped }
        }),
      )
    },
    collapse: (request, range) => shift(request, 'collapse', range),
    insert: (request, range) => shift(request, 'insert', range),
    async grow(_request, { size }) {
      await volume.grow(size)
      return core.usage
    },
    async check(_request, how) {
      const noted = [...core.damage]
      return { report: await volume.check(how), noted }
    },
    async stat(request, { path }) {
      const args = countingArgs(path, 'itself')
      await does(request, 'stat', path, core.counting, args)
      return { blockSize: parts.blockSize, ...args.stat! }
    },
    async usage() {
      return { usage: said(core.usageNow(), 'usage', '/'), readOnly: core.isReadOnly, damage: core.damage }
    },
    status: async () => status(),
    end: async () => end,
    async sync(_request, { asker }) {
      if (core.isReadOnly) return { isDurable: true }
      if (!syncs.has(asker)) {
        syncs.set(asker, undefined)
        void files.sync().then(failed => syncs.set(asker, failed))
      }
      const failed = syncs.get(asker)
      if (failed === undefined) return { isDurable: false }
      syncs.delete(asker)
      if (failed !== errno.OK) throw fromErrno(failed, 'sync', '/')
      return { isDurable: true }
    },
  }

  async function shift(request: Request, how: 'collapse' | 'insert', range: PathRange): Promise<null> {
    const { path, position, length } = range
    // There the kernel believes its own size of a file, whatever it is told (fs/fuse/inode.c, fuse_change_attributes).
    if (writes === 'back')
      throw new FaultlineError(
        'ENOTSUP',
        how,
        `${how} of ${path}: with --writeback the kernel keeps the sizes of files to itself; mount without it, or unmount first`,
      )
    return using(how, path, async used => {
      const plan = { how, file: used.file, position, length }
      obey(core.shifting.brokenRule(plan), how, path)
      // What the kernel has dirty there it writes where it belongs now.
      await pages.write([used.ino])
      await notifications.inode(used.ino)
      await does(request, how, path, core.shifting, shiftingArgs(plan))
      wroteRange(parts, request, used.ino)
      await notifications.inode(used.ino)
      await durable(how, path)
      return null
    })
  }

  /** Where the name of a path is. */
  function placeOf(path: string): Place {
    const at = path.lastIndexOf('/')
    const directory = said(core.find(path.slice(0, at) || '/'), 'find', path)
    return { directory, name: path.slice(at + 1) }
  }

  async function durable(operation: string, where: string): Promise<void> {
    const failed = await files.sync()
    if (failed !== errno.OK) throw fromErrno(failed, operation, where)
  }

  /** Does something with the file at a path, which the mount has open meanwhile. */
  async function using<T>(operation: string, path: string, act: (used: Used) => Promise<T>): Promise<T> {
    const used = await files.use(said(core.find(path), operation, path))
    if (typeof used === 'number') throw fromErrno(used, operation, path)
    try {
      return await act(used)
    } finally {
      files.letGo(used)
    }
  }

  async function does<Args>(
    request: Request,
    operation: string,
    where: string,
    verb: Verb<Args>,
    args: Args,
  ): Promise<void> {
    const failed = await perform(parts, request, verb, args, ended => ended.errno)
    if (failed !== errno.OK) throw fromErrno(failed as number, operation, where)
  }

  async function answered(request: Request, { name, takes }: ControlCall): Promise<ControlAnswer> {
    try {
      const act = calls[name as keyof typeof calls] as Performed<ControlName> | undefined
      if (act === undefined)
        throw new FaultlineError('ENOTSUP', name, `${name}: this daemon doesn't know it; mount anew`)
      return { gives: await act(request, takes) }
    } catch (error) {
      if (!(error instanceof FaultlineError)) throw error
      const { code, operation, message } = error
      return { failed: { code, operation, message } }
    }
  }

  function ioctl(request: Request): Answered | Promise<Answered> {
    const { fh, cmd, flags, in_size, out_size } = request.take(IoctlIn)
    const handle = (flags & wire.IOCTL_DIR) === 0 ? undefined : handles.directories.get(fh)
    if (cmd !== CONTROL_IOCTL || handle === undefined) return ENOTTY
    if (in_size !== CONTROL_BYTES || out_size !== CONTROL_BYTES) return errno.EINVAL
    if (request.uid !== 0 && request.uid !== process.getuid!()) return errno.EPERM
    const call = callIn(request.data(in_size))
    if (call === undefined) return errno.EINVAL
    if (call.name === 'rest') {
      const { at } = call.takes as ControlCalls['rest']['takes']
      return handle.said === undefined ? errno.EINVAL : part(handle.said, at)
    }
    return answered(request, call).then(answer => {
      handle.said = Buffer.from(JSON.stringify(answer))
      return part(handle.said, 0)
    })
  }

  return { [Opcode.IOCTL]: ioctl }
}

/** An answer that has the text from byte `at` on. */
function part(text: Uint8Array, at: number): Answered {
  const payload = room(IoctlOut.size + CONTROL_BYTES).fill(0)
  putText(payload.subarray(IoctlOut.size), text, at)
  return payload
}

function callIn(buffer: Uint8Array): ControlCall | undefined {
  try {
    return JSON.parse(Buffer.from(textPart(buffer, 0).part).toString()) as ControlCall
  } catch {
    return undefined
  }
}

function said<T>({ errno: failed, value }: Answer<T>, operation: string, where: string): T {
  if (failed !== errno.OK) throw fromErrno(failed, operation, where)
  return value as T
}

function obey(rule: string | undefined, operation: string, where: string): void {
  if (rule !== undefined)
    throw new FaultlineError(errnoName(errno.EINVAL), operation, `${operation} of ${where}: ${rule}`)
}
