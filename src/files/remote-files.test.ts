/** Files on servers through the library: mapped, read, limited, counted, changed behind our back; other people's libraries. */
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { describe, it, type TestContext } from 'node:test'
import { startFauxqs } from 'fauxqs'
import { parquetReadObjects } from 'hyparquet'
import { PMTiles } from 'pmtiles'
import type * as zarr from 'zarrita'
import { fromSource } from '../adapters/geotiff.suite.ts'
import { asyncBuffer, blob, geotiffSource, pmtilesSource } from '../adapters/index.ts'
import { parquetFile, pmtilesFile, ROWS, raster, TIFF, TILES, zarrFiles } from '../adapters/samples.suite.ts'
import { Machine } from '../map/index.ts'
import { refuses } from '../map/world.suite.ts'
import { afterOpening, BEHAVIOURS, MisbehavingServer } from '../remote/misbehaving-server.suite.ts'

const MIB = 2 ** 20
const BODY = new Uint8Array(5 * MIB + 77).map((_, at) => (at * 31 + (at >> 12)) & 0xff)

async function machineOf(t: TestContext, memory = '1 MiB'): Promise<Machine> {
  const machine = await Machine.start({ memory })
  t.after(() => machine.close())
  return machine
}

describe('a file on a server', () => {
  it('is mapped like any other, though it is longer than memory', async t => {
    await using server = await MisbehavingServer.start(BODY)
    const machine = await machineOf(t)
    const file = await machine.open(server.url)
    assert.deepEqual([file.size, file.readOnly, file.name], [BODY.length, true, server.url])
    const map = await machine.space({ name: 'reader' }).map(file)
    let sum = 0
    let expected = 0
    for (let at = 0; at < BODY.length; at += 4096) {
      sum += await map.run(view => view.u8(at))
      expected += BODY[at]!
    }
    assert.equal(sum, expected)
    const tail = new Uint8Array(500)
    assert.equal(await file.read(tail, BODY.length - 100), 100)
    assert.deepEqual(tail.subarray(0, 100), BODY.subarray(-100))
  })

  it('may be a URL, with a query that no message shows', async t => {
    await using server = await MisbehavingServer.start(
      BODY,
      afterOpening(BEHAVIOURS['another ETag in the middle']),
    )
    const machine = await machineOf(t)
    const file = await machine.open(new URL(`${server.url}?X-Amz-Signature=secret`))
    const error = await refuses(() => file.read(new Uint8Array(10), MIB), 'ESTALE', 'read', /changed/)
    assert.doesNotMatch(error.message, /secret/)
    assert.match(error.message, /file\.bin/)
  })

  it('opened twice has one set of pages, and two when it changed between', async t => {
    await using server = await MisbehavingServer.start(BODY.slice())
    const machine = await machineOf(t)
    const first = await machine.open(server.url)
    const again = await machine.open(server.url)
    await first.read(new Uint8Array(4096), 2 * MIB)
    const asked = server.asked.length
    await again.read(new Uint8Array(4096), 2 * MIB)
    assert.equal(server.asked.length, asked)
    server.etag = '"two"'
    server.body.fill(9)
    const changed = await machine.open(server.url)
    const bytes = new Uint8Array(10)
    await changed.read(bytes, 2 * MIB)
    assert.deepEqual(bytes, new Uint8Array(10).fill(9))
    await first.read(bytes, 2 * MIB)
    assert.deepEqual(bytes, BODY.slice(2 * MIB, 2 * MIB + 10), 'what is in memory is of the old version')
    await refuses(() => first.read(bytes, 4 * MIB), 'ESTALE', 'read', /reopen/)
  })

  it('is limited by io.max of its server, and io.stat says what it cost', async t => {
    await using server = await MisbehavingServer.start(BODY)
    const machine = await machineOf(t)
    const { origin } = new URL(server.url)
    const group = machine.group('reader', { 'io.max': { disk: origin, rbps: '512 KiB' } })
    assert.match(group.read('io.max'), new RegExp(`^${origin} rbps=524288`))
    const file = await machine.open(server.url)
    await file.read(new Uint8Array(128 * 1024), MIB, { group })
    const [, requests, asked, used] =
      /requests=(\d+) asked=(\d+) retries=0 hedges=\d+ used=(\d+)/.exec(group.read('io.stat')) ?? []
    assert(Number(requests) >= 1 && Number(asked) >= 128 * 1024, group.read('io.stat'))
    assert.equal(used, asked)
  })

  it('is let go of when it is closed: a read under way ends, then nothing more is asked', async t => {
    await using server = await MisbehavingServer.start(BODY, afterOpening(BEHAVIOURS['no answer at all']))
    const machine = await Machine.start({ memory: '1 MiB' })
    const file = await machine.open(server.url, { headersWithin: 100, deadline: 300 })
    const reading = file.read(new Uint8Array(10), MIB)
    const ended = assert.rejects(reading, { name: 'FaultlineError', code: 'ETIMEDOUT' })
    await machine.close()
    await ended
    t.diagnostic(`${server.asked.length} requests`)
  })

  it('gives one waiter up without the others', async t => {
    let answer = () => {}
    await using server = await MisbehavingServer.start(
      BODY,
      afterOpening((ask, of) => {
        answer = () => afterOpening(() => {})({ ...ask, nth: 0 }, of)
      }),
    )
    const machine = await machineOf(t)
    const file = await machine.open(server.url)
    const { signal, abort } = ((controller: AbortController) => ({
      signal: controller.signal,
      abort: () => controller.abort(),
    }))(new AbortController())
    const bytes = new Uint8Array(10)
    const impatient = assert.rejects(file.read(new Uint8Array(10), MIB, { signal }), { code: 'ABORT_ERR' })
    const patient = file.read(bytes, MIB)
    while (server.asked.length < 2) await new Promise(done => setImmediate(done))
    abort()
    await impatient
    answer()
    await patient
    assert.deepEqual(bytes, BODY.slice(MIB, MIB + 10))
  })

  it('is refused in a sentence where it can not be had', async t => {
    await using server = await MisbehavingServer.start(BODY)
    const machine = await machineOf(t)
    const refused = (path: string | URL, options: object, code: string, words: RegExp) =>
      refuses(() => machine.open(path, options), code, 'open', words)
    await refused(server.url, { mode: 'r+' }, 'EROFS', /can only be read; open it with mode 'r'/)
    await refused(server.url, { deadlin: 1 }, 'EINVAL', /no option "deadlin".*deadline/)
    await refused(
      server.url,
      { deadline: 'soon' },
      'EINVAL',
      /deadline: expected a number from 1 to 2147483647, got "soon"/,
    )
    await refused(server.url, { region: 'x' }, 'EINVAL', /no option "region"/)
    await refused(server.url, { pin: 'any' }, 'EINVAL', /pin: expected one of strong, weak/)
    await refused('https://', {}, 'EINVAL', /no address/)
    await refused(new URL('ftp://host/file'), {}, 'EINVAL', /http, https or s3/)
    await refused('s3://bucket', {}, 'EINVAL', /expected s3:\/\/bucket\/key/)
    await refused('http://127.0.0.1:1/nobody', {}, 'EPROTO', /bad port/)
    for (const mode of ['w+', 'wx+', 'a+']) await refused(server.url, { mode }, 'EROFS', /can only be read/)
    await refused(server.url, { mode: 'w' }, 'EINVAL', /mode: expected one of .*; got "w"/)
    await refused(
      server.url,
      { connections: 1.5 },
      'EINVAL',
      /connections: expected a whole number, got 1\.5/,
    )
    await refused(server.url, { deadline: 2 ** 40 }, 'EINVAL', /deadline: expected a number from 1 to 21/)
    await refused(server.url, { headers: null }, 'EINVAL', /headers: expected a value, got null/)
    await refused(
      server.url,
      { headers: ['a'] },
      'EINVAL',
      /headers: expected an object of headers or a function/,
    )
    const withName = new URL(server.url)
    withName.username = '%ff'
    await refused(withName, {}, 'EINVAL', /not percent-encoded as addresses are/)
  })

  it('is not asked for with what can not be sent, nor by what brings no answer', async t => {
    await using server = await MisbehavingServer.start(BODY)
    const machine = await machineOf(t)
    for (const headers of [
      { 'bad name': 'x' },
      { '': 'x' },
      { 'x-line': 'one\r\ntwo' },
      { 'x-symbol': Symbol('x') as unknown as string },
      { 'x-ü€': 'x' },
    ])
      for (const given of [headers, async () => headers])
        await refuses(
          () => machine.open(server.url, { headers: given, deadline: 60_000 }),
          'EINVAL',
          'open',
          /headers: ".*" can't be sent/,
        )
    for (const answer of [undefined, null, 5, {}, { status: 200 }])
      await refuses(
        () => machine.open(server.url, { fetch: async () => answer as unknown as Response }),
        'EINVAL',
        'open',
        /fetch: expected a promise of a Response/,
      )
  })
})

