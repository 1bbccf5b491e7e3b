/** A page of the cache that goes into another frame. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PAGE, World } from '../engine/world.suite.ts'

test('a page that moves is found in its new frame, clean or dirty, and is written from there (C1, H1)', () => {
  const world = new World()
  const data = world.file('data', { pages: 3, holding: false })
  const { cache, memory } = world.engine
  world.read(data, 0, 3 * PAGE)
  world.write(data, PAGE, new Uint8Array(PAGE).fill(77))
  for (const page of [0, 1]) {
    const to = memory.nextFree
    cache.move(cache.find(data.file.id, page), to)
    assert.equal(cache.find(data.file.id, page), to)
    world.recount()
  }
  const read = world.read(data, 0, 3 * PAGE)
  assert.deepEqual(
    [0, 1, 2].map(page => read.args.buffer[page * PAGE + 9]),
    [1, 77, 3],
  )
  assert.equal(world.says(world.sync(data)), 'done')
  assert.equal(world.durable(data, PAGE), 77)
  world.finish()
})
