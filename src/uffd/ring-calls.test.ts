/** Short reads past the host's cache on a software machine, without a thread: what they bring, and who makes the others. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import { describe, type TestContext, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { errno } from '../base/index.ts'
import { memoryBuffer } from '../host/index.ts'
import { Linux, Ring } from '../linux/index.ts'
import { byteOf, numbered, PAGE } from '../map/world.suite.ts'
import { start } from './index.ts'
import { RingCalls } from './ring-calls.ts'

const PAGES = 100
const calls = process.platform === 'linux' ? RingCalls.open() : undefined
const skip = calls === undefined && 'this host has no io_uring for this process'

setFlagsFromString('--expose-gc')
const gc: () => void = runInNewContext('gc')

/** A file past the host's cache, reads of it, how they ended, and how many of them Node was asked for. */
function world(t: TestContext) {
  const path = numbered(t, PAGES)
  const first = (page: number) => byteOf(path, page * PAGE)
  const fd = fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_DIRECT)
  t.after(() => fs.closeSync(fd))
  const bytes = new Uint8Array(memoryBuffer(PAGES * PAGE))
  const pages = (from: number, count = 1) => bytes.subarray(from * PAGE, (from + count) * PAGE)
  const node = [t.mock.method(fs, 'read'), t.mock.method(fs, 'readv')]
  const read = (from: number, buffers = [pages(from)], file = fd) =>
    new Promise<string | number>(ended =>
      calls!.readDirect(file, buffers, from * PAGE, (failure, got) => ended(failure?.code ?? got)),
    )
  return { path, first, pages, read, byNode: () => node.reduce((sum, { mock }) => sum + mock.callCount(), 0) }
}

describe('a short read past the cache', { skip }, () => {
  test('of a software machine takes none of the threads of Node', async t => {
    const { path, first, byNode } = world(t)
    await using machine = await start({ memory: 64 * PAGE })
    const file = await machine.open(path, { direct: true })
    const map = await machine.space({ name: 'a' }).map(file, { advice: 'random' })
    const from = byNode()
    const loaded = await Promise.all(
      Array.from({ length: 60 }, (_, page) => map.run(view => view.u8(page * PAGE))),
    )
    assert.deepEqual(
      loaded,
      loaded.map((_, page) => first(page)),
    )
    assert.equal(byNode(), from)
  })

  test('ends in a turn of its own (RGC1)', async t => {
    const { first, pages, read } = world(t)
    let ended = false
    const reading = read(3).then(got => {
      ended = true
      assert.equal(got, PAGE)
    })
    await new Promise<void>(resolve => process.nextTick(resolve))
    assert.equal(ended, false)
    await reading
    assert.equal(pages(3)[0], first(3))
  })

  test('is submitted at once where nothing is under way, and so are four together (RGC4)', async t => {
    const { read } = world(t)
    const submit = t.mock.method(Ring.prototype, 'submit')
    const reads = Array.from({ length: 7 }, (_, page) => read(page))
    assert.equal(submit.mock.callCount(), 2)
    await new Promise<void>(resolve => process.nextTick(resolve))
    assert.equal(submit.mock.callCount(), 3)
    await Promise.all(reads)
  })

  test('is left to Node beyond the last place, where it is long, and where it comes in pieces', async t => {
    const { first, pages, read, byNode } = world(t)
    const results = await Promise.all(Array.from({ length: 70 }, (_, page) => read(page)))
    assert.ok(results.every(got => got === PAGE))
    assert.equal(byNode(), 6)
    for (let page = 0; page < 70; page++) assert.equal(pages(page)[0], first(page))
    assert.equal(await read(0, [pages(0, 17)]), 17 * PAGE)
    assert.equal(await read(0, [pages(0), pages(5)]), 2 * PAGE)
    assert.equal(byNode(), 8)
  })

  test('that fails says how; one that the kernel refuses to take is left to Node', async t => {
    const { read, byNode } = world(t)
    assert.equal(await read(0, undefined, 987_654), 'EBADF')
    const real = Linux.prototype.trySyscall
    const mock = t.mock.method(
      Linux.prototype,
      'trySyscall',
      function (this: Linux, ...args: Parameters<typeof real>) {
        return (args[2] ?? 0) > 0 ? -errno.ENOMEM : real.apply(this, args)
      },
    )
    assert.equal(await read(1), PAGE)
    assert.equal(byNode(), 1)
    mock.mock.restore()
    assert.equal(await read(2), PAGE)
    assert.equal(byNode(), 1)
  })

  test('keeps the memory that it fills (RGC3)', async t => {
    const { read } = world(t)
    // Nothing is heard of what is under way, again and again.
    const mock = t.mock.method(Ring.prototype, 'ended', () => {})
    const { memory, reading } = begun(read)
    for (let at = 0; at < 3; at++) {
      await turn()
      gc()
    }
    assert.ok(memory.deref() !== undefined)
    mock.mock.restore()
    assert.equal(await reading, PAGE)
  })

  test('lets a process go on until it has ended, and no longer (RGC2)', t => {
    const { status, stdout, stderr } = run(
      t,
      'RING_CALLS.readDirect(fd, [bytes], 7 * 4096, (failure, got) => console.log(failure?.code, got, bytes[0]))',
    )
    assert.deepEqual([status, stdout], [0, `undefined ${PAGE} 8\n`], stderr)
  })

  test('ends with a process that exits meanwhile', t => {
    const { status, stderr } = run(
      t,
      `const next = () => RING_CALLS.readDirect(fd, [bytes], 0, next)
      for (let at = 0; at < 8; at++) next()
      setTimeout(() => process.exit(3), 50)`,
    )
    assert.deepEqual([status, stderr], [3, ''])
  })
})

test('there are none where the host has no ring', t => {
  t.mock.method(Ring, 'open', () => undefined)
  assert.equal(RingCalls.open(), undefined)
})

/** A read into memory that nobody else holds. */
function begun(read: (from: number, buffers: Uint8Array<ArrayBuffer>[]) => Promise<string | number>) {
  const bytes = new Uint8Array(memoryBuffer(PAGE)).subarray(0, PAGE)
  return { memory: new WeakRef(bytes), reading: read(0, [bytes]) }
}

/** A program of its own, with a file and memory for a page of it. */
function run(t: TestContext, body: string) {
  const url = (file: string) => JSON.stringify(new URL(file, import.meta.url).href)
  const program = `
    import fs from 'node:fs'
    import { RING_CALLS } from ${url('./ring-calls.ts')}
    import { memoryBuffer } from ${url('../host/index.ts')}
    const fd = fs.openSync(${JSON.stringify(numbered(t, PAGES))}, fs.constants.O_RDONLY | fs.constants.O_DIRECT)
    const bytes = new Uint8Array(memoryBuffer(${PAGE})).subarray(0, ${PAGE})
    ${body}`
  const flags = ['--conditions=faultline-source', '--input-type=module', '--eval', program]
  return spawnSync(process.execPath, flags, { encoding: 'utf8', timeout: 60_000 })
}
