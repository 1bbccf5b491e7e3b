/** Long calls of a volume between two of their slices: what shows of them, what others may do, and what a crash leaves. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { errno, ROOT } from '../base/index.ts'
import type { Task, Verb } from '../sched/index.ts'
import { checkingArgs } from './checking.ts'
import { Failure } from './failure.ts'
import { remappingArgs } from './remapping.ts'
import { snapshotArgs } from './snapshot.ts'
import { SortedMap } from './sorted-map.ts'
import { ok, PAGE, VolumeWorld } from './volume-world.suite.ts'

function ended({ world }: VolumeWorld, task: Task<never>): void {
  world.settle()
  assert.equal(world.says(task as unknown as Task), 'done')
}

/** A slice is one record. */
const SMALL = { blocks: 128, frames: 128, slicePages: 4 }

function begin<Args>({ world }: VolumeWorld, verb: Verb<Args>, args: Args): Task<Args> {
  return world.scheduler.spawn(verb, args, { name: verb.name, group: ROOT })
}

/** Runs attempts of the task alone, until `until`, or until it has to wait or has ended. */
function runUntil({ world }: VolumeWorld, task: Task<never>, until: () => boolean): void {
  while (!until() && world.scheduler.ready().includes(task as unknown as Task))
    world.scheduler.step(task as unknown as Task)
}

function story(): VolumeWorld {
  const at = new VolumeWorld(SMALL)
  ok(at.volume.create('/d', 'directory'))
  for (const [name, first] of [
    ['/d/a', 1],
    ['/d/b', 11],
    ['/d/c', 21],
  ] as const)
    at.close(at.create(name, 3, first))
  at.commit()
  return at
}

/** A snapshot of /d that has copied some and not all. */
function halfCopied(at: VolumeWorld) {
  const args = snapshotArgs({ from: '/d', to: '/s', mode: 'r+' })
  const task = begin(at, at.volume.snapshot, args)
  runUntil(at, task as never, () => args.files === 2)
  assert.equal(args.files, 2)
  return task
}

const names = (at: VolumeWorld, path: string) => ok(at.volume.list(path)).map(({ name }) => name)

describe('a snapshot that is half copied', () => {
  it('has no name, and nothing is wrong with the metadata', () => {
    const at = story()
    const task = halfCopied(at)
    assert.deepEqual(names(at, '/'), ['d'])
    assert.deepEqual(at.volume.check().wrong, [])
    ended(at, task as never)
    assert.deepEqual(names(at, '/s'), ['a', 'b', 'c'])
    at.recount()
  })

  it('is copied to its end, as all was, by who changes a name or opens a file', () => {
    for (const act of ['create', 'open'] as const) {
      const at = story()
      const task = halfCopied(at)
      if (act === 'create') ok(at.volume.create('/d/late', 'file'))
      else {
        const file = at.open('/d/c')
        at.write(file, 0, new Uint8Array(PAGE).fill(99))
        at.sync(file)
      }
      assert.deepEqual(names(at, '/s'), ['a', 'b', 'c'])
      ended(at, task as never)
      assert.deepEqual(at.pages(at.open('/s/c')), [21, 22, 23])
      at.recount()
    }
  })

  it('isn’t there after a crash, though somebody has synced meanwhile', () => {
    const at = story()
    halfCopied(at)
    const commit = at.volume.sync()
    at.store.release()
    const later = at.crash()
    assert.deepEqual(names(later, '/'), ['d'])
    later.recount()
    at.world.settle()
    assert.equal(at.says(commit), 'done')
    assert.deepEqual(names(at.crash(), '/'), ['d', 's'])
  })

  it('is seen through when it is killed', () => {
    const at = story()
    const task = halfCopied(at)
    at.world.scheduler.kill(task)
    at.world.settle()
    assert.equal(task.errno, errno.EINTR)
    assert.deepEqual(names(at, '/s'), ['a', 'b', 'c'])
    at.recount()
  })
})

