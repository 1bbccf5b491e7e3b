/** Endurance of the hardware MMU, a little of each trial; `npm run endure` is the campaign. */
import assert from 'node:assert/strict'
import { openSync } from 'node:fs'
import { describe, test } from 'node:test'
import { scratch } from '../map/world.suite.ts'
import { unavailable } from '../uffd/hardware.suite.ts'
import { kills, Leak, mapsAndUnmaps, pagers, type Trials, terminations } from './endurance.ts'

const progress = () => {}

describe('nothing is left of', { skip: unavailable, timeout: 120_000 }, () => {
  for (const [title, play, count] of [
    ['mappings that were unmapped', mapsAndUnmaps, 100],
    ['pagers that were stopped', pagers, 3],
    ['workers that were terminated while they waited for a page', terminations, 2],
    ['processes that were killed', kills, 2],
  ] as const)
    test(title, async t => {
      const found = await play(count, { directory: scratch(t), seed: 1, progress })
      assert.equal(found.count, count)
    })

  test('and what is left is found', async t => {
    const path = `${scratch(t)}/left`
    const trials: Trials = {
      directory: scratch(t),
      seed: 1,
      progress: at => {
        if (at === 1) openSync(path, 'w')
      },
    }
    await assert.rejects(mapsAndUnmaps(2, trials), Leak)
  })
})
