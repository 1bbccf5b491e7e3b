/** What may take long to say of a volume, and is asked in slices: stat with shared blocks, names of a directory, data and holes. */
import { setImmediate } from 'node:timers/promises'
import { type Bytes, errno } from '../base/index.ts'
import {
  countingArgs,
  type DaxFile,
  type Found,
  type Last,
  type Named,
  type Stat,
  seekingArgs,
  type VolumeFile,
} from '../volume/index.ts'
import type { VolumeCalls } from './volume-calls.ts'

/** Names that are told before the event loop turns. */
const LISTED_AT_ONCE = 256

export async function statOf(calls: VolumeCalls, operation: string, path: string, last: Last): Promise<Stat> {
  const args = countingArgs(path, last)
  await calls.perform(calls.core.counting, args, { operation, where: path })
  return args.stat!
}

/** What the inode at the path says, without counting anything. */
export async function lookAt(calls: VolumeCalls, operation: string, path: string): Promise<Found> {
  const { core } = calls
  const ino = await calls.ask(() => core.find(path), operation, path)
  return calls.ask(() => core.inodes.getattr(ino), operation, path)
}

/** What a directory holds, in order. What came or went meanwhile may be told or not; everything else is told once. */
export async function listOf(calls: VolumeCalls, path: string): Promise<Named[]> {
  const { core } = calls
  const ino = await calls.ask(() => core.find(path), 'list', path)
  const names: Named[] = []
  for (;;) {
    const part = () => core.inodes.readdir(ino, names.at(-1)?.name, LISTED_AT_ONCE)
    const { entries, isLast } = await calls.ask(part, 'list', path)
    names.push(...entries)
    if (isLast) return names
    await setImmediate()
  }
}

/** Where data, or a hole, begins from a position on; undefined: nowhere before the end. */
export async function seekIn(
  calls: VolumeCalls,
  file: VolumeFile | DaxFile,
  position: Bytes,
  what: 'data' | 'hole',
): Promise<Bytes | undefined> {
  const args = seekingArgs(file, position, what)
  const failed = await calls.ended(calls.core.seeking, args, { operation: 'seek', where: file.name })
  if (failed === errno.ENXIO) return undefined
  calls.went(failed, 'seek', file.name)
  return args.found
}