describe('a snapshot that fails half way', () => {
  it('leaves no name and no reference behind (SN2)', () => {
    const at = story()
    const { names: inodes } = at.volume.parts
    const before = at.store.image().length
    const task = halfCopied(at)
    inodes.copyIn = () => {
      throw new Failure(errno.EMLINK)
    }
    at.world.settle()
    assert.equal(task.errno, errno.EMLINK)
    assert.deepEqual(names(at, '/'), ['d'])
    assert.equal(ok(at.volume.stat('/d/a')).shared, 0)
    at.recount()
    at.commit()
    at.commit()
    assert.equal(at.store.image().length, before, 'and no record')
  })
})

describe('a clone that is half done', () => {
  it('leaves all or nothing after a crash, whoever syncs meanwhile', () => {
    const at = story()
    const source = at.open('/d/a')
    assert.equal(at.world.says(at.allocate(source, PAGE, PAGE, { how: 'zero' })), 'done')
    at.sync(source)
    const target = at.open('/d/b')
    const files = { source: source.volumeFile, target: target.volumeFile }
    const plan = { how: 'clone', ...files, from: 0, to: 0, length: 3 * PAGE } as const
    const task = begin(at, at.volume.remapping, remappingArgs(plan))
    runUntil(at, task as never, () => (task.args.shared ?? 0) > 0)
    assert.equal(task.args.shared, 1)
    const commit = at.volume.sync()
    assert.deepEqual(at.durable('/d/b'), [11, 12, 13])
    ended(at, task as never)
    at.world.settle()
    assert.equal(at.says(commit), 'done')
    assert.deepEqual(at.durable('/d/b'), [1, 0, 3])
  })
})

describe('a file that lies in many pieces', () => {
  it('goes in slices when its last name goes, and is gone after a crash between two', () => {
    const at = story()
    const used = at.volume.usage.used
    const file = at.create('/pieces', 8, 41)
    for (const page of [1, 3, 5])
      assert.equal(at.world.says(at.allocate(file, page * PAGE, PAGE, { how: 'zero' })), 'done')
    at.sync(file)
    at.close(file)
    at.commit()
    ok(at.volume.unlink('/pieces'))
    assert.ok(at.volume.parts.erasing.underWay !== undefined, 'some of it is left')
    assert.deepEqual(at.volume.check().wrong, [])
    at.commit()
    assert.equal(at.volume.parts.erasing.underWay, undefined)
    at.commit()
    assert.equal(at.volume.usage.used, used)
    at.recount()
    assert.deepEqual(names(at.crash(), '/'), ['d'])
  })
})

describe('a check', () => {
  it('looks at the metadata as it was when it began, and commits wait for it', () => {
    const at = story()
    const args = checkingArgs('metadata only')
    const task = begin(at, at.volume.checking, args)
    at.world.scheduler.step(task as unknown as Task)
    ok(at.volume.unlink('/d/b'))
    ok(at.volume.create('/new', 'directory'))
    const commit = at.volume.sync()
    ended(at, task as never)
    const { wrong = ['no report'], files, directories } = args.report ?? {}
    assert.deepEqual([wrong, files, directories], [[], 3, 2])
    at.world.settle()
    assert.equal(at.says(commit), 'done')
    at.recount()
  })

  it('lets commits go when it is killed', () => {
    const at = story()
    const task = begin(at, at.volume.checking, checkingArgs('metadata only'))
    at.world.scheduler.step(task as unknown as Task)
    at.world.scheduler.kill(task)
    ok(at.volume.create('/new', 'directory'))
    at.commit()
    assert.deepEqual(names(at.crash(), '/'), ['d', 'new'])
  })
})

it('a copy of a sorted map and the map don’t show one another’s changes (SM3)', () => {
  const map = new SortedMap<number>()
  for (let key = 0; key < 1000; key++) map.set(String(key).padStart(4, '0'), key)
  const copy = map.copy()
  for (let key = 0; key < 1000; key += 3) map.delete(String(key).padStart(4, '0'))
  map.set('0001', -1)
  copy.set('0002', -2)
  copy.set('5000', 5000)
  assert.deepEqual([map.size, copy.size], [666, 1001])
  assert.deepEqual([map.get('0000'), copy.get('0000')], [undefined, 0])
  assert.deepEqual([map.get('0001'), copy.get('0001')], [-1, 1])
  assert.deepEqual([map.get('0002'), copy.get('0002')], [2, -2])
  assert.deepEqual([map.get('5000'), copy.get('5000')], [undefined, 5000])
})
