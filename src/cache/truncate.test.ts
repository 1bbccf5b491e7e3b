/** Truncation and punching: what they wait for, what becomes of them when they are killed. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { PAGE, World } from '../machine/world.suite.ts'

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
