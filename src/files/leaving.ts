/**
 * What a program leaves that ends without closing. Its stores are to be where those to a mapping of the host's own would
 * be: in the host's file, though perhaps not on its disk. Nobody waits any more, so this is done at once, in the thread that
 * ends, past the queues and limits of the machine; and it flushes nothing.
 */

import { type Bytes, codeOf } from '../base/index.ts'
import type { CachedFile } from '../cache/index.ts'
import type { HostFile } from '../host/index.ts'
import { CACHE, DIRTY, type Frames, WRITEBACK } from '../memory/index.ts'

export interface Left {
  readonly host: HostFile
  readonly cached: CachedFile
  /** A truncation of the file is under way: nothing is written past this size. */
  readonly cutTo: Bytes
}

/** Writes every page that the host doesn't have yet. Returns a sentence for each file that it could not be written to. */
export function leave(frames: Frames, files: Iterable<Left>): string[] {
  const byId = new Map([...files].map(each => [each.cached.id, each]))
  const failed = new Map<string, string>()
  if (byId.size === 0) return []
  for (let frame = 1; frame < frames.count; frame++) {
    // What is on its way may not have been taken yet.
    if (frames.kind[frame] !== CACHE || !frames.has(frame, DIRTY | WRITEBACK)) continue
    const file = byId.get(frames.owner[frame]!)
    if (file === undefined) continue
    const { host, cached, cutTo } = file
    const position = frames.index[frame]! * frames.pageSize
    const length = Math.min(frames.pageSize, Math.min(cached.size, cutTo) - position)
    if (length <= 0 || failed.has(host.name)) continue
    try {
      host.writeNow(position, frames.bytes(frame).subarray(0, length))
    } catch (error) {
      const code = codeOf(error) ?? 'EIO'
      failed.set(
        host.name,
        `${host.name}: the process ended without closing it, and what was stored from offset ${position} on could not be written: ${code}`,
      )
    }
  }
  return [...failed.values()]
}
