/**
 * Puts a machine back to where it was. Below the doors no closure holds state, so what can be reached from a root is the
 * whole machine: what changed in its fields is written down, and later written back into the very same objects.
 *
 *     first --step--> place --step--> place (here)
 *       \--step--> place --step--> place (goal)        a place: what the step before it changed, and what it made
 *
 *     save      looks at every object that is known, and writes down which fields differ from those last seen
 *     restore   writes back what changed since the last place, undoes the steps from there to the last place that lies before
 *               both, and does those to the goal again
 *
 * To look costs a comparison for each object; the rest, only what changed.
 *
 * Invariants
 *   RE1 After restore(place) every field that could be reached at the place is what it was, and is the same object if it was one.
 *   RE2 Objects in `fixed` never change, or their changes matter to nobody; nothing that matters is reached only
 *       through one of them.
 *   RE3 The known cells are those that could be reached at `here` or at a place before it, in the order in which they were met;
 *       their `fields` are what their objects have at `here`.
 */
import { assert, NumberMap } from '../base/index.ts'

type Fields = readonly unknown[] | Uint8Array

/** What is known of an object: how it is copied, and its fields at the present place. */
interface Cell {
  readonly object: object
  readonly kind: Kind
  /** Whose it is: machines may share an object. */
  readonly knower: Rewinder
  fields: Fields
  /** Whether it is among the cells that are looked at. */
  known: boolean
}

/** A cell that a step changed. */
interface Change {
  readonly cell: Cell
  readonly before: Fields
  readonly after: Fields
}

/** A place to come back to. */
export interface Snapshot {
  readonly parent: Snapshot | undefined
  readonly depth: number
  readonly changes: readonly Change[]
  /** Cells that were met first here. */
  readonly met: readonly Cell[]
}

interface Kind {
  /** Its cells' place in the rewinder's rows of cells. */
  readonly number: number
  read(object: object): Fields
  /** Gives the object these fields. */
  write(object: object, fields: Fields): void
  /** Calls back for each cell whose object has other fields by now. */
  compare(cells: readonly Cell[], differs: (cell: Cell) => void): void
}

/** A property of ours on each object: a map from objects to cells would keep every dead object. */
const MARK = Symbol('cell')

export class Rewinder {
  private readonly fixed: ReadonlySet<object>
  private readonly isConstant: (object: object) => boolean
  /** The known cells, by the number of their kind. */
  private readonly rows: Cell[][] = []
  private here: Snapshot
  private changes: Change[] = []
  private met: Cell[] = []

  /** A view of a fixed buffer is as fixed as that; what else never changes, `isConstant` says. */
  constructor(
    roots: readonly object[],
    fixed: readonly object[],
    isConstant: (object: object) => boolean = () => false,
  ) {
    this.fixed = new Set(fixed)
    this.isConstant = isConstant
    this.meetAll(roots, NEVER)
    this.here = { parent: undefined, depth: 0, changes: [], met: this.met }
  }

  /** The place where the machine is. */
  save(): Snapshot {
    this.changes = []
    this.met = []
    // What is met on the way is as it was met.
    for (let kind = this.rows.length - 1; kind >= 0; kind--)
      if (this.rows[kind]!.length > 0) KINDS[kind]!.compare(this.rows[kind]!, this.differs)
    if (this.changes.length > 0)
      this.here = { parent: this.here, depth: this.here.depth + 1, changes: this.changes, met: this.met }
    return this.here
  }

  restore(goal: Snapshot): void {
    this.revert()
    let from = this.here
    const again: Snapshot[] = []
    let to = goal
    while (from !== to)
      if (to.depth > from.depth) {
        again.push(to)
        to = to.parent!
      } else {
        this.undo(from)
        from = from.parent!
      }
    for (let at = again.length - 1; at >= 0; at--) this.redo(again[at]!)
    this.here = goal
  }

  /** Forgets what changed since `here`: what came to be since then can't be reached any more. */
  private revert(): void {
    for (let kind = this.rows.length - 1; kind >= 0; kind--)
      if (this.rows[kind]!.length > 0) KINDS[kind]!.compare(this.rows[kind]!, writeBack)
  }

  private undo({ changes, met }: Snapshot): void {
    for (let at = met.length - 1; at >= 0; at--) {
      const cell = met[at]!
      cell.known = false
      this.rows[cell.kind.number]!.pop()
    }
    for (const { cell, before } of changes) {
      cell.kind.write(cell.object, before)
      cell.fields = before
    }
  }

  private redo({ changes, met }: Snapshot): void {
    for (const { cell, after } of changes) {
      cell.kind.write(cell.object, after)
      cell.fields = after
    }
    for (const cell of met) this.know(cell)
  }

