/**
 * A snapshot: everything below a directory, as it is at one moment, below a new one. Files share their blocks; time and records
 * grow with names and extents, not with bytes. All files that are open are claimed for it, and what is dirty is written.
 *
 * Invariants   CL1, CL2 (claiming.ts)
 *   SN1 All files are shared in one edit: what was stored to two of them before is in both or, with the error told, in none.
 */
import { type Errno, errno } from '../base/index.ts'
import type { Outcome } from '../sched/index.ts'
import { type Claim, type Claimable, Claiming, type ClaimingArgs, claimOf, unclaimed } from './claiming.ts'
import type { Extents } from './extents.ts'
import { Failure } from './failure.ts'
import { EPOCH, planned, type Time } from './inode.ts'
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
}

export function snapshotArgs(plan: Pick<SnapshotArgs, 'from' | 'to' | 'mode'>, now = EPOCH): SnapshotArgs {
  return { ...unclaimed(), ...plan, now, files: 0 }
}

/** What of the volume a snapshot looks at. */
export interface SnapshotScope {
  openFiles(): Iterable<Claimable>
  extents(ino: number): Extents
}

export class Snapshot extends Claiming<SnapshotArgs> {
  readonly name = 'snapshot'
  private readonly scope: SnapshotScope

  constructor(parts: Parts, scope: SnapshotScope) {
    super(parts)
    this.scope = scope
  }

  protected refusal({ from, to }: SnapshotArgs): Errno {
    return from !== '/' && `${to}/`.startsWith(`${from}/`) ? errno.EINVAL : errno.OK
  }

  protected claims(): Claim[] {
    return [...this.scope.openFiles()].map(file => claimOf(file, { start: 0, end: NUMBERS_MAX }, 'all'))
  }

  protected change(args: SnapshotArgs): Outcome {
    return this.parts.journal.edit(() => this.copy(args))
  }

  private copy(args: SnapshotArgs): void {
    const { names } = this.parts
    args.files = 0
    const sealed = args.mode === 'r'
    const source = names.find(args.from)
    if (source.kind !== 'directory') throw new Failure(errno.ENOTDIR)
    const top = names.create(names.place(args.to), planned('directory'), args.now)
    const directories = [{ from: source.ino, to: top }]
    /** Files with several names: their copies have as many. */
    const copies = new Map<number, number>()
    for (const { from, to } of directories) {
      for (const { name, ino, kind } of [...names.entries(from)]) {
        if (ino === top) continue
        const place = { directory: to, name }
        const known = copies.get(ino)
        if (known !== undefined) {
          names.link(known, place, args.now)
          continue
        }
        const copy = names.copyIn(place, ino, false)
        if (kind === 'directory') directories.push({ from: ino, to: copy })
        else copies.set(ino, copy)
        if (kind !== 'file') continue
        this.scope.extents(copy).shareFrom(this.scope.extents(ino), 0, 0, NUMBERS_MAX)
        names.setInode(copy, { ...names.inode(copy), size: names.inode(ino).size })
        args.files++
      }
    }
    // Names that were made and counted have left their times.
    for (const [from, to] of copies) names.resemble(to, from, sealed)
    for (const { from, to } of directories) names.resemble(to, from, sealed)
  }
}
