/**
 * What must be true of a machine between any two steps, under every discipline; and what must be true at the end.
 *
 * The engine asserts many of its rules itself (lock order, nothing held at the end, tickets complete once); an assertion
 * that fails is found like a property that is broken. These are the rules that no single room can see. Each check returns
 * what it found, in words, or undefined.
 *
 * The one rule that tells the designs apart is `inversion`: should the world stand still from this state on (no I/O ends,
 * no time passes), who waits for a lock that somebody keeps while they wait for the world? An adversary may stop it at any
 * moment, so it is asked in every state. Under `restart` the answer is nobody.
 */
import type { CachedFile } from '../cache/index.ts'
import { hangs } from '../lock/index.ts'
import type { VmFault } from '../memmap/index.ts'
import { ANON, CACHE, DEVICE, DIRTY, LOCKED, UPTODATE, WRITEBACK } from '../memory/index.ts'
import { anonIndexOf, indexOf, PROT_READ, PROT_WRITE, ruleFor, type Space, type Vma } from '../mm/index.ts'
import { frameOf, LOAD, PRESENT, STORE, WRITABLE } from '../mmu/index.ts'
import type { Task } from '../sched/index.ts'
import { DaxFile } from '../volume/index.ts'
import type { Machine } from './machine.ts'
import type { Breach, Property } from './monitor.ts'
import { leftOver, VOLUME_SAFETY, wrongDaxEntry } from './volume/properties.ts'

const SAFETY: readonly Property[] = [
  {
    name: 'entries',
    says: 'every entry lies in a VMA that allows it and maps the up-to-date page of its file and index, inside EOF',
    check: machine => eachSpace(machine, checkEntries),
  },
  {
    name: 'data',
    says: 'every page holds the last word stored to it: in memory, or else on the device',
    check: checkData,
  },
  {
    name: 'copies',
    says: 'a private page holds what its own space stored, and is writable only where nobody else maps it',
    check: checkCopies,
  },
  {
    name: 'locks',
    says: 'a lock has one writer or any number of readers, and a free lock has woken the head of its queue',
    check: machine => eachSpace(machine, checkLocks),
  },
  {
    name: 'vma lock',
    says: 'a VMA is write-locked only while its space is, and whoever is inside one finds it still mapped',
    check: machine => eachSpace(machine, checkVmas),
  },
  {
    name: 'lock kept',
    says: 'a task that waits keeps its lock only if the discipline says so, and `restart` never says so',
    check: checkKept,
  },
  {
    name: 'one try',
    says: 'a fault that has dropped its lock once is marked FAULT_FLAG_TRIED',
    check: checkTried,
  },
  {
    name: 'double read',
    says: 'one I/O for each page wanted: no page is read twice at once, nor again by the fault that it was read for',
    check: checkReads,
  },
  {
    name: 'reservation',
    says: 'a dirty page has its space unless a resize failed, a reserved page its block; writeback never meets ENOSPC',
    check: checkReservations,
  },
  {
    name: 'stable pages',
    says: 'a page that must be stable doesn’t change while it is written',
    check: checkStable,
  },
  {
    name: 'errors',
    says: 'every writeback and every flush that failed is counted, so that each open file can tell it',
    check: checkErrors,
  },
]

const WITH_VOLUME: readonly Property[] = [...SAFETY, ...VOLUME_SAFETY]

/** Checked in every state of a machine. */
export function safetyOf({ volume }: Machine): readonly Property[] {
  return volume === undefined ? SAFETY : WITH_VOLUME
}

