/** The daemon killed three times while programs write and make durable; kills.fuzz.ts kills it as often as it is told. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Prng } from '../base/index.ts'
import { killOnce } from './kills.suite.ts'
import { Mounted, unavailable } from './mounting.suite.ts'

test('what was durable when the daemon was killed is there, and the volume is sound', {
  skip: unavailable() ?? false,
}, async t => {
  const mounted = await Mounted.make(t, '64MiB')
  const chance = new Prng(1)
  let from = 0
  for (let kill = 0; kill < 3; kill++) {
    const { wrong, reached } = await killOnce(mounted, chance, from)
    assert.deepEqual(wrong, [])
    assert.ok(reached > from)
    from = reached
  }
})
