/**
 * Locks and waits: cases 31 to 35 of the list of nasty cases; 33 is the inversion that the project is about. (The rules
 * of the fair lock itself, and case 32, a reader that takes it twice, are in lock/rw-lock.test.ts.)
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MS, SECOND } from '../base/index.ts'
import { PAGE, World } from '../engine/world.suite.ts'
import { DISCIPLINES } from './index.ts'

for (const discipline of DISCIPLINES) {
  const under = `, under ${discipline.name}`

  test(`case 31: what if write(2) and a fault want one page at once? Neither holds what the other needs${under}`, () => {
    const world = new World({ discipline })
    const data = world.file('data', { pages: 4, spaceFor: 0 })
    const a = world.space('a')
    const at = world.map(a, data)
    const write = world.write(data, 2 * PAGE + 5, new Uint8Array(10).fill(77))
    const store = world.fault(a, at + 2, 'store')
    assert.equal(write.held.length, 0)
    assert.equal(world.says(store), 'waits: page lock')
    world.complete(data, 'read')
    assert.deepEqual(world.held(data), ['write 2'], 'one reservation for both')
    const truncate = world.truncate(data, 3 * PAGE)
    world.letGo(data)
    for (const task of [write, store, truncate]) assert.equal(world.says(task), 'done')
    assert.equal(world.value(a, at + 2, 5), 77)
    world.finish()
  })

  test(`case 33: what if a load waits for the disk, a fork comes, and a monitor reads cmdline${under}`, () => {
    const world = new World({ discipline })
    const data = world.file('data', { pages: 4 })
    const a = world.space('a')
    const at = world.map(a, data)
    world.fault(a, at + 2, 'load')
    const fork = world.fork(a)
    const monitor = world.proc(a, 'cmdline')
    const hangs = discipline.read === 'keep'
    assert.equal(world.says(monitor), hangs ? 'waits: lock' : 'done')
    assert.equal(a.stat.ioUnderLock, hangs ? 1 : 0)
    world.complete(data)
    assert.equal(world.says(fork), 'done')
    assert.equal(world.says(monitor), 'done')
    world.finish()
  })

  test(`case 33: what if it is a store that waits for the end of writing${under}`, () => {
    const world = new World({ discipline })
    const data = world.file('data', { pages: 4, stablePages: true, holding: false })
    const a = world.space('a')
    const at = world.map(a, data)
    world.fault(a, at + 2, 'store')
    data.device.holding = true
    world.sync(data)
    const before = a.stat.ioUnderLock
    const store = world.fault(a, at + 2, 'store')
    assert.equal(world.says(store), 'waits: writeback')
    const fork = world.fork(a)
    const monitor = world.proc(a, 'cmdline')
    const maps = world.proc(a, 'maps')
    const writer = world.mapping(a, undefined)
    const keeps = discipline.prepare === 'keep'
    const hangs = keeps && discipline.fork === 'all'
    assert.equal(world.says(monitor), hangs && discipline.readers === 'mmap' ? 'waits: lock' : 'done')
    // The stack isn't locked yet, but the VMA that fork waits for is; and who writes needs the mmap lock itself.
    assert.equal(world.says(maps), hangs ? 'waits: lock' : 'done')
    assert.equal(world.says(writer), hangs ? 'waits: lock' : 'done')
    assert.equal(
      world.says(fork),
      hangs ? (discipline.takes === 'mmap' ? 'waits: lock' : 'waits: vma lock') : 'done',
    )
    assert.equal(a.stat.ioUnderLock - before, keeps ? 1 : 0)
    world.letGo(data)
    for (const task of [store, fork, monitor, maps, writer]) assert.equal(world.says(task), 'done')
    world.finish()
  })

  test(`case 33: without a writer in the queue the monitor never waits${under}`, () => {
    const world = new World({ discipline })
    const data = world.file('data', { pages: 4 })
    const a = world.space('a')
    world.fault(a, world.map(a, data) + 2, 'load')
    for (const file of ['cmdline', 'maps', 'smaps'] as const)
      assert.equal(world.says(world.proc(a, file)), 'done')
    world.finish()
  })

  test(`case 34: what if a page that everyone wants is read on a throttled group’s account${under}`, () => {
    const world = new World({ discipline })
    const data = world.file('data', { pages: 4 })
    const [slow, quick] = [world.group(), world.group()]
    world.engine.io.setMax('*', slow, { rbps: PAGE / 4 })
    const a = world.space('a', slow)
    const b = world.space('b', quick)
    const first = world.fault(a, world.map(a, data) + 2, 'load')
    assert.equal(world.says(first), 'waits: read')
    assert.deepEqual(world.held(data), [], 'the throttle holds it back')
    const second = world.fault(b, world.map(b, data) + 2, 'load')
    assert.deepEqual(world.held(data), ['read 2'], 'it goes by the limits of whoever waits')
    world.complete(data)
    assert.equal(world.says(second), 'done')
    world.finish()
  })

  test(`case 34: what if the throttled one holds the lock, or doesn’t, while a monitor of another group reads${under}`, () => {
    const world = new World({ discipline })
    const data = world.file('data', { pages: 4, holding: false })
    const slow = world.group()
    world.engine.io.setMax('*', slow, { rbps: PAGE / 4 })
    const a = world.space('a', slow)
    const at = world.map(a, data)
    world.fault(a, at + 2, 'load', slow)
    world.fork(a)
    const monitor = world.proc(a, 'cmdline')
    world.later(100 * MS)
    assert.equal(world.says(monitor), discipline.read === 'keep' ? 'waits: lock' : 'done')
    world.later(10 * SECOND)
    assert.equal(world.says(monitor), 'done')
    world.finish()
  })

  test(`case 35: what if memory is squeezed after every step? Each fault restarts a bounded number of times${under}`, () => {
    const world = new World({ discipline, frames: 2 })
    const data = world.file('data', { pages: 8, spaceFor: 0 })
    const a = world.space('a')
    const at = world.map(a, data)
    for (let page = 0; page < 8; page++) {
      const store = world.fault(a, at + page, 'store')
      for (let steps = 0; world.says(store) !== 'done'; steps++) {
        assert.ok(steps < 20, `page ${page}: ${world.says(store)}`)
        if (world.held(data).length > 0) world.complete(data)
        world.engine.memory.pressure(0, 1)
        world.settle()
      }
      assert.ok(store.args.fault.retries <= 4, `${store.args.fault.retries} retries`)
    }
    assert.equal(a.stat.rereads, 0)
    world.finish()
  })
}
