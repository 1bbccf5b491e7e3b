/**
 * When dirty pages go out, and who is slowed down when too many wait (Linux 6.12 mm/page-writeback.c, fs/fs-writeback.c).
 *
 *     by age     a file whose oldest dirty page is EXPIRE old is written, looked for every INTERVAL
 *     by ratio   above the background threshold files are written at once. What is on its way doesn't count: as much goes out as
 *                comes in, and not all at a time
 *     on sync    sync.ts
 *
 *     dirty:  0 ------ background ------ freerun ------ setpoint ------ limit
 *                                        nobody waits | writers pause, longer the nearer the limit
 *
 * A domain is what a ratio is taken of: the machine, or the nearest group that has a memory.max; both are asked and the
 * stricter answer counts. A pause is a wait of the task that dirtied, after its entry is set and its locks are dropped.
 *
 * Invariants
 *   Y1  No page stays dirty longer than EXPIRE + INTERVAL while its device takes writes. One that refuses them is asked
 *       again after a while, not at once.
 *       A page that is pinned waits until it isn't: the flusher can't starve a section that stores to many pages.
 *   Y2  A pause is at most MAX_PAUSE, and is slept with no lock held under every discipline that says so.
 *
 * Compare   Linux estimates a rate for each task; here a domain has one rate for all its writers.
 */
import { type GroupId, type GroupTree, hang, MS, type Ns, type Pfn, ROOT, SECOND } from '../base/index.ts'
import { Alarm, type Chore, type Wait, wait } from '../sched/index.ts'
import type { CachedFile } from './cached-file.ts'
import type { PageCache } from './page-cache.ts'

/** dirty_background_ratio, dirty_ratio, dirty_writeback_interval, dirty_expire_interval: Linux's defaults. */
export interface WritebackSettings {
  /** The part of memory that may be dirty before the flusher begins: 0 to 1. */
  readonly backgroundRatio: number
  /** The part of memory that may be dirty before writers pause: 0 to 1. */
  readonly ratio: number
  /** Nanoseconds between two passes of the flusher. */
  readonly interval: Ns
  /** Nanoseconds after which a dirty page is written whatever there is. */
  readonly expire: Ns
}

export const WRITEBACK_DEFAULTS: WritebackSettings = {
  backgroundRatio: 0.1,
  ratio: 0.2,
  interval: 5 * SECOND,
  expire: 30 * SECOND,
}

/** HZ / 5. */
const MAX_PAUSE: Ns = 200 * MS
/** BANDWIDTH_INTERVAL. */
const BANDWIDTH_INTERVAL: Ns = 200 * MS
/** Bytes dirtied between two looks at the balance: 32 pages of 4 KiB. */
const RATELIMIT_BYTES = 32 * 4096
/** Pages of one file that the flusher has in flight at most. */
const FLIGHT_PAGES_MAX = 1024

interface Domain {
  readonly group: GroupId
  /** Pages written a second, estimated every BANDWIDTH_INTERVAL; 0: not known yet. */
  bandwidth: number
  written: number
  since: Ns
  /** Pages dirtied since somebody last looked at the balance. */
  dirtied: number
}

export class Writeback implements Chore {
  readonly name = 'flusher'
  private readonly cache: PageCache
  private readonly tree: GroupTree
  private readonly settings: WritebackSettings
  private readonly alarm: Alarm
  private readonly domains = new Map<GroupId, Domain>()
  /** hot: those of a group, as long as no limit has changed. */
  private readonly known = new Map<GroupId, readonly Domain[]>()
  private knownAt = 0
  /** Whether the last pass could not begin all that it should have: a device that takes pages makes room for more. */
  private isBehind = false

  constructor(cache: PageCache, tree: GroupTree, settings: WritebackSettings) {
    this.cache = cache
    this.tree = tree
    this.settings = settings
    this.alarm = new Alarm(cache.scheduler, this)
    hang(cache, 'onDirty', file => this.dirtied(file))
    hang(cache, 'onWritten', (group, pages) => this.written(group, pages))
  }

  /** The pause that a writer of `group` owes now, or undefined. Call it for each page made dirty. */
  balance(group: GroupId): Wait | undefined {
    let longest: Ns = 0
    const domains = this.domainsOf(group)
    // hot: here and below, an iterator would be garbage of each page that is made dirty
    for (let at = 0; at < domains.length; at++) {
      const domain = domains[at]!
      domain.dirtied++
      if (domain.dirtied * this.cache.frames.pageSize < RATELIMIT_BYTES) continue
      longest = Math.max(longest, this.pause(domain))
      domain.dirtied = 0
    }
    if (longest === 0) return undefined
    this.alarm.by(this.cache.scheduler.now())
    return wait(this.cache.scheduler.after(longest, 'a pause of the writer: too much is dirty'), 'throttle')
  }

  /** One slice of a pass of the flusher. */
  run(now: Ns): Ns {
    let left = false
    let pages = 0
    this.isBehind = false
    for (const file of this.cache.files.values()) {
      if (file.dirtiedAt === Infinity) continue
      left = true
      const expired = file.dirtiedAt + this.settings.expire <= now
      if (file.retryAt <= now && (expired || this.aboveBackground(file))) pages += this.writeSome(file, now)
      // The others later: so much is a slice, or as much as a pass may have on its way.
      if (pages >= Math.min(FLIGHT_PAGES_MAX, this.cache.slicePages)) return now
    }
    return left ? now + this.settings.interval : Infinity
  }

