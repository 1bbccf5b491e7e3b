/** What other processes write to a file that is open here, and paths that aren't text. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { Machine } from '../map/index.ts'
import { byteOf, HostCalls, numbered, PAGE, refuses, scratch } from '../map/world.suite.ts'

async function opened(t: TestContext, pages: number, direct = false) {
  const path = numbered(t, pages)
  const machine = await Machine.start({ memory: 64 * PAGE })
  t.after(() => machine.close())
  const file = await machine.open(path, { mode: 'r+', direct })
  const map = await machine.space({ name: 'a' }).map(file, { prot: 'rw' })
  return { path, machine, file, map }
}

/** As another process would. */
function writeBehind(path: string, position: number, bytes: Uint8Array): void {
  const fd = fs.openSync(path, 'r+')
  fs.writeSync(fd, bytes, 0, bytes.length, position)
  fs.closeSync(fd)
}

describe('a refresh', () => {
  for (const direct of [false, true])
    test(`shows what others have written, in mappings and calls${direct ? ', past the cache of the host' : ''}`, async t => {
      const { path, file, map } = await opened(t, 8, direct)
      assert.equal(await map.run(view => view.u8(0) + view.u8(5 * PAGE)), 7)
      writeBehind(path, 5 * PAGE, Buffer.alloc(PAGE, 99))
      assert.equal(await map.run(view => view.u8(5 * PAGE)), 6)
      await file.refresh()
      assert.equal(await map.run(view => view.u8(5 * PAGE)), 99)
      const page = new Uint8Array(PAGE)
      await file.read(page, 5 * PAGE)
      assert.equal(page[17], 99)
      assert.equal(await map.run(view => view.u8(0)), 1)
    })

  test('keeps what was stored here, and the file as long as that', async t => {
    const { path, file, map } = await opened(t, 4)
    await map.run(view => view.setU8(PAGE, 200))
    await file.write(new Uint8Array(PAGE).fill(201), 5 * PAGE)
    writeBehind(path, 0, Buffer.alloc(2 * PAGE, 99))
    await file.refresh()
    assert.deepEqual(await map.run(view => [view.u8(0), view.u8(PAGE), view.u8(PAGE + 1)]), [99, 200, 2])
    assert.equal(file.size, 6 * PAGE)
    await file.sync()
    assert.deepEqual([byteOf(path, PAGE), byteOf(path, 5 * PAGE), byteOf(path, 4 * PAGE)], [200, 201, 0])
  })

  test('sees the file longer or shorter, and stores there have space of their own', async t => {
    const { path, file, map } = await opened(t, 8)
    await map.run(view => view.u8(7 * PAGE))
    fs.truncateSync(path, 2 * PAGE + 10)
    await file.refresh()
    assert.equal(file.size, 2 * PAGE + 10)
    await refuses(() => map.run(view => view.u8(3 * PAGE)), 'ENXIO', 'load', /past the end/)
    fs.truncateSync(path, 12 * PAGE)
    writeBehind(path, 7 * PAGE, Buffer.from([55]))
    await file.refresh()
    assert.equal(file.size, 12 * PAGE)
    assert.deepEqual(await map.run(view => [view.u8(2 * PAGE + 11), view.u8(7 * PAGE)]), [0, 55])
    await map.run(view => view.setU8(6 * PAGE, 77))
    await map.sync()
    assert.deepEqual([byteOf(path, 6 * PAGE), fs.statSync(path).size], [77, 12 * PAGE])
  })

  test('waits for pages on their way, can be aborted, and is refused after close', async t => {
    const host = new HostCalls(t)
    const { file, map } = await opened(t, 8)
    host.hold('read')
    const load = map.run(view => view.u8(0))
    await host.heldAre(1)
    const abort = new AbortController()
    const ended = refuses(() => file.refresh({ signal: abort.signal }), 'ABORT_ERR', 'refresh', /aborted/)
    const later = file.refresh()
    abort.abort()
    await ended
    host.release()
    await later
    assert.equal(await load, 1)
    await file.close()
    await refuses(() => file.refresh(), 'EBADF', 'refresh', /closed/)
  })
})

test('a path may be a file: URL, or bytes that are no text', async t => {
  const directory = scratch(t)
  const machine = await Machine.start({ memory: 64 * PAGE })
  t.after(() => machine.close())
  const plain = join(directory, 'a b.bin')
  fs.writeFileSync(plain, 'one')
  assert.equal((await machine.open(pathToFileURL(plain))).size, 3)
  assert.equal((await machine.open(Buffer.from(plain))).size, 3)
  const odd = Buffer.concat([Buffer.from(`${directory}/`), Buffer.from([0xff, 0xfe])])
  fs.writeFileSync(odd, 'four')
  assert.equal((await machine.open(odd, { mode: 'r+', direct: true })).size, 4)
  for (const wrong of [Buffer.from('a\0b'), Buffer.alloc(0), '', new URL('ftp://host/file'), 7])
    await refuses(() => machine.open(wrong as string), 'EINVAL', 'open', /expected/)
})
