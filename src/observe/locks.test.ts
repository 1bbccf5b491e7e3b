/** Pairing agrees with a brute-force reading. OBSERVE_TRACES=100000 OBSERVE_SEED=1 for a longer run. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compareOne } from './locks.fuzz.ts'

const TRACES = Number(process.env.OBSERVE_TRACES ?? 4000)
const SEED = Number(process.env.OBSERVE_SEED ?? 1)

test(`pairing agrees with a brute-force reading of ${TRACES} generated traces from seed ${SEED}`, () => {
  let compared = 0
  for (let seed = SEED; seed < SEED + TRACES; seed++) {
    const { told, expected, text } = compareOne(seed)
    assert.deepEqual(told, expected, `OBSERVE_SEED=${seed} OBSERVE_TRACES=1\n${text}`)
    compared += told.length
  }
  assert.ok(compared > TRACES, 'the traces had waits and holds to compare')
})
