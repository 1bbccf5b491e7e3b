/** Files that share blocks: clone, dedupe and fallocate, against stores, errors and kills. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { errno } from '../base/index.ts'
import { ok, PAGE, VolumeWorld } from './volume-world.suite.ts'

const full = (value: number, length = PAGE) => new Uint8Array(length).fill(value)

/** /a of four pages, and an empty /b. */
function pair(blocks = 64) {
  const at = new VolumeWorld({ blocks })
  const a = at.create('/a', 4)
  ok(at.volume.create('/b', 'file'))
  return { at, a, b: at.open('/b') }
}

describe('a clone', () => {
  it('has the same bytes and no blocks of its own, and grows by what is stored to it (gen-155)', () => {
    const { at, a, b } = pair()
    const { used } = at.volume.usage
    assert.equal(at.world.says(at.remap('clone', a, b)), 'done')
    assert.deepEqual(at.pages(b), [1, 2, 3, 4])
    assert.equal(at.volume.usage.used, used)
    assert.partialDeepStrictEqual(ok(at.volume.stat('/b')), {
      kind: 'file',
      links: 1,
      size: 4 * PAGE,
      ino: 3,
      sealed: false,
      blocks: 4,
      shared: 4,
    })
    at.write(b, PAGE, full(50))
    at.sync(b)
    assert.equal(at.volume.usage.used, used + 1)
    assert.deepEqual(at.durable('/a'), [1, 2, 3, 4])
    assert.deepEqual(at.durable('/b'), [1, 50, 3, 4])
    at.recount()
  })

  it('has what was stored to its source and not written yet', () => {
    const { at, a, b } = pair()
    at.write(a, 0, full(60))
    assert.equal(at.world.says(at.remap('clone', a, b)), 'done')
    at.evict(b)
    assert.deepEqual(at.pages(b), [60, 2, 3, 4])
    at.recount()
  })

  it('what if its source is mapped writable? The next store asks, and doesn’t show in the clone (case 26)', () => {
    const { at, a, b } = pair()
    const space = at.world.space('s')
    const start = at.world.map(space, a)
    at.world.fault(space, start, 'store')
    at.world.store(space, start, 70)
    assert.equal(at.world.says(at.remap('clone', a, b)), 'done')
    assert.equal(at.world.rights(space, start), 'r')
    at.world.fault(space, start, 'store')
    at.world.store(space, start, 71)
    at.sync(a)
    assert.deepEqual(at.pages(b), [70, 2, 3, 4])
    assert.deepEqual(at.pages(a), [71, 2, 3, 4])
    at.recount()
  })

  it('takes mapped pages of its target away, so that mappers see the new ones (gen-670)', () => {
    const { at, a } = pair()
    const c = at.create('/c', 4, 100)
    const space = at.world.space('s')
    const start = at.world.map(space, c)
    at.world.fault(space, start + 1, 'store')
    assert.equal(at.world.says(at.remap('clone', a, c, { from: PAGE, to: PAGE, length: 2 * PAGE })), 'done')
    assert.equal(at.world.rights(space, start + 1), '')
    assert.equal(at.volume.usage.reserved, 0)
    at.world.fault(space, start + 1, 'load')
    assert.equal(at.world.value(space, start + 1), 2)
    assert.deepEqual(at.pages(c), [100, 2, 3, 103])
    at.recount()
  })

  it('what if a store comes while it is on its way? It waits without a lock, and then asks', () => {
    const { at, a, b } = pair()
    const space = at.world.space('s')
    const start = at.world.map(space, a)
    at.write(a, 0, full(80))
    at.device.holding = true
    const clone = at.remap('clone', a, b)
    assert.equal(at.world.says(clone), 'waits: page lock')
    const store = at.world.fault(space, start + 1, 'store')
    assert.equal(at.world.says(store), 'waits: invalidate')
    assert.equal(at.world.says(at.world.proc(space, 'cmdline')), 'done')
    at.device.releaseAll()
    at.world.settle()
    assert.equal(at.world.says(clone), 'done')
    assert.equal(at.world.says(store), 'done')
    at.world.store(space, start + 1, 81)
    assert.deepEqual(at.pages(b), [80, 2, 3, 4])
  })

  it('what if it is killed, or its source can’t be written? The target stays, and no claim is left (RP3)', () => {
    const { at, a, b } = pair()
    at.write(a, 0, full(80))
    at.device.holding = true
    const killed = at.remap('clone', a, b)
    at.world.kill(killed)
    assert.equal(at.world.says(killed), 'EINTR')
    at.device.fail(at.device.held[0]!)
    at.world.settle()
    const failed = at.remap('clone', a, b)
    at.device.fail(at.device.held[0]!)
    at.world.settle()
    assert.equal(at.world.says(failed), 'EIO')
    assert.equal(at.volume.usage.reserved, 1)
    at.device.releaseAll()
    assert.deepEqual(at.pages(b), [])
    assert.deepEqual(at.pages(a), [80, 2, 3, 4])
    at.recount()
  })

  it('of part of a block is refused, but for the end of both files', () => {
    const { at, a, b } = pair()
    assert.equal(at.world.says(at.remap('clone', a, b, { length: 10 })), 'EINVAL')
    assert.equal(at.world.says(at.remap('clone', a, a, { to: PAGE, length: 2 * PAGE })), 'EINVAL')
    at.write(a, 4 * PAGE, full(9, 5))
    assert.equal(at.world.says(at.remap('clone', a, b)), 'done')
    assert.equal(b.file.size, 4 * PAGE + 5)
    assert.deepEqual([...at.read(b, 4 * PAGE, 9)], [9, 9, 9, 9, 9])
    at.recount()
  })

  it('of a hundred, removed one after the other, leaves the space as it was', () => {
    const { at, a } = pair(16)
    const { used } = at.volume.usage
    for (let copy = 0; copy < 100; copy++) {
      ok(at.volume.create(`/c${copy}`, 'file'))
      const c = at.open(`/c${copy}`)
      assert.equal(at.world.says(at.remap('clone', a, c)), 'done')
      at.close(c)
    }
    at.recount()
    for (let copy = 0; copy < 100; copy++) assert.equal(at.volume.unlink(`/c${copy}`).errno, 0)
    assert.equal(at.volume.usage.used, used)
    at.recount()
  })
})

