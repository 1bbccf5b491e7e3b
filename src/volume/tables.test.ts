/** The ordered map and the tables of runs against naive models; checksums against a flipped bit. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { Prng } from '../base/index.ts'
import { Scheduler, TimedDriver } from '../sched/index.ts'
import { MIX53, sumsOf } from './checksum.ts'
import { MemoryStore } from './memory-store.ts'
import { Overlay } from './overlay.ts'
import { type Run, RunTable } from './runs.ts'
import { SortedMap } from './sorted-map.ts'

describe('a sorted map', () => {
  it('holds what a plain map holds, in order (SM1, SM2)', () => {
    const key = fc.integer({ min: 0, max: 400 }).map(number => number.toString(36))
    const step = fc.record({ key, what: fc.constantFrom('set', 'set', 'delete') })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 900, size: 'max' }), key, key, (steps, from, end) => {
        const map = new SortedMap<number>()
        const model = new Map<string, number>()
        steps.forEach(({ key, what }, at) => {
          if (what === 'set') {
            map.set(key, at)
            model.set(key, at)
          } else assert.equal(map.delete(key), model.delete(key))
        })
        const sorted = [...model].sort(([a], [b]) => (a < b ? -1 : 1))
        assert.deepEqual([...map], sorted)
        assert.equal(map.size, model.size)
        assert.deepEqual(
          [...map.range(from, end)].map(({ key, value }) => [key, value]),
          sorted.filter(([key]) => key >= from && key < end),
        )
        for (const { key } of steps) assert.equal(map.get(key), model.get(key))
      }),
      { numRuns: 60 },
    )
  })

  it('is the same whichever way many keys have come (SM1, SM2)', () => {
    const names = Array.from({ length: 1000 }, (_, number) => String(number).padStart(4, '0'))
    const odd = names.filter((_, at) => at % 2 === 1)
    for (const order of [names, names.toReversed(), [...odd, ...names.toReversed()]]) {
      const map = new SortedMap<string>()
      for (const name of order) {
        map.set(name, name)
        assert.ok(map['blocks'].every(({ keys }) => keys.length > 0))
      }
      assert.deepEqual(
        [...map],
        names.map(name => [name, name]),
      )
      for (const name of names) assert.equal(map.ceiling(name, '~')?.key, name)
      for (const name of odd) assert.ok(map.delete(name))
      for (const name of odd) assert.equal(map.get(name), undefined)
      assert.equal(map.size, 500)
    }
  })

  it('is walked in order while keys come and go: the next is always the least behind the last', () => {
    const map = new SortedMap<number>()
    const model = new Set<number>()
    const name = (number: number) => String(number).padStart(4, '0')
    const put = (number: number) => {
      map.set(name(number), number)
      model.add(number)
    }
    const remove = (number: number) => {
      map.delete(name(number))
      model.delete(number)
    }
    for (let number = 0; number < 600; number += 2) put(number)
    let last = 9
    const next = () => Math.min(...[...model].filter(number => number > last && number < 590))
    for (const { value } of map.range(name(10), name(590))) {
      assert.equal(value, next())
      last = value
      if (value % 3 === 0) remove(value)
      if (value % 5 === 0) put(value - 9)
      if (value % 7 === 0) put(value + 1)
      if (value % 11 === 0) remove(value + 2)
    }
    assert.equal(next(), Infinity)
  })
})

function overlay(): { overlay: Overlay; store: MemoryStore } {
  const store = new MemoryStore(new Scheduler(new TimedDriver()))
  return { overlay: new Overlay(store, MIX53), store }
}

describe('a overlay', () => {
  it('shows what a plain map shows, through failed edits and commits that end well or not (J1, J3)', () => {
    const key = fc.integer({ min: 0, max: 30 }).map(number => number.toString(36))
    const change = fc.tuple(key, fc.option(fc.integer({ min: 0, max: 255 })))
    const step = fc.oneof(
      fc.record({
        what: fc.constantFrom('edit' as const, 'failed edit' as const),
        changes: fc.array(change),
      }),
      fc.record({ what: fc.constantFrom('seal' as const, 'durable' as const, 'lost' as const) }),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40, size: 'max' }), steps => {
        const { overlay: it, store } = overlay()
        const model = new Map<string, number>()
        let committed = new Map<string, number>()
        let sealed: Map<string, number> | undefined
        for (const step of steps) {
          if (step.what === 'edit' || step.what === 'failed edit') {
            const edit = () => {
              for (const [key, value] of step.changes)
                if (value === null) it.delete(key)
                else it.put(key, new Uint8Array([value]))
              if (step.what === 'failed edit') throw new Error('not done')
            }
            if (step.what === 'failed edit') assert.throws(() => it.edit(edit), /not done/)
            else {
              it.edit(edit)
              for (const [key, value] of step.changes)
                if (value === null) model.delete(key)
                else model.set(key, value)
            }
          } else if (step.what === 'seal') {
            if (sealed !== undefined) continue
            sealed = new Map(model)
            it.seal()
            store.commit(it.changes('', Infinity))
          } else if (sealed !== undefined) {
            store.release(step.what === 'durable' ? 0 : 5)
            it.settled(step.what)
            if (step.what === 'durable') committed = sealed
            sealed = undefined
          }
          const sorted = [...model].sort(([a], [b]) => (a < b ? -1 : 1))
          assert.deepEqual(
            [...it.range('', '~')].map(({ key, value }) => [key, value[0]]),
            sorted,
          )
          for (const [key, value] of sorted) assert.equal(it.get(key)![0], value)
          const durable = new Overlay(new MemoryStore(new Scheduler(new TimedDriver()), store.image()), MIX53)
          assert.deepEqual(
            new Map([...durable.range('', '~')].map(({ key, value }) => [key, value[0]])),
            committed,
          )
        }
      }),
      { numRuns: 100 },
    )
  })
})

describe('what is removed from an overlay', () => {
  it('is passed over in one walk, however much of it no commit has taken out yet', () => {
    const { overlay: it, store } = overlay()
    const name = (number: number) => String(number).padStart(4, '0')
    const all = (change: (key: string) => void) => {
      it.edit(() => {
        for (let number = 0; number < 3000; number++) change(name(number))
      })
    }
    all(key => it.put(key, new Uint8Array(1)))
    it.seal()
    store.commit(it.changes('', Infinity))
    store.release(0)
    it.settled('durable')
    all(key => it.delete(key))
    it.edit(() => it.put('a', new Uint8Array([7])))
    let walks = 0
    const range = store.range.bind(store)
    store.range = (start, end) => {
      walks++
      return range(start, end)
    }
    assert.equal(it.first('', '~')?.value[0], 7)
    assert.ok(walks <= 2, `${walks} walks of the store`)
  })
})

describe('a table of runs', () => {
  for (const values of ['still', 'rising'] as const)
    it(`says of each number what a plain array says, in as few runs as can be; values ${values} (RU1, RU2)`, () => {
      const step = fc.record({
        what: fc.constantFrom('add' as const, 'take' as const),
        start: fc.integer({ min: 0, max: 60 }),
        length: fc.integer({ min: 0, max: 20 }),
        value: fc.integer({ min: 0, max: 3 }),
        tag: fc.integer({ min: 0, max: 1 }),
      })
      fc.assert(
        fc.property(fc.array(step, { maxLength: 60, size: 'max' }), steps => {
          const { overlay: it } = overlay()
          const table = new RunTable(it, 'x', values)
          const model: ({ value: number; tag: number } | undefined)[] = new Array(90).fill(undefined)
          const slope = values === 'rising' ? 1 : 0
          for (const { what, start, length, value, tag } of steps) {
            const end = start + length
            let taken: Run[] = []
            it.edit(() => {
              taken = table.take(start, end)
              if (what === 'add' && length > 0) table.add({ start, end, value: value + slope * start, tag })
            })
            assert.deepEqual(spread(taken, slope), cells(model, start, end))
            for (let at = start; at < end; at++)
              model[at] = what === 'add' ? { value: value + slope * at, tag } : undefined
            const all = [...table.inside(0, 90)]
            assert.deepEqual(spread(all, slope), cells(model, 0, 90))
            const joins = all.filter((run, at) => {
              const next = all[at + 1]
              return (
                next?.start === run.end &&
                next.tag === run.tag &&
                next.value === run.value + slope * (run.end - run.start) &&
                run.end === end
              )
            })
            if (what === 'add') assert.deepEqual(joins, [])
          }
        }),
        { numRuns: 150 },
      )
    })
})

function spread(runs: readonly Run[], slope: number) {
  return runs.flatMap(run =>
    Array.from({ length: run.end - run.start }, (_, at) => ({
      at: run.start + at,
      value: run.value + slope * at,
      tag: run.tag,
    })),
  )
}

function cells(model: readonly ({ value: number; tag: number } | undefined)[], start: number, end: number) {
  return model.flatMap((cell, at) => (cell !== undefined && at >= start && at < end ? [{ at, ...cell }] : []))
}

describe('mix53', () => {
  it('changes with every flipped bit, aligned or not, and is never 0 (CS1)', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1, maxLength: 80 }),
        fc.nat(),
        fc.nat(3),
        (bytes, where, offset) => {
          const sum = MIX53.of(bytes)
          assert.ok(Number.isSafeInteger(sum) && sum > 0)
          const moved = new Uint8Array(bytes.length + 4).subarray(offset, offset + bytes.length)
          moved.set(bytes)
          assert.equal(MIX53.of(moved), sum)
          const bit = where % (8 * bytes.length)
          moved[bit >> 3]! ^= 1 << (bit & 7)
          assert.notEqual(MIX53.of(moved), sum)
        },
      ),
    )
  })

  it('is the same of a block alone and among others, however they lie in memory (CS2)', () => {
    const blocks = fc.integer({ min: 0, max: 20 })
    const cuts = fc.array(fc.nat(20 * 4096), { maxLength: 6 })
    fc.assert(
      fc.property(blocks, fc.constantFrom(512, 4096), cuts, fc.nat(), (count, size, places, seed) => {
        const prng = new Prng(seed)
        const bytes = Uint8Array.from({ length: count * size }, () => prng.u32())
        const edges = [0, ...places.map(place => Math.min(place, bytes.length)), bytes.length].sort(
          (a, b) => a - b,
        )
        const buffers = edges.slice(1).map((end, at) => bytes.slice(edges[at], end))
        const alone = Array.from({ length: count }, (_, at) =>
          MIX53.of(bytes.subarray(at * size, (at + 1) * size)),
        )
        assert.deepEqual(sumsOf(MIX53, buffers, size), alone)
      }),
    )
  })
})
