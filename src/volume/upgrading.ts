/**
 * The upgrade of a volume of format 1: each inode gets the attributes that it lacks, and what is counted from now on is counted. All of
 * it is one commit, so that a crash leaves the volume in the one format or in the other. Data stay where they are, and so does the
 * device's first block, which says what the volume was made as.
 *
 *     names, extents, inodes, seals -> inodes; with the last of them state and header -> commit -> what was left behind is given back
 *
 * All but the commit goes in slices. Nobody changes a volume of format 1, so what was looked at stays so. Commits are held from the
 * first inode to the last, and who checks waits that long.
 *
 * Invariants
 *   UG1 The check finds nothing wrong after it that it didn't find before.
 *   UG2 One that is killed when it has written an inode is seen through.
 */
import { errno } from '../base/index.ts'
import { again, done, fail, type Outcome, type Task, type Ticket, type Verb, wait } from '../sched/index.ts'
import { LOST } from './extents.ts'
import { decodeNumbers } from './fields.ts'
import { decodeInode, encodeInode, type Inode, type Time } from './inode.ts'
import type { Record } from './overlay.ts'
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
import { after } from './sorted-map.ts'
import type { Volume } from './volume.ts'

/** Of which kind of record what is taken note of, in this order. */
const NOTES = [
  { start: 'd', end: 'e', note: noteName },
  { start: 'e', end: 'f', note: noteExtent },
  { start: 'i', end: 'j', note: noteInode },
] as const

export interface UpgradingArgs {
  readonly volume: Volume
  /** Whose everything is from now on, and since when. */
  readonly uid: number
  readonly gid: number
  readonly now: Time
  /** Which of NOTES it is at, and behind which record. */
  at: number
  behind: string
  /** The directory of each inode that has a name. */
  readonly up: Map<number, number>
  /** How many directories each one holds. */
  readonly below: Map<number, number>
  readonly blocks: Map<number, number>
  readonly inodes: Map<number, Inode>
  readonly inos: number[]
  /** Which inodes are sealed, and which aren't. */
  readonly sealed: Set<number>
  readonly open: Set<number>
  /** How many inodes are in one of the two, and how many have been written. */
  judged: number
  written: number
  holds: boolean
  commit: Ticket | undefined
}

export function upgradingArgs(plan: Pick<UpgradingArgs, 'volume' | 'uid' | 'gid' | 'now'>): UpgradingArgs {
  return {
    ...plan,
    at: 0,
    behind: '',
    up: new Map(),
    below: new Map(),
    blocks: new Map(),
    inodes: new Map(),
    inos: [],
    sealed: new Set(),
    open: new Set(),
    judged: 0,
    written: 0,
    holds: false,
    commit: undefined,
  }
}

/** EUCLEAN of a volume that is damaged, EROFS of one that is open to be read. */
export class Upgrading implements Verb<UpgradingArgs> {
  readonly name = 'upgrade of a volume'

  attempt({ args }: Task<UpgradingArgs>): Outcome {
    const { volume } = args
    if (args.commit === undefined) {
      const converted = this.convert(args)
      if (converted.kind === 'wait' || converted.kind === 'again') return converted
      letGo(args)
      if (converted.kind === 'fail' || args.written === 0) return converted
      args.commit = volume.parts.commits.request()
    }
    if (!args.commit.complete) return wait(args.commit, 'device')
    return args.commit.errno === errno.OK ? volume.recover() : fail(args.commit.errno)
  }

  /** Half of the inodes in one format and half in the other would be no volume. */
  abandon({ args, name, group }: Task<UpgradingArgs>): void {
    if (args.holds) args.volume.parts.scheduler.spawn(this, args, { name, group })
  }

  /** One slice. */
  private convert(args: UpgradingArgs): Outcome {
    const { volume, inos } = args
    const { overlay } = volume.parts
    // Somebody else may have done it meanwhile.
    if (volume.header.format === FORMAT) return done
    if (volume.damageCount > 0) return fail(errno.EUCLEAN)
    if (!volume.isWritable) return fail(errno.EROFS)
    if (args.at < NOTES.length) return look(args)
    if (args.judged < inos.length) return judge(args)
    if (!args.holds) volume.parts.commits.hold(`upgrade of ${volume.parts.disk.name}`)
    args.holds = true
    const written = overlay.edit(() => write(args))
    if (written.kind !== 'done') return written
    args.written = Math.min(inos.length, args.written + volume.parts.sliceRecords)
    if (args.written < inos.length) return again
    volume.header = { ...volume.header, format: FORMAT }
    return done
  }
}

function letGo(args: UpgradingArgs): void {
  if (args.holds) args.volume.parts.commits.letGo()
  args.holds = false
}

/** Takes note of one slice of the records. */
function look(args: UpgradingArgs): Outcome {
  const { overlay, sliceRecords } = args.volume.parts
  const { start, end, note } = NOTES[args.at]!
  const said = overlay.ask(() => {
    const notes: ((args: UpgradingArgs) => void)[] = []
    let last = ''
    for (const record of overlay.range(args.behind === '' ? start : after(args.behind), end)) {
      notes.push(note(record))
      last = record.key
      if (notes.length === sliceRecords) break
    }
    return { notes, last }
  })
  if (said.value === undefined) return said.outcome
  const { notes, last } = said.value
  for (const take of notes) take(args)
  const isOver = notes.length < sliceRecords
  args.behind = isOver ? '' : last
  if (isOver) args.at++
  return again
}

function noteName({ key, value }: Record) {
  const { ino, kind } = decodeLink(value, key)
  const directory = inoIn(key)
  return ({ up, below }: UpgradingArgs) => {
    up.set(ino, directory)
    if (kind === 'directory') below.set(directory, (below.get(directory) ?? 0) + 1)
  }
}

function noteExtent({ key, value }: Record) {
  const [start, , tag] = decodeNumbers(value, 3, `the run ${key}`)
  const count = tag === LOST ? 0 : numberIn(key) + 1 - start!
  return ({ blocks }: UpgradingArgs) => blocks.set(inoIn(key), (blocks.get(inoIn(key)) ?? 0) + count)
}

function noteInode({ key, value }: Record) {
  const ino = numberIn(key)
  const inode = decodeInode(value, ino)
  return ({ inos, inodes }: UpgradingArgs) => {
    inos.push(ino)
    inodes.set(ino, inode)
  }
}

/** One slice of who is sealed. In format 1 the uppermost directory alone was marked. */
function judge(args: UpgradingArgs): Outcome {
  const { inos, inodes, up, sealed, open } = args
  for (let left = args.volume.parts.sliceRecords; left > 0 && args.judged < inos.length; left--) {
    const way: number[] = []
    let at: number | undefined = inos[args.judged++]
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
  return again
}

/** One slice of the inodes, and with the last what says that they are of another format. */
function write(args: UpgradingArgs): void {
  const { volume, inos, written } = args
  const { overlay, sliceRecords } = volume.parts
  for (const ino of inos.slice(written, written + sliceRecords))
    overlay.put(inodeKey(ino), encodeInode(upgraded(args, ino)))
  if (written + sliceRecords < inos.length) return
  overlay.put(STATE_KEY, encodeState(decodeState(overlay.get(STATE_KEY))))
  overlay.put(HEADER_KEY, encodeHeader({ ...volume.header, format: FORMAT }))
}

function upgraded({ inodes, up, below, blocks, sealed, uid, gid, now }: UpgradingArgs, ino: number): Inode {
  const inode = inodes.get(ino)!
  const isDirectory = inode.kind === 'directory'
  const isGone = ino !== ROOT_INO && !up.has(ino)
  return {
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
}
