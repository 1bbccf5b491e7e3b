/** Mappings against truncation, holes and the end of the file. The numbers are those of xfstests' generic tests (docs/xfstests.md). */
import assert from 'node:assert/strict'
import { describe } from 'node:test'
import { generic, PAGE } from './story.suite.ts'

const END = 2 * PAGE + 100

describe('mappings and the end of the file', () => {
  generic(29, 'what a mapping stored is gone after the file was made shorter and longer again', story => {
    const a = story.create('/a', 3)
    assert.equal(story.store(a, 0, 50, 3 * PAGE), 'done')
    assert.equal(story.truncate(a, PAGE + 10), 'done')
    assert.equal(story.truncate(a, 3 * PAGE), 'done')
    assert.deepEqual(story.loads(a, [PAGE + 9, PAGE + 10, 2 * PAGE - 1, 2 * PAGE]), [50, 0, 0, 0])
    story.cycle()
    assert.deepEqual(story.loads(a, [PAGE + 9, PAGE + 10, 2 * PAGE - 1, 2 * PAGE]), [50, 0, 0, 0])
  })

  generic(30, 'a second, longer mapping sees zeros where the file was cut off and grew', story => {
    const a = story.create('/a', 2)
    assert.equal(story.store(a, 0, 50, 2 * PAGE), 'done')
    assert.equal(story.truncate(a, 100), 'done')
    assert.equal(story.truncate(a, 4 * PAGE), 'done')
    const other = story.program(a)
    assert.deepEqual(
      [99, 100, PAGE, 4 * PAGE - 1].map(position => story.load(a, position, other)),
      [50, 0, 0, 0],
    )
    assert.equal(story.store(a, 3 * PAGE, 51, PAGE, other), 'done')
    assert.deepEqual(story.pages(a), [50, 0, 0, 51])
  })

  generic(141, 'a mapping reads what read calls read, up to the last byte', story => {
    const a = story.create('/a', 3)
    story.cycle()
    for (const position of [0, 1, PAGE - 1, PAGE, 3 * PAGE - 1])
      assert.equal(story.load(a, position), story.bytes(a, position, 1)[0])
  })

  generic(
    246,
    'a write that fails halfway for lack of space leaves the bytes before it alone',
    story => {
      const a = story.create('/a', 1)
      assert.equal(story.truncate(a, 100), 'done')
      const full = story.create('/full', 0)
      while (story.write(full, story.size(full), 9, PAGE) === 'done') story.sync(full)
      story.write(a, 100, 60, 2 * PAGE)
      assert.deepEqual(story.bytes(a, 98, 2), [1, 1])
      assert.equal(story.truncate(a, 100), 'done')
      assert.equal(story.truncate(a, 200), 'done')
      assert.deepEqual(story.bytes(a, 99, 2), [1, 0])
    },
    { blocks: 10 },
  )

  generic(438, 'what is stored in the last page stays when a write makes the file longer', story => {
    const a = story.create('/a', 0)
    let length = 0
    for (let round = 0; round < 6; round++) {
      assert.equal(story.write(a, length, 70 + round, 1000), 'done')
      assert.equal(story.store(a, length, 90 + round, 500), 'done')
      length += 1000
      if (round % 2 === 0) story.sync(a)
    }
    story.cycle()
    for (let round = 0; round < 6; round++)
      assert.deepEqual(story.bytes(a, round * 1000 + 499, 2), [90 + round, 70 + round])
  })

  generic(469, 'a mapping reads zeros past the end, whatever blocks lie there', story => {
    const a = story.create('/a', 3)
    assert.equal(story.truncate(a, END), 'done')
    assert.equal(story.allocate(a, 2 * PAGE, 4 * PAGE, { size: 'kept' }), 'done')
    assert.deepEqual([story.size(a), story.load(a, END - 1), story.load(a, END)], [END, 3, 0])
    assert.equal(story.truncate(a, 5 * PAGE), 'done')
    assert.deepEqual(story.loads(a, [END, 3 * PAGE, 5 * PAGE - 1]), [0, 0, 0])
  })

  generic(499, 'a mapping reads zeros where the file was cut in the middle of a page, and grew', story => {
    const a = story.create('/a', 3)
    assert.equal(story.load(a, 2 * PAGE + 100), 3)
    assert.equal(story.truncate(a, END), 'done')
    assert.equal(story.load(a, END), 0)
    assert.equal(story.write(a, 3 * PAGE, 60, 10), 'done')
    assert.deepEqual(story.loads(a, [END - 1, END, 3 * PAGE - 1, 3 * PAGE]), [3, 0, 0, 60])
  })

  generic(511, 'what is stored past the end doesn’t show when blocks are set aside there', story => {
    const a = story.create('/a', 3)
    assert.equal(story.truncate(a, END), 'done')
    assert.equal(story.store(a, END - 10, 80, 50), 'done')
    assert.equal(story.allocate(a, 2 * PAGE, 2 * PAGE), 'done')
    assert.equal(story.size(a), 4 * PAGE)
    story.cycle()
    assert.deepEqual(story.bytes(a, END - 1, 2), [80, 0])
  })

  generic(567, 'stores and holes take turns, and each is where it was made', story => {
    const a = story.create('/a', 3)
    assert.equal(story.store(a, 0, 50, 3 * PAGE), 'done')
    for (const [start, length] of [
      [0, 100],
      [PAGE - 50, 100],
      [2 * PAGE, PAGE],
    ] as const)
      assert.equal(story.punch(a, start, length), 'done')
    const seen = () => story.loads(a, [99, 100, PAGE - 51, PAGE - 50, PAGE + 49, PAGE + 50, 2 * PAGE])
    assert.deepEqual(seen(), [0, 50, 50, 0, 0, 50, 0])
    story.cycle()
    assert.deepEqual(seen(), [0, 50, 50, 0, 0, 50, 0])
    assert.equal(story.store(a, 2 * PAGE, 51, PAGE), 'done')
    assert.equal(story.load(a, 3 * PAGE - 1), 51)
  })

  generic(758, 'stores and zeroed ranges take turns, and the mapping sees the zeros at once', story => {
    const a = story.create('/a', 3)
    assert.equal(story.store(a, 0, 50, 3 * PAGE), 'done')
    assert.equal(story.allocate(a, 100, 2 * PAGE, { how: 'zero' }), 'done')
    const seen = () => story.loads(a, [99, 100, PAGE, 2 * PAGE + 99, 2 * PAGE + 100])
    assert.deepEqual(seen(), [50, 0, 0, 0, 50])
    assert.equal(story.store(a, PAGE, 51, 10), 'done')
    story.cycle()
    assert.deepEqual(story.loads(a, [PAGE - 1, PAGE, PAGE + 9, PAGE + 10]), [0, 51, 51, 0])
  })

  generic(749, 'a store past the end is let in up to the end of the page, and refused behind it', story => {
    const a = story.create('/a', 1)
    assert.equal(story.truncate(a, 100), 'done')
    assert.equal(story.store(a, 100, 66, PAGE - 100), 'done')
    assert.equal(story.size(a), 100)
    assert.deepEqual([story.load(a, PAGE), story.store(a, PAGE, 66, 1)], ['ENXIO', 'ENXIO'])
    story.cycle()
    assert.equal(story.truncate(a, PAGE), 'done')
    assert.deepEqual(story.bytes(a, 99, 2), [1, 0], 'what was stored there was never written')
  })
})
