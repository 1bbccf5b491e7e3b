/** The pager's views of memory files: files come and go, and the views of those that are gone show those that come. */
import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import { Linux, Userfaultfd } from '../linux/index.ts'
import { unavailable } from './hardware.suite.ts'
import { MemoryFiles } from './store.ts'

const PAGE = 4096

function world(t: TestContext): MemoryFiles {
  const linux = new Linux()
  const uffd = Userfaultfd.open(linux)
  const store = new MemoryFiles(linux, uffd, PAGE)
  t.after(() => {
    store.close()
    uffd.close()
  })
  return store
}

describe('a view of a memory file', { skip: unavailable }, () => {
  test('US3: shows the file that comes next, with nothing of the one that is gone', t => {
    const store = world(t)
    const before = store.bytes(1, 0).fill(7)
    const other = store.bytes(2, 0).fill(8)
    store.forget(1)
    assert.equal(store.placeOf(before), undefined)
    const after = store.bytes(3, 1)
    assert.equal(after.buffer, before.buffer, 'V8 counts no new one')
    assert.deepEqual([after[0], before[0], other[0]], [0, 0, 8])
    assert.equal(store.placeOf(after)?.offset, PAGE)
    after.fill(9)
    store.forget(3)
    const inPiece = 2 ** 28 / PAGE
    const second = store.bytes(4, inPiece)
    assert.equal(second.buffer, before.buffer)
    assert.equal(store.placeOf(second)?.offset, 2 ** 28)
    second.fill(5)
    assert.equal(store.bytes(4, 0)[0], 0, 'each piece of a file is its own')
    store.forget(2)
    store.forget(4)
  })

  test('is gone with the store, and beyond a few at once', t => {
    const store = world(t)
    const views = [1, 2, 3, 4, 5, 6].map(file => store.bytes(file, 0))
    for (let file = 1; file <= views.length; file++) store.forget(file)
    assert.deepEqual(
      views.map(view => view.length === 0),
      [false, false, false, false, true, true],
    )
    store.close()
    assert.ok(views.every(view => view.length === 0))
  })
})
