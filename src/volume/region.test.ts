/** Persistent memory as a device: its requests, and whose frames its blocks are. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { errno } from '../base/index.ts'
import type { Operation, Request } from '../device/index.ts'
import { PAGE, World } from '../engine/world.suite.ts'
import { Region } from './region.ts'

function stage() {
  const world = new World({ frames: 16 })
  const { memory } = world.engine
  const region = new Region(world.scheduler, memory, 'pmem', 4)
  const ends = new Map<Request, number>()
  region.onEnd = (request, error) => ends.set(request, error)
  const ask = (operation: Operation, position: number, ...buffers: Uint8Array[]) => {
    const request = {
      operation,
      position,
      length: buffers.reduce((sum, { length }) => sum + length, 0),
      buffers,
    }
    region.start(request)
    assert.equal(ends.has(request), false, 'D1: it ends only after start has returned')
    world.later(0)
    return ends.get(request)
  }
  return { memory, region, ask }
}

const rising = (length: number) => Uint8Array.from({ length }, (_, at) => at * 7)

test('what is written from several buffers lies in the frames of its blocks, and is read into others', () => {
  const { memory, region, ask } = stage()
  const bytes = rising(2 * PAGE)
  assert.equal(
    ask('write', 100, bytes.subarray(0, 10), bytes.subarray(10, 5000), bytes.subarray(5000)),
    errno.OK,
  )
  const lies = [...memory.frames.bytes(region.first), ...memory.frames.bytes(region.first + 1)]
  assert.deepEqual(lies.slice(100), [...bytes.subarray(0, 2 * PAGE - 100)])
  const [one, other] = [new Uint8Array(3), new Uint8Array(6000)]
  assert.equal(ask('read', 110, one, other), errno.OK)
  assert.deepEqual([...one, ...other], [...bytes.subarray(10, 6013)])
})

test('reads zeros past its end (D2), and takes no write there', () => {
  const { region, ask } = stage()
  const end = region.length
  assert.equal(ask('write', end - 4, Uint8Array.of(1, 2, 3, 4)), errno.OK)
  const into = new Uint8Array(8).fill(9)
  assert.equal(ask('read', end - 4, into), errno.OK)
  assert.deepEqual([...into], [1, 2, 3, 4, 0, 0, 0, 0])
  assert.equal(ask('write', end - 4, new Uint8Array(5)), errno.ENOSPC)
})
