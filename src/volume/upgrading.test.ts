/** Volumes of format 1: they open to be read, and an upgrade makes all of one what a new one is, or nothing. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { errno } from '../base/index.ts'
import { checkingArgs } from './checking.ts'
import { inFormat1 } from './format-1.ts'
import { snapshotArgs } from './snapshot.ts'
import { Upgrading, type UpgradingArgs, upgradingArgs } from './upgrading.ts'
import { ok, VolumeWorld } from './volume-world.suite.ts'

const now = { seconds: 1_700_000_000, nanoseconds: 5 }

/** Files, directories, a clone, two names, a sealed snapshot with a directory in it; a file without a name that was open. */
function older(): VolumeWorld {
  const at = new VolumeWorld()
  ok(at.volume.create('/d', 'directory'))
  ok(at.volume.create('/d/e', 'directory'))
  const a = at.create('/d/e/a', 3)
  at.remap('clone', a, at.create('/b', 0))
  ok(at.volume.link('/b', '/d/c'))
  const gone = at.create('/gone', 2)
  const task = at.world.spawn(at.volume.snapshot, snapshotArgs({ from: '/d', to: '/s', mode: 'r' }))
  assert.equal(at.world.says(task), 'done')
  ok(at.volume.unlink('/gone'))
  at.sync(gone)
  at.commit()
  const image = at.image()
  return new VolumeWorld({ image: { ...image, store: inFormat1(image.store) } })
}

/** The same where a slice is one record, and an upgrade that is begun and has run until `until`. */
function underWay(until: (args: UpgradingArgs) => boolean) {
  const at = new VolumeWorld({ image: older().image(), slicePages: 4 })
  const { scheduler } = at.world
  const args = upgradingArgs({ volume: at.volume, uid: 7, gid: 8, now })
  const task = scheduler.spawn(new Upgrading(), args, { name: 'upgrade', group: 1 })
  while (!until(args)) scheduler.step(task as never)
  return { at, scheduler, task }
}

function upgrade(at: VolumeWorld) {
  return at.world.spawn(new Upgrading(), upgradingArgs({ volume: at.volume, uid: 7, gid: 8, now }))
}

describe('a volume of format 1', () => {
  it('opens to be read, with attributes that nobody set', () => {
    const at = older()
    assert.equal(at.volume.isReadOnly, true)
    assert.deepEqual(at.volume.check().wrong, [])
    assert.deepEqual(at.pages(at.open('/d/e/a')), [1, 2, 3])
    assert.partialDeepStrictEqual(ok(at.volume.stat('/b')), { mode: 0o644, uid: 0, links: 2, size: 3 * 4096 })
    assert.equal(ok(at.volume.stat('/s')).sealed, true)
    assert.equal(at.volume.create('/x', 'file').errno, errno.EROFS)
  })

  it('is upgraded to what a new one is, once and for all (UG1)', () => {
    const at = older()
    assert.equal(at.world.says(upgrade(at)), 'done')
    at.recount()
    assert.partialDeepStrictEqual(ok(at.volume.inodes.getattr(1)), {
      links: 4,
      parent: 1,
      uid: 7,
      gid: 8,
      mtime: now,
    })
    assert.partialDeepStrictEqual(ok(at.volume.stat('/d/e/a')), {
      blocks: 3,
      shared: 3,
      mode: 0o644,
      btime: now,
    })
    for (const path of ['/s', '/s/e', '/s/e/a']) {
      assert.equal(ok(at.volume.stat(path)).sealed, true, path)
      assert.equal(at.volume.mayChange(path).errno, errno.EROFS, path)
    }
    for (const path of ['/d', '/d/e', '/b']) assert.equal(ok(at.volume.stat(path)).sealed, false, path)
    ok(at.volume.create('/x', 'fifo'))
    at.commit()
    const later = at.crash()
    assert.equal(later.volume.header.format, 2)
    assert.deepEqual(later.pages(later.open('/d/e/a')), [1, 2, 3])
    later.recount()
    assert.equal(later.world.says(upgrade(later)), 'done', 'there is nothing to do')
  })

  it('is of format 1 between two slices of its upgrade, if it crashes', () => {
    for (let written = 0; written < 9; written++) {
      const { at } = underWay(args => args.written === written)
      const later = at.crash()
      assert.deepEqual([later.volume.header.format, later.volume.check().wrong], [1, []])
    }
  })

  it('stays as it is if the upgrade is killed before it has written an inode', () => {
    const { at, scheduler, task } = underWay(args => args.judged === 3)
    scheduler.kill(task)
    at.world.settle()
    assert.equal(at.world.says(task as never), 'EINTR')
    assert.deepEqual([at.volume.header.format, at.volume.check().wrong], [1, []])
    assert.equal(at.world.says(upgrade(at)), 'done')
    at.recount()
  })

  it('is upgraded all the same if the upgrade is killed after that (UG2)', () => {
    const { at, scheduler, task } = underWay(args => args.written === 2)
    scheduler.kill(task)
    at.world.settle()
    assert.equal(at.world.says(task as never), 'EINTR')
    at.recount()
    assert.equal(at.crash().volume.header.format, 2)
  })

  it('is upgraded once by two who want it at the same time', () => {
    const { at, task } = underWay(args => args.written === 4)
    const other = upgrade(at)
    at.world.settle()
    assert.deepEqual([at.world.says(task as never), at.world.says(other)], ['done', 'done'])
    at.commit()
    at.crash().recount()
  })

  it('is checked before its upgrade or after it, not between two slices', () => {
    const { at, scheduler, task } = underWay(args => args.written === 4)
    const args = checkingArgs('metadata only')
    const check = scheduler.spawn(at.volume.checking, args, { name: 'check', group: 1 })
    at.world.settle()
    assert.deepEqual([at.world.says(task as never), at.world.says(check as never)], ['done', 'done'])
    assert.deepEqual(args.report?.wrong, [])
  })

  it('is in the one format or the other after a crash at any moment', () => {
    const at = older()
    at.device.holding = true
    const task = upgrade(at)
    at.world.settle()
    const before = at.crash()
    assert.deepEqual([before.volume.header.format, before.volume.check().wrong], [1, []])
    at.device.releaseAll()
    at.world.settle()
    assert.equal(at.world.says(task), 'done')
    const after = at.crash()
    assert.deepEqual([after.volume.header.format, after.volume.isReadOnly], [2, false])
    after.recount()
  })
})
