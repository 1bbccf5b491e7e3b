/**
 * What daemons of FUSE tell `observe` of slow requests: those of our own mounts, by `volume status --json`, from files or from this
 * machine as it runs. Of other mounts it is known where they are.
 *
 * A daemon that can't tell is asked no more.
 */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import type { AskDaemon, ToldByDaemon } from '../analysis/index.ts'
import { messageOf } from '../base/index.ts'
import { FILESYSTEM, mountinfo, parseMountinfo } from '../fuse/index.ts'
import type { MountStatus } from '../mount/index.ts'
import type { Daemons } from '../observe/index.ts'
import { TraceError } from '../trace/index.ts'

type Told = Pick<MountStatus, 'target' | 'pid' | 'connection' | 'requests' | 'slow'>

const PATIENCE_MS = 30_000

/** From files. */
export function daemonsIn(paths: readonly string[]): AskDaemon {
  const all = new Map(paths.map(readStatus).map(status => [deviceOf(status), status]))
  return (connection, unique) => {
    const status = all.get(connection)
    return status && toldOf(status, unique)
  }
}

/** From the mounts of this machine. */
export class DaemonsHere implements Daemons {
  private readonly mounts = new Map<string, MountHere>()
  private readonly askers = new Set<number>()

  readonly told: AskDaemon = (connection, unique) => this.mount(connection)?.told(unique)

  async refresh(): Promise<void> {
    await Promise.all([...this.mounts.values()].map(mount => mount.refresh(this.askers)))
  }

  isOwn(tid: number): boolean {
    return this.askers.has(tid)
  }

  private mount(connection: string): MountHere | undefined {
    const known = this.mounts.get(connection)
    if (known !== undefined) return known
    const device = connection.replace(',', ':')
    const entry = parseMountinfo(mountinfo()).findLast(each => each.device === device)
    if (entry === undefined) return undefined
    const mount = new MountHere(entry.target, entry.type === FILESYSTEM)
    this.mounts.set(connection, mount)
    return mount
  }
}

class MountHere {
  private readonly target: string
  private canAsk: boolean
  private status: Told | undefined
  private misses = false

  constructor(target: string, canAsk: boolean) {
    this.target = target
    this.canAsk = canAsk
  }

  told(unique: number): ToldByDaemon {
    const told =
      this.status === undefined ? { target: this.target, pid: 0, waits: [] } : toldOf(this.status, unique)
    this.misses ||= told.waits.length === 0
    return told
  }

  async refresh(askers: Set<number>): Promise<void> {
    if (!this.misses || !this.canAsk) return
    this.misses = false
    const words = [...process.execArgv, process.argv[1]!, 'volume', 'status', this.target, '--json']
    const child = spawn(process.execPath, words, {
      timeout: PATIENCE_MS,
      killSignal: 'SIGKILL',
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    askers.add(child.pid!)
    const ended = once(child, 'close') as Promise<[number | null, string | null]>
    const out = await text(child.stdout)
    const [, signal] = await ended
    this.status = statusIn(out) ?? this.status
    this.canAsk = this.status !== undefined || signal !== null
  }
}

function readStatus(path: string): Told {
  let said: string
  try {
    said = readFileSync(path, 'utf8')
  } catch (error) {
    throw new TraceError(`${path} can't be read: ${messageOf(error)}; ${EXPECTED}`, 'EINVAL', error)
  }
  const status = statusIn(said)
  if (status === undefined) throw new TraceError(`${path} is no status of a mount; ${EXPECTED}`, 'EINVAL')
  return status
}

/** undefined for anything else, as what a daemon of another version says. */
function statusIn(json: string): Told | undefined {
  try {
    const said = JSON.parse(json) as Partial<Told> | null
    const isStatus =
      typeof said?.connection === 'number' && Array.isArray(said.slow) && Array.isArray(said.requests)
    return isStatus ? (said as Told) : undefined
  } catch {
    return undefined
  }
}

const EXPECTED = 'expected what faultline volume status DIR --json prints'

const deviceOf = ({ connection }: Told): string => `${connection >>> 20},${connection & 0xfffff}`

function toldOf({ target, pid, slow, requests }: Told, unique: number): ToldByDaemon {
  const found = [...slow, ...requests].findLast(each => each.unique === unique)
  return { target, pid, waits: found?.waits.map(wait => ({ ...wait, waitsFor: named(wait) })) ?? [] }
}

const named = ({ waitsFor, why }: { readonly waitsFor: string; readonly why: string }): string =>
  waitsFor === '' ? '' : `${waitsFor} (${why})`
