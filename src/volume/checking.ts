/**
 * The check of a volume as a task: the metadata first (check.ts), then, if it is asked for, all data (scrub.ts). What is wrong with a
 * block is told of each file that has it.
 *
 * Both go in slices. The metadata is looked at as it was when the check began, while others go on to change it; commits are held
 * meanwhile, since what they put into the store would show. The data is compared with what its checksums are by then.
 */
import { again, done, fail, type Outcome, type Task, type Verb, wait } from '../sched/index.ts'
import { Check, type Checked, type CheckReport } from './check.ts'
import { Absent, Failure } from './failure.ts'
import type { Overlay } from './overlay.ts'
import type { Parts } from './parts.ts'
import {
  decodeLink,
  decodeNumbers,
  FORMAT,
  type Header,
  inoIn,
  nameIn,
  numberIn,
  ROOT_INO,
} from './records.ts'
import { type BadBlock, Scrub, type ScrubArgs, scrubArgs } from './scrub.ts'

/** To look at a record takes a part of what making one does. */
const STEPS_A_RECORD = 2

export interface CheckingArgs {
  readonly data: 'with data' | 'metadata only'
  /** Whether it holds commits. */
  holds: boolean
  /** The metadata as it was, with what the volume was, and how far the check of it has come. */
  frozen: { readonly overlay: Overlay; readonly header: Header } | undefined
  check: Check | undefined
  checked: Checked | undefined
  scrub: ScrubArgs | undefined
  report: CheckReport | undefined
  /** Blocks whose data is bad. */
  readonly bad: Set<number>
  /** Of what is wrong, what is damage: what the device fails to read may be sound, and is asked for again. */
  damage: readonly string[]
}

export function checkingArgs(data: CheckingArgs['data']): CheckingArgs {
  return {
    data,
    holds: false,
    frozen: undefined,
    check: undefined,
    checked: undefined,
    scrub: undefined,
    report: undefined,
    bad: new Set(),
    damage: [],
  }
}

export class Checking implements Verb<CheckingArgs> {
  readonly name = 'check'
  private readonly parts: Parts
  private readonly scrub: Scrub

  constructor(parts: Parts) {
    this.parts = parts
    this.scrub = new Scrub(parts)
  }

  attempt({ args }: Task<CheckingArgs>): Outcome {
    try {
      return this.step(args)
    } catch (error) {
      if (error instanceof Absent) {
        args.check = undefined
        return wait(error.ticket, 'metadata')
      }
      this.letGo(args)
      // The host can't read what the store lies in.
      if (error instanceof Failure) return fail(error.errno)
      throw error
    }
  }

  abandon({ args }: Task<CheckingArgs>): void {
    this.letGo(args)
  }

  private letGo(args: CheckingArgs): void {
    if (args.holds) this.parts.commits.letGo()
    args.holds = false
    args.frozen = undefined
    args.check = undefined
  }

  /** An attempt at the metadata. */
  private checkSome(args: CheckingArgs): Outcome {
    const { commits, overlay, header, sliceRecords } = this.parts
    // Of a volume of format 1 nothing changes but all of it, by an upgrade.
    if (!args.holds && header.format < FORMAT && commits.held !== undefined)
      return wait(commits.held, 'metadata')
    if (!args.holds) commits.hold('check of the metadata')
    args.holds = true
    if (commits.underWay !== undefined) return wait(commits.underWay, 'device')
    args.frozen ??= { overlay: overlay.frozen(), header }
    args.check ??= new Check(args.frozen.overlay, args.frozen.header)
    args.checked = args.check.goOn(STEPS_A_RECORD * sliceRecords)
    if (args.checked === undefined) return again
    this.letGo(args)
    return done
  }

  private step(args: CheckingArgs): Outcome {
    if (args.checked === undefined) {
      const outcome = this.checkSome(args)
      if (outcome.kind !== 'done') return outcome
    }
    if (args.data === 'with data') {
      args.scrub ??= scrubArgs(args.checked!.data)
      const outcome = this.scrub.step(args.scrub)
      if (outcome.kind !== 'done') return outcome
    }
    const bad = args.scrub?.bad ?? []
    for (const { block } of bad) args.bad.add(block)
    const { report } = args.checked!
    const wrong = [...report.wrong, ...this.told(bad)]
    args.damage = [...report.wrong, ...this.told(bad.filter(({ why }) => why !== 'unreadable'))]
    args.report = { ...report, wrong, compared: args.scrub?.compared ?? 0 }
    return done
  }

  /** A sentence for each file that has a bad block. */
  private *told(bad: readonly BadBlock[]): Generator<string> {
    if (bad.length === 0) return
    const { overlay, disk } = this.parts
    const paths = pathsOf(this.parts)
    for (const { key, value } of overlay.survey('e', 'f', () => {})) {
      const [start, first] = decodeNumbers(value, 3, key)
      const length = numberIn(key) + 1 - start!
      for (const { block, why } of bad) {
        if (block < first! || block >= first! + length) continue
        const position = (start! + block - first!) * disk.blockSize
        const ino = inoIn(key)
        yield `${paths.get(ino) ?? `inode ${ino}`}, bytes ${position} to ${position + disk.blockSize - 1}: block ${block} ${why} (${disk.name}, offset ${block * disk.blockSize})`
      }
    }
  }
}

/** A path that leads to each inode. */
export function pathsOf({ overlay }: Pick<Parts, 'overlay'>): Map<number, string> {
  const up = new Map<number, { readonly directory: number; readonly name: string }>()
  for (const { key, value } of overlay.survey('d', 'e', () => {}))
    up.set(decodeLink(value, key).ino, { directory: inoIn(key), name: nameIn(key) })
  const paths = new Map<number, string>([[ROOT_INO, '']])
  const path = (ino: number, depth: number): string => {
    const known = paths.get(ino)
    if (known !== undefined) return known
    const link = up.get(ino)
    const found =
      link === undefined || depth > up.size
        ? `inode ${ino}`
        : `${path(link.directory, depth + 1)}/${link.name}`
    paths.set(ino, found)
    return found
  }
  for (const ino of up.keys()) path(ino, 0)
  return paths
}
