/**
 * Random operations on a filesystem against a flat model.
 *
 *     node src/posix/exercise.ts DIRECTORY [--seed N] [--count N]
 *
 * Takes root, and Linux. Ends with 1, and the line that replays it, at the first answer that isn't the model's.
 */
import { parseArgs } from 'node:util'
import { exercise } from './campaign.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { seed: { type: 'string', default: '1' }, count: { type: 'string', default: '100000' } },
})
const [directory] = positionals
const [seed, count] = [Number(values.seed), Number(values.count)]
const { done, seconds, differs } = exercise(directory!, { seed, count })
const rate = Math.round(done / seconds)
if (differs === undefined)
  console.log(`${done} operations from seed ${seed}: as the model says; ${rate} a second`)
else {
  console.log(
    `operation ${done}: ${differs}; node src/posix/exercise.ts ${directory} --seed ${seed} --count ${done}`,
  )
  process.exitCode = 1
}
