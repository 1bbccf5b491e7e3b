/** Numbers of records: what is read is what was written, or damage. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Damage } from './failure.ts'
import { decodeNumbers, decodeRun, encodeNumbers, isZero, u64, viewOf } from './fields.ts'

const NUMBERS = [0, 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 33, 2 ** 52, Number.MAX_SAFE_INTEGER]

test('numbers below 2^53 are read as they were written, wherever they lie', () => {
  const bytes = encodeNumbers(...NUMBERS)
  assert.deepEqual(decodeNumbers(bytes, NUMBERS.length, 'the record'), NUMBERS)
  const later = new Uint8Array([7, ...bytes]).subarray(1)
  assert.deepEqual(decodeNumbers(later, NUMBERS.length, 'the record'), NUMBERS)
})

test('0 is told from every other number, and only 0', () => {
  const view = viewOf(encodeNumbers(...NUMBERS))
  for (const [at, number] of NUMBERS.entries()) {
    assert.equal(u64(view, 8 * at), number)
    assert.equal(isZero(view, 8 * at), number === 0)
  }
})

test('a record that is missing, of another length, or with a number above 2^53 is damaged', () => {
  assert.throws(() => decodeNumbers(undefined, 1, 'the record'), Damage)
  assert.throws(() => decodeNumbers(encodeNumbers(1, 2), 1, 'the record'), Damage)
  const large = encodeNumbers(1, 2)
  large[14] = 0x20
  assert.throws(() => decodeNumbers(large, 2, 'the record'), /the record has a number above 2\^53/)
})

test('a run is read as it was written, or is damaged', () => {
  const run = encodeNumbers(5, 2 ** 40, Number.MAX_SAFE_INTEGER)
  assert.deepEqual(decodeRun('f9', run, 10), {
    start: 5,
    end: 10,
    value: 2 ** 40,
    tag: Number.MAX_SAFE_INTEGER,
  })
  assert.throws(() => decodeRun('f9', run.subarray(8), 10), /the run f9 has 16 bytes, expected 24/)
  for (const field of [0, 1, 2]) {
    const damaged = run.slice()
    damaged[8 * field + 6] = 0x20
    assert.throws(() => decodeRun('f9', damaged, 10), /the run f9 has a number above 2\^53/)
  }
})
