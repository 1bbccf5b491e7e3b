/** Every device against the contract, and what each promises beside it. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { errno, MS, Prng, US } from '../base/index.ts'
import { Scheduler, TimedDriver } from '../sched/index.ts'
import { BrokenDevice } from './broken-device.ts'
import { deviceSuite } from './device.suite.ts'
import type { Device, Request } from './device.ts'
import { HeldDevice } from './held-device.ts'
import { MemoryDevice } from './memory-device.ts'
import { SlowDevice } from './slow-device.ts'

const SSD = { latency: 100 * US, nsPerByte: 1, slots: 2 }

deviceSuite('the memory device', (scheduler, driver) => ({
  device: new MemoryDevice(scheduler),
  settle: () => driver.runUntil(scheduler, driver.now()),
}))
deviceSuite('a slow device', (scheduler, driver) => ({
  device: new SlowDevice(scheduler, new MemoryDevice(scheduler), {
    ...SSD,
    jitter: { fraction: 0.5, prng: new Prng(1) },
  }),
  settle: () => driver.runUntil(scheduler, driver.now() + 10 * MS),
}))
deviceSuite('a held device that is let go', (scheduler, driver) => {
  const device = new HeldDevice(new MemoryDevice(scheduler))
  const settle = () => {
    for (const request of [...device.held].reverse()) device.release(request)
    driver.runUntil(scheduler, driver.now())
  }
  return { device, settle }
})
deviceSuite('a broken device that was told nothing', (scheduler, driver) => ({
  device: new BrokenDevice(scheduler, new MemoryDevice(scheduler)),
  settle: () => driver.runUntil(scheduler, driver.now()),
}))

function world() {
  const driver = new TimedDriver()
  const scheduler = new Scheduler(driver)
  return { driver, scheduler, memory: new MemoryDevice(scheduler, { capacity: 2 ** 40 }) }
}

function listen(device: Device) {
  const ends: { position: number; error: number; at: number }[] = []
  const clock = { now: () => 0 }
  device.onEnd = (request, error) => ends.push({ position: request.position, error, at: clock.now() })
  return { ends, clock }
}

const request = (operation: Request['operation'], position: number, length = 4096): Request => ({
  operation,
  position,
  length,
  buffers: operation === 'read' || operation === 'write' ? [new Uint8Array(length)] : [],
})

describe('the memory device', () => {
  it('costs what is on it, not what it could hold (MD1)', () => {
    const { memory } = world()
    memory.poke(2 ** 39, new Uint8Array(1).fill(1))
    assert.equal(memory.length, 2 ** 39 + 1)
    assert.ok(memory.allocated <= 65_536)
    memory.start(request('zero', 0, 2 ** 39 + 1))
    memory.run()
    assert.equal(memory.allocated, 0)
  })

  it('reads into its buffers one after the other, and writes from them so', () => {
    const { memory } = world()
    const four = { position: 100, length: 4 }
    memory.start({ ...four, operation: 'write', buffers: [new Uint8Array([1, 2]), new Uint8Array([3, 4])] })
    const into = [new Uint8Array(1), new Uint8Array(3)] as const
    memory.start({ ...four, operation: 'read', buffers: [...into] })
    memory.run()
    assert.deepEqual([...into[0], ...into[1]], [1, 2, 3, 4])
  })

  it('zeroes what it is told and nothing behind it, however few chunks it has', () => {
    const { memory } = world()
    const far = 65_536 * 5
    memory.poke(far, new Uint8Array(100).fill(7))
    memory.start(request('zero', 0, far - 100))
    memory.run()
    const seen = new Uint8Array(100)
    memory.peek(far, seen)
    assert.deepEqual(seen, new Uint8Array(100).fill(7))
  })

  it('gives chunks back when it becomes shorter (MD1)', () => {
    const { memory } = world()
    memory.poke(0, new Uint8Array(65_536 * 3))
    memory.start(request('resize', 0, 65_537))
    memory.run()
    assert.equal(memory.allocated, 2 * 65_536)
  })

  it('moves bytes when the request ends', () => {
    const { scheduler, driver, memory } = world()
    const write = request('write', 0)
    memory.start(write)
    write.buffers[0]!.fill(3)
    driver.runUntil(scheduler, 0)
    const seen = new Uint8Array(1)
    memory.peek(0, seen)
    assert.equal(seen[0], 3)
  })

  it('says ENOSPC past its capacity and EROFS when it is read-only, and takes nothing', () => {
    const { scheduler, driver } = world()
    const full = new MemoryDevice(scheduler, { capacity: 8192 })
    const fixed = new MemoryDevice(scheduler, { length: 4096, readOnly: true })
    const [fullEnds, fixedEnds] = [listen(full).ends, listen(fixed).ends]
    for (const device of [full, fixed]) {
      device.start(request('write', 4097))
      device.start(request('resize', 0, 8193))
    }
    driver.runUntil(scheduler, 0)
    assert.deepEqual(
      fullEnds.map(end => end.error),
      [errno.ENOSPC, errno.ENOSPC],
    )
    assert.deepEqual(
      fixedEnds.map(end => end.error),
      [errno.EROFS, errno.EROFS],
    )
    assert.equal(full.allocated + fixed.allocated, 0)
    assert.deepEqual([full.length, fixed.length], [0, 4096])
  })
})

describe('a slow device', () => {
  const timed = (requests: readonly Request[], slots: number) => {
    const { driver, scheduler, memory } = world()
    const device = new SlowDevice(scheduler, memory, { ...SSD, slots })
    const { ends, clock } = listen(device)
    clock.now = () => driver.now()
    for (const one of requests) device.start(one)
    driver.runUntil(scheduler, 100 * MS)
    return ends.map(end => ({ position: end.position, us: end.at / US }))
  }

  it('takes latency and then transfer for one request', () => {
    assert.deepEqual(timed([request('read', 0, 50_000)], 1), [{ position: 0, us: 150 }])
  })

  it('serves as many at once as it has slots; transfers go one at a time (SD1)', () => {
    const four = [0, 1, 2, 3].map(at => request('read', at, 10_000))
    assert.deepEqual(
      timed(four, 2).map(end => end.us),
      [110, 120, 220, 230],
    )
    assert.deepEqual(
      timed(four, 1).map(end => end.us),
      [110, 220, 330, 440],
    )
  })

  it('lets a flush pass transfers, in the order of due times (SD2)', () => {
    const ends = timed([request('read', 1, 500_000), request('flush', 2)], 2)
    assert.deepEqual(ends, [
      { position: 2, us: 100 },
      { position: 1, us: 600 },
    ])
  })

  it('varies by its seed and by nothing else', () => {
    const run = (seed: number) => {
      const { driver, scheduler, memory } = world()
      const jitter = { fraction: 0.5, prng: new Prng(seed) }
      const device = new SlowDevice(scheduler, memory, { ...SSD, jitter })
      const { ends, clock } = listen(device)
      clock.now = () => driver.now()
      for (let at = 0; at < 20; at++) device.start(request('flush', at))
      driver.runUntil(scheduler, 100 * MS)
      return ends
    }
    assert.deepEqual(run(1), run(1))
    assert.notDeepEqual(run(1), run(2))
  })
})

describe('a held device', () => {
  it('ends nothing by itself, and in whatever order it is told (HD1)', () => {
    const { driver, scheduler, memory } = world()
    const device = new HeldDevice(memory)
    const { ends } = listen(device)
    for (let at = 0; at < 3; at++) device.start(request('read', at))
    driver.runUntil(scheduler, MS)
    assert.equal(ends.length, 0)
    device.release(device.held[2]!)
    driver.runUntil(scheduler, MS)
    device.fail(device.held[0]!, errno.ENXIO)
    device.releaseAll()
    device.start(request('read', 3))
    driver.runUntil(scheduler, MS)
    assert.deepEqual(
      ends.map(end => [end.position, end.error]),
      [
        [2, 0],
        [0, errno.ENXIO],
        [1, 0],
        [3, 0],
      ],
    )
  })
})

describe('a broken device', () => {
  const fails = (
    fault: Parameters<BrokenDevice['breaks']>[0],
    operations: readonly Request['operation'][],
  ) => {
    const { driver, scheduler, memory } = world()
    const device = new BrokenDevice(scheduler, memory)
    const { ends } = listen(device)
    device.breaks(fault)
    operations.forEach((operation, at) => {
      device.start(request(operation, at))
    })
    driver.runUntil(scheduler, 0)
    return {
      failed: ends.filter(end => end.error !== 0).sort((a, b) => a.position - b.position),
      memory,
      ends,
    }
  }

  it('fails the n-th once, or for ever (BD2)', () => {
    const four: Request['operation'][] = ['read', 'read', 'read', 'read']
    assert.deepEqual(
      fails({ nth: 2 }, four).failed.map(end => end.position),
      [1],
    )
    assert.deepEqual(
      fails({ nth: 3, times: Infinity }, four).failed.map(end => end.position),
      [2, 3],
    )
  })

  it('fails the operations it is told, with the errno it is told, and nothing of them happens (BD1)', () => {
    const { failed, memory, ends } = fails({ times: Infinity, operations: ['write'], errno: errno.ENOSPC }, [
      'read',
      'write',
      'flush',
      'write',
    ])
    assert.deepEqual(
      failed.map(end => [end.position, end.error]),
      [
        [1, errno.ENOSPC],
        [3, errno.ENOSPC],
      ],
    )
    assert.equal(memory.length, 0)
    assert.equal(ends.length, 4)
  })

  it('heals', () => {
    const { driver, scheduler, memory } = world()
    const device = new BrokenDevice(scheduler, memory)
    const { ends } = listen(device)
    device.breaks({ times: Infinity })
    device.start(request('read', 0))
    device.heals()
    device.start(request('read', 1))
    driver.runUntil(scheduler, 0)
    assert.deepEqual(
      ends.filter(end => end.error !== 0).map(end => end.position),
      [0],
    )
  })
})
