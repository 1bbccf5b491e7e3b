/**
 * The files of the host that a machine has open.
 *
 * Invariants
 *   MC2 A file of the host has one set of pages, however often and by whatever name it is opened.
 */
import fs from 'node:fs'
import type { HostPath, OpenOptions } from '../api/index.ts'
import { type Bytes, ROOT } from '../base/index.ts'
import type { CachedFile } from '../cache/index.ts'
import {
  type Context,
  checkKeys,
  choice,
  FaultlineError,
  flag,
  fromHost,
  hostPath,
  told,
} from '../calls/index.ts'
import { LinearFile } from '../fs/index.ts'
import { type HostFile, type HostFileOptions, NODE_CALLS, syncName } from '../host/index.ts'
import { does } from '../sched/index.ts'
import { FileLock, holdsVolume, Taken } from '../store/index.ts'
import { FILE_BYTES_MAX, File, tooLong } from './file.ts'
import { CachedCalls, forget } from './file-calls.ts'
import { CREATES, MODES, openHost } from './host-open.ts'
import { leave } from './leaving.ts'

/** A file of the host as the machine has it, for all who opened it. */
interface Known {
  readonly host: HostFile
  readonly cached: CachedFile
  readonly backing: LinearFile
  openings: number
  /** Of the data of a volume, which nobody else may have meanwhile. */
  guard: Promise<FileLock> | undefined
}

export class HostFiles {
  readonly opened = new Set<File>()
  private readonly context: Context
  private readonly swap: HostFile | undefined
  private readonly known = new Map<string, Known>()
  /** Files that are being let go of: one that is opened again is read anew, when it has gone. */
  private readonly leaving = new Map<string, Promise<void>>()

  /** `swap`: what no program may open. */
  constructor(context: Context, swap: HostFile | undefined) {
    this.context = context
    this.swap = swap
  }

  /** Opens a regular file, or makes one. */
  async open(path: HostPath, options: OpenOptions): Promise<File> {
    checkKeys(options, ['mode', 'direct', 'stablePages'], 'open')
    const mode = choice(options.mode ?? 'r', MODES, 'mode', 'open')
    const direct = flag(options.direct, 'direct', 'open')
    const stablePages = flag(options.stablePages, 'stablePages', 'open')
    const place = hostPath(path, 'open')
    const opening = { mode: mode === 'r' ? mode : 'r+', create: CREATES[mode], direct } as const
    const event = { name: String(place), mmu: this.context.mmu }
    const opened = async () => {
      const { known, made } = await this.knownAt(place, opening, stablePages)
      const calls = new CachedCalls(this.context.engine, known.cached, () => measured(known))
      const file = new File(this.context, calls, mode === 'r', closed => this.release(known, closed))
      this.opened.add(file)
      try {
        if (mode !== 'r') await this.guard(known, place)
        if (mode === 'w+' && file.size > 0) await this.empty(file, calls)
        if (made) await syncName(place, this.context.calls ?? NODE_CALLS)
      } catch (error) {
        await file.close().catch(() => {})
        throw fromHost(error, 'open', file.name)
      }
      return file
    }
    return told('open', event, opened)
  }

  /** A file that programs store to isn't made a volume under them. */
  refuseOpened(path: string): void {
    const isPath = typeof path === 'string' && !path.includes('\0')
    const stat = isPath ? fs.statSync(path, { throwIfNoEntry: false, bigint: true }) : undefined
    if (stat !== undefined && this.known.has(`${stat.dev}:${stat.ino}`))
      throw new FaultlineError(
        'EBUSY',
        'createVolume',
        `createVolume with its data in ${path}: this machine has that file open; close it first`,
      )
  }

