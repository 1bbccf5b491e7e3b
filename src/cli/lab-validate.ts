/** faultline lab validate: the lab's model against the kernel that runs. */
import { Command } from 'commander'
import { NotHere, type Validated, validate, validatedText } from '../validate/index.ts'
import { explained, interruptible, Progress, printJson } from './terminal.ts'
import { WrongWords } from './words.ts'

/** Above this the model says something else than the kernel. */
const ERROR_MAX = 0.1

interface ValidateFlags {
  readonly json?: true
}

export function validateCommand(): Command {
  const command = new Command('validate')
    .description(
      'make the experiments of the mail on this kernel and in the model, and say how far they are apart',
    )
    .option('--json', 'print one row for each experiment as JSON')
    .action((flags: ValidateFlags) => run(flags))
  return explained(
    command,
    ['lab validate', 'lab validate --json > validated.json'],
    '0 no stall above 100 ms is off by more than 10 %, and none above 10 ms is missing; 1 one is; 2 it can’t be made here: it needs root, Linux on x64, and koffi.',
  )
}

async function run({ json }: ValidateFlags): Promise<void> {
  const progress = new Progress()
  let rows: Validated[]
  try {
    rows = await validate(name => progress.step(name), interruptible())
  } catch (error) {
    if (error instanceof NotHere) throw new WrongWords(`lab validate can’t be made here: ${error.message}`)
    throw error
  } finally {
    progress.stop()
  }
  if (json) printJson(rows)
  else console.log(validatedText(rows))
  if (rows.some(({ error }) => error > ERROR_MAX)) process.exitCode = 1
}
