/** Moderate runs of the exerciser: every discipline, every kind of trouble, memory and a real file. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { DISCIPLINES } from '../mm/index.ts'
import { fileBackend } from './file-backend.ts'
import { inspect } from './inspect.ts'
import { PLANS, planFor } from './plans.ts'
import { exercise, type Failure, replay } from './play.ts'

function sentence(failure: Failure | undefined): string | undefined {
  return failure && `${failure.message}\nnode src/exerciser/main.ts --replay '${JSON.stringify(failure.run)}'`
}

describe('random operations agree with the flat model', () => {
  for (const { name: discipline } of DISCIPLINES)
    it(`under ${discipline}`, async () => {
      const plan = planFor('tiny', { discipline, backend: 'memory', seed: 101 })
      const { counts, failure } = await exercise(plan, 6000, { inspect })
      assert.equal(sentence(failure), undefined)
      assert.ok(counts.refaults > 500 && counts.swappedOut > 200, 'memory is tiny: pages come and go')
    })

  for (const { name, plan: ofPlan } of PLANS)
    for (const discipline of ofPlan.volume === null ? ['restart', 'linux-6.4'] : ['restart'])
      it(`in the world ${name}, under ${discipline}`, async () => {
        const plan = planFor(name, { discipline, backend: 'memory', seed: 102 })
        const { failure } = await exercise(plan, 3000, { inspect })
        assert.equal(sentence(failure), undefined)
      })

  for (const name of ['volume', 'dax'])
    for (const { name: discipline } of DISCIPLINES)
      it(`in the world ${name}, under ${discipline}`, async () => {
        const plan = planFor(name, { discipline, backend: 'memory', seed: 106 })
        const { failure } = await exercise(plan, 1500, { inspect, checkEvery: 500, lookEvery: 1 })
        assert.equal(sentence(failure), undefined)
      })

  for (const discipline of ['restart', 'hold'])
    it(`on a real file, under ${discipline}`, async () => {
      const plan = planFor('tiny', { discipline, backend: 'file', seed: 103 })
      const { failure } = await exercise(plan, 2000, { inspect, make: fileBackend })
      assert.equal(sentence(failure), undefined)
    })
})

describe('a run', () => {
  it('is the same from the same seed', async () => {
    const plan = planFor('broken', { discipline: 'restart', backend: 'memory', seed: 104 })
    const [one, other] = [await exercise(plan, 1500), await exercise(plan, 1500)]
    assert.deepEqual(one, other)
  })

  it('may lose any of its operations, and is a run', async () => {
    const plan = planFor('tiny', { discipline: 'restart', backend: 'memory', seed: 105 })
    const rounds = [
      [{ kind: 'load', space: 3, at: 0, length: 1 }],
      [{ kind: 'fork', space: 0, child: 1 }],
      [{ kind: 'exit', space: 2 }],
    ] as const
    assert.equal(await replay({ plan, rounds }), undefined)
  })
})