describe('dedupe', () => {
  it('shares what is the same and leaves alone what differs (RP2)', () => {
    const { at, a } = pair()
    const c = at.create('/c', 4)
    const { used } = at.volume.usage
    assert.equal(at.world.says(at.remap('dedupe', a, c)), 'done')
    at.commit()
    assert.equal(at.volume.usage.used, used - 4)
    assert.deepEqual(at.durable('/c'), [1, 2, 3, 4])
    at.write(c, 3 * PAGE, full(5))
    const task = at.remap('dedupe', a, c)
    assert.equal(at.world.says(task), 'done')
    assert.equal(task.args.differs, true)
    at.evict(c)
    assert.deepEqual(at.pages(c), [1, 2, 3, 5])
    at.recount()
  })

  it('what if a store comes while it compares? The store waits, and shows in one file (gen-630)', () => {
    const { at, a } = pair()
    const c = at.create('/c', 4)
    const space = at.world.space('s')
    const start = at.world.map(space, c)
    at.device.holding = true
    const dedupe = at.remap('dedupe', a, c)
    const store = at.world.fault(space, start, 'store')
    assert.equal(at.world.says(store), 'waits: invalidate')
    at.device.releaseAll()
    at.world.settle()
    assert.equal(at.world.says(dedupe), 'done')
    assert.equal(at.world.says(store), 'done')
    at.world.store(space, start, 90)
    at.sync(c)
    assert.deepEqual(at.durable('/c'), [90, 2, 3, 4])
    assert.deepEqual(at.durable('/a'), [1, 2, 3, 4])
  })
})

describe('fallocate', () => {
  it('gives holes blocks that read as zeros, and a full volume takes stores there', () => {
    const { at, b } = pair(16)
    assert.equal(at.world.says(at.allocate(b, 0, 11 * PAGE)), 'done')
    assert.equal(at.volume.usage.free, 0)
    assert.deepEqual(at.pages(b), new Array(11).fill(0))
    at.write(b, 2 * PAGE, full(7, 3 * PAGE))
    at.sync(b)
    assert.deepEqual(at.durable('/b'), [0, 0, 7, 7, 7, 0, 0, 0, 0, 0, 0])
    at.recount()
  })

  it('inside a file whose end isn’t written yet leaves the size that is durable', () => {
    const { at, b } = pair()
    at.write(b, PAGE, full(7, 100))
    assert.equal(at.world.says(at.allocate(b, PAGE, 50)), 'done')
    at.commit()
    assert.equal(ok(at.crash().volume.stat('/b')).size, 0)
    at.sync(b)
    assert.equal(ok(at.crash().volume.stat('/b')).size, PAGE + 100)
    at.recount()
  })

  it('of more than there is gives nothing (PA1)', () => {
    const { at, b } = pair(16)
    const before = at.volume.usage
    assert.equal(at.world.says(at.allocate(b, 0, 12 * PAGE)), 'ENOSPC')
    assert.deepEqual(at.volume.usage, before)
    assert.equal(b.file.size, 0)
    at.recount()
  })

  it('isn’t passed on to a clone, which has holes there', () => {
    const { at, a, b } = pair()
    at.allocate(b, 0, 2 * PAGE)
    assert.equal(at.world.says(at.remap('clone', b, a)), 'done')
    assert.deepEqual(at.pages(a), [0, 0, 3, 4])
    assert.equal(ok(at.volume.stat('/a')).blocks, 2)
    at.recount()
  })
})

describe('a read-only volume', () => {
  it('refuses every change (VO2)', () => {
    const { at, a, b } = pair()
    at.volume.parts.damaged('a test')
    assert.equal(at.world.says(at.remap('clone', a, b)), 'EROFS')
    assert.equal(at.world.says(at.allocate(b, 0, PAGE)), 'EROFS')
    assert.equal(at.volume.rename('/a', '/c').errno, errno.EROFS)
    assert.equal(at.world.says(at.world.write(a, 0, full(1))), 'EROFS')
  })
})
