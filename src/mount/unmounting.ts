/** Unmounting from another process than the daemon: the kernel is asked, and the daemon's end waited for. */
import { realpathSync } from 'node:fs'
import { resolve } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { errno, errnoName } from '../base/index.ts'
import { FILESYSTEM, mountsAt, type User, unmount, usersOf } from '../fuse/index.ts'
import { Linux } from '../linux/index.ts'
import { FaultlineError } from '../map/index.ts'
import { owners } from '../store/index.ts'

/** How often it is looked whether the daemon has gone, in milliseconds. */
const LOOK_EVERY = 20

export interface Unmounted {
  readonly target: string
  readonly volume: string
  /** Who keeps it from being unmounted: then it still is mounted. */
  readonly users: readonly User[]
}

/**
 * Unmounts the volume at a directory, and waits until its daemon has made everything durable and let go of it. Throws EINVAL if no
 * volume is mounted there. `detach`: what is in use goes out of sight, and ends with its last user.
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
  const daemons = owners(volume).map(({ pid }) => pid)
  const failed = -unmount(new Linux(), target, how)
  if (failed === errno.EBUSY) return { target, volume, users: usersOf(target) }
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
  if (how === 'when nobody uses it')
    while (owners(volume).some(({ pid }) => daemons.includes(pid)))
      await setTimeout(LOOK_EVERY, undefined, { signal })
  return { target, volume, users: [] }
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
