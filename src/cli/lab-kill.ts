/** faultline lab kill: a process that works on a volume, killed again and again. */
import os from 'node:os'
import { Command, InvalidArgumentError } from 'commander'
import { killCampaign } from '../crash/index.ts'
import { interruptible, Progress } from './terminal.ts'

interface KillWords {
  readonly kills: number
  readonly seed: number
  readonly dir: string
  readonly json?: true
}

export function killCommand(): Command {
  return new Command('kill')
    .description('kill a process that works on a volume at random moments, and look for what it had promised')
    .option('--kills <n>', 'how often', whole, 200)
    .option(
      '--seed <n>',
      'chance: the same seed plays the same operations, but the moments are the host’s',
      whole,
      1,
    )
    .option('--dir <directory>', 'where the volume is made, and removed', os.tmpdir())
    .option('--json', 'print what came of it as JSON')
    .addHelpText('after', '\nExit status: 0 nothing was missing, and every check was clean; 1 otherwise.')
    .action(run)
}

async function run({ kills, seed, dir, json }: KillWords): Promise<void> {
  const progress = new Progress()
  progress.step(`${kills} kills`)
  const report = await killCampaign({
    seed,
    kills,
    directory: dir,
    signal: interruptible(),
    progress: done => progress.note(`${done} of ${kills}`),
  }).finally(() => progress.stop())
  const { operations, promises, seconds, failure } = report
  if (failure !== null) process.exitCode = 1
  if (json === true) {
    console.log(JSON.stringify(report, undefined, 2))
    return
  }
  console.log(
    `${report.kills} kills, ${operations} operations, ${promises} syncs promised, in ${seconds.toFixed(1)} s: ${failure === null ? 'every check was clean, and nothing promised was missing' : `after kill ${failure.kill}, during ${JSON.stringify(failure.last)}: ${failure.why}`}`,
  )
  if (failure !== null) console.log(`again: faultline lab kill --seed ${seed} --kills ${failure.kill}`)
}

function whole(text: string): number {
  const number = Number(text)
  if (!Number.isSafeInteger(number) || number < 0)
    throw new InvalidArgumentError('expected a whole number from 0.')
  return number
}
