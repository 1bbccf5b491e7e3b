/**
 * What is done to both sides: operations as plain data, the same for the kernel and for us, and chance that makes them.
 * Nothing in one depends on what came before, so any of them can be left out and the rest still be played (shrink.ts).
 *
 * Pages are counted from the beginning of the arena, a range of addresses that both sides have. A process is the n-th of
 * those that live, counted round.
 */
import type { Bytes, PageIndex, Prng } from '../base/index.ts'

export const PAGE: Bytes = 4096
/** Pages of the arena. Ranges may hang over its end by RANGE. */
export const ARENA = 40
export const RANGE = 10
/** All pages that may be mapped. */
export const SEEN = ARENA + RANGE
/** The arena goes over an edge of the hardware's page tables, which bounds what one fault may map. */
export const PAGES_BEFORE_TABLE_EDGE = 22
/** Pages of each file, when it is made. */
export const FILE_PAGES = 16
export const FILES = 2
export const PROCESSES_MAX = 4

export const ADVICE = [
  'normal',
  'random',
  'sequential',
  'willneed',
  'dontneed',
  'dontfork',
  'dofork',
  'wipeonfork',
  'keeponfork',
  'free',
  'cold',
  'pageout',
  'populateRead',
  'populateWrite',
] as const

export type AdviceName = (typeof ADVICE)[number]

interface Ranged {
  readonly process: number
  readonly page: number
  readonly pages: number
}

export type Operation =
  | ({
      readonly name: 'map'
      readonly prot: number
      readonly what: 'anonymous' | number
      readonly share: 'shared' | 'private'
      readonly opened: 'rw' | 'ro'
      readonly offset: PageIndex
      readonly where: 'fixed' | 'noreplace'
      readonly touched: 'populated' | 'untouched'
    } & Ranged)
  | ({ readonly name: 'unmap' } & Ranged)
  | ({ readonly name: 'protect'; readonly prot: number } & Ranged)
  | ({
      readonly name: 'remap'
      readonly newPages: number
      readonly where: 'stays' | 'may move' | { readonly fixed: number }
      readonly old: 'is unmapped' | 'stays mapped'
    } & Ranged)
  | ({ readonly name: 'advise'; readonly advice: AdviceName } & Ranged)
  | ({ readonly name: 'msync'; readonly flags: number } & Ranged)
  | ({ readonly name: 'lock' | 'unlock' } & Ranged)
  | { readonly name: 'fork' | 'exit' | 'look'; readonly process: number }
  | { readonly name: 'load'; readonly process: number; readonly at: Bytes; readonly length: Bytes }
  | {
      readonly name: 'store'
      readonly process: number
      readonly at: Bytes
      readonly length: Bytes
      readonly value: number
    }
  | { readonly name: 'read'; readonly file: number; readonly at: Bytes; readonly length: Bytes }
  | {
      readonly name: 'write'
      readonly file: number
      readonly at: Bytes
      readonly length: Bytes
      readonly value: number
    }
  | { readonly name: 'truncate'; readonly file: number; readonly size: Bytes }
  | { readonly name: 'punch'; readonly file: number; readonly at: Bytes; readonly length: Bytes }
  | { readonly name: 'sync'; readonly file: number }

const PROTS = [0, 1, 3, 3, 3] as const
const WIDTHS = [1, 2, 4, 8] as const
/** Pages that many ranges are multiples of. */
const GRAIN = 4

/** The bytes of a store or a write: each differs from its neighbours, so that one moved by a byte is seen. */
export function pattern(value: number, length: Bytes): Uint8Array {
  const bytes = new Uint8Array(length)
  for (let at = 0; at < length; at++) bytes[at] = (value + at * 7) & 255
  return bytes
}

/** A story begins with mappings of all of the arena, so that what follows has something to meet. */
export function firstOperations(prng: Prng): readonly Operation[] {
  const found: Operation[] = []
  for (let page = 0; page < ARENA; ) {
    const pages = 2 * GRAIN + prng.below(2) * GRAIN
    found.push({ ...mapping(prng, { process: 0, page, pages }), prot: 3, where: 'fixed', opened: 'rw' })
    page += pages
  }
  return found
}

