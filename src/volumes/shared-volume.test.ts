/** A volume of many machines, as programs use it: on a real PostgreSQL server, and a server that speaks S3. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { type FauxqsServer, startFauxqs } from 'fauxqs'
import { Machine as Door } from '../index.ts'
import { fenceVolume, findVolume, ownerNow, Postgres } from '../machines/index.ts'
import { NO_POSTGRES, PostgresServer } from '../machines/postgres-server.fixture.ts'
import { Machine } from '../map/index.ts'
import { refuses, scratch } from '../map/world.suite.ts'
import { unavailable } from '../uffd/hardware.suite.ts'
import { collectShared, openCache, type Volume } from './index.ts'

describe('a volume of many machines', { skip: NO_POSTGRES }, () => {
  let postgres: PostgresServer
  let s3: FauxqsServer
  let place: { readonly meta: string; readonly endpoint: string }
  const data = 's3://bucket/volumes'
  before(async () => {
    postgres = await PostgresServer.start()
    s3 = await startFauxqs({ port: 0, logger: false })
    s3.createBucket('bucket')
    place = { meta: postgres.address, endpoint: s3.address }
  })
  after(async () => {
    await s3.stop()
    await postgres.stop()
  })

  const machines = async (act: (one: Machine, other: Machine) => Promise<void>) => {
    await using one = await Machine.start({ memory: '8 MiB' })
    await using other = await Machine.start({ memory: '8 MiB' })
    await act(one, other)
  }

  test('shows one machine what another has made durable', () =>
    machines(async (one, other) => {
      const volume = await one.createVolume('first', { ...place, data })
      await volume.mkdir('/d')
      const bytes = new Uint8Array(3 * 2 ** 20 + 5).map((_, at) => (at * 31 + (at >> 9)) & 0xff)
      await volume.put(bytes, '/d/a')
      assert.deepEqual((await volume.check()).wrong, [])
      const elsewhere = await other.openVolume('first', place)
      assert.deepEqual(
        (await elsewhere.list('/d')).map(({ name }) => name),
        ['a'],
      )
      const file = await elsewhere.open('/d/a')
      const map = await other.space({ name: 'reader' }).map(file)
      assert.deepEqual(await map.run(view => view.bytes(0, bytes.length).slice()), bytes)
      await volume.unlink('/d/a')
      await volume.sync()
      assert.equal(await elsewhere.exists('/d/a'), true, 'it shows the commit that it was opened at')
      assert.deepEqual((await elsewhere.check()).wrong, [])
      await map.unmap()
      await elsewhere.close()
      await volume.close()
    }))

  test('is opened to write though its bucket cannot be asked, and is not taken for damaged', () =>
    machines(async (one, other) => {
      await (await one.createVolume('away', { ...place, data })).close()
      let answer: (() => Promise<Response>) | undefined
      const refuse = async () => {
        throw new TypeError('fetch failed', {
          cause: Object.assign(new Error('ECONNREFUSED'), { code: 'ECONNREFUSED' }),
        })
      }
      const mayAnswer: typeof fetch = (...asked) => answer?.() ?? fetch(...asked)
      const open = () => other.openVolume('away', { ...place, mode: 'r+', fetch: mayAnswer })
      answer = refuse
      const volume = await open()
      assert.equal(volume.readOnly, false)
      answer = undefined
      await volume.put(new Uint8Array(5000).fill(7), '/a')
      assert.deepEqual((await volume.check()).wrong, [])
      await volume.close()
      answer = async () => new Response(null, { status: 403 })
      const barred = await open()
      await refuses(() => barred.put(new Uint8Array(1), '/b'), 'EACCES', 'put', /./)
      await barred.close().catch(() => {})
    }))

  test('has blocks that are gone told of alone, not with those that were asked for with them (SC2)', () =>
    machines(async (one, other) => {
      const puts: string[] = []
      const noting: typeof fetch = (url, init) => {
        if (init?.method === 'PUT') puts.push(String(url))
        return fetch(url, init)
      }
      const volume = await one.createVolume('holed', { ...place, data, fetch: noting })
      await volume.put(new Uint8Array(3 * 4096).fill(1), '/gone')
      const gone = puts.at(-1)
      await volume.put(new Uint8Array(3 * 4096).fill(2), '/here')
      await volume.close()
      const lacking: typeof fetch = async (url, init) =>
        String(url) === gone ? new Response(null, { status: 404 }) : fetch(url, init)
      const holed = await other.openVolume('holed', { ...place, fetch: lacking })
      const { wrong } = await holed.check()
      assert.deepEqual(
        wrong.map(each => String(each).split(',')[0]),
        ['/gone', '/gone', '/gone'],
      )
      await holed.close()
    }))

  test('is not made for long where its bucket cannot be asked, and its name stays free', () =>
    machines(async one => {
      const busy = async () => new Response(null, { status: 503, headers: { 'retry-after': '60' } })
      await refuses(
        () => one.createVolume('early', { ...place, data, fetch: busy }),
        'EIO',
        'createVolume',
        /answered 503; gave up after 30000 ms/,
      )
      await (await one.createVolume('early', { ...place, data })).close()
    }))

  test('is read from a local cache, by the machine that filled it and by the next, and damage there costs a request', async t => {
    const directory = join(scratch(t), 'cache.vol')
    const bytes = new Uint8Array(3 * 2 ** 20 + 5).map((_, at) => (at * 31 + (at >> 9)) & 0xff)
    let gets = 0
    const counting = (url: string, init: RequestInit) => {
      if ((init.method ?? 'GET') === 'GET') gets++
      return fetch(url, init)
    }
    const look = async (mode: 'r' | 'r+'): Promise<number> => {
      gets = 0
      await using machine = await Machine.start({ memory: '1 MiB' })
      const cache = await machine.openVolume(directory, { mode })
      const volume = await machine.openVolume('kept', { ...place, cache, fetch: counting })
      const read = new Uint8Array(bytes.length)
      await (await volume.open('/a')).read(read, 0)
      assert.ok(Buffer.from(read).equals(bytes))
      return gets
    }
    {
      await using machine = await Machine.start({ memory: '8 MiB' })
      await machine.createVolume(directory, { size: '16 MiB' })
      const volume = await machine.createVolume('kept', { ...place, data })
      await volume.put(bytes, '/a')
    }
    assert.ok((await look('r+')) > 0)
    assert.equal(await look('r+'), 0)
    assert.equal(await look('r'), 0)
    const path = join(directory, 'data')
    const image = fs.readFileSync(path)
    for (let at = 4096; at < image.length; at += 4096) image[at + 7]! ^= 4
    fs.writeFileSync(path, image)
    assert.ok((await look('r+')) > 0)
    {
      await using machine = await Machine.start({ memory: '1 MiB' })
      assert.equal((await openCache(machine, { directory, size: 2 ** 20 })).readOnly, false)
    }
    assert.ok((await look('r+')) > 0, 'what a repair gave up')
    assert.equal(await look('r'), 0)
  })

  test('lets one machine write at a time, and the next when it has left', () =>
    machines(async (one, other) => {
      const volume = await one.createVolume('turns', { ...place, data })
      await refuses(
        () => other.openVolume('turns', { ...place, mode: 'r+' }),
        'EBUSY',
        'openVolume',
        /process \d+ on/,
      )
      await volume.put(new Uint8Array([1]), '/a')
      await volume.close()
      const next = await other.openVolume('turns', { ...place, mode: 'r+' })
      await next.put(new Uint8Array([2]), '/b')
      assert.deepEqual((await next.check()).wrong, [])
      await next.close()
      const again = await one.openVolume('turns', { ...place, mode: 'r+' })
      await again.put(new Uint8Array([3]), '/c')
      const names = await again.list('/')
      assert.deepEqual(
        names.map(({ name }) => name),
        ['a', 'b', 'c'],
      )
      for (const [at, name] of ['a', 'b', 'c'].entries())
        for await (const part of again.get(`/${name}`)) assert.deepEqual([...part], [at + 1])
      await again.close()
    }))

  test('tells a writer that was fenced ESTALE, and shows what it had', () =>
    machines(async (one, other) => {
      const volume = await one.createVolume('fenced', { ...place, data })
      await volume.put(new Uint8Array(9000).fill(1), '/a')
      const file = await volume.open('/a', { mode: 'r+' })
      const map = await one.space({ name: 'writer' }).map(file, { prot: 'rw' })
      await map.run(view => view.setU8(5000, 9))
      const database = await Postgres.open(postgres.address)
      const row = await findVolume(database, 'fenced')
      await fenceVolume(database, row!.id, ownerNow())
      await database.close()
      const next = await other.openVolume('fenced', { ...place, mode: 'r+' })
      await refuses(() => volume.sync(), 'ESTALE', 'sync', /another machine/)
      assert.deepEqual(
        await map.run(view => [view.u8(5000), view.u8(4999)]),
        [9, 1],
        'its stores can be saved',
      )
      await refuses(() => volume.put(new Uint8Array(1), '/b'), 'EROFS', 'put', /./)
      for await (const part of next.get('/a')) assert.deepEqual(part, new Uint8Array(9000).fill(1))
      await next.put(new Uint8Array(9000).fill(2), '/a', { existing: 'is replaced' })
      assert.deepEqual((await next.check()).wrong, [])
      await next.close()
      await map.unmap()
      await refuses(() => volume.close(), 'ESTALE', 'close', /./)
    }))

  test('says what is wrong with where it is to lie', () =>
    machines(async (one, other) => {
      const open = (name: string, options: object) => other.openVolume(name, { ...place, ...options })
      await refuses(() => open('a/b', {}), 'EINVAL', 'openVolume', /expected the name of a volume/)
      await refuses(
        () => open('a', { meta: 'mysql://x' }),
        'EINVAL',
        'openVolume',
        /meta: expected an address/,
      )
      await refuses(
        () => open('nobody', {}),
        'ENOENT',
        'openVolume',
        /there is no volume "nobody" in postgres:/,
      )
      await refuses(() => open('a', { size: 1 }), 'EINVAL', 'openVolume', /no option "size"/)
      const nowhere = 'postgres://somebody:secret@127.0.0.1:1/there'
      await refuses(
        () => open('a', { meta: nowhere }),
        'EREMOTEIO',
        'openVolume',
        /somebody@127.*ECONNREFUSED/,
      )
      for (const mode of ['prefer', 'bogus'])
        await refuses(
          () => open('a', { meta: `postgres://127.0.0.1:1/there?sslmode=${mode}` }),
          'EINVAL',
          'openVolume',
          new RegExp(`meta: sslmode: expected one of disable, .*got "${mode}"$`),
        )
      for (const password of ['se/cret', 'se@cret', 'se#cret', 'se:cret', 'se?cret']) {
        const failed = await open('a', { meta: `postgres://somebody:${password}@127.0.0.1:1/there` }).catch(
          error => error,
        )
        assert.match(failed.message, /somebody@127/)
        assert.doesNotMatch(failed.message, /cret/, password)
      }
      const create = (options: object) => one.createVolume('wrong', { ...place, data, ...options })
      await refuses(() => create({ data: '/tmp/x' }), 'EINVAL', 'createVolume', /data: expected where/)
      await refuses(() => create({ data: 's3://nowhere/x' }), 'EIO', 'createVolume', /s3:.*it answered 404/)
      const volume = await create({})
      await refuses(() => create({}), 'EEXIST', 'createVolume', /there is a volume "wrong"/)
      await refuses(() => volume.grow(2 ** 30), 'EINVAL', 'grow', /has no size/)
      await refuses(() => volume.shrink(2 ** 20), 'EINVAL', 'shrink', /has no size/)
      await volume.close()
      await using large = await Machine.start({ memory: '8 MiB', pageSize: 65536 })
      await refuses(
        () => large.openVolume('wrong', place),
        'EINVAL',
        'openVolume',
        /has blocks of 4096 bytes/,
      )
    }))

  test('lets garbage be collected, and nothing of it that a reader sees', () =>
    machines(async (one, other) => {
      const volume = await one.createVolume('garbage', { ...place, data })
      const bytes = (of: number) => new Uint8Array(2 ** 20).fill(of)
      await volume.put(bytes(1), '/a')
      await volume.put(bytes(2), '/kept')
      await volume.close()
      const count = () => collectShared('garbage', place, { how: 'only count' })
      const collect = () => collectShared('garbage', place, { how: 'collect' })
      const holds = async (from: Volume, path: string, of: number) => {
        for await (const part of from.get(path)) assert.deepEqual(part, bytes(of).subarray(0, part.length))
      }
      assert.equal((await count()).dead, 0)
      const closed = { ...place, fetch: async () => new Response(null, { status: 403 }) }
      const denied = () => collectShared('garbage', closed, { how: 'only count' })
      await refuses(denied, 'EACCES', 'collect', /collect of garbage: s3:.*it answered 403/)

      const next = await one.openVolume('garbage', { ...place, mode: 'r+' })
      const reader = await other.openVolume('garbage', place)
      await next.unlink('/a')
      for (const name of ['/b', '/c', '/d']) {
        await next.create(name)
        await next.sync()
      }
      assert.equal((await collect()).dead, 0, 'a reader sees it')
      await holds(reader, '/a', 1)
      await reader.close()

      // The writer hears of it when it commits, and gives back what nobody sees with the commit after that.
      for (const name of ['/e', '/f', '/g']) {
        await next.create(name)
        await next.sync()
      }
      const { segments, dead, deadBytes } = await count()
      assert.ok(dead >= 1 && deadBytes >= 2 ** 20, `${dead} segments, ${deadBytes} bytes`)
      const database = await Postgres.open(postgres.address)
      const { data: lies } = (await findVolume(database, 'garbage'))!
      await database.close()
      const orphan = `${s3.address}/${lies.url.slice('s3://'.length)}/segments/1/999`
      assert.equal((await fetch(orphan, { method: 'PUT', body: 'x' })).status, 200)
      const gone = await collect()
      assert.deepEqual([gone.dead, gone.orphans], [dead, 1])
      assert.deepEqual(await collect(), {
        ...(await count()),
        dead: 0,
        deadBytes: 0,
        orphans: 0,
        segments: segments - dead,
      })
      assert.equal((await fetch(orphan, { method: 'HEAD' })).status, 404)
      await holds(next, '/kept', 2)
      assert.deepEqual((await next.check()).wrong, [])
      await next.close()
      const again = await other.openVolume('garbage', place)
      await holds(again, '/kept', 2)
      await again.close()
    }))

  test('lets a reader follow: each section sees one commit, what changed and what didn’t', () =>
    machines(async (one, other) => {
      const pages = 40
      const volume = await one.createVolume('followed', { ...place, data })
      await volume.put(new Uint8Array(pages * 4096), '/a')
      await volume.put(new Uint8Array(3 * 4096).fill(7), '/still')
      const reader = await other.openVolume('followed', { ...place, follow: 'commits' })
      const space = other.space({ name: 'follower' })
      const map = await space.map(await reader.open('/a'))
      const still = await space.map(await reader.open('/still'))
      assert.equal(await still.run(view => view.u8(4096)), 7)
      const writes = await volume.open('/a', { mode: 'r+' })
      const seen = new Set<number>()
      let isOver = false
      const look = async () => {
        while (!isOver) {
          const found = await map.run(view =>
            Array.from({ length: pages }, (_, page) => view.u8(page * 4096 + 9)),
          )
          // Every third page is of each round; the others are as they were.
          const rounds = new Set(found.filter((_, page) => page % 3 === 0))
          assert.equal(rounds.size, 1, `a section saw ${[...rounds]}`)
          assert.ok(found.every((round, page) => page % 3 === 0 || round === 0))
          seen.add(found[0]!)
          await new Promise(resolve => setImmediate(resolve))
        }
      }
      const looking = look()
      for (let round = 1; round <= 12; round++) {
        for (let page = 0; page < pages; page += 3)
          await writes.write(new Uint8Array(4096).fill(round), page * 4096)
        await volume.sync()
      }
      while (!seen.has(12)) await new Promise(resolve => setTimeout(resolve, 5))
      isOver = true
      await looking
      assert.equal(await still.run(view => view.u8(4096)), 7)

      await writes.write(new Uint8Array([1, 2, 3]), pages * 4096)
      await volume.create('/new')
      await volume.unlink('/still')
      await volume.sync()
      while (!(await reader.exists('/new'))) await new Promise(resolve => setTimeout(resolve, 5))
      assert.equal((await reader.stat('/a')).size, pages * 4096 + 3)
      const tail = new Uint8Array(3)
      await (await reader.open('/a')).read(tail, pages * 4096)
      assert.deepEqual([...tail], [1, 2, 3])
      await refuses(() => still.run(view => view.u8(4096)), 'ENXIO', 'load', /./)
      await refuses(
        () => other.openVolume('followed', { ...place, mode: 'r+', follow: 'commits' }),
        'EINVAL',
        'openVolume',
        /follow: it is for who reads/,
      )
      await writes.close()
      await volume.close()
      if (unavailable !== false) return
      await using hardware = await Door.start({ mmu: 'hardware', memory: '8 MiB' })
      const follow = () => hardware.openVolume('followed', { ...place, follow: 'commits' })
      await refuses(follow, 'ENOTSUP', 'openVolume', /hardware machine can't go on/)
      const seenThere = await hardware.openVolume('followed', place)
      assert.deepEqual(
        (await seenThere.list('/')).map(({ name }) => name),
        ['a', 'new'],
      )
      await seenThere.close()
    }))
})
