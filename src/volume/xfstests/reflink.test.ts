/** Files that share blocks, and mappings of them. The numbers are those of xfstests' generic tests (docs/xfstests.md). */
import assert from 'node:assert/strict'
import { describe } from 'node:test'
import { type File, generic, PAGE, type Story } from './story.suite.ts'

const SIZE = 8
const ORIGINAL = [1, 2, 3, 4, 5, 6, 7, 8]

/** What a range of a file may be made of before it is written over, page by page. */
type Kind = 'shared' | 'own' | 'unwritten' | 'hole' | 'dirty'

/** A clone /b of /a whose pages are then made of these kinds, and what each page of it reads as. */
function mixed(story: Story, kinds: readonly Kind[]) {
  const a = story.create('/a', SIZE)
  const b = story.clone(a, '/b')
  const held = kinds.map((kind, page) => {
    if (kind === 'shared') return ORIGINAL[page]!
    if (kind === 'own') {
      assert.equal(story.write(b, page * PAGE, 20 + page, PAGE), 'done')
      return 20 + page
    }
    if (kind === 'dirty') return 0
    assert.equal(story.punch(b, page * PAGE, PAGE), 'done')
    if (kind === 'unwritten') assert.equal(story.allocate(b, page * PAGE, PAGE), 'done')
    return 0
  })
  story.cycle()
  // What is dirty is stored to a hole last, so that it is still in the cache when the range is written over.
  kinds.forEach((kind, page) => {
    if (kind !== 'dirty') return
    assert.equal(story.punch(b, page * PAGE, PAGE), 'done')
    assert.equal(story.write(b, page * PAGE, 40 + page, PAGE), 'done')
    held[page] = 40 + page
  })
  assert.deepEqual(story.pages(b), held)
  return { a, b, held }
}

/** Writes over the inner pages of a file, its first and last of them in part, and looks at all bytes there. */
function overwrite(story: Story, file: File, held: readonly number[], how: 'write' | 'store'): void {
  const [start, end] = [PAGE + 100, 7 * PAGE - 100]
  assert.equal(story[how](file, start, 99, end - start), 'done')
  const seen = () => {
    assert.deepEqual(
      [0, start - 1, end, 7 * PAGE].map(position => story.bytes(file, position, 1)[0]),
      [held[0], held[1], held[6], held[7]],
    )
    assert.deepEqual(new Set(story.bytes(file, start, end - start)), new Set([99]))
  }
  seen()
  story.cycle()
  seen()
}

const repeat = (...kinds: readonly Kind[]): Kind[] =>
  Array.from({ length: SIZE }, (_, page) => kinds[page % kinds.length]!)

describe('a clone whose pages are of many kinds, written over at once', () => {
  const rows: readonly [number, string, readonly Kind[]][] = [
    [657, 'blocks of its own between shared ones', repeat('shared', 'own')],
    [658, 'blocks set aside between shared ones', repeat('shared', 'unwritten')],
    [659, 'holes between shared ones', repeat('shared', 'hole')],
    [660, 'dirty pages without blocks between shared ones', repeat('shared', 'dirty')],
    [661, 'all of these', repeat('shared', 'own', 'unwritten', 'hole', 'dirty')],
    [662, 'all of these, the other way round', repeat('dirty', 'hole', 'unwritten', 'own', 'shared')],
    [
      669,
      'runs of two of each',
      repeat('shared', 'shared', 'hole', 'hole', 'unwritten', 'unwritten', 'own', 'dirty'),
    ],
  ]
  for (const [number, title, kinds] of rows)
    generic(number, `${title}: all are written, and the source keeps what it had`, story => {
      const { a, b, held } = mixed(story, kinds)
      overwrite(story, b, held, number % 2 === 0 ? 'write' : 'store')
      assert.deepEqual(story.pages(a), ORIGINAL)
    })
})

