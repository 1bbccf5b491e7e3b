/**
 * The daemon killed many times while programs write and make durable.
 *
 *     node --conditions=faultline-source src/mount/kills.fuzz.ts [--times N] [--seed N]
 *
 * Takes root. Ends with 1 at the first promise that wasn't kept.
 */
import { parseArgs } from 'node:util'
import { Prng } from '../base/index.ts'
import { killOnce } from './kills.suite.ts'
import { Mounted, unavailable } from './mounting.suite.ts'

const { values } = parseArgs({
  options: { times: { type: 'string', default: '200' }, seed: { type: 'string', default: '1' } },
})
const why = unavailable()
if (why !== undefined) throw new Error(why)
const mounted = await Mounted.make({ after: () => {} }, '256MiB')
const chance = new Prng(Number(values.seed))
let from = 0
let kills = 0
let wrong: readonly string[] = []
for (; kills < Number(values.times) && wrong.length === 0; kills++) {
  const round = await killOnce(mounted, chance, from)
  from = round.reached
  wrong = round.wrong
}
for (const sentence of wrong) console.log(sentence)
console.log(
  `${kills} kills from seed ${values.seed}, ${from} rounds of each writer: ${wrong.length} promises broken`,
)
await mounted.remove()
process.exitCode = wrong.length === 0 ? 0 : 1
