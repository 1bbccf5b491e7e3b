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
 *       what their rows have `seen` is what their objects hold at `here`.
 */
import { assert, NumberMap } from '../base/index.ts'

/** What an object that isn't a record holds, as a copy. */
type Copy = readonly unknown[] | Uint8Array

/** What is known of an object: where it stands in its row, and what it held when it was met. */
interface Cell {
  readonly object: object
  readonly row: Row
  readonly first: readonly unknown[]
  /** -1: it isn't among those that are looked at. */
  place: number
}

/** The known objects of one kind, and what was last seen of each: `width` things, side by side. */
interface Row {
  /** Whose it is: machines may share an object. */
  readonly knower: Rewinder
  readonly kind: Kind
  readonly cells: Cell[]
  readonly objects: object[]
  readonly seen: unknown[]
}

/** A thing that a step changed, of those that are seen of an object. */
interface Change {
  readonly cell: Cell
  readonly nth: number
  readonly before: unknown
  readonly after: unknown
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
  /** The place of its row among those of a rewinder. */
  readonly number: number
  /** What is seen of an object: its fields, or one copy of all that it holds. */
  readonly sees: 'fields' | 'a copy'
  readonly width: number
  read(object: object): unknown[]
  /** Tells the things which an object holds now, and didn't when it was seen. */
  tell(cell: Cell, object: object, seen: readonly unknown[], from: number, changed: Changed): void
  /** Gives the object what was seen of it. */
  writeBack(object: object, seen: readonly unknown[], from: number): void
  /** Gives the object one thing. */
  write(object: object, nth: number, thing: unknown): void
}

type Differs = (row: Row, place: number) => void
/** Calls back for each place in some of the rows whose object holds something else by now. */
type Comparison = (rows: readonly Row[], differs: Differs) => void
type Changed = (cell: Cell, nth: number, after: unknown) => void

/** A property of ours on each object: a map from objects to cells would keep every dead object. */
const MARK = Symbol('cell')
type Marked = { [MARK]: Cell | undefined }

export class Rewinder {
  private readonly fixed: ReadonlySet<object>
  private readonly isConstant: (object: object) => boolean
  /** By the number of their kind. */
  private readonly rows: Row[] = []
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
    this.meetAll(roots, NOTHING)
    this.here = { parent: undefined, depth: 0, changes: [], met: this.met }
  }

  /** The place where the machine is. */
  save(): Snapshot {
    this.changes = []
    this.met = []
    // What is met on the way is as it was met.
    this.compare(this.differs)
    if (this.changes.length > 0)
      this.here = { parent: this.here, depth: this.here.depth + 1, changes: this.changes, met: this.met }
    return this.here
  }

  restore(goal: Snapshot): void {
    // What came to be since `here` can't be reached any more.
    this.compare(writeBack)
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

  private compare(differs: Differs): void {
    this.rowOf(KINDS.at(-1)!)
    for (const compare of COMPARISONS) compare(this.rows, differs)
  }

  private undo({ changes, met }: Snapshot): void {
    for (let at = met.length - 1; at >= 0; at--) forget(met[at]!)
    for (const { cell, nth, before } of changes) give(cell, nth, before)
  }

  private redo({ changes, met }: Snapshot): void {
    for (const { cell, nth, after } of changes) give(cell, nth, after)
    for (const cell of met) know(cell)
  }

  private rowOf(kind: Kind): Row {
    for (let number = this.rows.length; number <= kind.number; number++)
      this.rows.push({ knower: this, kind: KINDS[number]!, cells: [], objects: [], seen: [] })
    return this.rows[kind.number]!
  }

  private readonly differs: Differs = ({ kind, cells, objects, seen }, place) =>
    kind.tell(cells[place]!, objects[place]!, seen, place * kind.width, this.changed)

  private readonly changed: Changed = (cell, nth, after) => {
    const { kind, seen } = cell.row
    const at = cell.place * kind.width + nth
    const before = seen[at]
    seen[at] = after
    this.changes.push({ cell, nth, before, after })
    if (kind.sees === 'fields') this.meetValue(after)
    else if (Array.isArray(after)) this.meetAll(after, before as Copy)
  }

  /** Meets the objects among `values`, but for those that stand there already in `before`. */
  private meetAll(values: readonly unknown[], before: Copy): void {
    for (let at = 0; at < values.length; at++) if (values[at] !== before[at]) this.meetValue(values[at])
  }

  private meetValue(value: unknown): void {
    if (typeof value !== 'object' || value === null) return
    if (!ArrayBuffer.isView(value)) this.meet(value)
    else if (!this.fixed.has(value.buffer) && !this.isConstant(value)) this.meet(wholeOf(value.buffer))
  }

  private meet(object: object): void {
    const known = (object as Marked)[MARK]
    const isOurs = known?.row.knower === this
    if (isOurs ? known.place !== -1 : this.fixed.has(object) || this.isConstant(object)) return
    const row = isOurs ? known.row : this.rowOf(kindOf(object))
    const cell: Cell = { object, row, first: row.kind.read(object), place: -1 }
    know(cell)
    this.met.push(cell)
    if (row.kind.sees === 'fields') this.meetAll(cell.first, NOTHING)
    else if (Array.isArray(cell.first[0])) this.meetAll(cell.first[0], NOTHING)
  }
}

