/** Lists, sets, maps and chance against naive models: OrderedList, IndexLists, IndexSet, NumberMap, Prng, GroupTree. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import {
  AssertionError,
  END,
  GroupTree,
  IndexLists,
  IndexSet,
  NumberMap,
  OrderedList,
  Prng,
  ROOT,
} from './index.ts'

interface Span {
  readonly id: number
  start: number
  end: number
}

const byStart = (a: Span, b: Span) => a.start - b.start

describe('a set of indexes', () => {
  // Near one another, at the edges of words and chunks, and far apart.
  const member = fc.oneof(
    fc.nat({ max: 80 }),
    fc.constantFrom(1023, 1024, 2047, 2 ** 31, 2 ** 32 + 5),
    fc.nat(),
  )
  const step = fc.tuple(fc.boolean(), member)

  it('says what a Set says, and is walked in order from anywhere, some at a time (IS1)', () => {
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 300 }),
        member,
        fc.integer({ min: 1, max: 9 }),
        (steps, from, most) => {
          const set = new IndexSet()
          const model = new Set<number>()
          for (const [adds, each] of steps) {
            if (adds) {
              set.add(each)
              model.add(each)
            } else {
              set.delete(each)
              model.delete(each)
            }
            assert.equal(set.has(each), adds)
          }
          assert.equal(set.size, model.size)
          const sorted = [...model].sort((a, b) => a - b)
          const walked: number[] = []
          for (let at = 0; ; ) {
            const some = set.take(at, Infinity, most)
            walked.push(...some)
            if (some.length < most) break
            at = some.at(-1)! + 1
          }
          assert.deepEqual(walked, sorted)
          const inside = sorted.filter(each => each >= from && each < from + 40)
          assert.deepEqual(set.take(from, from + 40, most), inside.slice(0, most))
        },
      ),
    )
  })
})

describe('an ordered list', () => {
  const spans = () =>
    new OrderedList<Span>(
      span => span.start,
      span => span.end,
    )
  const op = fc.tuple(fc.nat({ max: 9 }), fc.nat({ max: 400 }), fc.nat({ max: 40 }))

  it('says what a sorted array says, with equal keys, overlaps, removals and growing ends', () => {
    fc.assert(
      fc.property(fc.array(op, { maxLength: 900, size: 'max' }), steps => {
        const list = spans()
        const model: Span[] = []
        let ids = 0
        for (const [what, at, length] of steps) {
          const some = model[at % Math.max(1, model.length)]
          if (what < 6 || some === undefined) {
            const span = { id: ids++, start: at, end: at + length }
            list.insert(span)
            model.push(span)
          } else if (what < 8) {
            assert.equal(list.remove(some), true)
            assert.equal(list.remove(some), false)
            model.splice(model.indexOf(some), 1)
          } else {
            some.end += length
            list.widen(some)
          }
        }
        assert.equal(list.size, model.length)
        const sorted = model.toSorted(byStart)
        const starts = (found: Iterable<Span>) => [...found].map(span => span.start)
        const ids2 = (found: Iterable<Span>) => [...found].map(span => span.id).sort((a, b) => a - b)
        assert.deepEqual(starts(list), starts(sorted))
        assert.deepEqual(ids2(list), ids2(sorted))
        for (let at = 0; at <= 440; at += 37) {
          assert.equal(list.floor(at)?.start, sorted.findLast(span => span.start <= at)?.start)
          assert.deepEqual(starts(list.from(at)), starts(sorted.filter(span => span.start >= at)))
          const overlapping = sorted.filter(span => span.start < at + 20 && span.end > at)
          assert.deepEqual(ids2(list.overlapping(at, at + 20)), ids2(overlapping))
        }
      }),
      { numRuns: 60 },
    )
  })

  it('finds each of many records of one key', () => {
    const list = spans()
    const same = Array.from({ length: 1000 }, (_, id) => ({ id, start: 5, end: 6 }))
    for (const span of same) list.insert(span)
    for (const span of same.toReversed()) assert.equal(list.remove(span), true)
    assert.equal(list.size, 0)
    assert.equal(list.floor(5), undefined)
  })
})

describe('a map from numbers', () => {
  const key = fc.oneof(fc.nat({ max: 40 }), fc.constantFrom(2 ** 31, 2 ** 32, 2 ** 32 + 7, 2 ** 52))
  const op = fc.tuple(fc.constantFrom('set', 'set', 'delete'), key, fc.nat())

  it('says what a Map says, while it grows, empties and grows again', () => {
    fc.assert(
      fc.property(fc.array(op, { maxLength: 600, size: 'max' }), steps => {
        const map = new NumberMap<number>()
        const model = new Map<number, number>()
        for (const [what, at, value] of steps) {
          if (what === 'set') {
            map.set(at, value)
            model.set(at, value)
          } else assert.equal(map.delete(at), model.delete(at))
          assert.equal(map.get(at), model.get(at))
          assert.equal(map.has(at), model.has(at))
          assert.equal(map.size, model.size)
        }
        const sorted = [...model].sort(([a], [b]) => a - b)
        assert.deepEqual(map.entries(), sorted)
        assert.deepEqual(
          map.values(),
          sorted.map(([, value]) => value),
        )
        assert.equal(map.first(), sorted[0]?.[1])
      }),
      { numRuns: 200 },
    )
  })

  it('NM1: finds the keys behind one that was deleted, wherever they begin', () => {
    // Keys that hash to one place and to neighbouring ones: what one of them leaves free, some of the next ones fill.
    for (const step of [1, 2 ** 28])
      for (let first = 0; first < 64; first++) {
        const map = new NumberMap<number>()
        const keys = Array.from({ length: 8 }, (_, at) => first + at * step)
        for (const each of keys) map.set(each, each)
        for (const [at, gone] of keys.entries()) {
          map.delete(gone)
          for (const left of keys.slice(at + 1)) assert.equal(map.get(left), left)
        }
        assert.equal(map.size, 0)
      }
  })

  it('NM2: takes many, and gives their place back', () => {
    const map = new NumberMap<number>()
    const places = () => (map as unknown as { readonly places: Float64Array }).places.length
    const few = 128
    assert.ok(places() < few)
    for (let each = 0; each < 100_000; each++) map.set(each, each)
    assert.ok(places() >= 2 * map.size)
    for (let each = 0; each < 100_000; each++) assert.equal(map.delete(each), true)
    assert.equal(places(), few)
  })

  it('keeps nothing of what has left it', () => {
    const map = new NumberMap<object>()
    const stored = () => (map as unknown as { readonly stored: readonly (object | undefined)[] }).stored
    for (let each = 0; each < 1000; each++) {
      map.set(each, {})
      if (each >= 5) map.delete(each - 5)
      assert.equal(stored().filter(value => value !== undefined).length, map.size)
    }
  })
})

describe('index lists', () => {
  it('are arrays of members, many to one pair of columns', () => {
    const step = fc.tuple(fc.nat({ max: 2 }), fc.nat({ max: 2 }), fc.nat({ max: 19 }))
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200, size: 'max' }), steps => {
        const lists = new IndexLists(20)
        const numbers = [lists.create(), lists.create(), lists.create()]
        const models: number[][] = [[], [], []]
        for (const [what, which, member] of steps) {
          const at = models.findIndex(model => model.includes(member))
          if (at !== -1) {
            lists.remove(numbers[at]!, member)
            models[at] = models[at]!.filter(each => each !== member)
          } else if (what === 0) {
            lists.pushHead(numbers[which]!, member)
            models[which]!.unshift(member)
          } else {
            lists.pushTail(numbers[which]!, member)
            models[which]!.push(member)
          }
          models.forEach((model, list) => {
            const number = numbers[list]!
            assert.deepEqual([...lists.walk(number)], model)
            assert.equal(lists.size(number), model.length)
            assert.equal(lists.head(number), model[0] ?? END)
            assert.equal(lists.tail(number), model.at(-1) ?? END)
          })
        }
      }),
      { numRuns: 100 },
    )
  })

  it('give the place of a member to one that is on no list (I1, I2)', () => {
    for (const members of [[3], [3, 4], [4, 3], [4, 3, 5]]) {
      const lists = new IndexLists(10)
      const list = lists.create()
      for (const member of members) lists.pushTail(list, member)
      lists.replace(list, 3, 7)
      const left = members.map(member => (member === 3 ? 7 : member))
      assert.deepEqual([...lists.walk(list)], left)
      assert.deepEqual(
        [lists.head(list), lists.tail(list), lists.size(list)],
        [left[0], left.at(-1), left.length],
      )
      const backwards: number[] = []
      for (let member = lists.tail(list); member !== END; member = lists.prev[member]!) backwards.push(member)
      assert.deepEqual(backwards, left.toReversed())
      lists.pushHead(list, 3)
      assert.deepEqual([...lists.walk(list)], [3, ...left])
    }
  })

  it('may lose the member just seen while they are walked', () => {
    const lists = new IndexLists(5)
    const list = lists.create()
    for (let member = 0; member < 5; member++) lists.pushTail(list, member)
    const seen: number[] = []
    for (const member of lists.walk(list)) {
      seen.push(member)
      lists.remove(list, member)
    }
    assert.deepEqual(seen, [0, 1, 2, 3, 4])
  })

  it('are given back empty, and used again', () => {
    const lists = new IndexLists(2)
    const list = lists.create()
    lists.pushHead(list, 1)
    assert.throws(() => lists.destroy(list), AssertionError)
    lists.remove(list, 1)
    lists.destroy(list)
    assert.equal(lists.create(), list)
  })
})

describe('chance', () => {
  it('is the same for the same seed, on every engine', () => {
    const [a, b] = [new Prng(42), new Prng(42)]
    assert.deepEqual(
      Array.from({ length: 100 }, () => a.u32()),
      Array.from({ length: 100 }, () => b.u32()),
    )
    assert.notEqual(new Prng(1).u32(), new Prng(2).u32())
    assert.deepEqual(
      [0, -1, 2 ** 31].map(seed => Number.isInteger(new Prng(seed).u32())),
      [true, true, true],
    )
  })

  it('stays below what it is told, and reaches all of it', () => {
    const prng = new Prng(7)
    const seen = new Set(Array.from({ length: 200 }, () => prng.below(5)))
    assert.deepEqual([...seen].sort(), [0, 1, 2, 3, 4])
    for (let tries = 0; tries < 1000; tries++) {
      assert.ok(prng.below(2 ** 52) < 2 ** 52)
      const fraction = prng.fraction()
      assert.ok(fraction >= 0 && fraction < 1)
      assert.ok(['x', 'y'].includes(prng.pick(['x', 'y'])))
    }
    assert.equal(prng.below(1), 0)
  })
})

describe('a tree of groups', () => {
  it('knows who is below whom', () => {
    const tree = new GroupTree()
    const batch = tree.create(ROOT)
    const job = tree.create(batch)
    const other = tree.create(ROOT)
    assert.deepEqual(tree.children(ROOT), [batch, other])
    assert.equal(tree.parent(job), batch)
    assert.equal(tree.parent(ROOT), 0)
    assert.equal(tree.isWithin(job, batch), true)
    assert.equal(tree.isWithin(job, job), true)
    assert.equal(tree.isWithin(batch, job), false)
    assert.equal(tree.isWithin(job, other), false)
    assert.throws(() => tree.create(99), AssertionError)
  })
})
