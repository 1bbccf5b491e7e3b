/** The adapters with the real libraries, on files of this computer and of a volume; remote ones: remote-files.test.ts. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { describe, it, type TestContext } from 'node:test'
import fc from 'fast-check'
import { parquetMetadataAsync, parquetReadObjects } from 'hyparquet'
import { PMTiles } from 'pmtiles'
import * as zarr from 'zarrita'
import { Machine } from '../map/index.ts'
import { scratch } from '../map/world.suite.ts'
import { fromSource } from './geotiff.suite.ts'
import { asyncBuffer, blob, geotiffSource, pmtilesSource, zarrStore } from './index.ts'
import { parquetFile, pmtilesFile, ROWS, raster, TIFF, TILES, zarrFiles } from './samples.suite.ts'

async function opened(t: TestContext, bytes: Uint8Array) {
  const path = join(scratch(t), 'sample.bin')
  fs.writeFileSync(path, bytes)
  const machine = await Machine.start({ memory: '1 MiB' })
  t.after(() => machine.close())
  return machine.open(path)
}

describe('the adapter for', () => {
  it('hyparquet', async t => {
    const file = asyncBuffer(await opened(t, parquetFile()))
    assert.equal(Number((await parquetMetadataAsync(file)).num_rows), ROWS.length)
    assert.deepEqual(await parquetReadObjects({ file, rowStart: 100, rowEnd: 105 }), ROWS.slice(100, 105))
  })

  it('PMTiles', async t => {
    const tiles = new PMTiles(pmtilesSource(await opened(t, pmtilesFile())))
    assert.equal((await tiles.getHeader()).maxZoom, 1)
    for (const [[z, x, y], bytes] of TILES)
      assert.deepEqual(new Uint8Array((await tiles.getZxy(z, x, y))!.data), bytes)
  })

  it('geotiff', async t => {
    const tiff = await fromSource(geotiffSource(await opened(t, raster())))
    const image = await tiff.getImage()
    assert.deepEqual([image.getWidth(), image.getHeight()], [TIFF.width, TIFF.height])
    const [band] = await image.readRasters({ window: [3, 5, 13, 6] })
    assert.deepEqual(
      [...(band as Uint8Array)],
      [...TIFF.values.slice(5 * TIFF.width + 3, 5 * TIFF.width + 13)],
    )
  })

  it('zarrita, over a directory of a volume', async t => {
    const machine = await Machine.start({ memory: '4 MiB' })
    t.after(() => machine.close())
    const volume = await machine.createVolume(join(scratch(t), 'zarr.vol'), { size: '16 MiB' })
    const { files, values } = await zarrFiles()
    const made = new Set(['/'])
    for (const [key, bytes] of files) {
      const path = `/store${key}`
      for (let at = path.indexOf('/', 1); at !== -1; at = path.indexOf('/', at + 1)) {
        const directory = path.slice(0, at)
        if (!made.has(directory)) await volume.mkdir(directory)
        made.add(directory)
      }
      await volume.put(Readable.from([bytes]), path)
    }
    const store = zarrStore(volume, '/store')
    const array = await zarr.open.v3(zarr.root(store), { kind: 'array' })
    const { data } = await zarr.get(array, [zarr.slice(2, 5), null])
    assert.deepEqual([...(data as Float64Array)], values.slice(2 * 20, 5 * 20))
    assert.equal(await store.get('/c/9/9'), undefined, 'a chunk that is not there')
    const whole = files.get('/zarr.json')!
    assert.deepEqual(await store.getRange('/zarr.json', { suffixLength: 5 }), whole.slice(-5))
    assert.deepEqual(await store.getRange('/zarr.json', { offset: 2, length: 3 }), whole.slice(2, 5))
  })
})

describe('an adapter', () => {
  it('takes nothing but what can be read', async t => {
    const file = await opened(t, new Uint8Array(100))
    const { name, size } = file
    const { open } = await Machine.start()
    const wrong: unknown[] = [undefined, null, 5, 'path', {}, [], new Uint8Array(5), { name, size }, open]
    for (const given of wrong) {
      const it = given as typeof file
      for (const adapt of [asyncBuffer, blob, geotiffSource, pmtilesSource])
        assert.throws(() => adapt(it), { name: 'FaultlineError', code: 'EINVAL', message: /expected a file/ })
      assert.throws(() => zarrStore(it as never, '/'), { code: 'EINVAL', message: /expected a volume/ })
    }
    assert.throws(() => zarrStore({ open } as never, 5 as never), { code: 'EINVAL' })
    assert.throws(() => blob(file, null as never), { code: 'EINVAL', message: /media type/ })
    for (const at of [1.5, Number.NaN, '5', null, 5n]) {
      await assert.rejects(asyncBuffer(file).slice(at as number), { code: 'EINVAL' })
      await assert.rejects(asyncBuffer(file).slice(0, at as number), { code: 'EINVAL' })
      await assert.rejects(pmtilesSource(file).getBytes(at as number, 5), { code: 'EINVAL' })
      await assert.rejects(geotiffSource(file).fetchSlice({ offset: 0, length: at as number }), {
        code: 'EINVAL',
      })
    }
    assert.equal((await asyncBuffer(file).slice(-10, Infinity)).byteLength, 10)
  })
})

describe('a file as a Blob', () => {
  it('does what a Blob of its bytes does, sliced any way', async t => {
    const bytes = new Uint8Array(5000).map((_, at) => at * 7)
    const file = await opened(t, bytes)
    const mine = blob(file, 'application/x-test')
    const real = new Blob([bytes], { type: 'application/x-test' })
    assert.equal(mine.type, real.type)
    const odd = fc.constantFrom(Number.NaN, Infinity, -Infinity)
    const place = fc.oneof(fc.integer({ min: -6000, max: 6000 }), odd)
    await fc.assert(
      fc.asyncProperty(place, place, place, place, async (a, b, c, d) => {
        const got = mine.slice(a, b).slice(c, d)
        const expected = real.slice(a, b).slice(c, d)
        assert.equal(got.size, expected.size)
        assert.deepEqual(await got.bytes(), new Uint8Array(await expected.arrayBuffer()))
      }),
      { numRuns: 100 },
    )
  })

  it('is the body of a Response, and no text that is taken for its bytes', async t => {
    const text = 'pages in a row. '.repeat(40_000)
    const file = await opened(t, Buffer.from(text))
    assert.equal(await new Response(blob(file).slice(16) as unknown as Blob).text(), text.slice(16))
    const copy = join(scratch(t), 'copy')
    await fs.promises.writeFile(copy, blob(file) as AsyncIterable<Uint8Array>)
    assert.equal(fs.readFileSync(copy, 'utf8'), text)
    const foreign = blob(file) as unknown as Blob
    for (const misuse of [() => new Blob([foreign]), () => new File([foreign], 'x'), () => `${foreign}`])
      assert.throws(misuse, { code: 'EINVAL', message: /pass blob\.stream\(\)/ })
    const form = new FormData()
    assert.throws(() => form.append('file', foreign as unknown as string), { code: 'EINVAL' })
  })

  it('streams in pieces, and is text', async t => {
    const text = 'fault, fork, proc. '.repeat(60_000)
    const file = await opened(t, Buffer.from(text))
    assert.equal(await new Response(blob(file).stream()).text(), text)
    assert.equal(await blob(file).slice(0, 5).text(), 'fault')
    const reader = blob(file).stream().getReader()
    await reader.read()
    await reader.cancel()
  })
})