function know(cell: Cell): void {
  const { object, row } = cell
  const { cells, objects, seen } = row
  ;(object as Marked)[MARK] = cell
  cell.place = cells.length
  cells.push(cell)
  objects.push(object)
  for (const thing of cell.first) seen.push(thing)
}

/** Of the cells of a row that which was met last. */
function forget(cell: Cell): void {
  const { cells, objects, seen, kind } = cell.row
  cell.place = -1
  cells.pop()
  objects.pop()
  for (let nth = 0; nth < kind.width; nth++) seen.pop()
}

function give({ object, row: { kind, seen }, place }: Cell, nth: number, thing: unknown): void {
  kind.write(object, nth, thing)
  seen[place * kind.width + nth] = thing
}

function writeBack({ kind, objects, seen }: Row, place: number): void {
  kind.writeBack(objects[place]!, seen, place * kind.width)
}

const NOTHING: Copy = []

/** All kinds, by their numbers: shared by all rewinders, so that their code is warm from the second machine on. */
const KINDS: Kind[] = []
/** Of the rows of all kinds. */
const COMPARISONS: Comparison[] = []

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

/** Objects with the same keys in the same order. */
interface Shape {
  readonly of: unknown
  readonly keys: readonly string[]
  readonly kind: Kind
}

/** By their number of keys. */
const SHAPES: Shape[][] = []

function recordKind(object: object): Kind {
  const keys = Object.keys(object)
  while (SHAPES.length <= keys.length) SHAPES.push([])
  const alike = SHAPES[keys.length]!
  for (const { of, keys: theirs, kind } of alike)
    if (of === object.constructor && sameItems(theirs, keys)) return kind
  const ways = MAY_COMPILE ? compiledRecord(keys) : loopedRecord(keys)
  const kind = newKind({ sees: 'fields', width: keys.length, ...ways })
  const shape = { of: object.constructor, keys, kind }
  alike.push(shape)
  compareToo(shape)
  return kind
}

/** Those that are compared in the last of the comparisons. */
let together: Shape[] = []
/** hot: most kinds of a machine have one object, and a call for each took as long as to compare it. */
const TOGETHER_MAX = 16

function compareToo(shape: Shape): void {
  if (!MAY_COMPILE) COMPARISONS.push(loopedComparison(shape))
  else {
    if (together.length === TOGETHER_MAX) together = []
    if (together.push(shape) > 1) COMPARISONS.pop()
    COMPARISONS.push(compiledComparison(together))
  }
}

/** Node may; in a page its policy forbids it, and would complain of an attempt. */
const MAY_COMPILE = typeof process !== 'undefined'

/**
 * hot: the accesses are written out as code for each shape, so that each place in the code sees one shape only; a loop over
 * keys took 20 times as long, and this is what the explorer does most.
 */
