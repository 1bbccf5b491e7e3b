/** MADV_COLLAPSE: pages lie in a row afterwards, and nobody sees that they moved. The world counts again after every attempt. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { World, type WorldOptions } from '../engine/world.suite.ts'
import type { Space } from '../mm/index.ts'
import { collapseArgs } from './collapse.ts'

function collapse(world: World, space: Space, start: number, pages: number) {
  return world.spawn(world.engine.verbs.collapse, collapseArgs(space, start, start + pages), space.group)
}

function frames(world: World, space: Space, start: number, pages: number): number[] {
  return Array.from({ length: pages }, (_, page) => world.frame(space, start + page))
}

/** Whether the frames of a range follow one another. */
function isRow(world: World, space: Space, start: number, pages: number): boolean {
  return frames(world, space, start, pages).every((frame, page, all) => frame === all[0]! + page)
}

/** Memory of a program whose pages were touched from the last to the first, each with its number. */
function scattered(options: WorldOptions, pages: number) {
  const world = new World(options)
  const space = world.space('app')
  const at = world.map(space, undefined, { pages })
  for (let page = pages - 1; page >= 0; page--) {
    assert.equal(world.says(world.fault(space, at + page, 'store')), 'done')
    world.store(space, at + page, page + 1)
  }
  return { world, space, at }
}

test('private memory lies in a row afterwards, with what was stored', () => {
  const { world, space, at } = scattered({}, 8)
  assert.equal(isRow(world, space, at, 8), false)
  assert.equal(world.says(collapse(world, space, at, 8)), 'done')
  assert.equal(isRow(world, space, at, 8), true)
  for (let page = 0; page < 8; page++) {
    assert.equal(world.value(space, at + page), page + 1)
    assert.equal(world.rights(space, at + page), 'rw')
  }
  world.finish()
})

test('what lies in a row already stays where it is', () => {
  const { world, space, at } = scattered({ frames: 20 }, 8)
  collapse(world, space, at, 8)
  const before = frames(world, space, at, 8)
  assert.equal(world.says(collapse(world, space, at, 8)), 'done')
  assert.deepEqual(frames(world, space, at, 8), before)
  world.finish()
})

test('pages of others give way where memory is full but for one frame, and theirs show what they did', () => {
  const { world, space, at } = scattered({ frames: 17 }, 8)
  const other = world.space('other')
  const there = world.map(other, undefined, { pages: 8 })
  for (let page = 0; page < 8; page++) {
    world.fault(other, there + page, 'store')
    world.store(other, there + page, 100 + page)
  }
  assert.equal(world.engine.memory.free, 1)
  assert.equal(world.says(collapse(world, space, at, 8)), 'done')
  assert.equal(isRow(world, space, at, 8), true)
  for (let page = 0; page < 8; page++) {
    assert.equal(world.value(space, at + page), page + 1)
    assert.equal(world.value(other, there + page), 100 + page)
  }
  assert.equal(world.engine.memory.free, 1)
  world.finish()
})

test('where no frame is free, and nothing can be reclaimed, it is ENOMEM, and everything is where it was', () => {
  const { world, space, at } = scattered({ frames: 8 }, 8)
  const before = frames(world, space, at, 8)
  assert.equal(world.says(collapse(world, space, at, 8)), 'ENOMEM')
  assert.deepEqual(frames(world, space, at, 8), before)
  world.finish()
})

test('MIG2: a page of a file goes with all who map it, its dirt, and what each of them may do', () => {
  const world = new World()
  const data = world.file('data', { pages: 6 })
  world.letGo(data)
  const [one, two] = [world.space('one'), world.space('two')]
  const here = world.map(one, data)
  const there = world.map(two, data)
  for (const page of [5, 3, 1, 0, 2, 4]) world.fault(one, here + page, page % 2 === 0 ? 'load' : 'store')
  for (const page of [1, 2]) world.fault(two, there + page, 'load')
  world.store(one, here + 3, 77)
  const rights = (space: Space, start: number) =>
    Array.from({ length: 6 }, (_, page) => world.rights(space, start + page))
  const before = [rights(one, here), rights(two, there)]
  const dirty = world.engine.cache.dirtyPages
  assert.equal(world.says(collapse(world, one, here, 6)), 'done')
  assert.equal(isRow(world, one, here, 6), true)
  assert.deepEqual([rights(one, here), rights(two, there)], before)
  for (const page of [1, 2]) assert.equal(world.frame(two, there + page), world.frame(one, here + page))
  assert.equal(world.engine.cache.dirtyPages, dirty)
  assert.equal(world.says(world.sync(data)), 'done')
  assert.equal(world.durable(data, 3 * 4096), 77)
  world.finish()
})

