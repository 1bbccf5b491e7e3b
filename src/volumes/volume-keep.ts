/**
 * Parts of files on servers, kept in a local volume: a small file each, which is compared with its checksums when it is read.
 *
 *     put -> waits in memory -> written -> durable with the next sync -> read by whoever has the volume open -> goes when room is needed
 *
 * What was used longest ago goes first; of what this process hasn't used, what was written first. A volume that is open to be read
 * gives what it has, and takes nothing.
 *
 * Invariants   KP1, KP2 (remote/keep.ts)
 *   VKP1 What the volume finds damaged isn't there. A volume in which damage was found takes nothing more until it is repaired, and
 *        then what was given up is removed when somebody wants it.
 *   VKP2 No more than WAITING_MAX parts wait to be written: what comes beyond isn't kept.
 *   VKP3 What the volume holds beside the parts is never touched, and a part is kept only while ROOM of the volume stays free.
 */
import { createHash } from 'node:crypto'
import type { MachineFace, VolumeFace } from '../api/index.ts'
import type { Bytes } from '../base/index.ts'
import { FaultlineError, invalid } from '../calls/index.ts'
import { shown } from '../group/index.ts'
import type { Keep } from '../remote/index.ts'
import { Volume } from './volume.ts'

const DIRECTORY = '/.faultline-cache'
const WAITING_MAX = 64
/** Of the volume that stays free, and that is made free at once when less is. */
const ROOM = 1 / 16
/** After so much all of it is made durable. */
const SYNC_BYTES: Bytes = 16 * 2 ** 20
/** Of a digest: enough that no two files have the same. */
const DIGITS = 40

const DAMAGED: ReadonlySet<string> = new Set(['EIO', 'EUCLEAN'])

const keeps = new WeakMap<Volume, VolumeKeep>()

/** Where parts are kept, of an option `cache`. Throws EINVAL, EBADF. */
export function keepIn(cache: unknown, operation: string): Keep {
  if (!(cache instanceof Volume))
    throw invalid(operation, `cache: expected a volume that is open in this thread, got ${shown(cache)}`)
  if (cache.isClosed)
    throw new FaultlineError('EBADF', operation, `cache: the volume ${cache.path} is closed; open it again`)
  let keep = keeps.get(cache)
  if (keep === undefined) {
    keep = new VolumeKeep(cache)
    keeps.set(cache, keep)
  }
  return keep
}

/** Where a cache lies, and how large it becomes where there is none yet. */
export interface CachePlace {
  readonly directory: string
  readonly size: Bytes
}

/** Opens the volume that is a cache, repaired if it was damaged, or makes it. Errors: those of `openVolume` and `createVolume`. */
export async function openCache(
  machine: Pick<MachineFace, 'openVolume' | 'createVolume' | 'repairVolume'>,
  { directory, size }: CachePlace,
): Promise<VolumeFace> {
  try {
    const cache = await machine.openVolume(directory, { mode: 'r+' })
    if (!cache.readOnly) return cache
    await cache.close()
    await machine.repairVolume(directory)
    return await machine.openVolume(directory, { mode: 'r+' })
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error
    return machine.createVolume(directory, { size })
  }
}

class VolumeKeep implements Keep {
  private readonly volume: Volume
  private readonly waiting = new Map<string, Uint8Array>()
  private writing: Promise<void> | undefined
  private readonly directories = new Set<string>()
  /** Those that this process has used or written, the last one last. */
  private readonly used = new Set<string>()
  /** Those that were there before, the oldest first; undefined: nobody has looked. */
  private before: Set<string> | undefined
  private unsynced: Bytes = 0

  constructor(volume: Volume) {
    this.volume = volume
  }

  async get(key: string, chunk: number): Promise<Uint8Array | undefined> {
    const path = pathOf(key, chunk)
    const waiting = this.waiting.get(path)
    if (waiting !== undefined) return waiting
    try {
      const parts: Uint8Array[] = []
      for await (const part of this.volume.get(path)) parts.push(part.slice())
      this.note(path)
      return parts.length === 1 ? parts[0] : undefined
    } catch (error) {
      if (DAMAGED.has(codeOf(error))) await this.remove(path)
      return undefined
    }
  }

  put(key: string, chunk: number, bytes: Uint8Array): void {
    if (this.volume.readOnly || this.waiting.size >= WAITING_MAX) return
    this.waiting.set(pathOf(key, chunk), bytes)
    this.writing ??= this.writeAll().finally(() => {
      this.writing = undefined
    })
  }

  async settled(): Promise<void> {
    await this.writing
  }

  private async writeAll(): Promise<void> {
    // Those that come meanwhile are seen, too.
    for (const [path, bytes] of this.waiting) {
      try {
        await this.write(path, bytes)
      } catch (error) {
        codeOf(error)
      }
      this.waiting.delete(path)
    }
  }

  private async write(path: string, bytes: Uint8Array): Promise<void> {
    const { blockSize, size, free } = this.volume.usage
    if (free * blockSize < size * blockSize * ROOM + bytes.length) await this.makeRoom()
    await this.makeDirectory(path)
    await this.volume.put([bytes], path, { until: 'written', existing: 'stays' })
    this.note(path)
    this.unsynced += bytes.length
    if (this.unsynced >= SYNC_BYTES) await this.sync()
  }

  private async makeDirectory(path: string): Promise<void> {
    const own = path.slice(0, path.lastIndexOf('/'))
    for (const directory of [DIRECTORY, own]) {
      if (this.directories.has(directory)) continue
      await this.volume.mkdir(directory).catch(unless('EEXIST'))
      this.directories.add(directory)
    }
  }

  /** What is freed can be used again once it is durable that it was. */
  private async makeRoom(): Promise<void> {
    const { blockSize, size } = this.volume.usage
    let wanted = 2 * ROOM * size * blockSize
    for (const path of await this.oldestFirst()) {
      if (wanted <= 0) break
      const stat = await this.volume.lstat(path).catch(unless('ENOENT'))
      await this.remove(path)
      wanted -= (stat?.blocks ?? 0) * blockSize
    }
    await this.sync()
  }

  private async oldestFirst(): Promise<string[]> {
    this.before ??= new Set(await this.list())
    for (const path of this.used) this.before.delete(path)
    return [...this.before, ...this.used]
  }

  private async list(): Promise<string[]> {
    const found: { readonly path: string; readonly ino: number }[] = []
    const below = async (directory: string) => {
      const names = (await this.volume.list(directory).catch(unless('ENOENT'))) ?? []
      return names.map(({ name, ino }) => ({ path: `${directory}/${name}`, ino }))
    }
    for (const { path } of await below(DIRECTORY)) found.push(...(await below(path)))
    return found.sort((a, b) => a.ino - b.ino).map(({ path }) => path)
  }

  private async sync(): Promise<void> {
    this.unsynced = 0
    await this.volume.sync()
  }

  private note(path: string): void {
    this.used.delete(path)
    this.used.add(path)
  }

  private async remove(path: string): Promise<void> {
    this.used.delete(path)
    this.before?.delete(path)
    await this.volume.unlink(path).catch(codeOf)
  }
}

function pathOf(key: string, chunk: number): string {
  return `${DIRECTORY}/${createHash('sha256').update(key).digest('hex').slice(0, DIGITS)}/${chunk}`
}

/** What the volume says is of no further interest (KP2); anything else is a fault of ours. */
function codeOf(error: unknown): string {
  if (!(error instanceof FaultlineError)) throw error
  return error.code
}

function unless(code: string): (error: unknown) => undefined {
  return error => {
    if (codeOf(error) !== code) throw error
  }
}
