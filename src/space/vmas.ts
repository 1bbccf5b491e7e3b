/**
 * What the verbs do to the VMAs of a space: lock, split, merge, take away. Each is done in one attempt by a task that
 * holds the mmap lock for writing and has write-locked the VMAs it changes.
 *
 * Invariants   A1 to A3 (mm/vma.ts), SP2 (mm/space.ts)
 *   SV1 A VMA changes only when no reader is inside it: `lockRange` has said so.
 *   SV2 Two neighbours that could be one are one after each verb.
 */
import { assert, type Vpn } from '../base/index.ts'
import { continues, type Mm, newVma, type Space, type Vma } from '../mm/index.ts'
import type { Task, Wait } from '../sched/index.ts'

/** Takes the space for writing and write-locks the VMAs of [start, end), or says what to wait for. */
export function lockRange(task: Task, space: Space, start: Vpn, end: Vpn): Wait | undefined {
  const { mmap } = space.locks
  const queued = mmap.isWriter(task) ? undefined : mmap.write(task)
  if (queued !== undefined) return queued
  for (const vma of space.overlapping(start, end)) {
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

/** The VMAs that lie wholly inside [start, end), after those that cross an edge have been split there. */
export function isolate(mm: Mm, space: Space, start: Vpn, end: Vpn): Vma[] {
  for (const edge of [start, end]) {
    const vma = space.find(edge)
    if (vma !== undefined && vma.start < edge) split(mm, vma, edge)
  }
  return space.overlapping(start, end)
}

/** Takes away every mapping of [start, end). */
export function unmapPages(mm: Mm, space: Space, start: Vpn, end: Vpn): void {
  for (const vma of isolate(mm, space, start, end)) {
    for (const vpn of space.table.used(vma.start, vma.end)) mm.rmap.setEntry(space, vpn, 0)
    removeVma(mm, vma)
  }
  space.table.prune(start, end)
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
  const { space, prot, share, open, advice } = vma
  const pageOffset = vma.pageOffset + at - vma.start
  const right = newVma(mm.scheduler, space, {
    start: at,
    end: vma.end,
    prot,
    share,
    open,
    pageOffset,
    advice,
  })
  right.locked = vma.locked
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
  left.end = right.end
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
