/**
 * The two attempts of a cached file: bring a page, and make it writable (Linux mm/filemap.c: filemap_fault,
 * filemap_page_mkwrite).
 *
 * Each begins from (file, index) and the fault's own record of what it asked for. What it finds decides what it says:
 *
 *     fault          past EOF               fail(ENXIO)                  SIGBUS by page, not by byte
 *                    cached, up to date     done
 *                    cached, on its way     wait 'page lock'             whoever brings it
 *                    asked for it, failed   fail(that error)             the error isn't looked for again
 *                    being taken away       wait 'invalidate'
 *                    absent                 read it: wait 'read', or the shortage of memory that forbids it
 *
 *     pageMkwrite    being taken away       wait 'invalidate'
 *                    under writeback        wait 'writeback'             if its pages must be stable
 *                    no space yet           whatever the backing says    ENOSPC comes now or never
 *                    else                   done
 *
 * There is no page that is in the cache, unlocked and not up to date: what failed is taken out. A waiter of somebody
 * else's read that failed so finds the page absent and reads it once itself.
 */
import { errno } from '../base/index.ts'
import { carriedError, type PageRequest, VM_FAULT_MAJOR } from '../memmap/index.ts'
import { LOCKED, READAHEAD, WRITEBACK } from '../memory/index.ts'
import { done, fail, type Outcome, wait } from '../sched/index.ts'
import type { CachedFile } from './cached-file.ts'
import type { PageCache } from './page-cache.ts'
import { asyncReadahead, noteHits, windowFor } from './readahead.ts'

export function filemapFault(cache: PageCache, file: CachedFile, request: PageRequest): Outcome {
  const { index, fault, read } = request
  if (index >= file.pages) return fail(errno.ENXIO)
  const frame = cache.find(file.id, index)
  if (frame !== 0) {
    if (file.isLeaving(index)) return wait(file.invalidation!.ticket, 'invalidate')
    if (cache.frames.has(frame, LOCKED)) return wait(cache.boost(frame, fault.group), 'page lock', frame)
    noteHits(read, 1)
    if (cache.frames.has(frame, READAHEAD)) asyncReadahead(cache, file, index, frame, read, fault.group)
    cache.markAccessed(frame)
    fault.frame = frame
    return done
  }
  const carried = carriedError(fault, file.id, index)
  if (carried !== errno.OK) return fail(carried)
  if (file.invalidates(index)) return wait(file.invalidation!.ticket, 'invalidate')
  fault.result |= VM_FAULT_MAJOR
  // What a call asks for is no guess: older pages give way to all of it, and it isn't read page by page.
  if (request.wanted > 1)
    cache.makeRoom(Math.min(request.wanted, file.pages - index, cache.slicePages), 0, fault.group)
  const brought = cache.bring(file, index, windowFor(cache, file, request), fault.group)
  if (brought.kind === 'wait' && brought.why === 'read')
    fault.asked = { ticket: brought.ticket, file: file.id, index }
  return brought
}

export function filemapMkwrite(cache: PageCache, file: CachedFile, request: PageRequest): Outcome {
  const { index, fault } = request
  const { frame } = fault
  if (file.readOnly) return fail(errno.EROFS)
  if (file.invalidates(index)) return wait(file.invalidation!.ticket, 'invalidate', frame)
  if (file.backing.stablePages && cache.frames.has(frame, WRITEBACK))
    return wait(cache.boost(frame, fault.group), 'writeback', frame)
  return file.backing.reserve(file, request, frame)
}
