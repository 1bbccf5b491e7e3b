/** Names of a volume that go, come and stay: trees that are removed, snapshots to be read, clones that replace, and paths. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { Machine } from '../map/index.ts'
import { PAGE, refuses, scratch } from '../map/world.suite.ts'
import type { Volume } from './index.ts'

async function world(t: TestContext): Promise<Volume> {
  const machine = await Machine.start({ memory: '4 MiB' })
  t.after(() => machine.close())
  return machine.createVolume(join(scratch(t), 'volume'), { size: '8 MiB' })
}

async function fill(volume: Volume, path: string, byte: number, pages = 1): Promise<void> {
  await volume.create(path)
  const file = await volume.open(path, { mode: 'r+' })
  await file.write(Buffer.alloc(pages * PAGE, byte), 0)
  await file.close()
}

async function first(volume: Volume, path: string): Promise<number> {
  await using file = await volume.open(path)
  const bytes = Buffer.alloc(1)
  await file.read(bytes, 0)
  return bytes[0]!
}

async function tree(volume: Volume): Promise<void> {
  await volume.mkdir('/d')
  await volume.mkdir('/d/e')
  await volume.mkdir('/d/empty')
  await fill(volume, '/d/a', 1)
  await fill(volume, '/d/e/b', 2)
  await volume.sync()
}

describe('remove', () => {
  test('takes a file, or a directory with all that is below it, and gives the blocks back', async t => {
    const volume = await world(t)
    const { free } = volume.usage
    await tree(volume)
    for (let n = 0; n < 1200; n++) await volume.create(`/d/e/${n}`)
    await volume.snapshot('/d', '/s', { mode: 'r' })
    await volume.remove('/d/a')
    assert.deepEqual(
      (await volume.list('/d')).map(({ name }) => name),
      ['e', 'empty'],
    )
    await volume.remove('/d')
    await volume.remove('/s')
    await volume.sync()
    assert.deepEqual(await volume.list('/'), [])
    assert.equal(volume.usage.free, free)
    assert.deepEqual((await volume.check()).wrong, [])
  })

  test('lets a file that is open live until it is closed', async t => {
    const volume = await world(t)
    await tree(volume)
    const open = await volume.open('/d/e/b')
    await volume.remove('/d')
    const bytes = Buffer.alloc(PAGE)
    assert.equal(await open.read(bytes, 0), PAGE)
    assert.equal(bytes[0], 2)
    await open.close()
    assert.deepEqual((await volume.check()).wrong, [])
  })

  test('says what can’t go, and stops when it is aborted', async t => {
    const volume = await world(t)
    await tree(volume)
    await refuses(() => volume.remove('/'), 'EINVAL', 'remove', /root/)
    await refuses(() => volume.remove('/none'), 'ENOENT', 'remove', /nothing of that name/)
    await refuses(
      () => volume.remove('/d', { signal: AbortSignal.abort() }),
      'ABORT_ERR',
      'remove',
      /aborted/,
    )
    assert.equal((await volume.list('/d')).length, 3)
  })
})

describe('a snapshot that was made to be read', () => {
  test('can’t be changed below itself by any call, in this life of the volume or the next', async t => {
    const path = join(scratch(t), 'volume')
    const machine = await Machine.start({ memory: '4 MiB' })
    t.after(() => machine.close())
    const made = await machine.createVolume(path, { size: '8 MiB' })
    await tree(made)
    await made.snapshot('/d', '/s', { mode: 'r' })
    await made.close()
    const volume = await machine.openVolume(path, { mode: 'r+' })
    const words = /below a snapshot that was made to be read/
    const calls: Readonly<Record<string, () => Promise<unknown>>> = {
      open: () => volume.open('/s/e/b', { mode: 'r+' }),
      create: () => volume.create('/s/new'),
      mkdir: () => volume.mkdir('/s/e/new'),
      rename: () => volume.rename('/s/a', '/a'),
      link: () => volume.link('/s/a', '/a'),
      unlink: () => volume.unlink('/s/a'),
      remove: () => volume.remove('/s/e'),
      clone: () => volume.clone('/d/a', '/s/clone'),
      snapshot: () => volume.snapshot('/d/e', '/s/f'),
      put: () => volume.put(Buffer.alloc(5), '/s/put'),
    }
    for (const [operation, call] of Object.entries(calls)) await refuses(call, 'EROFS', operation, words)
    await refuses(() => volume.rename('/d/a', '/s/a2'), 'EROFS', 'rename', words)
    assert.equal((await volume.stat('/s')).sealed, true)
    assert.equal((await volume.stat('/s')).size, 0)
    assert.equal((await volume.stat('/d')).sealed, false)
    assert.equal(await first(volume, '/s/e/b'), 2)
    await volume.clone('/s/a', '/free')
    await volume.open('/free', { mode: 'r+' })
    await volume.rename('/s', '/d/inside')
    assert.equal(await first(volume, '/d/inside/a'), 1)
    assert.deepEqual((await volume.check()).wrong, [])
  })
})

test('clone takes the place of a file if it is told to, and of a directory never', async t => {
  const volume = await world(t)
  await tree(volume)
  await fill(volume, '/b', 9, 3)
  await refuses(() => volume.clone('/b', '/d/a'), 'EEXIST', 'clone', /name already/)
  const before = await volume.open('/d/a')
  await volume.clone('/b', '/d/a', { existing: 'is replaced' })
  assert.equal(await first(volume, '/d/a'), 9)
  const bytes = Buffer.alloc(1)
  await before.read(bytes, 0)
  assert.equal(bytes[0], 1, 'who has the old one open reads it')
  await before.close()
  await volume.clone('/b', '/b', { existing: 'is replaced' })
  assert.equal(await first(volume, '/b'), 9)
  await refuses(() => volume.clone('/b', '/d/e', { existing: 'is replaced' }), 'EISDIR', 'clone', /directory/)
  assert.deepEqual((await volume.check()).wrong, [])
})

test('exists says whether there is something', async t => {
  const volume = await world(t)
  await tree(volume)
  const saw: boolean[] = []
  for (const path of ['/', '/d', '/d/a', '/none', '/d/a/below a file', '/none/x'])
    saw.push(await volume.exists(path))
  assert.deepEqual(saw, [true, true, true, false, false, false])
})

test('a path that is none is refused by the rule that it breaks', async t => {
  const volume = await world(t)
  const rules: readonly (readonly [string, RegExp])[] = [
    ['a', /from \//],
    ['/a/', /slash/],
    ['/a//b', /slash/],
    ['/./a', /"\."/],
    ['/a/..', /"\.\."/],
    ['/a\0b', /zero byte/],
    ['/\ud800', /surrogate/],
  ]
  for (const [path, words] of rules) await refuses(() => volume.create(path), 'EINVAL', 'create', words)
  await refuses(() => volume.create('/'), 'EINVAL', 'create', /the root/)
  await refuses(() => volume.create(`/${'x'.repeat(256)}`), 'ENAMETOOLONG', 'create', /255/)
  await volume.mkdir('/d')
  await refuses(() => volume.rename('/d', '/d/e'), 'EINVAL', 'rename', /below itself/)
  await refuses(() => volume.snapshot('/d', '/d/s'), 'EINVAL', 'snapshot', /below the directory/)
})
