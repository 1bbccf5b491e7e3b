/** What a file refuses and remembers: writes to one that is opened to read, and that writeback failed. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { errno } from '../base/index.ts'
import { World } from '../engine/world.suite.ts'

test('a file that is opened to read takes no write, and nothing of it changes', () => {
  const world = new World()
  const data = world.file('data', { pages: 2, holding: false, readOnly: true })
  assert.equal(world.says(world.write(data, 0, new Uint8Array(10).fill(9))), 'EROFS')
  const read = world.read(data, 0, 10)
  assert.equal(world.says(read), 'done')
  assert.deepEqual([...read.args.buffer], Array(10).fill(1))
  world.finish()
})

test('each opening is told once of a writeback that failed, one that is opened later not at all', () => {
  const world = new World()
  const data = world.file('data', { pages: 2 })
  const other = world.open(data.file)
  world.letGo(data)
  assert.equal(world.says(world.write(data, 0, new Uint8Array(4096).fill(9))), 'done')
  data.device.holding = true
  const sync = world.sync(data)
  world.fail(data, errno.EIO, 'write')
  const later = world.open(data.file)
  data.device.holding = false
  world.letGo(data)
  assert.equal(world.says(sync), 'EIO')
  assert.equal(world.says(world.sync(data, other)), 'EIO')
  assert.equal(world.says(world.sync(data, other)), 'done')
  assert.equal(world.says(world.sync(data, later)), 'done')
  world.finish()
})

test('a file that is forgotten is in no list of the cache any more', () => {
  const world = new World()
  const data = world.file('data', { pages: 2, holding: false })
  assert.equal(world.says(world.read(data, 0, 10)), 'done')
  assert.equal(world.engine.cache.files.get(data.file.id), data.file)
  assert.equal(world.says(world.forget(data)), 'done')
  assert.equal(world.engine.cache.files.get(data.file.id), undefined)
  assert.equal(world.engine.memory.free, world.engine.memory.total)
})