describe('an object of a bucket', () => {
  async function bucket(t: TestContext) {
    const server = await startFauxqs({ port: 0, logger: false })
    t.after(() => server.stop())
    server.createBucket('b')
    const put = async (key: string, body: Uint8Array<ArrayBuffer>) => {
      const answer = await fetch(`${server.address}/b/${key}`, { method: 'PUT', body })
      assert.equal(answer.status, 200)
    }
    return { endpoint: server.address, put }
  }

  it('is read with signed requests, its key percent-encoded', async t => {
    const { endpoint, put } = await bucket(t)
    await put('a%20folder/data%2B1.bin', BODY.slice(0, MIB))
    const machine = await machineOf(t)
    const seen: (string | null)[] = []
    const file = await machine.open('s3://b/a%20folder/data%2B1.bin', {
      endpoint,
      region: 'eu-west-1',
      credentials: async () => ({ accessKeyId: 'id', secretAccessKey: 'secret', sessionToken: 'token' }),
      fetch: (url, init) => {
        seen.push(new Headers(init.headers).get('authorization'))
        return fetch(url, init)
      },
    })
    assert.equal(file.size, MIB)
    const bytes = new Uint8Array(1000)
    await file.read(bytes, 500_000)
    assert.deepEqual(bytes, BODY.slice(500_000, 501_000))
    for (const header of seen)
      assert.match(
        header!,
        /^AWS4-HMAC-SHA256 Credential=id\/\d{8}\/eu-west-1\/s3\/aws4_request, SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-security-token,/,
      )
  })

  it('that is replaced is ESTALE, and one that is not there ENOENT', async t => {
    const { endpoint, put } = await bucket(t)
    await put('x', BODY.slice(0, MIB))
    const machine = await machineOf(t)
    const file = await machine.open('s3://b/x', { endpoint })
    await put('x', new Uint8Array(MIB))
    await refuses(() => file.read(new Uint8Array(10), 700_000), 'ESTALE', 'read', /changed/)
    await refuses(() => machine.open('s3://b/y', { endpoint }), 'ENOENT', 'open', /no such file/)
  })

  it('that is signed without aws4fetch says what to install', () => {
    // The package is there in the project's own tests; that it is optional is what its manifest says.
    const { peerDependenciesMeta } = createRequire(import.meta.url)('../../package.json')
    assert.equal(peerDependenciesMeta.aws4fetch.optional, true)
  })
})

