/** Promises for pages, against a set; and bytes in pieces taken block by block, against the same bytes in one. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { blocksIn } from './pieces.ts'
import { Reserved } from './reserved.ts'

const ALL = { start: 0, end: Infinity }
const pages = fc.integer({ min: 0, max: 5000 })

describe('the pages that have a block promised', () => {
  it('are those that were added and not taken away, and those in holes are counted as they are now', () => {
    const step = fc.record({ does: fc.constantFrom('add', 'delete', 'fill', 'ask'), page: pages } as const)
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), steps => {
        const reserved = new Reserved()
        const model = new Set<number>()
        const filled = new Set<number>()
        for (const { does, page } of steps) {
          if (does === 'add') {
            reserved.add(page, filled.has(page) ? 'in a block' : 'nowhere')
            model.add(page)
          } else if (does === 'delete') {
            reserved.delete(page)
            model.delete(page)
          } else if (does === 'fill') {
            filled.add(page)
            reserved.placed(page)
          } else assert.equal(reserved.has(page), model.has(page))
          assert.equal(reserved.size, model.size)
          assert.equal(reserved.inHoles, [...model].filter(each => !filled.has(each)).length)
        }
        assert.deepEqual(
          reserved.inside(ALL, Infinity),
          [...model].sort((a, b) => a - b),
        )
      }),
    )
  })

  it('come in parts, each behind the last', () => {
    const reserved = new Reserved()
    for (let page = 0; page < 3000; page += 2) reserved.add(page, page < 2992 ? 'nowhere' : 'in a block')
    assert.equal(reserved.inside(ALL, Infinity).length, 1500)
    assert.deepEqual(reserved.inside({ start: 2990, end: 2996 }, 2), [2990, 2992])
    assert.deepEqual(reserved.inHolesInside({ start: 2990, end: 2996 }, 2), [2990])
  })
})

describe('bytes in pieces', () => {
  it('are the same block by block, the last one filled up with zeros', () => {
    const length = fc.integer({ min: 0, max: 20 })
    fc.assert(
      fc.property(fc.array(length, { maxLength: 12 }), fc.constantFrom(1, 4, 8), (lengths, size) => {
        let next = 0
        const buffers = lengths.map(many => Uint8Array.from({ length: many }, () => ++next))
        const blocks = [...blocksIn(buffers, size)]
        const whole = Array.from({ length: Math.ceil(next / size) * size }, (_, at) =>
          at < next ? at + 1 : 0,
        )
        assert.ok(blocks.every(block => block.length === size))
        assert.deepEqual(
          blocks.flatMap(block => [...block]),
          whole,
        )
      }),
    )
  })
})
