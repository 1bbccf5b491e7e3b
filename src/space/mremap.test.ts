/**
 * mremap by its man page: what stays, what goes, what is refused; and against a flat model of pages, with forks, swap and
 * files, over random calls.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { RW, World } from '../engine/world.suite.ts'
import { PROT_READ, type Space } from '../mm/index.ts'

const errs = (world: World, task: Parameters<World['says']>[0]) => world.says(task)

/** A world whose `app` has memory of `pages` pages, each stored to. */
function heapOf(pages: number, options = {}) {
  const world = new World({ frames: 64, ...options })
  const space = world.space('app')
  const heap = world.map(space, undefined, { pages })
  for (let page = 0; page < pages; page++) put(world, space, heap + page, 100 + page)
  return { world, space, heap }
}

function put(world: World, space: Space, vpn: number, value: number): void {
  assert.equal(world.says(world.fault(space, vpn, 'store')), 'done')
  world.store(space, vpn, value)
}

function get(world: World, space: Space, vpn: number): number | string | undefined {
  const said = world.says(world.fault(space, vpn, 'load'))
  return said === 'done' ? world.value(space, vpn) : said
}

const ranges = (space: Space) => [...space.vmas].map(({ start, end }) => [start, end])

describe('mremap', () => {
  it('makes a mapping shorter: its tail is gone', () => {
    const { world, space, heap } = heapOf(4)
    const task = world.mremap(space, heap, 4, 1, 'stays')
    assert.equal(errs(world, task), 'done')
    assert.equal(task.args.to, heap)
    assert.equal(get(world, space, heap), 100)
    assert.equal(get(world, space, heap + 1), 'EFAULT')
    assert.equal(space.mapped, 1)
    world.finish()
  })

  it('makes it longer where there is room, and one VMA stays one', () => {
    const { world, space, heap } = heapOf(2)
    const task = world.mremap(space, heap, 2, 5, 'stays')
    assert.equal(errs(world, task), 'done')
    assert.deepEqual(ranges(space), [[heap, heap + 5]])
    assert.deepEqual([get(world, space, heap + 1), get(world, space, heap + 4)], [101, 0])
    world.finish()
  })

  it('refuses to grow into a neighbour, or moves', () => {
    const { world, space, heap } = heapOf(2)
    world.map(space, undefined, { pages: 1, fixed: heap + 2, prot: PROT_READ })
    assert.equal(errs(world, world.mremap(space, heap, 2, 3, 'stays')), 'ENOMEM')
    assert.deepEqual(ranges(space), [
      [heap, heap + 2],
      [heap + 2, heap + 3],
    ])
    const task = world.mremap(space, heap, 2, 3)
    assert.equal(errs(world, task), 'done')
    const { to } = task.args
    assert.notEqual(to, heap)
    assert.deepEqual(
      [0, 1, 2].map(page => get(world, space, to + page)),
      [100, 101, 0],
    )
    assert.equal(get(world, space, heap), 'EFAULT')
    world.finish()
  })

  it('is one with what goes on from it in the file, if only one of them has pages of its own', () => {
    const world = new World({ frames: 64 })
    const data = world.file('data', { pages: 12, holding: false })
    const space = world.space('app')
    const text = world.map(space, data, { pages: 12, share: 'private' })
    const to = text + 100
    const map = (page: number, pages: number, prot = RW) =>
      world.map(space, data, { pages, offset: page, share: 'private', fixed: to + page, prot })
    put(world, space, text + 5, 77)
    put(world, space, text + 8, 88)
    assert.equal(errs(world, world.mremap(space, text + 4, 4, 4, { fixed: to + 4 })), 'done')
    map(8, 2)
    assert.deepEqual(ranges(space).at(-1), [to + 4, to + 10])
    map(2, 2, PROT_READ)
    assert.equal(world.says(world.protect(space, to + 2, 2, RW)), 'done')
    assert.deepEqual(ranges(space).at(-1), [to + 2, to + 10])
    put(world, space, to + 3, 33)
    put(world, space, to + 8, 99)
    const child = world.fork(space).args.child!
    for (const each of [space, child])
      assert.deepEqual(
        [3, 5, 8].map(page => get(world, each, to + page)),
        [33, 77, 99],
      )
    // Both have pages of their own, numbered by other places.
    map(10, 2, PROT_READ)
    assert.equal(world.says(world.protect(space, to + 10, 2, RW)), 'done')
    assert.deepEqual(ranges(space).at(-1), [to + 2, to + 12])
    map(0, 2)
    assert.deepEqual(ranges(space).at(-1), [to, to + 12])
    assert.equal(get(world, space, text + 8), 88)
    world.finish()
  })

  it('stays two where both have pages of their own that are numbered by other places', () => {
    const world = new World({ frames: 64 })
    const data = world.file('data', { pages: 8, holding: false })
    const space = world.space('app')
    const text = world.map(space, data, { pages: 8, share: 'private' })
    const to = text + 100
    put(world, space, text, 70)
    assert.equal(errs(world, world.mremap(space, text, 4, 4, { fixed: to })), 'done')
    world.map(space, data, { pages: 4, offset: 4, share: 'private', fixed: to + 4 })
    assert.deepEqual(ranges(space).at(-1), [to, to + 8])
    assert.equal(world.says(world.protect(space, to + 4, 4, PROT_READ)), 'done')
    const other = text + 200
    world.map(space, data, { pages: 8, share: 'private', fixed: other })
    put(world, space, other + 5, 75)
    assert.equal(errs(world, world.mremap(space, other + 4, 4, 4, { fixed: to + 4 })), 'done')
    assert.deepEqual(ranges(space).slice(-3), [
      [to, to + 4],
      [to + 4, to + 8],
      [other, other + 4],
    ])
    assert.deepEqual([get(world, space, to), get(world, space, to + 5)], [70, 75])
    world.finish()
  })

  it('goes to a given place and takes what was there away', () => {
    const { world, space, heap } = heapOf(3)
    const other = world.map(space, undefined, { pages: 4, fixed: heap + 1000 })
    put(world, space, other, 7)
    put(world, space, other + 3, 8)
    const task = world.mremap(space, heap, 3, 2, { fixed: other + 1 })
    assert.equal(errs(world, task), 'done')
    assert.deepEqual(
      [0, 1, 2, 3].map(page => get(world, space, other + page)),
      [7, 100, 101, 8],
    )
    for (const page of [0, 1, 2]) assert.equal(get(world, space, heap + page), 'EFAULT')
    world.finish()
  })

  it('gives back the page tables of what it takes away, of its tail and of the old place', () => {
    const leaf = 1024
    const { world, space, heap } = heapOf(4)
    const [one, other] = [2 ** 16, 2 ** 17]
    const leaves = () => new Set(space.table.directory).size
    for (const fixed of [one, other]) world.map(space, undefined, { pages: 3 * leaf, fixed })
    put(world, space, one, 1)
    const few = leaves()
    for (const page of [0, leaf, 2 * leaf]) put(world, space, other + page, 2)
    assert.ok(leaves() > few)
    assert.equal(errs(world, world.mremap(space, one, 3 * leaf, 3 * leaf, { fixed: other })), 'done')
    assert.equal(leaves(), few)
    put(world, space, other + 2 * leaf, 3)
    assert.equal(errs(world, world.mremap(space, other, 3 * leaf, leaf, 'stays')), 'done')
    assert.equal(leaves(), few)
    assert.deepEqual([get(world, space, heap), get(world, space, other)], [100, 1])
    world.finish()
  })

  it('leaves the old range mapped and empty, if asked (MREMAP_DONTUNMAP)', () => {
    const { world, space, heap } = heapOf(2)
    const task = world.mremap(space, heap, 2, 2, 'may move', 'stays mapped')
    assert.equal(errs(world, task), 'done')
    const { to } = task.args
    assert.deepEqual([get(world, space, to), get(world, space, heap)], [100, 0])
    put(world, space, heap, 55)
    assert.deepEqual([get(world, space, to), get(world, space, heap)], [100, 55])
    world.finish()
  })

  it('keeps what a fork shares: the child has the pages at their old place, and copies stay copies', () => {
    const { world, space, heap } = heapOf(2)
    world.settle()
    const fork = world.fork(space)
    assert.equal(world.says(fork), 'done')
    const child = fork.args.child!
    const task = world.mremap(space, heap, 2, 2, { fixed: heap + 500 })
    assert.equal(errs(world, task), 'done')
    put(world, space, heap + 500, 1)
    put(world, child, heap + 1, 2)
    assert.deepEqual([get(world, space, heap + 500), get(world, space, heap + 501)], [1, 101])
    assert.deepEqual([get(world, child, heap), get(world, child, heap + 1)], [100, 2])
    world.finish()
  })

  it('takes entries of swapped pages along', () => {
    const { world, space, heap } = heapOf(4, { frames: 6, swap: 8 })
    world.letGo({ device: world.swap! })
    const more = world.map(space, undefined, { pages: 6 })
    for (let page = 0; page < 6; page++) put(world, space, more + page, 1)
    assert(space.swapped > 0)
    const task = world.mremap(space, heap, 4, 4, { fixed: heap + 700 })
    assert.equal(errs(world, task), 'done')
    for (let page = 0; page < 4; page++) assert.equal(get(world, space, heap + 700 + page), 100 + page)
    world.finish()
  })

  it('goes on from the page of the file where it was cut', () => {
    const world = new World({})
    const data = world.file('data', { pages: 8, holding: false })
    const space = world.space('app')
    const map = world.map(space, data)
    const task = world.mremap(space, map + 2, 3, 4, { fixed: map + 100 })
    assert.equal(errs(world, task), 'done')
    assert.deepEqual(
      [0, 1, 2, 3].map(page => get(world, space, map + 100 + page)),
      [3, 4, 5, 6],
    )
    assert.deepEqual(ranges(space), [
      [map, map + 2],
      [map + 5, map + 8],
      [map + 100, map + 104],
    ])
    assert.equal(get(world, space, map + 1), 2)
    world.finish()
  })

  it('says what is wrong, and changes nothing (MV2)', () => {
    const { world, space, heap } = heapOf(4)
    world.map(space, undefined, { pages: 2, fixed: heap + 4, prot: PROT_READ })
    const before = ranges(space)
    const refused = (
      code: string,
      ...call: Parameters<World['mremap']> extends [Space, ...infer Rest] ? Rest : never
    ) => assert.equal(errs(world, world.mremap(space, ...call)), code, String(call))
    refused('EFAULT', heap + 100, 1, 2)
    refused('EFAULT', heap, 6, 8)
    refused('EFAULT', heap, 5, 6, { fixed: heap + 100 })
    refused('EFAULT', heap - 1, 2, 2, { fixed: heap + 100 })
    refused('EINVAL', heap + 100, 2, 2, { fixed: heap + 101 })
    refused('EINVAL', heap, 2, 2, { fixed: heap + 1 })
    refused('EINVAL', heap + 1, 2, 3, { fixed: heap })
    refused('ENOMEM', heap, 4, 2 ** 31)
    assert.deepEqual(ranges(space), before)
    assert.equal(get(world, space, heap + 3), 103)
    world.finish()
  })
})

