/** Ranges of files, by the contract of Linux's calls, for files in the cache and for DAX files alike. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Bytes } from '../base/index.ts'
import { type OpenedDax, type OpenedFile, ok, PAGE, VolumeWorld } from './volume-world.suite.ts'

const full = (value: number, length = PAGE) => new Uint8Array(length).fill(value)

/** The same words for files that are open in either way. */
class Story {
  readonly at: VolumeWorld
  readonly a: OpenedFile | OpenedDax
  readonly b: OpenedFile | OpenedDax
  private readonly how: 'cached' | 'dax'

  /** /a of four pages, page i full of i + 1, and an empty /b. */
  constructor(how: 'cached' | 'dax', blocks = 64) {
    this.how = how
    this.at = new VolumeWorld({ blocks, dax: how === 'dax' })
    this.at.close(this.at.create('/a', 4))
    ok(this.at.volume.create('/b', 'file'))
    this.a = this.open('/a')
    this.b = this.open('/b')
  }

  open(path: string): OpenedFile | OpenedDax {
    return this.how === 'dax' ? this.at.openDax(path) : this.at.open(path)
  }

  write(file: OpenedFile | OpenedDax, position: Bytes, bytes: Uint8Array): string {
    const { at } = this
    const task = 'dax' in file ? at.daxWrite(file, position, bytes) : at.world.write(file, position, bytes)
    return at.world.says(task)
  }

  bytes(file: OpenedFile | OpenedDax, position: Bytes, length: Bytes): number[] {
    const { at } = this
    return [...('dax' in file ? at.daxBytes(file, position, length) : at.read(file, position, length))]
  }

  /** The first byte of each page. */
  pages(file: OpenedFile | OpenedDax): number[] {
    const bytes = this.bytes(file, 0, 100 * PAGE)
    return Array.from({ length: Math.ceil(bytes.length / PAGE) }, (_, page) => bytes[page * PAGE]!)
  }

  punch(file: OpenedFile | OpenedDax, position: Bytes, length: Bytes): string {
    const { at } = this
    return 'dax' in file
      ? at.world.says(at.change({ how: 'punch', file: file.dax, position, length }))
      : at.world.says(at.world.punch(file, position, length))
  }

  says(task: Parameters<VolumeWorld['world']['says']>[0]): string {
    return this.at.world.says(task)
  }

  /** Everything is durable and adds up, and nothing is promised. */
  finish(): void {
    for (const file of [this.a, this.b]) if (!('dax' in file)) this.at.sync(file)
    this.at.commit()
    assert.equal(this.at.volume.usage.reserved, 0)
    this.at.recount()
    this.at.world.recount()
  }
}

