/** Swap slots whose page is still on its way when nobody names them any more. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { World } from '../engine/world.suite.ts'

test('a slot is given out again when its page has landed, and not before, whichever lands first (SW3)', () => {
  const world = new World({ swap: 8 })
  const { swapping } = world.engine.mm
  const a = world.space('a')
  const at = world.map(a, undefined, { pages: 2 })
  for (const page of [0, 1]) world.fault(a, at + page, 'store')
  const free = swapping!.swap.freeSlots
  world.advise(a, at, 2, 'pageout')
  const [one, other] = world.swap!.held
  world.swap!.release(other!)
  world.settle()
  world.unmap(a, at, 2)
  assert.equal(swapping!.swap.freeSlots, free - 1)
  world.swap!.release(one!)
  world.settle()
  swapping!.sweep()
  assert.equal(swapping!.swap.freeSlots, free)
  world.finish()
})
