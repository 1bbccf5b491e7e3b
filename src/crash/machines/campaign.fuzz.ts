/**
 * Writers of a volume of many machines killed, stopped and overtaken, its database and its bucket failing: `npm run kill:machines -- --turns 100 --seed 5`.
 *
 * Exit status   0 nothing promised was missing, and nothing mixed · 1 otherwise · 2 the words were wrong
 */
import { parseArgs } from 'node:util'
import { Prng } from '../../base/index.ts'
import { LONG_TURNS, machinesCampaign, TURNS } from './campaign.suite.ts'

const { values } = parseArgs({
  options: {
    turns: { type: 'string', default: '100' },
    // The same seed has the same turns, but the moments are the host's.
    seed: { type: 'string', default: '1' },
    only: { type: 'string' },
  },
})
const [turns, seed] = [Number(values.turns), Number(values.seed)]
const kinds =
  values.only === undefined ? TURNS : [...TURNS, ...LONG_TURNS].filter(kind => kind === values.only)
if (
  !Number.isSafeInteger(turns) ||
  !Number.isSafeInteger(seed) ||
  turns < 0 ||
  seed < 0 ||
  kinds.length === 0
) {
  console.error(
    `kill:machines: --turns and --seed: expected whole numbers from 0; --only: one of ${[...TURNS, ...LONG_TURNS].join(', ')}`,
  )
  process.exit(2)
}
const prng = new Prng(seed)
let done = 0
try {
  const report = await machinesCampaign({
    seed,
    plan: Array.from({ length: turns }, () => kinds[prng.below(kinds.length)]!),
    progress: count => {
      done = count
      if (process.stderr.isTTY === true) process.stderr.write(`\r${count} of ${turns}`)
    },
  })
  console.log(JSON.stringify(report, undefined, 2))
} catch (error) {
  console.log((error as Error).message)
  console.log(
    `again: npm run kill:machines -- --seed ${seed} --turns ${done + 1}${values.only === undefined ? '' : ` --only ${values.only}`}`,
  )
  process.exitCode = 1
}
