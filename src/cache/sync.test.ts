/** What a sync has written when it ends, and what it costs. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SLICE_PAGES } from '../base/index.ts'
import { World } from '../engine/world.suite.ts'
import { WRITEBACK_DEFAULTS } from './index.ts'

const PAGE = 4096
const LATE = { ...WRITEBACK_DEFAULTS, backgroundRatio: 1, ratio: 1 }

function world(pages: number, bioBytesMax?: number) {
  const world = new World({
    frames: pages + 8,
    writeback: LATE,
    checked: false,
    ...(bioBytesMax && { bioBytesMax }),
  })
  const data = world.file('data', { pages, holding: false })
  const space = world.space('app')
  const start = world.map(space, data)
  const store = (page: number, value: number) => {
    world.fault(space, start + page, 'store')
    world.store(space, start + page, value)
  }
  for (let page = 0; page < pages; page++) store(page, 7)
  return { world, data, store }
}

test('a page that is dirtied again while it is on its way is written again by a sync that begins then (SY1)', () => {
  const { world: machine, data, store } = world(4)
  data.device.holding = true
  const first = machine.sync(data)
  store(2, 8)
  const second = machine.sync(data)
  machine.complete(data, 'write')
  assert.deepEqual(
    data.device.held.filter(({ operation }) => operation === 'write').map(({ position }) => position),
    [2 * PAGE],
  )
  assert.equal(machine.says(second), 'waits: writeback')
  assert.notEqual(machine.says(first), 'waits: writeback')
  machine.complete(data, 'write')
  assert.equal(machine.durable(data, 2 * PAGE), 8)
  machine.letGo(data)
  assert.deepEqual([machine.says(first), machine.says(second)], ['done', 'done'])
  machine.finish()
})

test('a writer that never rests does not hold a sync up: what is dirtied behind it is left (SY1)', () => {
  const { world: machine, data, store } = world(4)
  data.device.holding = true
  const sync = machine.sync(data)
  for (let round = 0; machine.says(sync) !== 'done'; round++) {
    assert.ok(round < 10, 'it ends while pages are dirtied all the time')
    for (let page = 0; page < 4; page++) store(page, round)
    machine.complete(data)
  }
  machine.finish()
})

test('its work grows with the pages, not with pages times bios (SY3)', () => {
  const looks = (pages: number) => {
    const { world: machine, data } = world(pages, PAGE)
    const { cache } = machine.engine
    let count = 0
    const find = cache.find.bind(cache)
    cache.find = (...page) => {
      count++
      return find(...page)
    }
    const sync = machine.sync(data)
    machine.later(1e9)
    assert.equal(machine.says(sync), 'done')
    return count
  }
  assert.ok(looks(256) <= 5 * looks(64), `${looks(64)} looks for 64 pages, ${looks(256)} for 256`)
})

test('it begins no more while a device is kept busy, and goes on as bios end (SY4)', () => {
  const { world: machine, data } = world(600, PAGE)
  data.device.holding = true
  const sync = machine.sync(data)
  assert.equal(data.file.bios.size, SLICE_PAGES)
  assert.equal(machine.says(sync), 'waits: writeback')
  machine.letGo(data)
  assert.equal(machine.says(sync), 'done')
  for (let page = 0; page < 600; page++) assert.equal(machine.durable(data, page * PAGE), 7)
  machine.finish()
})
