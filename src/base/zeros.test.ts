/** The parts of bytes that aren't holes, against a model that looks at each byte. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { solidParts } from './zeros.ts'

const STEP = 64 * 1024

const parts = (bytes: Uint8Array) => [...solidParts(bytes)]

/** Each step by its bytes, neighbours joined. */
function model(bytes: Uint8Array) {
  const found: { start: number; end: number }[] = []
  for (let start = 0; start < bytes.length; start += STEP) {
    const end = Math.min(start + STEP, bytes.length)
    if (!bytes.subarray(start, end).some(byte => byte !== 0)) continue
    if (found.at(-1)?.end === start) found.at(-1)!.end = end
    else found.push({ start, end })
  }
  return found
}

test('one byte anywhere makes its step solid, and the rest stays a hole', () => {
  const length = 3 * STEP + 7
  for (const at of [0, 1, STEP - 1, STEP, 2 * STEP + 3, 3 * STEP, length - 1]) {
    const bytes = new Uint8Array(length)
    bytes[at] = 1
    const start = at - (at % STEP)
    assert.deepEqual(parts(bytes), [{ start, end: Math.min(start + STEP, length) }], `byte ${at}`)
  }
  assert.deepEqual(parts(new Uint8Array(length)), [])
  assert.deepEqual(parts(new Uint8Array(length).fill(1)), [{ start: 0, end: length }])
  assert.deepEqual(parts(new Uint8Array(0)), [])
})

test('the parts are what a look at each byte finds, wherever the bytes begin in their buffer', () => {
  const places = fc.array(fc.nat(5 * STEP - 1), { maxLength: 6 })
  fc.assert(
    fc.property(fc.nat(5), fc.nat(5 * STEP), places, (offset, length, at) => {
      const buffer = new Uint8Array(offset + length + 4).fill(255)
      const bytes = buffer.subarray(offset, offset + length).fill(0)
      for (const place of at) if (place < length) bytes[place] = 1
      assert.deepEqual(parts(bytes), model(bytes))
    }),
    { numRuns: 40 },
  )
})
