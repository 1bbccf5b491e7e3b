/** A file that became shorter elsewhere: what was stored and isn't written yet keeps its place in it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ROOT } from '../base/index.ts'
import { PAGE, World } from '../engine/world.suite.ts'
import { refreshArgs } from './index.ts'

test('a file that is found shorter ends behind its last dirty page, or where it ended', () => {
  for (const [dirty, end] of [
    [[], PAGE],
    [[1], 2 * PAGE],
    [[1, 3], 3 * PAGE + 100],
  ] as const) {
    const world = new World()
    const data = world.file('data', { pages: 4, size: 3 * PAGE + 100, holding: false })
    for (const page of dirty) world.write(data, page * PAGE, new Uint8Array(10).fill(9))
    world.settle()
    const args = refreshArgs(data.file, PAGE)
    world.scheduler.spawn(world.engine.verbs.refresh, args, { name: 'refresh', group: ROOT })
    world.settle()
    assert.equal(data.file.size, end)
    world.finish()
  }
})
