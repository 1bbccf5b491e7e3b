/** Where a space finds room. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { World } from '../engine/world.suite.ts'
import { VPN_END } from '../mmu/index.ts'
import { disciplineNamed } from './index.ts'

test('large mappings begin at a multiple of their size, next to one another', () => {
  const world = new World()
  const a = world.space('a')
  world.map(a, undefined, { pages: 1 })
  const first = a.findFree(2000, VPN_END)
  assert.equal(first, 2048)
  assert.equal(a.findFree(2000, VPN_END), 2 * 2048)
})

test('says that there is no room below an end', () => {
  const a = new World().space('a')
  assert.equal(a.findFree(2 ** 20, 2 ** 19), -1)
})

test('mappings that are alike are one where they touch, and nowhere else', () => {
  const world = new World()
  const a = world.space('a')
  for (const [fixed, vmas] of [
    [1000, 1],
    [1010, 2],
    [1020, 3],
    [1012, 3],
    [1002, 3],
  ] as const) {
    world.map(a, undefined, { pages: 2, fixed })
    assert.equal(a.vmas.size, vmas, `${fixed}`)
  }
  world.finish()
})

test('counts which lock each attempt took', () => {
  for (const [discipline, locks] of [
    ['hold', { mapLocks: 1, vmaLocks: 0 }],
    ['restart', { mapLocks: 0, vmaLocks: 1 }],
  ] as const) {
    const world = new World({ discipline: disciplineNamed(discipline)! })
    const a = world.space('a')
    world.fault(a, world.map(a, undefined), 'store')
    const { mapLocks, vmaLocks } = a.stat
    assert.deepEqual({ mapLocks, vmaLocks }, locks)
    world.finish()
  }
})
