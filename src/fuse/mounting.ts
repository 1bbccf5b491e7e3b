/**
 * Mounts of FUSE: made by mount(2), found in /proc/self/mountinfo, taken away by umount2(2).
 *
 * Nothing here looks at a path below a mount: the daemon that should answer may be this very process, or hang. Where
 * something is mounted is read from mountinfo, which asks no filesystem.
 */
import { closeSync, constants, openSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { errno } from '../base/index.ts'
import { type Linux, MNT_DETACH, MS_NODEV, MS_NOSUID, MS_RDONLY } from '../linux/index.ts'
import { fusermount, fuserunmount } from './fusermount.ts'
import type { MountPlan } from './mount-plan.ts'

export const FILESYSTEM = 'fuse.faultline'
const DEVICE = '/dev/fuse'

/** A line of mountinfo, as far as it is needed. */
export interface MountEntry {
  /** major:minor of its superblock. The minor number is the connection's in /sys/fs/fuse/connections. */
  readonly device: string
  readonly target: string
  readonly type: string
  readonly source: string
}

/** Mounts at the path; the last is the one that is seen. */
export function mountsAt(target: string, text = mountinfo()): MountEntry[] {
  return parseMountinfo(text).filter(entry => entry.target === target)
}

/** Where something is mounted below a directory, in the order in which it was. */
export function mountsBelow(directory: string, text = mountinfo()): string[] {
  return parseMountinfo(text).flatMap(({ target }) => (target.startsWith(`${directory}/`) ? [target] : []))
}

/** The mount that a path lies in, by the words of the path. */
export function mountOver(path: string, text = mountinfo()): MountEntry | undefined {
  let found: MountEntry | undefined
  for (const entry of parseMountinfo(text)) {
    const isAbove = entry.target === '/' || path === entry.target || path.startsWith(`${entry.target}/`)
    if (isAbove && entry.target.length >= (found?.target.length ?? 0)) found = entry
  }
  return found
}

export function mountinfo(): string {
  return readFileSync('/proc/self/mountinfo', 'utf8')
}

/** 36 35 98:0 /root /target options fields... - type source options */
export function parseMountinfo(text: string): MountEntry[] {
  const entries: MountEntry[] = []
  for (const line of text.split('\n')) {
    const words = line.split(' ')
    const dash = words.indexOf('-', 6)
    if (dash === -1) continue
    entries.push({
      device: words[2]!,
      target: unescaped(words[4]!),
      type: words[dash + 1]!,
      source: unescaped(words[dash + 2] ?? ''),
    })
  }
  return entries
}

/** Blanks and the like are written as \040. */
function unescaped(word: string): string {
  return word.replaceAll(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  )
}

/** Mounts: as root itself, else by fusermount3. Returns the descriptor, or -errno. Throws FusermountFailed. */
export function mountAs(linux: Linux, plan: MountPlan): number {
  return plan.uid === 0 ? mountFuse(linux, plan) : fusermount(linux, plan)
}

/** Opens /dev/fuse and mounts it. Returns the descriptor, or -errno. Throws what the host says of the device. */
function mountFuse(linux: Linux, plan: MountPlan): number {
  const { source, target, readOnly, allowOther, uid, gid } = plan
  const fd = openSync(DEVICE, constants.O_RDWR | constants.O_NONBLOCK)
  const options = [`fd=${fd}`, 'rootmode=40000', `user_id=${uid}`, `group_id=${gid}`, 'default_permissions']
  if (allowOther) options.push('allow_other')
  const flags = MS_NOSUID | MS_NODEV | (readOnly ? MS_RDONLY : 0)
  const failed = linux.mount({ source, target, type: FILESYSTEM, flags, data: options.join(',') })
  if (failed === 0) return fd
  closeSync(fd)
  return failed
}

/** 0, or -errno. It waits until what is dirty in the kernel is written: never in a thread that answers the mount. */
export function unmount(linux: Linux, target: string, how: 'when nobody uses it' | 'detach'): number {
  const failed = linux.umount(target, how === 'detach' ? MNT_DETACH : 0)
  if (failed !== -errno.EPERM) return failed
  const said = fuserunmount(target, how)
  if (said === 'done') return 0
  return /busy/i.test(said) ? -errno.EBUSY : -errno.EPERM
}

/** A process that uses the mount. */
export interface User {
  readonly pid: number
  readonly name: string
  /** What of it lies there: the path of an open file, or its working directory. */
  readonly path: string
}

/** The processes that have something of the mount open, or are in it. Those of others are seen by root only. */
export function usersOf(target: string): User[] {
  const found: User[] = []
  for (const pid of readdirSync('/proc').filter(name => /^\d+$/.test(name))) {
    const path = [...pathsOf(pid)].find(each => each === target || each.startsWith(`${target}/`))
    if (path !== undefined) found.push({ pid: Number(pid), name: nameOf(pid), path })
  }
  return found
}

function* pathsOf(pid: string): Generator<string> {
  const links = ['cwd', 'root', 'exe']
  for (const folder of ['fd', 'map_files'])
    try {
      links.push(...readdirSync(`/proc/${pid}/${folder}`).map(each => `${folder}/${each}`))
    } catch {
      // Another's, or gone.
    }
  for (const link of links)
    try {
      yield readlinkSync(`/proc/${pid}/${link}`)
    } catch {
      // Gone meanwhile.
    }
}

function nameOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim()
  } catch {
    return '?'
  }
}
