/** Files: calls against mappings, openings that share their pages, growth, holes, and lives longer than an opening. */

import assert from 'node:assert/strict'
import { tracingChannel } from 'node:diagnostics_channel'
import fs from 'node:fs'
import { basename, join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import type { ViewFace as View } from '../api/index.ts'
import { type Mmu, needs } from '../map/conformance.suite.ts'
import { byteOf, HostCalls, numbered, PAGE, refuses, scratch, sparse } from '../map/world.suite.ts'

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

    test('an array whose memory was moved away is refused, before a call and under way', async t => {
      const { file } = await world(t)
      const moved = (bytes: Uint8Array<ArrayBuffer>) => {
        structuredClone(bytes, { transfer: [bytes.buffer] })
        return bytes
      }
      const gone = moved(new Uint8Array(8))
      const words = /memory of the array was moved away/
      await refuses(() => file.read(gone, 0), 'EINVAL', 'read', words)
      await refuses(() => file.write(gone, 0), 'EINVAL', 'write', words)
      await refuses(() => file.append(gone), 'EINVAL', 'append', words)
      const target = new Uint8Array(2 * PAGE)
      const reading = file.read(target, 9 * PAGE)
      moved(target)
      await refuses(() => reading, 'EINVAL', 'read', words)
      const shrinking = new Uint8Array(new ArrayBuffer(PAGE, { maxByteLength: PAGE }))
      const read = file.read(shrinking, 3 * PAGE)
      shrinking.buffer.resize(8)
      await refuses(() => read, 'EINVAL', 'read', /moved away or made shorter/)
      const source = new Uint8Array(2 * PAGE).fill(50)
      const writing = file.write(source, 12 * PAGE)
      moved(source)
      const written = await writing.then(
        () => true,
        (error: { code?: string }) => error.code !== 'EINVAL',
      )
      const bytes = new Uint8Array(2 * PAGE)
      await file.read(bytes, 12 * PAGE)
      if (written) assert.ok(bytes.every(byte => byte === 50))
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

  describe('a file is opened', () => {
    test('by text, URL or bytes, and is the same file', async t => {
      const { machine, path, file } = await world(t)
      await file.write(Buffer.from('same'), 3)
      for (const name of [pathToFileURL(path), Buffer.from(path), new Uint8Array(Buffer.from(path))]) {
        const again = await machine.open(name)
        const bytes = Buffer.alloc(4)
        await again.read(bytes, 3n)
        assert.equal(bytes.toString(), 'same')
      }
      const odd = Buffer.concat([Buffer.from(`${scratch(t)}/`), Buffer.of(0x66, 0xff, 0x0a, 0x67)])
      const made = await machine.open(odd, { mode: 'wx+' })
      await made.append(Buffer.from('odd'))
      await made.close()
      assert.equal(fs.readFileSync(odd, 'latin1'), 'odd')
      await refuses(
        () => machine.open(new URL('file://elsewhere/data')),
        'EINVAL',
        'open',
        /file:\/\/elsewhere\/data/,
      )
      await refuses(() => machine.open(Buffer.of(0x61, 0)), 'EINVAL', 'open', /expected the path of a file/)
      await refuses(() => machine.openVolume(odd), 'EINVAL', 'openVolume', /expected a path in UTF-8/)
    })

    test("with 'w+' empty, whoever has it open", async t => {
      const { machine, path, file, space } = await world(t)
      const map = await space.map(file)
      await map.populate()
      const emptied = await machine.open(path, { mode: 'w+' })
      assert.deepEqual([file.size, emptied.size], [0, 0])
      await refuses(() => map.run(view => view.u8(0)), 'ENXIO', 'load', /past the end of the file/)
      await emptied.write(Buffer.from('new'), 0)
      await machine.close()
      assert.equal(fs.readFileSync(path, 'utf8'), 'new')
    })

    test("with 'w+' and 'a+' though it is missing, with 'wx+' only then", async t => {
      const { machine } = await world(t)
      const folder = scratch(t)
      for (const mode of ['w+', 'a+', 'wx+'] as const) {
        const path = join(folder, mode)
        const file = await machine.open(path, { mode })
        assert.equal(file.size, 0)
        assert.equal(await file.append(Buffer.from(mode)), 0)
        await file.close()
        assert.equal(fs.readFileSync(path, 'utf8'), mode)
        await refuses(
          () => machine.open(path, { mode: 'wx+' }),
          'EEXIST',
          'open',
          /something of that name; open it with mode 'r\+'/,
        )
      }
      const kept = await machine.open(join(folder, 'a+'), { mode: 'a+' })
      assert.equal(await kept.append(Buffer.from('b')), 2)
      for (const mode of ['w+', 'a+', 'wx+'] as const)
        await refuses(
          () => machine.open(join(folder, 'no', 'such'), { mode }),
          'ENOENT',
          'open',
          /no such directory to make it in/,
        )
      await refuses(
        () => machine.open(join(folder, 'missing'), { mode: 'r+' }),
        'ENOENT',
        'open',
        /does with mode 'w\+' or 'a\+'/,
      )
      await refuses(() => machine.open(folder, { mode: 'w+' }), 'EISDIR', 'open', /it is a directory/)
    })
  })

  test('what is counted is told to Prometheus, and what happens to who subscribes', async t => {
    const happened: string[] = []
    const names = ['open', 'sync', 'close', 'fault'] as const
    for (const name of names) {
      const channel = tracingChannel(`faultline.${name}`)
      const on = (what: string) => (event: unknown) => {
        const { name: file, mmu: by, offset, error } = event as Record<string, unknown>
        const said = error instanceof Error ? ` ${(error as { code?: string }).code}` : ''
        if (by === mmu.name)
          happened.push(
            `${name} ${what} ${basename(String(file))}${offset === undefined ? '' : ` ${offset}`}${said}`,
          )
      }
      const handlers = {
        start: on('start'),
        end() {},
        asyncStart() {},
        asyncEnd: on('end'),
        error: on('error'),
      }
      channel.subscribe(handlers)
      t.after(() => channel.unsubscribe(handlers))
    }
    const { machine, path, file, space } = await world(t)
    const batch = machine.group('batch "1"', { 'memory.max': '1 MiB' })
    const map = await machine.space({ name: 'told', group: batch }).map(file, { advice: 'random' })
    await map.run(view => view.u8(3 * PAGE))
    await file.sync()
    await assert.rejects(machine.open(`${path}.not`), /ENOENT/)
    await file.close()
    assert.deepEqual(happened, [
      'open start numbered.bin',
      'open end numbered.bin',
      `fault start numbered.bin ${3 * PAGE}`,
      `fault end numbered.bin ${3 * PAGE}`,
      'sync start numbered.bin',
      'sync end numbered.bin',
      'open start numbered.bin.not',
      'open error numbered.bin.not ENOENT',
      'open end numbered.bin.not ENOENT',
      'close start numbered.bin',
      'close end numbered.bin',
    ])
    const text = machine.metrics()
    const { pid } = map.space
    for (const line of [
      `faultline_space_mapped_bytes{pid="${pid}",space="told"} ${16 * PAGE}`,
      `faultline_space_resident_bytes{pid="${pid}",space="told"} ${PAGE}`,
      `faultline_space_major_faults_total{pid="${pid}",space="told"} 1`,
      `faultline_space_mapped_bytes{pid="${space.pid}",space="a"} 0`,
      `faultline_group_memory_bytes{group="/batch \\"1\\""} ${PAGE}`,
      `faultline_group_memory_stat{group="/",stat="file"} ${PAGE}`,
    ])
      assert.ok(text.includes(`\n${line}\n`), `${line} in ${text}`)
    for (const line of text.split('\n').slice(0, -1))
      assert.match(
        line,
        /^(# (HELP|TYPE) faultline_\w+ .+|faultline_\w+\{(\w+="([^"\\]|\\.)*",?)*\} \d+(\.\d+)?(e-?\d+)?)$/,
      )
    assert.match(text, /^faultline_group_io\{group="\/",disk="\d+:\d+",stat="rbytes"\} [1-9]/m)
  })

  describe('appends', () => {
    test('that are made at once lie one behind the other, each whole and where it says', async t => {
      const { machine, path, file } = await world(t)
      const again = await machine.open(path, { mode: 'a+' })
      const parts = Array.from({ length: 40 }, (_, index) =>
        Buffer.alloc(1 + ((index * 997) % 9000), index + 1),
      )
      const places = await Promise.all(
        parts.map((part, index) => (index % 2 === 0 ? file : again).append(part)),
      )
      let end = 16 * PAGE
      for (const [index, part] of parts.entries()) {
        assert.equal(places[index], end)
        end += part.length
      }
      await machine.close()
      const all = fs.readFileSync(path)
      assert.equal(all.length, end)
      for (const [index, part] of parts.entries())
        assert.equal(part.compare(all, places[index], places[index]! + part.length), 0)
    })

    test('are waited for by close, and refused where a write is', async t => {
      const { machine, path, file } = await world(t)
      const asked = [file.append(Buffer.from('one')), file.append(Buffer.from('two'))]
      await file.close()
      assert.deepEqual(await Promise.all(asked), [16 * PAGE, 16 * PAGE + 3])
      assert.equal(fs.statSync(path).size, 16 * PAGE + 6)
      await refuses(() => file.append(Buffer.from('x')), 'EBADF', 'append', /is closed/)
      const readable = await machine.open(path)
      await refuses(() => readable.append(Buffer.from('x')), 'EACCES', 'append', /open for reading/)
    })

    test('go on after one that was aborted', async t => {
      const { file } = await world(t)
      const controller = new AbortController()
      // It has to write pages before it has room for others, so the next one waits behind it when it is aborted.
      const long = new Uint8Array(256 * PAGE).fill(1)
      const first = file.append(long)
      const aborted = file.append(Buffer.from('two'), { signal: controller.signal })
      const last = file.append(Buffer.from('three'))
      controller.abort()
      const places = await Promise.allSettled([first, aborted, last])
      assert.deepEqual(
        places.map(({ status }) => status),
        ['fulfilled', 'rejected', 'fulfilled'],
      )
      assert.deepEqual([places[2]!.status === 'fulfilled' && places[2].value], [16 * PAGE + long.length])
    })
  })

  test('places are numbers or bigints', async t => {
    const { file } = await world(t)
    await file.write(Buffer.from('far'), 2n ** 33n + 1n)
    assert.equal(file.size, 2 ** 33 + 4)
    const bytes = Buffer.alloc(3)
    assert.equal(await file.read(bytes, BigInt(file.size - 3)), 3)
    assert.equal(bytes.toString(), 'far')
    await file.punch(2n ** 33n + 1n, 2n)
    await file.read(bytes, 2 ** 33 + 1)
    assert.deepEqual([...bytes], [0, 0, 'r'.charCodeAt(0)])
    await file.truncate(5n)
    assert.equal(file.size, 5)
    await refuses(() => file.read(bytes, -1n), 'EINVAL', 'read', /expected whole bytes from 0, got -1/)
    await refuses(() => file.truncate(2n ** 64n), 'EINVAL', 'truncate', /expected whole bytes from 0/)
  })

  describe("a close until 'written'", () => {
    test('gives the host all that was stored', async t => {
      const { file, path, space } = await world(t)
      const map = await space.map(file, { prot: 'rw' })
      await map.run(view => view.setU8(0, 77))
      await map.unmap()
      await file.append(Buffer.from('end'))
      await file.close({ until: 'written' })
      assert.deepEqual([byteOf(path, 0), byteOf(path, 16 * PAGE)], [77, 'e'.charCodeAt(0)])
      await refuses(
        () => file.close({ until: 'done' as 'written' }),
        'EINVAL',
        'close',
        /one of durable, written/,
      )
    })

    test('flushes nothing, and tells an error of writing', needs(mmu, 'calls in this thread'), async t => {
      const { machine, file, path } = await world(t)
      const host = new HostCalls(t)
      await file.append(Buffer.from('end'))
      await file.close({ until: 'written' })
      assert.equal(host.begun.flush, 0)
      const again = await machine.open(path, { mode: 'r+' })
      await again.append(Buffer.from('lost'))
      host.fails('write', { times: Infinity })
      await refuses(() => again.close({ until: 'written' }), 'EIO', 'close', /numbered\.bin/)
      host.heal()
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
