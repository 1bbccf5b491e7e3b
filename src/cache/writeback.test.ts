/** How much the flusher writes. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { World } from '../engine/world.suite.ts'
import { WRITEBACK_DEFAULTS } from './index.ts'

const PAGE = 4096

test('as much goes out as comes in above the background threshold: what is on its way is not counted once more', () => {
  const machine = new World({
    frames: 65,
    writeback: { ...WRITEBACK_DEFAULTS, backgroundRatio: 0.25, ratio: 1 },
  })
  const data = machine.file('data', { pages: 40 })
  const write = (pages: number, from: number) => {
    assert.equal(machine.says(machine.write(data, from * PAGE, new Uint8Array(pages * PAGE).fill(7))), 'done')
    machine.settle()
  }
  write(16, 0)
  assert.deepEqual(machine.held(data), [], 'as much as may be dirty')
  write(1, 16)
  assert.deepEqual(machine.held(data), ['write 0-16'], 'all of it, in order')
  write(16, 17)
  assert.deepEqual(machine.held(data), ['write 0-16'], 'the disk is slow, and no more is dirty than may be')
  write(1, 33)
  assert.deepEqual(machine.held(data), ['write 0-16', 'write 17-33'])
  machine.finish()
})

test('a limit that a group is given holds for what it dirties from then on', () => {
  const machine = new World({
    frames: 257,
    writeback: { ...WRITEBACK_DEFAULTS, backgroundRatio: 0.25, ratio: 1 },
  })
  const data = machine.file('data', { pages: 40 })
  const group = machine.group()
  const write = (page: number, pages: number) => {
    machine.write(data, page * PAGE, new Uint8Array(pages * PAGE).fill(7), group)
    machine.settle()
  }
  write(0, 16)
  assert.deepEqual(machine.held(data), [])
  machine.engine.memory.ledger.setLimits(group, { max: 40 })
  write(16, 1)
  assert.deepEqual(machine.held(data), ['write 0-16'])
  machine.finish()
})

test('at the background threshold nothing goes out yet, above it all does', () => {
  const machine = new World({
    frames: 64,
    writeback: { ...WRITEBACK_DEFAULTS, backgroundRatio: 0.25, ratio: 1 },
  })
  assert.equal(machine.engine.memory.total, 64)
  const data = machine.file('data', { pages: 20 })
  const write = (page: number, pages: number) =>
    machine.says(machine.write(data, page * PAGE, new Uint8Array(pages * PAGE).fill(7)))
  assert.equal(write(0, 16), 'done')
  assert.deepEqual(machine.held(data), [])
  assert.equal(write(16, 1), 'done')
  assert.deepEqual(machine.held(data), ['write 0-16'])
  machine.finish()
})

test('a sync has several bios on their way, as many as keep the device busy', () => {
  const machine = new World({ slicePages: 4, bioBytesMax: 4 * PAGE })
  const data = machine.file('data', { pages: 16 })
  machine.write(data, 0, new Uint8Array(16 * PAGE).fill(7))
  const task = machine.sync(data)
  assert.deepEqual(machine.held(data), ['write 0-3', 'write 4-7', 'write 8-11', 'write 12-15'])
  machine.letGo(data)
  assert.equal(machine.says(task), 'done')
  machine.finish()
})
