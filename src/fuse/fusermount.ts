/**
 * fusermount3: the set-uid program of libfuse that mounts for users who aren't root, and unmounts what is theirs. It sends the
 * descriptor of /dev/fuse over a socket whose number it is told in _FUSE_COMMFD.
 */
import { type SpawnSyncOptionsWithStringEncoding, spawnSync } from 'node:child_process'
import { closeSync } from 'node:fs'
import type { Linux } from '../linux/index.ts'
import type { MountPlan } from './mount-plan.ts'

const PROGRAM = 'fusermount3'
/** Of the child: after its standard streams. */
const SOCKET = 3

/** What it said, or that there is no such program. */
export class FusermountFailed extends Error {}

/** Mounts, and returns the descriptor. Throws FusermountFailed. */
export function fusermount(linux: Linux, { source, target, readOnly, allowOther }: MountPlan): number {
  const options = ['default_permissions', `fsname=${escaped(source)}`, 'subtype=faultline']
  if (readOnly) options.push('ro')
  if (allowOther) options.push('allow_other')
  const [ours, theirs] = linux.socketpair()
  try {
    const how: SpawnSyncOptionsWithStringEncoding & { readonly detached: true } = {
      env: { ...process.env, _FUSE_COMMFD: String(SOCKET) },
      stdio: ['ignore', 'ignore', 'pipe', theirs],
      encoding: 'utf8',
      // Ctrl-C goes to all programs of the terminal: ended between mounting and sending, it would leave a mount that nobody serves.
      detached: true,
    }
    const { status, error, stderr } = spawnSync(PROGRAM, ['-o', options.join(','), '--', target], how)
    closeSync(theirs)
    if (error !== undefined || status !== 0)
      throw new FusermountFailed(error === undefined ? stderr.trim() : missing())
    const fd = linux.receiveDescriptor(ours)
    if (fd < 0) throw new FusermountFailed(`${PROGRAM} sent no descriptor`)
    return fd
  } finally {
    closeSync(ours)
  }
}

/** 'done', or what it said. */
export function fuserunmount(target: string, how: 'when nobody uses it' | 'detach'): string {
  const words = how === 'detach' ? ['-u', '-z', '--', target] : ['-u', '--', target]
  const { status, error, stderr } = spawnSync(PROGRAM, words, {
    stdio: ['ignore', 'ignore', 'pipe'],
    encoding: 'utf8',
  })
  if (error !== undefined) return missing()
  return status === 0 ? 'done' : stderr.trim()
}

function missing(): string {
  return `there is no ${PROGRAM} here, with which users other than root mount; install fuse3, or run it as root`
}

/** A comma ends an option, and a backslash takes the next character as it is. */
function escaped(text: string): string {
  return text.replaceAll(/[\\,]/g, each => `\\${each}`)
}
