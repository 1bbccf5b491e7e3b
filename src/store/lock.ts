/**
 * Who has a volume open: one process to write, or many to read. Each leaves a file of its own beside the metadata:
 *
 *     locks/w.<pid>.<begun>      has it open for writing        { pid, host, boot, begun, since }
 *     locks/r.<pid>.<begun>.<n>  has it open for reading
 *
 * Whoever comes makes its file first and looks at the others then: of two that come at once at least one sees the other, and
 * goes. A file whose process is gone is removed by whoever meets it, and no file is ever two processes', so nobody can
 * take away a lock that is held. A process is known by its number and when it began, so that a number that was given again
 * isn't taken for it.
 *
 * Invariants
 *   LK1 While a writer has the volume nobody else has it.
 *   LK2 A lock goes with its process, however that ends.
 */
import fs from 'node:fs'
import os from 'node:os'
import { join } from 'node:path'

export interface Owner {
  readonly pid: number
  readonly host: string
  /** Which start of the host; empty where it can't be told. */
  readonly boot: string
  /** When the process began, as its host counts; empty where it can't be told. */
  readonly begun: string
  readonly since: string
  readonly mode: 'r' | 'r+'
}

/** Somebody else has the volume. */
export class Locked extends Error {
  readonly owner: Owner

  constructor(owner: Owner, path: string) {
    const { pid, host, since, mode } = owner
    const doing = mode === 'r+' ? 'to write' : 'to read'
    const remedy =
      host === os.hostname() ? 'wait until it has closed it' : `if that process is gone, remove ${path}`
    super(`process ${pid} of ${host} has it open ${doing} since ${since}; ${remedy}`)
    this.owner = owner
  }
}

const ME = identity(process.pid)
let taken = 0

export class VolumeLock {
  private readonly path: string

  private constructor(path: string) {
    this.path = path
  }

  /** Throws Locked, or what the host says. On a filesystem that is read-only readers need no lock: nobody can write. */
  static take(directory: string, mode: 'r' | 'r+'): VolumeLock {
    const locks = join(directory, 'locks')
    const { begun, boot } = ME
    const path = join(locks, `${mode === 'r+' ? 'w' : 'r'}.${process.pid}.${begun}.${++taken}`)
    const owner: Owner = {
      pid: process.pid,
      host: os.hostname(),
      boot,
      begun,
      since: new Date().toISOString(),
      mode,
    }
    try {
      fs.mkdirSync(locks, { recursive: true })
      // Under another name first: a lock is never half written.
      fs.writeFileSync(`${path}~`, JSON.stringify(owner), { flag: 'wx' })
      fs.renameSync(`${path}~`, path)
    } catch (error) {
      if (mode === 'r' && (error as { code?: string }).code === 'EROFS') return new VolumeLock('')
      throw error
    }
    const lock = new VolumeLock(path)
    try {
      for (const name of fs.readdirSync(locks)) lookAt(join(locks, name), path, mode)
    } catch (error) {
      lock.release()
      throw error
    }
    return lock
  }

  release(): void {
    if (this.path !== '') fs.rmSync(this.path, { force: true })
  }
}

/** Throws Locked if the lock at `path` is in the way of `mine`. Removes it if its owner is gone. */
function lookAt(path: string, mine: string, mode: 'r' | 'r+'): void {
  if (path === mine || path.endsWith('~')) return
  const owner = read(path)
  if (owner === undefined) return
  if (isGone(owner)) fs.rmSync(path, { force: true })
  else if (mode === 'r+' || owner.mode === 'r+') throw new Locked(owner, path)
}

/** undefined: it has just gone. */
function read(path: string): Owner | undefined {
  try {
    return JSON.parse(fs.readFileSync(path, 'utf8')) as Owner
  } catch (error) {
    if ((error as { code?: string }).code === 'ENOENT') return undefined
    throw error
  }
}

function isGone({ pid, host, boot, begun }: Owner): boolean {
  if (host !== os.hostname()) return false
  if (boot !== ME.boot) return true
  const now = identity(pid)
  return !now.alive || now.begun !== begun
}

/** What tells a process from another that has its number later: proc(5), field 22 of stat. */
function identity(pid: number): { readonly alive: boolean; readonly begun: string; readonly boot: string } {
  if (process.platform !== 'linux') return { alive: isAlive(pid), begun: '', boot: '' }
  const boot = fs.readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return { alive: fields[0] !== 'Z', begun: fields[19]!, boot }
  } catch {
    return { alive: false, begun: '', boot }
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as { code?: string }).code === 'EPERM'
  }
}
