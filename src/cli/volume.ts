/**
 * faultline volume: volumes on this computer. Each command opens the volume, does one thing, makes it durable and closes it.
 *
 * Exit status   0 done · 1 it couldn't be done, or check found something wrong · 2 the words were wrong · 130 interrupted
 */
import { existsSync } from 'node:fs'
import { Command, Option } from 'commander'
import { FaultlineError } from '../calls/index.ts'
import type { Volume } from '../volumes/index.ts'
import { tellDamage, unlessDamaged } from './damage.ts'
import { explained, interruptible, Progress, printJson, printLine } from './terminal.ts'
import { attrCommand, attributeCommands, readlinkCommand } from './volume-attributes.ts'
import { checkCommand, dumpCommand } from './volume-check.ts'
import { existing, getCommand, offerMore, putCommand } from './volume-copy.ts'
import { duCommand, type LongEntry, longLines, MARKS, modeText, timeText } from './volume-list.ts'
import { collectCommand, fenceCommand, whoCommand } from './volume-machines.ts'
import { ask, inVolume, offerShared, sharedMeta, sharedPlace, withMachine } from './volume-open.ts'
import { rangeCommands } from './volume-ranges.ts'
import { blockSize, shownBytes, size, volumePath, WrongWords } from './words.ts'

interface JsonFlag {
  readonly json?: true
}

/** How a change is made; each command has its own of these. */
interface ChangeWords extends JsonFlag {
  readonly exchange?: true
  readonly clobber?: boolean
  readonly recursive?: true
  readonly force?: true
  readonly readOnly?: true
}

interface CreateWords extends JsonFlag {
  readonly size: number
  readonly blockSize: number
  readonly data?: string
  readonly endpoint?: string
  readonly region?: string
}

/** What a volume's data has at least. */
const BLOCKS_MIN = 2

const STATUS = '0 done; 1 it could not be done, or check found something wrong; 2 the words were wrong.'

export function volumeCommand(): Command {
  const volume = new Command('volume')
  explained(
    volume,
    [
      'volume create data.vol --size 1GiB',
      'volume put data.vol big.bin /big',
      'volume clone data.vol /big /copy',
      'volume check data.vol',
    ],
    STATUS,
  )
  const creation = volume
    .command('create')
    .description('make a volume')
    .argument('<volume>', 'the directory that it is to be; those above it are made too')
    .addOption(
      new Option(
        '--size <bytes>',
        'how much data it may hold; of a device, or a file that exists, it takes all',
      )
        .default(256 * 2 ** 20, '256 MiB')
        .argParser(size()),
    )
    .option(
      '--data <path>',
      'the file or block device that is to hold the data, in place of a file in the directory; with --meta: s3://bucket/prefix',
    )
    .option('--endpoint <address>', 'of s3: a server other than AWS')
    .option('--region <name>', "of s3: 'us-east-1' if left out")
    .addOption(
      new Option('--block-size <bytes>', 'a power of two from 4 KiB')
        .default(4096, '4 KiB')
        .argParser(blockSize),
    )
    .option('--json', 'print what was made as JSON')
    .action(create)
  explained(creation, [
    'volume create data.vol --size 1GiB',
    'volume create data.vol --data /dev/sdb',
    'volume create data.vol --block-size 64KiB --json',
    'volume create photos --meta postgres://host/database --data s3://bucket/prefix',
  ])
  const listing = volume
    .command('ls')
    .description('list a directory')
    .argument('<volume>')
    .argument('[path]', 'a directory of it', volumePath, '/')
    .option('-l, --long', 'with modes, names that lead there, owners, sizes and times')
    .option('--json', 'print the entries as JSON')
    .action(list)
  explained(listing, ['volume ls data.vol', 'volume ls data.vol / -l', 'volume ls data.vol /monday --json'])
  const statting = volume
    .command('stat')
    .description('say how full a volume is, or what a file of it takes')
    .argument('<volume>', 'the volume, or where it is mounted')
    .argument('[path]', 'a file of it', volumePath)
    .option('--json', 'print it as JSON')
    .action(stat)
  explained(statting, ['volume stat data.vol', 'volume stat data.vol /copy --json'])
  change('mkdir', 'make a directory', ['path'], (volume, [path]) => volume.mkdir(path!), volume)
  const moving = change(
    'mv',
    'give a file or a directory another name',
    ['from', 'to'],
    (volume, [from, to], { exchange, clobber }) =>
      volume.rename(from!, to!, {
        existing: exchange === true ? 'is exchanged' : clobber === false ? 'stays' : 'is replaced',
      }),
    volume,
  )
  moving
    .addOption(new Option('--exchange', 'give what has that name the other one').conflicts('clobber'))
    .option('-n, --no-clobber', 'leave what has that name already')
  const removal = change(
    'rm',
    'remove a file, or an empty directory',
    ['path'],
    (volume, [path], { recursive }) =>
      recursive === true ? volume.remove(path!, { signal: interruptible() }) : volume.unlink(path!),
    volume,
  )
  removal.option('-r, --recursive', 'remove a directory with all that is below it, snapshots too')
  const cloning = change(
    'clone',
    'make a file that shares all blocks of another',
    ['from', 'to'],
    (volume, [from, to], { force }) => volume.clone(from!, to!, { existing: existing(force) }),
    volume,
  )
  cloning.option('-f, --force', 'replace the file that is called so')
  const more = [
    snapshotCommand(),
    duCommand(),
    readlinkCommand(),
    attrCommand(),
    ...attributeCommands(),
    ...rangeCommands(),
  ]
  for (const command of [putCommand(), getCommand(), ...more, checkCommand(), dumpCommand()])
    volume.addCommand(command)
  volume.addCommand(whoCommand()).addCommand(fenceCommand()).addCommand(collectCommand())
  offerShared(volume)
  return volume
}

