/**
 * `faultline lab crash`: volumes, crashed at every write.
 *
 * Exit status   0  everything that a crash may leave was as promised     1  it wasn't, or a line couldn't be replayed
 */
import { availableParallelism } from 'node:os'
import { Command, InvalidArgumentError, Option } from 'commander'
import {
  type Campaign,
  PLANTED,
  plantedNamed,
  replayCrash,
  runCampaign,
  WORKLOAD_KINDS,
  type WorkloadKind,
} from '../crash/index.ts'
import { didYouMean } from '../group/index.ts'
import { interruptible, Progress } from './terminal.ts'

interface CrashFlags {
  readonly seed: number
  readonly states: number
  readonly workloads: readonly WorkloadKind[]
  readonly workers: number
  readonly replay?: string
  readonly canary?: string
  readonly json?: true
}

const HELP = `
Workloads: "make" makes a volume; "one" and "two" are all of one operation and of two, for pages of the
cache, DAX and DAX with MAP_SYNC; "random" are longer ones by chance, until --states have been seen.

Exit status: 0 everything that a crash may leave was as promised; 1 it wasn’t.`

export function crashCommand(): Command {
  return new Command('crash')
    .description('crash a volume at every write of many workloads, and recover from all that may be left')
    .option('--seed <n>', 'of what is chosen by chance', countFrom(0), 1)
    .option(
      '--states <n>',
      'add random workloads until so many states have been seen',
      countFrom(1),
      1_000_000,
    )
    .option('--workloads <kinds>', 'which, by commas', kindsOf, [...WORKLOAD_KINDS])
    .addOption(
      new Option('--workers <n>', 'threads to use')
        .default(availableParallelism(), 'one for each processor')
        .argParser(countFrom(1)),
    )
    .option('--replay <line>', 'recover again from the one state that a violation tells of')
    .option('--canary <name>', 'with this bug planted', canaryName)
    .option('--json', 'print { states, workloads, seconds, violations, … } as JSON')
    .addHelpText('after', HELP)
    .action((flags: CrashFlags) => (flags.replay === undefined ? crash(flags) : replay(flags, flags.replay)))
}

async function crash({ seed, states, workloads, workers, canary, json }: CrashFlags): Promise<void> {
  const progress = new Progress()
  progress.step('the first batches')
  const campaign = await runCampaign({
    seed,
    states,
    kinds: workloads,
    workers,
    planted: canary,
    signal: interruptible(),
    progress: says => progress.step(says),
  }).finally(() => progress.stop())
  console.log(json ? JSON.stringify(campaign, null, 2) : campaignText(campaign, canary))
  if (campaign.violations.length > 0) process.exitCode = 1
}

function replay({ seed, canary, json }: CrashFlags, line: string): void {
  const found = replayCrash(line, seed, plantedNamed(canary))
  if (typeof found === 'string') {
    console.error(`faultline: ${found}`)
    process.exitCode = 1
    return
  }
  console.log(
    json ? JSON.stringify(found, null, 2) : `a crash at ${found.moment}, after ${found.when}: ${found.says}`,
  )
  if (found.wrong) process.exitCode = 1
}

function campaignText(
  { seed, seconds, kinds, violations, ...total }: Campaign,
  canary: string | undefined,
): string {
  const options = `--seed ${seed}${canary === undefined ? '' : ` --canary ${canary}`}`
  const rows = [...Object.entries(kinds), ['all', total] as const].map(
    ([kind, { workloads, states, distinct, afterwards }]) =>
      kind.padEnd(8) +
      [workloads, states, distinct, afterwards].map(count => number(count).padStart(14)).join(''),
  )
  const told = violations.flatMap(({ says, when, replay: line }) => [
    `${says}  (after ${when})`,
    `    faultline lab crash ${options} --replay '${line}'`,
  ])
  return [
    `${'workloads'.padStart(22)}${'states'.padStart(14)}${'distinct'.padStart(14)}${'in recovery'.padStart(14)}`,
    ...rows,
    '',
    ...told,
    `${seconds} s, ${number(Math.round(total.states / seconds))} states a second`,
    violations.length === 0
      ? 'after every crash everything was as promised'
      : `${violations.length} violations`,
  ].join('\n')
}

function number(count: number): string {
  return count.toLocaleString('en')
}

function countFrom(least: number): (text: string) => number {
  return text => {
    const count = Number(text)
    if (!Number.isSafeInteger(count) || count < least)
      throw new InvalidArgumentError(`expected a whole number from ${least}.`)
    return count
  }
}

function kindsOf(text: string): WorkloadKind[] {
  return text.split(',').map(word => {
    const found = WORKLOAD_KINDS.find(kind => kind === word)
    if (found === undefined)
      throw new InvalidArgumentError(
        `the kinds are ${WORKLOAD_KINDS.join(', ')}${didYouMean(word, WORKLOAD_KINDS)}.`,
      )
    return found
  })
}

function canaryName(name: string): string {
  const names = PLANTED.map(each => each.name)
  if (!names.includes(name))
    throw new InvalidArgumentError(
      `no canary is called so${didYouMean(name, names)}; there are ${names.join(', ')}.`,
    )
  return name
}
