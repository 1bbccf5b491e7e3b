/** A volume that shrinks: what was in it stays, whoever shares what shares it, and a crash leaves one size or the other. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { errnoName } from '../base/index.ts'
import { Shrinking, shrinkingArgs } from './shrinking.ts'
import { type OpenedFile, ok, PAGE, VolumeWorld } from './volume-world.suite.ts'

function shrink(at: VolumeWorld, blocks: number) {
  return at.world.spawn(new Shrinking(), shrinkingArgs(at.volume, blocks))
}

/** Files in the tail: /gap keeps the front until it is removed, /a and its clone /b share, /u is unwritten. */
function scattered(blocks = 64): VolumeWorld {
  const at = new VolumeWorld({ blocks })
  const gap = at.create('/gap', 30)
  const a = at.create('/a', 12)
  const b = at.create('/b', 0)
  assert.equal(at.world.says(at.remap('clone', a, b, { length: 8 * PAGE })), 'done')
  at.write(b, PAGE, new Uint8Array(PAGE).fill(90))
  const u = at.create('/u', 0)
  assert.equal(at.world.says(at.allocate(u, 0, 2 * PAGE)), 'done')
  at.sync(b)
  for (const file of [gap, a, b, u]) at.close(file)
  ok(at.volume.unlink('/gap'))
  at.commit()
  at.commit()
  return at
}

const A = Array.from({ length: 12 }, (_, page) => page + 1)
const B = [1, 90, 3, 4, 5, 6, 7, 8]

function holdsAll(at: VolumeWorld): void {
  const files: readonly (readonly [string, readonly number[]])[] = [
    ['/a', A],
    ['/b', B],
    ['/u', [0, 0]],
  ]
  for (const [path, pages] of files) {
    const file: OpenedFile = at.open(path)
    assert.deepEqual(at.pages(file), pages, path)
    at.close(file)
  }
  at.recount()
}

test('what lies in the tail moves, shared blocks once, and the tail goes in one commit (SZ1, SZ2)', () => {
  const at = scattered()
  const { used } = at.volume.usage
  const shared = ok(at.volume.stat('/b')).shared
  assert.equal(at.world.says(shrink(at, 24)), 'done')
  assert.deepEqual([at.volume.header.blocks, at.volume.usage.size], [24, 23])
  assert.equal(at.volume.usage.used, used)
  assert.equal(ok(at.volume.stat('/b')).shared, shared)
  holdsAll(at)
  const later = at.crash()
  assert.equal(later.volume.header.blocks, 24)
  holdsAll(later)
  // All blocks that are left can be had.
  const { free } = later.volume.usage
  later.close(later.create('/more', free))
  assert.equal(later.volume.usage.free, 0)
  later.recount()
})

test('a crash at any moment finds the old size or the new one, and all files (SZ1)', () => {
  const at = scattered()
  at.device.holding = true
  const task = shrink(at, 24)
  const sizes = new Set<number>()
  for (let step = 0; task.state !== 'ended'; step++) {
    assert.ok(step < 500)
    at.world.settle()
    const later = at.crash()
    sizes.add(later.volume.header.blocks)
    holdsAll(later)
    at.device.releaseAll()
    at.world.settle()
  }
  assert.equal(at.world.says(task), 'done')
  assert.deepEqual([...sizes], [64])
  assert.equal(at.crash().volume.header.blocks, 24)
})

test('what if it doesn’t fit, or is in use? It stays as it is', () => {
  const at = scattered()
  const before = at.volume.usage
  assert.equal(at.world.says(shrink(at, 64)), errnoName(22))
  assert.equal(at.world.says(shrink(at, 1)), errnoName(22))
  assert.equal(at.world.says(shrink(at, 10)), 'ENOSPC')
  const file = at.open('/a')
  assert.equal(at.world.says(shrink(at, 40)), 'EBUSY')
  at.close(file)
  assert.deepEqual(at.volume.usage, before)
  holdsAll(at)
})

test('what if it is killed wherever it stands? Every file is whole, and every block is somebody’s or free (SZ3)', () => {
  for (let killAt = 0; killAt < 12; killAt++) {
    const at = scattered()
    at.device.holding = true
    const task = shrink(at, 24)
    for (let step = 0; step < killAt; step++) {
      at.world.settle()
      at.device.releaseAll()
    }
    at.world.settle()
    if (task.state !== 'ended') at.world.kill(task)
    at.device.releaseAll()
    at.device.holding = false
    at.world.settle()
    at.commit()
    holdsAll(at)
    const says = at.world.says(shrink(at, 20))
    assert.equal(says, 'done')
    holdsAll(at)
  }
})

test('whatever files there are, they are the same in a smaller volume', () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.record({
          pages: fc.integer({ min: 0, max: 9 }),
          how: fc.constantFrom('keep', 'remove', 'clone', 'punch'),
        }),
        { minLength: 1, maxLength: 7 },
      ),
      fc.integer({ min: 0, max: 10 }),
      (plans, spare) => {
        const at = new VolumeWorld({ blocks: 128 })
        const paths: string[] = []
        for (const [number, { pages, how }] of plans.entries()) {
          const file = at.create(`/${number}`, pages, number + 1)
          if (how === 'clone') {
            const copy = at.create(`/${number}c`, 0)
            assert.equal(at.world.says(at.remap('clone', file, copy)), 'done')
            at.close(copy)
            paths.push(`/${number}c`)
          }
          if (how === 'punch') at.world.says(at.world.punch(file, PAGE, 2 * PAGE))
          at.close(file)
          if (how === 'remove') ok(at.volume.unlink(`/${number}`))
          else paths.push(`/${number}`)
        }
        at.commit()
        at.commit()
        const read = () =>
          paths.map(path => {
            const file = at.open(path)
            const pages = at.pages(file)
            at.close(file)
            return pages
          })
        const before = read()
        const { used } = at.volume.usage
        const blocks = Math.max(2, used + 1 + spare)
        assert.equal(at.world.says(shrink(at, blocks)), 'done')
        assert.equal(at.volume.header.blocks, blocks)
        assert.equal(at.volume.usage.used, used)
        assert.deepEqual(read(), before)
        at.recount()
      },
    ),
    { numRuns: 60 },
  )
})

test('a volume that can only be read neither shrinks nor grows', () => {
  const at = scattered()
  Object.assign(at.store, { readOnly: true })
  assert.equal(at.world.says(shrink(at, 24)), 'EROFS')
  assert.equal(at.volume.header.blocks, 64)
})