const EXAMPLE_WORDS: Readonly<Record<string, string>> = {
  mkdir: '/reports',
  mv: '/reports /old',
  rm: '/monday --recursive',
  clone: '/big /copy',
}

/** A command that changes names, and says nothing when it has. */
function change(
  name: string,
  about: string,
  words: readonly string[],
  act: (volume: Volume, paths: readonly string[], how: ChangeWords) => Promise<unknown>,
  to: Command,
): Command {
  const command = to.command(name).description(about).argument('<volume>')
  for (const word of words) command.argument(`<${word}>`, 'a path of the volume, from /', volumePath)
  explained(command, [`volume ${name} data.vol ${EXAMPLE_WORDS[name]}`])
  command.option('--json', 'print what was done as JSON').action(async (path: string, ...rest: unknown[]) => {
    const paths = rest.slice(0, words.length) as string[]
    const how = rest[words.length] as ChangeWords
    const start = performance.now()
    const more = await inVolume(path, 'r+', async volume => {
      const said = await act(volume, paths, how).catch(offerMore)
      await volume.sync().catch(error => lastTry(error, volume, `${name} of ${paths.join(' to ')}`))
      return said
    })
    if (how.json !== true) return
    const done = Object.fromEntries(words.map((word, at) => [word, paths[at]]))
    printJson({
      [name]: { ...done, ...(more as object | undefined), seconds: (performance.now() - start) / 1000 },
    })
  })
  return command
}

function snapshotCommand(): Command {
  const command = new Command('snapshot')
    .description('make a directory that holds all of another as it is now, sharing all blocks')
    .argument('<volume>', 'the volume, or where it is mounted')
    .argument('<from>', 'a path of the volume, from /', volumePath)
    .argument('<to>', 'a path of the volume, from /', volumePath)
    .option('--json', 'print what was done as JSON')
    .option('--read-only', 'let nothing below it be changed; rm -r removes it')
    .action(snapshot)
  return explained(command, ['volume snapshot data.vol / /monday', 'volume snapshot /mnt/data / /monday'])
}

async function snapshot(path: string, from: string, to: string, words: ChangeWords): Promise<void> {
  const start = performance.now()
  const mode = words.readOnly === true ? 'r' : 'r+'
  const { files } = await ask(path, 'snapshot', { from, to, mode }, 'r+', async volume => {
    const files = await volume.snapshot(from, to, { mode }).catch(offerMore)
    await volume.sync().catch(error => lastTry(error, volume, `snapshot of ${from} to ${to}`))
    return { files }
  })
  if (words.json === true)
    printJson({ snapshot: { from, to, files, seconds: (performance.now() - start) / 1000 } })
}

/** A program may free some space and sync again; a command has only its close. */
async function lastTry(error: unknown, volume: Volume, what: string): Promise<void> {
  if (!(error instanceof FaultlineError) || (error.code !== 'ENOSPC' && error.code !== 'EDQUOT')) throw error
  const isDone = await volume.close().then(
    () => true,
    () => false,
  )
  if (isDone) return
  throw new FaultlineError(
    error.code,
    error.operation,
    `${what} failed with ${error.code}: the host's filesystem has no space left for the volume's metadata; nothing was changed: free some space there first`,
    error,
  )
}

