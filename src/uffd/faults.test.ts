/** Pages that can't be had, arrays that are gone, threads and processes that end: nobody hangs, nobody reads a lie. */

import assert from 'node:assert/strict'
import fs from 'node:fs'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import type { MachineFace, MappingFace } from '../api/index.ts'
import { byteOf, numbered, PAGE, refuses, scratch, sparse } from '../map/world.suite.ts'
import { THREADS_MAX } from './control.ts'
import { unavailable } from './hardware.suite.ts'
import { attach, start } from './index.ts'
import { type Ended, play } from './play.suite.ts'

const SCENES = new URL('./scenes.suite.ts', import.meta.url)

function playFault(t: TestContext, name: string, path = numbered(t, 64), preload?: string): Promise<Ended> {
  return play(t, SCENES, [name, path], preload)
}

async function world(t: TestContext, pages = 64) {
  const machine = await start({ mmu: 'hardware', memory: 64 * PAGE })
  t.after(() => machine.close())
  const path = numbered(t, pages)
  const file = await machine.open(path, { mode: 'r+' })
  const space = machine.space({ name: 'a' })
  const map = await space.map(file, { prot: 'rw', advice: 'random' })
  return { machine, path, file, space, map }
}

describe('over the hardware MMU', { skip: unavailable, timeout: 300_000 }, () => {
  describe('a page that can not be had', () => {
    test('ends the process with a sentence, when the main thread touched it', async t => {
      const { signal, out, err } = await playFault(t, 'main loads past the end')
      assert.equal(out, '')
      assert.match(
        err,
        /faultline: load of .*numbered\.bin at offset 8192 failed with ENXIO.*the process ends/,
      )
      assert.equal(signal, 'SIGABRT')
    })

    test('ends it too when the mapping forbids the store, and loses no store made before', async t => {
      const path = numbered(t, 64)
      const { signal, out, err } = await playFault(t, 'main stores to what it may only read', path)
      assert.equal(byteOf(path, 3 * PAGE), 88)
      assert.equal(out, '')
      assert.match(err, /store of .* at offset 0 failed with EACCES.*does not allow it/)
      assert.equal(signal, 'SIGABRT')
    })

    test('ends it when a worker touched it', async t => {
      const { signal, out, err } = await playFault(t, 'a worker loads past the end')
      assert.equal(out, '')
      assert.match(err, /failed with ENXIO/)
      assert.equal(signal, 'SIGABRT')
    })

    test('stops that worker alone where it is asked to, tells its owner, and holds up no exit', async t => {
      const { status, out, err } = await playFault(t, 'stopped: a worker loads past the end')
      assert.equal(out, 'lost true ENXIO\n')
      assert.equal(err, '')
      assert.equal(status, 4)
    })

    test('fails a call of the host with EFAULT, and the next call when it is there', async t => {
      const { file, map } = await world(t)
      const target = join(scratch(t), 'copy.bin')
      const fd = fs.openSync(target, 'w+')
      t.after(() => fs.closeSync(fd))
      await file.truncate(PAGE)
      for (let tries = 0; tries < 3; tries++)
        assert.throws(() => fs.writeSync(fd, map.bytes, 2 * PAGE, 10), { code: 'EFAULT' })
      await file.write(new Uint8Array(10).fill(66), 2 * PAGE)
      assert.equal(fs.writeSync(fd, map.bytes, 2 * PAGE, 10, 0), 10)
      assert.deepEqual(fs.readFileSync(target), Buffer.alloc(10, 66))
      assert.equal(map.bytes[2 * PAGE], 66)
    })
  })

  describe('calls of the host', () => {
    test('read from the array and into it, pages missing or not', async t => {
      const { map, path } = await world(t, 512)
      const copy = join(scratch(t), 'copy.bin')
      const fd = fs.openSync(copy, 'w+')
      t.after(() => fs.closeSync(fd))
      assert.equal(fs.writeSync(fd, map.bytes), 512 * PAGE)
      assert.deepEqual(fs.readFileSync(copy), fs.readFileSync(path))
      fs.writeFileSync(copy, Buffer.alloc(512 * PAGE, 7))
      assert.equal(fs.readSync(fd, map.bytes, 0, 512 * PAGE, 0), 512 * PAGE)
      await map.sync()
      assert.deepEqual(fs.readFileSync(path), Buffer.alloc(512 * PAGE, 7))
    })

    test("may have all of libuv's threads wait for pages", async t => {
      const { map, path } = await world(t, 512)
      const before = fs.readFileSync(path)
      const writes = Array.from({ length: 16 }, async (_, at) => {
        const part = map.bytes.subarray(at * 32 * PAGE, (at + 1) * 32 * PAGE)
        const copy = await fs.promises.open(join(scratch(t), `part-${at}`), 'w+')
        await copy.write(part, 0, part.length, 0)
        await copy.close()
        return part
      })
      const parts = await Promise.all(writes)
      assert.deepEqual(Buffer.concat(parts), before)
    })
  })

  describe('an array', () => {
    test('is unusable from the moment its mapping is unmapped', async t => {
      const { map } = await world(t)
      const { bytes } = map
      const words = new Uint32Array(bytes.buffer)
      const unmapped = map.unmap()
      assert.deepEqual([bytes.length, words.length, bytes[0]], [0, 0, undefined])
      await unmapped
      await refuses(() => map.bytes, 'EBADF', 'bytes', /was unmapped; map the file again/)
    })

    test('is right beyond what 32 bits count, and touched by a section only where it says', async t => {
      const edge = 2 ** 33
      const path = sparse(t, edge + 4 * PAGE)
      await using machine = await start({ mmu: 'hardware', memory: 64 * PAGE })
      const file = await machine.open(path, { mode: 'r+' })
      const map = await machine.space({ name: 'a' }).map(file, { prot: 'rw' })
      map.bytes[edge + 5] = 8
      map.bytes[5] = 9
      await map.run(view => view.setU32(edge - 2, 0x01020304))
      assert.deepEqual(
        [...map.bytes.subarray(edge - 2, edge + 2), map.bytes[edge + 5], map.bytes[5]],
        [4, 3, 2, 1, 8, 9],
      )
      await map.sync()
      assert.deepEqual([byteOf(path, edge + 5), byteOf(path, 5), byteOf(path, edge - 2)], [8, 9, 4])
    })

    test('is unusable after its machine has closed', async t => {
      const { map, machine } = await world(t)
      const { bytes } = map
      await machine.close()
      assert.equal(bytes.length, 0)
    })

    test('that a worker still holds tells it so when it is touched', async t => {
      const { signal, out, err } = await playFault(t, 'a worker touches what was unmapped')
      assert.equal(out, '')
      assert.match(err, /load of .*numbered\.bin failed with EBADF: it was unmapped/)
      assert.equal(signal, 'SIGABRT')
    })

    test('that a worker still holds after close tells it so too', async t => {
      const { signal, out, err } = await playFault(t, 'a worker touches an array after close')
      assert.equal(out, 'closed\n')
      assert.match(err, /load of .*numbered\.bin failed with EBADF: its machine was closed/)
      assert.equal(signal, 'SIGABRT')
    })

    test('can not be moved elsewhere in passing, and is as before (MA1)', async t => {
      const { map } = await world(t)
      const { bytes } = map
      await refuses(() => bytes.buffer.transfer(), 'EBUSY', 'transfer', /post map\.handle to a worker/)
      await refuses(() => bytes.buffer.transferToFixedLength(8), 'EBUSY', 'transfer', /can't be moved/)
      assert.throws(() => bytes.buffer.resize(8), TypeError)
      assert.throws(() => structuredClone(bytes, { transfer: [bytes.buffer] }), { name: 'DataCloneError' })
      const { port1, port2 } = new MessageChannel()
      assert.throws(() => port1.postMessage(bytes, [bytes.buffer]), { name: 'DataCloneError' })
      port2.close()
      assert.equal(bytes[3 * PAGE], 4)
      await map.unmap()
      assert.equal(bytes.length, 0)
    })

    test('that was moved away all the same is refused when it is touched after the end (MA2)', async t => {
      const { signal, out, err } = await playFault(
        t,
        'an array is moved away, and touched after all has ended',
      )
      assert.equal(out, 'moved 2 3 4\n')
      assert.match(err, /load of .*numbered\.bin failed with EBADF: its machine was closed/)
      assert.equal(signal, 'SIGABRT')
    })

    test('of a machine whose worker was terminated is refused when it is touched', async t => {
      const { signal, out, err } = await playFault(t, 'the worker that started a machine is terminated')
      assert.equal(out, `read 2\nterminated, ${64 * PAGE} bytes\n`)
      assert.match(err, /load of .*numbered\.bin failed with EBADF: the worker that started its machine has/)
      assert.equal(signal, 'SIGABRT')
    })

    test('is not made from the handle of another process', async t => {
      const { map } = await world(t)
      const posted = JSON.parse(JSON.stringify(map.handle))
      const handle = { ...posted, process: posted.process + 1 }
      await refuses(() => attach(handle), 'EINVAL', 'attach', /is of process \d+, and this is \d+/)
      await refuses(() => attach(posted), 'EINVAL', 'attach', /as it was posted/)
    })

    test('is made from nothing but a handle of a mapping that is there (AH2)', async t => {
      const { map, machine } = await world(t)
      const { handle } = map
      const { name, host, length, control } = handle
      const traits = handle.machine
      const small = new SharedArrayBuffer(8)
      const like = new SharedArrayBuffer(control.byteLength)
      const circular: { self?: unknown } = {}
      circular.self = circular
      const forged: unknown[] = [
        undefined,
        null,
        7,
        'handle',
        [],
        {},
        circular,
        { ...handle, name: 5 },
        { ...handle, host: 0 },
        { ...handle, host: host + PAGE },
        { ...handle, host: -PAGE },
        { ...handle, host: Number.NaN },
        { ...handle, host: 2 ** 52 },
        { ...handle, host: `${host}` },
        { ...handle, host: BigInt(host) },
        { ...handle, host: Symbol('host') },
        { ...handle, length: length + PAGE },
        { ...handle, length: 2 ** 40 },
        { ...handle, length: -1 },
        { ...handle, length: undefined },
        { ...handle, control: small },
        { ...handle, control: like },
        { ...handle, control: new ArrayBuffer(control.byteLength) },
        { ...handle, machine: undefined },
        { ...handle, machine: { ...traits, signals: small } },
        { ...handle, machine: { ...traits, userfaultfd: 'four' } },
        { ...handle, machine: { ...traits, onError: 'ignore' } },
        { ...handle, machine: { ...traits, starter: 0.5 } },
      ]
      for (const given of forged)
        await refuses(() => attach(given as typeof handle), 'EINVAL', 'attach', /as it was posted; got /)
      await refuses(() => attach({ name, control } as typeof handle), 'EINVAL', 'attach', /as it was posted/)
      using attachment = attach(handle)
      assert.equal(attachment.bytes[PAGE], 2)
      attachment.detach()
      await machine.close()
      await refuses(() => attach(handle), 'EBADF', 'attach', /was unmapped/)
    })

    test('is had by so many threads at once and no more', async t => {
      const { map } = await world(t)
      const { handle } = map
      const places = new Int32Array(handle.control, 4, 2 * THREADS_MAX)
      // The main thread's number, which is the process's, in each.
      for (let place = 0; place < places.length; place += 2) places[place] = process.pid
      await refuses(
        () => attach(handle),
        'EAGAIN',
        'attach',
        /255 threads are attached to .* already; detach one/,
      )
      places[2] = 0
      using attachment = attach(handle)
      assert.equal(attachment.bytes[PAGE], 2)
      places.fill(0)
    })

    test('is refused where another mapping was put in its place', async t => {
      const { signal, err } = await playFault(t, 'another mapping is put in its place')
      assert.match(err, /load of .*numbered\.bin failed with EFAULT: another mapping was put in its place/)
      assert.equal(signal, 'SIGABRT')
    })

    test('is not made from a handle whose machine has ended', async t => {
      const { status, out } = await playFault(t, 'a handle outlives its machine')
      assert.match(
        out,
        /^EBADF: attach: the machine that mapped .* has ended; map the file in one that runs\n$/,
      )
      assert.equal(status, 0)
    })

    test('is not to be had of a mapping that another MMU shows', async t => {
      const { file, space } = await world(t)
      const map = await space.map(file, { mmu: 'software' })
      await refuses(() => map.bytes, 'ENOTSUP', 'bytes', /map it with mmu 'hardware'/)
      assert.equal(await map.run(view => view.u8(PAGE)), 2)
    })
  })

  describe('a section', () => {
    for (const [what, end] of [
      ['unmap', (map: MappingFace) => map.unmap()],
      ['close', (_: MappingFace, machine: MachineFace) => machine.close()],
    ] as const)
      test(`that begins to ${what} goes on to its end, and takes effect`, async t => {
        const { map, machine, path } = await world(t)
        await map.advise('populate-write', { length: 4 * PAGE })
        let ending: Promise<void> | undefined
        const sum = await map.run(view => {
          view.setU8(0, 70)
          ending = end(map, machine)
          view.setU8(PAGE, 71)
          return view.u8(2 * PAGE)
        })
        assert.equal(sum, 3)
        await ending
        await refuses(() => map.run(view => view.u8(0)), 'EBADF', 'run', /was unmapped/)
        await machine.close()
        assert.deepEqual([byteOf(path, 0), byteOf(path, PAGE)], [70, 71])
      })
  })

  test('an error shows where the program made the call', async t => {
    const { map, file, space } = await world(t)
    async function myOwnFunction(call: () => unknown): Promise<void> {
      await call()
    }
    for (const call of [
      () => map.sync({ offset: 5 }),
      () => file.truncate(-1),
      () => space.map(file, { offset: 3 }),
      () => map.run(view => view.u8(10 * PAGE)),
    ]) {
      await file.truncate(8 * PAGE)
      const error = await myOwnFunction(call).then(
        () => assert.fail('it did not fail'),
        (thrown: Error) => thrown,
      )
      assert.match(error.stack ?? '', /myOwnFunction .*faults\.test\.ts/, error.stack)
    }
  })

  test('pages that the host takes out of the hardware come back', async t => {
    const { status, out, err } = await playFault(t, 'the host takes pages out of the hardware')
    assert.equal(err, '')
    assert.equal(out, 'stored true\n')
    assert.equal(status, 0)
  })

  test('LI2: a process ends when its calls are answered, though nobody closes the machine', async t => {
    const { status, out } = await playFault(t, 'an answer comes while another is waited for')
    assert.equal(out, 'read\n')
    assert.equal(status, 0)
  })

  test('LTH1: a process that ends while threads load koffi waits until they have', async t => {
    const path = numbered(t, 64)
    // A thread of the machine's own begins to load it, and goes on when the process ends.
    const preload = `
      import fs from 'node:fs'
      import { isMainThread } from 'node:worker_threads'
      const [loading, ending] = ${JSON.stringify([`${path}.loading`, `${path}.ending`])}
      const { dlopen } = process
      if (isMainThread) process.once('exit', () => fs.writeFileSync(ending, ''))
      else if (/io-thread/.test(process.argv[1])) process.dlopen = (...args) => {
        fs.writeFileSync(loading, '')
        while (!fs.existsSync(ending));
        dlopen(...args)
        fs.writeSync(1, 'loaded ')
      }`
    const { status, out, err } = await playFault(t, 'the process ends while threads load', path, preload)
    assert.equal(err, '')
    assert.equal(out, 'loaded loaded loaded loaded ')
    assert.equal(status, 0)
  })

  test('a process that exits does not wait for a worker that waits for a page', async t => {
    const { status, out } = await playFault(t, 'the process exits while a worker waits for a page')
    assert.equal(out, '')
    assert.equal(status, 3)
  })

  test('a pager that is gone ends the process with a sentence', async t => {
    const { signal, err } = await playFault(t, 'the pager is gone')
    assert.match(err, /faultline: the pager is gone; threads .* would wait for ever; the process ends/)
    assert.equal(signal, 'SIGABRT')
  })
})
