/** Machines: what they show of themselves, groups, swap, sizes, their end, and the end of their process. */

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import fs from 'node:fs'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { inspect, promisify } from 'node:util'
import type { MachineOptions } from '../api/index.ts'
import { Machine } from './index.ts'
import { byteOf, HostCalls, numbered, PAGE, refuses, scratch, sparse } from './world.suite.ts'

async function start(t: TestContext, options: MachineOptions = {}): Promise<Machine> {
  const machine = await Machine.start({ memory: 256 * PAGE, ...options })
  t.after(() => machine.close())
  return machine
}

describe('what /proc shows', () => {
  test('is a row for each space, with what it has in memory', async t => {
    const machine = await start(t)
    const file = await machine.open(numbered(t, 16))
    const space = machine.space({ name: 'reader', commandLine: 'reader --all' })
    machine.space({ name: 'idle' })
    const map = await space.map(file, { advice: 'random' })
    await map.run(view => view.u8(0) + view.u8(9 * PAGE))
    const [row, idle] = await machine.ps()
    assert.deepEqual(
      [row?.name, row?.commandLine, row?.state, row?.vmSize, row?.vmRss, row?.majorFaults, row?.ioUnderLock],
      ['reader', 'reader --all', 'S', 16 * PAGE, 2 * PAGE, 2, 0],
    )
    assert.deepEqual([idle?.pid, idle?.name, idle?.vmSize], [2, 'idle', 0])
  })

  test('is maps, smaps and cmdline, as the kernel writes them', async t => {
    const machine = await start(t)
    const path = numbered(t, 16)
    const file = await machine.open(path, { mode: 'r+' })
    const space = machine.space({ name: 'a', commandLine: 'a --b' })
    const map = await space.map(file, { prot: 'rw', offset: PAGE, length: 4 * PAGE, fixed: 0x100000 })
    await space.mapAnonymous({ length: 2 * PAGE, prot: 'r', fixed: 0x200000 })
    await map.run(view => view.setU8(0, 1))
    assert.equal(await space.proc('cmdline'), 'a --b')
    assert.match(
      await space.proc('maps'),
      /^00100000-00104000 rw-s 00001000 00:00 \d+ .*numbered\.bin\n00200000-00202000 r--p 00000000 00:00 0 \n$/,
    )
    assert.match(
      await space.proc('smaps'),
      /^00100000-.*\nSize: +16 kB\nRss: +\d+ kB\nPss: +\d+ kB\nPss_Dirty: +4 kB\nShared_Clean: +0 kB\nShared_Dirty: +0 kB\nPrivate_Clean: +\d+ kB\nPrivate_Dirty: +4 kB\n/,
    )
  })

  test('brings what a locked mapping has got more', async t => {
    const machine = await start(t)
    const file = await machine.open(numbered(t, 8), { mode: 'r+' })
    const map = await machine
      .space({ name: 'a' })
      .map(file, { prot: 'rw', length: 2 * PAGE, advice: 'random' })
    await map.lock()
    await map.resize(6 * PAGE)
    assert.deepEqual([...(await map.resident())], [1, 1, 1, 1, 1, 1])
  })

  test('shows a space that waits for its page', async t => {
    const host = new HostCalls(t)
    const machine = await start(t)
    const map = await machine.space({ name: 'a' }).map(await machine.open(numbered(t, 4)))
    host.hold('read')
    const load = map.run(view => view.u8(0))
    await host.heldAre(1)
    assert.equal((await machine.ps())[0]?.state, 'D')
    host.release()
    await load
    assert.equal((await machine.ps())[0]?.state, 'S')
  })
})

test('console.log shows an object in a line', async t => {
  const machine = await start(t)
  const file = await machine.open(numbered(t, 2))
  const space = machine.space({ name: 'a' })
  const map = await space.map(file)
  const shown = [machine, file, space, map, machine.root].map(object => inspect(object))
  assert.match(
    shown.join('\n'),
    /^Machine of 256 pages of 4096 bytes, 1 open files\nFile .*, 8192 bytes, open\nSpace 1 a, 1 mappings\nMapping of .*, in a\nGroup \/$/,
  )
})

