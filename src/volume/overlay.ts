/**
 * The metadata as it is now: what the store holds, and over it the changes that aren't durable yet.
 *
 *     read:    running  ->  sealed  ->  store            the first that knows the key answers
 *     edit:    changes `running`, as a whole or not at all
 *     commit:  running --seal--> sealed --settled('durable')--> gone
 *                                       \--settled('lost')----> under `running` again, for the next commit
 *
 * Everything that changed since the last commit becomes durable together, so after a crash the volume is as it was at
 * some commit: no operation is ever half there, and no two are there in the wrong order.
 *
 * Each value in the store ends with a checksum over value and key, so that neither a flipped bit nor a record in the
 * wrong place is taken for truth. In the layers values are without it.
 *
 * Invariants
 *   J1  An edit that fails, or meets a record that isn't here, leaves every key as it was.
 *   J2  A value that is read has its checksum, or the read ends in Damage.
 *   J4  Of a key that a failed commit has put it isn't known whether the store has it: that it is gone is said to the store.
 *   J3  While `sealed` is on its way nothing in it changes.
 */
import { assert, type Errno, errno, hang } from '../base/index.ts'
import { type Done, done, type Fail, fail, type Ticket, type Wait, wait } from '../sched/index.ts'
import type { Checksum } from './checksum.ts'
import { Absent, Damage, Failure, Unreadable } from './failure.ts'
import { putU32, u32 } from './fields.ts'
import { Gaps } from './gaps.ts'
import { PackedValues } from './packed-values.ts'
import { after, SortedMap } from './sorted-map.ts'
import type { Change, Store } from './store.ts'

/** A value, or null where the key is gone. */
type Layer = SortedMap<Uint8Array | null>

export interface Record {
  readonly key: string
  readonly value: Uint8Array
}

/** What came of asking: a value, or why there is none. */
export type Answer<T> = { readonly errno: 0; readonly value: T; readonly outcome: Done } | Refusal

export interface Refusal {
  readonly errno: Errno
  readonly value: undefined
  /** What an attempt that asked returns: it fails, or waits for a record that isn't here. */
  readonly outcome: Fail | Wait
}

export function refusal(error: Errno): Refusal {
  return { errno: error, value: undefined, outcome: fail(error) }
}

/** A key, and its value in a layer or as the store has it. */
interface Found {
  readonly key: string
  readonly layered: Uint8Array | undefined
  readonly stored: Uint8Array | undefined
}

interface Undo {
  readonly key: string
  readonly before: Uint8Array | null | undefined
}

const SUM_BYTES = 8
/** Records that are remembered to be sound, before they are all forgotten: each is looked at anew then. */
const SOUND_MAX = 8192
/** Behind all keys. */
const KEYS_END = '~'
const NOTHING = newLayer()

export class Overlay {
  /** What was found damaged, a sentence each, as long as nobody has taken note. */
  readonly onDamage: (what: string) => void = () => {}
  /** What the last edit that met a record that isn't here has to wait for. */
  missing: Ticket | undefined
  private readonly store: Store
  private readonly checksum: Checksum
  private running = newLayer()
  private sealed: Layer | undefined
  private undo: Undo[] | undefined
  /** hot: most edits are questions, and change nothing. */
  private readonly noChanges: Undo[] = []
  /** Changes that were made and taken back, and commits that ended. */
  private changesMade = 0
  /** Keys of commits that failed, and may be durable all the same (J4). */
  private readonly doubtful = new Set<string>()
  /** hot: values of the store whose checksum was right, as long as the store has them at the same place. */
  private readonly known = new Map<string, Uint8Array>()
  /** Where nothing lies, as long as the store is at this commit. */
  private readonly gaps = new Gaps()
  private gapsAt = 0
  /** A value and its key, to be summed. */
  private summed = new Uint8Array(256)

  constructor(store: Store, checksum: Checksum) {
    this.store = store
    this.checksum = checksum
  }

  /** Whether something isn't on its way to the store yet. */
  get changed(): boolean {
    return this.running.size > 0
  }

  /** The same as long as every key says what it said. */
  get moment(): number {
    return this.changesMade + this.store.at
  }

  get committing(): boolean {
    return this.sealed !== undefined
  }

  /** Whether what `key` says was changed since the last commit that is durable. */
  isPending(key: string): boolean {
    return this.running.has(key) || this.sealed?.has(key) === true
  }

  /** The metadata as it is now, to be read while edits go on: as long as no commit begins or ends. */
  frozen(): Overlay {
    const frozen = new Overlay(this.store, this.checksum)
    frozen.running = this.running.copy()
    frozen.sealed = this.sealed
    hang(frozen, 'onDamage', what => this.onDamage(what))
    return frozen
  }

