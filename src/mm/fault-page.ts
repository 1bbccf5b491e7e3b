/**
 * One attempt at a page fault: makes one page of a space accessible, or says why it can't be (Linux 6.12 mm/memory.c,
 * handle_pte_fault and what it calls). It begins from the page number alone, takes no lock and never waits; fault.ts
 * holds the lock around it and decides what a wait means.
 *
 *     no VMA, or it forbids the access                 fail EFAULT, EACCES
 *     present                                          young again; a store to a read-only entry asks first
 *     a swap slot                                      the page that was swapped out, once it is back
 *     absent, anonymous                                the zero page to read, a page of its own to store
 *     absent, of a file                                the file's page; its neighbours too, if they lie ready
 *       store, shared                                  and pageMkwrite, before the entry may be writable
 *       store, private                                 and a copy
 *
 * Invariants
 *   FA1  An attempt sets the entry it reports, or changes nothing that anyone can see.
 *   FA2  An entry is set only for a frame that the file has just said is up to date, inside EOF and its own.
 *   FA3  A shared entry is made writable only in the attempt that marks its page dirty, after pageMkwrite said done.
 *   FA4  A private page is stored to only where no one else maps it.
 *   SW4  What comes back from swap becomes the faulter's own page; if others still name the slot, it is a copy.
 */
import { errno, type PageIndex, type Pfn } from '../base/index.ts'
import { type PageRequest, VM_FAULT_DONE_COW, type VmFault } from '../memmap/index.ts'
import { ANON, type Frames, LAZYFREE, REFERENCED, UPTODATE, WRITEBACK } from '../memory/index.ts'
import { entryOf, frameOf, PRESENT, SWAP, WRITABLE, young } from '../mmu/index.ts'
import { done, fail, type Outcome, wait } from '../sched/index.ts'
import type { Mm } from './mm.ts'
import type { Space } from './space.ts'
import { allows, anonIndexOf, indexOf, PROT_WRITE, type Vma, ZERO_PAGE } from './vma.ts'

/** fault_around_bytes: 64 KiB, aligned in the space, in one VMA and one page table (Linux 6.18 mm/memory.c, do_fault_around). */
const FAULT_AROUND_BYTES = 64 * 1024
/** What an entry takes of a page table of the hardware, which is a page (PTRS_PER_PTE). */
const ENTRY_BYTES = 8

/** `vma`: what is mapped at the fault's page now; undefined: nothing. */
export function faultPage(mm: Mm, vma: Vma | undefined, fault: VmFault): Outcome {
  if (vma === undefined) return fail(errno.EFAULT)
  if (!allows(vma, fault.access)) return fail(errno.EACCES)

  // From the first store on, even one that fails (vmf_anon_prepare).
  if (fault.access === 'store' && vma.share === 'private') vma.hasAnon = true
  const { space } = vma
  const entry = space.table.get(fault.vpn)
  if ((entry & PRESENT) !== 0) {
    if (fault.access === 'store' && (entry & WRITABLE) === 0)
      return writeProtected(mm, vma, fault, frameOf(entry))
    return makeYoung(mm, space, fault, entry)
  }
  if ((entry & SWAP) !== 0) return swapped(mm, vma, fault, frameOf(entry))
  if (vma.open === undefined) return anonymous(mm, vma, fault)

  const request = requestFor(vma, fault)
  const { file } = vma.open
  if (fault.access === 'load' && faultAround(mm, vma, fault)) return done
  const brought = file.fault(request)
  if (brought.kind !== 'done') return brought
  if (fault.access === 'load') return map(mm, vma, fault, fault.frame, 'read only')
  if (vma.share === 'private') return copy(mm, vma, fault, fault.frame)
  return mkwrite(mm, vma, fault, request)
}

/** A store to a page that is mapped read-only (do_wp_page). */
function writeProtected(mm: Mm, vma: Vma, fault: VmFault, frame: Pfn): Outcome {
  fault.frame = frame
  if (vma.share === 'shared') return mkwrite(mm, vma, fault, requestFor(vma, fault))
  const { frames } = mm.memory
  const ours = frame !== ZERO_PAGE && frames.kind[frame] === ANON && isAnonymous(vma, frames.owner[frame]!)
  if (ours && frames.mapped[frame] === 1) {
    if (frames.has(frame, LAZYFREE)) mm.memory.mayDrop(frame, 'no')
    return map(mm, vma, fault, frame, 'writable')
  }
  return copy(mm, vma, fault, frame)
}

/** do_shared_fault, wp_page_shared: ask the file, then dirty and writable in one attempt (FA3). */
function mkwrite(mm: Mm, vma: Vma, fault: VmFault, request: PageRequest): Outcome {
  const { file } = vma.open!
  const ready = file.pageMkwrite(request)
  if (ready.kind !== 'done') return ready
  vma.space.stat.mkwrites++
  file.setDirty(fault.frame, fault.group)
  return map(mm, vma, fault, fault.frame, 'writable')
}

