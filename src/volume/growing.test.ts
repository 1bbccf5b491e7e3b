/** A volume that grows: what was in it stays, what is new is free, and a crash leaves one size or the other. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { errnoName } from '../base/index.ts'
import { Growing, growingArgs } from './growing.ts'
import { Upgrading, upgradingArgs } from './upgrading.ts'
import { VolumeWorld } from './volume-world.suite.ts'

function grow(at: VolumeWorld, blocks: number) {
  return at.world.spawn(new Growing(), growingArgs(at.volume, blocks))
}

test('a volume grows in one commit (GW1)', () => {
  const at = new VolumeWorld({ blocks: 32 })
  at.create('/a', 5)
  at.device.holding = true
  const task = grow(at, 64)
  at.world.settle()
  const before = at.crash()
  assert.equal(before.volume.header.blocks, 32)
  before.recount()
  at.device.releaseAll()
  at.world.settle()
  assert.equal(at.world.says(task), 'done')
  assert.equal(at.volume.usage.size, 63)
  at.recount()
  const later = at.crash()
  assert.equal(later.volume.header.blocks, 64)
  assert.deepEqual(later.pages(later.open('/a')), [1, 2, 3, 4, 5])
  later.recount()
  assert.equal(later.world.says(grow(later, 63)), errnoName(22))
  assert.equal(later.world.says(grow(later, 64)), 'done')
})

test('one of format 1 is upgraded first', () => {
  const at = new VolumeWorld({ blocks: 32 })
  at.volume.header = { ...at.volume.header, format: 1 }
  assert.equal(at.world.says(grow(at, 64)), 'EROFS')
  assert.equal(
    at.world.says(
      at.world.spawn(
        new Upgrading(),
        upgradingArgs({ volume: at.volume, uid: 0, gid: 0, now: { seconds: 0, nanoseconds: 0 } }),
      ),
    ),
    'done',
  )
  assert.equal(at.world.says(grow(at, 64)), 'done')
})
