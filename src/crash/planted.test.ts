/** Can the search fail? Every planted bug is found, and the line that tells of it finds it again. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { crashWorkloads, replayCrash } from './explore.ts'
import { PLANTED } from './planted.ts'
import { workloadFrom } from './workloads.ts'

const SEED = 1

/** Of the bounded workloads one that shows the bug. */
const SHOWN_BY: Readonly<Record<string, string>> = {
  'flush-nothing': 'cache nothing oldest-first:',
  'first-block-unflushed': 'cache nothing newest-first:',
  'flush-skipped': 'cache apart oldest-first: write-head sync',
  'extent-before-data': 'cache apart oldest-first: write-head write-grow sync',
  'promise-before-commit': 'cache apart oldest-first: write-head sync',
  'freed-at-once': 'cache apart oldest-first: write-head punch-page sync',
  'record-left-out': 'cache apart oldest-first: write-head sync',
  'clone-uncounted': 'dax clones oldest-first: clone-self sync',
  'orphan-forgotten': 'dax plain oldest-first: rename-over sync',
  'unshared-forgotten': 'dax plain-clones oldest-first: truncate-zero store-b sync',
  'map-sync-forgotten': 'dax-sync clones oldest-first: store-head sync',
}

for (const planted of PLANTED)
  test(`the planted bug ${planted.name} is found: ${planted.says}`, () => {
    const workload = workloadFrom(SHOWN_BY[planted.name]!)
    assert.ok(typeof workload === 'object')
    assert.deepEqual(crashWorkloads([workload], SEED).violations, [])
    const [violation] = crashWorkloads([workload], SEED, planted).violations
    assert.ok(violation, 'it is found')
    const again = replayCrash(violation.replay, SEED, planted)
    assert.ok(typeof again === 'object' && again.says === violation.says, JSON.stringify(again))
    const sound = replayCrash(violation.replay, SEED)
    assert.ok(typeof sound === 'string' || !sound.wrong, 'without the bug nothing is wrong there')
  })
