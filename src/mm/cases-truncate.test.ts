/** The first story. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { World } from '../machine/world.suite.ts'
import { DISCIPLINES } from './index.ts'

for (const discipline of DISCIPLINES)
  test(`a story under ${discipline.name}`, () => {
    const world = new World({ discipline })
    const data = world.file('data', { pages: 4 })
    const a = world.space('a')
    const at = world.map(a, data)
    const load = world.fault(a, at + 2, 'load')
    assert.equal(world.says(load), 'waits: read')
    assert.deepEqual(world.held(data), ['read 2'])
    world.complete(data)
    assert.equal(world.says(load), 'done')
    assert.equal(world.value(a, at + 2), 3)
    world.fault(a, at + 2, 'store')
    world.store(a, at + 2, 77)
    world.finish()
    assert.equal(world.durable(data, 8192), 77)
  })
