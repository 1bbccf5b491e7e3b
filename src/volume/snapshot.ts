/**
 * A snapshot: everything below a directory, as it is at one moment, below a new one. Files share their blocks; time and records
 * grow with names and extents, not with bytes.
 *
 *     claim all files that are open, what is dirty of them written -> copy names and extents, in slices, below a directory
 *     that nothing leads to -> give that its name -> release
 *
 * The moment is that of the first slice. From then on no file that is open changes, since all are claimed; commits are held; and
 * who changes a name or opens a file has the rest copied first, in one go (`finish`): the door waits for the ticket instead.
 * Between two slices the snapshot has no name, and all that can be seen of it is that blocks are shared.
 *
 * Invariants   CL1, CL2 (claiming.ts)
 *   SN1 What was stored to two files before is in both or, with the error told, in none; a crash leaves all of it or nothing.
 *   SN3 Between two slices what lies in a sealed directory is sealed: a check finds nothing wrong.
 *   SN2 A snapshot that fails leaves no name and no reference behind, unless the metadata is damaged: then an orphan.
 */
import { assert, type Errno, errno } from '../base/index.ts'
import { again, done, fail, type Outcome, type Ticket, wait } from '../sched/index.ts'
import { type Claim, type Claimable, Claiming, type ClaimingArgs, claimOf, unclaimed } from './claiming.ts'
import type { Extents } from './extents.ts'
import { Failure } from './failure.ts'
import { EPOCH, type Time } from './inode.ts'
import type { Refusal } from './overlay.ts'
import type { Parts } from './parts.ts'
import { NUMBERS_MAX } from './records.ts'

export interface SnapshotArgs extends ClaimingArgs {
  /** A directory. */
  readonly from: string
  /** A name that nothing has; below `from` only if that is the root. */
  readonly to: string
  /** 'r': nothing below it can be changed. */
  readonly mode: 'r' | 'r+'
  /** What time it is. */
  readonly now: Time
  /** How many files are in it. */
  files: number
  copy: Copy | undefined
}

/** A copy under way. */
interface Copy {
  /** The directory that becomes the snapshot. */
  readonly top: number
  place: Place
  /** All that was copied, directories too. */
  readonly pairs: Pair[]
  /** Of what has several names: its copy has as many. */
  readonly linked: Map<number, number>
  /** Why it can't be; what was copied goes again. */
  failed: Errno
  /** What came of it. */
  outcome: Outcome | undefined
}

interface Pair {
  readonly from: number
  readonly to: number
}

/** How far the copy has come. */
interface Place {
  /** Directories that aren't copied to their end, and the last of their names that is; undefined: none. */
  readonly directories: readonly (Pair & { readonly after: string | undefined })[]
  /** The file whose extents are being copied, and up to which page they are. */
  readonly file: (Pair & { readonly page: number }) | undefined
  /** How many pairs have their attributes: names that were made and counted leave their times. */
  readonly alike: number
  readonly state: 'copies' | 'has its name'
}

/** What a slice has copied. */
interface Slice {
  readonly place: Place
  readonly pairs: readonly Pair[]
  readonly linked: ReadonlyMap<number, number>
  readonly files: number
}

export function snapshotArgs(plan: Pick<SnapshotArgs, 'from' | 'to' | 'mode'>, now = EPOCH): SnapshotArgs {
  return { ...unclaimed(), ...plan, now, files: 0, copy: undefined }
}

/** What of the volume a snapshot looks at. */
export interface SnapshotScope {
  openFiles(): Iterable<Claimable>
  extents(ino: number): Extents
}

export class Snapshot extends Claiming<SnapshotArgs> {
  readonly name = 'snapshot'
  private readonly scope: SnapshotScope
  /** The one that is copying. */
  private copying: SnapshotArgs | undefined

  constructor(parts: Parts, scope: SnapshotScope) {
    super(parts)
    this.scope = scope
  }

  /** Completes when names may be changed and files be opened without having to finish it; undefined: at once. */
  get underWay(): Ticket | undefined {
    return this.copying?.ticket
  }

  /** Copies the rest at once: a name is about to change, or a file to be opened. If it can't now, says what must be waited for. */
  finish(): Refusal | undefined {
    for (;;) {
      const { copying } = this
      if (copying === undefined) return undefined
      const outcome = this.change(copying)
      if (outcome.kind === 'wait') return { errno: errno.EAGAIN, value: undefined, outcome }
    }
  }

  protected refusal({ from, to }: SnapshotArgs): Errno {
    return from !== '/' && `${to}/`.startsWith(`${from}/`) ? errno.EINVAL : errno.OK
  }

  protected claims(): Claim[] {
    return [...this.scope.openFiles()].map(file => claimOf(file, { start: 0, end: NUMBERS_MAX }, 'all'))
  }

