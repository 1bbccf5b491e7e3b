/**
 * Bits flipped on disk: in the data, in the store, in the first block. Nothing that isn't what was put is ever handed out; the
 * check says where the bit is; a volume that was found damaged opens to be read; a repair leaves a clean volume, and
 * says of everything that it hasn't kept.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { Prng } from '../base/index.ts'
import { FaultlineError } from '../calls/index.ts'
import { Machine } from '../map/index.ts'
import { PAGE, refuses, scratch } from '../map/world.suite.ts'
import type { Volume } from './index.ts'

interface Image {
  readonly data: Buffer
  readonly store: Buffer
  readonly files: ReadonlyMap<string, Buffer>
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}

/** A small volume with directories, clones, holes and large files, as bytes; and what its files hold. */
async function imageOf(machine: Machine, path: string): Promise<Image> {
  const volume = await machine.createVolume(path, { size: '2 MiB' })
  const prng = new Prng(3)
  const files = new Map<string, Buffer>()
  const put = async (to: string, length: number) => {
    const bytes = Buffer.from(Uint8Array.from({ length }, () => prng.u32()))
    await volume.put(once(bytes), to)
    files.set(to, bytes)
  }
  await volume.mkdir('/d')
  await volume.mkdir('/d/e')
  await put('/a', 70 * PAGE + 5)
  for (let n = 0; n < 40; n++) await put(`/d/e/file ${n}`, prng.below(3 * PAGE))
  await put('/d/large', 130 * PAGE)
  await volume.clone('/a', '/d/clone')
  files.set('/d/clone', files.get('/a')!)
  const sparse = await volume.open('/d/large', { mode: 'r+' })
  for (let page = 0; page < 120; page += 3) {
    await sparse.punch(page * PAGE, PAGE)
    files.get('/d/large')!.fill(0, page * PAGE, (page + 1) * PAGE)
  }
  await sparse.close()
  await volume.close()
  return { data: fs.readFileSync(join(path, 'data')), store: fs.readFileSync(join(path, 'data.mdb')), files }
}

async function held(volume: Volume, path: string): Promise<Buffer> {
  const found: Buffer[] = []
  for await (const part of volume.get(path)) found.push(Buffer.from(part))
  return Buffer.concat(found)
}

async function world(t: TestContext) {
  const machine = await Machine.start({ memory: '4 MiB' })
  t.after(() => machine.close())
  const path = join(scratch(t), 'volume')
  const image = await imageOf(machine, path)
  const lay = (data: Buffer, store: Buffer) => {
    fs.rmSync(join(path, 'damage'), { force: true })
    fs.writeFileSync(join(path, 'data'), data)
    fs.writeFileSync(join(path, 'data.mdb'), store)
  }
  return { machine, path, image, lay }
}

function flipped(bytes: Buffer, bit: number): Buffer {
  const copy = Buffer.from(bytes)
  copy[bit >>> 3]! ^= 1 << (bit & 7)
  return copy
}

