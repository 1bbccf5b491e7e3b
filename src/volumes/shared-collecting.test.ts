/** Garbage of a volume of many machines whose segments are mostly dead: rewritten, whoever reads, fails or comes at once. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { type FauxqsServer, startFauxqs } from 'fauxqs'
import { NO_POSTGRES, PostgresServer } from '../machines/postgres-server.fixture.ts'
import { Machine } from '../map/index.ts'
import { collectShared, type Volume } from './index.ts'

const MIB = 2 ** 20
const FILES = 7

describe('a volume of many machines with segments of which little lives', { skip: NO_POSTGRES }, () => {
  let postgres: PostgresServer
  let s3: FauxqsServer
  let place: { readonly meta: string; readonly endpoint: string }
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

  const bytesOf = (n: number) =>
    new Uint8Array(MIB).map((_, at) => (at * (2 * n + 1) + (at >> 12) + n) & 0xff)

  const holds = async (volume: Volume, n: number) => {
    const parts: Uint8Array[] = []
    for await (const part of volume.get(`/${n}`)) parts.push(part.slice())
    assert.ok(Buffer.concat(parts).equals(bytesOf(n)), `file ${n}`)
  }

  /** Files in one segment, as long as nobody else lets it be sealed. */
  const filled = async (machine: Machine, name: string): Promise<Volume> => {
    const volume = await machine.createVolume(name, { ...place, data: 's3://bucket/volumes' })
    await volume.sync()
    await Promise.all(
      Array.from({ length: FILES }, (_, n) => volume.put(bytesOf(n), `/${n}`, { until: 'written' })),
    )
    await volume.sync()
    return volume
  }

  /** A commit learns who reads, and what nobody sees is free with one after that. */
  const commits = async (volume: Volume) => {
    for (const name of ['/x', '/y', '/z']) {
      await volume.create(name)
      await volume.sync()
      await volume.unlink(name)
    }
  }

  const thinned = async (volume: Volume) => {
    for (let n = 0; n < FILES - 1; n++) await volume.unlink(`/${n}`)
    await volume.sync()
    await commits(volume)
  }

  const collect = (name: string, how: 'collect' | 'only count' = 'collect', more = {}) =>
    collectShared(name, { ...place, ...more }, { how })

  const machines = async (act: (one: Machine, other: Machine) => Promise<void>) => {
    await using one = await Machine.start({ memory: '2 MiB' })
    await using other = await Machine.start({ memory: '2 MiB' })
    await act(one, other)
  }

  test('is made small, and who knew where blocks lay finds them', () =>
    machines(async (one, other) => {
      const volume = await filled(one, 'thin')
      await thinned(volume)
      const reader = await other.openVolume('thin', place)
      const file = await reader.open(`/${FILES - 1}`)
      // From here on the reader knows the run, and has the first chunk only.
      await file.read(new Uint8Array(10), 0)
      const told = await collect('thin', 'only count')
      assert.ok(told.thin >= 1 && told.thinBytes >= 5 * MIB, JSON.stringify(told))
      const done = await collect('thin')
      assert.deepEqual([done.thin, done.thinBytes], [told.thin, told.thinBytes])
      const left = await collect('thin', 'only count')
      assert.deepEqual([left.thin, left.dead, left.orphans], [0, 0, 0])
      assert.equal(left.bytes, told.bytes - told.thinBytes - told.deadBytes)
      assert.equal(left.live, told.live)
      const tail = new Uint8Array(MIB / 2)
      await file.read(tail, MIB / 2)
      assert.ok(Buffer.from(tail).equals(bytesOf(FILES - 1).subarray(MIB / 2)))
      await holds(volume, FILES - 1)
      assert.deepEqual((await reader.check()).wrong, [])
      await reader.close()
      await volume.put(bytesOf(9), '/9')
      assert.deepEqual((await volume.check()).wrong, [])
      await volume.close()
      await using third = await Machine.start({ memory: '2 MiB' })
      const again = await third.openVolume('thin', place)
      await holds(again, FILES - 1)
      await holds(again, 9)
    }))

  test('is left as it is while a reader sees what has gone since', () =>
    machines(async (one, other) => {
      const volume = await filled(one, 'seen')
      const reader = await other.openVolume('seen', place)
      await thinned(volume)
      const { thin, dead } = await collect('seen')
      assert.deepEqual([thin, dead], [0, 0])
      for (let n = 0; n < FILES; n++) await holds(reader, n)
      await reader.close()
      await commits(volume)
      assert.ok((await collect('seen')).thin >= 1)
      await holds(volume, FILES - 1)
    }))

  test('loses nothing, wherever a collection ends, and the next one goes on with it', () =>
    machines(async (one, other) => {
      const volume = await filled(one, 'ended')
      await thinned(volume)
      const { thinBytes, bytes } = await collect('ended', 'only count')
      assert.ok(thinBytes > 0)
      let failed = 0
      for (let allowed = 0; ; allowed++) {
        let asked = 0
        const refusing = async (url: string, init: RequestInit) =>
          asked++ < allowed ? fetch(url, init) : new Response(null, { status: 403 })
        const ended = await collect('ended', 'collect', { fetch: refusing }).then(
          () => 'done',
          error => error.code,
        )
        const reader = await other.openVolume('ended', place)
        await holds(reader, FILES - 1)
        assert.deepEqual((await reader.check()).wrong, [])
        await reader.close()
        if (ended === 'done') break
        assert.equal(ended, 'EACCES')
        failed++
      }
      assert.ok(failed >= 3, `${failed} collections ended`)
      await collect('ended')
      const left = await collect('ended', 'only count')
      assert.deepEqual([left.thin, left.dead, left.orphans], [0, 0, 0])
      assert.ok(left.bytes <= bytes - thinBytes)
    }))

  test('loses nothing to one who removes what another is about to point to (COL3)', () =>
    machines(async (one, other) => {
      const volume = await filled(one, 'raced')
      await thinned(volume)
      const first = Promise.withResolvers<void>()
      let second: Promise<unknown> | undefined
      const begin = (put: string) =>
        new Promise<void>(removing => {
          second = collect('raced', 'collect', {
            fetch: async (url: string, init: RequestInit) => {
              if (init.method === 'DELETE' && url === put) {
                removing()
                await first.promise
              }
              return fetch(url, init)
            },
          })
        })
      await collect('raced', 'collect', {
        fetch: async (url: string, init: RequestInit) => {
          const answer = await fetch(url, init)
          if (init.method === 'PUT' && second === undefined) await begin(url)
          return answer
        },
      })
      first.resolve()
      await second
      const reader = await other.openVolume('raced', place)
      await holds(reader, FILES - 1)
      assert.deepEqual((await reader.check()).wrong, [])
      await collect('raced')
      await holds(volume, FILES - 1)
    }))

  test('may be collected by several at once', () =>
    machines(async (one, other) => {
      const volume = await filled(one, 'several')
      await thinned(volume)
      await Promise.all([1, 2, 3].map(() => collect('several')))
      const reader = await other.openVolume('several', place)
      await holds(reader, FILES - 1)
      assert.deepEqual((await reader.check()).wrong, [])
      await collect('several')
      const left = await collect('several', 'only count')
      assert.deepEqual([left.thin, left.dead, left.orphans], [0, 0, 0])
      await holds(reader, FILES - 1)
    }))
})