function compiledRecord(keys: readonly string[]): Omit<Ways, 'sees' | 'width'> {
  const fields = fieldsOf(keys)
  const each = (code: (field: (typeof fields)[number]) => string) => fields.map(code).join('\n')
  return {
    read: compiled('object', `return [${fields.map(({ field }) => field).join(', ')}]`),
    tell: compiled(
      'cell, object, seen, from, changed',
      each(({ at, field, seen }) => `if (${field} !== ${seen}) changed(cell, ${at}, ${field})`),
    ),
    writeBack: compiled(
      'object, seen, from',
      each(({ field, seen }) => `if (${field} !== ${seen}) ${field} = ${seen}`),
    ),
    write: compiled(
      'object, nth, thing',
      `switch (nth) { ${each(({ at, field }) => `case ${at}: ${field} = thing; break`)} }`,
    ),
  }
}

function compiledComparison(shapes: readonly Shape[]): Comparison {
  const each = shapes.map(({ keys, kind }) => {
    const differ = fieldsOf(keys).map(({ field, seen }) => `${field} !== ${seen}`)
    return `{
      const row = rows[${kind.number}], { objects, seen } = row
      for (let place = 0, from = 0, end = objects.length; place < end; place++, from += ${keys.length}) {
        const object = objects[place]
        if (${differ.join(' || ') || 'false'}) differs(row, place)
      }
    }`
  })
  return compiled('rows, differs', each.join('\n'))
}

/** Their places, and the accesses to them. */
function fieldsOf(keys: readonly string[]) {
  return keys.map((key, at) => ({ at, field: `object[${JSON.stringify(key)}]`, seen: `seen[from + ${at}]` }))
}

function compiled<Ran>(parameters: string, code: string): Ran {
  return new Function(parameters, code) as Ran
}

type Plain = { [key: string]: unknown }

/** The same where a page's policy forbids to compile. */
function loopedRecord(keys: readonly string[]): Omit<Ways, 'sees' | 'width'> {
  const differing = (object: object, seen: readonly unknown[], from: number) =>
    keys.flatMap((key, nth) => ((object as Plain)[key] === seen[from + nth] ? [] : [{ key, nth }]))
  return {
    read: object => keys.map(key => (object as Plain)[key]),
    tell(cell, object, seen, from, changed) {
      for (const { key, nth } of differing(object, seen, from)) changed(cell, nth, (object as Plain)[key])
    },
    writeBack(object, seen, from) {
      for (const { key, nth } of differing(object, seen, from)) (object as Plain)[key] = seen[from + nth]
    },
    write(object, nth, thing) {
      ;(object as Plain)[keys[nth]!] = thing
    },
  }
}

function loopedComparison({ keys, kind: { number } }: Shape): Comparison {
  return (rows, differs) => {
    const row = rows[number]!
    for (const [place, object] of row.objects.entries())
      if (keys.some((key, nth) => (object as Plain)[key] !== row.seen[place * keys.length + nth]))
        differs(row, place)
  }
}

/** How objects are seen that aren't records: as a copy of what they hold. */
interface Copied<Held, Kept> {
  copy(held: Held): Kept
  fill(held: Held, kept: Kept): void
  compare(row: Row, differs: Differs): void
}

function copiedKind<Held extends object, Kept extends Copy>(ways: Copied<Held, Kept>): Kind {
  const { copy, fill, compare } = ways
  const kind = newKind({
    sees: 'a copy',
    width: 1,
    read: object => [copy(object as Held)],
    tell: (cell, object, _seen, _from, changed) => changed(cell, 0, copy(object as Held)),
    writeBack: (object, seen, from) => fill(object as Held, seen[from] as Kept),
    write: (object, _nth, thing) => fill(object as Held, thing as Kept),
  })
  COMPARISONS.push((rows, differs) => compare(rows[kind.number]!, differs))
  return kind
}

