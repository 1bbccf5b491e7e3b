/** Asking the daemon of a mounted volume, from another process: what the kernel has kept back is handed to it first. */
import { closeSync, constants, openSync, realpathSync } from 'node:fs'
import { resolve } from 'node:path'
import { type Bytes, codeOf, errno, errnoName } from '../base/index.ts'
import { FaultlineError } from '../calls/index.ts'
import { FILESYSTEM, type MountEntry, mountinfo, mountsAt, parseMountinfo } from '../fuse/index.ts'
import { Linux } from '../linux/index.ts'
import {
  CONTROL_BYTES,
  CONTROL_IOCTL,
  type ControlAnswer,
  type ControlCall,
  type ControlCalls,
  type ControlName,
  fits,
  putText,
  textPart,
} from './control-wire.ts'

/**
 * What is answered while something hangs, writes of the kernel too: these aren't waited for. For `sync` the daemon asks the kernel
 * itself.
 */
const AT_ONCE: ReadonlySet<ControlName> = new Set(['status', 'sync', 'end'])

/** Where a volume is mounted: `path` is the volume, or the directory that it is mounted at. undefined: nowhere. */
export function mountOf(path: string): Pick<MountEntry, 'target' | 'source'> | undefined {
  if (process.platform !== 'linux') return undefined
  const named = resolve(path)
  // A mount is looked for by its words before it is touched: its daemon may be gone.
  const entry = mountsAt(named).at(-1)
  if (entry?.type === FILESYSTEM) return entry
  const real = realNameOf(named)
  return parseMountinfo(mountinfo()).find(
    ({ type, source, target }) => type === FILESYSTEM && (source === real || target === real),
  )
}

function realNameOf(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    return path
  }
}

/** Asks the daemon that answers at a directory. Throws a FaultlineError, the daemon's own if it refuses. */
export function askMounted<Name extends ControlName>(
  target: string,
  name: Name,
  takes: ControlCalls[Name]['takes'],
): ControlCalls[Name]['gives'] {
  const linux = new Linux()
  const fd = opened(target, name)
  try {
    if (!AT_ONCE.has(name)) linux.syncfs(fd)
    const buffer = new Uint8Array(CONTROL_BYTES)
    const ask = <Each extends ControlName>(call: ControlCall<Each>, at: Bytes) => {
      const text = Buffer.from(JSON.stringify(call))
      if (!fits(text))
        throw new FaultlineError('ENAMETOOLONG', name, `${name} at ${target}: the paths are too long`)
      putText(buffer, text, 0)
      const failed = linux.ioctl(fd, CONTROL_IOCTL, buffer)
      if (failed !== errno.OK) throw refused(failed, name, target)
      return textPart(buffer, at)
    }
    const first = ask({ name, takes }, 0)
    const answer = new Uint8Array(first.whole)
    answer.set(first.part)
    for (let at = first.part.length; at < answer.length; ) {
      const { part } = ask({ name: 'rest', takes: { at } }, at)
      answer.set(part, at)
      at += part.length
    }
    const said = JSON.parse(Buffer.from(answer).toString()) as ControlAnswer<Name>
    if ('gives' in said) return said.gives
    const { code, operation, message } = said.failed
    throw new FaultlineError(code, operation, message)
  } finally {
    closeSync(fd)
  }
}

function opened(target: string, operation: string): number {
  try {
    return openSync(target, constants.O_RDONLY | constants.O_DIRECTORY)
  } catch (error) {
    const code = codeOf(error) ?? 'EIO'
    const why = code === 'ENOTCONN' ? 'its daemon is gone; faultline umount takes it away' : code
    throw new FaultlineError(code, operation, `${operation} at ${target}: ${why}`, error)
  }
}

function refused(failed: number, operation: string, target: string): FaultlineError {
  const code = errnoName(failed)
  const why =
    failed === errno.EPERM
      ? 'only root and who has mounted it may ask for that'
      : `the mount failed with ${code}`
  return new FaultlineError(code, operation, `${operation} at ${target}: ${why}`)
}
