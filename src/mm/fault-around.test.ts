/** Which pages one load maps besides its own: those of a window that are in memory (Linux 6.18 mm/memory.c, do_fault_around). */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { PAGE, World } from '../engine/world.suite.ts'

/** Which pages of a mapping of `pages` pages at `start` one load at `vpn` maps, all of them being in memory. */
function mappedBy(start: number, pages: number, vpn: number, offset = 0): [number, number] {
  const world = new World({ frames: 128 })
  const data = world.file('data', { pages: offset + pages, holding: false })
  const a = world.space('a')
  world.read(data, 0, (offset + pages) * PAGE)
  world.map(a, data, { pages, offset, fixed: start, advice: 'normal' })
  assert.equal(world.says(world.fault(a, vpn, 'load')), 'done')
  const mapped = [...a.table.used(start, start + pages)]
  const [first, last] = [mapped[0]!, mapped.at(-1)!]
  assert.equal(mapped.length, last + 1 - first)
  world.finish()
  return [first, last + 1]
}

describe('a load maps the pages around it', () => {
  it('sixteen of them, aligned in the space and not in the file', () => {
    assert.deepEqual(mappedBy(1024, 48, 1024 + 21), [1024 + 16, 1024 + 32])
    assert.deepEqual(mappedBy(1024, 40, 1024 + 21, 5), [1024 + 16, 1024 + 32])
  })

  it('where the mapping begins inside of the window, sixteen from there on', () => {
    assert.deepEqual(mappedBy(1029, 48, 1030), [1029, 1045])
  })

  it('none past the mapping, nor past the page table of the hardware', () => {
    assert.deepEqual(mappedBy(1024, 20, 1024 + 17), [1024 + 16, 1024 + 20])
    assert.deepEqual(mappedBy(1531, 20, 1533), [1531, 1536])
    assert.deepEqual(mappedBy(1531, 20, 1537), [1536, 1551])
  })

  it('but none that has an entry: a copy of one’s own, a page that may be stored to, one in swap', () => {
    const world = new World({ swap: 8 })
    const data = world.file('data', { pages: 8, holding: false })
    world.read(data, 0, 8 * PAGE)
    world.swap!.holding = false
    for (const share of ['private', 'shared'] as const) {
      const a = world.space(share)
      const at = world.map(a, data, { share, advice: 'normal' })
      for (const page of [1, 2]) {
        assert.equal(world.says(world.fault(a, at + page, 'store')), 'done')
        world.store(a, at + page, 100 + page)
      }
      if (share === 'private') for (const _ of ['written', 'dropped']) world.advise(a, at + 2, 1, 'pageout')
      const before = [1, 2].map(page => a.table.get(at + page))
      assert.equal(a.swapped, share === 'private' ? 1 : 0)
      assert.equal(world.says(world.fault(a, at + 4, 'load')), 'done')
      assert.deepEqual(
        [1, 2].map(page => a.table.get(at + page)),
        before,
      )
    }
    world.finish()
  })

  it('and tells the cache of no touch: who maps pages that are there tells by his entries (filemap_map_pages)', () => {
    const world = new World()
    const data = world.file('data', { pages: 4, holding: false })
    world.read(data, 0, 4 * PAGE)
    const { frames } = world.engine.memory
    const before = [...frames.flags]
    for (const advice of ['normal', 'random'] as const) {
      const a = world.space(advice)
      const at = world.map(a, data, { advice })
      const load = world.fault(a, at + 1, 'load')
      assert.equal(world.says(load), 'done')
      assert.equal(load.args.fault.frame, world.frame(a, at + 1), 'the fault knows its own page')
    }
    assert.deepEqual([...frames.flags], before)
    world.finish()
  })
})
