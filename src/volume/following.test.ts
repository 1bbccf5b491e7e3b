/** A reader goes on to what another machine has committed: what it drops, what it keeps, what it tells. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hang, ROOT } from '../base/index.ts'
import type { Changed } from './changed.ts'
import { ALL_PAGES } from './changed-pages.ts'
import { checkingArgs } from './checking.ts'
import { Following, followingArgs } from './following.ts'
import { ROOT_INO } from './records.ts'
import { ok, PAGE, VolumeWorld } from './volume-world.suite.ts'

/** A writer, and a reader of the same records and the same device that has the files open. */
function stage(...paths: readonly string[]) {
  const writer = new VolumeWorld()
  const written = paths.map(path => writer.create(path, 3))
  writer.commit()
  const reader = new VolumeWorld({ image: writer.image(), slicePages: 4 })
  const opened = paths.map(path => reader.open(path))
  for (const file of opened) assert.deepEqual(reader.pages(file), [1, 2, 3])
  const told: Changed[] = []
  hang(reader.volume, 'onFollowed', changed => told.push(changed))

  /** Begins to go on to what the writer has committed since. */
  const begin = () => {
    const { store, device } = writer.image()
    const after = new Map(store)
    const before = new Map(reader.store.image())
    const keys = [...new Set([...before.keys(), ...after.keys()])].filter(
      key => !isSame(before.get(key), after.get(key)),
    )
    const followed = {
      pendingNews: [{ kind: 'commit', at: 1, keys }] as const,
      known: (key: string) => reader.store.get(key),
      advance: () => reader.store['apply'](keys.map(key => ({ key, value: after.get(key) ?? null }))),
    }
    reader.poke(0, device)
    const { world, volume } = reader
    const following = new Following(volume, world.engine.cache, followed)
    return world.scheduler.spawn(following, followingArgs(), { name: following.name, group: ROOT })
  }
  /** The same, and what was told of it. */
  const follow = () => {
    const task = begin()
    reader.world.settle()
    assert.equal(reader.world.says(task as never), 'done')
    return told.at(-1)
  }
  return { writer, written, reader, opened, begin, follow }
}

function isSame(one: Uint8Array | undefined, other: Uint8Array | undefined): boolean {
  return one !== undefined && other !== undefined && Buffer.compare(one, other) === 0
}

test('shows the pages that have other blocks now, and keeps the others and other files (FLW1)', () => {
  const { writer, written, reader, opened, follow } = stage('/a', '/b')
  const [a] = written
  const more = writer.create('/more', 1, 9)
  assert.equal(writer.world.says(writer.remap('clone', more, a!, { to: PAGE, length: PAGE })), 'done')
  writer.commit()
  const { ino } = a!.volumeFile.node
  const changed = follow()
  assert.ok(changed !== 'everything' && changed !== undefined)
  assert.deepEqual(changed.inodes.get(ino), [{ start: 1, end: 2 }])
  assert.equal(changed.inodes.has(written[1]!.volumeFile.node.ino), false)
  const cached = (file: (typeof opened)[number]) =>
    [0, 1, 2].map(page => reader.world.engine.cache.find(file.file.id, page) !== 0)
  assert.deepEqual(opened.map(cached), [
    [true, false, true],
    [true, true, true],
  ])
  assert.deepEqual(reader.pages(opened[0]!), [1, 9, 3])
})

test('tells of a directory whose names are others, and of each of them', () => {
  const { writer, follow } = stage()
  ok(writer.volume.create('/new', 'directory'))
  writer.commit()
  const changed = follow()
  assert.ok(changed !== 'everything' && changed !== undefined)
  assert.deepEqual(changed.inodes.get(ROOT_INO), ALL_PAGES)
  assert.deepEqual(changed.places, [{ directory: ROOT_INO, name: 'new' }])
})

test('gives open files their new size, and none to one that was removed (FLW2)', () => {
  const { writer, written, reader, opened, follow } = stage('/shorter', '/longer', '/gone')
  const [shorter, longer, gone] = written
  assert.equal(writer.world.says(writer.world.truncate(shorter!, 5)), 'done')
  writer.write(longer!, 3 * PAGE, Uint8Array.of(4))
  writer.sync(longer!)
  ok(writer.volume.unlink('/gone'))
  writer.close(gone!)
  writer.commit()
  follow()
  assert.deepEqual(
    opened.map(({ file }) => file.size),
    [5, 3 * PAGE + 1, 0],
  )
  assert.deepEqual(reader.pages(opened[1]!), [1, 2, 3, 4])
})

test('waits for a check that is under way, which sees one commit (FLW3)', () => {
  const { writer, reader, begin } = stage('/a', '/b')
  ok(writer.volume.rename('/a', '/c'))
  ok(writer.volume.create('/d', 'directory'))
  writer.commit()
  const { scheduler } = reader.world
  const args = checkingArgs('metadata only')
  const check = scheduler.spawn(reader.volume.checking, args, { name: 'check', group: ROOT })
  scheduler.step(check as never)
  assert.equal(args.report, undefined, 'it is under way')
  const following = begin()
  reader.world.settle()
  assert.deepEqual([args.report!.wrong, args.report!.files], [[], 2])
  assert.equal(reader.world.says(following as never), 'done')
  assert.deepEqual(
    reader.volume.list('/').value!.map(({ name }) => name),
    ['b', 'c', 'd'],
  )
})
