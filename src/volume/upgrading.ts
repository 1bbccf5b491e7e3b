/**
 * The upgrade of a volume of format 1: each inode gets the attributes that it lacks, and what is counted from now on is counted. All of
 * it is one commit, so that a crash leaves the volume in the one format or in the other. Data stay where they are, and so does the
 * device's first block, which says what the volume was made as.
 *
 *     names, extents -> inodes, state, header -> commit -> the volume may be changed
 *
 * Invariants
 *   UG1 The check finds nothing wrong after it that it didn't find before.
 */
import { errno } from '../base/index.ts'
import { done, fail, type Outcome, type Task, type Ticket, type Verb, wait } from '../sched/index.ts'
import { LOST } from './extents.ts'
import { decodeNumbers } from './fields.ts'
import { decodeInode, encodeInode, type Inode, type Time } from './inode.ts'
import {
  decodeLink,
  decodeState,
  encodeHeader,
  encodeState,
  FORMAT,
  HEADER_KEY,
  inodeKey,
  inoIn,
  numberIn,
  ROOT_INO,
  STATE_KEY,
} from './records.ts'
import type { Volume } from './volume.ts'

export interface UpgradingArgs {
  readonly volume: Volume
  /** Whose everything is from now on, and since when. */
  readonly uid: number
  readonly gid: number
  readonly now: Time
  commit: Ticket | undefined
}

export function upgradingArgs(plan: Pick<UpgradingArgs, 'volume' | 'uid' | 'gid' | 'now'>): UpgradingArgs {
  return { ...plan, commit: undefined }
}

/** EUCLEAN of a volume that is damaged, EROFS of one that is open to be read. */
export class Upgrading implements Verb<UpgradingArgs> {
  readonly name = 'upgrade of a volume'

  attempt({ args }: Task<UpgradingArgs>): Outcome {
    const { volume } = args
    const { overlay, commits } = volume.parts
    if (args.commit === undefined) {
      if (volume.header.format === FORMAT) return done
      if (volume.damageCount > 0) return fail(errno.EUCLEAN)
      if (!volume.isWritable) return fail(errno.EROFS)
      const converted = overlay.edit(() => convert(args))
      if (converted.kind !== 'done') return converted
      args.commit = commits.request()
    }
    if (!args.commit.complete) return wait(args.commit, 'device')
    if (args.commit.errno !== errno.OK) return fail(args.commit.errno)
    volume.header = { ...volume.header, format: FORMAT }
    return volume.recover()
  }
}

function convert({ volume, uid, gid, now }: UpgradingArgs): void {
  const { overlay } = volume.parts
  const { up, below } = namesOf(volume)
  const blocks = blocksOf(volume)
  const inodes = new Map<number, Inode>()
  for (const { key, value } of overlay.range('i', 'j'))
    inodes.set(numberIn(key), decodeInode(value, numberIn(key)))
  const sealed = sealedOf(inodes, up)
  for (const [ino, inode] of inodes) {
    const isDirectory = inode.kind === 'directory'
    const isGone = ino !== ROOT_INO && !up.has(ino)
    const upgraded: Inode = {
      ...inode,
      sealed: sealed.has(ino),
      uid,
      gid,
      links: isDirectory && !isGone ? 2 + (below.get(ino) ?? 0) : isGone ? 0 : inode.links,
      blocks: blocks.get(ino) ?? 0,
      parent: isDirectory ? (up.get(ino) ?? ROOT_INO) : 0,
      atime: now,
      mtime: now,
      ctime: now,
      btime: now,
    }
    overlay.put(inodeKey(ino), encodeInode(upgraded))
  }
  overlay.put(STATE_KEY, encodeState(decodeState(overlay.get(STATE_KEY))))
  overlay.put(HEADER_KEY, encodeHeader({ ...volume.header, format: FORMAT }))
}

/** The directory of each inode that has a name, and how many directories each one holds. */
function namesOf({ parts: { overlay } }: Volume) {
  const up = new Map<number, number>()
  const below = new Map<number, number>()
  for (const { key, value } of overlay.range('d', 'e')) {
    const { ino, kind } = decodeLink(value, key)
    const directory = inoIn(key)
    up.set(ino, directory)
    if (kind === 'directory') below.set(directory, (below.get(directory) ?? 0) + 1)
  }
  return { up, below }
}

function blocksOf({ parts: { overlay } }: Volume): Map<number, number> {
  const blocks = new Map<number, number>()
  for (const { key, value } of overlay.range('e', 'f')) {
    const [start, , tag] = decodeNumbers(value, 3, `the run ${key}`)
    const count = tag === LOST ? 0 : numberIn(key) + 1 - start!
    blocks.set(inoIn(key), (blocks.get(inoIn(key)) ?? 0) + count)
  }
  return blocks
}

/** In format 1 the uppermost directory alone was marked. */
function sealedOf(inodes: ReadonlyMap<number, Inode>, up: ReadonlyMap<number, number>): Set<number> {
  const sealed = new Set<number>()
  const open = new Set<number>()
  for (const ino of inodes.keys()) {
    const way: number[] = []
    let at: number | undefined = ino
    while (at !== undefined && !sealed.has(at) && !open.has(at) && inodes.get(at)?.sealed === false) {
      way.push(at)
      open.add(at)
      at = up.get(at)
    }
    if (at === undefined || !(sealed.has(at) || inodes.get(at)?.sealed === true)) continue
    for (const each of [...way, at]) {
      open.delete(each)
      sealed.add(each)
    }
  }
  return sealed
}
