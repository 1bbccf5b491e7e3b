/**
 * The files of /proc/<pid> that look into a space, and ps, which reads one of them for every space.
 *
 *     cmdline   the space's own memory in Linux, so the mmap lock is read while it is copied (access_remote_vm)
 *     maps      a line for each VMA          \  the mmap lock is read for a batch of VMAs and given back between
 *     smaps     maps, and what is resident   /  batches (m_start, m_stop)
 *     ps        cmdline of every space, and counters that need no lock
 *
 * These are the readers that hang in the inversion: they wait only for the mmap lock, and fairly. Under a discipline whose readers
 * go by VMA locks they take it only where a writer has locked what they read: the stack, which a fork locks last and which has
 * the command line, or the next VMA. An attempt is never interrupted, so a VMA lock that is free is taken and given back at once.
 *
 * Invariants
 *   PR1 A reader holds one lock at a time and waits for nothing while it holds it.
 *   PR2 A VMA that existed before and after a read is in it; one that changes meanwhile is shown as it was or as it is.
 */
import type { Bytes, SpaceId, Vpn } from '../base/index.ts'
import { ANON, DIRTY, LAZYFREE, REFERENCED } from '../memory/index.ts'
import type { Mm, Space, Vma } from '../mm/index.ts'
import { PROT_READ, PROT_WRITE, ZERO_PAGE } from '../mm/index.ts'
import { frameOf, LOAD, PRESENT, SWAP } from '../mmu/index.ts'
import { again, done, type Outcome, releaseAll, type Task, type Verb } from '../sched/index.ts'
import { lockForReading } from '../space/index.ts'
import { type Status, status } from './status.ts'

/** Shares of a page are counted in parts of a byte, each rounded down: PSS_SHIFT. */
const PSS_UNIT = 4096

/** Where maps puts the name of a file. */
const NAME_COLUMN = 73

/** VMAs shown for one hold of the lock: about a page of text. */
const BATCH = 32

/** The files of /proc/<pid>/ that a space has. */
export type ProcFile = 'cmdline' | 'maps' | 'smaps'

export interface ProcArgs {
  readonly space: Space
  readonly file: ProcFile
  /** Where the next batch begins. */
  next: Vpn
  text: string
}

export function procArgs(space: Space, file: ProcFile): ProcArgs {
  return { space, file, next: 0, text: '' }
}

/** A row of ps: a space, its state and sizes. */
export interface PsRow extends Status {
  /** What /proc/<pid>/cmdline shows. */
  readonly commandLine: string
}

export interface PsArgs {
  readonly rows: PsRow[]
  /** Spaces yet to be read. */
  readonly left: SpaceId[]
}

export class ProcReader implements Verb<ProcArgs> {
  readonly name = 'proc'
  private readonly mm: Mm

  constructor(mm: Mm) {
    this.mm = mm
  }

  attempt(task: Task<ProcArgs>): Outcome {
    const { args } = task
    const queued = this.mayReadNow(args) ? undefined : lockForReading(task, args.space)
    if (queued !== undefined) return queued
    const over = args.file === 'cmdline' ? this.readCommandLine(args) : this.readBatch(args)
    releaseAll(task)
    return over ? done : again
  }

  /** Without the mmap lock, under the lock of the next VMA or of the stack. */
  private mayReadNow({ space, file, next }: ProcArgs): boolean {
    if (this.mm.discipline.readers !== 'vma') return false
    if (file === 'cmdline') return !space.locks.isStackWritten()
    const vma = space.firstFrom(next)
    return vma === undefined || !space.locks.isWritten(vma.lock)
  }

  private readCommandLine(args: ProcArgs): boolean {
    args.text = args.space.commandLine
    return true
  }

  private readBatch(args: ProcArgs): boolean {
    let shown = 0
    // One that was merged with what was shown begins before `next`: it is shown as it is.
    const first = args.space.firstFrom(args.next)
    for (const vma of args.space.vmas.from(first?.start ?? args.next)) {
      if (shown++ === BATCH || (shown > 1 && this.isBarred(vma))) return false
      args.text += this.line(vma)
      if (args.file === 'smaps') args.text += this.residence(vma)
      args.next = vma.end
    }
    return true
  }

  /** A writer has locked it, and the reader came without the mmap lock: the next attempt takes that. */
  private isBarred(vma: Vma): boolean {
    return this.mm.discipline.readers === 'vma' && vma.space.locks.isWritten(vma.lock)
  }

