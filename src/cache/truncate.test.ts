/** Truncation and punching: what they wait for, what becomes of them when they are killed. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { errno } from '../base/index.ts'
import { PAGE, World } from '../engine/world.suite.ts'

/** A file of which nothing has its space yet, and a store that is just setting space aside for page 2. */
function reserving() {
  const world = new World()
  const data = world.file('data', { pages: 4, spaceFor: 0 })
  const a = world.space('a')
  const at = world.map(a, data)
  const store = world.fault(a, at + 2, 'store')
  world.complete(data, 'read')
  assert.equal(world.says(store), 'waits: reserve')
  assert.deepEqual(world.held(data), ['write 2'])
  return { world, data, a, at, store }
}

describe('a truncation', () => {
  it('waits for a reservation in its range, which would write the old page behind it', () => {
    const { world, data, store } = reserving()
    const truncate = world.truncate(data, 0)
    assert.equal(world.says(truncate), 'waits: reserve')
    assert.deepEqual(world.held(data), ['write 2'])
    world.complete(data, 'write')
    assert.deepEqual(world.held(data), ['resize 0'])
    world.complete(data)
    assert.equal(world.says(store), 'ENXIO')
    assert.equal(data.disk.length, 0)
    world.finish()
  })

  it('waits for no reservation outside its range', () => {
    const { world, data } = reserving()
    const punch = world.punch(data, 0, PAGE)
    assert.equal(world.says(punch), 'waits: device')
    world.finish()
    assert.equal(world.says(punch), 'done')
  })
})

describe('a punch', () => {
  it('waits for a reservation in its range too', () => {
    const { world, data, a, at, store } = reserving()
    const punch = world.punch(data, 2 * PAGE, PAGE)
    world.complete(data, 'write')
    world.complete(data, 'zero')
    assert.equal(world.says(punch), 'done')
    world.finish()
    assert.equal(world.says(store), 'done')
    assert.equal(world.value(a, at + 2), 0)
    assert.equal(world.durable(data, 2 * PAGE), 0)
  })
})

describe('what a page holds past the end of its file', () => {
  it('doesn’t show when the file grows: it was stored there, or cut off (Q3)', () => {
    const world = new World()
    const data = world.file('data', { pages: 2, size: PAGE + 100, holding: false })
    const a = world.space('a')
    const at = world.map(a, data)
    world.fault(a, at + 1, 'store')
    world.store(a, at + 1, 99, 200)
    const seen = () => [...world.read(data, PAGE, PAGE).args.buffer]
    const expected = new Array(PAGE).fill(0).fill(2, 0, 100)
    assert.equal(world.says(world.truncate(data, 2 * PAGE)), 'done')
    assert.deepEqual(seen(), expected)
    assert.equal(world.says(world.truncate(data, PAGE + 50)), 'done')
    assert.equal(world.says(world.truncate(data, 2 * PAGE)), 'done')
    assert.deepEqual(seen(), expected.fill(0, 50))
    world.finish()
  })
})

describe('a punch that begins or ends within a page', () => {
  for (const [position, length] of [
    [PAGE + 100, 50],
    [PAGE + 100, PAGE],
    [100, 3 * PAGE],
  ] as const)
    it(`zeroes ${length} bytes from ${position} on, and none beside them (X1)`, () => {
      const world = new World()
      const data = world.file('data', { pages: 4, holding: false })
      const bytes = () => [...world.read(data, 0, 4 * PAGE).args.buffer]
      const expected = bytes().fill(0, position, position + length)
      assert.equal(world.says(world.punch(data, position, length)), 'done')
      assert.deepEqual(bytes(), expected)
      world.finish()
    })
})

describe('a truncation that is killed', () => {
  it('before it has asked the backing: nothing has changed', () => {
    const world = new World()
    const data = world.file('data', { pages: 4 })
    const load = world.fault(world.space('a'), 0, 'load')
    assert.equal(world.says(load), 'EFAULT')
    const a = world.space('b')
    const at = world.map(a, data)
    const reader = world.fault(a, at + 3, 'load')
    const truncate = world.truncate(data, 0)
    assert.equal(world.says(truncate), 'waits: page lock')
    world.kill(truncate)
    world.finish()
    assert.equal(world.says(reader), 'done')
    assert.equal(world.value(a, at + 3), 4)
    assert.equal(data.file.size, 4 * PAGE)
  })

  it('while the backing is at it: it is seen through, and nobody reads the range before', () => {
    const world = new World()
    const data = world.file('data', { pages: 4 })
    const a = world.space('a')
    const at = world.map(a, data)
    const punch = world.punch(data, 0, PAGE)
    assert.deepEqual(world.held(data), ['zero 0'])
    world.kill(punch)
    assert.equal(world.says(punch), 'EINTR')
    const load = world.fault(a, at, 'load')
    assert.equal(world.says(load), 'waits: invalidate')
    world.complete(data, 'zero')
    world.complete(data, 'read')
    assert.equal(world.value(a, at), 0)
    world.finish()
  })

  it('between the end of the backing and its own: size and backing agree all the same', () => {
    const world = new World()
    const data = world.file('data', { pages: 4 })
    const truncate = world.truncate(data, PAGE)
    data.device.release(data.device.held[0]!)
    world.step()
    assert.equal(world.says(truncate), 'ready')
    world.kill(truncate)
    assert.equal(world.says(truncate), 'EINTR')
    assert.equal(data.disk.length, PAGE)
    assert.equal(data.file.size, PAGE)
    world.finish()
  })

  it('and fails: size and pages are as they were', () => {
    const world = new World()
    const data = world.file('data', { pages: 4 })
    const truncate = world.truncate(data, PAGE)
    world.kill(truncate)
    world.fail(data, errno.EIO)
    assert.equal(data.file.size, 4 * PAGE)
    world.finish()
  })
})
