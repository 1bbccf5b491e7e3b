/** Lists and chance against naive models: OrderedList, IndexLists, Prng, GroupTree. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { AssertionError, END, GroupTree, IndexLists, OrderedList, Prng, ROOT } from './index.ts'

interface Span {
  readonly id: number
  start: number
  end: number
}

const byStart = (a: Span, b: Span) => a.start - b.start

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
