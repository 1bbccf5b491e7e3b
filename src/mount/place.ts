/** Where volumes are mounted on this host, and what is left of a mount whose daemon is gone. */

import { lstatSync, realpathSync } from 'node:fs'
import { codeOf } from '../base/index.ts'
import { FILESYSTEM, mountsAt, unmount } from '../fuse/index.ts'
import type { Linux } from '../linux/index.ts'

const DEAD = 'ENOTCONN'

/** Whether nobody answers there any more. It asks for the root of the mount, which a daemon that lives answers at once. */
function isDead(path: string): boolean {
  try {
    lstatSync(path)
    return false
  } catch (error) {
    return codeOf(error) === DEAD
  }
}

/** The directory by its real name. If what lies there is a mount of ours whose daemon has died, it is taken away first. */
export function removeDead(linux: Linux, path: string): string {
  for (
    let mounts = mountsAt(path);
    mounts.at(-1)?.type === FILESYSTEM && isDead(path);
    mounts = mountsAt(path)
  )
    if (unmount(linux, path, 'detach') !== 0) break
  try {
    return realpathSync(path)
  } catch {
    return path
  }
}
