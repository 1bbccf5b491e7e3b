/**
 * The check of a machine, its fsck: computes from scratch, from page tables, frames and tasks, what the machine keeps as running counts and
 * lists, and says where the two differ. It may be asked between any two attempts.
 *
 * Invariants checked (by the letters of the file headers)
 *   P1 P2 SP1 SP2 A1 A3     entries, `mapped`, `resident`, `swapped`, VMAs and their place on their file's list
 *   FA3 FA4 (fault-page.ts)  a writable entry of a file is of a dirty page; a writable private page is mapped once
 *   T4 X1                   no entry past EOF; an entry of a file names the page that the cache has there
 *   F1 F2 F3 (frames.ts)    free frames are blank; pins are stashes, sections and reservations, no more
 *   AM1 AM2 (memory.ts) B1   free and charged frames add up; LRU lists; usage and statistics of every group
 *   C1 Q1 Q2 H1             pages of files: lists, flights, states, hash; dirty pages and pages under writeback
 *   SW1 SW2                 users of a swap slot
 *   W1 W2 L2 V2 S2 K2       locks and those who hold or wait for them
 */
import { type GroupId, type Pfn, ROOT } from '../base/index.ts'
import type { CachedFile } from '../cache/index.ts'
import { LinearFile } from '../fs/index.ts'
import {
  ACTIVE,
  ANON,
  CACHE,
  DETACHED,
  DEVICE,
  DIRTY,
  FREE,
  IN_FLIGHT,
  LAZYFREE,
  LOCKED,
  type LruKind,
  ON_LRU,
  UNEVICTABLE,
  UPTODATE,
  WRITEBACK,
} from '../memory/index.ts'
import { anonIndexOf, indexOf, ruleFor, type Space, type Vma, ZERO_PAGE } from '../mm/index.ts'
import { frameOf, LOAD, PRESENT, STORE, SWAP, VPN_END, WRITABLE } from '../mmu/index.ts'
import type { Engine } from './engine.ts'

type Report = (truth: boolean, what: string) => void

/** Everything that doesn't add up, a sentence each. Between two attempts nothing may. Cost: a look at every frame and entry. */
export function check(engine: Engine): string[] {
  const found: string[] = []
  const report: Report = (truth, what) => {
    if (!truth) found.push(what)
  }
  const mapped = new Map<Pfn, number>()
  const slots = new Map<number, number>()
  // A child that is being filled is in its family, and nowhere else yet.
  const families = new Set([...engine.mm.spaces.values()].map(({ family }) => family))
  for (const space of [...families].flatMap(family => [...family.spaces])) {
    recountSpace(engine, space, mapped, slots, report)
    recountLocks(engine, space, report)
  }
  recountFrames(engine, mapped, report)
  recountPins(engine, report)
  recountLru(engine, report)
  recountGroups(engine, report)
  for (const file of engine.cache.files.values()) recountFile(engine, file, report)
  recountSlots(engine, slots, report)
  return found
}

function recountSpace(
  engine: Engine,
  space: Space,
  mapped: Map<Pfn, number>,
  slots: Map<number, number>,
  check: Report,
): void {
  const seen = { resident: 0, swapped: 0 }
  let end = 0
  for (const vma of space.vmas) {
    check(vma.start >= end && vma.start < vma.end, `A1: VMA ${vma.start} of ${space.name} is in its place`)
    end = vma.end
  }
  for (const vpn of space.table.used(0, VPN_END)) {
    const entry = space.table.get(vpn)
    const frame = frameOf(entry)
    const vma = space.find(vpn)
    const where = `page ${vpn} of ${space.name}`
    if ((entry & SWAP) !== 0) {
      seen.swapped++
      slots.set(frame, (slots.get(frame) ?? 0) + 1)
      check((entry & PRESENT) === 0, `P1: ${where} is swapped or present`)
    } else if ((entry & PRESENT) !== 0 && frame !== ZERO_PAGE) {
      seen.resident++
      mapped.set(frame, (mapped.get(frame) ?? 0) + 1)
    }
    check((entry & LOAD) === 0 || (entry & PRESENT) !== 0, `P1: ${where} LOAD implies PRESENT`)
    check((entry & WRITABLE) === 0 || (entry & PRESENT) !== 0, `P1: ${where} WRITABLE implies PRESENT`)
    check((entry & STORE) === 0 || (entry & (LOAD | WRITABLE)) === (LOAD | WRITABLE), `P1: ${where} STORE`)
    check(vma !== undefined, `SP2: ${where} lies in a VMA`)
    if (vma !== undefined) recountEntry(engine, vma, vpn, check)
  }
  check(
    space.resident === seen.resident,
    `SP1: ${space.name} has ${seen.resident} resident, not ${space.resident}`,
  )
  check(space.swapped === seen.swapped, `${space.name} has ${seen.swapped} swapped, not ${space.swapped}`)
}