  private know(cell: Cell): void {
    cell.known = true
    const { number } = cell.kind
    while (this.rows.length <= number) this.rows.push([])
    this.rows[number]!.push(cell)
  }

  private readonly differs = (cell: Cell): void => {
    const before = cell.fields
    const after = cell.kind.read(cell.object)
    cell.fields = after
    this.changes.push({ cell, before, after })
    if (Array.isArray(after)) this.meetAll(after, before)
  }

  /** Meets the objects among `values`, but for those that stand there already in `before`. */
  private meetAll(values: readonly unknown[], before: Fields): void {
    for (let at = 0; at < values.length; at++) {
      const value = values[at]
      if (typeof value === 'object' && value !== null && value !== before[at]) this.meet(value)
    }
  }

  private meet(met: object): void {
    if (ArrayBuffer.isView(met)) {
      if (!this.fixed.has(met.buffer) && !this.isConstant(met)) this.meetObject(wholeOf(met.buffer))
    } else this.meetObject(met)
  }

  private meetObject(object: object): void {
    const marked = object as { [MARK]: Cell | undefined }
    let cell = marked[MARK]
    if (cell?.knower === this ? cell.known : this.fixed.has(object) || this.isConstant(object)) return
    if (cell?.knower !== this) {
      cell = { object, kind: kindOf(object), knower: this, fields: NEVER, known: false }
      marked[MARK] = cell
    }
    cell.fields = cell.kind.read(object)
    this.know(cell)
    this.met.push(cell)
    if (Array.isArray(cell.fields)) this.meetAll(cell.fields, NEVER)
  }
}

function writeBack({ kind, object, fields }: Cell): void {
  kind.write(object, fields)
}

/** The fields of an object that wasn't looked at yet: they equal none. */
const NEVER: Fields = []

/** All kinds, by their numbers: shared by all rewinders, so that their code is warm from the second machine on. */
const KINDS: Kind[] = []

type Ways = Omit<Kind, 'number'>

function kindOf(object: object): Kind {
  if (Array.isArray(object)) return typeof object[0] === 'number' ? ARRAY_OF_NUMBERS : ARRAY
  if (object instanceof Map) return MAP
  if (object instanceof Set) return SET
  if (object instanceof NumberMap) return NUMBER_MAP
  if (object instanceof Uint8Array) return BYTES
  assert(!(object instanceof Promise), 'RE1: what is put back is plain data')
  return recordKind(object)
}

function newKind(ways: Ways): Kind {
  const kind = { number: KINDS.length, ...ways }
  KINDS.push(kind)
  return kind
}

/** For each number of keys: the kinds of records with so many, and their keys. */
const RECORDS: { readonly of: unknown; readonly keys: readonly string[]; readonly kind: Kind }[][] = []

/** Objects with the same keys in the same order. */
function recordKind(object: object): Kind {
  const keys = Object.keys(object)
  while (RECORDS.length <= keys.length) RECORDS.push([])
  const alike = RECORDS[keys.length]!
  for (const { of, keys: theirs, kind } of alike)
    if (of === object.constructor && sameItems(theirs, keys)) return kind
  const kind = newKind(MAY_COMPILE ? compiledRecord(keys) : loopedRecord(keys))
  alike.push({ of: object.constructor, keys, kind })
  return kind
}

/** Node may; in a page its policy forbids it, and would complain of an attempt. */
const MAY_COMPILE = typeof process !== 'undefined'

/**
 * hot: the accesses are written out as code for each shape, so that each place in the code sees one shape only; a loop over
 * keys took 20 times as long, and this is what the explorer does most.
 */
function compiledRecord(keys: readonly string[]): Ways {
  const fields = keys.map(key => `object[${JSON.stringify(key)}]`)
  const differ = fields.map((field, at) => `${field} !== fields[${at}]`).join(' || ')
  const written = fields
    .map((field, at) => `if (${field} !== fields[${at}]) ${field} = fields[${at}]`)
    .join('; ')
  return {
    read: new Function('object', `return [${fields.join(', ')}]`) as Kind['read'],
    write: new Function('object', 'fields', written) as Kind['write'],
    compare: new Function(
      'cells',
      'differs',
      `for (let at = 0, end = cells.length; at < end; at++) {
         const cell = cells[at], object = cell.object, fields = cell.fields
         if (${differ || 'false'}) differs(cell)
       }`,
    ) as Kind['compare'],
  }
}

/** The same where a page's policy forbids to compile. */
function loopedRecord(keys: readonly string[]): Ways {
  type Plain = Record<string, unknown>
  return {
    read: object => keys.map(key => (object as Plain)[key]),
    write(object, fields) {
      for (let at = 0; at < keys.length; at++)
        if ((object as Plain)[keys[at]!] !== fields[at]) (object as Plain)[keys[at]!] = fields[at]
    },
    compare(cells, differs) {
      for (const cell of cells)
        if (keys.some((key, at) => (cell.object as Plain)[key] !== cell.fields[at])) differs(cell)
    },
  }
}

