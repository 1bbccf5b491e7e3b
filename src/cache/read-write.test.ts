/** Write calls: what of a page they don't write stays as it was. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PAGE, World } from '../engine/world.suite.ts'

test('a write into a part of a page that isn’t in memory leaves the rest of it', () => {
  for (const [at, length] of [
    [0, 10],
    [PAGE - 10, 10],
    [100, 10],
  ] as const) {
    const world = new World()
    const data = world.file('data', { pages: 3, holding: false })
    assert.equal(world.says(world.write(data, PAGE + at, new Uint8Array(length).fill(99))), 'done')
    const read = world.read(data, PAGE, PAGE)
    assert.equal(world.says(read), 'done')
    const expected = new Uint8Array(PAGE).fill(2).fill(99, at, at + length)
    assert.deepEqual(read.args.buffer, expected)
    world.finish()
  }
})