describe('a bit flipped on disk', () => {
  test('in data is told by file and offset, never handed out, and the volume opens to be read from then on', async t => {
    const { machine, path, image, lay } = await world(t)
    let told = 0
    for (let block = 1; block < image.data.length / PAGE; block += 61) {
      lay(flipped(image.data, 8 * (block * PAGE + 100) + 3), image.store)
      const volume = await machine.openVolume(path)
      const { wrong } = await volume.check()
      const place = `offset ${block * PAGE})`
      const isFree = wrong.length === 0
      assert.ok(
        isFree || wrong.every(each => each.startsWith('/') && each.endsWith(place)),
        `block ${block}: ${wrong}`,
      )
      for (const [name, bytes] of image.files)
        if (wrong.some(each => each.startsWith(`${name}, bytes`)))
          await refuses(() => held(volume, name), 'EIO', 'get', /doesn't match its checksum/)
        else assert.deepEqual(await held(volume, name), bytes)
      await volume.close()
      if (isFree) continue
      told++
      const again = await machine.openVolume(path, { mode: 'r+' })
      assert.equal(again.damage[0], wrong[0])
      await refuses(() => again.unlink('/a'), 'EROFS', 'unlink', /found damaged: .*, bytes/)
      await again.close()
    }
    assert.ok(told >= 3)
  })

  test('that is found while a file is open lets nobody write to it, nor store to its mapping, and says why', async t => {
    const { machine, path, image, lay } = await world(t)
    lay(flipped(image.data, 8 * (PAGE + 100)), image.store)
    const volume = await machine.openVolume(path, { mode: 'r+' })
    await volume.create('/new')
    const file = await volume.open('/new', { mode: 'r+' })
    await file.truncate(PAGE)
    const map = await machine.space({ name: 'app' }).map(file, { prot: 'rw' })
    assert.ok((await volume.check()).wrong.length > 0)
    const why = /damage was found in it.*volume check.*--repair/
    await refuses(() => file.write(Buffer.alloc(1), 0), 'EROFS', 'write', why)
    await refuses(() => file.truncate(0), 'EROFS', 'truncate', why)
    await refuses(() => map.run(view => view.setU8(0, 1)), 'EROFS', 'store', why)
    await map.unmap()
    await volume.close()
  })

  test('in the first block, or in the record that it copies, is mended from the other', async t => {
    const { machine, path, image, lay } = await world(t)
    lay(flipped(image.data, 8 * 20), image.store)
    const volume = await machine.openVolume(path, { mode: 'r+' })
    assert.match(volume.damage[0]!, /data, offset 0: the device's first block/)
    assert.deepEqual(await held(volume, '/a'), image.files.get('/a'))
    await refuses(() => volume.mkdir('/x'), 'EROFS', 'mkdir', /first block/)
    await volume.close()
    const { wrong, givenUp } = await machine.repairVolume(path)
    assert.deepEqual([wrong.length, givenUp], [1, []])
    const mended = await machine.openVolume(path, { mode: 'r+' })
    await mended.mkdir('/x')
    assert.deepEqual((await mended.check()).wrong, [])
  })

  test('anywhere in the store: what is read is right or an error, and a repair leaves a clean volume', async t => {
    const { machine, path, image, lay } = await world(t)
    const prng = new Prng(77)
    let damaged = 0
    for (let round = 0; round < 40; round++) {
      const bit = prng.below(image.store.length * 8)
      const what = `bit ${bit & 7} of byte ${bit >>> 3}`
      lay(image.data, flipped(image.store, bit))
      let wrong: readonly string[] = []
      try {
        const volume = await machine.openVolume(path)
        wrong = (await volume.check()).wrong
        for (const [name, bytes] of image.files)
          assert.deepEqual(await right(volume, name, bytes, wrong), bytes, `${name}, ${what}`)
        await volume.close()
      } catch (error) {
        assert.ok(error instanceof FaultlineError && error.code === 'EUCLEAN', `${what}: ${error}`)
        wrong = [error.message]
      }
      if (wrong.length === 0) continue
      damaged++
      assert.ok(
        wrong.some(each => /data\.mdb, offset \d+/.test(each)),
        `${what}: ${wrong}`,
      )
      const { givenUp } = await machine.repairVolume(path)
      const mended = await machine.openVolume(path, { mode: 'r+' })
      assert.deepEqual((await mended.check()).wrong, [], what)
      for (const [name, bytes] of image.files)
        assert.deepEqual(await right(mended, name, bytes, givenUp), bytes, `${name} after repair, ${what}`)
      await mended.mkdir('/new')
      await mended.close()
    }
    assert.ok(damaged >= 6, `${damaged} of 40 bits held something`)
  })
})

/** What the file holds; where an error is told instead, and something was said to be wrong, what it should. */
async function right(volume: Volume, name: string, bytes: Buffer, said: readonly string[]): Promise<Buffer> {
  try {
    const found = await held(volume, name)
    const grown = said.some(each => each.startsWith('the exact length'))
    return grown && found.subarray(bytes.length).every(byte => byte === 0)
      ? found.subarray(0, bytes.length)
      : found
  } catch (error) {
    if (!(error instanceof FaultlineError) || said.length === 0) throw error
    assert.ok(['EIO', 'EUCLEAN', 'ENOENT'].includes(error.code), error.message)
    return bytes
  }
}

const needsRoot = { skip: process.getuid?.() === 0 ? false : 'it takes root' }

test('a repair without room for the new metadata changes nothing', needsRoot, async t => {
  const small = join(scratch(t), 'small')
  fs.mkdirSync(small)
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', small]).status !== 0)
    return t.skip('nothing can be mounted here')
  try {
    await repairedWithoutRoom(small)
  } finally {
    spawnSync('umount', ['-l', small])
  }
})

async function repairedWithoutRoom(small: string): Promise<void> {
  await using machine = await Machine.start({ memory: '4 MiB' })
  const path = join(small, 'volume')
  const volume = await machine.createVolume(path, { size: '1 MiB' })
  await volume.put(once(Buffer.alloc(PAGE, 7)), '/a')
  await volume.close()
  const store = join(path, 'data.mdb')
  const damaged = fs.readFileSync(store).fill(0, 0, 2 * PAGE)
  fs.writeFileSync(store, damaged)
  const filler = join(small, 'filler')
  const fd = fs.openSync(filler, 'w')
  assert.throws(() => {
    for (;;) fs.writeSync(fd, Buffer.alloc(PAGE))
  }, /ENOSPC/)
  fs.closeSync(fd)
  await refuses(() => machine.repairVolume(path), 'ENOSPC', 'repairVolume', /nothing was changed/)
  assert.deepEqual(fs.readFileSync(store), damaged)
  assert.deepEqual(
    fs.readdirSync(path).filter(name => name.startsWith('repair')),
    [],
  )
  fs.rmSync(filler)
  assert.deepEqual((await machine.repairVolume(path)).givenUp, [])
  const again = await machine.openVolume(path)
  assert.deepEqual(await held(again, '/a'), Buffer.alloc(PAGE, 7))
  await again.close()
}