/** Checked where nothing more can happen. */
export function atTheEnd(machine: Machine): { readonly property: string; readonly says: string } | undefined {
  const stuck = machine.engine.scheduler.tasks.values()[0]
  if (stuck !== undefined)
    return { property: 'deadlock', says: `${stuck.name} never ends: nothing is left that could wake it` }
  const { frames } = machine.engine.memory
  for (let frame = 1; frame < frames.count; frame++) {
    if (frames.pins[frame] !== 0)
      return { property: 'leak', says: `frame ${frame} is pinned when all have ended` }
    // Blocks of a device are found by the files that lie on them.
    if (frames.mapped[frame] === 0 || frames.kind[frame] === DEVICE) continue
    const found = machine.engine.mm.rmap.mappingsOf(frame).length
    if (found !== frames.mapped[frame])
      return {
        property: 'rmap',
        says: `frame ${frame} is mapped ${frames.mapped[frame]} times, and rmap finds ${found}`,
      }
  }
  for (const file of machine.files.values())
    if (file.invalidation !== undefined)
      return { property: 'leak', says: `${file.name} is claimed when all have ended` }
  const left = machine.volume === undefined ? undefined : leftOver(machine.volume)
  return left === undefined ? undefined : { property: 'leak', says: left }
}

/** The properties that set the designs apart: all but `restart` break them. */
export const INVERSIONS = ['inversion', 'inversion of a reader'] as const

/**
 * Who waits for a lock behind I/O that isn't their own: if the world stands still from here on, they never go on. Of several it
 * is told of a reader of /proc, if one hangs.
 */
export function inversion(machine: Machine): Breach | undefined {
  const { scheduler, verbs } = machine.engine
  const hanging = [...scheduler.tasks.values()].filter(hangs)
  const reader = hanging.find(task => task.verb === verbs.proc)
  const victim = reader ?? hanging[0]
  if (victim === undefined) return undefined
  const property = INVERSIONS[reader === undefined ? 0 : 1]
  return { property, says: `${victim.name} hangs behind I/O that isn't its own` }
}

export function isInversion(property: string): boolean {
  return INVERSIONS.some(each => each === property)
}

function eachSpace(machine: Machine, check: (machine: Machine, space: Space) => string | undefined) {
  for (const space of machine.engine.mm.spaces.values()) {
    const found = check(machine, space)
    if (found !== undefined) return found
  }
  return undefined
}

function checkEntries(machine: Machine, space: Space): string | undefined {
  const { frames } = machine.engine.memory
  let resident = 0
  for (const vma of space.vmas)
    for (let vpn = vma.start; vpn < vma.end; vpn++) {
      const entry = space.table.get(vpn)
      if ((entry & PRESENT) === 0) continue
      const wrong = wrongEntry(machine, vma, vpn, entry)
      if (wrong !== undefined) return `page ${vpn} of ${space.name} ${wrong}`
      if (frameOf(entry) !== 0) resident++
    }
  if (resident !== space.resident)
    return `${space.name} has ${space.resident} resident pages, and ${resident} of them lie inside its VMAs`
  for (let frame = 1; frame < frames.count; frame++)
    if (frames.mapped[frame]! < 0) return `frame ${frame} is mapped by ${frames.mapped[frame]} entries`
  return undefined
}

function wrongEntry(machine: Machine, vma: Vma, vpn: number, entry: number): string | undefined {
  const { memory, cache } = machine.engine
  const { frames } = memory
  const frame = frameOf(entry)
  if ((entry & (LOAD | STORE)) !== 0 && (vma.prot & PROT_READ) === 0)
    return 'may be read though its VMA forbids it'
  if ((entry & WRITABLE) !== 0 && (vma.prot & PROT_WRITE) === 0)
    return 'is writable though its VMA forbids it'
  const index = indexOf(vma, vpn)
  if (vma.open !== undefined && index * machine.pageSize >= vma.open.file.size)
    return `is mapped past the end of ${vma.open.file.name}`
  if (vma.open?.file instanceof DaxFile && (frame === 0 || frames.kind[frame] === DEVICE))
    return wrongDaxEntry(machine, vma.open.file, vma, index, entry)
  const file = vma.open?.file as CachedFile | undefined
  if (frame === 0) return (entry & WRITABLE) === 0 ? undefined : 'may be stored to though it is the zero page'
  if (frames.kind[frame] === ANON) {
    if (vma.share === 'shared') return 'is an anonymous page in a shared mapping'
    return frames.owner[frame] === vma.space.family.id && frames.index[frame] === anonIndexOf(vma, vpn)
      ? undefined
      : 'maps an anonymous page of somebody else'
  }
  if (frames.kind[frame] !== CACHE || file === undefined) return 'maps a page that no file holds any more'
  if (cache.find(file.id, index) !== frame) return `doesn’t map page ${index} of ${file.name}`
  if (!frames.has(frame, UPTODATE) || frames.has(frame, LOCKED)) return 'is mapped before it is up to date'
  if ((entry & WRITABLE) === 0) return undefined
  if (vma.share === 'private') return 'may be stored to though it is the file’s page'
  return frames.has(frame, DIRTY) ? undefined : 'is writable though the page is clean'
}