  /**
   * The process ends: what was stored is handed to the host at once. Returns a sentence for each file that it could not be
   * written to.
   */
  leave(): string[] {
    const { engine } = this.context
    const cuts = new Map<CachedFile, Bytes>()
    for (const task of engine.scheduler.tasks.values()) {
      if (!does(task, engine.verbs.truncate)) continue
      const { file, change, backing } = task.args
      if (backing !== undefined && 'size' in change) cuts.set(file, change.size)
    }
    const files = [...this.known.values()].map(({ host, cached }) => ({
      host,
      cached,
      cutTo: cuts.get(cached) ?? Infinity,
    }))
    return leave(engine.memory.frames, files)
  }

  private async empty({ name }: File, calls: CachedCalls): Promise<void> {
    const { verb, args } = calls.truncate(0)
    const who = { name: `open of ${name}`, group: ROOT }
    await this.context.performer.perform(verb, args, who, { operation: 'open', where: name })
  }

  private async knownAt(
    path: string | Buffer,
    options: Pick<HostFileOptions, 'mode' | 'create' | 'direct'>,
    stablePages: boolean,
  ): Promise<{ readonly known: Known; readonly made: boolean }> {
    const pump = () => this.context.driver.pump()
    let made = false
    for (;;) {
      const create = made ? undefined : options.create
      const host = openHost(path, { ...options, create, pump, calls: this.context.calls })
      made ||= host.made
      const left = this.leaving.get(host.inode)
      if (left === undefined) return { known: this.knownFor(host, stablePages), made }
      await host.close()
      await left
    }
  }

  /** One opening more of what the machine has of this file already, or begins to have. `host` is its own from here on, or closed. */
  private knownFor(host: HostFile, stablePages: boolean): Known {
    const found = this.known.get(host.inode)
    if (found !== undefined) {
      found.host.adopt(host)
      found.openings++
      return found
    }
    if (host.inode === this.swap?.inode || host.length > FILE_BYTES_MAX) {
      void host.close()
      throw host.inode === this.swap?.inode
        ? new FaultlineError(
            'EBUSY',
            'open',
            `open of ${host.name}: it is the machine's swap file; open another`,
          )
        : tooLong('open', host.name, host.length)
    }
    const { engine } = this.context
    const spaceFor = host.sparse ? 0 : Math.floor(host.length / engine.memory.frames.pageSize)
    const backing = new LinearFile(host, engine.io, engine.memory, { stablePages, spaceFor })
    const known: Known = {
      host,
      cached: engine.cache.add(host.name, host.length, backing),
      backing,
      openings: 1,
      guard: undefined,
    }
    this.known.set(host.inode, known)
    return known
  }

  /** Whoever writes to the data of a volume is its only writer. Throws EBUSY if somebody else has the volume. */
  private async guard(known: Known, path: string | Buffer): Promise<void> {
    const { name } = known.host
    try {
      if (!holdsVolume(path)) return
      known.guard ??= FileLock.take(path, 'exclusive')
      await known.guard
    } catch (error) {
      known.guard = undefined
      if (!(error instanceof Taken)) throw error
      throw new FaultlineError(
        'EBUSY',
        'open',
        `open of ${name} failed with EBUSY: it is the data of a volume that somebody has open; close that first, or open it with mode 'r'`,
        error,
      )
    }
  }

  /** An opening has been synced and closed, and nobody maps it. */
  private async release(known: Known, file: File): Promise<void> {
    const { inode } = known.host
    try {
      if (--known.openings > 0) return
      this.known.delete(inode)
      const left = this.letGo(known).finally(() => this.leaving.delete(inode))
      this.leaving.set(
        inode,
        left.catch(() => {}),
      )
      await left
    } finally {
      this.opened.delete(file)
    }
  }

  private async letGo({ host, cached, guard }: Known): Promise<void> {
    try {
      await forget(this.context, cached)
      host.trim(cached.size)
    } catch (error) {
      throw fromHost(error, 'close', cached.name)
    } finally {
      await host.close()
      ;(await guard)?.release()
    }
  }
}

/** How long a file of the host is by now; its backing learns of it. */
function measured({ host, backing }: Known): Bytes {
  const size = host.measure()
  backing.measured(size)
  return size
}
