/** Populating: what it asks of a device before it needs it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { World } from '../engine/world.suite.ts'

const PAGES = 24

test('what is absent of a file is read some way ahead, though the advice says that touches are random', () => {
  const world = new World({ frames: 64 })
  const data = world.file('data', { pages: PAGES })
  const space = world.space('app')
  const at = world.map(space, data, { advice: 'random' })
  const task = world.populate(space, at, at + PAGES, 'load')
  assert.deepEqual(world.held(data), ['read 0-7'], 'an eighth of memory, before the first page is there')
  world.complete(data)
  assert.deepEqual(world.held(data).length, 1, 'and the next part while pages of this one are used')
  world.letGo(data)
  assert.equal(world.says(task), 'done')
  for (let page = 0; page < PAGES; page++) assert.equal(world.value(space, at + page), page + 1)
  world.finish()
})
