/** What a fault pays on its way out: once, and without locks. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MS, SECOND } from '../base/index.ts'
import { World } from '../engine/world.suite.ts'
import { DISCIPLINES } from './index.ts'
import { resumeUserMode } from './resume-user-mode.ts'

for (const discipline of DISCIPLINES) {
  test(`a fault above memory.high pays once, and then goes on (WO1), under ${discipline.name}`, () => {
    const world = new World({ discipline, frames: 100 })
    const group = world.group({ high: 4 })
    const a = world.space('a', group)
    const at = world.map(a, undefined, { pages: 80 })
    for (let page = 0; page < 67; page++) assert.equal(world.says(world.fault(a, at + page, 'store')), 'done')
    const last = world.fault(a, at + 67, 'store')
    assert.equal(world.says(last), 'waits: memory', 'a batch of 64 pages above it')
    assert.equal(world.rights(a, at + 67), 'rw')
    world.later(3 * SECOND)
    assert.equal(world.says(last), 'done')
    assert.equal(world.says(world.fault(a, at + 68, 'store')), 'done', 'the next batch has just begun')
    assert.equal(world.engine.memory.ledger.events(group).high, 65)
    world.finish()
  })

  test(`who pays holds no lock (WO1), under ${discipline.name}`, () => {
    const world = new World({ discipline, frames: 100 })
    const a = world.space('a', world.group({ high: 1 }))
    const at = world.map(a, undefined, { pages: 80 })
    const populate = world.populate(a, at, at + 80, 'store')
    assert.equal(world.says(populate), 'waits: memory')
    assert.equal(world.says(world.unmap(a, at, 80)), 'done')
    world.finish()
    assert.equal(world.says(populate), 'EFAULT')
  })
}

test('the penalty is the square of how far above, a batch of 64 pages at a time, and memory pressure', () => {
  const world = new World({ frames: 1200 })
  const group = world.group({ high: 1000 })
  const a = world.space('a', group)
  const at = world.map(a, undefined, { pages: 1200 })
  for (let page = 0; page < 1127; page++) world.fault(a, at + page, 'store')
  world.later(SECOND)
  const before = world.engine.pressure.total(group, 'memory', world.scheduler.now()).some
  const began = world.scheduler.now()
  const last = world.fault(a, at + 1127, 'store')
  assert.equal(world.says(last), 'waits: memory')
  while (world.says(last) !== 'done') world.later(MS)
  // 64 * (128 / 1000)^2 s = 1.048 s.
  const took = world.scheduler.now() - began
  assert.ok(took > 1.04 * SECOND && took < 1.06 * SECOND, `${took}`)
  const { pressure } = world.engine
  assert.ok(pressure.total(group, 'memory', world.scheduler.now()).some - before > 1.04 * SECOND)
  assert.equal(pressure.total(group, 'io', world.scheduler.now()).some, 0)
  world.finish()
})

test('who owes nothing doesn’t wait', () => {
  const world = new World()
  const a = world.space('a')
  const at = world.map(a, undefined, { pages: 1 })
  assert.equal(resumeUserMode(world.engine.mm, world.fault(a, at, 'store')), undefined)
  world.finish()
})
