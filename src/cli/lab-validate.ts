/** faultline lab validate: the lab's model against the kernel that runs, or against traces of others. */
import { Command, Option } from 'commander'
import { renderPage, type Timeline } from '../report/index.ts'
import { TraceError } from '../trace/index.ts'
import {
  FAULTS,
  FILESYSTEMS,
  GIVEN,
  NotHere,
  READERS,
  type Validated,
  validate,
  validatedText,
  validateTraces,
  validationReport,
  WRITERS,
} from '../validate/index.ts'
import { checkOutputs, writeOutput } from './output.ts'
import { explained, interruptible, Progress, printJson, printText } from './terminal.ts'
import { clockHz, nameOf, several, WrongWords } from './words.ts'

/** Above this the model says something else than the kernel. */
const ERROR_MAX = 0.1

interface ValidateFlags {
  readonly filesystem?: readonly (typeof FILESYSTEMS)[number][]
  readonly fault?: readonly (typeof FAULTS)[number][]
  readonly writer?: readonly (typeof WRITERS)[number][]
  readonly reader?: readonly (typeof READERS)[number][]
  readonly trace?: readonly string[]
  readonly clockHz?: number
  readonly out?: string
  readonly json?: true
}

export function validateCommand(): Command {
  const command = new Command('validate')
    .description('make experiments on this kernel and in the model, and say how far they are apart')
    .addOption(one('--filesystem <names...>', 'where its file lies', FILESYSTEMS, 'filesystems'))
    .addOption(one('--fault <names...>', 'what a thread waits for', FAULTS, 'faults'))
    .addOption(one('--writer <names...>', 'what another thread does beside it', WRITERS, 'writers'))
    .addOption(one('--reader <names...>', 'which files of /proc are read', READERS, 'readers'))
    .addOption(
      new Option(
        '--trace <files...>',
        'in place of experiments, traces of kernels elsewhere, each by itself',
      ).conflicts(['filesystem', 'fault', 'writer', 'reader']),
    )
    .addOption(clockHz())
    .option('--out <page>', 'write a page to look at: validated.html')
    .option('--json', 'print one row for each experiment or trace as JSON')
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
      'lab validate --trace trace-a.txt trace-b.dat.gz --out validated.html',
    ],
    '0 no stall above 100 ms is off by more than 10 %, and none above 10 ms is missing; 1 one is, or a trace couldn’t be read; 2 it can’t be made here: it needs root, Linux on x64, and koffi.',
  )
}

function one<T extends string>(flag: string, about: string, names: readonly T[], what: string): Option {
  return new Option(flag, `${about}: ${names.join(', ')}`).argParser(several(nameOf(names, what)))
}

async function run(flags: ValidateFlags): Promise<void> {
  const { trace, out, json } = flags
  if (flags.clockHz !== undefined && trace === undefined)
    throw new WrongWords('--clock-hz is the rate of a trace’s clock; name the trace with --trace')
  checkOutputs({ '--out': out }, trace ?? [])
  const { rows, timelines, unread } = await compared(flags)
  if (rows.length > 0 && out !== undefined) {
    const madeBy = `faultline ${process.argv.slice(2).join(' ')}`
    const given = trace === undefined ? GIVEN.experiments : GIVEN.traces
    writeOutput(out, [renderPage(validationReport({ rows, timelines, given, madeBy }))])
  }
  if (rows.length > 0) {
    if (json) printJson(rows)
    else printText(validatedText(rows))
  }
  const [first] = unread
  if (first !== undefined) throw new TraceError(unread.map(({ message }) => message).join('; '), first.code)
  if (rows.some(({ error }) => error !== null && error > ERROR_MAX)) process.exitCode = 1
}

interface Compared {
  readonly rows: readonly Validated[]
  readonly timelines: readonly Timeline[]
  readonly unread: readonly TraceError[]
}

async function compared({
  filesystem,
  fault,
  writer,
  reader,
  trace,
  clockHz: hz,
}: ValidateFlags): Promise<Compared> {
  const progress = new Progress()
  const onStep = (name: string, at: number, of: number) => progress.step(`${at}/${of}  ${name}`)
  const signal = interruptible()
  try {
    if (trace !== undefined)
      return await validateTraces(trace, { onStep, signal, ...(hz !== undefined && { clockHz: hz }) })
    const wanted = { filesystems: filesystem, faults: fault, writers: writer, readers: reader }
    return { rows: await validate({ ...wanted, onStep, signal }), timelines: [], unread: [] }
  } catch (error) {
    if (error instanceof NotHere) throw new WrongWords(`lab validate can’t be made here: ${error.message}`)
    throw error
  } finally {
    progress.stop()
  }
}
