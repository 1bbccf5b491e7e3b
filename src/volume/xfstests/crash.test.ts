/**
 * What is there after the power went. The numbers are those of xfstests' generic tests (docs/xfstests.md); `faultline lab crash`
 * does the same at every write.
 */
import assert from 'node:assert/strict'
import { describe } from 'node:test'
import { ok } from '../volume-world.suite.ts'
import { generic, PAGE } from './story.suite.ts'

describe('after a crash', () => {
  for (const [number, title, set] of [
    [42, 'blocks that were set aside and never written show nothing old', 'aside'],
    [536, 'a file that was made longer and never written shows nothing old', 'longer'],
  ] as const)
    generic(number, title, story => {
      const old = story.create('/old', 6, 90)
      assert.equal(story.truncate(old, 0), 'done')
      assert.equal(story.sync(old), 'done')
      const a = story.create('/a', 1)
      if (set === 'aside') assert.equal(story.allocate(a, PAGE, 4 * PAGE), 'done')
      else assert.equal(story.truncate(a, 5 * PAGE), 'done')
      story.at.commit()
      assert.equal(story.store(a, 3 * PAGE, 60, 10), 'done')
      const [first, ...rest] = story.durable(a)
      assert.equal(first, 1)
      assert.equal(rest.length, 4)
      // Where the mapping is the device, the store may be there already.
      for (const value of rest) assert.ok(value === 0 || (story.way === 'dax' && value === 60), `${value}`)
    })

  generic(501, 'a range that was cloned into a file is there, once that file was synced', story => {
    const a = story.create('/a', 4)
    const b = story.create('/b', 4, 50)
    assert.equal(story.remap('clone', a, b, { from: PAGE, to: 2 * PAGE, length: 2 * PAGE }), 'done')
    assert.equal(story.sync(b), 'done')
    assert.deepEqual(story.durable(b), [50, 51, 2, 3])
  })

  generic(520, 'names that a file got and lost before it was synced are as they were then', story => {
    const { volume } = story.at
    const a = story.create('/a', 1)
    ok(volume.create('/d', 'directory'))
    assert.equal(volume.link('/a', '/d/l').errno, 0)
    assert.equal(volume.rename('/a', '/d/a').errno, 0)
    ok(volume.create('/a', 'file'))
    assert.equal(story.sync(a), 'done')
    const later = story.at.crash()
    later.recount()
    const list = (path: string) => ok(later.volume.list(path)).map(({ name }) => name)
    assert.deepEqual(
      [list('/'), list('/d')],
      [
        ['a', 'd'],
        ['a', 'l'],
      ],
    )
    assert.deepEqual([ok(later.volume.stat('/d/l')).links, ok(later.volume.stat('/a')).size], [2, 0])
  })

  generic(546, 'a clone that was synced is whole, its source’s dirty pages with it', story => {
    const a = story.create('/a', 3)
    assert.equal(story.write(a, PAGE, 60, PAGE), 'done')
    assert.equal(story.store(a, 2 * PAGE, 61, PAGE), 'done')
    const b = story.clone(a, '/b')
    assert.equal(story.sync(b), 'done')
    assert.deepEqual(
      [story.durable(a), story.durable(b)],
      [
        [1, 60, 61],
        [1, 60, 61],
      ],
    )
  })

  generic(
    588,
    'a file that shares its blocks several times, written in between, is as it was synced',
    story => {
      const a = story.create('/a', 2)
      const b = story.create('/b', 0)
      for (const to of [0, 2, 4])
        assert.equal(story.remap('clone', a, b, { from: 0, to: to * PAGE, length: 2 * PAGE }), 'done')
      assert.equal(story.sync(b), 'done')
      assert.equal(story.write(b, 3 * PAGE, 60, PAGE), 'done')
      assert.equal(story.store(a, 0, 61, PAGE), 'done')
      assert.equal(story.sync(b), 'done')
      assert.deepEqual(story.durable(b), [1, 2, 1, 60, 1, 2])
    },
  )
})