  get(key: string): Uint8Array | undefined {
    let value = this.running.get(key)
    if (value === undefined) value = this.sealed?.get(key)
    if (value !== undefined) return value ?? undefined
    const stored = this.store.get(key)
    return stored === undefined ? undefined : this.open(key, stored)
  }

  /** The first record with start <= key < end. */
  first(start: string, end: string): Record | undefined {
    const found = this.find(start, end)
    return found === undefined ? undefined : { key: found.key, value: this.valueOf(found) }
  }

  /** Records with start <= key < end. They may change while they are walked: each step looks again. */
  *range(start: string, end: string): Generator<Record> {
    for (let next = this.first(start, end); next !== undefined; next = this.first(after(next.key), end))
      yield next
  }

  /** The same in one pass, while nothing changes, and past what is damaged: `onBad` hears of it. */
  *survey(start: string, end: string, onBad: (damage: Unreadable) => void): Generator<Record> {
    for (let from = start; from < end; ) {
      try {
        for (const found of this.merged(from, end)) {
          from = after(found.key)
          const value = this.sound(found, onBad)
          if (value !== undefined) yield { key: found.key, value }
        }
        return
      } catch (error) {
        if (!(error instanceof Unreadable)) throw error
        onBad(error)
        from = error.end
      }
    }
  }

  /** All that lay in [start, end) has been deleted: look-ups pass over it at once. */
  emptied(start: string, end: string): void {
    if (this.gapsAt !== this.store.at) this.gaps.clear()
    this.gapsAt = this.store.at
    this.gaps.add(start, end)
  }

  put(key: string, value: Uint8Array): void {
    this.gaps.cut(key)
    this.change(key, value)
  }

  delete(key: string): void {
    this.gaps.join(key)
    this.change(key, null)
  }

  /** Runs `change`, whose puts and deletes then hold together. If it fails or must wait, nothing has changed. */
  edit(change: () => void): Done | Fail | Wait {
    return this.ask(change).outcome
  }

  /** The same, with what `change` has to say. */
  ask<T>(change: () => T): Answer<T> {
    assert(this.undo === undefined, 'J1: no edit begins inside another')
    this.undo = this.noChanges
    try {
      return { errno: errno.OK, value: change(), outcome: done }
    } catch (error) {
      this.takeBack()
      if (error instanceof Damage) this.onDamage(error.message)
      if (error instanceof Absent) {
        this.missing = error.ticket
        return { errno: error.errno, value: undefined, outcome: wait(error.ticket, 'metadata') }
      }
      if (error instanceof Failure) return refusal(error.errno)
      throw error
    } finally {
      this.noChanges.length = 0
      this.undo = undefined
    }
  }

  /** Takes what has changed for a commit. Nothing of it changes from now on. */
  seal(): void {
    assert(this.sealed === undefined, 'ST3: one commit at a time')
    this.sealed = this.running
    this.running = newLayer()
  }

  /** Up to `most` of the changes that are sealed, in order of key, behind `key`; '': from the first one. */
  changes(key: string, most: number): Change[] {
    const changes: Change[] = []
    let bytes = 0
    for (const change of this.sealed!.range(key === '' ? '' : after(key), KEYS_END)) {
      if (changes.length === most) break
      changes.push(change)
      if (change.value !== null) bytes += change.value.length + SUM_BYTES
    }
    // hot: one buffer for all: each of its own would be the collector's to free
    const closed = new Uint8Array(bytes)
    let end = 0
    for (const [place, { key: next, value }] of changes.entries()) {
      if (value === null) continue
      const start = end
      end += value.length + SUM_BYTES
      changes[place] = { key: next, value: this.close(next, value, closed.subarray(start, end)) }
    }
    return changes
  }

  /** The commit of what is sealed has ended. What was lost goes with the next one. */
  settled(how: 'durable' | 'lost'): void {
    assert(this.sealed !== undefined, 'J3: what is settled was sealed')
    this.changesMade++
    if (how === 'durable') this.doubtful.clear()
    else
      for (const [key, value] of this.sealed) {
        this.doubtful.add(key)
        if (!this.running.has(key)) this.running.set(key, value)
      }
    this.sealed = undefined
  }

  /** The first key that isn't gone, and where its value is. */
  private find(from: string, end: string): Found | undefined {
    const start = this.gapsAt === this.store.at ? this.gaps.behind(from) : from
    if (start >= end) return undefined
    const running = this.running.ceiling(start, end)
    // hot: nothing comes before `start`, so nobody else need be asked.
    if (running?.key === start && running.value !== null)
      return { key: start, layered: running.value, stored: undefined }
    const sealed = this.sealed?.ceiling(start, end)
    const { store } = this
    const stored = store.first === undefined ? firstOf(store.range(start, end)) : store.first(start, end)
    const key = least(least(running?.key, sealed?.key), stored?.key)
    if (key === undefined) return undefined
    const layered = running?.key === key ? running.value : sealed?.key === key ? sealed.value : undefined
    if (layered === undefined) return { key, layered, stored: stored!.value }
    if (layered !== null) return { key, layered, stored: undefined }
    // Thousands may be gone behind it that no commit has taken out yet.
    return firstOf(this.merged(after(key), end))
  }

