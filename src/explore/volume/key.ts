/**
 * The state of a small machine's volume as a row of numbers, a part of its key (key.ts): the metadata in its layers, what
 * is kept beside them, commits, copies, and what lies in the blocks.
 *
 * Records are told apart by hashes of their keys and values. Blocks go by their own numbers, so two machines that differ in
 * nothing but which free block they took are two states: more than need be, and none too few.
 */
import type { Ticket } from '../../sched/index.ts'
import { DaxFile } from '../../volume/index.ts'
import type { LabVolume } from './volume.ts'

type Value = Uint8Array | null

interface Layer extends Iterable<readonly [string, Value]> {
  readonly size: number
}

/** The values of records never change, so each is looked at once. */
const HASHES = new WeakMap<Uint8Array, number>()
/** Of all words that were met: names and the keys of records, which are few. */
const WORDS = new Map<string, number>()

/** The metadata: what was changed last, what is on its way, what is durable. */
export function metadataRow({ volume, store }: LabVolume): number[] {
  const { overlay } = volume.parts
  const row: number[] = []
  // What parts keep to themselves, by names that the compiler checks.
  const layers: readonly (Layer | undefined)[] = [overlay['running'], overlay['sealed'], store['committed']]
  for (const layer of layers) {
    row.push(layer === undefined ? -8 : layer.size)
    for (const [key, value] of layer ?? []) row.push(hashOfWord(key), hashOfValue(value))
  }
  return row
}

/** The rest of it. */
export function volumeRow({ volume, store, disk, opened, blocks }: LabVolume): number[] {
  const { space, commits, overlay } = volume.parts
  const { next, running, broken } = {
    next: commits['next'],
    running: commits['running'],
    broken: commits['broken'],
  }
  const row = [space['promised'], space['cursor'], space['epoch']]
  row.push(next === undefined ? 0 : 1, running ? 1 : 0, broken)
  row.push(store.busy ? 1 : 0, volume.damageCount)
  const { value: free = [] } = overlay.ask(() => [...space['freeRuns'].inside(1, blocks)])
  let block = 1
  for (const { start, end } of [...free, { start: blocks, end: blocks }]) {
    for (; block < start; block++) row.push(disk.words.get(block))
    for (; block < end; block++) row.push(-9)
  }
  for (const file of opened.values()) {
    row.push(file.size, file.invalidation?.start ?? -1, file.invalidation?.end ?? -1)
    if (!(file instanceof DaxFile)) continue
    for (const [index, { frame }] of file.copies.entries()) row.push(index, frame)
  }
  return row
}

/** Which of two commits a ticket is the end of: all are called the same. */
export function commitOf({ volume }: LabVolume, ticket: Ticket): number {
  return volume.parts.commits['next'] === ticket ? 1 : 0
}

/** Whether this is the value of a record, which never changes. */
export function isValueOfRecord(object: object): boolean {
  return object instanceof Uint8Array && HASHES.has(object)
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