/** The bytes of a buffer, for all views of it. hot: where there is Node, its buffers are compared at once. */
const BYTES = copiedKind<Uint8Array, Uint8Array>({
  copy: bytes => (MAY_COMPILE ? Buffer.from(bytes) : bytes.slice()),
  fill: (bytes, kept) => bytes.set(kept),
  compare: MAY_COMPILE
    ? (row, differs) => {
        const { objects, seen } = row
        for (let at = 0, end = objects.length; at < end; at++)
          if (!(objects[at] as Buffer).equals(seen[at] as Buffer)) differs(row, at)
      }
    : (row, differs) => {
        for (const [at, bytes] of row.objects.entries())
          if (!sameItems(bytes as Uint8Array, row.seen[at] as Uint8Array)) differs(row, at)
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
const ARRAY = copiedKind(arrays(sameItems))
const ARRAY_OF_NUMBERS = copiedKind(
  arrays(MAY_COMPILE ? (new Function(`return ${sameItems}`)() as typeof sameItems) : sameItems),
)

function arrays(same: typeof sameItems): Copied<unknown[], readonly unknown[]> {
  return {
    copy: array => array.slice(),
    /** hot: an array whose length is set, even to what it is, takes a slow way, and may be of another sort from then on. */
    fill(array, kept) {
      while (array.length > kept.length) array.pop()
      for (let at = 0; at < array.length; at++) array[at] = kept[at]
      for (let at = array.length; at < kept.length; at++) array.push(kept[at])
    },
    compare(row, differs) {
      const { objects, seen } = row
      for (let at = 0, end = objects.length; at < end; at++)
        if (!same(objects[at] as unknown[], seen[at] as unknown[])) differs(row, at)
    },
  }
}

/** hot: most maps of a small machine are empty, and an entry that is walked is an array made for it, so keys are. */
const MAP = copiedKind<Map<unknown, unknown>, readonly unknown[]>({
  copy: inOneRow,
  fill(map, kept) {
    map.clear()
    for (let at = 0; at < kept.length; at += 2) map.set(kept[at], kept[at + 1])
  },
  compare(row, differs) {
    const { objects, seen } = row
    for (let at = 0, end = objects.length; at < end; at++) {
      const map = objects[at] as Map<unknown, unknown>
      const kept = seen[at] as readonly unknown[]
      if (map.size * 2 !== kept.length || (map.size > 0 && !sameEntries(map, kept))) differs(row, at)
    }
  },
})

function inOneRow(entries: Iterable<readonly [unknown, unknown]>): unknown[] {
  const row: unknown[] = []
  for (const [key, value] of entries) row.push(key, value)
  return row
}

function sameEntries(map: Map<unknown, unknown>, kept: readonly unknown[]): boolean {
  let at = 0
  for (const key of map.keys()) if (key !== kept[at++] || map.get(key) !== kept[at++]) return false
  return true
}

/** Its members come out in one order, wherever they lie. */
const NUMBER_MAP = copiedKind<NumberMap<unknown>, readonly unknown[]>({
  copy: map => inOneRow(map.entries()),
  fill(map, kept) {
    for (let at = 0; at < kept.length; at += 2) map.set(kept[at] as number, kept[at + 1])
    if (map.size * 2 === kept.length) return
    const keys = new Set(kept.filter((_, at) => at % 2 === 0))
    for (const [key] of map.entries()) if (!keys.has(key)) map.delete(key)
  },
  compare(row, differs) {
    const { objects, seen } = row
    for (let at = 0, end = objects.length; at < end; at++)
      if (!sameMembers(objects[at] as NumberMap<unknown>, seen[at] as readonly unknown[])) differs(row, at)
  },
})

function sameMembers(map: NumberMap<unknown>, kept: readonly unknown[]): boolean {
  if (map.size * 2 !== kept.length) return false
  for (let at = 0; at < kept.length; at += 2) if (map.get(kept[at] as number) !== kept[at + 1]) return false
  return true
}

const SET = copiedKind<Set<unknown>, readonly unknown[]>({
  copy: set => [...set],
  fill(set, kept) {
    set.clear()
    for (const value of kept) set.add(value)
  },
  compare(row, differs) {
    const { objects, seen } = row
    for (let at = 0, end = objects.length; at < end; at++) {
      const set = objects[at] as Set<unknown>
      const kept = seen[at] as readonly unknown[]
      if (set.size !== kept.length || (set.size > 0 && !sameValues(set, kept))) differs(row, at)
    }
  },
})

function sameValues(set: Set<unknown>, kept: readonly unknown[]): boolean {
  let at = 0
  for (const value of set) if (value !== kept[at++]) return false
  return true
}
