/**
 * Write notification: cases 16 to 22 of the list of nasty cases. Ours has no freezing of filesystems; what case 22 asks
 * for, that a page is dirty before anyone can store to it, is recounted after every attempt.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { errno, MS } from '../base/index.ts'
import { WRITEBACK_DEFAULTS } from '../cache/index.ts'
import { check } from '../engine/index.ts'
import { PAGE, World } from '../engine/world.suite.ts'
import { DIRTY, WRITEBACK } from '../memory/index.ts'
import { replace } from '../rig/index.ts'
import { DISCIPLINES, type Discipline, newOpening, PROT_READ, type Space } from './index.ts'

/** A dirty page 1 of `data` that is on its way to the device. */
function writing(discipline: Discipline, { stablePages }: { readonly stablePages: boolean }) {
  const world = new World({ discipline })
  const data = world.file('data', { pages: 4, stablePages, holding: false })
  const a = world.space('a')
  const at = world.map(a, data) + 1
  world.fault(a, at, 'store')
  world.store(a, at, 50)
  data.device.holding = true
  const sync = world.sync(data)
  assert.deepEqual(world.held(data), ['write 1'])
  return { world, data, a, at, sync, frame: world.frame(a, at) }
}

/** A page without its space, up to date and mapped to be read. */
function sparse(discipline: Discipline) {
  const world = new World({ discipline })
  const data = world.file('data', { pages: 4, spaceFor: 0, holding: false })
  const a = world.space('a')
  const at = world.map(a, data) + 1
  world.fault(a, at, 'load')
  data.device.holding = true
  return { world, data, a, at }
}

