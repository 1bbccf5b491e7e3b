/** Reclaim: what it finds, what it leaves alone, and when it gives up. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { World } from '../engine/world.suite.ts'

test('what if memory is full of pages that were all used since anybody looked? Some are taken all the same (RC3)', () => {
  const world = new World({ frames: 3000, checked: false })
  const data = world.file('data', { pages: 3200, holding: false })
  const a = world.space('a')
  const at = world.map(a, data)
  for (let page = 0; page < 3200; page++) {
    const load = world.fault(a, at + page, 'load')
    if (world.says(load) !== 'done') assert.fail(`page ${page}: ${world.says(load)}`)
  }
  assert.equal(world.value(a, at + 3199), 3200 & 0xff)
  world.finish()
})

test('what if they were mapped by fault-around, and never asked for one by one?', () => {
  const world = new World({ frames: 3000, checked: false })
  const data = world.file('data', { pages: 3200, holding: false })
  const a = world.space('a')
  const at = world.map(a, data, { advice: 'normal' })
  for (let page = 0; page < 3200; page++)
    if (world.value(a, at + page) === undefined) {
      const load = world.fault(a, at + page, 'load')
      if (world.says(load) !== 'done') assert.fail(`page ${page}: ${world.says(load)}`)
    }
  world.finish()
})

test('what if every page is locked in memory? The next one gets ENOMEM, and memory is as it was', () => {
  const world = new World({ frames: 8 })
  const data = world.file('data', { pages: 12, holding: false })
  const a = world.space('a')
  const at = world.map(a, data)
  world.lock(a, at, 8, 'locked')
  world.populate(a, at, at + 8, 'load')
  assert.equal(world.says(world.fault(a, at + 8, 'load')), 'ENOMEM')
  assert.equal(a.resident, 8)
  world.lock(a, at, 8, 'unlocked')
  assert.equal(world.says(world.fault(a, at + 8, 'load')), 'done')
  world.finish()
})

test('a use through a mapping that is read in order does not keep a page; one through another mapping does', () => {
  for (const [advice, kept] of [
    ['normal', true],
    ['sequential', false],
    ['random', false],
  ] as const) {
    const world = new World({ frames: 64 })
    const [old, fresh] = [
      world.file('old', { pages: 8, holding: false }),
      world.file('fresh', { pages: 128, holding: false }),
    ]
    const a = world.space('a')
    const at = world.map(a, old, { advice })
    const other = world.map(a, fresh, { advice: 'random' })
    world.populate(a, at, at + 8, 'load')
    world.populate(a, other, other + 56, 'load')
    // The first reclaim meets the pages of `old` first.
    assert.equal(world.says(world.fault(a, other + 56, 'load')), 'done')
    for (let page = 0; page < 8; page++)
      assert.equal(world.engine.cache.find(old.file.id, page) !== 0, kept, `${advice}: page ${page}`)
    world.finish()
  }
})
