/**
 * stat of a path, with how many blocks of the file others have too: its extents are counted in slices.
 *
 * Each slice counts what is so in its own attempt. Who clones the file or stores to it meanwhile is counted from where it has
 * come to; everything else that is told is as it is in the last attempt.
 */
import { again, done, type Outcome, type Task, type Verb } from '../sched/index.ts'
import { blocksOf, type Extents, LOST } from './extents.ts'
import type { Found } from './inodes.ts'
import type { Last } from './names.ts'
import type { Parts } from './parts.ts'
import { NUMBERS_MAX } from './records.ts'

/** What stat says of a file, a directory or anything else of a volume that has a name. */
export interface Stat extends Found {
  /** Of its blocks, those that other files have too. */
  readonly shared: number
}

export interface CountingArgs {
  readonly path: string
  readonly last: Last
  /** What was found there, and how far its extents have been counted; undefined: nothing yet. */
  counted: Counted | undefined
  /** What came of it. */
  stat: Stat | undefined
}

/** Up to which page, Infinity: all, and how many shared blocks there were. */
interface Counted {
  readonly ino: number
  readonly page: number
  readonly shared: number
}

export function countingArgs(path: string, last: Last): CountingArgs {
  return { path, last, counted: undefined, stat: undefined }
}

/** What of the volume it looks at. */
export interface CountingScope {
  extents(ino: number): Extents
  found(ino: number): Found
}

export class Counting implements Verb<CountingArgs> {
  readonly name = 'stat'
  private readonly parts: Parts
  private readonly scope: CountingScope

  constructor(parts: Parts, scope: CountingScope) {
    this.parts = parts
    this.scope = scope
  }

  attempt({ args }: Task<CountingArgs>): Outcome {
    const { overlay, sliceRecords } = this.parts
    const said = overlay.ask(() => this.step(args, sliceRecords))
    if (said.value === undefined) return said.outcome
    args.counted = said.value.counted
    args.stat = said.value.stat
    return args.stat === undefined ? again : done
  }

  /** At once. Part of an edit. */
  all(path: string, last: Last): Stat {
    return this.step(countingArgs(path, last), Infinity).stat!
  }

  private step({ path, last, counted: before }: CountingArgs, most: number) {
    const { ino, page, shared } = before ?? { ino: this.parts.names.find(path, last).ino, page: 0, shared: 0 }
    const counted = { ino, ...this.count(ino, page, shared, most) }
    const stat = counted.page === Infinity ? { ...this.scope.found(ino), shared: counted.shared } : undefined
    return { counted, stat }
  }

  private count(ino: number, page: number, shared: number, most: number): Omit<Counted, 'ino'> {
    let left = most
    for (const part of this.scope.extents(ino).recorded(page, NUMBERS_MAX)) {
      if (left <= 0) return { page: part.start, shared }
      left--
      if (part.tag === LOST) continue
      const { start, end } = blocksOf(part)
      for (let block = start; block < end; left--) {
        if (left <= 0 && block > start) return { page: part.start + block - start, shared }
        const alike = this.parts.space.references({ start: block, end })
        if (alike.count > 1) shared += alike.end - block
        block = alike.end
      }
    }
    return { page: Infinity, shared }
  }
}
