/**
 * Puts a machine back to where it was. Below the doors no closure holds state, so what can be reached from a root is the
 * whole machine: its fields are copied, and later written back into the very same objects.
 *
 *     save      walks everything that can be reached; a snapshot is, for each object, an array of its fields. An object
 *               that hasn't changed since it was last looked at gives the array it gave then, so that a thousand
 *               snapshots of one machine share most of their memory.
 *     restore   writes the fields back. Objects made since then are simply not reached any more.
 *
 * Invariants
 *   RE1 After restore(save()) every reachable field is what it was, and is the same object if it was one.
 *   RE2 Objects in `fixed` never change, or their changes matter to nobody; nothing that matters is reached only
 *       through one of them.
 */
import { assert, NumberMap } from '../base/index.ts'

/** What an object remembers for the walk: how it is copied, its fields when last seen, and the cells they lead to. */
interface Cell {
  readonly object: object
  readonly kind: Kind
  fields: readonly unknown[] | Numbers
  children: readonly Cell[]
  /** The walk that saw it last. */
  walk: number
}

type Numbers = Int32Array | Uint32Array | Uint16Array | Uint8Array
type Fields = Cell['fields']
export type Snapshot = readonly (Cell | Fields)[]

interface Kind {
  /** Whether the object still has these fields. */
  same(object: object, fields: Fields): boolean
  read(object: object): Fields
  write(object: object, fields: Fields): void
}

/** A property of ours on each object: a map from objects to cells would keep every dead object. */
const MARK = Symbol('cell')

/** Shared by all rewinders, so that their code is warm from the second machine on. */
const KINDS = new Map<string, Kind>()

/** Arrays of so many numbers are compared as bytes. */
const BYTES_FROM = 128

/** Walks are numbered over all rewinders: an object that two machines share isn't taken as seen. */
let walks = 0

export class Rewinder {
  private readonly roots: readonly object[]
  private readonly fixed: ReadonlySet<object>

  constructor(roots: readonly object[], fixed: readonly object[]) {
    this.roots = roots
    this.fixed = new Set(fixed)
  }

  save(): Snapshot {
    const walk = ++walks
    const snapshot: (Cell | Fields)[] = []
    const stack = this.cellsOf(this.roots)
    for (let cell = stack.pop(); cell !== undefined; cell = stack.pop()) {
      if (cell.walk === walk) continue
      cell.walk = walk
      if (!cell.kind.same(cell.object, cell.fields)) this.look(cell)
      snapshot.push(cell, cell.fields)
      for (const child of cell.children) if (child.walk !== walk) stack.push(child)
    }
    return snapshot
  }

  restore(snapshot: Snapshot): void {
    for (let at = 0; at < snapshot.length; at += 2) {
      const cell = snapshot[at] as Cell
      const fields = snapshot[at + 1] as Fields
      if (cell.kind.same(cell.object, fields)) continue
      cell.kind.write(cell.object, fields)
    }
  }

  private look(cell: Cell): void {
    cell.fields = cell.kind.read(cell.object)
    cell.children = Array.isArray(cell.fields) ? this.cellsOf(cell.fields) : []
  }

  private cellsOf(values: readonly unknown[]): Cell[] {
    const found: Cell[] = []
    for (const value of values)
      if (typeof value === 'object' && value !== null && !this.isFixed(value)) found.push(this.cellOf(value))
    return found
  }

  /** A view of a fixed buffer is as fixed as that. */
  private isFixed(object: object): boolean {
    return this.fixed.has(ArrayBuffer.isView(object) && object instanceof Uint8Array ? object.buffer : object)
  }

  private cellOf(object: object): Cell {
    const marked = object as { [MARK]: Cell | undefined }
    const known = marked[MARK]
    if (known !== undefined) return known
    const cell: Cell = { object, kind: this.kindOf(object), fields: NEVER, children: [], walk: 0 }
    marked[MARK] = cell
    return cell
  }

  private kindOf(object: object): Kind {
    if (Array.isArray(object)) return ARRAY
    if (object instanceof Map) return MAP
    if (object instanceof Set) return SET
    if (object instanceof NumberMap) return NUMBER_MAP
    assert(!(object instanceof Promise || object instanceof DataView), 'RE1: what is put back is plain data')
    const isNumbers = ArrayBuffer.isView(object)
    const keys = isNumbers ? [] : Object.keys(object)
    const shape = `${object.constructor.name} ${keys.join()}`
    let kind = KINDS.get(shape)
    if (kind === undefined) {
      kind = isNumbers ? numbersKind() : recordKind(keys)
      KINDS.set(shape, kind)
    }
    return kind
  }
}

/** The fields of an object that wasn't looked at yet: they equal none. */
const NEVER: Fields = [Symbol('never looked at')]

/**
 * Objects with these keys. hot: the accesses are written out as code for each shape, so that each place in the code sees
 * one shape only; a loop over keys took 20 times as long, and this is what the explorer does most.
 */
