/** What becomes of pages that a program doesn't want: MADV_FREE, MADV_COLD and MADV_PAGEOUT, and stores that come after. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { World } from '../engine/world.suite.ts'
import { replace } from '../rig/index.ts'

/** Four pages of memory that hold 1 to 4, freed; the first is stored to again. */
function freed() {
  const world = new World({ frames: 64 })
  const a = world.space('a')
  const at = world.map(a, undefined, { pages: 4, share: 'private' })
  for (let page = 0; page < 4; page++) {
    world.fault(a, at + page, 'store')
    world.store(a, at + page, page + 1)
  }
  world.advise(a, at, 4, 'free')
  return { world, a, at }
}

test('freed pages are there until memory is wanted, and no store to one goes unseen (UW2)', () => {
  const { world, a, at } = freed()
  for (let page = 0; page < 4; page++) {
    assert.equal(world.rights(a, at + page), '', 'the next touch is seen')
    world.fault(a, at + page, 'load')
    assert.equal(world.value(a, at + page), page + 1)
    assert.equal(world.rights(a, at + page), 'r')
  }
  world.finish()
})

test('reclaim drops a freed page without writing it, and keeps one that was stored to since', () => {
  const { world, a, at } = freed()
  world.fault(a, at, 'store')
  world.store(a, at, 99)
  world.advise(a, at, 4, 'pageout')
  for (let page = 1; page < 4; page++) {
    world.fault(a, at + page, 'load')
    assert.equal(world.value(a, at + page), 0, 'zeros in its place')
  }
  world.fault(a, at, 'load')
  assert.equal(world.value(a, at), 99)
  world.finish()
})

test('a store that kept a freed page from nothing would be lost: that is seen', () => {
  const { world, a, at } = freed()
  replace(world.engine.memory, 'mayDrop', mayDrop => (frame, may) => {
    if (may === 'yes') mayDrop(frame, may)
  })
  world.fault(a, at, 'store')
  world.store(a, at, 99)
  world.advise(a, at, 4, 'pageout')
  world.fault(a, at, 'load')
  assert.equal(world.value(a, at), 0)
})

test('pages of a file that are paged out come back from it; dirty ones stay', () => {
  const world = new World({ frames: 64 })
  const data = world.file('data', { pages: 4, holding: false })
  const a = world.space('a')
  const at = world.map(a, data)
  for (let page = 0; page < 4; page++) world.fault(a, at + page, 'load')
  world.fault(a, at, 'store')
  world.store(a, at, 99)
  world.advise(a, at, 4, 'cold')
  world.advise(a, at, 4, 'pageout')
  world.fault(a, at, 'load')
  assert.equal(world.value(a, at), 99)
  assert.equal(world.value(a, at + 1), undefined)
  world.fault(a, at + 1, 'load')
  assert.equal(world.value(a, at + 1), 2)
  world.finish()
})

test('what is freed while it is in swap is gone at once, and frames that have its numbers are left alone', () => {
  const world = new World({ frames: 64, swap: 16 })
  const a = world.space('a')
  const at = world.map(a, undefined, { pages: 16, share: 'private' })
  for (let page = 0; page < 16; page++) {
    world.fault(a, at + page, 'store')
    world.store(a, at + page, page + 1)
  }
  world.advise(a, at + 8, 8, 'pageout')
  world.complete({ device: world.swap! })
  world.advise(a, at + 8, 8, 'pageout')
  assert.equal(a.resident, 8, 'half of them are in swap')
  world.advise(a, at + 8, 8, 'free')
  for (let page = 0; page < 16; page++) {
    if (page >= 8) world.fault(a, at + page, 'load')
    assert.equal(world.value(a, at + page), page < 8 ? page + 1 : 0)
  }
  world.finish()
})

test('a page that another space maps too stays as it is', () => {
  const world = new World({ frames: 64 })
  const data = world.file('data', { pages: 2, holding: false })
  const [a, b] = [world.space('a'), world.space('b')]
  const [atA, atB] = [world.map(a, data), world.map(b, data)]
  for (const page of [0, 1]) world.fault(a, atA + page, 'load')
  world.fault(b, atB, 'load')
  for (const advice of ['cold', 'pageout'] as const) {
    world.advise(a, atA, 2, advice)
    assert.deepEqual([world.rights(a, atA), world.rights(b, atB)], ['r', 'r'], advice)
    assert.equal(world.rights(a, atA + 1), '', advice)
  }
  world.finish()
})
