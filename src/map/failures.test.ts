/** What the world does wrong: each failure is told at the right call, and no store is silently lost. */

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import type { MachineOptions } from '../api/index.ts'
import { Machine } from './index.ts'
import { byteOf, HostCalls, numbered, PAGE, refuses, scratch, sparse } from './world.suite.ts'

async function start(t: TestContext, options: MachineOptions = {}): Promise<Machine> {
  const machine = await Machine.start({ memory: 256 * PAGE, ...options })
  t.after(() => machine.close().catch(() => {}))
  return machine
}

/** A filesystem of its own, `size` bytes large; undefined where this process may not mount one. */
function mounted(t: TestContext, size: number): string | undefined {
  const path = fs.mkdtempSync(join(tmpdir(), 'faultline-mount-'))
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', path], { stdio: 'ignore' })
  } catch {
    fs.rmdirSync(path)
    t.skip('this process may not mount a tmpfs')
    return undefined
  }
  t.after(() => {
    execFileSync('umount', ['-l', path])
    fs.rmdirSync(path)
  })
  return path
}

describe('a full filesystem', () => {
  test('refuses the store, and takes the same one when there is space again', async t => {
    const directory = mounted(t, 64 * PAGE)
    if (directory === undefined) return
    const path = join(directory, 'sparse.bin')
    const filler = join(directory, 'filler.bin')
    fs.writeFileSync(path, '')
    fs.truncateSync(path, 32 * PAGE)
    const machine = await start(t)
    const file = await machine.open(path, { mode: 'r+' })
    const map = await machine.space({ name: 'a' }).map(file, { prot: 'rw' })
    await map.run(view => view.setU32(0, 1))
    fs.writeFileSync(filler, Buffer.alloc(63 * PAGE))
    await map.run(view => view.setU32(4, 2))
    await refuses(
      () =>
        map.run(view => {
          view.setU32(8, 3)
          view.setU32(5 * PAGE, 3)
        }),
      'ENOSPC',
      'store',
      /store of .*sparse\.bin at offset 20480 failed with ENOSPC: .*full; the page was not changed: free some space/,
    )
    assert.deepEqual(await map.run(view => [view.u32(4), view.u32(8), view.u32(5 * PAGE)]), [2, 0, 0])
    await map.sync()
    fs.rmSync(filler)
    await map.run(view => view.setU32(5 * PAGE, 3))
    await machine.close()
    const bytes = fs.readFileSync(path)
    assert.deepEqual(
      [0, 4, 8, 5 * PAGE].map(at => bytes.readUInt32LE(at)),
      [1, 2, 0, 3],
    )
  })

  test('stops a write where it is full, and the file is as long as what was written', async t => {
    const directory = mounted(t, 16 * PAGE)
    if (directory === undefined) return
    const path = join(directory, 'log.bin')
    fs.writeFileSync(path, '')
    const machine = await start(t)
    const file = await machine.open(path, { mode: 'r+' })
    await refuses(
      () => file.write(new Uint8Array(40 * PAGE).fill(5), 0),
      'ENOSPC',
      'write',
      /full; the pages before this one were written/,
    )
    const { size } = file
    assert.ok(size > 0 && size <= 16 * PAGE)
    await machine.close()
    assert.deepEqual(fs.readFileSync(path), Buffer.alloc(size, 5))
  })

  test('never meets a store that has succeeded', async t => {
    const directory = mounted(t, 64 * PAGE)
    if (directory === undefined) return
    const path = join(directory, 'sparse.bin')
    fs.writeFileSync(path, '')
    fs.truncateSync(path, 256 * PAGE)
    const machine = await start(t, { memory: 32 * PAGE })
    const file = await machine.open(path, { mode: 'r+' })
    const map = await machine.space({ name: 'a' }).map(file, { prot: 'rw' })
    const stored: number[] = []
    for (let page = 0; page < 256; page++)
      try {
        await map.run(view => view.setU32(page * PAGE, page + 1))
        stored.push(page)
      } catch {
        await refuses(() => map.run(view => view.setU32(page * PAGE, 1)), 'ENOSPC', 'store', /full/)
      }
    assert.ok(stored.length >= 60 && stored.length <= 64, `${stored.length}`)
    await machine.close()
    const bytes = fs.readFileSync(path)
    for (const page of stored) assert.equal(bytes.readUInt32LE(page * PAGE), page + 1)
  })
})

