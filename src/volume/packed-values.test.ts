/** Values packed into buffers against an array of them; the sums of a sweep however many edges a block has. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import fc from 'fast-check'
import { BlockSweep } from './check-blocks.ts'
import { PackedValues } from './packed-values.ts'
import { SortedMap } from './sorted-map.ts'

const value = fc.option(fc.uint8Array({ maxLength: 300 }), { freq: 6 })
const step = fc.record({
  what: fc.constantFrom('insert', 'insert', 'replace', 'remove', 'cut', 'copy'),
  at: fc.nat(200),
  value,
})

it('packed values are what was put there, and what was handed out stays so (VQ1)', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200, size: 'max' }), steps => {
      let values = new PackedValues()
      let model: (Uint8Array | null)[] = []
      const handed: { readonly seen: Uint8Array; readonly was: Uint8Array }[] = []
      for (const { what, at, value } of steps) {
        const place = at % (model.length + 1)
        if (what === 'insert') {
          values.insert(place, value)
          model.splice(place, 0, value)
        } else if (what === 'copy') values = values.copy()
        else if (place < model.length) {
          if (what === 'replace') {
            values.replace(place, value)
            model[place] = value
          } else if (what === 'remove') {
            values.remove(place)
            model.splice(place, 1)
          } else {
            const head = model.slice(0, place)
            values = values.cut(place)
            model = model.slice(head.length)
          }
        }
        const seen = model.map((_, at) => values.at(at))
        assert.deepEqual(seen, model)
        for (const each of seen) if (each !== null) handed.push({ seen: each, was: each.slice() })
      }
      for (const { seen, was } of handed) assert.deepEqual(seen, was)
    }),
    { numRuns: 60 },
  )
})

it('what is replaced for ever needs no more room than it and its like (VQ2)', () => {
  const values = new PackedValues()
  for (let place = 0; place < 100; place++) values.insert(place, new Uint8Array(24))
  for (let round = 0; round < 10_000; round++) values.replace(round % 100, new Uint8Array(24).fill(round))
  assert.ok(values['bytes'].length <= 2 * 101 * 28)
  assert.deepEqual(
    [...values.at(99)!],
    Array.from({ length: 24 }, () => 9_999 % 256),
  )
})

it('a copy of packed values and they themselves don’t show one another’s changes (SM3)', () => {
  const map = new SortedMap(() => new PackedValues())
  for (let key = 0; key < 500; key++) map.set(String(key).padStart(4, '0'), new Uint8Array([key % 256]))
  const copy = map.copy()
  for (let key = 0; key < 500; key += 2) map.set(String(key).padStart(4, '0'), null)
  for (let key = 1; key < 500; key += 2) copy.delete(String(key).padStart(4, '0'))
  for (let key = 0; key < 500; key++) {
    const name = String(key).padStart(4, '0')
    const [even, bytes] = [key % 2 === 0, new Uint8Array([key % 256])]
    assert.deepEqual([map.get(name), map.has(name)], [even ? null : bytes, true])
    assert.deepEqual([copy.get(name), copy.has(name)], [even ? bytes : undefined, even])
  }
})

it('a sweep sums what is told of one block, however often', () => {
  const often = 40_000
  const sweep = new BlockSweep()
  for (let time = 0; time < often; time++) sweep.add('extents', 7, 9)
  sweep.add('shared', 7, 8, often)
  sweep.add('free', 1, 7)
  sweep.add('free', 9, 3000)
  const wrong = [...sweep.wrong(3000)].filter(sentence => sentence !== '')
  assert.deepEqual(wrong, [`block 8 is shared by ${often} extents, and 0 are written down`])
})
