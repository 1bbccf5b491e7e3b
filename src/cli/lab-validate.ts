/** faultline lab validate: the lab's model against the kernel that runs. */
import { Command, Option } from 'commander'
import {
  FAULTS,
  FILESYSTEMS,
  NotHere,
  READERS,
  type Validated,
  validate,
  validatedText,
  WRITERS,
} from '../validate/index.ts'
import { explained, interruptible, Progress, printJson } from './terminal.ts'
import { nameOf, several, WrongWords } from './words.ts'

/** Above this the model says something else than the kernel. */
const ERROR_MAX = 0.1

interface ValidateFlags {
  readonly filesystem?: readonly (typeof FILESYSTEMS)[number][]
  readonly fault?: readonly (typeof FAULTS)[number][]
  readonly writer?: readonly (typeof WRITERS)[number][]
  readonly reader?: readonly (typeof READERS)[number][]
  readonly json?: true
}

export function validateCommand(): Command {
  const command = new Command('validate')
    .description('make experiments on this kernel and in the model, and say how far they are apart')
    .addOption(one('--filesystem <names...>', 'where its file lies', FILESYSTEMS, 'filesystems'))
    .addOption(one('--fault <names...>', 'what a thread waits for', FAULTS, 'faults'))
    .addOption(one('--writer <names...>', 'what another thread does beside it', WRITERS, 'writers'))
    .addOption(one('--reader <names...>', 'which files of /proc are read', READERS, 'readers'))
    .option('--json', 'print one row for each experiment as JSON')
    .action((flags: ValidateFlags) => run(flags))
  command.addHelpText(
    'after',
    '\nWithout these words the usual experiments are made. With some, each of the named with each of all others.',
  )
  return explained(
    command,
    [
      'lab validate',
      'lab validate --json > validated.json',
      'lab validate --filesystem btrfs --fault writeback swap-in --writer fork mremap',
    ],
    '0 no stall above 100 ms is off by more than 10 %, and none above 10 ms is missing; 1 one is; 2 it can’t be made here: it needs root, Linux on x64, and koffi.',
  )
}

function one<T extends string>(flag: string, about: string, names: readonly T[], what: string): Option {
  return new Option(flag, `${about}: ${names.join(', ')}`).argParser(several(nameOf(names, what)))
}

async function run({ filesystem, fault, writer, reader, json }: ValidateFlags): Promise<void> {
  const progress = new Progress()
  let rows: Validated[]
  try {
    rows = await validate({
      filesystems: filesystem,
      faults: fault,
      writers: writer,
      readers: reader,
      onStep: (name, at, of) => progress.step(`${at}/${of}  ${name}`),
      signal: interruptible(),
    })
  } catch (error) {
    if (error instanceof NotHere) throw new WrongWords(`lab validate can’t be made here: ${error.message}`)
    throw error
  } finally {
    progress.stop()
  }
  if (json) printJson(rows)
  else console.log(validatedText(rows))
  if (rows.some(({ error }) => error !== null && error > ERROR_MAX)) process.exitCode = 1
}
