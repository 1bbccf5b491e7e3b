/** Where cases are asked: a directory of a filesystem, the calls, and what came of each question. */
import { lstatSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { type Calls, S_IFBLK, S_IFCHR, S_IFIFO, S_IFREG, S_IFSOCK } from './calls.ts'

/** A question: what was wanted, and what was got. */
export interface Asked {
  readonly name: string
  readonly wanted: string
  readonly got: string
}

export const KINDS = ['regular', 'directory', 'fifo', 'block', 'char', 'socket', 'symlink'] as const
export type Kind = (typeof KINDS)[number]

/** Kinds that aren't directories, and not followed. */
export const PLAIN: readonly Kind[] = ['regular', 'fifo', 'block', 'char', 'socket']

export const ALICE = { uid: 65_531, gid: 65_531 } as const
export const BOB = { uid: 65_532, gid: 65_532 } as const

export interface Stat {
  readonly mode: number
  readonly nlink: number
  readonly uid: number
  readonly gid: number
  readonly size: number
  readonly ino: number
  readonly atime: bigint
  readonly mtime: bigint
  readonly ctime: bigint
}

export class World {
  readonly calls: Calls
  readonly asked: Asked[] = []
  private readonly base: string
  private section = ''
  private folder = ''
  private number = 0

  constructor(base: string, calls: Calls) {
    this.base = base
    this.calls = calls
  }

  /** Begins a section, in a directory of its own. */
  begin(section: string): void {
    this.section = section
    this.folder = join(this.base, `${++this.number}`)
    mkdirSync(this.folder)
    this.calls.chmod(this.folder, 0o777)
  }

  /** A path in the directory of the section. */
  path(...names: readonly string[]): string {
    return join(this.folder, ...names)
  }

  /** A name that nothing has yet. */
  fresh(prefix = 'n'): string {
    return this.path(`${prefix}${++this.number}`)
  }

  is(name: string, got: unknown, wanted: unknown): void {
    this.asked.push({ name: `${this.section}: ${name}`, wanted: String(wanted), got: String(got) })
  }

  /** Makes something of a kind, of root with mode 644 (a directory 755). */
  make(path: string, kind: Kind): string {
    const { calls } = this
    const made = {
      regular: () => calls.mknod(path, S_IFREG | 0o644),
      directory: () => calls.mkdir(path, 0o755),
      fifo: () => calls.mknod(path, S_IFIFO | 0o644),
      block: () => calls.mknod(path, S_IFBLK | 0o644, 0x701),
      char: () => calls.mknod(path, S_IFCHR | 0o644, 0x103),
      socket: () => calls.mknod(path, S_IFSOCK | 0o644),
      symlink: () => calls.symlink('target', path),
    }[kind]()
    if (made !== 'OK') throw new Error(`${this.section}: making a ${kind} at ${path} failed with ${made}`)
    return path
  }

  /** lstat; undefined: nothing is there. */
  stat(path: string): Stat | undefined {
    const stat = lstatSync(path, { bigint: true, throwIfNoEntry: false })
    if (stat === undefined) return undefined
    return {
      mode: Number(stat.mode),
      nlink: Number(stat.nlink),
      uid: Number(stat.uid),
      gid: Number(stat.gid),
      size: Number(stat.size),
      ino: Number(stat.ino),
      atime: stat.atimeNs,
      mtime: stat.mtimeNs,
      ctime: stat.ctimeNs,
    }
  }

  mode(path: string): string {
    const stat = this.stat(path)
    return stat === undefined ? 'nothing' : (stat.mode & 0o7777).toString(8)
  }

  /** Asks which of a path's times move with what is done: like 'mtime ctime'. */
  moves(path: string, act: () => void): string {
    const past = 1_000_000_000n
    this.calls.utimens(path, [past, 0n, past, 0n], 0x100)
    const before = this.stat(path)!
    const tick = before.ctime
    // The kernel's own clock of times ticks every few milliseconds.
    while (BigInt(Date.now()) * 1_000_000n < tick + 12_000_000n) {}
    act()
    const after = this.stat(path)
    if (after === undefined) return 'gone'
    const moved: string[] = []
    if (after.atime !== before.atime) moved.push('atime')
    if (after.mtime !== before.mtime) moved.push('mtime')
    if (after.ctime !== before.ctime) moved.push('ctime')
    return moved.join(' ')
  }
}
