/** Can the lab fail? Every planted bug is found, by some scenario, under the discipline in which it is a bug. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CANARIES } from './canaries.ts'
import { catchCanary } from './job.ts'

for (const { name, says } of CANARIES)
  test(`the canary ${name} is found: ${says}`, () => {
    assert.equal(catchCanary(name).found, true)
  })

test('canaries have names of their own', () => {
  assert.equal(new Set(CANARIES.map(({ name }) => name)).size, CANARIES.length)
})
