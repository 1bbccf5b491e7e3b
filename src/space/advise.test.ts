/** madvise: what it reads, what it refuses, and what a VMA remembers of it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { World } from '../engine/world.suite.ts'

test('willneed reads what of each file lies in its mapping, and no page behind that', () => {
  const world = new World()
  const [data, log] = [world.file('data', { pages: 8 }), world.file('log', { pages: 8 })]
  const space = world.space('app')
  const at = world.map(space, data, { pages: 4 })
  world.map(space, log, { pages: 4, offset: 2, fixed: at + 4 })
  assert.equal(world.says(world.advise(space, at + 1, 6, 'willneed')), 'done')
  assert.deepEqual([world.held(data), world.held(log)], [['read 1-3'], ['read 2-4']])
  world.finish()
})

test('what is remembered is refused by no mapping, but wipeonfork by one of a file', () => {
  const world = new World()
  const data = world.file('data', { pages: 2 })
  const space = world.space('app')
  const [file, heap] = [world.map(space, data), world.map(space, undefined)]
  for (const advice of ['sequential', 'random', 'normal', 'dontfork', 'dofork', 'keeponfork'] as const)
    for (const at of [file, heap])
      assert.equal(world.says(world.advise(space, at, 1, advice)), 'done', advice)
  assert.equal(world.says(world.advise(space, file, 1, 'wipeonfork')), 'EINVAL')
  assert.equal(world.says(world.advise(space, heap, 1, 'wipeonfork')), 'done')
  world.finish()
})