  protected change(args: SnapshotArgs): Outcome {
    if (args.copy?.outcome !== undefined) return args.copy.outcome
    const { overlay } = this.parts
    if (args.copy === undefined) {
      if (this.copying !== undefined) return wait(this.copying.ticket!, 'invalidate')
      if (this.isLate(args)) {
        this.release(args)
        return again
      }
      const begun = overlay.ask(() => this.begin(args))
      if (begun.value === undefined) return begun.outcome
      args.copy = begun.value
      this.copying = args
      this.parts.commits.hold(`snapshot of ${args.from}`)
      return again
    }
    const { copy } = args
    if (copy.failed !== errno.OK) return this.takeBack(args, copy)
    const said = overlay.ask(() => this.copySome(args, copy))
    if (said.outcome.kind === 'wait') return said.outcome
    if (said.value === undefined) {
      copy.failed = said.errno
      return again
    }
    const { place, pairs, linked, files } = said.value
    copy.place = place
    copy.pairs.push(...pairs)
    for (const [from, to] of linked) copy.linked.set(from, to)
    args.files += files
    return place.state === 'has its name' ? this.end(copy, done) : again
  }

  protected override isUnderWay({ copy }: SnapshotArgs): boolean {
    return copy !== undefined
  }

  /** Whether a file was opened, or opened again, since all were claimed. */
  private isLate({ claims }: SnapshotArgs): boolean {
    const claimed = new Set(claims.map(({ file }) => file))
    for (const file of this.scope.openFiles()) if (!claimed.has(file)) return true
    return false
  }

  private begin({ from, to, now }: SnapshotArgs): Copy {
    const { names } = this.parts
    const source = names.find(from)
    if (source.kind !== 'directory') throw new Failure(errno.ENOTDIR)
    names.believeFree(names.place(to))
    const top = { from: source.ino, to: names.createUnnamedDirectory(now) }
    return {
      top: top.to,
      place: { directories: [{ ...top, after: undefined }], file: undefined, alike: 0, state: 'copies' },
      pairs: [top],
      linked: new Map(),
      failed: errno.OK,
      outcome: undefined,
    }
  }

  /** One slice. It changes nothing but the metadata: it may have to begin again. */
  private copySome(args: SnapshotArgs, copy: Copy): Slice {
    const { names, sliceRecords } = this.parts
    const directories = [...copy.place.directories]
    let { file, alike } = copy.place
    const pairs: Pair[] = []
    const linked = new Map<number, number>()
    let files = 0
    for (let left = sliceRecords; left > 0; left--) {
      const directory = directories.at(-1)
      if (file !== undefined) {
        const { from, to, page } = file
        const [source, target] = [this.scope.extents(from), this.scope.extents(to)]
        const next = page + target.shareFrom(source, page, page, NUMBERS_MAX - page, left)
        file = next < NUMBERS_MAX ? { from, to, page: next } : undefined
        break
      } else if (directory !== undefined) {
        const [next] = names.entries(directory.from, directory.after)
        if (next === undefined) {
          directories.pop()
          continue
        }
        const { name, ino, kind } = next
        const place = { directory: directory.to, name }
        directories[directories.length - 1] = { ...directory, after: name }
        const known = linked.get(ino) ?? copy.linked.get(ino)
        if (known !== undefined) {
          names.link(known, place, args.now)
          continue
        }
        const pair = { from: ino, to: names.copyIn(place, ino, false) }
        pairs.push(pair)
        if (kind === 'directory') directories.push({ ...pair, after: undefined })
        else if (names.inode(ino).links > 1) linked.set(pair.from, pair.to)
        if (kind !== 'file') continue
        names.setInode(pair.to, { ...names.inode(pair.to), size: names.inode(ino).size })
        file = { ...pair, page: 0 }
        files++
      } else if (pairs.length > 0) break
      else if (alike < copy.pairs.length) {
        // What lies below first: what lies in a sealed directory is sealed.
        const { from, to } = copy.pairs.at(-++alike)!
        names.resemble(to, from, args.mode === 'r')
      } else {
        names.nameDirectory(copy.top, names.place(args.to), args.now)
        return { place: { directories, file, alike, state: 'has its name' }, pairs, linked, files }
      }
    }
    return { place: { directories, file, alike, state: 'copies' }, pairs, linked, files }
  }

  /** One slice of what was copied goes. */
  private takeBack(args: SnapshotArgs, copy: Copy): Outcome {
    const { overlay, names, sliceRecords } = this.parts
    const left = overlay.ask(() => names.removeUnnamed(copy.top, sliceRecords, args.now))
    if (left.outcome.kind === 'wait') return left.outcome
    if (left.value === 'some are left') return again
    return this.end(copy, fail(copy.failed))
  }

  private end(copy: Copy, outcome: Outcome): Outcome {
    assert(this.copying !== undefined, 'SN1: one snapshot copies at a time')
    this.copying = undefined
    copy.outcome = outcome
    this.parts.commits.letGo()
    return outcome
  }
}
