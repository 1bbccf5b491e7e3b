/** Unmounting from another process than the daemon: the kernel is asked, and the daemon's end waited for. */
import { readFileSync, realpathSync } from 'node:fs'
import { resolve } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { errno, errnoName } from '../base/index.ts'
import { FaultlineError } from '../calls/index.ts'
import { FILESYSTEM, mountsAt, type User, unmount, usersOf } from '../fuse/index.ts'
import { Linux } from '../linux/index.ts'
import { AwaitedEnd } from './ending.ts'

/** How often it is looked whether the daemon has ended, in milliseconds. */
const LOOK_EVERY = 20
const BUSY_TRIES = 10

export interface Unmounted {
  readonly target: string
  readonly volume: string
  /** `entered`: who asks, or a process above it, is in the mount, and nobody else. */
  readonly state: 'unmounted' | 'busy' | 'entered'
  /** Who keeps it from being unmounted, but who asks and the processes above it. */
  readonly users: readonly User[]
}

/**
 * Unmounts the volume at a directory, and waits until its daemon has made everything durable and let go of it. What can't be made
 * durable stays mounted. Throws that, what was lost all the same, and EINVAL if no volume is mounted there. `detach`: what is in use goes out of sight, and ends with its last user, which
 * isn't waited for.
 */
export async function unmountVolume(
  path: string,
  how: 'when nobody uses it' | 'detach',
  signal: AbortSignal,
): Promise<Unmounted> {
  const target = mountNamed(resolve(path))
  const entry = mountsAt(target).at(-1)
  if (entry?.type !== FILESYSTEM)
    throw new FaultlineError('EINVAL', 'umount', `umount of ${target}: no volume is mounted there`)
  const { source: volume } = entry
  const end = how === 'detach' ? undefined : endOf(target)
  try {
    if (end instanceof AwaitedEnd)
      while (!end.isDurable()) await setTimeout(LOOK_EVERY, undefined, { signal })
    const done = await unmounted(target, volume, how, signal)
    if (done.state === 'unmounted' && end instanceof Error) throw unseen(target, end)
    if (done.state === 'unmounted' && end instanceof AwaitedEnd)
      while (!end.hasEnded()) await setTimeout(LOOK_EVERY, undefined, { signal })
    return done
  } finally {
    if (end instanceof AwaitedEnd) end.close()
  }
}

/** Whoever may not see how it ends may perhaps unmount it all the same. */
function endOf(target: string): AwaitedEnd | Error | undefined {
  try {
    return AwaitedEnd.of(target)
  } catch (error) {
    if (error instanceof Error) return error
    throw error
  }
}

function unseen(target: string, error: Error): FaultlineError {
  return new FaultlineError(
    'EIO',
    'umount',
    `${target} is unmounted, but whether everything is durable can't be seen from here: ${error.message}`,
    error,
  )
}

async function unmounted(
  target: string,
  volume: string,
  how: 'when nobody uses it' | 'detach',
  signal: AbortSignal,
): Promise<Unmounted> {
  const linux = new Linux()
  let failed = -unmount(linux, target, how)
  // The daemon itself is in it for a moment, when it has the kernel write pages of a file.
  for (let tries = 0; failed === errno.EBUSY && tries < BUSY_TRIES && usersOf(target).length === 0; tries++) {
    await setTimeout(LOOK_EVERY, undefined, { signal })
    failed = -unmount(linux, target, how)
  }
  if (failed === errno.EBUSY) return { target, volume, ...usersBut(ancestors(), target) }
  if (failed === errno.EPERM)
    throw new FaultlineError(
      'EPERM',
      'umount',
      `umount of ${target}: only root may unmount it; run it as root`,
    )
  if (failed !== errno.OK)
    throw new FaultlineError(
      errnoName(failed),
      'umount',
      `umount of ${target} failed with ${errnoName(failed)}`,
    )
  return { target, volume, state: 'unmounted', users: [] }
}

function usersBut(left: ReadonlySet<number>, target: string): Pick<Unmounted, 'state' | 'users'> {
  const all = usersOf(target)
  const users = all.filter(({ pid }) => !left.has(pid))
  return { state: users.length === 0 && all.length > 0 ? 'entered' : 'busy', users }
}

/** This process, and those that it is below. */
function ancestors(): ReadonlySet<number> {
  const found = new Set<number>()
  for (let pid = process.pid; pid > 0; pid = parentOf(pid)) found.add(pid)
  return found
}

/** proc(5): the fourth field of stat; the second is a name in parentheses. 0: it has none, or is gone. */
function parentOf(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
  } catch {
    return 0
  }
}

/** The path of the mount itself: by the words of the path, or where a link leads. */
function mountNamed(path: string): string {
  if (mountsAt(path).length > 0) return path
  try {
    return realpathSync(path)
  } catch {
    return path
  }
}
