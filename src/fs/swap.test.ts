/** The slots of a swap area: who names them, and that what nobody names is given out again. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AssertionError } from '../base/index.ts'
import { World } from '../engine/world.suite.ts'
import { Swap } from './index.ts'

test('a slot is shared while two entries name it, and free when none does (SW1)', () => {
  const swap = new Swap(new World().file('swap', { pages: 3 }).file, 3)
  assert.equal(swap.freeSlots, 2)
  const slot = swap.allocate(1)
  assert.equal(swap.isShared(slot), false)
  swap.share(slot)
  assert.equal(swap.isShared(slot), true)
  assert.equal(swap.drop(slot), 'still used')
  assert.throws(() => swap.release(slot), AssertionError)
  assert.equal(swap.drop(slot), 'unused')
  assert.throws(() => swap.drop(slot), AssertionError)
  swap.release(slot)
  assert.equal(swap.freeSlots, 2)
  const both = [swap.allocate(2), swap.allocate(1)]
  assert.ok(!both.includes(0) && swap.isShared(both[0]!))
  assert.equal(swap.allocate(1), 0, 'the area is full')
})
