/** faultline volume dedupe, collapse, insert, grow, shrink and status: on a volume, or through the daemon of one that is mounted. */
import { Command } from 'commander'
import { printable } from '../base/index.ts'
import { FaultlineError } from '../calls/index.ts'
import { askMounted, type MountStatus, mountOf, type PathRange, type SlowRequest } from '../mount/index.ts'
import type { Volume } from '../volumes/index.ts'
import { explained, printJson, printLine } from './terminal.ts'
import { ask, inVolume, sharedMeta } from './volume-open.ts'
import { shownBytes, size, volumePath } from './words.ts'

interface JsonFlag {
  readonly json?: true
}

export function rangeCommands(): Command[] {
  const dedupe = new Command('dedupe')
    .description('let two files that hold the same lie in the same blocks')
    .argument('<volume>', 'the volume, or where it is mounted')
    .argument('<path>', 'a path of the volume, from /', volumePath)
    .argument('<other>', 'the file that gives its blocks up', volumePath)
    .option('--json', 'print what was done as JSON')
    .action(dedupeFiles)
  const grow = new Command('grow')
    .description('let a volume hold more')
    .argument('<volume>', 'the volume, or where it is mounted')
    .argument('<size>', 'how much data it is to hold', size())
    .option('--json', 'print what was done as JSON')
    .action(growTo)
  const shrink = new Command('shrink')
    .description('let a volume hold less: what lies in the blocks that go moves to others')
    .argument('<volume>')
    .argument('<size>', 'how much data it is to hold', size())
    .option('--json', 'print what was done as JSON')
    .action(shrinkTo)
  const status = new Command('status')
    .description('say what the daemon of a mounted volume is doing')
    .argument('<volume>', 'the volume, or where it is mounted')
    .option('--json', 'print all of it as JSON')
    .action(tellStatus)
  return [
    explained(
      dedupe,
      ['volume dedupe data.vol /a /b', 'volume dedupe /mnt/data /a /b --json'],
      '0 they hold the same; 1 they differ, and nothing was changed.',
    ),
    shifting('collapse', 'take whole blocks out of a file: what lies behind them moves down'),
    shifting('insert', 'put a hole into the midst of a file: what lies there moves up'),
    explained(grow, ['volume grow data.vol 2GiB', 'volume grow /mnt/data 2GiB']),
    explained(shrink, ['volume shrink data.vol 512MiB', 'volume shrink data.vol 512MiB --json']),
    explained(status, ['volume status /mnt/data', 'volume status data.vol --json']),
  ]
}

function shifting(name: 'collapse' | 'insert', about: string): Command {
  const command = new Command(name)
    .description(about)
    .argument('<volume>', 'the volume, or where it is mounted')
    .argument('<path>', 'a path of the volume, from /', volumePath)
    .argument('<position>', 'where, in bytes: whole blocks', size())
    .argument('<length>', 'how much, in bytes: whole blocks', size())
    .option('--json', 'print what was done as JSON')
    .action(async (volume: string, path: string, position: number, length: number, { json }: JsonFlag) => {
      await ask(volume, name, { path, position, length }, 'r+', each =>
        shift(each, name, { path, position, length }),
      )
      if (json === true) printJson({ [name]: { volume, path, position, length } })
    })
  return explained(command, [
    `volume ${name} data.vol /log 0 1MiB`,
    `volume ${name} /mnt/data /log 4096 8KiB`,
  ])
}

async function shift(volume: Volume, how: 'collapse' | 'insert', range: PathRange): Promise<null> {
  const file = await volume.open(range.path, { mode: 'r+' })
  await volume[how](file, range.position, range.length)
  await file.close()
  await volume.sync()
  return null
}

async function dedupeFiles(volume: string, one: string, other: string, { json }: JsonFlag): Promise<void> {
  const said = await ask(volume, 'dedupe', { one, other }, 'r+', async each => {
    const source = await each.open(one)
    const target = await each.open(other, { mode: 'r+' })
    const length = source.size
    const same = length === target.size && (await each.dedupe({ source, target, length }))
    await each.sync()
    return { same, shared: same ? length : 0 }
  })
  if (!said.same) process.exitCode = 1
  if (json === true) printJson({ dedupe: { volume, one, other, ...said } })
  else printLine(said.same ? `${shownBytes(said.shared)} are shared` : 'they differ; nothing was changed')
}

async function growTo(volume: string, bytes: number, { json }: JsonFlag): Promise<void> {
  const usage = await ask(volume, 'grow', { size: bytes }, 'r+', async each => {
    await each.grow(bytes)
    await each.sync()
    return each.usage
  })
  if (json === true) printJson({ grow: { volume, ...usage } })
}

async function shrinkTo(volume: string, bytes: number, { json }: JsonFlag): Promise<void> {
  const mount = sharedMeta() === undefined ? mountOf(volume) : undefined
  if (mount !== undefined)
    throw new FaultlineError(
      'EBUSY',
      'shrink',
      `shrink of ${mount.source}: it is mounted at ${mount.target}, and can't become smaller while it is; faultline umount ${mount.target} first`,
    )
  const usage = await inVolume(volume, 'r+', async each => {
    await each.shrink(bytes)
    return each.usage
  })
  if (json === true) printJson({ shrink: { volume, ...usage } })
}

function tellStatus(path: string, { json }: JsonFlag): void {
  const mount = mountOf(path)
  if (mount === undefined)
    throw new FaultlineError('EINVAL', 'status', `status of ${path}: it isn't mounted here`)
  const status = askMounted(mount.target, 'status', null)
  if (json === true) printJson(status)
  else for (const line of statusLines(status)) printLine(printable(line))
}

const MS = 1e6

function statusLines({ volume, target, pid, requests, slow, machine }: MountStatus): string[] {
  const { pages, tasks, bios, hanging, broken } = machine
  const memory = `${shownBytes((pages.total - pages.free) * pages.size)} of ${shownBytes(pages.total * pages.size)} used, ${shownBytes(pages.dirty * pages.size)} dirty`
  return [
    `${volume} is mounted at ${target}, by process ${pid}; memory: ${memory}`,
    ...requests.map(
      ({ name, inode, thread }) => `${name} of inode ${inode}, asked by thread ${thread}, isn't answered yet`,
    ),
    ...tasks.map(({ name, waitsFor, why, waited, behind }) =>
      waitsFor === ''
        ? `${name} runs`
        : `${name} has waited ${(waited / MS).toFixed(1)} ms for ${waitsFor} (${why})${behind === '' ? '' : `, behind ${behind}`}`,
    ),
    ...bios.map(
      ({ what, state, age }) => `${what} was asked for ${(age / MS).toFixed(1)} ms ago, and is ${state}`,
    ),
    ...hanging,
    ...broken,
    ...slow.slice(-SLOW_SHOWN).map(slowLine),
  ]
}

const SLOW_SHOWN = 10

function slowLine({ name, inode, thread, ms, waits }: SlowRequest): string {
  const asked = `${name} of inode ${inode}, asked by thread ${thread}, took ${ms.toFixed(1)} ms`
  const chain = waits.map(({ task, waitsFor, why, ms: waited }) =>
    waitsFor === '' ? `${task} ran` : `${task} waited ${waited.toFixed(1)} ms for ${waitsFor} (${why})`,
  )
  return [asked, ...chain].join('; ')
}
