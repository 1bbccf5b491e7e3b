/** Devices that fail while a clone is written. The numbers are those of xfstests' generic tests (docs/xfstests.md). */
import assert from 'node:assert/strict'
import { describe } from 'node:test'
import { errno } from '../../base/index.ts'
import { type File, generic, PAGE, type Story } from './story.suite.ts'

const CACHED = { ways: ['cached'] } as const

/** Lets every write of data fail while `during` runs. */
function failing(story: Story, during: () => void): void {
  const { device, world } = story.at
  device.holding = true
  during()
  for (let next = device.held[0]; next !== undefined; next = device.held[0]) {
    if (next.operation === 'write') device.fail(next, errno.EIO)
    else device.release(next)
    world.settle()
  }
  device.holding = false
}

function clones(story: Story): { a: File; b: File } {
  const a = story.create('/a', 4)
  return { a, b: story.clone(a, '/b') }
}

/** Changes two pages of a clone, and syncs it while the device fails. */
function fail(story: Story, b: File, how: 'write' | 'store'): void {
  assert.equal(story[how](b, PAGE, 60, 2 * PAGE), 'done')
  failing(story, () => {
    story.at.world.sync(b.opened as Parameters<Story['at']['world']['sync']>[0])
  })
  assert.equal(story.at.volume.check().wrong.length, 0)
}

describe('the pages of a clone that can’t be written', () => {
  for (const [how, numbers] of [
    ['write', [265, 266, 267, 268]],
    ['store', [279, 281, 282, 283]],
  ] as const) {
    const [temporary, permanent, unmounted, rewritten] = numbers
    generic(
      temporary,
      `${how}: a device that fails for a while loses nothing of what is in memory`,
      story => {
        const { a, b } = clones(story)
        fail(story, b, how)
        assert.deepEqual(
          [story.pages(a), story.pages(b)],
          [
            [1, 2, 3, 4],
            [1, 60, 60, 4],
          ],
        )
        assert.deepEqual(
          story.durable(b),
          [1, 2, 3, 4],
          'the clone was made durable, what was written to it not',
        )
        assert.equal(story.sync(b), 'done', 'the device is well again, and the pages are still dirty')
        assert.deepEqual(
          [story.durable(a), story.durable(b)],
          [
            [1, 2, 3, 4],
            [1, 60, 60, 4],
          ],
        )
      },
      CACHED,
    )
    generic(
      permanent,
      `${how}: a device that goes on failing leaves the source alone, and the clone as it was cloned`,
      story => {
        const { a, b } = clones(story)
        assert.equal(story.sync(b), 'done')
        fail(story, b, how)
        fail(story, b, how)
        assert.deepEqual(
          [story.durable(a), story.durable(b)],
          [
            [1, 2, 3, 4],
            [1, 2, 3, 4],
          ],
        )
      },
      CACHED,
    )
    generic(
      unmounted,
      `${how}: another machine finds both files as they were synced`,
      story => {
        const { a, b } = clones(story)
        assert.equal(story.sync(b), 'done')
        fail(story, b, how)
        const later = story.at.crash()
        later.recount()
        assert.deepEqual(
          [a, b].map(({ path }) => later.pages(later.open(path))),
          [
            [1, 2, 3, 4],
            [1, 2, 3, 4],
          ],
        )
      },
      CACHED,
    )
    generic(
      rewritten,
      `${how}: the same pages are written again, and are durable once the device is well`,
      story => {
        const { a, b } = clones(story)
        fail(story, b, how)
        assert.equal(story[how](b, PAGE, 61, 2 * PAGE), 'done')
        assert.equal(story.sync(b), 'done')
        assert.deepEqual(
          [story.durable(a), story.durable(b)],
          [
            [1, 2, 3, 4],
            [1, 61, 61, 4],
          ],
        )
      },
      CACHED,
    )
  }
})

describe('errors of the device', () => {
  generic(
    250,
    'a write to set-aside blocks that failed shows nothing old, neither now nor later',
    story => {
      const old = story.create('/old', 4, 90)
      assert.equal(story.truncate(old, 0), 'done')
      assert.equal(story.sync(old), 'done')
      const a = story.create('/a', 0)
      assert.equal(story.allocate(a, 0, 4 * PAGE), 'done')
      assert.equal(story.sync(a), 'done')
      fail(story, a, 'write')
      assert.deepEqual(story.durable(a), [0, 0, 0, 0])
    },
    CACHED,
  )

  generic(
    441,
    'an error of writeback is told to each opening of the file once',
    story => {
      const a = story.create('/a', 4)
      const { world } = story.at
      assert.ok('volumeFile' in a.opened)
      const { opened } = a
      const others = [world.open(opened.file), world.open(opened.file)]
      fail(story, a, 'write')
      const says = () => others.map(open => story.says(world.sync(opened, open)))
      assert.deepEqual(says(), ['EIO', 'EIO'])
      assert.deepEqual(says(), ['done', 'done'])
      assert.equal(
        story.says(world.sync(opened, world.open(opened.file))),
        'done',
        'who opens it later wasn’t there',
      )
    },
    CACHED,
  )

  generic(484, 'a flush that failed is told to whoever asked for the commit', story => {
    const a = story.create('/a', 2)
    assert.equal(story.store(a, 0, 60, 10), 'done')
    story.at.device.holding = true
    const sync = story.at.volume.sync()
    story.at.world.settle()
    const flush = story.at.device.held.find(({ operation }) => operation === 'flush')!
    story.at.device.fail(flush, errno.EIO)
    story.at.device.releaseAll()
    story.at.world.settle()
    assert.equal(sync.errno, errno.EIO)
    story.isBroken = true
  })
})