/** What an entry of a VMA may name, and with what rights. */
function recountEntry({ memory, cache }: Engine, vma: Vma, vpn: number, check: Report): void {
  const { frames } = memory
  const entry = vma.space.table.get(vpn)
  const frame = frameOf(entry)
  const writable = (entry & WRITABLE) !== 0
  const where = `page ${vpn} of ${vma.space.name}`
  const file = vma.open === undefined ? undefined : cache.files.get(vma.open.file.id)
  if (file !== undefined) check(indexOf(vma, vpn) < file.pages, `X1: ${where} isn't past the end of its file`)
  if ((entry & PRESENT) === 0) return
  if (frame === ZERO_PAGE) {
    const hole = vma.open !== undefined && file === undefined
    check(
      !writable && (hole || vma.share === 'private'),
      `FA4: ${where} has the zero page to read, in private`,
    )
    return
  }
  const ours = frames.kind[frame] === ANON && frames.owner[frame] === vma.space.family.id
  if (ours) {
    check(vma.share === 'private', `FA2: ${where} is shared and not of the family's own pages`)
    check(frames.index[frame] === anonIndexOf(vma, vpn), `SP3: ${where} is the family's page of that number`)
    check(!writable || frames.mapped[frame] === 1, `FA4: ${where} is private, writable and mapped once`)
    return
  }
  if (file === undefined) return
  check(
    cache.find(file.id, indexOf(vma, vpn)) === frame,
    `T4: ${where} maps the page that its file has there`,
  )
  check(frames.has(frame, UPTODATE), `FA2: ${where} maps a page that is up to date`)
  check(
    !writable || (vma.share === 'shared' && frames.has(frame, DIRTY)),
    `FA3: ${where} is writable, so shared and dirty`,
  )
}

function recountFrames({ memory, mm }: Engine, mapped: ReadonlyMap<Pfn, number>, check: Report): void {
  const { frames } = memory
  let free = 0
  for (let frame = 1; frame < frames.count; frame++) {
    const count = mapped.get(frame) ?? 0
    check(
      frames.mapped[frame] === count,
      `P2: frame ${frame} is mapped ${count}, not ${frames.mapped[frame]}`,
    )
    const reached = mm.rmap.mappingsOf(frame).length
    // Two files may share a block of a device: it is found by (file, index) alone.
    if (frames.kind[frame] !== DEVICE)
      check(reached === count, `RM3: rmap finds ${reached} of the ${count} entries of frame ${frame}`)
    if (frames.kind[frame] !== FREE) continue
    free++
    check(frames.flags[frame] === 0 && frames.group[frame] === 0, `F1: free frame ${frame} is blank`)
    check(frames.pins[frame] === 0 && count === 0, `F3: free frame ${frame} has no user`)
  }
  check(memory.free === free, `AM1: ${free} frames are free, not ${memory.free}`)
}

function recountPins(engine: Engine, check: Report): void {
  const { frames } = engine.memory
  const pins = new Int32Array(frames.count)
  for (const [frame, times] of engine.verbs.fault.kept.entries()) pins[frame]! += times
  for (const task of engine.scheduler.tasks.values()) if (task.stash !== 0) pins[task.stash]!++
  for (const { backing } of engine.cache.files.values())
    if (backing instanceof LinearFile)
      for (const { frames: carried } of backing['reserving'].values())
        for (const frame of carried) pins[frame]!++
  for (let frame = 1; frame < frames.count; frame++)
    check(
      frames.pins[frame] === pins[frame],
      `F3: frame ${frame} is pinned ${pins[frame]}, not ${frames.pins[frame]}`,
    )
}

