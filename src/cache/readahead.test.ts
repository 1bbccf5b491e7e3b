/** Readahead of a group that is at its limit: as far as its own older pages give way, and never the page in use. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { World } from '../machine/world.suite.ts'

/** Loads each page of a file in order, in a group that may have `max` pages. Returns how often it waited for a device. */
function scanned(pages: number, max: number): number {
  const world = new World({ frames: 2 * pages })
  const data = world.file('data', { pages, holding: false })
  const group = world.group({ max })
  const a = world.space('a', group)
  const at = world.map(a, data, { advice: 'sequential' })
  for (let page = 0; page < pages; page++) {
    if (world.rights(a, at + page) === '') assert.equal(world.says(world.fault(a, at + page, 'load')), 'done')
    assert.equal(world.value(a, at + page), (page + 1) & 255)
    assert.ok(world.engine.memory.ledger.usage(group) <= max)
  }
  const { pgmajfault } = world.engine.memory.ledger.stat(group)
  world.finish()
  return pgmajfault
}

describe('readahead', () => {
  it('goes on at memory.max as it does below it', () => {
    const [below, at] = [scanned(1000, 1000), scanned(1000, 400)]
    // Reclaim now and then takes a page of a window before its turn. A wait for each window would be some twenty.
    assert.ok(at <= below + 4, `${at} waits at the limit, ${below} below it`)
  })

  it('keeps the page whose fault started it, however little there is', () => {
    for (const max of [1, 2, 5, 33]) scanned(100, max)
  })
})
