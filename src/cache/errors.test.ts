/** Errors of devices as the cache hands them on: to those who asked, once, and without a loop. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { errno, SECOND } from '../base/index.ts'
import { PAGE, World } from '../engine/world.suite.ts'

describe('a read of several pages that fails', () => {
  it('tells no error to a fault whose own page is good: the page is read alone', () => {
    const world = new World()
    const data = world.file('data', { pages: 8 })
    const a = world.space('a')
    const at = world.map(a, data, { advice: 'normal' })
    const load = world.fault(a, at + 4, 'load')
    assert.deepEqual(world.held(data), ['read 0-7'])
    world.fail(data, errno.EIO)
    assert.equal(world.says(load), 'waits: read')
    assert.deepEqual(world.held(data), ['read 4'])
    world.complete(data)
    assert.equal(world.says(load), 'done')
    assert.equal(world.value(a, at + 4), 5)
    world.finish()
  })

  it('tells the fault of the bad page, after that page alone has failed', () => {
    const world = new World()
    const data = world.file('data', { pages: 8 })
    const a = world.space('a')
    const at = world.map(a, data, { advice: 'normal' })
    const load = world.fault(a, at + 4, 'load')
    world.fail(data, errno.EIO)
    world.fail(data, errno.EIO)
    assert.equal(world.says(load), 'EIO')
    assert.deepEqual(world.held(data), [])
    world.finish()
  })
})

describe('a read call on a device that fails', () => {
  it('ends with EIO instead of reading the same pages for ever', () => {
    const world = new World()
    const data = world.file('data', { pages: 6 })
    const read = world.read(data, 0, 3 * PAGE)
    for (
      let tries = 0;
      world.says(read) === 'waits: page lock' || world.says(read) === 'waits: read';
      tries++
    ) {
      assert.ok(tries < 3)
      world.fail(data, errno.EIO)
    }
    assert.equal(world.says(read), 'EIO')
    world.finish()
  })

  it('has read what lies before the bad page', () => {
    const world = new World()
    const data = world.file('data', { pages: 6 })
    const read = world.read(data, 0, 3 * PAGE)
    world.fail(data, errno.EIO)
    world.complete(data)
    for (let tries = 0; world.held(data).length > 0; tries++) {
      assert.ok(tries < 3)
      world.fail(data, errno.EIO)
    }
    assert.equal(world.says(read), 'EIO')
    assert.equal(read.args.copied, PAGE)
    world.finish()
  })
})

describe('a write that fails', () => {
  it('leaves the page dirty while a truncation that keeps part of it waits', () => {
    const world = new World()
    const data = world.file('data', { pages: 4, holding: false })
    const a = world.space('a')
    const at = world.map(a, data)
    world.fault(a, at, 'store')
    world.store(a, at, 99)
    data.device.holding = true
    const sync = world.sync(data)
    const truncate = world.truncate(data, 100)
    assert.deepEqual(world.held(data), ['write 0'])
    world.fail(data, errno.EIO)
    world.finish()
    assert.equal(world.says(sync), 'EIO')
    assert.equal(world.says(truncate), 'done')
    assert.equal(world.durable(data, 0), 99)
  })

  it('is tried again after a while, not at once, however much is dirty', () => {
    const world = new World({ frames: 20 })
    const data = world.file('data', { pages: 8, holding: false })
    const a = world.space('a')
    const at = world.map(a, data)
    data.device.holding = true
    for (let page = 0; page < 6; page++) {
      world.fault(a, at + page, 'store')
      world.complete(data, 'read')
    }
    let failed = 0
    for (; world.held(data).length > 0; failed++) {
      assert.ok(failed < 10)
      world.fail(data, errno.EIO)
    }
    assert.ok(failed > 0)
    world.later(4 * SECOND)
    assert.deepEqual(world.held(data), [])
    world.later(2 * SECOND)
    assert.notDeepEqual(world.held(data), [])
    world.finish()
    assert.equal(world.says(world.sync(data)), 'EIO')
  })

  it('gives ENOMEM to whoever needs the memory, instead of writing for ever', () => {
    const world = new World({ frames: 4 })
    const data = world.file('data', { pages: 8 })
    const a = world.space('a')
    const at = world.map(a, data)
    for (let page = 0; page < 4; page++) {
      world.fault(a, at + page, 'store')
      world.complete(data, 'read')
      while (world.held(data).length > 0) world.fail(data, errno.EIO)
    }
    const load = world.fault(a, at + 4, 'load')
    for (let failed = 0; world.held(data).length > 0; failed++) {
      assert.ok(failed < 10)
      world.fail(data, errno.EIO)
    }
    assert.equal(world.says(load), 'ENOMEM')
    world.finish()
  })
})
