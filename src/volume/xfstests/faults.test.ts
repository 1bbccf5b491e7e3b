/** Faults, their errors, and programs that race for a page. The numbers are those of xfstests' generic tests (docs/xfstests.md). */
import assert from 'node:assert/strict'
import { describe } from 'node:test'
import { errno } from '../../base/index.ts'
import { type File, generic, PAGE, type Story } from './story.suite.ts'

/** A hole of two pages, and what each of some programs stores to its own part of both. */
function race(story: Story, prepare: (file: File) => void, share: (file: File, who: number) => void): void {
  const a = story.create('/a', 0)
  assert.equal(story.truncate(a, 2 * PAGE), 'done')
  prepare(a)
  for (let who = 0; who < 4; who++) share(a, who)
  const seen = () =>
    [0, 1, 2, 3].flatMap(who => story.bytes(a, who * 100, 1).concat(story.bytes(a, PAGE + who * 100 + 99, 1)))
  const expected = [10, 10, 11, 11, 12, 12, 13, 13]
  assert.deepEqual(seen(), expected)
  story.cycle()
  assert.deepEqual(seen(), expected)
}

function storeShare(story: Story, a: File, who: number, space = story.space): void {
  for (const page of [0, PAGE]) assert.equal(story.store(a, page + who * 100, 10 + who, 100, space), 'done')
}

describe('faults', () => {
  generic(325, 'a range that is msynced, and then the rest by fsync, is durable', story => {
    const a = story.create('/a', 4)
    for (const page of [0, 1, 3]) assert.equal(story.store(a, page * PAGE, 50 + page, PAGE), 'done')
    assert.equal(story.msync(a, PAGE, PAGE), 'done')
    assert.equal(story.durable(a)[1], 51)
    assert.equal(story.sync(a), 'done')
    assert.deepEqual(story.durable(a), [50, 51, 3, 53])
  })

  generic(574, 'a load of damaged bytes fails, and never hands them on', story => {
    const a = story.create('/a', 2)
    story.cycle()
    const part = ('dax' in a.opened ? a.opened.dax : a.opened.volumeFile).node.extents.at(1)!
    story.at.poke((part.value + 1 - part.start) * PAGE + 7, new Uint8Array([99]))
    assert.equal(story.load(a, 0), 1)
    assert.match(String(story.load(a, PAGE)), /^(EIO|EUCLEAN)$/)
    assert.equal(story.at.volume.damageCount > 0, true)
    story.isBroken = true
  })

  generic(614, 'a file that was only stored to has blocks', story => {
    const a = story.create('/a', 0)
    assert.equal(story.truncate(a, 2 * PAGE), 'done')
    assert.equal(story.blocks(a).blocks, 0)
    assert.equal(story.store(a, 0, 50, 10), 'done')
    assert.equal(story.blocks(a).blocks, 1)
    story.cycle()
    assert.equal(story.blocks(a).blocks, 1)
  })

  generic(623, 'a store on a volume that has been shut down fails, and doesn’t hang', story => {
    const a = story.create('/a', 2)
    assert.equal(story.load(a, 0), 1)
    story.at.device.holding = true
    const ticket = story.at.volume.sync()
    story.at.world.settle()
    for (const request of [...story.at.device.held]) story.at.device.fail(request, errno.EIO)
    story.at.device.releaseAll()
    story.at.world.settle()
    assert.equal(ticket.errno, errno.EIO)
    assert.equal(story.store(a, 0, 50, 1), 'EROFS')
    assert.equal(story.load(a, PAGE), 2)
    story.isBroken = true
  })

  generic(
    638,
    'bytes that are copied from page to page of one mapping arrive, in little memory',
    story => {
      const a = story.create('/a', 12)
      for (let page = 0; page < 11; page++) {
        const byte = story.load(a, (page + 1) * PAGE)
        assert.equal(story.store(a, page * PAGE + 2048, Number(byte), 2048), 'done')
      }
      for (let page = 0; page < 11; page++)
        assert.deepEqual(story.bytes(a, page * PAGE + 2047, 2), [page + 1, page + 2])
    },
    { frames: 12 },
  )

  generic(
    743,
    'populating pages that can’t be read ends with the error, and doesn’t hang',
    story => {
      const a = story.create('/a', 3)
      story.cycle()
      story.at.device.holding = true
      const task = story.at.world.populate(story.space, a.start, a.start + 3, 'load')
      while (story.at.device.held.length > 0) {
        story.at.device.fail(story.at.device.held[0]!, errno.EIO)
        story.at.world.settle()
      }
      assert.equal(story.says(task), 'EIO')
      story.at.device.releaseAll()
      assert.deepEqual(story.loads(a, [0, 2 * PAGE]), [1, 3])
    },
    { ways: ['cached'] },
  )
})

describe('programs that race for a page of a hole', () => {
  generic(340, 'store each to a part of it: all parts are there', story => {
    const spaces = new Map<number, ReturnType<Story['program']>>()
    race(
      story,
      () => {},
      (a, who) => {
        spaces.set(who, story.program(a))
        storeShare(story, a, who, spaces.get(who)!)
      },
    )
  })

  generic(344, 'have read the hole before', story => {
    race(
      story,
      a => assert.deepEqual(story.loads(a, [0, PAGE]), [0, 0]),
      (a, who) => {
        const space = story.program(a)
        assert.equal(story.load(a, 0, space), who === 0 ? 0 : 10)
        storeShare(story, a, who, space)
      },
    )
  })

  generic(345, 'are forked from one another', story => {
    race(
      story,
      () => {},
      (a, who) => {
        const fork = story.at.world.fork(story.space)
        assert.equal(story.says(fork), 'done')
        storeShare(story, a, who, fork.args.child!)
      },
    )
  })

  generic(346, 'store and write in turns', story => {
    race(
      story,
      () => {},
      (a, who) => {
        if (who % 2 === 0) storeShare(story, a, who)
        else
          for (const page of [0, PAGE]) assert.equal(story.write(a, page + who * 100, 10 + who, 100), 'done')
      },
    )
  })
})