async function create(path: string, words: CreateWords, command: Command): Promise<void> {
  const { size: bytes, blockSize, data, json } = words
  if (sharedMeta() !== undefined) {
    await createShared(path, words, command)
    return
  }
  if (words.endpoint !== undefined || words.region !== undefined)
    throw new WrongWords('--endpoint: it is for volumes of many machines, with --meta')
  const isMade = data === undefined || !existsSync(data)
  if (isMade && bytes < BLOCKS_MIN * blockSize)
    throw new WrongWords(
      `--size: expected at least ${shownBytes(BLOCKS_MIN * blockSize)}, which is ${BLOCKS_MIN} blocks, got ${shownBytes(bytes)}`,
    )
  const signal = interruptible()
  const progress = new Progress()
  progress.step(`create ${path}`)
  try {
    await withMachine(blockSize, async machine => {
      const elsewhere = data === undefined ? {} : { data }
      const volume = await machine.createVolume(path, { size: bytes, signal, ...elsewhere })
      const { size: blocks } = volume.usage
      await volume.close()
      progress.stop()
      if (json === true) printJson({ volume: path, blockSize, blocks })
      else
        printLine(
          `${path}: a volume of ${blocks} blocks of ${blockSize} bytes, ${shownBytes(blocks * blockSize)}`,
        )
    })
  } finally {
    progress.stop()
  }
}

/** A volume of many machines. */
async function createShared(name: string, words: CreateWords, command: Command): Promise<void> {
  const { data, endpoint, region, blockSize, json } = words
  if (command.getOptionValueSource('size') === 'cli')
    throw new WrongWords('--size: a volume of many machines has no size; it holds what its bucket does')
  if (data === undefined)
    throw new WrongWords('--data: expected where its data are to lie, like s3://bucket/prefix')
  await withMachine(blockSize, async machine => {
    const volume = await machine.createVolume(name, {
      ...sharedPlace(),
      data,
      ...(endpoint !== undefined && { endpoint }),
      ...(region !== undefined && { region }),
    })
    await volume.close()
  })
  if (json === true) printJson({ volume: name, blockSize, data })
  else printLine(`${name}: a volume of many machines, in blocks of ${blockSize} bytes below ${data}`)
}

async function list(
  path: string,
  directory: string,
  { json, long }: JsonFlag & { readonly long?: true },
): Promise<void> {
  await inVolume(path, 'r', async volume => {
    const names = await volume.list(directory)
    const base = directory.endsWith('/') ? directory : `${directory}/`
    const entries = []
    for (const { name, kind, ino } of names) {
      const found = await unlessDamaged(() => volume.lstat(base + name), tellDamage)
      if (found === undefined) continue
      const target = kind === 'symlink' ? { target: await volume.readlink(base + name) } : {}
      if (long === true) entries.push({ name, ...found, ...target })
      else entries.push({ name, kind, ino, size: found.size, links: found.links })
    }
    if (long === true && json !== true) {
      for (const line of longLines(entries as LongEntry[])) printLine(line)
      return
    }
    if (json === true) printJson(entries)
    else
      for (const { name, kind, size: bytes } of entries)
        printLine(
          `${kind === 'file' ? String(bytes).padStart(15) : '-'.padStart(15)}  ${name}${MARKS[kind] ?? ''}`,
        )
  })
}

async function stat(path: string, file: string | undefined, { json }: JsonFlag): Promise<void> {
  if (file !== undefined) {
    await statFile(path, file, json === true ? 'as JSON' : 'as text')
    return
  }
  const { damage, readOnly, usage } = await ask(path, 'usage', null, 'r', async volume => {
    const { damage, readOnly, usage } = volume
    return { damage, readOnly: damage.length > 0 && readOnly, usage }
  })
  if (json === true) {
    printJson({ volume: path, readOnly, damage, ...usage })
    return
  }
  const { size: blocks, free, used, blockSize } = usage
  printLine(
    `${path}: ${shownBytes(blocks * blockSize)} in ${blocks} blocks of ${blockSize} bytes; ${used} used, ${free} free (${shownBytes(free * blockSize)})`,
  )
  for (const what of damage) printLine(`damaged, so it opens to be read: ${what}`)
}

async function statFile(path: string, file: string, how: 'as JSON' | 'as text'): Promise<void> {
  const { blockSize, ...found } = await ask(path, 'stat', { path: file }, 'r', async volume => ({
    blockSize: volume.usage.blockSize,
    ...(await volume.lstat(file)),
  }))
  if (how === 'as JSON') printJson({ path: file, blockSize, ...found })
  else
    printLine(
      `${file}: ${found.kind}, inode ${found.ino}, ${modeText(found)} of ${found.uid}:${found.gid}, ${found.links} links, ${found.size} bytes in ${found.blocks} blocks of ${blockSize} bytes, ${found.shared} of them shared; changed ${timeText(found.mtime)}`,
    )
}
