/**
 * What the verbs do to the VMAs of a space: lock, split, merge, take away. It is done by a task that holds the mmap lock
 * for writing and has write-locked the VMAs it changes. What goes over pages goes in slices, an attempt each; the locks
 * are kept from the first to the last, so who takes one sees the range as it was before or as it is after. A section
 * takes none: it may find some pages changed and others not yet, as threads do in Linux.
 *
 * Invariants   A1 to A3 (mm/vma.ts), SP2 (mm/space.ts)
 *   SV1 A VMA changes only when no reader is inside it: `lockRange` has said so.
 *   SV2 Two neighbours that could be one are one after each verb.
 */
import { assert, type Slice, type Vpn } from '../base/index.ts'
import {
  anonIndexOf,
  anonOffsetOfBoth,
  continues,
  flagsOf,
  indexOf,
  type Mm,
  newVma,
  type Space,
  type Vma,
} from '../mm/index.ts'
import type { Task, Wait } from '../sched/index.ts'

/** sysctl vm.max_map_count is 65530; this space is meant for more. */
export const VMAS_MAX = 2 ** 20

/** Takes the space for writing and write-locks the VMAs of [start, end), or says what to wait for. */
export function lockRange(
  task: Task,
  space: Space,
  start: Vpn,
  end: Vpn,
  which: 'all' | 'private' = 'all',
): Wait | undefined {
  const { mmap } = space.locks
  const queued = mmap.isWriter(task) ? undefined : mmap.write(task)
  if (queued !== undefined) return queued
  for (const vma of space.overlapping(start, end)) {
    if (which === 'private' && vma.share === 'shared') continue
    const drained = space.locks.writeVma(vma.lock, task)
    if (drained !== undefined) return drained
  }
  return undefined
}

/** Takes the space for reading, or says what to wait for. A task that has it already goes on. */
export function lockForReading(task: Task, space: Space): Wait | undefined {
  return task.held.length > 0 ? undefined : space.locks.mmap.read(task)
}

export function addVma(mm: Mm, vma: Vma): void {
  const { space } = vma
  assert(space.overlapping(vma.start, vma.end).length === 0, `A1: pages ${vma.start} to ${vma.end} are free`)
  space.vmas.insert(vma)
  space.mapped += vma.end - vma.start
  space.table.plan(vma.start, vma.end)
  mm.rmap.addVma(vma)
  if (vma.open !== undefined) vma.open.mappings++
}

/** Splits the VMAs that cross an edge of [start, end) there. */
export function isolate(mm: Mm, space: Space, start: Vpn, end: Vpn): void {
  for (const edge of [start, end]) {
    const vma = space.find(edge)
    if (vma !== undefined && vma.start < edge) split(mm, vma, edge)
  }
}

/**
 * Goes over the VMAs of [from, end) as far as the slice allows: calls `act` for each page of theirs that has an entry,
 * and `passed` for each VMA when its last page has been seen. Returns the page to go on from: `end`, if that was all.
 * The edges of the range must be edges of VMAs, or `act` gets no more than lies inside.
 */
export function walkVmas(
  space: Space,
  from: Vpn,
  end: Vpn,
  slice: Slice,
  act: (vma: Vma, vpn: Vpn) => void,
  passed: (vma: Vma) => void = () => {},
): Vpn {
  for (let at = from; ; ) {
    const vma = space.firstFrom(at)
    if (vma === undefined || vma.start >= end) return end
    if (slice.left <= 0) return at
    const last = Math.min(vma.end, end)
    at = space.table.walk(Math.max(at, vma.start), last, slice, vpn => act(vma, vpn))
    if (at < last) return at
    slice.left--
    passed(vma)
    if (last === end) return end
  }
}

/**
 * Takes away the mappings of [from, end), whose edges are isolated, as far as one slice goes: a VMA goes with its last
 * page. Between two slices a page is mapped as before or gone, and who misses one waits for the locks. Returns the page
 * to go on from.
 */
export function unmapSome(mm: Mm, space: Space, from: Vpn, end: Vpn): Vpn {
  return walkVmas(
    space,
    from,
    end,
    { left: mm.cache.slicePages },
    (_, vpn) => mm.rmap.setEntry(space, vpn, 0),
    vma => removeVma(mm, vma),
  )
}

/** Up to where [start, end) is mapped without a hole. */
export function coveredFrom(space: Space, start: Vpn, end: Vpn): Vpn {
  let covered = start
  for (const vma of space.overlapping(start, end)) {
    if (vma.start > covered) break
    covered = Math.min(end, vma.end)
  }
  return covered
}

/**
 * Changes what the VMAs of [start, end) are like: cuts those that `differs` names, changes them, and joins them with
 * neighbours that they are like now. The others aren't touched (vma_modify, Linux 6.18 mm/vma.c).
 */
export function changeVmas(
  mm: Mm,
  space: Space,
  range: readonly [Vpn, Vpn],
  differs: (vma: Vma) => boolean,
  change: (vma: Vma) => void,
): void {
  const [start, end] = range
  for (const vma of space.overlapping(start, end)) {
    if (!differs(vma)) continue
    const from = Math.max(start, vma.start)
    const to = Math.min(end, vma.end)
    isolate(mm, space, from, to)
    change(space.find(from)!)
    mergeAround(mm, space, from, to)
  }
}

/** Joins VMAs that touch [start, end) and go on from one another. */
export function mergeAround(mm: Mm, space: Space, start: Vpn, end: Vpn): void {
  const touched = space.overlapping(Math.max(0, start - 1), end + 1)
  let last = touched[0]
  for (const next of touched.slice(1)) {
    if (last !== undefined && continues(last, next)) merge(mm, last, next)
    else last = next
  }
}

/** The neighbours that a new or changed VMA may be merged with must be locked too. */
export function withNeighbours(start: Vpn, end: Vpn): readonly [Vpn, Vpn] {
  return [Math.max(0, start - 1), end + 1]
}

function split(mm: Mm, vma: Vma, at: Vpn): void {
  const { space, prot, share, open } = vma
  const right = newVma(mm.scheduler, space, {
    start: at,
    end: vma.end,
    prot,
    share,
    open,
    pageOffset: indexOf(vma, at),
    ...flagsOf(vma),
    anonOffset: anonIndexOf(vma, at),
  })
  right.hasAnon = vma.hasAnon
  right.lock.writeSequence = vma.lock.writeSequence
  mm.rmap.removeVma(vma)
  vma.end = at
  mm.rmap.addVma(vma)
  mm.rmap.addVma(right)
  space.vmas.insert(right)
  if (open !== undefined) open.mappings++
}

function merge(mm: Mm, left: Vma, right: Vma): void {
  const { space } = left
  mm.rmap.removeVma(left)
  mm.rmap.removeVma(right)
  space.vmas.remove(right)
  // Of shared pages none has a number.
  left.anonOffset = anonOffsetOfBoth(left, right) ?? left.anonOffset
  left.end = right.end
  left.hasAnon ||= right.hasAnon
  space.vmas.widen(left)
  mm.rmap.addVma(left)
  if (right.open !== undefined) right.open.mappings--
}

function removeVma(mm: Mm, vma: Vma): void {
  mm.rmap.removeVma(vma)
  vma.space.vmas.remove(vma)
  vma.space.mapped -= vma.end - vma.start
  if (vma.open === undefined) return
  vma.open.mappings--
  if (vma.open.mappings === 0) mm.onLastUnmap(vma.open)
}
