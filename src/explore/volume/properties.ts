/**
 * What must be true of a small machine whose files lie on a volume: in every state, and of what is left at the end.
 *
 * The metadata is checked from scratch (volume/check.ts) whenever it has changed: references, free blocks, pending free ones, links.
 */
import type { Vma } from '../../mm/index.ts'
import { frameOf, WRITABLE } from '../../mmu/index.ts'
import { DaxFile, PLAIN, type PreallocatingArgs, UNWRITTEN } from '../../volume/index.ts'
import type { Machine } from '../machine.ts'
import type { Property } from '../monitor.ts'
import { metadataOf } from './key.ts'
import type { LabVolume } from './volume.ts'

/** More pages than a file of a scenario has. */
const PAGES_MAX = 100

export const VOLUME_SAFETY: readonly Property[] = [
  {
    name: 'volume',
    says: 'the check finds nothing, and free, used and promised blocks are all there are',
    check: checkVolume,
  },
  {
    name: 'blocks',
    says: 'the block of every page of a DAX file holds the last word stored to it, whoever shares it',
    check: checkBlocks,
  },
]

/** What is wrong with an entry of a DAX file; `entry` maps a block or the zero page. */
export function wrongDaxEntry(
  machine: Machine,
  file: DaxFile,
  vma: Vma,
  index: number,
  entry: number,
): string | undefined {
  const [part] = file.node.extents.inside(index, index + 1)
  const frame = frameOf(entry)
  const writable = (entry & WRITABLE) !== 0
  if (part === undefined || part.tag === UNWRITTEN) {
    if (frame !== 0) return `maps a block, and page ${index} of ${file.name} has none that holds anything`
    return writable ? 'may be stored to though it is the zero page' : undefined
  }
  if (frame !== file.place.first + part.value)
    return `doesn’t map the block that page ${index} of ${file.name} lies in`
  if (!writable) return undefined
  if (vma.share === 'private') return 'may be stored to though it is the file’s block'
  if (part.tag !== PLAIN) return 'may be stored to though its block has a checksum'
  if (pagesAt(machine.volume!, part.value) > 1) return 'may be stored to though its block is shared'
  if (wasShared(machine.volume!, part.value))
    return 'may be stored to though a crash could bring its other owner back'
  return file.copies.has(index) ? 'may be stored to while its block is copied' : undefined
}

/** How many pages lie in a block, counted anew. */
function pagesAt({ opened }: LabVolume, block: number): number {
  let count = 0
  for (const { node } of opened.values())
    for (const { value, start, end } of node.extents.inside(0, PAGES_MAX))
      if (block >= value && block < value + end - start) count++
  return count
}

/** Whether a commit that is durable has the block in two files, or in one that isn't there any more. */
function wasShared({ store }: LabVolume, block: number): boolean {
  for (const { key, value } of store.range('r', 's')) {
    const start = new DataView(value.buffer, value.byteOffset).getUint32(0, true)
    if (block >= start && block <= Number.parseInt(key.slice(1), 16)) return true
  }
  return false
}

/** What is left when all have ended. */
export function leftOver({ volume, opened }: LabVolume): string | undefined {
  for (const file of opened.values()) {
    if (file.invalidation !== undefined) return `${file.name} is claimed when all have ended`
    if (file instanceof DaxFile && file.copies.size > 0) return `a copy of ${file.name} has no end`
  }
  const { allocated } = volume.parts.space
  return allocated === 0
    ? undefined
    : `${allocated} blocks are allocated, and no extent's, when all have ended`
}

function checkVolume({ volume: on, engine }: Machine): string | undefined {
  const { volume, opened } = on!
  const { free, used, reserved, size } = volume.usage
  if (free < 0 || free + used + reserved !== size)
    return `${free} blocks are free, ${used} used and ${reserved} promised, of ${size}`
  let promised = 0
  for (const { node } of opened.values()) promised += node.reserved.size
  for (const { verb, args } of engine.scheduler.tasks.values())
    if (verb === volume.preallocating) promised += (args as PreallocatingArgs).promised ?? 0
  if (promised !== reserved) return `${reserved} blocks are promised, and pages and tasks have ${promised}`
  return volume.damage[0] ?? checked(on!)
}

/** What the check says of each state of the metadata that was seen: most steps don't change it. */
const CHECKED = new WeakMap<LabVolume, Map<number, string | undefined>>()

function checked(on: LabVolume): string | undefined {
  let known = CHECKED.get(on)
  if (known === undefined) {
    known = new Map()
    CHECKED.set(on, known)
  }
  const { hash } = metadataOf(on)
  if (!known.has(hash)) known.set(hash, on.volume.check().wrong[0])
  return known.get(hash)
}

function checkBlocks({ volume: on, truth, pageSize }: Machine): string | undefined {
  for (const file of on!.opened.values()) {
    if (!(file instanceof DaxFile)) continue
    for (let page = 0; page * pageSize < file.size; page++) {
      if (file.invalidates(page)) continue
      const seen = on!.word(file, page)
      const word = truth.word(file.id, page)
      if (seen !== word) return `page ${page} of ${file.name} holds ${seen} where ${word} was stored`
    }
  }
  return undefined
}