for (const how of ['cached', 'dax'] as const)
  describe(`ranges of a ${how} file`, () => {
    it('are cloned block by block, and the target grows by no more than it needs (FICLONERANGE)', () => {
      const story = new Story(how)
      const { at, a, b } = story
      assert.equal(
        story.says(at.remap('clone', a, b, { from: PAGE, to: 2 * PAGE, length: 2 * PAGE })),
        'done',
      )
      assert.deepEqual(story.pages(b), [0, 0, 2, 3])
      assert.equal(ok(at.volume.stat('/b')).shared, 2)
      assert.equal(story.write(b, 2 * PAGE, full(50, 10)), 'done')
      assert.deepEqual(story.bytes(b, 2 * PAGE, 12).slice(9), [50, 2, 2])
      assert.deepEqual(story.pages(a), [1, 2, 3, 4])
      story.finish()
      assert.deepEqual(
        [at.durable('/a'), at.durable('/b')],
        [
          [1, 2, 3, 4],
          [0, 0, 50, 3],
        ],
      )
    })

    it('are refused as Linux refuses them', () => {
      const story = new Story(how)
      const { at, a, b } = story
      const clone = (plan: object) => story.says(at.remap('clone', a, b, plan))
      assert.equal(clone({ from: 1 }), 'EINVAL')
      assert.equal(clone({ to: 1 }), 'EINVAL')
      assert.equal(clone({ length: 10 }), 'EINVAL')
      assert.equal(clone({ length: 5 * PAGE }), 'EINVAL', 'past the end of the source')
      assert.equal(clone({ to: 2 ** 53 }), 'EFBIG')
      assert.equal(story.says(at.remap('clone', a, a, { to: PAGE, length: 2 * PAGE })), 'EINVAL')
      assert.equal(
        story.says(at.remap('dedupe', a, b, { length: PAGE })),
        'EINVAL',
        'past the end of the target',
      )
      assert.equal(story.says(at.allocate(b, 0, 0)), 'EINVAL')
      assert.equal(story.says(at.allocate(b, 2 ** 53, 1)), 'EFBIG')
      assert.equal(story.write(b, 2 ** 53, full(1)), 'EFBIG')
      assert.equal(clone({ length: 'to the end' }), 'done')
      assert.deepEqual(story.pages(b), [1, 2, 3, 4])
      story.finish()
    })

    it('are deduplicated where they are the same, whole blocks only (FIDEDUPERANGE)', () => {
      const story = new Story(how)
      const { at, a, b } = story
      assert.equal(story.write(b, 0, full(1)), 'done')
      assert.equal(story.write(b, PAGE, full(2, 100)), 'done')
      story.finish()
      const { used } = at.volume.usage
      const shortened = at.remap('dedupe', a, b, { length: PAGE + 100 })
      assert.equal(story.says(shortened), 'done')
      assert.deepEqual([shortened.args.remapped, shortened.args.differs], [PAGE, false])
      story.finish()
      assert.equal(at.volume.usage.used, used - 1)
      const differing = at.remap('dedupe', a, b, { from: PAGE, to: 0, length: PAGE })
      assert.equal(story.says(differing), 'done')
      assert.deepEqual([differing.args.remapped, differing.args.differs], [0, true])
      assert.deepEqual(story.bytes(b, PAGE - 1, 102).length, 101)
      story.finish()
    })

    it('that are allocated take a store on a full volume (FALLOC_FL_KEEP_SIZE: past the end of the file too)', () => {
      const story = new Story(how, 12)
      const { at, b } = story
      const { free } = at.volume.usage
      assert.equal(story.says(at.allocate(b, 0, free * PAGE, { size: 'kept' })), 'done')
      assert.deepEqual([at.volume.usage.free, story.pages(b)], [0, []])
      assert.equal(story.says(at.allocate(b, 0, (free + 1) * PAGE)), 'ENOSPC')
      assert.equal(story.write(b, PAGE + 5, full(60, PAGE)), 'done')
      assert.deepEqual(story.bytes(b, PAGE, 7), [0, 0, 0, 0, 0, 60, 60])
      assert.equal(ok(at.volume.stat('/b')).size, 2 * PAGE + 5)
      story.finish()
      assert.deepEqual(at.durable('/b'), [0, 0, 60])
    })

    it('that are zeroed read as zeros, have blocks, and leave the bytes beside them (FALLOC_FL_ZERO_RANGE)', () => {
      const story = new Story(how)
      const { at, a } = story
      assert.equal(story.write(a, 3 * PAGE, full(70)), 'done')
      const before = ok(at.volume.stat('/a'))
      assert.equal(story.says(at.allocate(a, PAGE - 2, 2 * PAGE + 4, { how: 'zero' })), 'done')
      assert.deepEqual(story.pages(a), [1, 0, 0, 0])
      assert.deepEqual(story.bytes(a, PAGE - 4, 4), [1, 1, 0, 0])
      assert.deepEqual(story.bytes(a, 3 * PAGE, 4), [0, 0, 70, 70])
      assert.equal(ok(at.volume.stat('/a')).blocks, before.blocks)
      assert.equal(story.says(at.allocate(a, 5 * PAGE, PAGE, { how: 'zero', size: 'kept' })), 'done')
      assert.equal(story.pages(a).length, 4)
      assert.equal(story.says(at.allocate(a, 5 * PAGE, PAGE, { how: 'zero' })), 'done')
      assert.equal(story.pages(a).length, 6)
      story.finish()
      assert.deepEqual(at.durable('/a'), [1, 0, 0, 0, 0, 0])
    })

    it('what if a range can’t be zeroed for want of room? It holds what it held (PA1)', () => {
      const story = new Story(how, 8)
      const { at, a } = story
      const before = at.volume.usage
      assert.equal(story.says(at.allocate(a, 0, 4 * PAGE, { how: 'zero' })), 'ENOSPC')
      assert.deepEqual(story.pages(a), [1, 2, 3, 4])
      assert.deepEqual(at.volume.usage, before)
      story.finish()
    })

    it('are unshared with the same bytes; others keep theirs (FALLOC_FL_UNSHARE_RANGE, gen-649)', () => {
      const story = new Story(how)
      const { at, a, b } = story
      assert.equal(story.says(at.remap('clone', a, b)), 'done')
      assert.equal(story.says(at.unshare(b, PAGE + 1, PAGE)), 'done')
      assert.equal(ok(at.volume.stat('/b')).shared, 2)
      assert.equal(story.says(at.unshare(b, 0, 100 * PAGE)), 'done')
      assert.deepEqual([ok(at.volume.stat('/a')).shared, ok(at.volume.stat('/b')).shared], [0, 0])
      assert.deepEqual(
        [story.pages(a), story.pages(b)],
        [
          [1, 2, 3, 4],
          [1, 2, 3, 4],
        ],
      )
      story.finish()
      const { used } = at.volume.usage
      assert.equal(story.says(at.unshare(a, 0, 4 * PAGE)), 'done')
      assert.equal(at.volume.usage.used, how === 'dax' ? used + 4 : used, 'DAX: its blocks had checksums')
      story.finish()
    })

    it('what if there is no room to unshare? The file shares what it shared, and reads the same', () => {
      const story = new Story(how, 7)
      const { at, a, b } = story
      assert.equal(story.says(at.remap('clone', a, b)), 'done')
      at.commit()
      assert.equal(story.says(at.unshare(b, 0, 4 * PAGE)), 'ENOSPC')
      assert.deepEqual(story.pages(b), [1, 2, 3, 4])
      story.finish()
    })

    it('are taken out, and holes are put in, and no block is copied (FALLOC_FL_COLLAPSE_RANGE, INSERT_RANGE; SF1)', () => {
      const story = new Story(how)
      const { at, a, b } = story
      assert.equal(story.says(at.remap('clone', a, b)), 'done')
      assert.equal(story.write(a, 3 * PAGE, full(70, 100)), 'done')
      assert.equal(story.says(at.shift('collapse', a, PAGE, PAGE)), 'done')
      assert.deepEqual(story.pages(a), [1, 3, 70])
      assert.deepEqual(story.bytes(a, 2 * PAGE + 98, 4), [70, 70, 4, 4])
      assert.deepEqual(story.pages(b), [1, 2, 3, 4])
      assert.equal(story.says(at.shift('insert', a, PAGE, 2 * PAGE)), 'done')
      assert.deepEqual(story.pages(a), [1, 0, 0, 3, 70])
      assert.equal(story.says(at.shift('insert', a, 0, PAGE)), 'done')
      assert.equal(story.write(a, 0, full(9, 10)), 'done')
      assert.deepEqual(story.pages(a), [9, 1, 0, 0, 3, 70])
      story.finish()
      assert.deepEqual(at.durable('/a'), [9, 1, 0, 0, 3, 70])
      assert.equal(ok(at.volume.stat('/a')).blocks, 4)
    })

    it('keep the end of a file that ends inside a block, wherever that has come to lie', () => {
      const story = new Story(how)
      const { at, a } = story
      assert.equal(story.write(a, 4 * PAGE, full(70, 100)), 'done')
      assert.equal(story.says(at.shift('insert', a, PAGE, PAGE)), 'done')
      assert.deepEqual(story.bytes(a, 4 * PAGE, PAGE), [...full(4)])
      assert.deepEqual(story.bytes(a, 5 * PAGE, PAGE), [...full(70, 100)])
      assert.equal(story.says(at.shift('collapse', a, 0, 2 * PAGE)), 'done')
      assert.deepEqual(story.bytes(a, 2 * PAGE, 2 * PAGE), [...full(4), ...full(70, 100)])
      story.finish()
    })

    it('are moved in whole blocks, and only inside the file', () => {
      const story = new Story(how)
      const { at, a } = story
      const shift = (...[what, position, length]: readonly ['collapse' | 'insert', number, number]) =>
        story.says(at.shift(what, a, position, length))
      assert.equal(shift('collapse', 1, PAGE), 'EINVAL')
      assert.equal(shift('collapse', 0, PAGE + 1), 'EINVAL')
      assert.equal(shift('collapse', 0, 0), 'EINVAL')
      assert.equal(shift('collapse', 3 * PAGE, PAGE), 'EINVAL', 'it reaches the end')
      assert.equal(shift('insert', 4 * PAGE, PAGE), 'EINVAL', 'it is the end')
      assert.equal(shift('insert', PAGE, 2 ** 53), 'EFBIG')
      assert.equal(shift('insert', 3 * PAGE, 50 * PAGE), 'done')
      assert.equal(shift('collapse', 2 * PAGE, 51 * PAGE), 'done')
      assert.deepEqual(story.pages(a), [1, 2, 4])
      story.finish()
    })

    it('what if a file is mapped while its ranges move? A load finds what the file holds', () => {
      const story = new Story(how)
      const { at, a } = story
      const space = at.world.space('s')
      const start = at.world.map(space, a.open)
      for (let page = 0; page < 4; page++) at.world.fault(space, start + page, 'load')
      at.world.fault(space, start + 3, 'store')
      at.world.store(space, start + 3, 90)
      assert.equal(story.says(at.shift('collapse', a, PAGE, PAGE)), 'done')
      for (const [page, wanted] of [1, 3, 90].entries()) {
        assert.equal(story.says(at.world.fault(space, start + page, 'load')), 'done')
        assert.equal(at.world.value(space, start + page), wanted)
      }
      assert.equal(story.says(at.world.fault(space, start + 3, 'load')), 'ENXIO', 'behind the end')
      story.finish()
    })

    it('what if the metadata is many records? They are moved in slices, and a crash finds the one or the other (SF2)', () => {
      const at = new VolumeWorld({ blocks: 400 })
      const a = at.create('/a', 0)
      const pages = 150
      for (let page = 0; page < 2 * pages; page += 2)
        at.write(a, page * PAGE, full((page % 100) + 1, page === 2 * pages - 2 ? 10 : PAGE))
      at.sync(a)
      const before = at.pages(a)
      for (const how of ['insert', 'collapse'] as const) {
        const task = at.shift(how, a, PAGE, 3 * PAGE)
        at.world.settle()
        assert.equal(at.world.says(task), 'done')
        const moved = [...before.slice(0, 1), 0, 0, 0, ...before.slice(1)]
        assert.deepEqual(at.pages(a), how === 'insert' ? moved : before)
        assert.deepEqual(at.durable('/a'), how === 'insert' ? before : moved)
        at.commit()
        at.recount()
      }
    })

    it('are copied: aligned ones share, the rest has blocks of its own (copy_file_range)', () => {
      const story = new Story(how)
      const { at, a, b } = story
      const head = at.copyRange(a, PAGE - 10, b, 3 * PAGE - 10, 2 * PAGE + 30)
      assert.equal(story.says(head), 'done')
      assert.equal(head.args.copied, 2 * PAGE + 30)
      assert.deepEqual(story.bytes(b, 3 * PAGE - 12, 14), [0, 0, ...full(1, 10), 2, 2])
      assert.deepEqual(story.bytes(b, 5 * PAGE - 1, 100), [3, ...full(4, 20)])
      assert.equal(ok(at.volume.stat('/b')).shared, 2)
      const askew = at.copyRange(a, 1, b, 0, 100 * PAGE)
      assert.equal(story.says(askew), 'done')
      assert.equal(askew.args.copied, 4 * PAGE - 1, 'to the end of the source')
      assert.deepEqual(story.bytes(b, PAGE - 2, 2), [1, 2])
      assert.deepEqual(story.pages(a), [1, 2, 3, 4])
      assert.equal(at.copyRange(a, 4 * PAGE, b, 0, 10).args.copied, 0)
      assert.equal(story.says(at.copyRange(a, 0, a, PAGE, 2 * PAGE)), 'EINVAL')
      story.finish()
    })

    it('what if the volume is full halfway through a copy? What was copied stays, and is told', () => {
      const story = new Story(how, 8)
      const { at, a, b } = story
      const copy = at.copyRange(a, 1, b, 0, 4 * PAGE - 1)
      assert.equal(story.says(copy), 'done')
      assert.equal(copy.args.copied, 3 * PAGE)
      assert.deepEqual(story.pages(b), [1, 2, 3])
      assert.equal(story.says(at.copyRange(a, 1, b, 3 * PAGE, 10)), 'ENOSPC')
      story.finish()
    })

    it('what if a clone is killed wherever it stands? No claim is left, and no block', () => {
      for (let killAt = 0; killAt < 8; killAt++) {
        const story = new Story(how)
        const { at, a, b } = story
        story.write(a, 0, full(80))
        at.device.holding = true
        const tasks = [
          at.remap('clone', a, b),
          at.allocate(a, 1, 3 * PAGE, { how: 'zero' }),
          at.copyRange(a, 1, b, 0, PAGE),
          at.unshare(a, 0, PAGE),
          at.remap('dedupe', a, b),
          at.allocate(b, 0, PAGE),
          at.shift('collapse', a, PAGE, PAGE),
          at.shift('insert', a, PAGE, PAGE),
        ]
        at.world.kill(tasks[killAt]!)
        at.device.releaseAll()
        at.world.settle()
        assert.ok(tasks.every(task => task.state === 'ended'))
        story.punch(a, 0, 4 * PAGE)
        story.finish()
      }
    })
  })

describe('files that are open in different ways', () => {
  it('share no range, and are copied by calls', () => {
    const at = new VolumeWorld({ dax: true })
    at.close(at.create('/a', 2))
    const a = at.openDax('/a')
    const b = at.create('/b', 0)
    assert.equal(at.world.says(at.remap('clone', a, b)), 'EINVAL')
    const copy = at.copyRange(a, 0, b, 0, 2 * PAGE)
    assert.equal(at.world.says(copy), 'done')
    assert.deepEqual([at.pages(b), ok(at.volume.stat('/b')).shared], [[1, 2], 0])
    at.sync(b)
    at.recount()
  })
})

describe('msync of a DAX mapping', () => {
  it('makes durable where its stores lie', () => {
    const at = new VolumeWorld({ dax: true })
    at.close(at.create('/a', 2))
    const a = at.openDax('/a')
    const space = at.world.space('s')
    const start = at.world.map(space, a.open)
    at.world.fault(space, start, 'store')
    at.world.store(space, start, 90)
    assert.deepEqual(at.durable('/a'), [1, 2])
    assert.equal(at.world.says(at.world.msync(space, start, 2)), 'done')
    assert.deepEqual(at.durable('/a'), [90, 2])
  })
})
