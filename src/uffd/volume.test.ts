/** Files of a volume as arrays: a clone shares blocks, and a store below a live mapping copies what it must. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { PAGE, refuses, scratch } from '../map/world.suite.ts'
import { unavailable } from './hardware.suite.ts'
import { start } from './index.ts'

describe('over the hardware MMU', { skip: unavailable, timeout: 60_000 }, () => {
  test('a volume says of itself without a promise what it says on a software machine', async t => {
    const path = join(scratch(t), 'volume')
    const said: object[] = []
    for (const mmu of ['hardware', 'software'] as const) {
      await using machine = await start({ mmu, memory: 32 * PAGE })
      const volume = await (said.length === 0
        ? machine.createVolume(path, { size: '4 MiB' })
        : machine.openVolume(path, { mode: 'r+' }))
      const { readOnly, damage, usage, format } = volume
      said.push({ path: volume.path, readOnly, damage, usage, format })
    }
    assert.deepEqual(said[0], said[1])
  })

  test('a clone and its source are stored to apart, while both are mapped', async t => {
    const path = join(scratch(t), 'volume')
    await using machine = await start({ mmu: 'hardware', memory: 32 * PAGE })
    const space = machine.space({ name: 'a' })
    const volume = await machine.createVolume(path, { size: '4 MiB' })
    await volume.create('/source')
    const source = await volume.open('/source', { mode: 'r+' })
    await source.write(new Uint8Array(64 * PAGE).fill(1), 0)
    const map = await space.map(source, { prot: 'rw' })
    map.bytes[5 * PAGE] = 2
    await volume.clone('/source', '/clone')
    const clone = await volume.open('/clone', { mode: 'r+' })
    const copy = await space.map(clone, { prot: 'rw' })
    assert.deepEqual([copy.bytes[5 * PAGE], copy.bytes[6 * PAGE]], [2, 1])
    map.bytes[5 * PAGE] = 3
    copy.bytes[6 * PAGE] = 4
    assert.deepEqual([copy.bytes[5 * PAGE], map.bytes[6 * PAGE]], [2, 1])
    await map.unmap()
    await copy.unmap()
    await volume.close()
    const again = await machine.openVolume(path)
    const [first, second] = [await again.open('/source'), await again.open('/clone')]
    const bytes = async (file: typeof first) => {
      const target = new Uint8Array(2 * PAGE)
      await file.read(target, 5 * PAGE)
      return [target[0], target[PAGE]]
    }
    assert.deepEqual(
      [await bytes(first), await bytes(second)],
      [
        [3, 1],
        [2, 4],
      ],
    )
    assert.deepEqual((await again.check()).wrong, [])
    await again.close()
  })

  test('files come in by path, address and bytes, and go out, while its arrays are touched', async t => {
    const folder = scratch(t)
    const at = (name: string) => join(folder, name)
    const bytes = Uint8Array.from({ length: 3 * 2 ** 20 + 77 }, (_, place) => (place * 13) ^ (place >>> 8))
    fs.writeFileSync(at('host'), bytes)
    await using machine = await start({ mmu: 'hardware', memory: 64 * PAGE })
    const volume = await machine.createVolume(at('volume'), { size: '16 MiB' })
    assert.equal(await volume.put(at('host'), '/path'), bytes.length)
    assert.equal(await volume.put(pathToFileURL(at('host')), '/address'), bytes.length)
    const file = await volume.open('/path')
    const map = await machine.space({ name: 'a' }).map(file)
    const putting = volume.put(Buffer.from(bytes), '/bytes')
    for (let page = 0; page * PAGE < bytes.length; page++)
      assert.equal(map.bytes[page * PAGE], bytes[page * PAGE])
    assert.equal(await putting, bytes.length)
    for (const name of ['/path', '/address', '/bytes']) {
      const parts: Uint8Array[] = []
      for await (const part of volume.get(name)) parts.push(Uint8Array.from(part))
      assert.ok(Buffer.concat(parts).equals(bytes), name)
      assert.equal(await volume.getFile(name, at(`out${name.slice(1)}`)), bytes.length)
      assert.ok(fs.readFileSync(at(`out${name.slice(1)}`)).equals(bytes), name)
    }
    await refuses(() => volume.put(at('host'), '/path'), 'EEXIST', 'put', /something has that name/)
    assert.equal(await volume.put(Buffer.of(7), '/bytes', { existing: 'is replaced' }), 1)
    await refuses(() => volume.getFile('/path', at('outpath')), 'EEXIST', 'getFile', /and it stays/)
    await refuses(() => volume.put([bytes], '/stream'), 'ENOTSUP', 'put', /a stream can't be sent/)
    await refuses(() => volume.put(7 as never, '/seven'), 'EINVAL', 'put', /7/)
    await refuses(() => volume.get('/none').next(), 'ENOENT', 'open', /nothing of that name/)
    const signal = AbortSignal.abort()
    await refuses(() => volume.put(at('host'), '/late', { signal }), 'ABORT_ERR', 'put', /aborted/)
    assert.deepEqual((await volume.list('/')).map(({ name }) => name).sort(), ['address', 'bytes', 'path'])
    assert.deepEqual((await volume.check()).wrong, [])
    await map.unmap()
    await volume.close()
  })
})