for (const discipline of DISCIPLINES) {
  const under = `, under ${discipline.name}`

  test(`case 16: what if a store comes while its page is being written? It asks again, and isn't lost${under}`, () => {
    const { world, data, a, at, frame } = writing(discipline, { stablePages: false })
    assert.equal(world.rights(a, at), 'r')
    assert.equal(world.says(world.fault(a, at, 'store')), 'done')
    world.store(a, at, 51)
    assert.ok(world.engine.memory.frames.has(frame, DIRTY))
    assert.ok(world.engine.memory.frames.has(frame, WRITEBACK))
    world.complete(data, 'write')
    assert.equal(world.engine.cache.dirtyPages, 1)
    world.finish()
    assert.equal(world.durable(data, PAGE), 51)
    assert.equal(a.stat.mkwrites, 2)
  })

  test(`case 16: what if pages must be stable? The store waits for the end of writing${under}`, () => {
    const { world, data, a, at } = writing(discipline, { stablePages: true })
    const store = world.fault(a, at, 'store')
    assert.equal(world.says(store), 'waits: writeback')
    assert.equal(world.says(world.fault(a, at, 'load')), 'done', 'a load doesn’t')
    assert.equal(store.held.length, discipline.prepare === 'keep' ? 1 : 0)
    world.complete(data, 'write')
    assert.equal(world.says(store), 'done')
    assert.equal(world.durable(data, PAGE), 50)
    world.finish()
  })

  test(`case 16: what if several map the page? Each asks once for each time it was clean${under}`, () => {
    const world = new World({ discipline })
    const data = world.file('data', { pages: 4, holding: false })
    const spaces = [world.space('a'), world.space('b')]
    const at = spaces.map(space => world.map(space, data) + 1)
    for (let round = 1; round <= 3; round++) {
      spaces.forEach((space, who) => {
        assert.equal(world.says(world.fault(space, at[who]!, 'store')), 'done')
        world.store(space, at[who]!, 10 * round + who)
        world.fault(space, at[who]!, 'store')
      })
      assert.equal(world.says(world.sync(data)), 'done')
      assert.equal(world.durable(data, PAGE), 10 * round + 1)
      spaces.forEach((space, who) => {
        assert.equal(world.rights(space, at[who]!), 'r')
        assert.equal(space.stat.mkwrites, round)
      })
    }
    world.finish()
  })

  test(`case 17: what if the page is cut off between the fault and its permission${under}`, () => {
    const { world, data, at, a } = writing(discipline, { stablePages: true })
    const store = world.fault(a, at, 'store')
    const truncate = world.truncate(data, 0)
    world.complete(data, 'write')
    world.letGo(data)
    assert.equal(world.says(truncate), 'done')
    assert.equal(world.says(store), 'ENXIO')
    assert.equal(world.value(a, at), undefined)
    world.finish()
  })

  test(`case 17: what if reclaim wants the page while the store waits for its space? It is pinned${under}`, () => {
    const { world, data, a, at } = sparse(discipline)
    const frame = world.frame(a, at)
    const store = world.fault(a, at, 'store')
    assert.equal(world.says(store), 'waits: reserve')
    assert.equal(world.engine.memory.frames.pins[frame], 2, 'by the store and by the reservation')
    assert.equal(world.engine.memory.pressure(0, 1).kind, 'fail')
    world.complete(data, 'write')
    assert.equal(world.says(store), 'done')
    assert.equal(world.frame(a, at), frame)
    world.finish()
  })

  for (const error of [errno.ENOSPC, errno.EDQUOT, errno.EIO])
    test(`case 18: what if there is no space (errno ${error})? The store fails, the page stays clean, later it may succeed${under}`, () => {
      const { world, data, a, at } = sparse(discipline)
      const store = world.fault(a, at, 'store')
      world.fail(data, error)
      assert.equal(store.errno, error)
      assert.equal(world.rights(a, at), 'r')
      assert.equal(world.engine.cache.dirtyPages, 0)
      assert.equal(data.backing.isReserved(data.file, 1), false)
      assert.equal(a.stat.mkwrites, 0)
      const again = world.fault(a, at, 'store')
      world.complete(data, 'write')
      assert.equal(world.says(again), 'done')
      world.finish()
    })

  test(`case 18: what if two stores want the same space, and it fails? Each is told by a try of its own${under}`, () => {
    const { world, data, a, at } = sparse(discipline)
    const b = world.space('b')
    const inB = world.map(b, data) + 1
    const [first, second] = [world.fault(a, at, 'store'), world.fault(b, inB, 'store')]
    assert.deepEqual(world.held(data), ['write 1'])
    world.fail(data, errno.ENOSPC)
    assert.equal(world.says(first), 'ENOSPC')
    assert.equal(world.says(second), 'waits: reserve')
    world.complete(data, 'write')
    assert.equal(world.says(second), 'done')
    world.finish()
  })

  test(`case 19: what if the store is killed while space is set aside? Whoever comes next finds it done${under}`, () => {
    const { world, data, a, at } = sparse(discipline)
    const store = world.fault(a, at, 'store')
    world.kill(store)
    const next = world.fault(a, at, 'store')
    assert.deepEqual(world.held(data), ['write 1'], 'it isn’t set aside twice')
    world.complete(data, 'write')
    assert.equal(world.says(next), 'done')
    world.finish()
  })

  test(`case 19: what if nobody comes back for it, and the file is closed? Nothing is left of it${under}`, () => {
    const { world, data, a, at } = sparse(discipline)
    const store = world.fault(a, at, 'store')
    world.kill(store)
    world.unmap(a, at - 1, 4)
    const forget = world.forget(data)
    world.complete(data, 'write')
    assert.equal(world.says(forget), 'done')
    assert.equal(world.engine.memory.free, world.engine.memory.total)
    world.finish()
  })

  test(`case 20: what if msync waits for the disk? It holds nothing, and looks everything up again${under}`, () => {
    const { world, data, a, at } = writing(discipline, { stablePages: false })
    const msync = world.msync(a, at - 1, 5)
    assert.equal(world.says(msync), 'waits: child')
    assert.equal(msync.held.length, 0)
    assert.equal(world.says(world.unmap(a, at + 1, 1)), 'done')
    assert.equal(world.says(world.proc(a, 'maps')), 'done')
    world.letGo(data)
    assert.equal(world.says(msync), 'ENOMEM', 'its last page was never mapped: told at the end')
    assert.equal(world.durable(data, PAGE), 50)
    world.finish()
  })

  test(`case 20: what if writing failed? Each open file is told once, by its next sync${under}`, () => {
    const { world, data, sync } = writing(discipline, { stablePages: false })
    const other = world.open(data.file)
    world.fail(data, errno.EIO)
    world.letGo(data)
    assert.equal(world.says(sync), 'EIO')
    assert.equal(world.says(world.sync(data)), 'done')
    assert.equal(world.says(world.sync(data, other)), 'EIO')
    assert.equal(world.says(world.sync(data, other)), 'done')
    assert.equal(world.durable(data, PAGE), 50)
    world.finish()
  })

  test(`case 21: what if too much is dirty? The entry is set, then the writer pauses${under}`, () => {
    const world = new World({ discipline, frames: 200 })
    const data = world.file('data', { pages: 100, holding: false })
    const a = world.space('a')
    const at = world.map(a, data)
    world.populate(a, at, at + 100, 'load')
    data.device.holding = true
    for (let page = 0; page < 31; page++) assert.equal(world.says(world.fault(a, at + page, 'store')), 'done')
    const store = world.faulting(a, at + 31, 'store')
    world.step()
    assert.equal(world.says(store), 'waits: throttle')
    assert.equal(world.rights(a, at + 31), 'rw')
    const keeps = discipline.throttle === 'keep'
    assert.equal(store.held.length, keeps ? 1 : 0)
    assert.equal(store.args.fault.lockReleased, !keeps)
    const unmap = world.unmap(a, at + 90, 10)
    assert.match(world.says(unmap), keeps ? /^waits/ : /^done$/)
    const mkwrites = a.stat.mkwrites
    world.later(300 * MS)
    assert.equal(world.says(store), 'done')
    assert.equal(world.says(unmap), 'done')
    assert.equal(a.stat.mkwrites, mkwrites, 'it isn’t faulted twice')
    assert.equal(store.args.fault.retries, 0)
    world.finish()
  })

  test(`case 22: no moment passes between dirty and writable, in either direction${under}`, () => {
    const world = new World({ discipline, checked: true })
    const data = world.file('data', { pages: 4, spaceFor: 2, stablePages: true, holding: false })
    const spaces = [world.space('a'), world.space('b')]
    const at = spaces.map(space => world.map(space, data))
    for (let round = 0; round < 3; round++) {
      spaces.forEach((space, who) => {
        for (let page = 0; page < 4; page++) world.fault(space, at[who]! + page, 'store')
      })
      world.sync(data)
      world.fork(spaces[0]!, `child ${round}`)
    }
    world.truncate(data, 3 * PAGE)
    world.finish()
  })

  test(`case 20: what if a page is synced through a mapping whose file was opened for reading? Nothing is written${under}`, () => {
    const world = new World({ discipline })
    const data = world.file('data', { pages: 2, holding: false })
    const a = world.space('a')
    const at = world.map(a, data)
    const readAt = world.map(a, newOpening(data.file, { readOnly: true }), { prot: PROT_READ })
    world.fault(a, at, 'store')
    world.store(a, at, 99)
    assert.equal(world.says(world.msync(a, readAt, 2)), 'done')
    assert.equal(world.durable(data, 0), 1)
    assert.equal(world.says(world.msync(a, at, 2)), 'done')
    assert.equal(world.durable(data, 0), 99)
    world.finish()
  })
}

