/** Pairing agrees with a brute-force reading. A longer run: node src/observe/locks.fuzz.ts --count 100000 --seed 1 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkMany } from './damaged.fuzz.ts'
import { compareMany } from './locks.fuzz.ts'

const TRACES = 4000

test(`pairing agrees with a brute-force reading of ${TRACES} generated traces`, () => {
  assert.ok(compareMany(1, TRACES) > TRACES, 'the traces had waits and holds to compare')
})

const DAMAGED = 1000

test(`nothing is certain that is not true over ${DAMAGED} traces with lost, overwritten, torn and pasted events`, () => {
  assert.ok(checkMany(1, DAMAGED) > DAMAGED, 'the traces had certain statements to check')
})