test('a file truncated behind our back tells the load, and keeps what was there in memory', async t => {
  const path = numbered(t, 16)
  const machine = await start(t)
  const file = await machine.open(path, { mode: 'r+' })
  const map = await machine.space({ name: 'a' }).map(file, { prot: 'rw', advice: 'random' })
  await map.run(view => view.setU8(9 * PAGE, 99))
  fs.truncateSync(path, 4 * PAGE)
  await refuses(
    () => map.run(view => view.u8(8 * PAGE)),
    'ESTALE',
    'load',
    /made shorter by somebody else; reopen it/,
  )
  await refuses(() => file.read(new Uint8Array(10), 12 * PAGE), 'ESTALE', 'read', /reopen/)
  assert.equal(await map.run(view => view.u8(3 * PAGE)), 4)
  await map.sync()
  assert.equal(byteOf(path, 9 * PAGE), 99)
})

describe('an open is refused', () => {
  test('for a file that is not there, a directory, and what is no file', async t => {
    const machine = await start(t)
    const directory = scratch(t)
    const open = (path: string) => () => machine.open(path)
    await refuses(
      open(join(directory, 'none')),
      'ENOENT',
      'open',
      /none failed with ENOENT: there is no such file; make it/,
    )
    await refuses(open(directory), 'EISDIR', 'open', /a directory; expected a regular file/)
    await refuses(open('/dev/null'), 'EINVAL', 'open', /not a regular file; expected one/)
    fs.writeFileSync(join(directory, 'file'), '')
    await refuses(open(join(directory, 'file', 'below')), 'ENOTDIR', 'open', /not a directory/)
  })

  test('for a FIFO, without waiting for its other end', async t => {
    const path = join(scratch(t), 'fifo')
    try {
      execFileSync('mkfifo', [path])
    } catch {
      t.skip('this host makes no FIFOs')
      return
    }
    const machine = await start(t)
    await refuses(() => machine.open(path), 'EINVAL', 'open', /not a regular file/)
    await refuses(() => machine.open(path, { mode: 'r+' }), 'EINVAL', 'open', /not a regular file/)
  })

  test('for writing on a filesystem that is read-only; for reading it is not', async t => {
    const directory = mounted(t, 64 * PAGE)
    if (directory === undefined) return
    const path = join(directory, 'data.bin')
    fs.writeFileSync(path, Buffer.alloc(2 * PAGE, 8))
    execFileSync('mount', ['-o', 'remount,ro', directory])
    const machine = await start(t)
    await refuses(
      () => machine.open(path, { mode: 'r+' }),
      'EROFS',
      'open',
      /filesystem is read-only; open it with mode 'r'/,
    )
    const file = await machine.open(path)
    const map = await machine.space({ name: 'a' }).map(file, { prot: 'rw', share: 'private' })
    await map.run(view => view.setU8(0, 9))
    assert.deepEqual(await map.run(view => [view.u8(0), view.u8(PAGE)]), [9, 8])
  })

  test('for writing to a file that forbids it', async t => {
    if (process.getuid?.() === 0) {
      t.skip('root may write to every file')
      return
    }
    const path = numbered(t, 1)
    fs.chmodSync(path, 0o444)
    const machine = await start(t)
    await refuses(
      () => machine.open(path, { mode: 'r+' }),
      'EACCES',
      'open',
      /permissions, or open it with mode 'r'/,
    )
  })
})