export function randomOperation(prng: Prng): Operation {
  const process = prng.below(PROCESSES_MAX)
  const range = rangeOf(prng, process)
  const chance = prng.below(100)
  if (chance < 34) return access(prng, process)
  if (chance < 46) return mapping(prng, range)
  if (chance < 49) return { name: 'unmap', ...range }
  if (chance < 56) return { name: 'protect', ...range, prot: prng.pick(PROTS) }
  if (chance < 64) return remapping(prng, range)
  if (chance < 74) return { name: 'advise', ...range, advice: prng.pick(ADVICE) }
  if (chance < 77) return { name: 'msync', ...range, flags: prng.below(8) }
  if (chance < 79) return { name: prng.pick(['lock', 'unlock'] as const), ...range }
  if (chance < 82) return { name: 'fork', process }
  if (chance < 84) return { name: 'exit', process }
  if (chance < 86) return { name: 'look', process }
  return ofFile(prng)
}

/** Half of them begin and end at every fourth page, so that ranges are often those that others have been. */
function rangeOf(prng: Prng, process: number): Ranged {
  if (prng.below(2) === 0)
    return { process, page: GRAIN * prng.below(ARENA / GRAIN), pages: GRAIN * (1 + prng.below(2)) }
  return { process, page: prng.below(ARENA), pages: 1 + prng.below(prng.pick([2, 4, RANGE])) }
}

/** One load or store: of a machine's widths about an edge, or of many pages. */
function access(prng: Prng, process: number): Operation {
  const long = prng.below(4) === 0
  const length = long ? 1 + prng.below(5 * PAGE) : prng.pick(WIDTHS)
  const near = prng.below(ARENA) * PAGE + (prng.below(2) === 0 ? -prng.below(8) : prng.below(PAGE))
  const at = Math.max(0, Math.min(ARENA * PAGE - 1, near))
  if (prng.below(2) === 0) return { name: 'load', process, at, length }
  return { name: 'store', process, at, length, value: prng.below(256) }
}

function mapping(prng: Prng, range: Ranged): Extract<Operation, { readonly name: 'map' }> {
  const what = prng.below(3) === 0 ? 'anonymous' : prng.below(FILES)
  return {
    name: 'map',
    ...range,
    prot: prng.pick(PROTS),
    what,
    share: prng.pick(['shared', 'private']),
    opened: prng.below(5) === 0 ? 'ro' : 'rw',
    offset: prng.below(FILE_PAGES),
    where: prng.below(4) === 0 ? 'noreplace' : 'fixed',
    touched: prng.below(5) === 0 ? 'populated' : 'untouched',
  }
}

function remapping(prng: Prng, range: Ranged): Operation {
  const { pages } = range
  const newPages = prng.pick([pages, 1 + prng.below(pages), Math.min(RANGE, pages + 1 + prng.below(RANGE))])
  const where = prng.pick(['stays', 'may move', 'fixed'] as const)
  return {
    name: 'remap',
    ...range,
    newPages,
    where: where === 'fixed' ? { fixed: prng.below(ARENA) } : where,
    old: where === 'stays' || prng.below(4) !== 0 ? 'is unmapped' : 'stays mapped',
  }
}

function ofFile(prng: Prng): Operation {
  const file = prng.below(FILES)
  const at = prng.below(FILE_PAGES * PAGE)
  const length = 1 + prng.below(prng.pick([16, PAGE, 4 * PAGE]))
  switch (prng.below(7)) {
    case 0:
    case 1:
      return { name: 'read', file, at, length }
    case 2:
    case 3:
      return { name: 'write', file, at, length, value: prng.below(256) }
    case 4: {
      const size = prng.below((FILE_PAGES + 4) * PAGE)
      return { name: 'truncate', file, size: prng.below(2) === 0 ? size - (size % PAGE) : size }
    }
    case 5: {
      const whole = prng.below(2) === 0
      return { name: 'punch', file, at: whole ? at - (at % PAGE) : at, length: whole ? 2 * PAGE : length }
    }
    default:
      return { name: 'sync', file }
  }
}