/** A mapping, flat: what each page holds, by its number in the space. */
describe('random calls of mremap', () => {
  it('leave what a flat model says', () => {
    const PAGES = 24
    const page = fc.nat(PAGES - 1)
    const count = fc.integer({ min: 1, max: 6 })
    const step = fc.oneof(
      fc.record({ kind: fc.constant('store' as const), page }),
      fc.record({
        kind: fc.constant('mremap' as const),
        page,
        pages: count,
        newPages: count,
        to: fc.option(page, { nil: undefined }),
        old: fc.constantFrom('is unmapped' as const, 'stays mapped' as const),
      }),
      fc.record({ kind: fc.constant('munmap' as const), page, pages: count }),
      fc.record({ kind: fc.constant('mmap' as const), page, pages: count }),
    )
    fc.assert(
      fc.property(
        fc.array(step, { size: 'max', maxLength: 40 }),
        fc.constantFrom(1, 3, 1000),
        (steps, slicePages) => {
          const world = new World({ frames: 200, slicePages })
          const space = world.space('app')
          const base = world.map(space, undefined, { pages: PAGES }) + 4096
          /** undefined: not mapped. */
          const model: (number | undefined)[] = Array.from({ length: PAGES * 2 }, () => undefined)
          let stored = 0
          for (const each of steps) {
            const vpn = base + each.page
            switch (each.kind) {
              case 'store': {
                const said = world.says(world.fault(space, vpn, 'store'))
                assert.equal(said, model[each.page] === undefined ? 'EFAULT' : 'done')
                if (said !== 'done') break
                stored = (stored % 250) + 1
                world.store(space, vpn, stored)
                model[each.page] = stored
                break
              }
              case 'mmap':
                world.map(space, undefined, { pages: each.pages, fixed: vpn })
                model.fill(0, each.page, each.page + each.pages)
                break
              case 'munmap':
                assert.equal(world.says(world.unmap(space, vpn, each.pages)), 'done')
                model.fill(undefined, each.page, each.page + each.pages)
                break
              case 'mremap': {
                const newPages = each.old === 'stays mapped' ? each.pages : each.newPages
                const where = each.to === undefined ? 'stays' : { fixed: base + each.to }
                const old = each.to === undefined ? 'is unmapped' : each.old
                const task = world.mremap(space, vpn, each.pages, newPages, where, old)
                if (world.says(task) !== 'done') break
                const to = each.to ?? each.page
                const moved = model.slice(each.page, each.page + Math.min(each.pages, newPages))
                // Between the VMAs of a range that goes to a given place are holes, which aren't moved.
                const holes = typeof where === 'object' && newPages === each.pages
                if (to !== each.page) {
                  model.fill(undefined, each.page, each.page + each.pages)
                  if (old === 'stays mapped')
                    moved.forEach((value, at) => {
                      if (value !== undefined) model[each.page + at] = 0
                    })
                } else
                  model.fill(undefined, each.page + Math.min(each.pages, newPages), each.page + each.pages)
                for (let at = 0; at < newPages; at++) {
                  if (to !== each.page) model[to + at] = moved[at] ?? (holes ? model[to + at] : 0)
                  else if (at >= each.pages) model[to + at] = 0
                }
              }
            }
          }
          model.forEach((value, at) => {
            assert.equal(get(world, space, base + at), value ?? 'EFAULT', `page ${at}`)
          })
          world.finish()
        },
      ),
      { numRuns: 300 },
    )
  })
})
