/** Ranges taken out of files, and holes put in. The numbers are those of xfstests' generic tests (docs/xfstests.md). */
import assert from 'node:assert/strict'
import { describe } from 'node:test'
import { generic, PAGE } from './story.suite.ts'

describe('collapse and insert', () => {
  generic(21, 'a range is taken out of data, of a hole, and of what was only set aside', story => {
    const a = story.create('/a', 8)
    assert.equal(story.punch(a, 2 * PAGE, 2 * PAGE), 'done')
    assert.equal(story.allocate(a, 8 * PAGE, 2 * PAGE), 'done')
    assert.equal(story.shift('collapse', a, PAGE, 2 * PAGE), 'done')
    assert.deepEqual(story.pages(a), [1, 0, 5, 6, 7, 8, 0, 0])
    assert.equal(story.shift('collapse', a, 5 * PAGE, 2 * PAGE), 'done')
    assert.deepEqual(story.pages(a), [1, 0, 5, 6, 7, 0])
    assert.equal(story.shift('collapse', a, 5 * PAGE, PAGE), 'EINVAL')
  })

  generic(22, 'the same of what is dirty yet', story => {
    const a = story.create('/a', 4)
    for (let page = 0; page < 4; page++) assert.equal(story.store(a, page * PAGE, 50 + page, PAGE), 'done')
    assert.equal(story.shift('collapse', a, PAGE, PAGE), 'done')
    assert.deepEqual(story.pages(a), [50, 52, 53])
    story.sync(a)
    assert.deepEqual(story.durable(a), [50, 52, 53])
  })

  generic(58, 'a hole is put into data, and what it parts reads as before', story => {
    const a = story.create('/a', 4)
    assert.equal(story.shift('insert', a, 2 * PAGE, 3 * PAGE), 'done')
    assert.deepEqual(story.pages(a), [1, 2, 0, 0, 0, 3, 4])
    assert.equal(story.blocks(a).blocks, 4)
    assert.equal(story.store(a, 3 * PAGE, 60, PAGE), 'done')
    assert.deepEqual(story.pages(a), [1, 2, 0, 60, 0, 3, 4])
    assert.equal(story.shift('insert', a, 7 * PAGE, PAGE), 'EINVAL')
  })

  generic(64, 'holes between all pages of a file, and taken out again: it is what it was', story => {
    const a = story.create('/a', 6)
    for (let page = 5; page > 0; page--) assert.equal(story.shift('insert', a, page * PAGE, PAGE), 'done')
    assert.deepEqual(story.pages(a), [1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6])
    story.cycle()
    for (let page = 1; page < 6; page++) assert.equal(story.shift('collapse', a, page * PAGE, PAGE), 'done')
    assert.deepEqual(story.pages(a), [1, 2, 3, 4, 5, 6])
    assert.equal(story.blocks(a).blocks, 6)
  })
})
