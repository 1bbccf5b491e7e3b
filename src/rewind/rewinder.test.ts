/** Is a machine that was put back the machine that it was? */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Prng } from '../base/index.ts'
import { Machine } from '../explore/machine.ts'
import { Walker } from '../explore/walker.ts'
import { DISCIPLINES } from '../mm/index.ts'
import { SCENARIOS } from '../scenarios/index.ts'

test('a machine that was put back goes on as one that was run from the beginning', () => {
  const chance = new Prng(7)
  for (const scenario of SCENARIOS)
    for (let round = 0; round < 10; round++) {
      const row = chance.pick(DISCIPLINES)
      const walker = new Walker(new Machine(scenario, row))
      const fresh = new Walker(new Machine(scenario, row))
      for (let steps = 0; steps < 30; steps++) {
        const choices = walker.machine.choices()
        if (choices.length === 0) break
        const place = walker.save()
        const before = walker.fullKey()
        for (let astray = 0; astray < 3 && walker.machine.choices().length > 0; astray++)
          walker.take(chance.pick(walker.machine.choices()))
        walker.restore(place)
        assert.equal(walker.fullKey(), before)
        const choice = chance.pick(choices)
        walker.take(choice)
        fresh.take(choice)
        assert.equal(walker.fullKey(), fresh.fullKey(), `${scenario.name} under ${row.name}`)
        assert.deepEqual(walker.machine.choices(), fresh.machine.choices())
      }
    }
})