test('MIG1: a page that is pinned, or on its way, stays; the others move, and it is EAGAIN', () => {
  const world = new World()
  const data = world.file('data', { pages: 4 })
  world.letGo(data)
  const space = world.space('app')
  const at = world.map(space, data)
  for (const page of [3, 1, 2, 0]) world.fault(space, at + page, 'store')
  data.device.holding = true
  world.store(space, at + 2, 9)
  const syncing = world.sync(data)
  assert.match(world.says(syncing), /waits/)
  const [, , written] = frames(world, space, at, 4)
  assert.equal(world.says(collapse(world, space, at, 4)), 'EAGAIN')
  assert.equal(world.frame(space, at + 2), written)
  world.letGo(data)
  assert.equal(world.says(syncing), 'done')
  assert.equal(world.says(collapse(world, space, at, 4)), 'done')
  assert.equal(isRow(world, space, at, 4), true)
  assert.equal(world.durable(data, 2 * 4096), 9)
  world.finish()
})

test('MIG1: a pinned page stays', () => {
  const { world, space, at } = scattered({ checked: false }, 4)
  const pinned = world.frame(space, at + 1)
  world.engine.memory.pin(pinned)
  collapse(world, space, at, 4)
  assert.equal(world.frame(space, at + 1), pinned)
  world.engine.memory.unpin(pinned)
  assert.equal(world.says(collapse(world, space, at, 4)), 'done')
  assert.equal(isRow(world, space, at, 4), true)
  world.finish()
})

test('an absent page takes no place, and a hole in the range is told at the end', () => {
  const { world, space, at } = scattered({}, 6)
  world.advise(space, at + 2, 1, 'dontneed')
  assert.equal(world.says(collapse(world, space, at, 7)), 'ENOMEM')
  const [first, second, , ...others] = frames(world, space, at, 6)
  assert.deepEqual(
    [second, ...others],
    [1, 2, 3, 4].map(place => first! + place),
  )
  world.finish()
})

test('a range that memory could not hold lies in a row as far as it is there', () => {
  const world = new World({ frames: 16 })
  const data = world.file('data', { pages: 40 })
  world.letGo(data)
  const space = world.space('app')
  const at = world.map(space, data)
  assert.equal(world.says(collapse(world, space, at, 40)), 'done')
  for (const page of [3, 2, 1, 0, 30, 29]) world.fault(space, at + page, 'load')
  assert.equal(world.says(collapse(world, space, at, 40)), 'done')
  assert.equal(isRow(world, space, at, 4), true)
  assert.equal(isRow(world, space, at + 29, 2), true)
  for (const page of [0, 1, 2, 3, 29, 30]) assert.equal(world.value(space, at + page), page + 1)
  world.finish()
})

test('where something lies in the way for ever, pages lie in as long rows as there are', () => {
  const world = new World({ frames: 24 })
  const [other, space] = [world.space('other'), world.space('app')]
  const at = world.map(space, undefined, { pages: 16 })
  const shared = world.map(other, world.open(world.file('x', { pages: 1 }).file), { pages: 1 })
  const order = [9, 3, 14, 0, 7, 12, 5, 2, 11, 8, 1, 15, 4, 10, 6, 13]
  for (const [turn, page] of order.entries()) {
    if (turn === 8) {
      world.letGo(world.files[0]!)
      world.fault(other, shared, 'load')
      world.lock(other, shared, 1, 'locked')
    }
    world.fault(space, at + page, 'store')
    world.store(space, at + page, page + 1)
  }
  const stuck = world.frame(other, shared)
  world.engine.memory.pin(stuck)
  const task = world.scheduler.spawn(world.engine.verbs.collapse, collapseArgs(space, at, at + 16), {
    name: 'collapse',
    group: space.group,
  })
  while (task.state !== 'ended') world.scheduler.step(task)
  world.engine.memory.unpin(stuck)
  assert.equal(world.says(task), 'done')
  const found = frames(world, space, at, 16)
  const breaks = found.filter((frame, page) => page > 0 && frame !== found[page - 1]! + 1)
  assert.ok(breaks.length <= 1, `[${found}]`)
  for (let page = 0; page < 16; page++) assert.equal(world.value(space, at + page), page + 1)
  world.recount()
  world.finish()
})

