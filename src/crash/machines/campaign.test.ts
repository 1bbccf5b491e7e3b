/** One turn of each kind of the campaign against a volume of many machines: npm run kill:machines has more. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NO_POSTGRES } from '../../machines/postgres-server.fixture.ts'
import { machinesCampaign, TURNS } from './campaign.suite.ts'

test('nothing that was promised is missing, and nothing mixes, whoever is killed, stopped or refuses', {
  skip: NO_POSTGRES,
}, async () => {
  const { turns, promised, looks, answersLost } = await machinesCampaign({ seed: 1, plan: TURNS })
  assert.deepEqual(turns, { kill: 1, stop: 1, database: 1, bucket: 1 })
  assert.ok(promised >= TURNS.length && looks === TURNS.length + 2 && answersLost > 0)
})