function recountLru({ memory, tree, mm }: Engine, check: Report): void {
  const { frames } = memory
  const families = new Set([...mm.spaces.values()].map(space => space.family.id))
  const listed = new Set<Pfn>()
  for (let group: GroupId = ROOT; group <= tree.last; group++) {
    for (const frame of frames.lru.walk(memory.lruList(group, 'in flight'))) {
      listed.add(frame)
      const right =
        frames.group[frame] === group && frames.has(frame, IN_FLIGHT) && frames.has(frame, LOCKED | WRITEBACK)
      check(right, `AM2: frame ${frame} belongs among the pages in flight of group ${group}`)
    }
    for (const side of ['anon', 'file'] as const)
      for (const age of ['active', 'inactive'] as const) {
        const list: LruKind = `${age} ${side}`
        let size = 0
        for (const frame of frames.lru.walk(memory.lruList(group, list))) {
          size++
          listed.add(frame)
          const right =
            frames.group[frame] === group &&
            (frames.kind[frame] === ANON && !frames.has(frame, LAZYFREE)) === (side === 'anon') &&
            frames.has(frame, ACTIVE) === (age === 'active') &&
            frames.has(frame, ON_LRU) &&
            !frames.has(frame, UNEVICTABLE | IN_FLIGHT)
          check(right, `AM2: frame ${frame} belongs on the ${list} list of group ${group}`)
        }
        check(size === frames.lru.size(memory.lruList(group, list)), `I2: the ${list} list of group ${group}`)
      }
  }
  for (let frame = 1; frame < frames.count; frame++) {
    check(frames.has(frame, ON_LRU) === listed.has(frame), `AM2: frame ${frame} is on the list it says`)
    const evictable =
      frames.kind[frame] === CACHE || (frames.kind[frame] === ANON && families.has(frames.owner[frame]!))
    if (evictable && !frames.has(frame, UNEVICTABLE))
      check(listed.has(frame), `AM2: reclaim can find ${frame}`)
  }
}

function recountGroups({ memory, tree, cache }: Engine, check: Report): void {
  const { frames, ledger } = memory
  const usage = new Map<GroupId, number>()
  const own = (group: GroupId) => ({ group, anon: 0, file: 0, dirty: 0, writeback: 0 })
  const stats = Array.from({ length: tree.last + 1 }, (_, group) => own(group))
  for (let frame = 1; frame < frames.count; frame++) {
    if (frames.kind[frame] === FREE || frames.kind[frame] === DEVICE) continue
    const stat = stats[frames.group[frame]!]!
    if (frames.kind[frame] === ANON) stat.anon++
    if (frames.kind[frame] === CACHE) stat.file++
    if (frames.has(frame, DIRTY | WRITEBACK)) stat.dirty++
    if (frames.has(frame, WRITEBACK)) stat.writeback++
    for (let group = stat.group; group !== 0; group = tree.parent(group))
      usage.set(group, (usage.get(group) ?? 0) + 1)
  }
  for (const { group, ...stat } of stats.slice(ROOT)) {
    const pages = usage.get(group) ?? 0
    check(ledger.usage(group) === pages, `B1: group ${group} uses ${pages}, not ${ledger.usage(group)}`)
    for (const key of ['anon', 'file', 'dirty', 'writeback'] as const) {
      const told = ledger.stat(group)[key]
      check(told === stat[key], `group ${group} has ${stat[key]} ${key}, not ${told}`)
    }
  }
  const dirty = stats.reduce((sum, stat) => sum + stat.dirty, 0)
  check(cache.dirtyPages === dirty, `${dirty} pages are dirty or on their way, not ${cache.dirtyPages}`)
  const written = stats.reduce((sum, stat) => sum + stat.writeback, 0)
  check(
    cache.pagesUnderWriteback === written,
    `${written} pages are on their way, not ${cache.pagesUnderWriteback}`,
  )
}