  /** Writes dirty pages of the file, from where it went last on, as far as FLIGHT_PAGES_MAX allows. Returns how many. */
  private writeSome(file: CachedFile, now: Ns): number {
    const { slicePages, pagesPerBio } = this.cache
    const room = Math.min(FLIGHT_PAGES_MAX - file.underWriteback, Math.max(slicePages, pagesPerBio))
    if (room <= 0) this.isBehind = true
    if (room <= 0) return 0
    const seen = file.dirtyPages.take(file.flushedTo, Infinity, room)
    if (seen.length === room) this.isBehind = true
    // A section that waits to store to many pages keeps those it has: written now they would be read-only again.
    const free = (frame: Pfn) => this.cache.frames.pins[frame] === 0 && this.cache.canWrite(file, frame)
    if (file.flushedTo === 0) file.flushingSince = now
    file.flushedTo = seen.length < room ? 0 : seen.at(-1)! + 1
    // What is dirty when it has come round was dirtied since.
    if (file.flushedTo === 0) file.dirtiedAt = file.flushingSince
    const indexes = seen.filter(index => free(this.cache.find(file.id, index)))
    this.cache.writeOut(file, indexes)
    return indexes.length
  }

  private dirtied(file: CachedFile): void {
    const now = this.cache.scheduler.now()
    this.alarm.by(this.aboveBackground(file) ? now : now + this.settings.interval)
  }

  private written(group: GroupId, pages: number): void {
    const now = this.cache.scheduler.now()
    for (const domain of this.domainsOf(group)) {
      domain.written += pages
      const elapsed = now - domain.since
      if (elapsed < BANDWIDTH_INTERVAL) continue
      const rate = (domain.written * SECOND) / elapsed
      domain.bandwidth = domain.bandwidth === 0 ? rate : (7 * domain.bandwidth + rate) / 8
      domain.written = 0
      domain.since = now
    }
    if (this.cache.dirtyPages > 0 && (this.isBehind || this.isAbove(group))) this.alarm.by(now)
  }

  private aboveBackground(file: CachedFile): boolean {
    const { siblings, group } = this.cache.frames
    const oldest = siblings.head(file.dirty)
    return this.isAbove(oldest === -1 ? ROOT : group[oldest]!)
  }

  private isAbove(group: GroupId): boolean {
    const domains = this.domainsOf(group)
    for (let at = 0; at < domains.length; at++) {
      const domain = domains[at]!
      const waiting = this.dirtyOf(domain) - this.onTheirWayOf(domain)
      if (waiting > this.dirtyable(domain) * this.settings.backgroundRatio) return true
    }
    return false
  }

  /** How long a writer of this domain pauses for what it dirtied (balance_dirty_pages, wb_position_ratio). */
  private pause(domain: Domain): Ns {
    const dirtyable = this.dirtyable(domain)
    const limit = dirtyable * this.settings.ratio
    const background = dirtyable * this.settings.backgroundRatio
    const freerun = (limit + background) / 2
    const dirty = this.dirtyOf(domain)
    if (dirty <= freerun) return 0
    const setpoint = (freerun + limit) / 2
    const distance = (setpoint - dirty) / (limit - setpoint)
    const ratio = Math.min(2, Math.max(0, 1 + distance * distance * distance))
    const rate = domain.bandwidth * ratio
    return rate === 0 ? MAX_PAUSE : Math.min(MAX_PAUSE, Math.round((domain.dirtied / rate) * SECOND))
  }

  private dirtyable(domain: Domain): number {
    const { memory } = this.cache
    const { max } = memory.ledger.limits(domain.group)
    const stat = memory.ledger.stat(domain.group)
    return Math.max(1, Math.min(max, memory.total) - stat.anon)
  }

  /** Pages that are dirty, or on their way. */
  private dirtyOf({ group }: Domain): number {
    return group === ROOT ? this.cache.dirtyPages : this.sumOf(group, 'dirty')
  }

  private onTheirWayOf({ group }: Domain): number {
    return group === ROOT ? this.cache.pagesUnderWriteback : this.sumOf(group, 'writeback')
  }

  private sumOf(top: GroupId, what: 'dirty' | 'writeback'): number {
    let sum = 0
    for (let group = top; group <= this.tree.last; group++)
      if (this.tree.isWithin(group, top)) sum += this.cache.memory.ledger.stat(group)[what]
    return sum
  }

  private domainsOf(group: GroupId): readonly Domain[] {
    const { changes } = this.cache.memory.ledger
    if (this.knownAt !== changes) this.known.clear()
    this.knownAt = changes
    let domains = this.known.get(group)
    if (domains === undefined) {
      domains = this.findDomains(group)
      this.known.set(group, domains)
    }
    return domains
  }

  private findDomains(group: GroupId): Domain[] {
    const found = [this.domain(ROOT)]
    for (let id = group; id > ROOT; id = this.tree.parent(id))
      if (this.cache.memory.ledger.limits(id).max !== Infinity) {
        found.push(this.domain(id))
        break
      }
    return found
  }

  private domain(group: GroupId): Domain {
    let domain = this.domains.get(group)
    if (domain === undefined) {
      domain = { group, bandwidth: 0, written: 0, since: this.cache.scheduler.now(), dirtied: 0 }
      this.domains.set(group, domain)
    }
    return domain
  }
}
