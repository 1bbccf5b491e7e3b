/** What a program sets and sees of a volume's files beside their bytes: modes, owners, times, links, devices, attributes. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import type { FaultlineError } from '../calls/index.ts'
import { Machine } from '../map/index.ts'
import { PAGE, scratch } from '../map/world.suite.ts'
import type { Volume } from './index.ts'

async function world(t: TestContext): Promise<Volume> {
  const machine = await Machine.start({ memory: '4 MiB' })
  t.after(() => machine.close())
  return machine.createVolume(join(scratch(t), 'volume'), { size: '8 MiB' })
}

async function fails(act: () => Promise<unknown>, code: string, words = /./): Promise<void> {
  await assert.rejects(act, (error: FaultlineError) => error.code === code && words.test(error.message))
}

const uid = process.getuid!()
const gid = process.getgid!()

describe('a file of a volume', () => {
  test('has a mode, an owner and times: its maker’s, or those that are set', async t => {
    const volume = await world(t)
    const before = Date.now() / 1000 - 1
    await volume.create('/a')
    await volume.mkdir('/d', { mode: 0o700, uid: 5, gid: 6 })
    const made = await volume.stat('/a')
    assert.partialDeepStrictEqual(made, { kind: 'file', mode: 0o644, uid, gid, links: 1 })
    assert.ok(made.btime.seconds > before && made.btime.seconds <= Date.now() / 1000)
    assert.partialDeepStrictEqual(await volume.stat('/d'), {
      kind: 'directory',
      mode: 0o700,
      uid: 5,
      gid: 6,
      links: 2,
    })
    assert.partialDeepStrictEqual(await volume.stat('/'), { mode: 0o755, uid, gid, links: 3 })
    await volume.chmod('/a', 0o4711)
    await volume.chown('/a', 1, 2)
    await volume.utimes('/a', { atime: new Date(1500), mtime: { seconds: -7, nanoseconds: 123_456_789 } })
    assert.partialDeepStrictEqual(await volume.stat('/a'), {
      mode: 0o711,
      uid: 1,
      gid: 2,
      atime: { seconds: 1, nanoseconds: 500_000_000 },
      mtime: { seconds: -7, nanoseconds: 123_456_789 },
    })
    await fails(() => volume.chmod('/a', 0o10000), 'EINVAL', /mode: expected a whole number from 0 to 4095/)
    await fails(() => volume.chown('/a', -1, 0), 'EINVAL', /uid: expected a whole number/)
    await fails(
      () => volume.utimes('/a', { atime: 5 as never }),
      'EINVAL',
      /atime: expected a Date, or seconds and/,
    )
    await fails(() => volume.chmod('/none', 0o600), 'ENOENT')
  })

  test('is newer after a write, an append, a truncation and a store through a mapping that was synced', async t => {
    const volume = await world(t)
    await volume.create('/a')
    await using file = await volume.open('/a', { mode: 'r+' })
    const old = { seconds: 5, nanoseconds: 0 }
    const isNew = async (act: () => Promise<unknown>) => {
      await volume.utimes('/a', { mtime: old })
      await act()
      assert.ok((await volume.stat('/a')).mtime.seconds > 1e9, String(act))
    }
    await isNew(() => file.write(Buffer.alloc(2 * PAGE), 0))
    await isNew(() => file.append(Buffer.alloc(9)))
    await isNew(() => file.truncate(PAGE))
    await isNew(() => file.punch(0, 5))
    await volume.utimes('/a', { mtime: old })
    await file.read(Buffer.alloc(9), 0)
    await file.sync()
    assert.deepEqual((await volume.stat('/a')).mtime, old)
  })

  test('may be a link, a FIFO, a socket or a device, which hold no bytes', async t => {
    const volume = await world(t)
    await volume.mkdir('/d')
    await volume.create('/d/f')
    await volume.symlink('d/f', '/l')
    assert.equal(await volume.readlink('/l'), 'd/f')
    assert.equal((await volume.stat('/l')).kind, 'file')
    assert.partialDeepStrictEqual(await volume.lstat('/l'), { kind: 'symlink', mode: 0o777, size: 3 })
    await volume.chown('/l', 3, 4, { link: 'itself' })
    assert.equal((await volume.lstat('/l')).uid, 3)
    assert.equal((await volume.stat('/d/f')).uid, uid)
    await volume.mknod('/p', { kind: 'fifo', mode: 0o600 })
    await volume.mknod('/b', { kind: 'block device', major: 8, minor: 257 })
    assert.partialDeepStrictEqual(await volume.stat('/b'), { kind: 'block device', rdev: 0x100801 })
    await fails(() => volume.open('/p'), 'ENXIO', /it is a FIFO, a socket or a device/)
    await fails(() => volume.clone('/b', '/c'), 'ENXIO', /clone of \/b .*expected a file/)
    await fails(() => volume.mknod('/x', { kind: 'directory' as never }), 'EINVAL', /kind: expected one of/)
    await fails(() => volume.symlink('', '/x'), 'EINVAL', /target: expected where the link is to lead/)
    await fails(() => volume.readlink('/d/f'), 'EINVAL', /no symbolic link/)
    await volume.symlink('loop', '/loop')
    await fails(() => volume.open('/loop'), 'ELOOP', /round in a circle/)
    assert.deepEqual((await volume.check()).wrong, [])
  })

  test('changes places with another, or stays', async t => {
    const volume = await world(t)
    await volume.create('/a')
    await volume.mkdir('/d')
    await fails(() => volume.rename('/a', '/d', { existing: 'stays' }), 'EEXIST')
    await volume.rename('/a', '/d', { existing: 'is exchanged' })
    assert.deepEqual([(await volume.stat('/a')).kind, (await volume.stat('/d')).kind], ['directory', 'file'])
  })

  test('keeps what programs keep beside it, and its copies in a snapshot do', async t => {
    const volume = await world(t)
    await volume.mkdir('/d')
    await volume.create('/d/a', { mode: 0o640 })
    await volume.setxattr('/d/a', 'user.note', Buffer.from('kept'))
    await volume.link('/d/a', '/d/b')
    await volume.symlink('a', '/d/l')
    await volume.snapshot('/d', '/s', { mode: 'r' })
    assert.deepEqual(Buffer.from(await volume.getxattr('/s/a', 'user.note')).toString(), 'kept')
    const [source, copy] = [await volume.stat('/d/a'), await volume.stat('/s/a')]
    assert.deepEqual({ ...copy, ino: source.ino, sealed: false }, source)
    assert.equal((await volume.stat('/s/b')).ino, copy.ino, 'it has two names there too')
    assert.equal(await volume.readlink('/s/l'), 'a')
    await fails(() => volume.setxattr('/s/a', 'user.note', Buffer.from('x')), 'EROFS')
    await fails(() => volume.chmod('/s/a', 0o600), 'EROFS', /snapshot that was made to be read/)
    await fails(() => volume.getxattr('/d/a', 'user.none'), 'ENODATA')
    await fails(() => volume.getxattr('/d/a', ''), 'EINVAL', /name: expected the name of an attribute/)
    await fails(() => volume.setxattr('/d/a', 'note', Buffer.from('x')), 'ENOTSUP', /begins with user/)
    await fails(
      () => volume.setxattr('/d/a', '', Buffer.from('x')),
      'EINVAL',
      /name: expected the name of an attr/,
    )
    await volume.removexattr('/d/a', 'user.note')
    assert.deepEqual(await volume.listxattr('/d/a'), [])
    assert.deepEqual((await volume.check()).wrong, [])
  })

  test('may have a name of any bytes', async t => {
    const volume = await world(t)
    await volume.create('/a\udcff')
    assert.deepEqual(
      (await volume.list('/')).map(({ name }) => name),
      ['a\udcff'],
    )
    await fails(() => volume.create('/a\ud800'), 'EINVAL', /half of a surrogate pair/)
  })

  test('lies in a volume that grows, and was full', async t => {
    const volume = await world(t)
    await volume.create('/a')
    await using file = await volume.open('/a', { mode: 'r+' })
    await file.write(Buffer.alloc(7 * 2 ** 20, 1), 0)
    await file.sync()
    await fails(() => file.write(Buffer.alloc(7 * 2 ** 20, 2), 7 * 2 ** 20), 'ENOSPC')
    await volume.grow(16 * 2 ** 20)
    await file.write(Buffer.alloc(7 * 2 ** 20, 2), 7 * 2 ** 20)
    await file.sync()
    assert.equal(volume.usage.size, (16 * 2 ** 20) / PAGE - 1)
    assert.deepEqual((await volume.check()).wrong, [])
    await fails(() => volume.grow(PAGE), 'EINVAL', /see shrink/)
    await fails(() => volume.grow(2 ** 50), 'ENOSPC')
  })

  test('lies in a volume that shrinks, and in its clone', async t => {
    const volume = await world(t)
    const bytes = Buffer.from(Array.from({ length: 2 * 2 ** 20 }, (_, at) => at % 251))
    await volume.put(Buffer.alloc(2 * 2 ** 20, 7), '/gap')
    await volume.put(bytes, '/a')
    await volume.clone('/a', '/b')
    await volume.unlink('/gap')
    await volume.sync()
    const file = await volume.open('/a')
    await fails(() => volume.shrink(3 * 2 ** 20), 'EBUSY', /a file of it is open/)
    await file.close()
    await fails(() => volume.shrink(2 ** 20), 'ENOSPC', /what it holds takes \d+; remove something first/)
    await fails(() => volume.shrink(2 ** 40), 'EINVAL', /to the \d+ bytes that it has/)
    await fails(() => volume.shrink(0), 'EINVAL', /expected \d+ to/)
    const { used } = volume.usage
    await volume.shrink(3 * 2 ** 20)
    assert.equal(volume.usage.size, (3 * 2 ** 20) / PAGE - 1)
    assert.equal(volume.usage.used, used)
    for (const path of ['/a', '/b']) {
      const parts: Buffer[] = []
      for await (const part of volume.get(path)) parts.push(Buffer.from(part))
      assert.deepEqual(Buffer.concat(parts), bytes)
    }
    assert.deepEqual((await volume.check()).wrong, [])
  })

  test('tells where it holds something', async t => {
    const volume = await world(t)
    await volume.create('/a')
    await using file = await volume.open('/a', { mode: 'r+' })
    await file.write(Buffer.alloc(PAGE, 1), 3 * PAGE)
    assert.equal(await volume.seek(file, 0, 'data'), 3 * PAGE)
    assert.equal(await volume.seek(file, 3 * PAGE, 'hole'), 4 * PAGE)
    assert.equal(await volume.seek(file, 4 * PAGE, 'data'), undefined)
    assert.partialDeepStrictEqual(await volume.statfs(), { blockSize: PAGE, nameMax: 255 })
  })
})
