/** Buffers taken by position, against the same bytes in one run. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { blocksIn, joined, slice } from './pieces.ts'

const lengths = fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 6 })

test('slices, joined bytes and blocks are what the same bytes in one run say', () => {
  fc.assert(
    fc.property(
      lengths,
      fc.nat(30),
      fc.nat(30),
      fc.integer({ min: 1, max: 7 }),
      (sizes, start, length, block) => {
        let next = 1
        const buffers = sizes.map(size => Uint8Array.from({ length: size }, () => next++))
        const flat = buffers.flatMap(buffer => [...buffer])
        const there = flat.slice(start, start + length)
        assert.deepEqual(
          slice(buffers, start, start + length).flatMap(part => [...part]),
          there,
        )
        const padded = [...there, ...new Array(length - there.length).fill(0)]
        assert.deepEqual([...joined(buffers, start, start + length)], padded)
        const blocks = [...blocksIn(buffers, block)]
        assert.ok(blocks.every(({ length }) => length === block))
        assert.deepEqual(blocks.flatMap(each => [...each]).slice(0, flat.length), flat)
        assert.equal(blocks.length, Math.ceil(flat.length / block))
      },
    ),
  )
})
