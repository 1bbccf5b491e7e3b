/**
 * Private pages: cases 29 and 30 of the list of nasty cases. (23 to 28 are about shared extents and DAX, which belong to
 * the volume.)
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { errno } from '../base/index.ts'
import { PAGE, World } from '../engine/world.suite.ts'
import { DISCIPLINES, PROT_READ } from './index.ts'

for (const discipline of DISCIPLINES) {
  const under = `, under ${discipline.name}`

  test(`case 29: what if a private page is stored to before it was ever read? It is a copy, and only its own${under}`, () => {
    const world = new World({ discipline })
    const data = world.file('data', { pages: 4, holding: false })
    const a = world.space('a')
    const shared = world.map(a, data)
    const own = world.map(a, data, { share: 'private' })
    assert.equal(world.says(world.fault(a, own + 1, 'store')), 'done')
    world.store(a, own + 1, 99)
    assert.equal(world.value(a, own + 1, 7), 2)
    world.fault(a, shared + 1, 'store')
    world.store(a, shared + 1, 50)
    assert.equal(world.value(a, own + 1), 99, 'what the file becomes later isn’t seen')
    assert.equal(world.engine.cache.dirtyPages, 1)
    world.finish()
    assert.equal(world.durable(data, PAGE), 50)
  })

  test(`case 29: what if it was read before? Until its own store it shows what the file becomes${under}`, () => {
    const world = new World({ discipline })
    const data = world.file('data', { pages: 4, holding: false })
    const a = world.space('a')
    const own = world.map(a, data, { share: 'private' })
    world.fault(a, own + 1, 'load')
    assert.equal(world.rights(a, own + 1), 'r')
    world.write(data, PAGE, new Uint8Array(1).fill(77))
    assert.equal(world.value(a, own + 1), 77)
    world.fault(a, own + 1, 'store')
    world.write(data, PAGE, new Uint8Array(1).fill(78))
    assert.equal(world.value(a, own + 1), 77)
    world.finish()
  })

  test(`case 29: what if there is no memory for the copy? The page stays as it is, to be read${under}`, () => {
    const world = new World({ discipline })
    const data = world.file('data', { pages: 4, holding: false })
    const a = world.space('a')
    const own = world.map(a, data, { share: 'private' })
    world.fault(a, own + 1, 'load')
    const group = world.group({ max: 0 })
    assert.equal(world.says(world.fault(a, own + 1, 'store', group)), 'ENOMEM')
    assert.equal(world.value(a, own + 1), 2)
    assert.equal(world.rights(a, own + 1), 'r')
    world.finish()
  })

  test(`case 29: what if making room for the copy must wait, and the source is changed meanwhile${under}`, () => {
    const world = new World({ discipline, frames: 2 })
    const data = world.file('data', { pages: 4, holding: false })
    const a = world.space('a')
    const own = world.map(a, data, { share: 'private' })
    const shared = world.map(a, data)
    world.fault(a, own + 1, 'load')
    data.device.holding = true
    world.fault(a, shared + 2, 'store')
    world.complete(data, 'read')
    const store = world.fault(a, own + 1, 'store')
    assert.equal(world.says(store), 'waits: memory')
    world.write(data, PAGE, new Uint8Array(1).fill(77))
    world.letGo(data)
    assert.equal(world.says(store), 'done')
    assert.equal(world.value(a, own + 1), 77)
    world.finish()
  })

  test(`case 29: what if the read for a copy fails? The store is told, and nothing is mapped${under}`, () => {
    const world = new World({ discipline })
    const data = world.file('data', { pages: 4 })
    const a = world.space('a')
    const own = world.map(a, data, { share: 'private' })
    const store = world.fault(a, own + 1, 'store')
    world.fail(data, errno.EIO)
    assert.equal(world.says(store), 'EIO')
    assert.equal(world.engine.memory.ledger.stat(1).anon, 0)
    world.finish()
  })

  test(`case 30: what if a space forks? Each side sees what was, and then only its own stores${under}`, () => {
    const world = new World({ discipline })
    const a = world.space('a')
    const at = world.map(a, undefined, { pages: 4 })
    world.fault(a, at, 'store')
    world.store(a, at, 10)
    world.fault(a, at + 1, 'load')
    const child = world.fork(a).args.child!
    for (const space of [a, child]) assert.equal(world.rights(space, at), 'r')
    assert.equal(world.value(child, at), 10)
    world.fault(a, at, 'store')
    world.store(a, at, 11)
    assert.equal(world.value(child, at), 10)
    const before = world.frame(child, at)
    world.fault(child, at, 'store')
    world.store(child, at, 12)
    assert.equal(world.frame(child, at), before, 'the last one to map it needs no copy')
    assert.equal(world.value(a, at), 11)
    world.fault(child, at + 1, 'store')
    assert.equal(world.value(child, at + 1), 0)
    world.exit(a)
    assert.equal(world.value(child, at), 12)
    world.exit(child)
    assert.equal(world.engine.memory.free, world.engine.memory.total)
    world.finish()
  })

  test(`case 30: what if three generations share one page? A copy is made for each but the last${under}`, () => {
    const world = new World({ discipline })
    const a = world.space('a')
    const at = world.map(a, undefined, { pages: 1 })
    world.fault(a, at, 'store')
    world.store(a, at, 10)
    const child = world.fork(a).args.child!
    const grandchild = world.fork(child).args.child!
    const all = [a, child, grandchild]
    assert.equal(world.engine.memory.ledger.stat(1).anon, 1)
    all.forEach((space, who) => {
      world.fault(space, at, 'store')
      world.store(space, at, 20 + who)
    })
    assert.deepEqual(
      all.map(space => world.value(space, at)),
      [20, 21, 22],
    )
    assert.equal(world.engine.memory.ledger.stat(1).anon, 3)
    world.finish()
  })

  test(`case 30: what of a file’s pages? They are faulted again, unless private copies lie among them${under}`, () => {
    const world = new World({ discipline })
    const data = world.file('data', { pages: 4, holding: false })
    const a = world.space('a')
    const shared = world.map(a, data)
    const own = world.map(a, data, { share: 'private' })
    const read = world.map(a, data, { share: 'private' })
    world.fault(a, shared, 'store')
    world.fault(a, own + 1, 'load')
    world.fault(a, read + 1, 'load')
    world.fault(a, own + 2, 'store')
    world.store(a, own + 2, 99)
    const child = world.fork(a).args.child!
    assert.equal(world.rights(child, shared), '')
    assert.equal(world.rights(child, read + 1), '')
    assert.equal(world.rights(child, own + 1), 'r')
    assert.equal(world.value(child, own + 2), 99)
    assert.equal(world.rights(a, shared), 'rw', 'a shared page stays writable')
    world.fault(child, shared, 'store')
    assert.equal(world.frame(child, shared), world.frame(a, shared))
    world.finish()
  })

  test(`case 30: what if a store waits for the disk when its space forks? The child doesn’t see it${under}`, () => {
    const world = new World({ discipline })
    const data = world.file('data', { pages: 4 })
    const a = world.space('a')
    const own = world.map(a, data, { share: 'private' })
    const store = world.fault(a, own + 1, 'store')
    const fork = world.fork(a)
    assert.match(world.says(fork), discipline.read === 'keep' ? /^waits/ : /^done$/)
    world.letGo(data)
    assert.equal(world.says(store), 'done')
    const child = fork.args.child!
    // Where the fault kept its lock the fork came after it, and took what was stored by then: nothing yet.
    assert.equal(world.rights(a, own + 1), discipline.read === 'keep' ? 'r' : 'rw')
    world.fault(a, own + 1, 'store')
    world.store(a, own + 1, 99)
    world.fault(child, own + 1, 'load')
    assert.equal(world.value(child, own + 1), 2)
    world.finish()
  })

  test(`case 30: what if the shared pages are in swap? Both bring back what was${under}`, () => {
    const world = new World({ discipline, frames: 6, swap: 32 })
    const a = world.space('a')
    const at = world.map(a, undefined, { pages: 8 })
    world.letGo({ device: world.swap! })
    for (let page = 0; page < 8; page++) {
      assert.equal(world.says(world.fault(a, at + page, 'store')), 'done')
      world.store(a, at + page, 10 + page)
    }
    assert.ok(a.swapped > 0)
    const child = world.fork(a).args.child!
    for (let page = 0; page < 8; page++) {
      assert.equal(world.says(world.fault(child, at + page, 'store')), 'done')
      assert.equal(world.value(child, at + page), 10 + page)
      world.store(child, at + page, 50 + page)
    }
    for (let page = 0; page < 8; page++) {
      world.fault(a, at + page, 'load')
      assert.equal(world.value(a, at + page), 10 + page)
      world.fault(child, at + page, 'load')
      assert.equal(world.value(child, at + page), 50 + page)
    }
    world.exit(a)
    world.exit(child)
    world.finish()
    assert.equal(world.engine.mm.swapping!.swap.freeSlots, 31)
  })

  test(`case 30: what if the shared page could not be written to swap? Each side still has it${under}`, () => {
    const world = new World({ discipline, frames: 6, swap: 32 })
    const swap = { device: world.swap! }
    const a = world.space('a')
    const at = world.map(a, undefined, { pages: 6 })
    for (let page = 0; page < 6; page++) {
      world.fault(a, at + page, 'store')
      world.store(a, at + page, 10 + page)
    }
    world.lock(a, at + 1, 5, 'locked')
    const more = world.map(a, undefined, { pages: 1 })
    const store = world.fault(a, more, 'store')
    while (world.held(swap).length > 0) world.fail(swap, errno.EIO)
    assert.equal(world.says(store), 'ENOMEM')
    assert.equal(a.swapped, 1)
    const child = world.fork(a).args.child!
    world.lock(a, at + 1, 5, 'unlocked')
    world.unmap(a, at + 5, 1)
    world.unmap(child, at + 5, 1)
    world.letGo(swap)
    for (const space of [child, a]) {
      assert.equal(world.says(world.fault(space, at, 'store')), 'done')
      assert.equal(world.value(space, at), 10)
      world.store(space, at, 20)
    }
    world.finish()
  })

  test(`case 30: what may only be read before fork stays so, and may be stored to when it is allowed${under}`, () => {
    const world = new World({ discipline })
    const a = world.space('a')
    const at = world.map(a, undefined, { pages: 1 })
    world.fault(a, at, 'store')
    world.store(a, at, 10)
    world.protect(a, at, 1, PROT_READ)
    const child = world.fork(a).args.child!
    assert.equal(world.says(world.fault(child, at, 'store')), 'EACCES')
    assert.equal(world.value(child, at), 10)
    world.finish()
  })
}
