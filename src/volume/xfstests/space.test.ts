/** Volumes without room. The numbers are those of xfstests' generic tests (docs/xfstests.md). */
import assert from 'node:assert/strict'
import { describe } from 'node:test'
import { type File, generic, PAGE, type Story } from './story.suite.ts'

/** Takes every block that is left. */
function fill(story: Story): File {
  const full = story.create('/full', 0)
  while (story.write(full, story.size(full), 9, PAGE) === 'done') assert.equal(story.sync(full), 'done')
  assert.equal(story.at.volume.usage.free, 0)
  return full
}

describe('a full volume', () => {
  generic(
    27,
    'can be filled and emptied again and again',
    story => {
      for (let round = 0; round < 4; round++) {
        const full = story.open(story.at.volume.create(`/${round}`, 'file').errno === 0 ? `/${round}` : '')
        while (story.write(full, story.size(full), round + 1, PAGE) === 'done') story.sync(full)
        assert.equal(story.size(full) / PAGE, story.at.volume.usage.size)
        assert.equal(story.truncate(full, 0), 'done')
        assert.equal(story.sync(full), 'done')
        assert.equal(story.at.volume.usage.used, 0)
      }
    },
    { blocks: 10 },
  )

  generic(
    33,
    'gets back what was promised to dirty pages that are punched away',
    story => {
      const a = story.create('/a', 0)
      const { free } = story.at.volume.usage
      assert.equal(story.write(a, 0, 50, 7 * PAGE), 'done')
      for (const page of [1, 3, 5]) assert.equal(story.punch(a, page * PAGE, PAGE), 'done')
      assert.equal(story.sync(a), 'done')
      story.at.commit()
      assert.equal(story.at.volume.usage.reserved, 0)
      assert.equal(story.at.volume.usage.free, free - 4)
      assert.deepEqual(story.pages(a), [50, 0, 50, 0, 50, 0, 50])
    },
    { blocks: 12 },
  )

  generic(
    171,
    'refuses a write to a clone, and both files keep what they had',
    story => {
      const a = story.create('/a', 4)
      const b = story.clone(a, '/b')
      fill(story)
      assert.equal(story.write(b, PAGE, 60, PAGE), 'ENOSPC')
      story.cycle()
      assert.deepEqual(
        [story.pages(a), story.pages(b)],
        [
          [1, 2, 3, 4],
          [1, 2, 3, 4],
        ],
      )
    },
    { blocks: 12 },
  )

  generic(
    173,
    'refuses a store to a mapping of a clone, and both files keep what they had',
    story => {
      const a = story.create('/a', 4)
      const b = story.clone(a, '/b')
      fill(story)
      assert.equal(story.load(b, PAGE), 2)
      assert.equal(story.store(b, PAGE, 60, 10), 'ENOSPC')
      assert.deepEqual([story.load(b, PAGE), story.load(a, PAGE)], [2, 2])
      story.cycle()
      assert.deepEqual(
        [story.pages(a), story.pages(b)],
        [
          [1, 2, 3, 4],
          [1, 2, 3, 4],
        ],
      )
    },
    { blocks: 12 },
  )

  generic(
    211,
    'takes stores to blocks that a file has to itself already',
    story => {
      const a = story.create('/a', 3)
      assert.equal(story.store(a, 0, 50, 3 * PAGE), 'done')
      assert.equal(story.sync(a), 'done')
      fill(story)
      assert.equal(story.store(a, 0, 51, 3 * PAGE), 'done')
      assert.deepEqual(story.pages(a), [51, 51, 51])
    },
    // A page of the cache is written to a new block each time (docs/decisions/0401).
    { blocks: 16, ways: ['dax'] },
  )

  generic(
    275,
    'takes what fits of a write that doesn’t fit, and says how much',
    story => {
      const a = story.create('/a', 0)
      assert.equal(story.write(a, 0, 50, 20 * PAGE), 'ENOSPC')
      const taken = story.size(a) / PAGE
      assert.ok(taken > 0 && taken <= story.at.volume.usage.size)
      story.cycle()
      assert.deepEqual(
        story.pages(a),
        Array.from({ length: taken }, () => 50),
      )
    },
    { blocks: 12 },
  )

  for (const [number, by] of [
    [333, 'write'],
    [334, 'store'],
  ] as const)
    generic(
      number,
      `that becomes full while the source of a clone is ${by === 'write' ? 'written' : 'stored'} to leaves the clone as it was`,
      story => {
        const a = story.create('/a', 6)
        const b = story.clone(a, '/b')
        assert.equal(story.sync(b), 'done')
        const says = [0, 1, 2, 3, 4, 5].map(page => story[by](a, page * PAGE, 60 + page, PAGE))
        const taken = says.filter(each => each === 'done').length
        assert.deepEqual([says[0], says.at(-1)], ['done', 'ENOSPC'])
        story.cycle()
        assert.deepEqual(story.pages(b), [1, 2, 3, 4, 5, 6])
        assert.deepEqual(
          story.pages(a),
          [1, 2, 3, 4, 5, 6].map((old, page) => (page < taken ? 60 + page : old)),
        )
      },
      { blocks: 11 },
    )

  generic(
    371,
    'isn’t met while writes and fallocate together ask for no more than there is',
    story => {
      const a = story.create('/a', 0)
      const b = story.create('/b', 0)
      const half = Math.floor(story.at.volume.usage.size / 2)
      for (let round = 0; round < 3; round++) {
        for (let page = 0; page < half; page++) {
          assert.equal(story.write(a, page * PAGE, 50, PAGE), 'done')
          assert.equal(story.allocate(b, page * PAGE, PAGE), 'done')
        }
        for (const file of [a, b]) {
          assert.equal(story.truncate(file, 0), 'done')
          assert.equal(story.sync(file), 'done')
        }
      }
    },
    { blocks: 13 },
  )

  generic(
    619,
    'has room again for small files once others are gone',
    story => {
      const { volume } = story.at
      for (let round = 0; round < 3; round++) {
        const paths = Array.from({ length: 4 }, (_, number) => `/${round}-${number}`)
        const files = paths.map(path => {
          assert.equal(volume.create(path, 'file').errno, 0)
          return story.open(path)
        })
        for (const file of files) assert.equal(story.write(file, 0, 50, 2 * PAGE), 'done')
        for (const file of files) {
          assert.equal(story.sync(file), 'done')
          assert.equal(story.truncate(file, 0), 'done')
        }
      }
    },
    { blocks: 12 },
  )
})