/** The bytes of a buffer, for all views of it. hot: where there is Node, its buffers are compared at once. */
const BYTES = newKind({
  read: object => (MAY_COMPILE ? Buffer.from(object as Buffer) : (object as Uint8Array).slice()),
  write: (object, fields) => (object as Uint8Array).set(fields as Uint8Array),
  compare: MAY_COMPILE
    ? (cells, differs) => {
        for (let at = 0, end = cells.length; at < end; at++)
          if (!(cells[at]!.object as Buffer).equals(cells[at]!.fields as Buffer)) differs(cells[at]!)
      }
    : (cells, differs) => {
        for (const cell of cells) if (!sameItems(cell.object as Uint8Array, cell.fields)) differs(cell)
      },
})

/** For each buffer that views were met of: what stands for all of them. */
const WHOLES = new WeakMap<ArrayBufferLike, Uint8Array>()

function wholeOf(buffer: ArrayBufferLike): Uint8Array {
  let whole = WHOLES.get(buffer)
  if (whole === undefined) {
    whole = MAY_COMPILE ? Buffer.from(buffer) : new Uint8Array(buffer)
    WHOLES.set(buffer, whole)
  }
  return whole
}

function sameItems(items: ArrayLike<unknown>, others: ArrayLike<unknown>): boolean {
  if (items.length !== others.length) return false
  for (let at = 0; at < items.length; at++) if (items[at] !== others[at]) return false
  return true
}

/** hot: the code is there twice, so that each copy sees arrays of few sorts. */
const ARRAY = newKind(arrays(sameItems))
const ARRAY_OF_NUMBERS = newKind(
  arrays(MAY_COMPILE ? (new Function(`return ${sameItems}`)() as typeof sameItems) : sameItems),
)

function arrays(same: typeof sameItems): Ways {
  return {
    read: object => (object as unknown[]).slice(),
    write(object, fields) {
      const array = object as unknown[]
      array.length = fields.length
      for (let at = 0; at < fields.length; at++) array[at] = fields[at]
    },
    compare(cells, differs) {
      for (let at = 0, end = cells.length; at < end; at++)
        if (!same(cells[at]!.object as unknown[], cells[at]!.fields)) differs(cells[at]!)
    },
  }
}

/** hot: most maps of a small machine are empty, and an entry that is walked is an array made for it, so keys are. */
const MAP = newKind({
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
  compare(cells, differs) {
    for (let at = 0, end = cells.length; at < end; at++) {
      const { object, fields } = cells[at]!
      const map = object as Map<unknown, unknown>
      if (map.size * 2 !== fields.length || (map.size > 0 && !sameEntries(map, fields))) differs(cells[at]!)
    }
  },
})

function sameEntries(map: Map<unknown, unknown>, fields: Fields): boolean {
  let at = 0
  for (const key of map.keys()) if (key !== fields[at++] || map.get(key) !== fields[at++]) return false
  return true
}

/** Its members come out in one order, wherever they lie. */
const NUMBER_MAP = newKind({
  read: object => (object as NumberMap<unknown>).entries().flat(),
  write(object, fields) {
    const map = object as NumberMap<unknown>
    for (let at = 0; at < fields.length; at += 2) map.set(fields[at] as number, fields[at + 1])
    if (map.size * 2 === fields.length) return
    const keys = new Set(fields.filter((_, at) => at % 2 === 0))
    for (const [key] of map.entries()) if (!keys.has(key)) map.delete(key)
  },
  compare(cells, differs) {
    for (let at = 0, end = cells.length; at < end; at++)
      if (!sameMembers(cells[at]!.object as NumberMap<unknown>, cells[at]!.fields)) differs(cells[at]!)
  },
})

function sameMembers(map: NumberMap<unknown>, fields: Fields): boolean {
  if (map.size * 2 !== fields.length) return false
  for (let at = 0; at < fields.length; at += 2)
    if (map.get(fields[at] as number) !== fields[at + 1]) return false
  return true
}

const SET = newKind({
  read: object => [...(object as Set<unknown>)],
  write(object, fields) {
    const set = object as Set<unknown>
    set.clear()
    for (const value of fields) set.add(value)
  },
  compare(cells, differs) {
    for (let at = 0, end = cells.length; at < end; at++) {
      const { object, fields } = cells[at]!
      const set = object as Set<unknown>
      if (set.size !== fields.length || (set.size > 0 && !sameValues(set, fields))) differs(cells[at]!)
    }
  },
})

function sameValues(set: Set<unknown>, fields: Fields): boolean {
  let at = 0
  for (const value of set) if (value !== fields[at++]) return false
  return true
}
