/** Answers that aren't the wanted ones, and why a filesystem may give them. */
import { statfsSync } from 'node:fs'
import type { Asked } from './world.ts'

/** statfs(2): f_type. */
const TYPES: ReadonlyMap<number, string> = new Map([
  [0xef53, 'ext4'],
  [0x58465342, 'xfs'],
  [0x65735546, 'fuse'],
  [0x01021994, 'tmpfs'],
])

interface Known {
  readonly on: string
  /** Which questions, by their names. */
  readonly name: RegExp
  readonly got: string
  readonly reason: string
}

const KNOWN: readonly Known[] = [
  {
    on: 'xfs',
    name: /^times of a file, truncate to as long: move$/,
    got: '',
    reason: 'XFS leaves the times of a file whose size stays; POSIX marks them for update',
  },
  {
    on: 'xfs',
    name: /^rename of a directory: onto (one that is not empty|one above itself)$/,
    got: 'EEXIST',
    reason: 'POSIX allows EEXIST for ENOTEMPTY',
  },
  {
    on: 'xfs',
    name: /^symlink: to 4095 bytes$/,
    got: 'ENAMETOOLONG',
    reason: 'the target of a link has at most 1024 bytes on XFS',
  },
  {
    on: 'xfs',
    name: /^symlink: to 4095 bytes is as long$/,
    got: 'undefined',
    reason: 'the target of a link has at most 1024 bytes on XFS',
  },
]

export interface Explained extends Asked {
  readonly reason: string
}

export function filesystemOf(directory: string): string {
  const { type } = statfsSync(directory)
  return TYPES.get(type) ?? type.toString(16)
}

export function differences(
  asked: readonly Asked[],
  filesystem: string,
): { readonly wrong: readonly Asked[]; readonly explained: readonly Explained[] } {
  const wrong: Asked[] = []
  const explained: Explained[] = []
  for (const each of asked) {
    if (each.got === each.wanted) continue
    const known = KNOWN.find(
      ({ on, name, got }) => on === filesystem && name.test(each.name) && got === each.got,
    )
    if (known === undefined) wrong.push(each)
    else explained.push({ ...each, reason: known.reason })
  }
  return { wrong, explained }
}