function recountFile({ memory, cache }: Engine, file: CachedFile, check: Report): void {
  const { frames } = memory
  const flights = cache['flights']
  const listed = new Map<Pfn, 'clean' | 'dirty'>()
  for (const frame of frames.siblings.walk(file.clean)) listed.set(frame, 'clean')
  for (const frame of frames.siblings.walk(file.dirty)) listed.set(frame, 'dirty')
  const sizes = frames.siblings.size(file.clean) + frames.siblings.size(file.dirty)
  check(listed.size === sizes, `I2: ${listed.size} pages of ${file.name} are on its lists, not ${sizes}`)
  let writing = 0
  for (let frame = 1; frame < frames.count; frame++) {
    const page = `page ${frames.index[frame]} of ${file.name}`
    if (frames.owner[frame] !== file.id) continue
    const flies = frames.has(frame, LOCKED | WRITEBACK)
    if (frames.has(frame, WRITEBACK)) writing++
    if (frames.kind[frame] === CACHE || frames.kind[frame] === DETACHED)
      check(flies === flights.has(frame), `Q1: ${page} is in flight iff it has a ticket`)
    if (frames.kind[frame] !== CACHE) continue
    const list = frames.has(frame, DIRTY) ? 'dirty' : 'clean'
    check(listed.get(frame) === list, `C1: ${page} is on the ${list} list`)
    check(frames.has(frame, LOCKED) !== frames.has(frame, UPTODATE), `Q2: ${page} is locked or up to date`)
    check(cache.find(file.id, frames.index[frame]!) === frame, `H1: ${page} is found`)
  }
  check(file.underWriteback === writing, `${writing} pages of ${file.name} are being written`)
  check(
    file.dirtiedAt !== Infinity || frames.siblings.size(file.dirty) === 0,
    `Y1: ${file.name} knows it is dirty`,
  )
}

function recountSlots({ mm, cache }: Engine, slots: ReadonlyMap<number, number>, check: Report): void {
  const { swapping } = mm
  if (swapping === undefined) return
  const { users, free } = { users: swapping.swap['users'], free: swapping.swap['free'] }
  users.forEach((count, slot) => {
    const named = slots.get(slot) ?? 0
    check(count === named, `SW1: ${named} entries name slot ${slot}, not ${count}`)
  })
  for (const slot of free)
    check(
      users[slot] === 0 && cache.find(swapping.swap.file.id, slot) === 0,
      `SW2: free slot ${slot} is empty`,
    )
}

function recountLocks({ scheduler, discipline }: Engine, space: Space, check: Report): void {
  const { mmap } = space.locks
  const locks = [mmap, ...[...space.vmas].map(vma => vma.lock)]
  for (const lock of locks)
    for (const task of lock.holders()) {
      check(scheduler.tasks.has(task.id), `S2: ${task.name} has ended and holds ${lock.name}`)
      check(
        task.held.filter(held => held.lock === lock).length === 1,
        `L2: ${task.name} knows it holds ${lock.name}`,
      )
    }
  for (const { lock } of space.vmas)
    check(lock['readers'] === lock.holders().length, `V2: as many tasks hold ${lock.name} as it counts`)
  const writing = mmap.holders().filter(task => mmap.isWriter(task)).length
  check(writing === 0 || mmap.holders().length === 1, `W1: ${mmap.name} has one writer or only readers`)
  const head = mmap.waiters()[0]
  const woken = head !== undefined && head.task.state === 'ready'
  check(
    mmap.holders().length > 0 || head === undefined || woken,
    `W2: ${mmap.name} is free and its head is woken`,
  )
  for (const task of scheduler.tasks.values()) {
    if (task.state !== 'waiting') continue
    check(task.wait!.ticket.waiters.includes(task), `K2: ${task.name} is among those who wait for its ticket`)
    // What it waits for while it holds nothing may be a lock, which no rule is about.
    if (task.verb.name === 'fault' && task.held.length > 0)
      check(
        ruleFor(discipline, task.wait!.why) !== 'drop',
        `FP1: ${task.name} waits without a lock for ${task.wait!.why}`,
      )
  }
}
