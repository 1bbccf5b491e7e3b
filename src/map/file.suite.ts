/** Files: calls against mappings, openings that share their pages, growth, holes, and lives longer than an opening. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { type Mmu, needs } from './conformance.suite.ts'
import type { ViewFace as View } from './index.ts'
import { byteOf, HostCalls, numbered, PAGE, refuses, scratch, sparse } from './world.suite.ts'

export function files(mmu: Mmu): void {
  async function world(t: TestContext, path = numbered(t, 16)) {
    const machine = await mmu.start({ memory: 256 * PAGE })
    t.after(() => machine.close())
    const file = await machine.open(path, { mode: 'r+' })
    const space = machine.space({ name: 'a' })
    return { machine, path, file, space }
  }

  describe('calls and mappings see the same bytes:', () => {
    test('what is written shows in a mapping, what is stored is read', async t => {
      const { file, space } = await world(t)
      const map = await space.map(file, { prot: 'rw' })
      await file.write(new Uint8Array(PAGE).fill(99), PAGE / 2)
      assert.deepEqual(await map.run(view => [view.u8(0), view.u8(PAGE - 1), view.u8(PAGE)]), [1, 99, 99])
      await map.run(view => view.setU8(10, 98))
      const bytes = new Uint8Array(12)
      assert.equal(await file.read(bytes, 0), 12)
      assert.deepEqual([bytes[9], bytes[10], bytes[11]], [1, 98, 1])
    })

    test('a read ends at the end of the file', async t => {
      const { file } = await world(t)
      const bytes = new Uint8Array(100).fill(255)
      assert.equal(await file.read(bytes, 16 * PAGE - 30), 30)
      assert.deepEqual([bytes[29], bytes[30]], [16, 255])
      assert.equal(await file.read(bytes, 16 * PAGE), 0)
      assert.equal(await file.read(bytes, 2 ** 40), 0)
    })

    test('a truncation takes pages away, and what comes back is zero', async t => {
      const { file, space, path } = await world(t)
      const map = await space.map(file, { prot: 'rw' })
      await map.run(view => view.setU8(PAGE, 1))
      await file.truncate(PAGE + 100)
      assert.equal(file.size, PAGE + 100)
      assert.deepEqual(await map.run(view => [view.u8(PAGE + 99), view.u8(PAGE + 100)]), [2, 0])
      await refuses(
        () => map.run(view => view.u8(2 * PAGE)),
        'ENXIO',
        'load',
        /at offset 8192 .*past the end of the file.*truncate/,
      )
      await map.run(view => view.setU8(PAGE + 200, 77))
      await file.truncate(4 * PAGE)
      assert.deepEqual(await map.run(view => [view.u8(PAGE + 200), view.u8(3 * PAGE)]), [0, 0])
      await file.sync()
      assert.equal(fs.statSync(path).size, 4 * PAGE)
    })

    test('a hole is zero to everyone, and what is beside it stays', async t => {
      const { file, space, path } = await world(t)
      const map = await space.map(file, { prot: 'rw' })
      await map.run(view => view.setU8(3 * PAGE, 255))
      await file.punch(PAGE + 10, 3 * PAGE)
      const seen = await map.run(view =>
        [PAGE + 9, PAGE + 10, 2 * PAGE, 3 * PAGE, 4 * PAGE + 9, 4 * PAGE + 10].map(at => view.u8(at)),
      )
      assert.deepEqual(seen, [2, 0, 0, 0, 0, 5])
      await file.sync()
      assert.deepEqual(
        [byteOf(path, PAGE + 9), byteOf(path, 3 * PAGE), byteOf(path, 4 * PAGE + 10)],
        [2, 0, 5],
      )
      await file.punch(15 * PAGE, 2 ** 40)
      assert.equal(file.size, 16 * PAGE)
      assert.equal(await map.run(view => view.u8(15 * PAGE)), 0)
    })
  })

  describe('a file that grows', () => {
    test('is on the host as long as it is here, byte for byte', async t => {
      const path = join(scratch(t), 'log.txt')
      fs.writeFileSync(path, '')
      const { machine, file } = await world(t, path)
      let expected = ''
      for (let line = 0; line < 300; line++) {
        const text = `line ${line}: ${'x'.repeat((line * 37) % 90)}\n`
        await file.write(Buffer.from(text), expected.length)
        expected += text
        if (line % 100 === 0) {
          await file.sync()
          assert.equal(fs.statSync(path).size, expected.length)
        }
      }
      assert.equal(file.size, expected.length)
      await machine.close()
      assert.equal(fs.readFileSync(path, 'utf8'), expected)
    })

    test('leaves a hole behind it when it is written past its end', async t => {
      const { file, path, space } = await world(t)
      await file.write(Buffer.from('end'), 100 * PAGE + 5)
      const map = await space.map(file)
      assert.deepEqual(await map.run(view => [view.u8(50 * PAGE), view.u8(100 * PAGE + 4)]), [0, 0])
      await file.sync()
      assert.equal(fs.statSync(path).size, 100 * PAGE + 8)
      assert.equal(byteOf(path, 100 * PAGE + 5), 'e'.charCodeAt(0))
    })

    test('within its last page keeps what was in it', async t => {
      const path = join(scratch(t), 'short.txt')
      fs.writeFileSync(path, 'hello')
      const { machine, file } = await world(t, path)
      await file.write(Buffer.from(', world'), 5)
      await file.write(Buffer.from('H'), 0)
      await machine.close()
      assert.equal(fs.readFileSync(path, 'utf8'), 'Hello, world')
    })
  })

  describe('a file opened twice', () => {
    test('has one set of pages, under whatever name', async t => {
      const { machine, path, file, space } = await world(t)
      const link = `${path}.link`
      fs.linkSync(path, link)
      const again = await machine.open(link)
      const map = await space.map(file, { prot: 'rw' })
      await map.run(view => view.setU8(0, 42))
      const other = await space.map(again)
      assert.equal(await other.run(view => view.u8(0)), 42)
      assert.equal(again.readOnly, true)
      await refuses(
        () => again.write(new Uint8Array(1), 0),
        'EACCES',
        'write',
        /open for reading; open it with mode 'r\+'/,
      )
      await refuses(
        () => space.map(again, { prot: 'rw' }),
        'EACCES',
        'map',
        /mode 'r\+', or map it with share 'private'/,
      )
    })

    test('for reading first can be opened for writing, even after its name went to another', async t => {
      const { machine, space } = await world(t)
      const path = numbered(t, 4)
      const readable = await machine.open(path)
      const map = await space.map(readable)
      assert.equal(await map.run(view => view.u8(0)), 1)
      const moved = `${path}.moved`
      fs.renameSync(path, moved)
      fs.writeFileSync(path, Buffer.alloc(4 * PAGE, 200))
      const writable = await machine.open(moved, { mode: 'r+' })
      await writable.write(new Uint8Array(PAGE).fill(50), 0)
      assert.equal(await map.run(view => view.u8(0)), 50)
      await writable.sync()
      assert.equal(byteOf(moved, 0), 50)
      assert.equal(byteOf(path, 0), 200)
    })

    test('is given back to the host when the last opening closes', async t => {
      const { machine, path, file } = await world(t)
      const again = await machine.open(path)
      await Promise.all([file.close(), file.close()])
      assert.equal(await again.read(new Uint8Array(1), 0), 1)
      await again.close()
      fs.writeFileSync(path, Buffer.alloc(16 * PAGE, 123))
      await using fresh = await machine.open(path)
      const byte = new Uint8Array(1)
      await fresh.read(byte, 0)
      assert.equal(byte[0], 123)
    })
  })

  describe('a mapping that outlives the close of its file', () => {
    test('goes on working, and what it stores reaches the host', async t => {
      const { machine, file, path, space } = await world(t)
      const map = await space.map(file, { prot: 'rw' })
      await file.close()
      await refuses(
        () => file.read(new Uint8Array(1), 0),
        'EBADF',
        'read',
        /numbered\.bin is closed; open it again/,
      )
      await refuses(() => space.map(file), 'EBADF', 'map', /is closed/)
      await map.run(view => view.setU8(0, 42))
      await map.unmap()
      await machine.close()
      assert.equal(byteOf(path, 0), 42)
    })

    test(
      'has its stores seen by whoever opens the file next',
      needs(mmu, 'calls in this thread'),
      async t => {
        const { machine, file, path, space } = await world(t)
        const map = await space.map(file, { prot: 'rw' })
        await file.close()
        await map.run(view => view.setU8(0, 42))
        const host = new HostCalls(t)
        host.hold('write')
        await map.unmap()
        await host.heldAre(1)
        const again = await machine.open(path)
        const other = await space.map(again)
        assert.equal(await other.run(view => view.u8(0)), 42)
        host.release()
        await machine.close()
        assert.equal(byteOf(path, 0), 42)
      },
    )

    test('has its stores written by close, if nothing else did', async t => {
      const { machine, file, path, space } = await world(t)
      const map = await space.map(file, { prot: 'rw' })
      await file.close()
      await map.run(view => view.setU8(0, 42))
      await machine.close()
      assert.equal(byteOf(path, 0), 42)
    })
  })

  test(
    'a read-only file on a machine is mapped, read and closed without a write',
    needs(mmu, 'calls in this thread'),
    async t => {
      await using machine = await mmu.start({ memory: 64 * PAGE })
      const host = new HostCalls(t)
      const file = await machine.open(numbered(t, 8))
      const map = await machine.space({ name: 'a' }).map(file)
      const sum = (view: View) => view.u8(0) + view.u8(7 * PAGE)
      assert.equal(await map.run(sum), 9)
      await file.sync()
      await machine.close()
      assert.equal(host.begun.write, 0)
    },
  )

  test('O_DIRECT reads and writes what the host has', async t => {
    const path = sparse(t, 64 * PAGE + 100)
    await using machine = await mmu.start({ memory: 128 * PAGE })
    const file = await machine.open(path, { mode: 'r+', direct: true })
    const map = await machine.space({ name: 'a' }).map(file, { prot: 'rw' })
    await map.run(view => {
      for (let page = 0; page <= 64; page++) view.setU8(page * PAGE, page + 1)
    })
    await file.sync()
    assert.deepEqual([byteOf(path, 0), byteOf(path, 63 * PAGE), byteOf(path, 64 * PAGE)], [1, 64, 65])
    assert.equal(fs.statSync(path).size, 64 * PAGE + 100)
  })
}
