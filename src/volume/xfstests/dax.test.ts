/** Mappings that are the device's own blocks. The numbers are those of xfstests' generic tests (docs/xfstests.md). */

import assert from 'node:assert/strict'
import { describe } from 'node:test'
import { newOpening } from '../../mm/index.ts'
import { ok } from '../volume-world.suite.ts'
import { generic, PAGE } from './story.suite.ts'

const DAX = { ways: ['dax'] } as const

describe('a DAX mapping', () => {
  generic(
    413,
    'and one of pages in the cache: bytes are copied from either to the other',
    story => {
      const a = story.create('/a', 2)
      const cached = story.at.create('/cached', 2, 50)
      const { world } = story.at
      const start = world.map(story.space, cached)
      for (const page of [0, 1]) {
        assert.equal(story.says(world.fault(story.space, start + page, 'store')), 'done')
        world.store(story.space, start + page, Number(story.load(a, page * PAGE)), 10)
        assert.equal(story.store(a, page * PAGE, world.value(story.space, start + page)!, 10), 'done')
      }
      story.at.sync(cached)
      story.at.evict(cached)
      assert.deepEqual(story.pages(a), [50, 51])
      assert.deepEqual([...story.at.read(cached, PAGE + 9, 3)], [51, 2, 51])
    },
    DAX,
  )

  generic(428, 'that read a hole sees what is written there afterwards', story => {
    const a = story.create('/a', 0)
    assert.equal(story.truncate(a, 2 * PAGE), 'done')
    const other = story.program(a)
    assert.deepEqual([story.load(a, PAGE), story.load(a, PAGE, other)], [0, 0])
    assert.equal(story.write(a, PAGE, 60, PAGE), 'done')
    assert.deepEqual([story.load(a, PAGE), story.load(a, PAGE, other)], [60, 60])
  })

  generic(437, 'two programs fault on one hole, one to load and one to store: both see the store', story => {
    const a = story.create('/a', 0)
    assert.equal(story.truncate(a, PAGE), 'done')
    const other = story.program(a)
    story.at.device.holding = true
    const store = story.at.world.faulting(story.space, a.start, 'store')
    const load = story.at.world.faulting(other, a.start, 'load')
    story.at.world.settle()
    story.at.device.releaseAll()
    story.at.world.settle()
    assert.deepEqual([story.says(store), story.says(load)], ['done', 'done'])
    assert.equal(story.store(a, 0, 60, 10), 'done')
    assert.equal(story.load(a, 0, other), 60)
  })

  generic(452, 'of an opening that may only read is loaded, and refuses stores', story => {
    const a = story.create('/a', 2)
    const { world } = story.at
    const { file } = a.opened.open
    const reader = newOpening(file, { readOnly: true })
    assert.equal(story.says(world.mapping(story.space, reader)), 'EACCES')
    const start = world.map(story.space, reader, { prot: 1 })
    assert.equal(story.says(world.fault(story.space, start + 1, 'load')), 'done')
    assert.equal(world.value(story.space, start + 1), 2)
    assert.equal(story.says(world.fault(story.space, start + 1, 'store')), 'EACCES')
  })

  generic(
    470,
    'with MAP_SYNC: what is stored is there after a crash, without any sync',
    story => {
      const a = story.create('/a', 2)
      const b = story.clone(a, '/b')
      const { dax, open } = story.at.openDax('/b', { durable: true })
      assert.ok('dax' in b.opened && b.opened.dax === dax)
      const { world } = story.at
      const start = world.map(story.space, open)
      assert.equal(story.says(world.fault(story.space, start, 'store')), 'done')
      world.store(story.space, start, 60)
      assert.deepEqual(
        [story.durable(a), story.durable(b)],
        [
          [1, 2],
          [60, 2],
        ],
      )
      assert.equal(ok(story.at.volume.stat('/b')).shared, 1)
      story.at.volume.closeDax(dax)
    },
    DAX,
  )

  generic(
    503,
    'what if it is punched or cut off while a page of it is being copied? Nobody sees what is gone',
    story => {
      const a = story.create('/a', 3)
      const b = story.clone(a, '/b')
      story.at.device.holding = true
      const stores = [0, 2].map(page => story.at.world.faulting(story.space, b.start + page, 'store'))
      story.at.world.settle()
      const punch =
        'dax' in b.opened
          ? story.at.change({ how: 'punch', file: b.opened.dax, position: 0, length: PAGE })
          : story.at.world.punch(b.opened, 0, PAGE)
      while (story.at.device.held.length > 0) {
        story.at.device.release(story.at.device.held[0]!)
        story.at.world.settle()
      }
      story.at.device.holding = false
      assert.equal(story.says(punch), 'done')
      for (const store of stores) assert.equal(story.says(store), 'done')
      assert.deepEqual(story.loads(b, [0, PAGE, 2 * PAGE]), [0, 2, 3])
      assert.equal(story.truncate(b, PAGE), 'done')
      assert.equal(story.load(b, 2 * PAGE), 'ENXIO')
      assert.deepEqual(story.pages(a), [1, 2, 3])
    },
  )
})