describe('a file of which some pages were cloned away', () => {
  const rows: readonly [number, string, 'write' | 'store', readonly number[]][] = [
    [663, 'every second page', 'write', [0, 2, 4, 6]],
    [664, 'every second page, through a mapping', 'store', [0, 2, 4, 6]],
    [665, 'its first half', 'write', [0, 1, 2, 3]],
    [666, 'its inner pages, through a mapping', 'store', [2, 3, 4, 5]],
  ]
  for (const [number, title, how, shared] of rows)
    generic(number, `${title}: is written over, and the clones keep what they had`, story => {
      const a = story.create('/a', SIZE)
      const b = story.create('/b', 0)
      for (const page of shared) {
        const range = { from: page * PAGE, to: page * PAGE, length: PAGE }
        assert.equal(story.remap('clone', a, b, range), 'done')
      }
      story.cycle()
      const clone = story.pages(b)
      overwrite(story, a, ORIGINAL, how)
      assert.deepEqual(story.pages(b), clone)
      assert.deepEqual(
        clone,
        ORIGINAL.slice(0, clone.length).map((value, page) => (shared.includes(page) ? value : 0)),
      )
    })
})

describe('mappings of clones', () => {
  generic(140, 'a store at the beginning, in the middle and at the end shows in one file only', story => {
    const a = story.create('/a', SIZE)
    const b = story.clone(a, '/b')
    for (const position of [0, 4 * PAGE + 17, SIZE * PAGE - 10])
      assert.equal(story.store(b, position, 60, 10), 'done')
    story.cycle()
    assert.deepEqual(story.pages(a), ORIGINAL)
    assert.deepEqual(
      story.loads(b, [0, 10, 4 * PAGE + 16, 4 * PAGE + 17, SIZE * PAGE - 1]),
      [60, 1, 5, 60, 60],
    )
    assert.deepEqual(story.blocks(b), { blocks: SIZE, shared: SIZE - 3 })
  })

  generic(155, 'writing over every copy takes as many blocks as copies, and no more', story => {
    const a = story.create('/a', 4)
    const alone = story.used
    const copies = ['/b', '/c', '/d'].map(path => story.clone(a, path))
    assert.equal(story.used, alone)
    for (const [number, copy] of copies.entries()) {
      assert.equal(story.store(copy, 0, 60 + number, 4 * PAGE), 'done')
      story.cycle()
      story.at.commit()
      assert.equal(story.used, alone * (number + 2))
    }
    assert.deepEqual(story.pages(a), [1, 2, 3, 4])
    assert.deepEqual(
      copies.map(copy => story.load(copy, 3 * PAGE)),
      [60, 61, 62],
    )
  })

  generic(578, 'many programs that store to one clone see one another, and the source sees none', story => {
    const a = story.create('/a', 4)
    const b = story.clone(a, '/b')
    const programs = [story.space, story.program(b), story.program(b)]
    programs.forEach((space, who) => {
      for (let page = 0; page < 4; page++)
        assert.equal(story.store(b, page * PAGE + who * 10, 70 + who, 10, space), 'done')
    })
    for (const space of programs)
      assert.deepEqual(
        [0, 10, 20, 30].map(offset => story.load(b, 2 * PAGE + offset, space)),
        [70, 71, 72, 3],
      )
    story.cycle()
    assert.deepEqual(story.pages(a), [1, 2, 3, 4])
    assert.deepEqual(story.bytes(b, 3 * PAGE + 19, 3), [71, 72, 72])
  })

  generic(612, 'clones of set-aside and written pages stay apart when both are written again', story => {
    const a = story.create('/a', 2)
    assert.equal(story.allocate(a, 2 * PAGE, 4 * PAGE), 'done')
    const b = story.clone(a, '/b')
    assert.equal(story.store(a, PAGE, 60, 2 * PAGE), 'done')
    assert.equal(story.write(b, 2 * PAGE, 70, 2 * PAGE), 'done')
    const c = story.clone(b, '/c')
    assert.equal(story.store(b, 0, 71, PAGE), 'done')
    story.cycle()
    assert.deepEqual(
      [a, b, c].map(file => story.pages(file)),
      [
        [1, 60, 60, 0, 0, 0],
        [71, 2, 70, 70, 0, 0],
        [1, 2, 70, 70, 0, 0],
      ],
    )
  })

  generic(630, 'a dedupe of what is stored to meanwhile shares what is the same, or nothing', story => {
    const a = story.create('/a', 2)
    const b = story.create('/b', 2)
    assert.equal(story.store(b, PAGE + 5, 60, 1), 'done')
    const different = story.at.remap('dedupe', a.opened, b.opened, { length: 2 * PAGE })
    assert.deepEqual([story.says(different), different.args.differs], ['done', true])
    assert.equal(story.store(b, PAGE + 5, 2, 1), 'done')
    story.at.device.holding = true
    const same = story.at.remap('dedupe', a.opened, b.opened, { length: 2 * PAGE })
    const store = story.at.world.faulting(story.space, b.start, 'store')
    story.at.world.settle()
    story.at.device.releaseAll()
    story.at.world.settle()
    assert.deepEqual([story.says(same), story.says(store)], ['done', 'done'])
    assert.equal(story.store(b, 0, 61, 10), 'done')
    story.cycle()
    assert.deepEqual(
      [story.pages(a), story.pages(b)],
      [
        [1, 2],
        [61, 2],
      ],
    )
  })

  generic(
    649,
    'what is unshared reads the same, has blocks of its own, and takes stores that don’t show',
    story => {
      const a = story.create('/a', 4)
      const b = story.clone(a, '/b')
      assert.equal(story.punch(b, 3 * PAGE, PAGE), 'done')
      assert.equal(story.unshare(b, 0, 4 * PAGE), 'done')
      assert.deepEqual([story.blocks(b), story.blocks(a).shared], [{ blocks: 3, shared: 0 }, 0])
      assert.equal(story.store(b, PAGE, 60, PAGE), 'done')
      story.cycle()
      assert.deepEqual(
        [story.pages(a), story.pages(b)],
        [
          [1, 2, 3, 4],
          [1, 60, 3, 0],
        ],
      )
    },
  )

  generic(
    670,
    'who reads the target of a clone through a mapping sees the old bytes, and then the new',
    story => {
      const a = story.create('/a', 4)
      const b = story.create('/b', 4, 50)
      const other = story.program(b)
      assert.deepEqual([story.load(b, 0), story.load(b, 3 * PAGE, other)], [50, 53])
      assert.equal(story.remap('clone', a, b), 'done')
      assert.deepEqual(
        [story.load(b, 0), story.load(b, 3 * PAGE, other), story.load(b, 2 * PAGE, other)],
        [1, 4, 3],
      )
    },
  )

  generic(671, 'what is stored to the source after a clone doesn’t show in it, mapped as it was', story => {
    const a = story.create('/a', 3)
    assert.equal(story.store(a, 0, 60, 3 * PAGE), 'done')
    const b = story.clone(a, '/b')
    assert.equal(story.store(a, PAGE, 61, PAGE), 'done')
    assert.equal(story.remap('clone', a, b), 'done')
    assert.equal(story.store(a, 2 * PAGE, 62, PAGE), 'done')
    story.cycle()
    assert.deepEqual(
      [story.pages(a), story.pages(b)],
      [
        [60, 61, 62],
        [60, 61, 60],
      ],
    )
  })

  generic(
    672,
    'what was stored to the target before a clone is gone, and what is stored after it stays',
    story => {
      const a = story.create('/a', 3)
      const b = story.create('/b', 3, 50)
      assert.equal(story.store(b, 0, 60, 3 * PAGE), 'done')
      assert.equal(story.remap('clone', a, b), 'done')
      assert.equal(story.store(b, PAGE, 61, PAGE), 'done')
      assert.deepEqual(story.pages(b), [1, 61, 3])
      story.cycle()
      assert.deepEqual(
        [story.pages(a), story.pages(b)],
        [
          [1, 2, 3],
          [1, 61, 3],
        ],
      )
    },
  )
})
