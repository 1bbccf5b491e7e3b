/** Files of almost 2^53 bytes, and the keys of their pages. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { hex, NUMBERS_MAX, numberIn } from './records.ts'
import { ok, PAGE, VolumeWorld } from './volume-world.suite.ts'

test('keys of numbers are ordered as the numbers are, and are read back', () => {
  const number = fc.oneof(
    fc.integer({ min: 0, max: NUMBERS_MAX - 1 }),
    fc.integer({ min: 2 ** 40 - 3, max: 2 ** 40 + 3 }),
  )
  fc.assert(
    fc.property(number, number, (one, other) => {
      assert.equal(hex(one).length, 10)
      assert.equal(numberIn(`e${hex(one)}`), one)
      assert.equal(hex(one) < hex(other), one < other)
    }),
  )
  assert.equal(hex(NUMBERS_MAX - 1), 'vfffffffff')
})

test('a file holds its last byte at 2^53 - 2, a hole before it, and a crash finds both', () => {
  const at = new VolumeWorld({ blocks: 64 })
  const a = at.create('/a', 1)
  const last = Number.MAX_SAFE_INTEGER - 1
  at.write(a, last, Uint8Array.of(77))
  at.write(a, 2 ** 52 - PAGE, new Uint8Array(2 * PAGE).fill(5))
  at.sync(a)
  assert.equal(a.file.size, Number.MAX_SAFE_INTEGER)
  at.recount()
  const later = at.crash()
  const found = later.open('/a')
  assert.deepEqual([...later.read(found, last - 2, 10)], [0, 0, 77])
  assert.deepEqual([...later.read(found, 2 ** 52 - 1, 2)], [5, 5])
  assert.deepEqual([...later.read(found, 2 ** 51, 2)], [0, 0])
  assert.equal(later.world.says(later.world.truncate(found, 10)), 'done')
  assert.equal(ok(later.volume.stat('/a')).blocks, 1)
  later.commit()
  later.recount()
})
