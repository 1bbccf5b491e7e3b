/** The I/O scheduler's own promises, without limits: order, turns, nr_requests, ends. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { errno, hang, MS } from '../base/index.ts'
import { ioWorld } from './world.suite.ts'

/** A group that may have one at once and has two, for a victim whose target was missed. */
function scaledDown() {
  const w = ioWorld({ held: true })
  const [victim, worker] = [w.group(), w.group()]
  w.io.configure('1:0', { nrRequests: 4, rotational: false })
  w.io.setLatency('1:0', victim, 10 * MS)
  w.io.submit(w.plan({ group: worker }))
  for (let round = 0; round < 4; round++) {
    w.io.submit(w.plan({ group: victim }))
    w.until(w.driver.now() + 600 * MS)
    w.device.release(w.device.held.at(-1)!)
    w.settle()
    w.io.submit(w.plan({ group: worker }))
  }
  const { depth, inflight } = w.io.latency('1:0', worker)
  assert.deepEqual([depth, inflight], [1, 2], 'scaled down while two were in flight')
  return { w, victim, worker }
}

describe('the I/O scheduler', () => {
  it('reads into frames what the device has, and tells the hook before the ticket (IO1)', () => {
    const w = ioWorld()
    w.memory.poke(4096, new Uint8Array(8192).fill(7))
    const told: boolean[] = []
    const bio = w.io.submit(w.plan({ operation: 'read', position: 4096, frames: [3, 4] }))
    hang(w.io, 'onEnd', ended => told.push(ended.ticket.complete))
    assert.equal(bio.ticket.complete, false, 'IO4')
    w.settle()
    assert.deepEqual(told, [false])
    assert.equal(bio.ticket.complete, true)
    assert.equal(bio.errno, errno.OK)
    assert.equal(w.frames.bytes(3)[0], 7)
    assert.equal(w.frames.bytes(4)[4095], 7)
    assert.equal(w.frames.bytes(5)[0], 0)
  })

  it('gives the device one buffer for frames that follow one another', () => {
    const w = ioWorld({ held: true })
    w.io.submit(w.plan({ operation: 'write', frames: [2, 3, 7], length: 3 * 4096 - 100 }))
    assert.deepEqual(
      w.device.held[0]!.buffers.map(buffer => buffer.length),
      [8192, 3996],
    )
  })

  it('issues no more than nr_requests at once, and the rest in order (IO2, IO3)', () => {
    const w = ioWorld({ held: true })
    w.io.configure('1:0', { nrRequests: 2, rotational: false })
    const bios = [0, 1, 2, 3].map(index => w.io.submit(w.plan({ position: index * 4096 })))
    assert.deepEqual(
      bios.map(bio => bio.state),
      ['issued', 'issued', 'queued', 'queued'],
    )
    w.device.release(w.device.held[1]!)
    w.settle()
    assert.deepEqual(
      bios.map(bio => bio.state),
      ['issued', 'ended', 'issued', 'queued'],
    )
  })

  it('gives groups their turns, whoever queued more (FQ3)', () => {
    const w = ioWorld({ held: true })
    const [a, b] = [w.group(), w.group()]
    w.io.configure('1:0', { nrRequests: 1, rotational: false })
    const order: number[] = []
    hang(w.io, 'onEnd', bio => order.push(bio.index))
    for (let index = 0; index < 4; index++) w.io.submit(w.plan({ group: a, index }))
    w.io.submit(w.plan({ group: b, index: 10 }))
    w.io.submit(w.plan({ group: b, index: 11 }))
    while (w.device.held.length > 0) {
      w.device.release(w.device.held[0]!)
      w.settle()
    }
    assert.deepEqual(order, [0, 1, 10, 2, 11, 3])
  })

  it('passes the errno of the device on', () => {
    const w = ioWorld({ held: true })
    const bio = w.io.submit(w.plan({}))
    w.device.fail(w.device.held[0]!, errno.ENOSPC)
    assert.equal(bio.ticket.errno, errno.ENOSPC)
    assert.equal(bio.errno, errno.ENOSPC)
  })

  it('lets a bio that another group waits for go by that group’s turn (FQ2)', () => {
    const w = ioWorld({ held: true })
    const [a, b] = [w.group(), w.group()]
    w.io.configure('1:0', { nrRequests: 1, rotational: false })
    const bios = [0, 1, 2, 3].map(index => w.io.submit(w.plan({ group: a, index })))
    w.io.promote(bios[3]!, b)
    for (let turn = 0; turn < 2; turn++) {
      w.device.release(w.device.held[0]!)
      w.settle()
    }
    assert.equal(bios[3]!.state, 'issued')
    assert.equal(bios[3]!.issuer, b)
    while (w.device.held.length > 0) {
      w.device.release(w.device.held[0]!)
      w.settle()
    }
    assert.ok(bios.every(bio => bio.state === 'ended'))
  })

  it('takes a bio past the depth of its own group for a group that has slots, and charges its own (FQ2)', () => {
    const { w, victim, worker } = scaledDown()
    const waiting = w.io.submit(w.plan({ group: worker }))
    assert.equal(waiting.state, 'queued')
    w.io.promote(waiting, victim)
    assert.equal(waiting.state, 'issued')
    assert.equal(waiting.issuer, victim)
    assert.equal(w.io.latency('1:0', worker).inflight, 3)
  })

  it('issues at once what waited for a target that has gone (IO5)', () => {
    const { w, victim, worker } = scaledDown()
    w.io.setLatency('1:0', victim, 0)
    assert.equal(w.io.latency('1:0', worker).inflight, 4, 'all that the disk takes')
  })

  it('lends turns as well to a bio that io.max held when the other group began to wait', () => {
    const w = ioWorld({ held: true })
    const [slow, free, busy] = [w.group(), w.group(), w.group()]
    w.io.configure('1:0', { nrRequests: 1, rotational: false })
    w.io.setMax('1:0', slow, { rbps: 100 })
    w.io.submit(w.plan({ group: busy }))
    const ahead = Array.from({ length: 4 }, () =>
      w.io.submit(w.plan({ group: slow, operation: 'flush', frames: [] })),
    )
    const waiting = w.io.submit(w.plan({ group: slow }))
    assert.equal(waiting.state, 'throttled')
    w.io.promote(waiting, free)
    assert.equal(waiting.state, 'queued')
    for (let turn = 0; turn < 2; turn++) {
      w.device.release(w.device.held[0]!)
      w.settle()
    }
    assert.equal(waiting.state, 'issued')
    assert.deepEqual(
      ahead.map(bio => bio.state),
      ['ended', 'queued', 'queued', 'queued'],
    )
  })
})
