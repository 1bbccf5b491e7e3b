/** Short reads by the pager's ring: into memory files, beside the threads, and where the kernel refuses them. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { errno } from '../base/index.ts'
import { Linux, Ring, Userfaultfd } from '../linux/index.ts'
import { scratch } from '../map/world.suite.ts'
import { unavailable } from './hardware.suite.ts'
import { IoThreads, type RingCall } from './io-threads.ts'
import { RingReads } from './ring-reads.ts'
import { MemoryFiles } from './store.ts'

const PAGE = 4096
const PAGES = 64
const FILE = 1

const linux = new Linux()
const skip = unavailable || (hasRing() ? false : 'this host has no io_uring for this process')

function hasRing(): boolean {
  const eventfd = linux.eventfd()
  const ring = Ring.open(linux, 1, eventfd)
  ring?.close()
  linux.close(eventfd)
  return ring !== undefined
}

/** A file past the host's cache, a memory file for its pages, and calls without a thread: what isn't the ring's stays queued. */
function world(t: TestContext) {
  const eventfd = linux.eventfd()
  const uffd = Userfaultfd.open(linux)
  const store = new MemoryFiles(linux, uffd, PAGE)
  const ring = RingReads.open<RingCall>(linux, uffd, eventfd)!
  const calls = new IoThreads(linux, store, ring, [])
  const content = Buffer.from(
    Array.from({ length: PAGES * PAGE - 1000 }, (_, at) => (at * 31 + (at >> 8)) & 255),
  )
  const path = join(scratch(t), 'file.bin')
  fs.writeFileSync(path, content)
  const fd = fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_DIRECT)
  assert.ok(store.admit(FILE, 0))
  const pages = (from: number, count: number) => {
    const first = store.bytes(FILE, from)
    return new Uint8Array(first.buffer, first.byteOffset, count * PAGE)
  }
  const ended: (readonly [string | undefined, number])[] = []
  const read = (buffer: Uint8Array, position: number, from = fd) =>
    calls.read(from, [buffer], position, (failure, count) => ended.push([failure?.code, count]))
  const until = (count: number) => {
    while (ended.length < count) {
      linux.poll(eventfd, eventfd, 1000)
      linux.clear(eventfd)
      calls.collect()
    }
  }
  t.after(() => {
    calls.stop()
    fs.closeSync(fd)
    store.forget(FILE)
    uffd.close()
    linux.close(eventfd)
  })
  return { calls, ring, pages, read, until, ended, content }
}

describe('a short read', { skip }, () => {
  test('arrives in pages that the memory file has, and in those that it has not', t => {
    const { calls, pages, read, until, ended, content } = world(t)
    pages(2, 1).fill(255)
    read(pages(0, 1), 5 * PAGE)
    read(pages(1, 16), 8 * PAGE)
    read(pages(20, 2), (PAGES - 1) * PAGE)
    calls.start()
    assert.deepEqual(ended, [], 'CR1')
    until(3)
    const told = (code: string | undefined, count: number) =>
      ended.some(each => each[0] === code && each[1] === count)
    assert.ok(told(undefined, PAGE) && told(undefined, 16 * PAGE) && told(undefined, PAGE - 1000))
    assert.ok(content.subarray(5 * PAGE, 6 * PAGE).equals(pages(0, 1)))
    assert.ok(content.subarray(8 * PAGE, 24 * PAGE).equals(pages(1, 16)))
    assert.ok(content.subarray((PAGES - 1) * PAGE).equals(pages(20, 1).subarray(0, PAGE - 1000)))
  })

  test('has its part of the bounce buffer to itself, and those beyond the last part are for threads (RGR1)', t => {
    const { calls, ring, pages, read, until, content } = world(t)
    for (let at = 0; at < 40; at++) read(pages(at, 1), at * PAGE)
    calls.start()
    assert.equal(ring.takes(PAGE), false)
    until(32)
    assert.equal(ring.takes(PAGE), true)
    for (let at = 0; at < 32; at++)
      assert.ok(content.subarray(at * PAGE, (at + 1) * PAGE).equals(pages(at, 1)), `page ${at}`)
  })

  test('that fails says how, and the next one comes', t => {
    const { calls, pages, read, until, ended } = world(t)
    read(pages(0, 1), 0, 987_654)
    calls.start()
    until(1)
    read(pages(0, 1), 0)
    calls.start()
    until(2)
    assert.deepEqual(ended, [
      ['EBADF', 0],
      [undefined, PAGE],
    ])
  })

  test('is left to threads where the kernel refuses it, as are long ones and those of other memory', t => {
    const { calls, ring, pages, read, ended } = world(t)
    const real = Linux.prototype.trySyscall
    const mock = t.mock.method(linux, 'trySyscall', function (this: Linux, ...args: Parameters<typeof real>) {
      return (args[2] ?? 0) > 0 ? -errno.ENOMEM : real.apply(this, args)
    })
    read(pages(0, 1), 0)
    calls.start()
    mock.mock.restore()
    read(pages(0, 17), 0)
    read(new Uint8Array(PAGE), 0)
    calls.start()
    calls.collect()
    assert.deepEqual([ended.length, ring.takes(PAGE)], [0, true])
  })
})

test('there are no reads by a ring where the host has none', t => {
  t.mock.method(Ring, 'open', () => undefined)
  assert.equal(RingReads.open(linux, Userfaultfd.of(linux, -1), -1), undefined)
})