function checkData(machine: Machine): string | undefined {
  const { cache } = machine.engine
  const { frames } = cache
  for (const file of machine.files.values()) {
    const device = machine.devices.get(file.name)!
    for (let page = 0; page < file.pages; page++) {
      const word = machine.truth.word(file.id, page)
      if (file.invalidates(page)) continue
      const frame = cache.find(file.id, page)
      const cached = frame !== 0 && frames.has(frame, UPTODATE)
      const seen = cached ? frames.bytes(frame)[0]! : device.word(page)
      if (seen !== word)
        return `page ${page} of ${file.name} holds ${seen} ${cached ? 'in memory' : 'on the device'} where ${word} was stored`
      if (cached && !frames.has(frame, DIRTY | WRITEBACK) && device.word(page) !== word)
        return `page ${page} of ${file.name} is clean, but the device has ${device.word(page)} where ${word} was stored`
    }
  }
  return undefined
}

function checkCopies(machine: Machine): string | undefined {
  const { mm, memory } = machine.engine
  const { frames } = memory
  for (const { space: id, vpn, word } of machine.truth.copyPlaces()) {
    const entry = mm.spaces.get(id)?.table.get(vpn) ?? 0
    const frame = frameOf(entry)
    if ((entry & PRESENT) === 0 || frame === 0 || frames.kind[frame] !== ANON)
      return `the private copy at page ${vpn} of space ${id} is lost`
    const seen = frames.bytes(frame)[0]!
    if (seen !== word)
      return `the private copy at page ${vpn} of space ${id} holds ${seen} where ${word} was stored`
    if ((entry & WRITABLE) !== 0 && frames.mapped[frame] !== 1)
      return `the private copy at page ${vpn} of space ${id} is writable though ${frames.mapped[frame]} entries map it`
  }
  return undefined
}

function checkLocks(_machine: Machine, { locks: { mmap } }: Space): string | undefined {
  const holders = mmap.holders()
  if (holders.length > 1 && holders.some(task => mmap.isWriter(task)))
    return `${mmap.name} has a writer among others`
  for (const task of holders)
    if (!task.held.some(({ lock }) => lock === mmap))
      return `${task.name} holds ${mmap.name} and doesn’t know it`
  const head = mmap.waiters()[0]
  if (holders.length === 0 && head !== undefined && head.task.state !== 'ready')
    return `${mmap.name} is free, and ${head.task.name}, first in its queue, sleeps`
  return undefined
}

function checkVmas(machine: Machine, space: Space): string | undefined {
  const written = space.locks.mmap.holders().some(task => space.locks.mmap.isWriter(task))
  for (const vma of space.vmas)
    if (vma.lock.writeSequence === space.locks.mmap.sequence && !written)
      return `${vma.lock.name} is write-locked while nobody writes ${space.name}`
  for (const task of machine.engine.scheduler.tasks.values())
    for (const { lock } of task.held) {
      const vma = lock === space.locks.mmap ? undefined : vmaOfLock(machine, lock)
      if (lock !== space.locks.mmap && isOfSpace(lock.name, space) && vma === undefined)
        return `${task.name} is inside ${lock.name}, which was taken away`
    }
  return undefined
}

