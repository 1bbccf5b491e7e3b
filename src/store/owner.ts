/**
 * Who has a volume open, written down beside the metadata:
 *
 *     locks/w.<pid>.<random>     has it open for writing        { pid, host, …, since }
 *     locks/r.<pid>.<random>     has it open for reading
 *
 * Where the kernel keeps the lock, such a note only tells people who it is: it is left where it can be, and one that was
 * left over means nothing. Where nobody keeps it the notes are the lock (lock.ts), and have to tell whether their process is
 * gone. A process is known by its number, when it began, its namespace of numbers and which start of which host that was.
 *
 * Invariants
 *   ON1 A note is there whole, or is nobody's: it is written under another name first, and only a crash of the host tears it.
 *   ON2 A note isn't taken for one of a process that is gone unless that is certain.
 */

import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import os from 'node:os'
import { join } from 'node:path'
import { codeOf } from '../base/index.ts'
import { makeDirectories } from '../host/index.ts'
import type { FileLock } from './file-lock.ts'

export interface Owner {
  readonly pid: number
  readonly host: string
  /** Tells hosts of one name apart; empty where it can't be told. */
  readonly machine: string
  /** Which start of the host; empty where it can't be told. */
  readonly boot: string
  /** In which numbers of processes `pid` counts; empty where it can't be told. */
  readonly namespace: string
  /** When the process began, as its host counts; empty where it can't be told. */
  readonly begun: string
  readonly since: string
  readonly mode: 'r' | 'r+'
  readonly kept: FileLock['kept']
}

export interface Note {
  readonly path: string
  /** undefined: it was torn. */
  readonly owner: Owner | undefined
}

const LOCKS = 'locks'
const ME = {
  host: os.hostname(),
  machine: told('/etc/machine-id'),
  boot: told('/proc/sys/kernel/random/boot_id'),
  namespace: process.platform === 'linux' ? linkOf('/proc/self/ns/pid') : '',
}

/** What a note of version 0.1 leaves out. */
const EARLIER = { machine: ME.machine, namespace: ME.namespace, kept: 'by nobody' } as const

/** Says that this process has the volume. Returns the path of the note; throws what the host says. */
export function leaveNote(directory: string, mode: 'r' | 'r+', kept: FileLock['kept']): string {
  const { pid } = process
  const since = new Date().toISOString()
  const owner: Owner = { pid, ...ME, begun: begun(pid), since, mode, kept }
  const path = join(directory, LOCKS, `${mode === 'r+' ? 'w' : 'r'}.${pid}.${randomBytes(6).toString('hex')}`)
  makeDirectories(join(directory, LOCKS))
  try {
    fs.writeFileSync(`${path}~`, JSON.stringify(owner), { flag: 'wx' })
    fs.renameSync(`${path}~`, path)
  } catch (error) {
    fs.rmSync(`${path}~`, { force: true })
    throw error
  }
  return path
}

/** The notes that are there, of others and of this process. */
export function notes(directory: string): Note[] {
  const names = read(() => fs.readdirSync(join(directory, LOCKS))) ?? []
  const found: Note[] = []
  for (const name of names) {
    const path = join(directory, LOCKS, name)
    const text = name.endsWith('~') ? undefined : read(() => fs.readFileSync(path, 'utf8'))
    if (text !== undefined) found.push({ path, owner: parsed(text) })
  }
  return found
}

/** Processes of this host that have the volume open to write, or to read. */
export function owners(directory: string): Owner[] {
  return notes(directory).flatMap(({ owner }) =>
    owner !== undefined && canTell(owner) && !isGone(owner) ? [owner] : [],
  )
}

/** Removes a note, where that can be. */
export function removeNote(path: string): void {
  read(() => fs.rmSync(path, { force: true }))
}

/** Whether it is certain that there is no such process any more. */
export function isGone(owner: Owner): boolean {
  const { pid, host, machine, boot, begun: then } = owner
  if (canTell(owner)) return !isAlive(pid) || begun(pid) !== then
  // The host has begun anew.
  return host === ME.host && machine === ME.machine && boot !== ME.boot
}

/** Whether this process can tell if that one is gone: it counts processes by the same numbers. */
export function canTell(owner: Owner): boolean {
  return isOfThisHost(owner) && owner.namespace === ME.namespace
}

/** On this start of this host. */
export function isOfThisHost({ host, boot }: Owner): boolean {
  return boot === ME.boot && (boot !== '' || host === ME.host)
}

/** undefined: it isn't an owner. */
function parsed(text: string): Owner | undefined {
  try {
    const owner = JSON.parse(text) as Partial<Owner> | null
    const { pid, host, boot, since, mode } = owner ?? {}
    const isWhole =
      Number.isSafeInteger(pid) && [host, boot, since, mode].every(each => typeof each === 'string')
    return isWhole ? { ...EARLIER, ...(owner as Owner) } : undefined
  } catch {
    return undefined
  }
}

/** undefined: it can't be done: it has gone, or isn't for this process. */
function read<T>(act: () => T): T | undefined {
  try {
    return act()
  } catch (error) {
    if (codeOf(error) !== undefined) return undefined
    throw error
  }
}

function told(path: string): string {
  return read(() => fs.readFileSync(path, 'utf8').trim()) ?? ''
}

function linkOf(path: string): string {
  return read(() => fs.readlinkSync(path)) ?? ''
}

/** What tells a process from another that has its number later: proc(5), field 22 of stat; empty if there is none. */
function begun(pid: number): string {
  const stat = told(`/proc/${pid}/stat`)
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return fields[0] === 'Z' ? '' : (fields[19] ?? '')
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return codeOf(error) === 'EPERM'
  }
}
