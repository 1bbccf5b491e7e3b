/**
 * The state of a small machine's volume as a row of numbers, a part of its key (key.ts): the metadata in its layers, what
 * is kept beside them, commits, copies, and what lies in the blocks.
 *
 * Records are told apart by hashes of their keys and values. Blocks go by their own numbers, so two machines that differ in
 * nothing but which free block they took are two states: more than need be, and none too few.
 */
import type { Ticket } from '../../sched/index.ts'
import { DaxFile, SHARE } from '../../volume/index.ts'
import { hashOf } from '../row.ts'
import type { LabVolume } from './volume.ts'

type Value = Uint8Array | null

/** What the metadata says, in numbers. It never changes, and holds for as long as `moment` and `running` are the same. */
export class Said {
  readonly moment: number
  /** The layer of what was changed last: another one, once that is sealed. */
  readonly running: object
  readonly row: readonly number[]
  readonly hash: number
  /** The blocks that are free, of the device's. */
  readonly free: ReadonlySet<number>

  constructor(on: LabVolume) {
    const { overlay, space } = on.volume.parts
    this.moment = overlay.moment
    this.running = overlay['running']
    this.row = rowOf(on)
    this.hash = hashOf(this.row)
    const { value: runs = [] } = overlay.ask(() => [...space['freeRuns'].inside(1, on.blocks)])
    const free = new Set<number>()
    for (const { start, end } of runs) for (let block = start; block < end; block++) free.add(block)
    this.free = free
  }
}

/** The values of records never change, so each is looked at once. */
const HASHES = new WeakMap<Uint8Array, number>()
/** Of all words that were met: names and the keys of records, which are few. */
const WORDS = new Map<string, number>()

/** The metadata. hot: few steps change it, and what it said is put back with the machine. */
export function metadataOf(on: LabVolume): Said {
  const { overlay } = on.volume.parts
  if (on.said?.moment !== overlay.moment || on.said.running !== overlay['running']) on.said = new Said(on)
  return on.said
}

/** What was changed last, what is on its way, what is durable. */
function rowOf({ volume, store }: LabVolume): number[] {
  const { overlay } = volume.parts
  const row: number[] = []
  // What parts keep to themselves, by names that the compiler checks.
  for (const layer of [overlay['running'], overlay['sealed'], store['committed']]) {
    row.push(layer === undefined ? -8 : layer.size)
    for (const [key, value] of layer ?? []) row.push(hashOfWord(key), hashOfValue(value))
  }
  return row
}

/** The rest of it. */
export function volumeRow(on: LabVolume): number[] {
  const { volume, store, disk, opened, blocks } = on
  const { blockSize } = volume.parts.disk
  const { space, commits } = volume.parts
  const { next, running, broken } = {
    next: commits['next'],
    running: commits['running'],
    broken: commits['broken'],
  }
  const row = [space['promised'], space['cursor'], space['epoch']]
  row.push(next === undefined ? 0 : 1, running ? 1 : 0, broken)
  row.push(store.busy ? 1 : 0, volume.damageCount)
  const { free } = metadataOf(on)
  for (let block = 1; block < blocks; block++) row.push(free.has(block) ? -9 : disk.words.get(block))
  for (const file of opened.values()) {
    row.push(file.size, file.invalidation?.start ?? -1, file.invalidation?.end ?? -1)
    if (!(file instanceof DaxFile)) continue
    for (const [index, { frame }] of file.copies.entries()) row.push(index, frame)
    // A file as short as that never has stores enough for its neighbours to be copied.
    if (file.size > SHARE * blockSize) row.push(file.stores.next, file.stores.stored)
  }
  return row
}

/** Which of two commits a ticket is the end of: all are called the same. */
export function commitOf({ volume }: LabVolume, ticket: Ticket): number {
  return volume.parts.commits['next'] === ticket ? 1 : 0
}

/** Whether this never changes: the value of a record, or what the metadata said. */
export function isConstant(object: object): boolean {
  return object instanceof Uint8Array ? HASHES.has(object) : object instanceof Said
}

export function hashOfWord(word: string): number {
  let number = WORDS.get(word)
  if (number === undefined) {
    number = 0x811c9dc5 | 0
    for (let at = 0; at < word.length; at++) number = Math.imul(number ^ word.charCodeAt(at), 0x01000193)
    WORDS.set(word, number)
  }
  return number
}

function hashOfValue(value: Value): number {
  if (value === null) return -1
  let hash = HASHES.get(value)
  if (hash === undefined) {
    hash = 0x811c9dc5 | 0
    for (const byte of value) hash = Math.imul(hash ^ byte, 0x01000193)
    HASHES.set(value, hash)
  }
  return hash
}
