/** Machines that share a store, in every order of what may happen; and the ways to be wrong that must be found. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { SHARED_MUTANTS, SHARED_PLANS } from './mutants.ts'
import { walk } from './walk.ts'

describe('machines that share a store', () => {
  for (const plan of SHARED_PLANS)
    test(`${plan.name}: nothing is wrong in any state (ST5 to ST9, VS5)`, () => {
      const { states, broken } = walk(plan)
      assert.equal(broken, undefined)
      assert.ok(states > 100, `${states} states`)
    })

  for (const { name, says, plan, plant } of SHARED_MUTANTS)
    test(`a mutant is found: ${name}, ${says}`, () => {
      assert.ok(walk(plan, plant).broken !== undefined)
    })
})