function recordKind(keys: readonly string[]): Kind {
  if (!MAY_COMPILE) return loopedKind(keys)
  const fields = keys.map(key => `object[${JSON.stringify(key)}]`)
  const equal = fields.map((field, at) => `${field} === fields[${at}]`).join(' && ')
  const written = fields.map((field, at) => `${field} = fields[${at}]`).join('; ')
  return {
    same: new Function('object', 'fields', `return ${equal || 'true'}`) as Kind['same'],
    read: new Function('object', `return [${fields.join(', ')}]`) as Kind['read'],
    write: new Function('object', 'fields', written) as Kind['write'],
  }
}

/** The same where a page's policy forbids to compile. */
function loopedKind(keys: readonly string[]): Kind {
  type Plain = Record<string, unknown>
  return {
    same(object, fields) {
      for (let at = 0; at < keys.length; at++) if ((object as Plain)[keys[at]!] !== fields[at]) return false
      return true
    },
    read: object => keys.map(key => (object as Plain)[key]),
    write(object, fields) {
      // Some may not be written, and never change.
      for (let at = 0; at < keys.length; at++) Reflect.set(object, keys[at]!, fields[at])
    },
  }
}

/** Node may; in a page its policy forbids it, and would complain of an attempt. */
const MAY_COMPILE = typeof process !== 'undefined'

/** Typed arrays of one type. hot: small ones are compared one by one, the leaves of page tables as bytes. */
function numbersKind(): Kind {
  if (!MAY_COMPILE) return { ...NUMBERS, same: (object, fields) => sameNumbers(object as Numbers, fields) }
  const oneByOne = new Function(
    'object',
    'fields',
    'for (let at = 0; at < object.length; at++) if (object[at] !== fields[at]) return false; return true',
  ) as Kind['same']
  return {
    same: (object, fields) =>
      (object as Numbers).length < BYTES_FROM
        ? oneByOne(object, fields)
        : sameBytes(object as Numbers, fields),
    ...NUMBERS,
  }
}

const NUMBERS: Pick<Kind, 'read' | 'write'> = {
  read: object => (object as Numbers).slice(),
  write: (object, fields) => (object as Numbers).set(fields as Numbers),
}

function sameNumbers(numbers: Numbers, fields: Fields): boolean {
  for (let at = 0; at < numbers.length; at++) if (numbers[at] !== fields[at]) return false
  return true
}

function sameBytes(numbers: Numbers, fields: Fields): boolean {
  return fields !== NEVER && bytesOf(numbers).equals(bytesOf(fields as Numbers))
}

function bytesOf({ buffer, byteOffset, byteLength }: Numbers): Buffer {
  return Buffer.from(buffer as ArrayBuffer, byteOffset, byteLength)
}

const ARRAY: Kind = {
  same(object, fields) {
    const array = object as unknown[]
    if (array.length !== fields.length) return false
    for (let at = 0; at < array.length; at++) if (array[at] !== fields[at]) return false
    return true
  },
  read: object => [...(object as unknown[])],
  write(object, fields) {
    const array = object as unknown[]
    array.length = fields.length
    for (let at = 0; at < fields.length; at++) array[at] = fields[at]
  },
}

const MAP: Kind = {
  same(object, fields) {
    const map = object as Map<unknown, unknown>
    if (map.size * 2 !== fields.length) return false
    let at = 0
    for (const [key, value] of map) if (key !== fields[at++] || value !== fields[at++]) return false
    return true
  },
  read(object) {
    const fields: unknown[] = []
    for (const [key, value] of object as Map<unknown, unknown>) fields.push(key, value)
    return fields
  },
  write(object, fields) {
    const map = object as Map<unknown, unknown>
    map.clear()
    for (let at = 0; at < fields.length; at += 2) map.set(fields[at], fields[at + 1])
  },
}

/** Its members come out in one order, wherever they lie. */
const NUMBER_MAP: Kind = {
  same(object, fields) {
    const map = object as NumberMap<unknown>
    if (map.size * 2 !== fields.length) return false
    for (let at = 0; at < fields.length; at += 2)
      if (map.get(fields[at] as number) !== fields[at + 1]) return false
    return true
  },
  read: object => (object as NumberMap<unknown>).entries().flat(),
  write(object, fields) {
    const map = object as NumberMap<unknown>
    for (const [key] of map.entries()) map.delete(key)
    for (let at = 0; at < fields.length; at += 2) map.set(fields[at] as number, fields[at + 1])
  },
}

const SET: Kind = {
  same(object, fields) {
    const set = object as Set<unknown>
    if (set.size !== fields.length) return false
    let at = 0
    for (const value of set) if (value !== fields[at++]) return false
    return true
  },
  read: object => [...(object as Set<unknown>)],
  write(object, fields) {
    const set = object as Set<unknown>
    set.clear()
    for (const value of fields) set.add(value)
  },
}