describe('a group', () => {
  test('pays for what its spaces and calls bring, and shows it under the names of cgroup2', async t => {
    const machine = await start(t)
    const batch = machine.group('batch', { 'memory.max': 32 * PAGE })
    const inner = batch.group('inner')
    const file = await machine.open(numbered(t, 128))
    const map = await machine.space({ name: 'a', group: inner }).map(file, { advice: 'random' })
    for (let page = 0; page < 128; page++) await map.run(view => view.u8(page * PAGE))
    assert.ok(Number(batch.read('memory.current')) <= 32 * PAGE)
    assert.equal(inner.path, '/batch/inner')
    assert.match(inner.read('io.stat'), /rbytes=524288 .*rios=128 /)
    await file.read(new Uint8Array(PAGE), 0, { group: batch })
    assert.match(batch.read('memory.stat'), /file \d+/)
    await refuses(() => batch.set('memory.max', 'lots'), 'EINVAL', 'group', /memory\.max/)
    await refuses(() => batch.read('memory.maxx'), 'ENOENT', 'group', /did you mean memory\.max\?/)
  })
})

describe('more than fits', () => {
  test('a mapping of a hundred times memory reads and stores every page', async t => {
    const pages = 6400
    const path = numbered(t, pages)
    const machine = await start(t, { memory: 64 * PAGE })
    const file = await machine.open(path, { mode: 'r+' })
    const map = await machine.space({ name: 'a' }).map(file, { prot: 'rw', advice: 'sequential' })
    for (let page = 0; page < pages; page++) {
      const seen = await map.run(view => view.u8(page * PAGE))
      assert.equal(seen, (page % 255) + 1)
      if (page % 8 === 0) await map.run(view => view.setU8(page * PAGE + 1, 255))
    }
    await machine.close()
    const bytes = fs.readFileSync(path)
    for (let page = 0; page < pages; page++)
      assert.equal(bytes[page * PAGE + 1], page % 8 === 0 ? 255 : (page % 255) + 1)
  })

  test('a file of more than 4 GiB is read and stored to at both of its ends', async t => {
    const length = 6 * 2 ** 30 + 12345
    const path = sparse(t, length)
    const machine = await start(t)
    const file = await machine.open(path, { mode: 'r+' })
    const map = await machine.space({ name: 'a' }).map(file, { prot: 'rw' })
    const places = [0, 2 ** 31 - 8, 2 ** 32 - 4, 2 ** 32 + 4, 6 * 2 ** 30 + 12340]
    await map.run(view => {
      for (const place of places) view.setU32(place, place % 1e9)
    })
    assert.deepEqual(
      await map.run(view => places.map(place => view.u32(place))),
      places.map(place => place % 1e9),
    )
    await map.sync()
    assert.equal(byteOf(path, 2 ** 32 + 4), ((2 ** 32 + 4) % 1e9) & 255)
    assert.equal(fs.statSync(path).size, length)
    const tail = await machine.space({ name: 'b' }).map(file, { offset: 6 * 2 ** 30 })
    assert.equal(await tail.run(view => view.u32(12340)), (6 * 2 ** 30 + 12340) % 1e9)
  })

  test('memory goes to a swap file and comes back', async t => {
    const swap = join(scratch(t), 'swap')
    fs.writeFileSync(swap, Buffer.alloc(512 * PAGE))
    const machine = await start(t, { memory: 64 * PAGE, swap })
    const space = machine.space({ name: 'a' })
    const map = await space.mapAnonymous({ length: 256 * PAGE, prot: 'rw' })
    for (let page = 0; page < 256; page++) await map.run(view => view.setU32(page * PAGE, page + 1))
    const child = await space.fork()
    await map.inFork(child).run(view => view.setU32(0, 1000))
    for (let page = 0; page < 256; page++)
      assert.equal(await map.run(view => view.u32(page * PAGE)), page + 1)
    assert.ok(space.status().vmSwap > 100 * PAGE)
    assert.equal(await map.inFork(child).run(view => view.u32(0) + view.u32(PAGE)), 1002)
    await refuses(() => machine.open(swap), 'EBUSY', 'open', /the machine's swap file/)
  })

  test('without a swap file the store that goes too far fails', async t => {
    const machine = await start(t, { memory: 16 * PAGE })
    const map = await machine.space({ name: 'a' }).mapAnonymous({ length: 64 * PAGE, prot: 'rw' })
    let stored = 0
    const fill = async () => {
      for (; stored < 64; stored++) await map.run(view => view.setU8(stored * PAGE, 1))
    }
    await refuses(fill, 'ENOMEM', 'store', /memory at offset \d+ .*nothing could be reclaimed/)
    assert.equal(stored, 16)
    await map.advise('dontneed', { length: 8 * PAGE })
    await map.run(view => view.setU8(stored * PAGE, 1))
  })
})

for (const discipline of ['restart', 'hold', 'linux-6.4'])
  test(`pages of 64 KiB work as small ones do, under ${discipline}`, async t => {
    const pageSize = 65536
    const path = numbered(t, 16, pageSize)
    const machine = await start(t, { memory: '1 MiB', pageSize, discipline })
    assert.equal(machine.pageSize, pageSize)
    const file = await machine.open(path, { mode: 'r+' })
    const map = await machine.space({ name: 'a' }).map(file, { prot: 'rw' })
    await map.run(view => {
      for (let page = 0; page < 8; page++) view.setU32(page * pageSize + pageSize - 2, 0x01020304)
    })
    assert.equal(await map.run(view => view.u32(pageSize - 2)), 0x01020304)
    await file.truncate(3 * pageSize + 5)
    await file.write(Buffer.from('abc'), 3 * pageSize + 5)
    await machine.close()
    assert.equal(fs.statSync(path).size, 3 * pageSize + 8)
    assert.equal(byteOf(path, 3 * pageSize + 5), 97)
    await refuses(
      () => Machine.start({ memory: '64 KiB', pageSize }),
      'EINVAL',
      'start',
      /at least|expected 8 to \d+ pages of 65536/,
    )
  })

test('close writes what every space stored, and is over once', async t => {
  const path = numbered(t, 64)
  const machine = await start(t)
  const file = await machine.open(path, { mode: 'r+' })
  for (let space = 0; space < 4; space++) {
    const map = await machine.space({ name: `space ${space}` }).map(file, { prot: 'rw' })
    await map.run(view => view.setU8(space * 16 * PAGE, 200 + space))
  }
  await Promise.all([machine.close(), machine.close()])
  assert.deepEqual(
    [0, 16, 32, 48].map(page => byteOf(path, page * PAGE)),
    [200, 201, 202, 203],
  )
})

test('a machine keeps no file that nobody uses', async t => {
  const path = numbered(t, 1)
  const machine = await start(t)
  const open = () => fs.readdirSync('/proc/self/fd').length
  if (!fs.existsSync('/proc/self/fd')) {
    t.skip('this host has no /proc')
    return
  }
  const before = open()
  for (let round = 0; round < 50; round++) {
    const file = await machine.open(path, { mode: round % 2 === 0 ? 'r' : 'r+', direct: round % 3 === 0 })
    const again = await machine.open(path, { mode: 'r+' })
    await file.read(new Uint8Array(1), 0)
    await file.close()
    await again.close()
  }
  assert.equal(open(), before)
  assert.equal(machine.engine.cache.files.size, 0)
})

test('a page on its way to swap never reaches the file that gets the descriptor next', async t => {
  const swap = join(scratch(t), 'swap')
  fs.writeFileSync(swap, Buffer.alloc(64 * PAGE))
  const host = new HostCalls(t)
  const machine = await start(t, { memory: 16 * PAGE, swap })
  const map = await machine.space({ name: 'a' }).mapAnonymous({ length: 64 * PAGE })
  host.hold('write')
  const fill = async () => {
    for (let page = 0; page < 64; page++) await map.run(view => view.setU8(page * PAGE, 255))
  }
  const ended = refuses(fill, 'EINTR', 'store', /its space ended/)
  await host.heldAre(1)
  await machine.close()
  await ended
  const other = numbered(t, 64)
  const descriptors = Array.from({ length: 64 }, () => fs.openSync(other, 'r+'))
  const before = fs.readFileSync(other)
  host.release()
  // Its end comes when libuv has done what was asked before.
  await promisify(fs.fsync)(descriptors[0]!)
  for (const descriptor of descriptors) fs.closeSync(descriptor)
  assert.deepEqual(fs.readFileSync(other), before)
})

describe('a process', () => {
  const run = promisify(execFile)
  const library = join(import.meta.dirname, '../index.ts')
  const program = (path: string, end: string) => `
    import { Machine } from ${JSON.stringify(library)}
    const machine = await Machine.start({ memory: '1 MiB', writeback: { interval: 2e8, expire: 0 } })
    const file = await machine.open(${JSON.stringify(path)}, { mode: 'r+' })
    const map = await machine.space({ name: 'a' }).map(file, { prot: 'rw' })
    await map.run(view => view.setU8(0, 123))
    ${end}
    console.log('over')`

  for (const [title, end] of [
    ['ends by itself after its machine was closed', 'await machine.close()'],
    ['ends with everything stored when close is called and not awaited', 'void machine.close()'],
  ] as const)
    test(title, { timeout: 20_000 }, async t => {
      const path = numbered(t, 4)
      const { stdout, stderr } = await run(process.execPath, [
        '--input-type=module-typescript',
        '-e',
        program(path, end),
      ])
      assert.equal(stdout, 'over\n', stderr)
      assert.equal(byteOf(path, 0), 123)
    })
})