  /** show_map_vma, Linux 6.18 fs/proc/task_mmu.c. A file has its number here, and no device. */
  private line(vma: Vma): string {
    const { pageSize } = this.mm.memory.frames
    const hex = (bytes: Bytes) => bytes.toString(16).padStart(8, '0')
    const prot = `${vma.prot & PROT_READ ? 'r' : '-'}${vma.prot & PROT_WRITE ? 'w' : '-'}-${vma.share === 'shared' ? 's' : 'p'}`
    const offset = vma.open === undefined ? 0 : vma.pageOffset * pageSize
    const range = `${hex(vma.start * pageSize)}-${hex(vma.end * pageSize)}`
    const line = `${range} ${prot} ${hex(offset)} 00:00 ${vma.open?.file.id ?? 0} `
    return `${vma.open === undefined ? line : `${line.padEnd(NAME_COLUMN)}${vma.open.file.name}`}\n`
  }

  /** smaps' counts, in kB (smaps_account). */
  private residence(vma: Vma): string {
    const { memory, rmap } = this.mm
    const { frames } = memory
    const { table } = vma.space
    const pages = { rss: 0, pss: 0, pssDirty: 0, referenced: 0, anonymous: 0, lazyFree: 0, swap: 0 }
    const whole = frames.pageSize * PSS_UNIT
    const held = { sharedClean: 0, sharedDirty: 0, privateClean: 0, privateDirty: 0 }
    for (const vpn of table.used(vma.start, vma.end)) {
      const entry = table.get(vpn)
      if ((entry & SWAP) !== 0) pages.swap++
      const frame = frameOf(entry)
      if ((entry & PRESENT) === 0 || frame === ZERO_PAGE) continue
      const anonymous = rmap.isAnonymous(frame)
      const lazyFree = frames.has(frame, LAZYFREE)
      const dirty = frames.kind[frame] === ANON ? !lazyFree : frames.has(frame, DIRTY)
      const share = Math.floor(whole / frames.mapped[frame]!)
      pages.rss++
      pages.pss += share
      if (dirty) pages.pssDirty += share
      if (anonymous) pages.anonymous++
      if (lazyFree) pages.lazyFree++
      if ((entry & LOAD) !== 0 || frames.has(frame, REFERENCED)) pages.referenced++
      if (frames.mapped[frame] === 1) held[dirty ? 'privateDirty' : 'privateClean']++
      else held[dirty ? 'sharedDirty' : 'sharedClean']++
    }
    const row = (name: string, count: number) =>
      `${`${name}:`.padEnd(16)}${String(Math.floor((count * frames.pageSize) / 1024)).padStart(8)} kB\n`
    const shared = (name: string, share: number) => row(name, Math.floor(share / PSS_UNIT) / frames.pageSize)
    return [
      row('Size', vma.end - vma.start),
      row('Rss', pages.rss),
      shared('Pss', pages.pss),
      shared('Pss_Dirty', pages.pssDirty),
      row('Shared_Clean', held.sharedClean),
      row('Shared_Dirty', held.sharedDirty),
      row('Private_Clean', held.privateClean),
      row('Private_Dirty', held.privateDirty),
      row('Referenced', pages.referenced),
      row('Anonymous', pages.anonymous),
      row('LazyFree', pages.lazyFree),
      row('Swap', pages.swap),
      shared('Locked', vma.locked ? pages.pss : 0),
      `VmFlags: ${vmFlags(vma)}\n`,
    ].join('')
  }
}

/** Those of show_smap_vma_flags that say something here, in its order. */
function vmFlags({ prot, share, open, locked, advice, leftOut, wiped }: Vma): string {
  const flags: [string, boolean][] = [
    ['rd', (prot & PROT_READ) !== 0],
    ['wr', (prot & PROT_WRITE) !== 0],
    ['sh', share === 'shared' && open?.readOnly !== true],
    ['lo', locked],
    ['sr', advice === 'sequential'],
    ['rr', advice === 'random'],
    ['dc', leftOut],
    ['wf', wiped],
  ]
  return flags.map(([name, is]) => (is ? `${name} ` : '')).join('')
}

export class Ps implements Verb<PsArgs> {
  readonly name = 'ps'
  private readonly mm: Mm

  constructor(mm: Mm) {
    this.mm = mm
  }

  begin(): PsArgs {
    return { rows: [], left: [...this.mm.spaces.keys()] }
  }

  attempt(task: Task<PsArgs>): Outcome {
    const { args } = task
    for (let pid = args.left[0]; pid !== undefined; pid = args.left[0]) {
      const space = this.mm.spaces.get(pid)
      if (space !== undefined) {
        const isFree = this.mm.discipline.readers === 'vma' && !space.locks.isStackWritten()
        const queued = isFree ? undefined : lockForReading(task, space)
        if (queued !== undefined) return queued
        args.rows.push({ ...status(this.mm, space), commandLine: space.commandLine })
        releaseAll(task)
      }
      args.left.shift()
    }
    return done
  }
}