test('private pages go with those of a forked space that still share them', () => {
  const { world, space, at } = scattered({}, 4)
  const { child } = world.fork(space).args
  world.fault(child!, at + 1, 'store')
  world.store(child!, at + 1, 50)
  assert.equal(world.says(collapse(world, space, at, 4)), 'done')
  assert.equal(isRow(world, space, at, 4), true)
  for (const page of [0, 2, 3]) assert.equal(world.frame(child!, at + page), world.frame(space, at + page))
  assert.deepEqual([world.value(space, at + 1), world.value(child!, at + 1)], [2, 50])
  world.finish()
})

test('CLP1: a long range goes in slices, and others run between them', () => {
  const { world, space, at } = scattered({ frames: 64, slicePages: 4, checked: false }, 32)
  const task = world.scheduler.spawn(world.engine.verbs.collapse, collapseArgs(space, at, at + 32), {
    name: 'collapse',
    group: space.group,
  })
  let attempts = 0
  for (; task.state !== 'ended'; attempts++) {
    const before = frames(world, space, at, 32)
    world.scheduler.step(task)
    world.recount()
    const moved = frames(world, space, at, 32).filter((frame, page) => frame !== before[page]).length
    assert.ok(moved <= 8, `${moved} pages of the range moved in one attempt`)
  }
  assert.ok(attempts >= 32 / 4, `${attempts} attempts`)
  assert.equal(isRow(world, space, at, 32), true)
  world.finish()
})

test('what happens between slices is as it would be without them, whatever it is', () => {
  const act = fc.record({
    what: fc.constantFrom('store', 'load', 'dontneed', 'pageout', 'fork', 'sync', 'collapse other'),
    page: fc.nat(11),
  })
  fc.assert(
    fc.property(fc.array(act, { maxLength: 24 }), fc.infiniteStream(fc.nat(3)), (acts, turns) => {
      const world = new World({ frames: 40, slicePages: 1, swap: 16 })
      world.swap!.holding = false
      const data = world.file('data', { pages: 12 })
      world.letGo(data)
      const space = world.space('app')
      const heap = world.map(space, undefined, { pages: 12 })
      const file = world.map(space, data)
      const model = { heap: new Array<number>(12).fill(0), file: Array.from({ length: 12 }, (_, p) => p + 1) }
      const store = (start: number, known: number[], page: number, value: number) => {
        // Writeback may have been before it: as a section does, it tries again.
        for (let tries = 0; tries < 9 && world.rights(space, start + page) !== 'rw'; tries++)
          assert.equal(world.says(world.fault(space, start + page, 'store')), 'done')
        world.store(space, start + page, value)
        known[page] = value
      }
      for (const page of [11, 4, 7, 0, 2]) {
        store(heap, model.heap, page, 20 + page)
        store(file, model.file, page, 60 + page)
      }
      const begin = (start: number) =>
        world.scheduler.spawn(world.engine.verbs.collapse, collapseArgs(space, start, start + 12), {
          name: 'collapse',
          group: space.group,
        })
      const tasks = [begin(heap), begin(file)]
      let value = 100
      for (const { what, page } of acts) {
        for (let turn = turns.next().value!; turn > 0; turn--)
          for (const task of tasks.filter(task => task.state === 'ready')) world.scheduler.step(task)
        world.recount()
        const start = page % 2 === 0 ? heap : file
        const known = page % 2 === 0 ? model.heap : model.file
        switch (what) {
          case 'store':
            store(start, known, page, value++)
            break
          case 'load':
            world.fault(space, start + page, 'load')
            assert.equal(world.value(space, start + page), known[page])
            break
          case 'dontneed':
            world.advise(space, start + page, 1, 'dontneed')
            if (start === heap) known[page] = 0
            break
          case 'pageout':
            world.advise(space, start + page, 1, 'pageout')
            break
          case 'fork':
            world.exit(world.fork(space).args.child!)
            break
          case 'sync':
            world.sync(data)
            break
          case 'collapse other':
            tasks.push(begin(start))
        }
      }
      world.settle()
      for (let page = 0; page < 12; page++)
        for (const [start, known] of [
          [heap, model.heap],
          [file, model.file],
        ] as const) {
          assert.equal(world.says(world.fault(space, start + page, 'load')), 'done')
          assert.equal(world.value(space, start + page), known[page])
        }
      world.finish()
    }),
    { numRuns: 60 },
  )
})
