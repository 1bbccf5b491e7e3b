/**
 * What two views of a process differ in. What may differ, and why, is the table of differences.ts; everything else is a
 * mistake, of ours until shown otherwise.
 */
import { byName } from '../base/index.ts'
import type { Traits } from './differences.ts'
import { SEEN } from './operations.ts'
import { COUNTERS, type Counter, type View, type VmaView } from './side.ts'

/** The first difference in words; undefined: there is none. */
export function difference(kernel: View, ours: View, traits: Traits): string | undefined {
  const [theirs, own] = [kernel, ours].map(view => joined(view.vmas))
  const [maps, ourMaps] = [theirs!, own!].map(vmas => vmas.map(line).join('\n'))
  if (maps !== ourMaps) return `maps\nkernel:\n${maps}\nours:\n${ourMaps}`
  if (kernel.present !== ours.present)
    return `entries\nkernel: ${kernel.present}\nours:   ${ours.present}\n${maps}`
  if (kernel.resident !== ours.resident)
    return `mincore\nkernel: ${kernel.resident}\nours:   ${ours.resident}\n${maps}`
  for (const [at, vma] of theirs!.entries()) {
    const found = counted(vma, own![at]!, traits)
    if (found !== undefined) return `${found}\nof ${line(vma)}`
  }
  return undefined
}

/** Whether all that they differ in is that the kernel lacks pages of files, in memory and so in entries: the row "taken". */
export function hasLost(kernel: View, ours: View): boolean {
  const [theirs, own] = [kernel, ours].map(view => joined(view.vmas).map(line).join('\n'))
  const pages = [...kernel.resident].map((is, page) => ({ is, page }))
  const lost = pages.filter(({ is, page }) => is !== ours.resident[page])
  return (
    theirs === own &&
    lost.length > 0 &&
    lost.every(({ is }) => is === '0') &&
    pages.every(({ page }) => kernel.present[page] === ours.present[page] || kernel.present[page] === '-')
  )
}

/** Runs of pages of [0, SEEN) that are mapped and may be loaded from. */
export function loadable({ vmas, present }: View): readonly (readonly [number, number])[] {
  const runs: [number, number][] = []
  for (const { start, end, rights } of vmas) {
    if (rights[0] !== 'r') continue
    for (let page = start; page < Math.min(end, SEEN); page++) {
      if (present[page] === '-') continue
      const last = runs.at(-1)
      if (last?.[1] === page) last[1]++
      else runs.push([page, page + 1])
    }
  }
  return runs
}

/** Pages that one side alone has mapped, in VMAs that are read in order or at random: the row "fault-around" of the table. */
export function around(
  kernel: View,
  ours: View,
): { readonly kernelLacks: readonly number[]; readonly weLack: readonly number[] } {
  const kernelLacks: number[] = []
  const weLack: number[] = []
  for (const { start, end, flags, name } of kernel.vmas) {
    if (name === '' || !/[rs]r/.test(flags)) continue
    for (let page = start; page < Math.min(end, SEEN); page++) {
      if (kernel.present[page] === ours.present[page]) continue
      if (kernel.present[page] === '-') kernelLacks.push(page)
      else weLack.push(page)
    }
  }
  return { kernelLacks, weLack }
}

/** Pages of files that one side alone has mapped, and zero pages that we have: the rows "punch" and "anon_vma". */
export function unlike(
  kernel: View,
  ours: View,
): { readonly kernelHas: readonly number[]; readonly weHave: readonly number[] } {
  const kernelHas: number[] = []
  const weHave: number[] = []
  for (let page = 0; page < SEEN; page++) {
    if (kernel.present[page] === 'f' && ours.present[page] === '-') kernelHas.push(page)
    if (ours.present[page] !== '-' && kernel.present[page] === '-') weHave.push(page)
  }
  return { kernelHas, weHave }
}

/** Whether a side keeps private neighbours apart that are alike, at a page of [start, end): the row "anon_vma". */
export function keepsApart({ vmas }: View, start: number, end: number): boolean {
  return vmas.some((vma, at) => {
    const next = vmas[at + 1]
    return next !== undefined && vma.end >= start && vma.end <= end && isAlike(vma, next)
  })
}

/** Whether the kernel has written pages of files that we haven't. */
export function isCleaner(kernel: View, ours: View): boolean {
  return dirtyPages(kernel) < dirtyPages(ours)
}

function dirtyPages({ vmas }: View): number {
  return vmas.reduce(
    (pages, { counters }) => pages + counters.Shared_Dirty + counters.Private_Dirty - counters.Anonymous,
    0,
  )
}

function line({ start, end, rights, offset, name, flags }: VmaView): string {
  return `${start}-${end} ${rights} ${offset} ${name} [${flags}]`
}

/** Of pages that others map too, rounded down for each VMA. */
const SHARES: readonly Counter[] = ['Pss', 'Locked']

function counted(kernel: Joined, ours: Joined, traits: Traits): string | undefined {
  for (const counter of COUNTERS) {
    if (traits.ignored(counter, kernel)) continue
    if (SHARES.includes(counter) && kernel.parts + ours.parts > 2) continue
    if (kernel.counters[counter] !== ours.counters[counter])
      return `${counter}: kernel ${kernel.counters[counter]} pages, ours ${ours.counters[counter]}`
  }
  return undefined
}

/** Private neighbours that are alike as one: the row "anon_vma" of the table. */
function joined(vmas: readonly VmaView[]): Joined[] {
  const found: Joined[] = []
  for (const vma of vmas) {
    const last = found.at(-1)
    if (last === undefined || !isAlike(last, vma)) found.push({ ...vma, parts: 1 })
    else
      found[found.length - 1] = {
        ...last,
        end: vma.end,
        counters: sum(last.counters, vma.counters),
        parts: last.parts + 1,
      }
  }
  return found
}

interface Joined extends VmaView {
  readonly parts: number
}

function isAlike(one: VmaView, next: VmaView): boolean {
  return (
    one.rights[3] === 'p' &&
    one.end === next.start &&
    one.rights === next.rights &&
    one.name === next.name &&
    one.flags === next.flags &&
    (one.name === '' || one.offset + one.end - one.start === next.offset)
  )
}

function sum(one: VmaView['counters'], other: VmaView['counters']): Record<Counter, number> {
  return byName(COUNTERS, name => one[name] + other[name])
}
