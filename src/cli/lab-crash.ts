/**
 * `faultline lab crash`: volumes, crashed at every write.
 *
 * Exit status   0  everything that a crash may leave was as promised     1  it wasn't, or a line couldn't be replayed
 */
import { Command, Option } from 'commander'
import {
  type Campaign,
  PLANTED,
  plantedNamed,
  replayCrash,
  runCampaign,
  WORKLOAD_KINDS,
  type WorkloadKind,
} from '../crash/index.ts'
import { explained, interruptible, Progress, printJson, printText, wrap } from './terminal.ts'
import { count, nameOf, seed, WrongWords, workers } from './words.ts'

interface CrashFlags {
  readonly seed: number
  readonly states: number
  readonly workloads: readonly WorkloadKind[]
  readonly workers: number
  readonly replay?: string
  readonly canary?: string
  readonly json?: true
}

const WORKLOADS = `
Workloads: "make" makes a volume; "one" and "two" are all of one operation and of two, for pages of the cache, DAX and DAX with MAP_SYNC; "random" are longer ones by chance, until --states have been seen.`

const EXAMPLES = [
  'lab crash --workloads make,one',
  'lab crash --states 100000000 --seed 7',
  "lab crash --replay 'cache apart oldest-first: clone sync @ 4.0'",
  'lab crash --workloads one --canary flush-skipped',
]

export function crashCommand(): Command {
  const command = new Command('crash')
    .description('crash a volume at every write of many workloads, and recover from all that may be left')
    .addOption(seed('of what is chosen by chance'))
    .addOption(
      new Option('--states <n>', 'add random workloads until so many states have been seen')
        .default(1_000_000, 'a million')
        .argParser(count(1)),
    )
    .addOption(
      new Option('--workloads <kinds>', 'which, by commas')
        .default([...WORKLOAD_KINDS], 'all')
        .argParser(kindsOf),
    )
    .addOption(workers())
    .option('--replay <line>', 'recover again from the one state that a violation tells of')
    .option('--canary <name>', 'with this bug planted', canaryName)
    .option('--json', 'print { states, workloads, seconds, violations, … } as JSON')
    .addHelpText('after', () => wrap(WORKLOADS))
    .action((flags: CrashFlags) => (flags.replay === undefined ? crash(flags) : replay(flags, flags.replay)))
  return explained(command, EXAMPLES, '0 everything that a crash may leave was as promised; 1 it wasn’t.')
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
  if (json) printJson(campaign)
  else printText(campaignText(campaign, canary))
  if (campaign.violations.length > 0) process.exitCode = 1
}

function replay({ seed, canary, json }: CrashFlags, line: string): void {
  const found = replayCrash(line, seed, plantedNamed(canary))
  if (typeof found === 'string') throw new WrongWords(found)
  if (json) printJson(found)
  else printText(`a crash at ${found.moment}, after ${found.when}: ${found.says}`)
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

function kindsOf(text: string): WorkloadKind[] {
  return text.split(',').map(nameOf(WORKLOAD_KINDS, 'workloads'))
}

const canaryName = nameOf(
  PLANTED.map(each => each.name),
  'canaries',
)
