/** What a fault pays on its way out: once, and without locks. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SECOND } from '../base/index.ts'
import { World } from '../engine/world.suite.ts'
import { DISCIPLINES } from './index.ts'

for (const discipline of DISCIPLINES) {
  test(`a fault above memory.high pays once, and then goes on (WO1), under ${discipline.name}`, () => {
    const world = new World({ discipline })
    const group = world.group({ high: 4 })
    const a = world.space('a', group)
    const at = world.map(a, undefined, { pages: 20 })
    for (let page = 0; page < 4; page++) assert.equal(world.says(world.fault(a, at + page, 'store')), 'done')
    const fifth = world.fault(a, at + 4, 'store')
    assert.equal(world.says(fifth), 'waits: throttle')
    assert.equal(world.rights(a, at + 4), 'rw')
    world.later(3 * SECOND)
    assert.equal(world.says(fifth), 'done')
    assert.equal(world.engine.memory.ledger.events(group).high, 1)
    world.finish()
  })

  test(`who pays holds no lock (WO1), under ${discipline.name}`, () => {
    const world = new World({ discipline })
    const a = world.space('a', world.group({ high: 1 }))
    const at = world.map(a, undefined, { pages: 4 })
    const populate = world.populate(a, at, at + 4, 'store')
    assert.equal(world.says(populate), 'waits: throttle')
    assert.equal(world.says(world.unmap(a, at, 4)), 'done')
    world.finish()
    assert.equal(world.says(populate), 'EFAULT')
  })
}
