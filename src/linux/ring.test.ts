/** Rings of io_uring on real files, and what becomes of hosts that have none. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { constants, tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { errno } from '../base/index.ts'
import { Linux, Ring } from './index.ts'

const PAGE = 4096
const PLACES = 4
const directory = fs.mkdtempSync(join(tmpdir(), 'faultline-ring-'))
after(() => fs.rmSync(directory, { recursive: true }))

const linux = new Linux()
const unavailable = (() => {
  const eventfd = linux.eventfd()
  const ring = Ring.open(linux, PLACES, eventfd)
  ring?.close()
  linux.close(eventfd)
  return ring === undefined && 'this host has no io_uring for this process'
})()

/** A ring, a file of which page i is full of the byte i + 1, and a page of memory for each place. */
function world() {
  const eventfd = linux.eventfd()
  const ring = Ring.open(linux, PLACES, eventfd)!
  const path = join(directory, 'file')
  fs.writeFileSync(
    path,
    Buffer.alloc(8 * PAGE).map((_, at) => 1 + Math.floor(at / PAGE)),
  )
  const fd = fs.openSync(path, 'r')
  const memory = new Uint8Array(PLACES * PAGE)
  const start = linux.ffi.addressOf(memory)
  const addressAt = (place: number) => start + place * PAGE
  const read = (from: number, position: number, length = PAGE) =>
    ring.read({ fd: from, position, length, addressAt })
  /** Results by place, once so many have come. */
  const results = (count: number) => {
    const found = new Map<number, number>()
    while (found.size < count) {
      linux.poll(eventfd, eventfd, 1000)
      linux.clear(eventfd)
      ring.ended((place, result) => found.set(place, result))
    }
    return found
  }
  const isTold = () => linux.poll(eventfd, eventfd, 0).first
  const close = () => {
    ring.close()
    fs.closeSync(fd)
    linux.close(eventfd)
  }
  return { ring, fd, eventfd, memory, read, results, isTold, close }
}

/** Descriptors of rings that this process has: libuv has some, too. */
function rings(): string[] {
  const links = fs.readdirSync('/proc/self/fd').map(fd => {
    try {
      return fs.readlinkSync(`/proc/self/fd/${fd}`)
    } catch {
      return ''
    }
  })
  return links.filter(link => link.includes('io_uring'))
}

describe('a ring', { skip: unavailable }, () => {
  test('has nothing more to tell when it has told, and forgets nothing that ends meanwhile (RNG2)', t => {
    const { ring, fd, eventfd, read, results, isTold, close } = world()
    read(fd, 0)
    ring.submit()
    assert.equal(results(1).size, 1)
    assert.equal(isTold(), false)
    const clear = t.mock.method(linux, 'clear')
    clear.mock.mockImplementationOnce(() => {})
    clear.mock.mockImplementationOnce(() => {
      read(fd, PAGE)
      ring.submit()
      while (!isTold());
      clear.mock.restore()
      linux.clear(eventfd)
    })
    read(fd, 0)
    ring.submit()
    assert.equal(results(2).size, 2)
    close()
  })

  test('reads into the memory of each place, short at the end of the file, and says what fails', () => {
    const { ring, fd, memory, read, results, close } = world()
    const places = [read(fd, 3 * PAGE), read(fd, 8 * PAGE - 10), read(fd, 9 * PAGE), read(987_654, 0)]
    assert.deepEqual([ring.hasPlace, ring.isReading], [false, false])
    assert.deepEqual(ring.submit(), [])
    assert.equal(ring.isReading, true)
    const found = results(PLACES)
    assert.deepEqual(
      places.map(place => found.get(place)),
      [PAGE, 10, 0, -errno.EBADF],
    )
    assert.deepEqual([ring.hasPlace, ring.isReading], [true, false])
    const [whole, end] = [places[0]! * PAGE, places[1]! * PAGE]
    assert.ok(memory.subarray(whole, whole + PAGE).every(byte => byte === 4))
    assert.deepEqual([memory[end + 9], memory[end + 10]], [8, 0])
    close()
  })

  test('has a place for each read that is under way, and no more (RNG1)', () => {
    const { ring, fd, read, results, close } = world()
    for (let turn = 0; turn < 50; turn++) {
      const places = Array.from({ length: PLACES }, () => read(fd, (turn % 8) * PAGE))
      assert.equal(new Set(places).size, PLACES)
      assert.throws(() => read(fd, 0), /RNG1/)
      ring.submit()
      assert.throws(() => read(fd, 0), /RNG1/)
      assert.equal(results(PLACES).size, PLACES)
    }
    close()
  })

  test('gives back what the kernel refuses to take, in whole or in part, and goes on', t => {
    const { ring, fd, read, results, close } = world()
    const { trySyscall } = linux
    const refusing = (taken: number) =>
      t.mock.method(linux, 'trySyscall', (...args: Parameters<typeof trySyscall>) => {
        const [number, descriptor, count = 0, ...rest] = args
        if (count === 0) return trySyscall.apply(linux, args)
        return taken === 0 ? -errno.ENOMEM : trySyscall.call(linux, number, descriptor, taken, ...rest)
      })
    let mock = refusing(0)
    const refused = [read(fd, 0), read(fd, PAGE)]
    assert.deepEqual(ring.submit(), refused)
    assert.equal(ring.isReading, false)
    mock.mock.restore()
    mock = refusing(1)
    const [first, second] = [read(fd, 0), read(fd, PAGE)]
    assert.deepEqual(ring.submit(), [second])
    mock.mock.restore()
    assert.deepEqual([...results(1)], [[first, PAGE]])
    const third = read(fd, 2 * PAGE)
    assert.deepEqual(ring.submit(), [])
    assert.deepEqual([...results(1)], [[third, PAGE]])
    close()
  })

  test('that is closed while it reads waits for the bytes', () => {
    const { ring, fd, memory, read, close } = world()
    const place = read(fd, 6 * PAGE)
    ring.submit()
    close()
    assert.equal(memory[place * PAGE + PAGE - 1], 7)
  })
})

test('there is no ring where the host refuses it', t => {
  const eventfd = linux.eventfd()
  const { EPERM, ENOSYS, EINVAL } = constants.errno
  const before = rings().length
  for (const error of [EPERM, ENOSYS, EINVAL]) {
    const mock = t.mock.method(linux, 'trySyscall', () => -error)
    assert.equal(Ring.open(linux, PLACES, eventfd), undefined)
    mock.mock.restore()
  }
  // A ring that can't tell of its ends is none.
  assert.equal(Ring.open(linux, PLACES, 987_654), undefined)
  assert.equal(rings().length, before)
  linux.close(eventfd)
})
