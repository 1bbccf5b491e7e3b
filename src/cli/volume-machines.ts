/** faultline volume who, fence and collect: what is done with a volume of many machines without opening it. */
import { Command } from 'commander'
import { owners } from '../store/index.ts'
import { collectShared, fenceShared, whoShares } from '../volumes/index.ts'
import { explained, interruptible, Progress, printJson, printLine } from './terminal.ts'
import { sharedMeta, sharedPlace } from './volume-open.ts'
import { shownBytes, WrongWords } from './words.ts'

interface JsonFlag {
  readonly json?: true
}

const META = 'postgres://host/database'

export function whoCommand(): Command {
  const command = new Command('who')
    .description('say who has a volume open')
    .argument('<volume>')
    .option('--json', 'print it as JSON')
    .action(who)
  return explained(command, ['volume who data.vol', `volume who photos --meta ${META} --json`])
}

export function fenceCommand(): Command {
  const command = new Command('fence')
    .description(
      'take a volume of many machines from the one that writes: what it has not made durable is lost',
    )
    .argument('<volume>')
    .option('--json', 'print what was done as JSON')
    .action(fence)
  return explained(command, [`volume fence photos --meta ${META}`])
}

export function collectCommand(): Command {
  const command = new Command('collect')
    .description('remove from the bucket of a volume of many machines what nobody can see any more')
    .argument('<volume>')
    .option('--dry-run', 'say what would go, and leave it')
    .option('--json', 'print what went as JSON')
    .action(collectGarbage)
  return explained(command, [
    `volume collect photos --meta ${META} --dry-run`,
    `volume collect photos --meta ${META} --json`,
  ])
}

async function collectGarbage(name: string, words: JsonFlag & { readonly dryRun?: true }): Promise<void> {
  const meta = sharedMeta()
  if (meta === undefined)
    throw new WrongWords(`collect: expected a volume of many machines, with --meta ${META}`)
  const isDry = words.dryRun === true
  const progress = new Progress()
  progress.step(`collect ${name}`)
  try {
    const collected = await collectShared(
      name,
      { ...sharedPlace(), meta },
      {
        how: isDry ? 'only count' : 'collect',
        signal: interruptible(),
        progress: objects => progress.note(`${objects} objects`),
      },
    )
    progress.stop()
    if (words.json === true) printJson({ volume: name, dryRun: isDry, ...collected })
    else {
      const { segments, bytes, live, dead, deadBytes, thin, thinBytes, orphans } = collected
      printLine(`${name}: ${segments} segments of ${shownBytes(bytes)}, ${shownBytes(live)} of them in use`)
      printLine(
        `${dead} segments of ${shownBytes(deadBytes)} and ${orphans} objects that were never part of it ${isDry ? 'would go' : 'are gone'}`,
      )
      printLine(
        `${thin} segments that are mostly dead ${isDry ? 'would be' : 'were'} rewritten, which frees ${shownBytes(thinBytes)}`,
      )
    }
  } finally {
    progress.stop()
  }
}

async function who(path: string, { json }: JsonFlag): Promise<void> {
  const meta = sharedMeta()
  if (meta === undefined) {
    const here = owners(path)
    if (json === true)
      printJson({
        volume: path,
        openings: here.map(({ mode, pid, host, since }) => ({ mode, pid, host, since })),
      })
    else if (here.length === 0) printLine(`${path}: no process of this computer has it open`)
    else
      for (const { mode, pid, host, since } of here)
        printLine(`${verb(mode)}  process ${pid} on ${host}, since ${since}`)
    return
  }
  const { epoch, head, openings } = await whoShares(path, meta)
  if (json === true) {
    printJson({
      volume: path,
      epoch,
      commit: head,
      openings: openings.map(({ mode, owner, at, seconds }) => ({ mode, ...owner, commit: at, seconds })),
    })
    return
  }
  printLine(
    `${path}: commit ${head}, epoch ${epoch}; ${openings.length === 0 ? 'nobody has' : `${openings.length} have`} it open`,
  )
  for (const { mode, owner, at, seconds } of openings)
    printLine(
      `${verb(mode)}  process ${owner.pid} on ${owner.host}, since ${owner.since}; at commit ${at}; its lease runs ${seconds.toFixed(1)} s yet`,
    )
}

async function fence(name: string, { json }: JsonFlag): Promise<void> {
  const meta = sharedMeta()
  if (meta === undefined)
    throw new WrongWords(
      `fence: expected a volume of many machines, with --meta ${META}; the kernel takes the lock from a process of this computer that has gone`,
    )
  const { epoch, openings } = await fenceShared(name, meta)
  const from = openings.find(({ mode }) => mode === 'r+')?.owner
  if (json === true) printJson({ volume: name, epoch, from })
  else
    printLine(
      from === undefined
        ? `${name}: nobody had it open to write; its epoch is ${epoch}`
        : `${name}: taken from process ${from.pid} on ${from.host}; its epoch is ${epoch}, and what that process syncs from now on ends with ESTALE`,
    )
}

function verb(mode: 'r' | 'r+'): string {
  return mode === 'r+' ? 'writes' : 'reads '
}
