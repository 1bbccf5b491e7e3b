/** Pages that get blocks of their own before they are stored to: how many, of what, and what they cost nobody. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Prng } from '../base/index.ts'
import { snapshotArgs } from './snapshot.ts'
import { RUN_PAGES, SHARE, StoresInOrder } from './stores-in-order.ts'
import { ok, PAGE, VolumeWorld, type VolumeWorldOptions } from './volume-world.suite.ts'

const PAGES = SHARE + 4

/** /a and its clone /b; /a is mapped, and has been stored to up to page SHARE: from there on two pages are copied at a time. */
function inOrder({ durable = false, ...options }: VolumeWorldOptions & { readonly durable?: boolean } = {}) {
  const at = new VolumeWorld({ blocks: 64, ...options, dax: true })
  at.close(at.create('/a', PAGES))
  ok(at.volume.create('/b', 'file'))
  const a = at.openDax('/a', { durable })
  const b = at.openDax('/b')
  const { world } = at
  assert.equal(world.says(at.remap('clone', a, b)), 'done')
  at.commit()
  const space = world.space('one')
  const vpn = world.map(space, a.open)
  const store = (page: number) => {
    const task = world.fault(space, vpn + page, 'store')
    if (world.says(task) === 'done') world.store(space, vpn + page, 100 + page)
    return task
  }
  const isShared = (page: number) => {
    const part = (file: typeof a) => at.volume.parts.overlay.ask(() => file.dax.node.extents.at(page)).value!
    const block = (file: typeof a) => part(file).value + page - part(file).start
    return block(a) === block(b)
  }
  for (let page = 0; page < SHARE; page++) assert.equal(world.says(store(page)), 'done')
  return { at, world, a, b, space, vpn, store, isShared }
}

