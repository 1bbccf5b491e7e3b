/** The exerciser of the hardware MMU: a short run, and one that must fail. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { scratch } from '../map/world.suite.ts'
import { unavailable } from '../uffd/hardware.suite.ts'
import { exerciseArrays } from './arrays.ts'

describe('stores and loads through arrays in two threads', { skip: unavailable, timeout: 60_000 }, () => {
  test('agree with a flat model, whatever is called beside them', async t => {
    const plan = { seed: 1, pages: 128, memory: 48, path: join(scratch(t), 'file') }
    const { operations, majorFaults } = await exerciseArrays(plan, 2000)
    assert.ok(operations >= 2000)
    assert.ok(majorFaults > 500, `${majorFaults} major faults: memory was short`)
  })

  test('that nobody knows of are found out', async t => {
    const plan = { seed: 2, pages: 64, memory: 48, path: join(scratch(t), 'file') }
    const meddle = exerciseArrays(plan, 2000, (round, map) => {
      if (round === 3) map.bytes.fill(1, 0, 20 * 4096)
    })
    await assert.rejects(meddle, { name: 'Mismatch', message: /byte \d+ is 1, expected .* --seed 2/ })
  })
})