test('writeback write-protects each mapping of each page of a bio, and no other page (RM1)', () => {
  const world = new World({ frames: 64, writeback: { ...WRITEBACK_DEFAULTS, backgroundRatio: 1, ratio: 1 } })
  const data = world.file('data', { pages: 12, holding: false })
  const other = world.file('other', { pages: 12, holding: false })
  const [a, b] = [world.space('a'), world.space('b')]
  const whole = world.map(a, data)
  const middle = world.map(b, data, { offset: 3, pages: 4 })
  const twice = world.map(a, data, { offset: 5, pages: 7 })
  const copies = world.map(b, data, { share: 'private' })
  const beside = world.map(b, other)
  const store = (space: Space, start: number, pages: number) => {
    for (let page = 0; page < pages; page++) world.fault(space, start + page, 'store')
  }
  store(b, beside, 12)
  store(b, copies, 6)
  store(a, whole, 10)
  store(b, middle, 4)
  store(a, twice, 7)
  const rights = (space: Space, start: number, pages: number) =>
    Array.from({ length: pages }, (_, page) => world.rights(space, start + page))
  const copied = rights(b, copies, 12)
  assert.equal(world.says(world.sync(data)), 'done')
  for (const [space, start, pages] of [
    [a, whole, 10],
    [b, middle, 4],
    [a, twice, 7],
  ] as const)
    assert.deepEqual(rights(space, start, pages), Array(pages).fill('r'))
  assert.deepEqual(rights(b, copies, 12), copied)
  assert.deepEqual(rights(b, beside, 12), Array(12).fill('rw'))
  world.finish()
})

test('case 22: the recount would see a page that writeback forgot to write-protect', () => {
  const world = new World({ checked: false })
  const { rmap } = world.engine.mm
  replace(world.engine.cache, 'mappers', () => ({
    unmapPage: (...asked) => rmap.unmapPage(...asked),
    unmapRange: (...asked) => rmap.unmapRange(...asked),
    nextMapped: (...asked) => rmap.nextMapped(...asked),
    writeProtect() {},
  }))
  const data = world.file('data', { pages: 4, holding: false })
  const a = world.space('a')
  const at = world.map(a, data)
  world.fault(a, at, 'store')
  assert.deepEqual(check(world.engine), [])
  world.sync(data)
  assert.deepEqual(check(world.engine), [`FA3: page ${at} of a is writable, so shared and dirty`])
})
