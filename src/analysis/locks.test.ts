/** Pairing agrees with a brute-force reading. A longer run: node src/analysis/locks.fuzz.ts --count 100000 --seed 1 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { emptyRecord, Kind } from '../trace/index.ts'
import { checkMany } from './damaged.fuzz.ts'
import { compareMany } from './locks.fuzz.ts'
import { Locks } from './locks.ts'

const TRACES = 4000

test(`pairing agrees with a brute-force reading of ${TRACES} generated traces`, () => {
  assert.ok(compareMany(1, TRACES) > TRACES, 'the traces had waits and holds to compare')
})

const DAMAGED = 1000

test(`nothing is certain that is not true over ${DAMAGED} traces with lost, overwritten, torn and pasted events`, () => {
  assert.ok(checkMany(1, DAMAGED) > DAMAGED, 'the traces had certain statements to check')
})

test('a task that asks for another lock waits no longer: the end of its wait was lost (LP2)', () => {
  const locks = new Locks({ waited: () => {}, held: () => {} })
  const told = (kind: Kind, mm: string, time: number) =>
    locks.event({ ...emptyRecord(), kind, mm, time, tid: 7, comm: 'app' })
  told(Kind.start, 'a', 1)
  told(Kind.start, 'b', 2)
  assert.deepEqual(
    locks.openWaits().map(wait => [wait.mm, wait.start]),
    [['b', 2]],
  )
  assert.equal(locks.healed, 1)
  told(Kind.acquired, 'b', 3)
  assert.deepEqual(locks.openWaits(), [])
  assert.equal(locks.healed, 1)
})