function vmaOfLock(machine: Machine, lock: object): Vma | undefined {
  for (const space of machine.engine.mm.spaces.values())
    for (const vma of space.vmas) if (vma.lock === lock) return vma
  return undefined
}

function isOfSpace(lockName: string, space: Space): boolean {
  return lockName.endsWith(` of ${space.name}`)
}

function checkKept(machine: Machine): string | undefined {
  for (const task of machine.engine.scheduler.tasks.values()) {
    const { wait, held } = task
    if (task.state !== 'waiting' || wait === undefined || held.length === 0) continue
    if (wait.why === 'lock' || wait.why === 'vma lock') continue
    if (ruleFor(machine.row, wait.why) === 'drop')
      return `${task.name} waits for ${wait.ticket.what} and keeps ${held[0]!.lock.name}`
  }
  return undefined
}

function checkTried(machine: Machine): string | undefined {
  for (const task of machine.engine.scheduler.tasks.values()) {
    const fault = faultOf(task)
    if (fault === undefined || task.state !== 'waiting' || task.held.length > 0 || !fault.lockReleased)
      continue
    if (task.wait!.why === 'lock' || task.wait!.why === 'throttle') continue
    if (!machine.isMarked(fault)) return `${task.name} dropped its lock and isn’t marked FAULT_FLAG_TRIED`
  }
  return undefined
}

function checkReads(machine: Machine): string | undefined {
  const reading = new Set<number>()
  for (const bio of machine.bios) {
    if (bio.purpose !== 'fill') continue
    for (let at = 0; at < bio.frames.length; at++) {
      const page = bio.file * 4096 + bio.index + at
      if (reading.has(page)) return `page ${bio.index + at} of ${bio.device.name} is read twice at once`
      reading.add(page)
    }
  }
  // Where a stash is let go, what was read may be reclaimed while its fault queues for the lock, as in Linux.
  if (machine.scenario.reclaims && machine.row.stash === 'let go') return undefined
  for (const task of machine.engine.scheduler.tasks.values()) {
    const fault = faultOf(task)
    if (fault !== undefined && fault.reads > machine.readsMax)
      return `${task.name} has read its page ${fault.reads} times`
  }
  return undefined
}

function checkReservations(machine: Machine): string | undefined {
  const { frames } = machine.engine.memory
  for (const file of machine.files.values()) {
    const device = machine.devices.get(file.name)!
    if (device.refusals > 0) return `writeback of ${file.name} met ENOSPC`
    for (let page = 0; page < file.pages; page++) {
      if (file.invalidates(page)) continue
      const reserved = file.backing.isReserved(file, page)
      const frame = machine.engine.cache.find(file.id, page)
      if (frame !== 0 && frames.has(frame, DIRTY) && !reserved && !device.inDoubt)
        return `page ${page} of ${file.name} is dirty and has no space`
      if (machine.scenario.files[file.name]?.free === undefined) continue
      if (reserved && !device.hasBlock(page))
        return `page ${page} of ${file.name} is reserved and has no block`
    }
  }
  return undefined
}

function checkStable(machine: Machine): string | undefined {
  for (const [name, device] of machine.devices)
    if ((machine.volume !== undefined || machine.scenario.files[name]?.stable) && device.torn > 0)
      return `a page of ${name} changed while it was written`
  return undefined
}

function checkErrors(machine: Machine): string | undefined {
  for (const file of machine.files.values()) {
    const failures = machine.devices.get(file.name)!.failures
    if (failures !== file.errorCount)
      return `${failures} writebacks and flushes of ${file.name} failed, and it knows of ${file.errorCount}`
  }
  return undefined
}

function faultOf(task: Task): VmFault | undefined {
  const args = task.args as { readonly fault?: { readonly fault?: VmFault } }
  return args.fault?.fault
}
