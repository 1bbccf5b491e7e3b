/** The contract of device.ts, run over every device; `device.test.ts` names them. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Errno, errno } from '../base/index.ts'
import { Scheduler, TimedDriver } from '../sched/index.ts'
import type { Device, Operation, Request } from './device.ts'

export interface DeviceUnderTest {
  readonly device: Device
  /** Lets everything that was started end. */
  readonly settle: () => void | Promise<void>
}

export interface Ended {
  readonly request: Request
  readonly error: Errno
}

export function deviceSuite(
  name: string,
  make: (scheduler: Scheduler, driver: TimedDriver) => DeviceUnderTest,
) {
  const prepare = () => {
    const driver = new TimedDriver()
    const scheduler = new Scheduler(driver)
    const { device, settle } = make(scheduler, driver)
    const ended: Ended[] = []
    let starting = false
    device.onEnd = (request, error) => {
      assert.equal(starting, false, 'D1: it ends only after start has returned')
      ended.push({ request, error })
    }
    const start = (operation: Operation, position: number, ...buffers: Uint8Array[]) => {
      const length = buffers.reduce((sum, buffer) => sum + buffer.length, 0)
      return begin({ operation, position, length, buffers })
    }
    const begin = (request: Request) => {
      starting = true
      device.start(request)
      starting = false
      return request
    }
    const read = async (position: number, length: number) => {
      const buffer = new Uint8Array(length).fill(0xee)
      start('read', position, buffer)
      await settle()
      return buffer
    }
    return { device, ended, start, begin, read, settle }
  }

  describe(`${name} as a device`, () => {
    it('ends each request exactly once (D1)', async () => {
      const { start, ended, settle } = prepare()
      const requests = [
        start('write', 0, new Uint8Array(4096).fill(1)),
        start('read', 8192, new Uint8Array(4096)),
        start('flush', 0),
      ]
      assert.equal(ended.length, 0)
      await settle()
      await settle()
      assert.equal(ended.length, 3)
      assert.deepEqual(new Set(ended.map(end => end.request)), new Set(requests))
      assert.ok(ended.every(end => end.error === errno.OK))
    })

    it('takes requests that are started from the news of an end', async () => {
      const { device, settle, ended } = prepare()
      const follow: Request = { operation: 'flush', position: 0, length: 0, buffers: [] }
      const report = device.onEnd
      device.onEnd = (request, error) => {
        report(request, error)
        if (request !== follow) device.start(follow)
      }
      device.start({ operation: 'flush', position: 0, length: 0, buffers: [] })
      await settle()
      await settle()
      assert.equal(ended.length, 2)
    })

    it('reads what was written, across buffers that don’t line up', async () => {
      const { start, settle, read } = prepare()
      const bytes = Uint8Array.from({ length: 10_000 }, (_, at) => at * 7)
      start('write', 65_000, bytes.subarray(0, 100), bytes.subarray(100, 9000), bytes.subarray(9000))
      await settle()
      assert.deepEqual(await read(65_000, 10_000), bytes)
      assert.deepEqual(await read(65_536, 50), bytes.subarray(536, 586))
    })

    it('reads zeros past its end and where nothing was written (D2)', async () => {
      const { start, settle, read, ended } = prepare()
      start('write', 0, new Uint8Array(10).fill(9))
      await settle()
      const seen = await read(5, 4096)
      assert.deepEqual([...seen.subarray(0, 5)], [9, 9, 9, 9, 9])
      assert.ok(seen.subarray(5).every(byte => byte === 0))
      assert.ok((await read(2 ** 41, 4096)).every(byte => byte === 0))
      assert.ok(ended.every(end => end.error === errno.OK))
    })

    it('zeroes a range and nothing beside it', async () => {
      const { start, begin, settle, read } = prepare()
      start('write', 0, new Uint8Array(300_000).fill(5))
      await settle()
      begin({ operation: 'zero', position: 100, length: 200_000, buffers: [] })
      await settle()
      const seen = await read(0, 300_000)
      assert.equal(seen.indexOf(0), 100)
      assert.equal(seen.lastIndexOf(0), 200_099)
      assert.ok(seen.subarray(100, 200_100).every(byte => byte === 0))
    })

    it('forgets what lies past a resize, even when it grows again', async () => {
      const { start, begin, settle, read } = prepare()
      start('write', 0, new Uint8Array(200_000).fill(5))
      await settle()
      begin({ operation: 'resize', position: 0, length: 70_000, buffers: [] })
      await settle()
      begin({ operation: 'resize', position: 0, length: 200_000, buffers: [] })
      await settle()
      const seen = await read(0, 200_000)
      assert.equal(seen.indexOf(0), 70_000)
      assert.equal(seen.lastIndexOf(5), 69_999)
    })
  })
}
