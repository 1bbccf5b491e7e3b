/**
 * A process that works on a volume, killed again and again: `npm run kill -- --kills 200 --seed 5`.
 *
 * Exit status   0 nothing was missing, and every check was clean · 1 otherwise · 2 the words were wrong
 */
import os from 'node:os'
import { parseArgs } from 'node:util'
import { killCampaign } from './campaign.ts'

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '200' },
    // The same seed plays the same operations, but the moments are the host's.
    seed: { type: 'string', default: '1' },
    dir: { type: 'string', default: os.tmpdir() },
    json: { type: 'boolean', default: false },
  },
})

const [kills, seed] = [Number(values.kills), Number(values.seed)]
if (!Number.isSafeInteger(kills) || !Number.isSafeInteger(seed) || kills < 0 || seed < 0) {
  console.error('kill: --kills and --seed: expected whole numbers from 0')
  process.exit(2)
}
const interrupted = new AbortController()
process.once('SIGINT', () => interrupted.abort())
const report = await killCampaign({
  seed,
  kills,
  directory: values.dir,
  signal: interrupted.signal,
  progress: done => {
    if (process.stderr.isTTY === true) process.stderr.write(`\r${done} of ${kills}`)
  },
})
const { operations, promises, seconds, failure } = report
if (failure !== null) process.exitCode = 1
console.log(
  values.json
    ? JSON.stringify(report, undefined, 2)
    : `${report.kills} kills, ${operations} operations, ${promises} syncs promised, in ${seconds.toFixed(1)} s: ${failure === null ? 'every check was clean, and nothing promised was missing' : `after kill ${failure.kill}, during ${JSON.stringify(failure.last)}: ${failure.why}`}`,
)
if (failure !== null) console.log(`again: npm run kill -- --seed ${seed} --kills ${failure.kill}`)
