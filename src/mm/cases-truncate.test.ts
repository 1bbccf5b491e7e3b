/**
 * Truncate, punch and the end of a file against faults: cases 1 to 6 of the list of nasty cases, under every discipline.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PAGE, RW, World } from '../engine/world.suite.ts'
import { DISCIPLINES, PROT_READ } from './index.ts'

for (const discipline of DISCIPLINES) {
  const under = `, under ${discipline.name}`

  test(`case 1: what if a fault reads a page that a truncation wants to take${under}`, () => {
    const world = new World({ discipline })
    const data = world.file('data', { pages: 4 })
    const a = world.space('a')
    const at = world.map(a, data)
    const load = world.fault(a, at + 3, 'load')
    const truncate = world.truncate(data, 2 * PAGE)
    assert.equal(world.says(truncate), 'waits: page lock')
    const late = world.fault(a, at + 2, 'load')
    assert.equal(world.says(late), 'waits: invalidate')
    world.complete(data, 'read')
    assert.equal(world.says(load), 'done')
    assert.equal(world.value(a, at + 3), 4, 'until the file is shorter the page is there')
    world.complete(data, 'resize')
    assert.equal(world.says(truncate), 'done')
    assert.equal(world.value(a, at + 3), undefined)
    assert.equal(world.says(late), 'ENXIO')
    world.finish()
  })

  test(`case 1: what if the page was stored to, shared and in private, before the truncation${under}`, () => {
    const world = new World({ discipline })
    const data = world.file('data', { pages: 4, holding: false })
    const a = world.space('a')
    const shared = world.map(a, data)
    const own = world.map(a, data, { share: 'private' })
    for (const vpn of [shared + 2, own + 2, own + 3]) {
      world.fault(a, vpn, 'store')
      world.store(a, vpn, 99)
    }
    world.truncate(data, 3 * PAGE)
    assert.equal(world.value(a, own + 2), 99)
    assert.equal(world.value(a, own + 3), undefined, 'a private copy past the end goes too')
    assert.equal(world.says(world.fault(a, own + 3, 'load')), 'ENXIO')
    world.truncate(data, 0)
    for (const vpn of [shared + 2, own + 2]) assert.equal(world.value(a, vpn), undefined)
    world.truncate(data, 4 * PAGE)
    world.fault(a, shared + 2, 'load')
    assert.equal(world.value(a, shared + 2), 0)
    world.finish()
    assert.equal(world.durable(data, 2 * PAGE), 0)
  })

  test(`case 1: what if the private copy is made while the truncation waits for its device${under}`, () => {
    const world = new World({ discipline })
    const data = world.file('data', { pages: 4, holding: false })
    const a = world.space('a')
    const own = world.map(a, data, { share: 'private' })
    world.fault(a, own + 3, 'load')
    data.device.holding = true
    const truncate = world.truncate(data, 0)
    assert.equal(world.says(truncate), 'waits: device')
    assert.equal(world.says(world.fault(a, own + 3, 'store')), 'done')
    world.store(a, own + 3, 99)
    world.complete(data, 'resize')
    assert.equal(world.value(a, own + 3), undefined)
    assert.equal(world.engine.memory.ledger.stat(1).anon, 0)
    world.finish()
  })

  test(`case 2: what if a hole is punched under a private copy? The copy stays${under}`, () => {
    const world = new World({ discipline })
    const data = world.file('data', { pages: 4, holding: false })
    const a = world.space('a')
    const shared = world.map(a, data)
    const own = world.map(a, data, { share: 'private' })
    world.fault(a, shared + 1, 'load')
    world.fault(a, own + 1, 'store')
    world.store(a, own + 1, 99)
    world.punch(data, 0, 4 * PAGE)
    assert.equal(world.value(a, own + 1), 99)
    assert.equal(world.value(a, shared + 1), undefined)
    world.fault(a, shared + 1, 'load')
    assert.equal(world.value(a, shared + 1), 0)
    world.truncate(data, 0)
    assert.equal(world.value(a, own + 1), undefined, 'a truncation takes it')
    world.finish()
  })

  for (const who of ['a fault', 'readahead', 'a read call'] as const)
    test(`case 3: what if ${who} wants the page while the hole is being punched${under}`, () => {
      const world = new World({ discipline })
      const data = world.file('data', { pages: 8 })
      const a = world.space('a')
      const at = world.map(a, data)
      const punch = world.punch(data, 2 * PAGE, PAGE)
      assert.deepEqual(world.held(data), ['zero 2'])
      const wanting =
        who === 'a fault'
          ? world.fault(a, at + 2, 'load')
          : who === 'readahead'
            ? world.advise(a, at, 8, 'willneed')
            : world.read(data, 2 * PAGE, PAGE)
      const reads = world.held(data).filter(request => request.startsWith('read'))
      assert.deepEqual(reads, who === 'readahead' ? ['read 0-1', 'read 3-7'] : [])
      world.complete(data, 'zero')
      assert.equal(world.says(punch), 'done')
      world.letGo(data)
      assert.equal(world.says(wanting), 'done')
      world.fault(a, at + 2, 'load')
      assert.equal(world.value(a, at + 2), 0)
      world.finish()
    })

  test(`case 4: what if a page beyond the end is touched? It fails by page, not by byte${under}`, () => {
    const world = new World({ discipline })
    const data = world.file('data', { pages: 2, size: PAGE + 100, holding: false })
    const a = world.space('a')
    const at = world.map(a, data, { pages: 4 })
    assert.equal(world.says(world.fault(a, at + 1, 'store')), 'done')
    assert.equal(world.value(a, at + 1, 99), 2)
    assert.equal(world.value(a, at + 1, 100), 0)
    assert.equal(world.says(world.fault(a, at + 2, 'load')), 'ENXIO')
    assert.equal(world.says(world.fault(a, at + 2, 'store')), 'ENXIO')
    world.finish()
  })

  for (const how of ['a truncation', 'a write', 'writeback, then a truncation'] as const)
    test(`case 4: what was stored past the end never shows when ${how} makes the file longer${under}`, () => {
      const world = new World({ discipline })
      const data = world.file('data', { pages: 1, size: 100, holding: false })
      const a = world.space('a')
      const at = world.map(a, data)
      world.fault(a, at, 'store')
      world.store(a, at, 99, 200)
      world.store(a, at, 98, 50)
      if (how === 'writeback, then a truncation') world.sync(data)
      if (how === 'a write') world.write(data, PAGE - 1, new Uint8Array(1).fill(7))
      else world.truncate(data, PAGE)
      assert.equal(world.rights(a, at) === '' ? 0 : world.value(a, at, 200), 0)
      world.fault(a, at, 'load')
      assert.equal(world.value(a, at, 200), 0)
      assert.equal(world.value(a, at, 50), 98)
      world.finish()
      assert.equal(world.durable(data, 200), 0)
      assert.equal(world.durable(data, 50), 98)
    })

  test(`case 5: what if fault-around meets the end of the file? It maps no page past it${under}`, () => {
    const world = new World({ discipline })
    const data = world.file('data', { pages: 6, holding: false })
    const a = world.space('a')
    const at = world.map(a, data, { pages: 16, advice: 'normal' })
    world.write(data, 6 * PAGE, new Uint8Array(PAGE).fill(7))
    world.truncate(data, 5 * PAGE)
    world.fault(a, at + 1, 'load')
    world.unmap(a, at, 16)
    const again = world.map(a, data, { pages: 16, advice: 'normal', fixed: at })
    world.fault(a, again + 1, 'load')
    assert.deepEqual(
      [...a.table.used(again, again + 16)],
      [0, 1, 2, 3, 4].map(page => again + page),
    )
    world.finish()
  })

  test(`case 5: what if a growing write has put a page in place that isn’t the file’s yet${under}`, () => {
    const world = new World({ discipline })
    const data = world.file('data', { pages: 4, holding: false })
    const a = world.space('a')
    const at = world.map(a, data, { pages: 16, advice: 'normal' })
    world.fault(a, at, 'load')
    world.unmap(a, at, 16)
    data.device.holding = true
    const write = world.write(data, 4 * PAGE, new Uint8Array(PAGE).fill(99))
    assert.equal(world.says(write), 'waits: reserve')
    const again = world.map(a, data, { pages: 16, advice: 'normal', fixed: at })
    assert.equal(world.says(world.fault(a, again, 'load')), 'done')
    assert.equal(world.rights(a, again + 4), '')
    assert.equal(world.says(world.fault(a, again + 4, 'load')), 'ENXIO')
    world.letGo(data)
    assert.equal(world.says(world.fault(a, again + 4, 'load')), 'done')
    assert.equal(world.value(a, again + 4), 99)
    world.finish()
  })

  test(`case 2: what of the pages that a hole cuts? Their part of it becomes zero, the rest stays${under}`, () => {
    const world = new World({ discipline })
    const data = world.file('data', { pages: 4, holding: false })
    const a = world.space('a')
    const at = world.map(a, data)
    for (const page of [0, 2]) {
      world.fault(a, at + page, 'store')
      world.store(a, at + page, 99, 10)
      world.store(a, at + page, 99, 3000)
    }
    world.punch(data, 1000, 2 * PAGE)
    const seen = (page: number) => [10, 3000].map(offset => world.value(a, at + page, offset))
    assert.deepEqual(
      [seen(0), seen(2)],
      [
        [99, 0],
        [0, 99],
      ],
    )
    world.finish()
    assert.deepEqual(
      [10, 3000, PAGE, 2 * PAGE + 10, 2 * PAGE + 3000].map(position => world.durable(data, position)),
      [99, 0, 0, 0, 99],
    )
  })

  test(`case 6: what if the file is cut and grown again between two attempts? The new page is read${under}`, () => {
    const world = new World({ discipline })
    const data = world.file('data', { pages: 4 })
    const a = world.space('a')
    const at = world.map(a, data)
    const load = world.fault(a, at + 2, 'load')
    const cut = world.truncate(data, 0)
    const grow = world.truncate(data, 4 * PAGE)
    world.complete(data, 'read')
    world.complete(data, 'resize')
    world.complete(data, 'resize')
    for (const task of [cut, grow]) assert.equal(world.says(task), 'done')
    world.letGo(data)
    assert.equal(world.says(load), 'done')
    assert.equal(world.says(world.fault(a, at + 2, 'load')), 'done')
    assert.equal(world.value(a, at + 2), 0)
    world.finish()
  })

  test(`case 6: what if the stashed page of a store was taken from its file meanwhile${under}`, () => {
    const world = new World({ discipline })
    const data = world.file('data', { pages: 4, spaceFor: 0 })
    const a = world.space('a')
    const at = world.map(a, data)
    const store = world.fault(a, at + 2, 'store')
    world.complete(data, 'read')
    assert.equal(world.says(store), 'waits: reserve')
    const stash = store.stash
    world.punch(data, 0, 4 * PAGE)
    world.complete(data, 'write')
    world.complete(data, 'zero')
    world.letGo(data)
    assert.equal(world.says(store), 'done')
    assert.equal(world.value(a, at + 2), 0)
    assert.notEqual(stash, 0)
    world.finish()
  })

  test(`case 4: what if a mapping may only be read? A store past its rights changes nothing${under}`, () => {
    const world = new World({ discipline })
    const data = world.file('data', { pages: 2, holding: false })
    const a = world.space('a')
    const at = world.map(a, data, { prot: PROT_READ })
    assert.equal(world.says(world.fault(a, at, 'store')), 'EACCES')
    world.protect(a, at, 2, RW)
    assert.equal(world.says(world.fault(a, at, 'store')), 'done')
    world.finish()
  })

  test(`case 4: what was stored past the end stays when a write makes nothing longer${under}`, () => {
    const world = new World({ discipline })
    const data = world.file('data', { pages: 4, holding: false })
    const a = world.space('a')
    const at = world.map(a, data)
    world.truncate(data, 3 * PAGE + 100)
    world.fault(a, at + 3, 'store')
    world.store(a, at + 3, 24, 2000)
    world.write(data, PAGE, new Uint8Array(10).fill(9))
    assert.equal(world.value(a, at + 3, 2000), 24, 'as in Linux, until the page is written or the file grows')
    assert.equal(world.rights(a, at + 3), 'rw')
    world.write(data, 3 * PAGE + 3000, Uint8Array.of(9))
    assert.equal(world.value(a, at + 3, 2000), 0)
    world.finish()
  })
}
