/** Where a space finds room. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { World } from '../engine/world.suite.ts'
import { VPN_END } from '../mmu/index.ts'

test('large mappings begin at a multiple of their size, next to one another', () => {
  const world = new World()
  const a = world.space('a')
  world.map(a, undefined, { pages: 1 })
  const first = a.findFree(2000, VPN_END)
  assert.equal(first, 2048)
  assert.equal(a.findFree(2000, VPN_END), 2 * 2048)
})