describe('stores to a DAX file in order', () => {
  it('have at most one page copied unasked for each SHARE that were stored to, and fewer than RUN_PAGES (NB1)', () => {
    const prng = new Prng(15)
    for (let round = 0; round < 200; round++) {
      const stores = new StoresInOrder()
      const own = new Set<number>()
      let [at, row, unasked] = [0, 0, 0]
      for (let step = 0; step < 600; step++) {
        const jumps = prng.below(round + 2) === 0
        at = jumps ? prng.below(5000) : at + 1
        if (jumps) {
          own.clear()
          row = 0
        }
        const worth = stores.worth(at)
        if (!own.has(at)) {
          assert.ok(worth - 1 <= Math.min(RUN_PAGES - 1, row / SHARE), `${worth} pages after ${row} in order`)
          for (let page = at; page < at + worth; page++) own.add(page)
          unasked = worth - 1
        }
        own.delete(at)
        stores.note(at)
        row++
        assert.ok(own.size <= unasked)
      }
    }
  })

  it('have no more copied unasked whatever becomes of the file between them, or meanwhile (NB1)', () => {
    const prng = new Prng(418)
    const pages = 160
    let some = 0
    for (let round = 0; round < 4; round++) {
      const at = new VolumeWorld({ blocks: 1400, frames: 200, dax: true })
      const { world, volume } = at
      at.close(at.create('/a', pages, 0))
      ok(volume.create('/d', 'directory'))
      for (const path of ['/d/b', '/t']) ok(volume.create(path, 'file'))
      const [a, t] = [at.openDax('/a'), at.openDax('/t')]
      const space = world.space('one')
      // Frames that were copied to unasked, and how many of them were free again before they were stored to.
      const ahead = new Set<number>()
      let lost = 0
      const opened = () => {
        const b = at.openDax('/d/b')
        const { copies } = b.dax
        const set = copies.set.bind(copies)
        copies.set = (index, copy) => {
          if (ahead.delete(copy.frame)) lost++
          if (!copy.ticket.what.endsWith(` page ${index}`)) ahead.add(copy.frame)
          set(index, copy)
        }
        return { b, vpn: world.map(space, b.open, { pages }) }
      }
      let { b, vpn } = opened()
      const range = () => {
        const from = prng.below(pages)
        return { from: from * PAGE, to: from * PAGE, length: (1 + prng.below(pages - from)) * PAGE }
      }
      const changes = [
        () => at.remap('clone', b, t),
        () => at.remap('clone', a, b),
        () => at.remap('clone', b, t, range()),
        () => at.remap('clone', a, b, range()),
        () => at.change({ how: 'resize', file: b.dax, size: prng.below(pages) * PAGE }),
        () => at.change({ how: 'punch', file: b.dax, position: range().from, length: range().length }),
        () => at.allocate(b, range().from, PAGE, { how: 'zero' }),
        () => at.shift('collapse', b, 0, PAGE),
        () => at.shift('insert', b, 0, PAGE),
        () => {
          volume.removeTree('/s', Infinity)
          world.spawn(volume.snapshot, snapshotArgs({ from: '/d', to: '/s', mode: 'r' }))
        },
        () => {
          world.settle()
          assert.equal(world.says(world.unmap(space, vpn, pages)), 'done')
          ok(volume.closeDax(b.dax))
          const reopened = opened()
          b = reopened.b
          vpn = reopened.vpn
        },
      ]
      const change = () => changes[prng.below(changes.length)]!()
      at.remap('clone', a, b)
      world.settle()
      let [page, stored] = [0, 0]
      for (let step = 0; step < 500; step++) {
        if (prng.below(4 + 20 * round) === 0) {
          at.remap('clone', a, b)
          change()
          world.settle()
        }
        page = page === pages || prng.below(100) === 0 ? prng.below(pages) : page
        at.device.holding = prng.below(10) === 0
        const store = world.fault(space, vpn + page, 'store')
        if (at.device.holding) at.remap('clone', b, t, range())
        at.device.holding = false
        at.device.releaseAll()
        world.settle()
        if (world.says(store) === 'done') {
          stored++
          ahead.delete(b.dax.residentPage(page))
        }
        const unasked = ahead.size + lost
        assert.ok(unasked <= stored / SHARE, `${unasked} pages unasked, and ${stored} stores`)
        page++
      }
      some += ahead.size + lost
      at.recount()
    }
    assert.ok(some > 0)
  })

  it('are counted once for each page, and begin anew with a page that is out of order', () => {
    const stores = new StoresInOrder()
    for (let page = 0; page < 8 * SHARE; page++) {
      stores.note(page)
      stores.note(page)
    }
    assert.deepEqual([stores.worth(8 * SHARE), stores.worth(8 * SHARE + 1)], [9, 1])
    stores.note(3)
    assert.equal(stores.worth(4), 1)
  })

  it('have the pages that follow copied too, by one read; what isn’t stored to reads as before', () => {
    const { at, world, a, b, store, isShared } = inOrder()
    at.device.holding = true
    const first = store(SHARE)
    assert.equal(world.says(first), 'waits: copy')
    assert.equal(at.world.held(at).length, 1)
    at.device.releaseAll()
    world.settle()
    assert.equal(world.says(first), 'done')
    assert.deepEqual([SHARE, SHARE + 1, SHARE + 2].map(isShared), [false, false, true])
    assert.deepEqual([...at.daxBytes(a, (SHARE + 1) * PAGE, 1)], [SHARE + 2])
    assert.equal(world.says(store(SHARE + 1)), 'done', 'with no read: the device holds those')
    assert.deepEqual([...at.daxBytes(a, (SHARE + 1) * PAGE, 1)], [101 + SHARE])
    assert.deepEqual([...at.daxBytes(b, (SHARE + 1) * PAGE, 1)], [SHARE + 2])
    at.recount()
  })

  it('what if a neighbour is damaged? It keeps its block, and the store that was asked for is let in (DX6)', () => {
    const { at, world, a, store, isShared } = inOrder()
    const { value } = at.volume.parts.overlay.ask(() => [...a.dax.node.extents.inside(SHARE + 1, PAGES)][0]!)
    at.poke(value!.value * PAGE + 5, new Uint8Array([77]))
    assert.equal(world.says(store(SHARE)), 'done')
    assert.ok(isShared(SHARE + 1))
    assert.deepEqual(at.volume.damage, [])
    assert.equal(world.says(store(SHARE + 1)), 'EUCLEAN')
  })

  it('what if the row can’t be read? The page that was asked for is copied alone (DC3)', () => {
    const { at, world, store, isShared } = inOrder()
    const before = at.volume.usage
    at.device.holding = true
    const asked = store(SHARE)
    at.device.fail(at.device.held[0]!)
    world.settle()
    assert.equal(world.says(asked), 'waits: copy', 'once more')
    assert.deepEqual(at.volume.usage.free, before.free - 1, 'the blocks of the row went back')
    at.device.releaseAll()
    world.settle()
    assert.equal(world.says(asked), 'done')
    assert.deepEqual([SHARE, SHARE + 1].map(isShared), [false, true])
    at.recount()
  })

  it('what if few blocks are left? Neighbours get none of them (DX6)', () => {
    const { at, world, store, isShared } = inOrder({ blocks: 1 + 2 * PAGES })
    assert.equal(at.volume.usage.free, PAGES - SHARE)
    assert.equal(world.says(store(SHARE)), 'done')
    assert.deepEqual([SHARE, SHARE + 1].map(isShared), [false, true])
    at.recount()
  })

  it('what if a truncation comes between two pages of a row? It waits for the row, and one gets ENXIO', () => {
    const { at, world, a, store } = inOrder()
    at.device.holding = true
    const kept = store(SHARE)
    const truncation = at.change({ how: 'resize', file: a.dax, size: (SHARE + 1) * PAGE })
    assert.equal(world.says(truncation), 'waits: copy')
    const gone = store(SHARE + 1)
    at.device.releaseAll()
    world.settle()
    assert.deepEqual(
      [truncation, kept, gone].map(task => world.says(task)),
      ['done', 'done', 'ENXIO'],
    )
    at.commit()
    at.recount()
  })

  it('what if a claim holds the neighbour? The row ends before it', () => {
    const { at, world, a, b, store, isShared } = inOrder()
    a.dax.invalidation = { start: SHARE + 1, end: PAGES, ticket: world.engine.scheduler.ticket('a claim') }
    assert.equal(world.says(store(SHARE)), 'done')
    assert.deepEqual([SHARE, SHARE + 1].map(isShared), [false, true])
    assert.deepEqual([...at.daxBytes(b, SHARE * PAGE, 1)], [SHARE + 1])
  })

  it('what if it crashes while a row is copied, or before the commit? Both files are as they were, and no block is lost', () => {
    const { at, world, store } = inOrder()
    const pages = Array.from({ length: PAGES }, (_, page) => (page < SHARE ? 100 + page : page + 1))
    at.commit()
    at.device.holding = true
    const asked = store(SHARE)
    assert.deepEqual(at.durable('/a'), pages)
    at.device.releaseAll()
    world.settle()
    assert.equal(world.says(asked), 'done')
    assert.deepEqual(at.durable('/a'), pages)
    at.commit()
    assert.deepEqual(at.durable('/a').slice(SHARE + 1), pages.slice(SHARE + 1))
    assert.deepEqual(
      at.durable('/b'),
      Array.from({ length: PAGES }, (_, page) => page + 1),
    )
  })

  it('wait for a commit for each page of a file that is opened to be durable (DX5)', () => {
    const { at, world, store } = inOrder({ durable: true })
    assert.equal(world.says(store(SHARE)), 'done')
    at.store.holding = true
    assert.equal(world.says(store(SHARE + 1)), 'done', 'the commit of the row had it')
    assert.equal(world.says(store(SHARE + 2)), 'waits: reserve')
    at.store.holding = false
    at.store.release()
    world.settle()
    assert.deepEqual(
      at.durable('/a').slice(0, SHARE + 2),
      Array.from({ length: SHARE + 2 }, (_, page) => 100 + page),
    )
  })
})