  /** What `find` finds, one after the other, with a cursor in each layer. */
  private *merged(start: string, end: string): Generator<Found> {
    const running = this.running.range(start, end)
    const sealed = (this.sealed ?? NOTHING).range(start, end)
    const stored = this.store.range(start, end)[Symbol.iterator]()
    let [one, two, three] = [running.next().value, sealed.next().value, stored.next().value]
    for (;;) {
      const key = least(least(one?.key, two?.key), three?.key)
      if (key === undefined) return
      const layered = one?.key === key ? one.value : two?.key === key ? two.value : undefined
      if (layered === undefined) yield { key, layered, stored: three!.value }
      else if (layered !== null) yield { key, layered, stored: undefined }
      if (one?.key === key) one = running.next().value
      if (two?.key === key) two = sealed.next().value
      if (three?.key === key) three = stored.next().value
    }
  }

  /** Each is asked for once: none is remembered. */
  private sound(
    { key, layered, stored }: Found,
    onBad: (damage: Unreadable) => void,
  ): Uint8Array | undefined {
    try {
      return layered ?? this.opened(key, stored!)
    } catch (error) {
      if (!(error instanceof Damage)) throw error
      onBad(new Unreadable(error.message, { start: key, end: after(key) }))
      return undefined
    }
  }

  private valueOf({ key, layered, stored }: Found): Uint8Array {
    return layered ?? this.open(key, stored!)
  }

  private change(key: string, value: Uint8Array | null): void {
    assert(this.undo !== undefined, 'J1: metadata changes inside an edit')
    this.changesMade++
    this.undo.push({ key, before: this.running.get(key) })
    if (value !== null || this.isBelow(key)) this.running.set(key, value)
    else this.running.delete(key)
  }

  /** Whether a layer below the running one knows the key: if none does, nothing need say that it is gone. */
  private isBelow(key: string): boolean {
    if (this.doubtful.has(key)) return true
    return this.sealed?.has(key) === true || this.store.get(key) !== undefined
  }

  private takeBack(): void {
    this.changesMade++
    for (const { key, before } of this.undo!.reverse()) {
      this.gaps.cut(key)
      if (before === undefined) this.running.delete(key)
      else this.running.set(key, before)
    }
  }

  private close(key: string, value: Uint8Array, closed: Uint8Array): Uint8Array {
    closed.set(value)
    const sum = this.sumOf(key, value)
    putU32(closed, value.length, sum >>> 0)
    putU32(closed, value.length + 4, Math.floor(sum / 2 ** 32))
    return closed
  }

  private open(key: string, closed: Uint8Array): Uint8Array {
    const known = this.known.get(key)
    if (known !== undefined && isSame(known, closed)) return closed.subarray(0, closed.length - SUM_BYTES)
    const value = this.opened(key, closed)
    if (this.known.size >= SOUND_MAX) this.known.clear()
    this.known.set(key, closed)
    return value
  }

  private opened(key: string, closed: Uint8Array): Uint8Array {
    const length = closed.length - SUM_BYTES
    if (length < 0) throw new Damage(`the record ${key} is too short for its checksum`)
    const value = closed.subarray(0, length)
    const told = u32(closed, length) + u32(closed, length + 4) * 2 ** 32
    if (told !== this.sumOf(key, value)) throw new Damage(`the record ${key} doesn't match its checksum`)
    return value
  }

  private sumOf(key: string, value: Uint8Array): number {
    const length = value.length + key.length
    if (this.summed.length < length) this.summed = new Uint8Array(2 * length)
    const { summed } = this
    summed.set(value)
    for (let at = 0; at < key.length; at++) summed[value.length + at] = key.charCodeAt(at)
    return this.checksum.of(summed.subarray(0, length))
  }
}

function newLayer(): Layer {
  return new SortedMap(() => new PackedValues())
}

/** Whether these are the same bytes, and not only equal ones. */
function isSame(one: Uint8Array, other: Uint8Array): boolean {
  return (
    one === other ||
    (one.byteOffset === other.byteOffset && one.length === other.length && one.buffer === other.buffer)
  )
}

function firstOf<T>(entries: Iterable<T>): T | undefined {
  for (const entry of entries) return entry
  return undefined
}

function least(a: string | undefined, b: string | undefined): string | undefined {
  if (a === undefined || b === undefined) return a ?? b
  return a < b ? a : b
}
