/** Volumes as programs use them: names, mapped files, clones, snapshots, whole files in and out, and who may open one. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { Machine } from '../map/index.ts'
import { PAGE, refuses, scratch } from '../map/world.suite.ts'
import type { Volume } from './index.ts'

/** A volume of 16 MiB, and a machine that is closed after the test. */
async function world(t: TestContext): Promise<{ machine: Machine; volume: Volume; path: string }> {
  const path = join(scratch(t), 'volume')
  const machine = await Machine.start({ memory: '4 MiB' })
  t.after(() => machine.close())
  return { machine, volume: await machine.createVolume(path, { size: '16 MiB' }), path }
}

async function* parts(...chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks
}

async function held(volume: Volume, path: string): Promise<Buffer> {
  const found: Buffer[] = []
  for await (const part of volume.get(path)) found.push(Buffer.from(part))
  return Buffer.concat(found)
}

const random = (length: number) =>
  Buffer.from(Array.from({ length }, (_, at) => (at * at * 7 + (at >> 9)) & 255))

describe('a volume', () => {
  test('is what it was when it is opened again, by this machine or another', async t => {
    const { machine, volume, path } = await world(t)
    const bytes = random(3 * PAGE + 17)
    await volume.mkdir('/dir')
    assert.equal(await volume.put(parts(bytes.subarray(0, 5), bytes.subarray(5)), '/dir/a'), bytes.length)
    await volume.rename('/dir/a', '/dir/b')
    await volume.link('/dir/b', '/c')
    await volume.close()
    const again = await machine.openVolume(path)
    assert.deepEqual(
      (await again.list('/')).map(({ name, kind }) => [name, kind]),
      [
        ['c', 'file'],
        ['dir', 'directory'],
      ],
    )
    assert.deepEqual(await held(again, '/dir/b'), bytes)
    assert.equal((await again.stat('/c')).links, 2)
    await refuses(() => again.mkdir('/no'), 'EROFS', 'mkdir', /read-only/)
    assert.deepEqual((await again.check()).wrong, [])
  })

  test('maps its files as those of the host are mapped; sync makes stores durable', async t => {
    const { machine, volume, path } = await world(t)
    await volume.put(parts(new Uint8Array(4 * PAGE).fill(1)), '/a')
    const file = await volume.open('/a', { mode: 'r+' })
    const map = await machine.space({ name: 's' }).map(file, { prot: 'rw' })
    await map.run(view => view.setU32(2 * PAGE, 77))
    await map.sync()
    await map.unmap()
    await file.truncate(3 * PAGE)
    await file.punch(0, PAGE)
    await file.close()
    await volume.close()
    await using other = await Machine.start({ memory: '1 MiB' })
    const later = await other.openVolume(path)
    const bytes = await held(later, '/a')
    assert.deepEqual(
      [bytes.length, bytes[0], bytes[PAGE], bytes.readUInt32LE(2 * PAGE)],
      [3 * PAGE, 0, 1, 77],
    )
  })

  test('sync makes the stores to all of its files durable by one commit', async t => {
    const { machine, volume, path } = await world(t)
    const names = ['/a', '/b', '/c']
    const space = machine.space({ name: 's' })
    for (const [at, name] of names.entries()) {
      await volume.put(parts(new Uint8Array(PAGE)), name)
      const map = await space.map(await volume.open(name, { mode: 'r+' }), { prot: 'rw' })
      await map.run(view => view.setU32(0, 70 + at))
    }
    const before = volume.core.parts.commits.count
    await volume.sync()
    assert.equal(volume.core.parts.commits.count, before + 1)
    fs.cpSync(path, `${path}-copy`, { recursive: true })
    await using other = await Machine.start({ memory: '1 MiB' })
    const copy = await other.openVolume(`${path}-copy`)
    for (const [at, name] of names.entries()) assert.equal((await held(copy, name)).readUInt32LE(), 70 + at)
  })

  test('clones share blocks until one of them is stored to', async t => {
    const { machine, volume } = await world(t)
    await volume.put(parts(random(8 * PAGE)), '/a')
    const { free } = volume.usage
    await volume.clone('/a', '/b')
    assert.equal(volume.usage.free, free)
    assert.equal((await volume.stat('/b')).shared, 8)
    const b = await volume.open('/b', { mode: 'r+' })
    const map = await machine.space({ name: 's' }).map(b, { prot: 'rw' })
    await map.run(view => view.setU8(5 * PAGE, 0))
    await map.run(view => view.setU8(5 * PAGE, random(8 * PAGE)[5 * PAGE]! ^ 255))
    await map.sync()
    assert.equal((await volume.stat('/b')).shared, 7)
    assert.deepEqual(await held(volume, '/a'), random(8 * PAGE))
    await refuses(() => volume.clone('/a', '/b'), 'EEXIST', 'clone', /has that name/)
    const a = await volume.open('/a')
    assert.equal(await volume.dedupe({ source: a, target: b, length: 2 * PAGE }), true)
    assert.equal(
      await volume.dedupe({ source: a, target: b, from: 5 * PAGE, to: 5 * PAGE, length: PAGE }),
      false,
    )
    await volume.cloneRange({ source: a, target: b, from: 5 * PAGE, to: 5 * PAGE, length: PAGE })
    assert.deepEqual(await held(volume, '/b'), random(8 * PAGE))
    await volume.fallocate(b, 8 * PAGE, 4 * PAGE)
    assert.equal(b.size, 12 * PAGE)
  })

  test('is not closed under a mapping: close says which, and changes nothing', async t => {
    const { machine, volume } = await world(t)
    await volume.put(parts(random(2 * PAGE)), '/a')
    const a = await volume.open('/a', { mode: 'r+' })
    const map = await machine.space({ name: 's' }).map(a, { prot: 'rw' })
    await map.run(view => view.setU8(0, 7))
    await a.close()
    await refuses(() => volume.close(), 'EBUSY', 'close', /a is mapped; unmap first/)
    await map.run(view => view.setU8(PAGE, 8))
    await map.unmap()
    assert.equal((await held(volume, '/a'))[PAGE], 8)
    await volume.close()
    await volume.close()
  })

  test('a snapshot holds everything as it was, what is only in memory too', async t => {
    const { volume } = await world(t)
    await volume.mkdir('/d')
    for (const path of ['/a', '/d/b']) await volume.put(parts(Buffer.from(path)), path)
    const a = await volume.open('/a', { mode: 'r+' })
    await a.write(Buffer.from('/A'), 0)
    assert.equal(await volume.snapshot('/', '/snap'), 2)
    await a.write(Buffer.from('later'), 0)
    assert.equal((await held(volume, '/snap/a')).toString(), '/A')
    assert.equal((await held(volume, '/snap/d/b')).toString(), '/d/b')
    assert.deepEqual((await volume.check()).wrong, [])
    await refuses(() => volume.snapshot('/d', '/d/in'), 'EINVAL', 'snapshot', /./)
  })

  test('a file that comes in while another is there replaces it as a whole, or not at all', async t => {
    const { volume, path } = await world(t)
    await volume.put(parts(Buffer.from('old')), '/a')
    await refuses(() => volume.put(parts(Buffer.from('new')), '/a'), 'EEXIST', 'put', /has that name/)
    const { free } = volume.usage
    const broken = async function* () {
      yield new Uint8Array(2 ** 20)
      throw new Error('the source broke')
    }
    await assert.rejects(volume.put(broken(), '/a', { existing: 'is replaced' }), /the source broke/)
    const stopped = new AbortController()
    const endless = async function* () {
      for (let n = 0; ; n++) {
        if (n === 3) stopped.abort()
        yield new Uint8Array(2 ** 20)
      }
    }
    await refuses(
      () => volume.put(endless(), '/a', { existing: 'is replaced', signal: stopped.signal }),
      'ABORT_ERR',
      'put',
      /aborted/,
    )
    assert.equal((await held(volume, '/a')).toString(), 'old')
    await refuses(() => volume.put(parts(new Uint8Array(17 * 2 ** 20)), '/big'), 'ENOSPC', 'put', /full/)
    await volume.sync()
    await volume.sync()
    assert.equal(volume.usage.free, free, 'nothing is left of what failed')
    await volume.put(parts(Buffer.from('new')), '/a', { existing: 'is replaced' })
    assert.equal((await held(volume, '/a')).toString(), 'new')
    const host = join(path, '..', 'host')
    fs.writeFileSync(host, 'what was there')
    const replacing = { existing: 'is replaced' } as const
    await refuses(() => volume.getFile('/none', host, replacing), 'ENOENT', 'getFile', /nothing of that name/)
    await refuses(() => volume.getFile('/a', host), 'EEXIST', 'getFile', /such a file already/)
    assert.equal(fs.readFileSync(host, 'utf8'), 'what was there')
    assert.equal(await volume.getFile('/a', host, replacing), 3)
    assert.equal(fs.readFileSync(host, 'utf8'), 'new')
    assert.deepEqual(fs.readdirSync(join(path, '..')).sort(), ['host', 'volume'])
    assert.deepEqual((await volume.check()).wrong, [])
  })

  test('what if a file is opened while its last opening is being closed? It is opened once that is over (VL1)', async t => {
    const { volume } = await world(t)
    await volume.put(parts(new Uint8Array(PAGE).fill(1)), '/a')
    for (let round = 0; round < 5; round++) {
      const file = await volume.open('/a', { mode: 'r+' })
      await file.write(new Uint8Array(10).fill(round), 0)
      const closing = file.close()
      const again = await volume.open('/a')
      const bytes = new Uint8Array(1)
      await again.read(bytes, 0)
      assert.equal(bytes[0], round)
      await Promise.all([closing, again.close()])
    }
  })

  test('is one writer’s or many readers’, whoever they are', async t => {
    const { machine, volume, path } = await world(t)
    await using other = await Machine.start({ memory: '1 MiB' })
    await refuses(
      () => other.openVolume(path),
      'EBUSY',
      'openVolume',
      /process \d+ of .* has it open to write since/,
    )
    await volume.close()
    await machine.openVolume(path)
    await other.openVolume(path)
    await refuses(() => machine.openVolume(path, { mode: 'r+' }), 'EBUSY', 'openVolume', /open to read/)
  })

  test('that isn’t there, or isn’t one, gets one sentence', async t => {
    const { machine, volume, path } = await world(t)
    await refuses(() => machine.openVolume(`${path}x`), 'ENOENT', 'openVolume', /is no volume/)
    for (const _ of ['while it is open', 'when it is closed']) {
      const again = () => machine.createVolume(path, { size: '1 MiB' })
      await refuses(again, 'EEXIST', 'createVolume', /is a volume already/)
      await volume.close()
    }
    fs.truncateSync(join(path, 'data.mdb'), 100)
    await refuses(
      () => machine.openVolume(path),
      'EUCLEAN',
      'openVolume',
      /data\.mdb, offset \d+: the file ends/,
    )
    fs.rmSync(join(path, 'data.mdb'))
    await refuses(() => machine.openVolume(path), 'ENOENT', 'openVolume', /is no volume/)
    const fifo = (name: string) => execFileSync('mkfifo', [join(path, name)])
    fifo('data.mdb')
    for (const open of [() => machine.openVolume(path), () => machine.openVolume(path, { mode: 'r+' })])
      await refuses(open, 'EINVAL', 'openVolume', /data\.mdb" is no file; expected the one/)
    await refuses(() => machine.repairVolume(path), 'EINVAL', 'repairVolume', /is no file; expected the one/)
    fs.rmSync(join(path, 'data.mdb'))
    fs.writeFileSync(join(path, 'data.mdb'), '')
    fs.rmSync(join(path, 'data'))
    await refuses(
      () => machine.openVolume(path),
      'ENOENT',
      'openVolume',
      /the data of .* is gone: .*bring it back/,
    )
    fifo('data')
    await refuses(() => machine.openVolume(path), 'EINVAL', 'openVolume', /is no file and no disk/)
    await using large = await Machine.start({ memory: '4 MiB', pageSize: 16384 })
    const at = join(path, '..', 'large')
    await (await large.createVolume(at, { size: '1 MiB' })).close()
    await refuses(() => machine.openVolume(at), 'EINVAL', 'openVolume', /has blocks of 16384 bytes/)
  })

  test('has its data elsewhere if it is told so, and not where another volume has its own', async t => {
    const { machine, path } = await world(t)
    const raw = `${path}.raw`
    fs.writeFileSync(raw, new Uint8Array(2 ** 20))
    const volume = await machine.createVolume(`${path}.elsewhere`, { data: raw })
    assert.equal(volume.usage.size, 255)
    await volume.put(parts(random(100)), '/a')
    await volume.close()
    assert.ok(fs.readFileSync(raw).includes(random(100)))
    const again = await machine.openVolume(`${path}.elsewhere`)
    assert.deepEqual(await held(again, '/a'), random(100))
    await refuses(
      () => machine.createVolume(`${path}.other`, { data: raw }),
      'EEXIST',
      'createVolume',
      /holds the data of a volume/,
    )
  })
})

describe('a volume whose blocks are memory of the machine', { skip: process.platform !== 'linux' }, () => {
  test('maps its files as they lie: a store is in the data at once, and a clone keeps the old block', async t => {
    const { machine, volume, path } = await world(t)
    await volume.put(parts(random(4 * PAGE)), '/a')
    await volume.clone('/a', '/b')
    await volume.close()
    await machine.close()
    const dax = await Machine.start({ memory: '1 MiB', dax: path })
    const again = await dax.openVolume(path, { mode: 'r+' })
    const a = await again.open('/a', { mode: 'r+', dax: true })
    const map = await dax.space({ name: 's' }).map(a, { prot: 'rw' })
    const mark = Buffer.from('where is it now?')
    await map.run(view => view.write(PAGE, mark))
    assert.ok(
      fs.readFileSync(join(path, 'data')).includes(mark),
      'no sync was needed for the file to have it',
    )
    await map.sync()
    assert.equal((await again.stat('/a')).shared, 3)
    assert.deepEqual(await held(again, '/b'), random(4 * PAGE))
    await a.write(Buffer.from('behind'), 6 * PAGE)
    await a.truncate(5 * PAGE)
    await a.punch(0, PAGE)
    const bytes = Buffer.alloc(PAGE)
    await a.read(bytes, PAGE)
    assert.ok(bytes.includes(mark))
    await refuses(() => again.open('/a'), 'EBUSY', 'open', /open in a way/)
    await dax.close()
    await using later = await Machine.start({ memory: '1 MiB' })
    const found = await later.openVolume(path)
    assert.deepEqual((await found.check()).wrong, [])
    const held5 = await held(found, '/a')
    assert.deepEqual([held5.length, held5[0], held5.indexOf(mark)], [5 * PAGE, 0, PAGE])
    await refuses(() => found.open('/a', { dax: true }), 'EINVAL', 'open', /start it with \{ dax: /)
  })

  test('with mapSync lets a store in only when where it goes is durable', async t => {
    const { machine, volume, path } = await world(t)
    await volume.put(parts(random(PAGE)), '/a')
    await volume.close()
    await machine.close()
    await using dax = await Machine.start({ memory: '1 MiB', dax: path })
    const again = await dax.openVolume(path, { mode: 'r+' })
    const a = await again.open('/a', { mode: 'r+', dax: true, mapSync: true })
    const map = await dax.space({ name: 's' }).map(a, { prot: 'rw' })
    const before = again.core.parts.commits.count
    await map.run(view => view.setU8(5, 1))
    assert.ok(
      again.core.parts.commits.count > before,
      'the copy was made durable before the store was let in',
    )
    await refuses(() => again.open('/a', { mapSync: true }), 'EINVAL', 'open', /opened with dax/)
  })

  test('that can’t be mapped gets one sentence', async () => {
    await refuses(
      () => Machine.start({ dax: '/nowhere/at/all' }),
      'ENOENT',
      'start',
      /dax: .* can't be mapped/,
    )
  })
})