describe('on a server, with less memory than the file, the adapter for', () => {
  async function opened(t: TestContext, bytes: Uint8Array) {
    const server = await MisbehavingServer.start(bytes)
    t.after(() => server[Symbol.asyncDispose]())
    return (await machineOf(t)).open(server.url)
  }
  it('hyparquet', async t => {
    const file = asyncBuffer(await opened(t, parquetFile()))
    assert.deepEqual(await parquetReadObjects({ file, rowStart: 100, rowEnd: 105 }), ROWS.slice(100, 105))
  })
  it('PMTiles', async t => {
    const tiles = new PMTiles(pmtilesSource(await opened(t, pmtilesFile())))
    for (const [[z, x, y], bytes] of TILES)
      assert.deepEqual(new Uint8Array((await tiles.getZxy(z, x, y))!.data), bytes)
  })
  it('geotiff', async t => {
    const image = await (await fromSource(geotiffSource(await opened(t, raster())))).getImage()
    const [band] = await image.readRasters()
    assert.deepEqual([...(band as Uint8Array)], [...TIFF.values])
  })
  it('zarrita, an array of one file as an object', async t => {
    const { files } = await zarrFiles()
    const [key, bytes] = [...files].find(([name]) => name.startsWith('/c/'))!
    const file = await opened(t, bytes)
    const store = new Map([...files]) as Map<zarr.AbsolutePath, Uint8Array>
    store.set(key as zarr.AbsolutePath, await blob(file).bytes())
    assert.deepEqual(store.get(key as zarr.AbsolutePath), bytes)
  })
  it('Blob', async t => {
    const file = await opened(t, BODY)
    const whole = new Uint8Array(await new Response(blob(file).stream()).arrayBuffer())
    assert.equal(Buffer.compare(whole, BODY), 0)
  })
})