/** do_swap_page: an entry that names `slot`. */
function swapped(mm: Mm, vma: Vma, fault: VmFault, slot: number): Outcome {
  const { memory, cache } = mm
  const { swap, read } = mm.swapping!
  const brought = swap.file.fault({ index: slot, fault, read, fileEnd: 0, wanted: 0 })
  if (brought.kind !== 'done') return brought
  const source = fault.frame
  memory.ledger.stat(fault.group).swapIn++
  if (swap.isShared(slot)) {
    const copied = copyOf(mm, vma, fault, source)
    return typeof copied === 'number' ? map(mm, vma, fault, copied, 'writable') : copied
  }
  if (memory.frames.has(source, WRITEBACK)) return wait(cache.boost(source, fault.group), 'writeback', source)
  mm.swapping!.take(source)
  own(memory.frames, vma, fault, source)
  return map(mm, vma, fault, source, 'writable')
}

/** do_anonymous_page */
function anonymous(mm: Mm, vma: Vma, fault: VmFault): Outcome {
  if (fault.access === 'load') return map(mm, vma, fault, ZERO_PAGE, 'read only')
  const frame = newAnonymous(mm, vma, fault)
  if (typeof frame !== 'number') return frame
  mm.memory.frames.zero(frame)
  return map(mm, vma, fault, frame, 'writable')
}

/** wp_page_copy, do_cow_fault: a private page of its own, with what `source` holds. */
function copy(mm: Mm, vma: Vma, fault: VmFault, source: Pfn): Outcome {
  const frame = copyOf(mm, vma, fault, source)
  if (typeof frame !== 'number') return frame
  fault.result |= VM_FAULT_DONE_COW
  return map(mm, vma, fault, frame, 'writable')
}

/** A private page with what `source` holds, in no entry yet. */
function copyOf(mm: Mm, vma: Vma, fault: VmFault, source: Pfn): Pfn | Outcome {
  if (source !== ZERO_PAGE) mm.memory.pin(source)
  const frame = newAnonymous(mm, vma, fault)
  if (typeof frame === 'number') mm.memory.frames.bytes(frame).set(mm.memory.frames.bytes(source))
  if (source !== ZERO_PAGE) mm.memory.unpin(source)
  return frame
}

/** A frame charged to the faulting group, owned by the space's family at this page's number. Its content is undefined. */
function newAnonymous(mm: Mm, vma: Vma, fault: VmFault): Pfn | Outcome {
  const { memory } = mm
  const frame = memory.allocate(fault.group, ANON)
  if (typeof frame !== 'number') return frame
  own(memory.frames, vma, fault, frame)
  memory.frames.raise(frame, UPTODATE)
  memory.enterLru(frame)
  return frame
}

/** Makes a frame a private page of the VMA's family (A4). */
function own(frames: Frames, vma: Vma, fault: VmFault, frame: Pfn): void {
  frames.owner[frame] = vma.space.family.id
  frames.index[frame] = anonIndexOf(vma, fault.vpn)
  vma.hasAnon = true
}

/** Sets the entry. A private page becomes writable only if the VMA lets it, whatever the access was. */
function map(mm: Mm, vma: Vma, fault: VmFault, frame: Pfn, writable: 'writable' | 'read only'): Outcome {
  const may = writable === 'writable' && (vma.prot & PROT_WRITE) !== 0 ? 'writable' : 'read only'
  mm.rmap.setEntry(vma.space, fault.vpn, entryOf(frame, may))
  fault.frame = frame
  return done
}

/** The entry was old, or another task was faster. */
function makeYoung(mm: Mm, space: Space, fault: VmFault, entry: number): Outcome {
  fault.frame = frameOf(entry)
  if (fault.frame !== ZERO_PAGE) mm.memory.frames.raise(fault.frame, REFERENCED)
  space.table.set(fault.vpn, young(entry))
  return done
}

/** Maps the pages around, or ahead, that lie ready (filemap_map_pages). Says whether the wanted one is among them. */
function faultAround(mm: Mm, vma: Vma, fault: VmFault): boolean {
  if (vma.advice === 'random') return ready(mm, vma, fault, fault.vpn)
  const around = Math.max(1, FAULT_AROUND_BYTES / mm.memory.frames.pageSize)
  const from = Math.max(vma.start, fault.vpn - (fault.vpn % around))
  // Who reads in order comes by all that readahead has brought.
  const ahead = vma.advice === 'sequential' ? fault.vpn + mm.cache.readAheadPages : 0
  const tablePages = mm.memory.frames.pageSize / ENTRY_BYTES
  const tableEnd = fault.vpn - (fault.vpn % tablePages) + tablePages
  const end = Math.min(vma.end, Math.max(Math.min(from + around, tableEnd), ahead))
  let found = false
  for (let vpn = from; vpn < end; vpn++) if (ready(mm, vma, fault, vpn) && vpn === fault.vpn) found = true
  return found
}

function ready(mm: Mm, vma: Vma, fault: VmFault, vpn: number): boolean {
  if (vma.space.table.get(vpn) !== 0) return false
  const frame = vma.open!.file.residentPage(indexOf(vma, vpn))
  if (frame === 0) return false
  mm.rmap.setEntry(vma.space, vpn, entryOf(frame, 'read only'))
  if (vpn === fault.vpn) fault.frame = frame
  return true
}

function requestFor(vma: Vma, fault: VmFault): PageRequest {
  const index: PageIndex = indexOf(vma, fault.vpn)
  const { read } = vma.open!
  read.advice = vma.advice
  return { index, fault, read, fileEnd: 0, wanted: 0 }
}

function isAnonymous(vma: Vma, owner: number): boolean {
  return owner === vma.space.family.id
}