describe('a device that fails', () => {
  test('to read once is asked again by the next load', async t => {
    const host = new HostCalls(t)
    const machine = await start(t)
    const file = await machine.open(numbered(t, 16))
    const map = await machine.space({ name: 'a' }).map(file, { advice: 'random' })
    host.fails('read')
    await refuses(
      () => map.run(view => view.u8(3 * PAGE)),
      'EIO',
      'load',
      /at offset 12288 .*failed to read the page/,
    )
    assert.equal(await map.run(view => view.u8(3 * PAGE)), 4)
  })

  test('to read one page for ever fails for that page alone', async t => {
    const path = numbered(t, 16)
    const machine = await start(t)
    const file = await machine.open(path)
    const map = await machine.space({ name: 'a' }).map(file)
    const real = fs.read
    const bad = 5 * PAGE
    const broken = (fd: number, ...rest: never[]): void => {
      const [buffer, , length, position, callback] = rest as unknown as [
        Uint8Array,
        number,
        number,
        number,
        unknown,
      ]
      if (position <= bad && bad < position + length)
        process.nextTick(callback as () => void, Object.assign(new Error('bad block'), { errno: -5 }), 0)
      else Reflect.apply(real, fs, [fd, buffer, 0, length, position, callback])
    }
    t.mock.method(fs, 'read', broken as unknown as typeof fs.read)
    t.mock.method(fs, 'readv', ((_fd: number, _buffers: unknown, _position: number, callback: () => void) =>
      process.nextTick(
        callback,
        Object.assign(new Error('bad block'), { errno: -5 }),
        0,
      )) as unknown as typeof fs.readv)
    const seen: number[] = []
    const failed: number[] = []
    for (let round = 0; round < 3; round++)
      for (let page = 0; page < 16; page++)
        try {
          seen[page] = await map.run(view => view.u8(page * PAGE))
        } catch {
          await refuses(() => map.run(view => view.u8(page * PAGE)), 'EIO', 'load', /EIO/)
          if (round === 2) failed.push(page)
        }
    assert.deepEqual(failed, [5])
    assert.equal(seen[15], 16)
  })

  test('to write once tells it once to each opening, and loses nothing', async t => {
    const path = numbered(t, 16)
    const host = new HostCalls(t)
    const machine = await start(t)
    const first = await machine.open(path, { mode: 'r+' })
    const second = await machine.open(path, { mode: 'r+' })
    const map = await machine.space({ name: 'a' }).map(first, { prot: 'rw' })
    await map.run(view => view.setU8(0, 77))
    host.fails('write')
    await refuses(
      () => first.sync(),
      'EIO',
      'sync',
      /sync of .*numbered\.bin failed with EIO: .*is written again by the next sync/,
    )
    assert.equal(byteOf(path, 0), 1)
    assert.equal(await map.run(view => view.u8(0)), 77)
    await first.sync()
    assert.equal(byteOf(path, 0), 77)
    await refuses(() => second.sync(), 'EIO', 'sync', /EIO/)
    await second.sync()
    const third = await machine.open(path, { mode: 'r+' })
    await third.sync()
  })

  test('to flush is told by every sync until the file is opened anew', async t => {
    const path = numbered(t, 4)
    const host = new HostCalls(t)
    const machine = await start(t)
    const first = await machine.open(path, { mode: 'r+' })
    const second = await machine.open(path, { mode: 'r+' })
    await first.write(new Uint8Array(10), 0)
    host.fails('flush')
    await refuses(
      () => first.sync(),
      'EIO',
      'sync',
      /every sync fails until the file is closed and opened anew/,
    )
    await refuses(() => first.sync(), 'EIO', 'sync', /EIO/)
    await first.write(new Uint8Array(10), PAGE)
    const third = await machine.open(path, { mode: 'r+' })
    await refuses(() => third.sync(), 'EIO', 'sync', /EIO/)
    for (const file of [first, second, third]) await refuses(() => file.close(), 'EIO', 'close', /EIO/)
    const anew = await machine.open(path, { mode: 'r+' })
    await anew.write(new Uint8Array(10).fill(3), 0)
    await anew.sync()
    assert.equal(byteOf(path, 9), 3)
  })

  test('to write for ever is told by close, which closes all the same', async t => {
    const path = numbered(t, 4)
    const other = numbered(t, 4)
    const host = new HostCalls(t)
    const machine = await start(t)
    const file = await machine.open(path, { mode: 'r+' })
    await file.write(new Uint8Array(10).fill(9), 0)
    host.fails('write', { times: Infinity })
    await refuses(() => file.close(), 'EIO', 'close', /what it did not take is given up with the file/)
    await refuses(() => file.sync(), 'EBADF', 'sync', /closed/)
    host.heal()
    const again = await machine.open(path, { mode: 'r+' })
    const byte = new Uint8Array(1)
    await again.read(byte, 0)
    assert.equal(byte[0], 1)
    const sound = await machine.open(other, { mode: 'r+' })
    await sound.write(new Uint8Array(1).fill(50), 0)
    host.fails('write')
    await again.write(new Uint8Array(1).fill(60), 0)
    await refuses(() => machine.close(), 'EIO', 'close', /numbered\.bin/)
    assert.deepEqual([byteOf(path, 0), byteOf(other, 0)], [1, 50])
  })

  test('after the last mapping of a closed file went is told by the close of the machine', async t => {
    const path = numbered(t, 4)
    const host = new HostCalls(t)
    const machine = await start(t)
    const file = await machine.open(path, { mode: 'r+' })
    const map = await machine.space({ name: 'a' }).map(file, { prot: 'rw' })
    await file.close()
    await map.run(view => view.setU8(0, 9))
    host.fails('write', { times: Infinity })
    await map.unmap()
    await refuses(() => machine.close(), 'EIO', 'close', /close of .*numbered\.bin failed with EIO/)
  })

  test('to give space says so at the store, and the page stays as it was', async t => {
    const host = new HostCalls(t)
    const machine = await start(t)
    const file = await machine.open(sparse(t, 16 * PAGE), { mode: 'r+' })
    const map = await machine.space({ name: 'a' }).map(file, { prot: 'rw' })
    host.fails('write')
    await refuses(() => map.run(view => view.setU8(0, 1)), 'EIO', 'store', /the page was not changed/)
    assert.equal(await map.run(view => view.u8(0)), 0)
    host.fails('write', { errno: 122 })
    await refuses(
      () => map.run(view => view.setU8(0, 1)),
      'EDQUOT',
      'store',
      /quota is used up; the page was not/,
    )
    await map.run(view => view.setU8(0, 1))
    await map.sync()
  })

  test('to change its length leaves the file as it was', async t => {
    const host = new HostCalls(t)
    const machine = await start(t)
    const file = await machine.open(numbered(t, 4), { mode: 'r+' })
    host.fails('resize', { errno: 27 })
    await refuses(() => file.truncate(8 * PAGE), 'EFBIG', 'truncate', /longer than its filesystem/)
    assert.equal(file.size, 4 * PAGE)
    await file.truncate(PAGE)
    assert.equal(file.size, PAGE)
  })
})

test('a group at its limit fails the store with ENOMEM, and goes on when it is raised', async t => {
  const machine = await start(t)
  const small = machine.group('small', { 'memory.max': 8 * PAGE })
  const map = await machine.space({ name: 'a', group: small }).mapAnonymous({ length: 64 * PAGE, prot: 'rw' })
  let stored = 0
  const fill = async () => {
    for (; stored < 64; stored++) await map.run(view => view.setU32(stored * PAGE, stored))
  }
  await refuses(fill, 'ENOMEM', 'store', /memory at offset 32768 .*raise memory\.max/)
  assert.equal(stored, 8)
  small.set('memory.max', '1 MiB')
  await fill()
  assert.equal(await map.run(view => view.u32(7 * PAGE)), 7)
  assert.match(small.read('memory.events'), /oom [1-9]/)
})
