/**
 * faultline mount and umount: a volume as a filesystem that any program can use.
 *
 * Mounted in the foreground it serves until it is unmounted. Ctrl-C and SIGTERM unmount it: while somebody uses it the command
 * says who and goes on serving; asked again it takes the mount out of sight, and ends when the last who uses it has let go.
 *
 * Invariants
 *   CMT1 Whenever a signal comes, no mount is left that nobody serves.
 *   CMT2 What has ended is told by the exit status, however many signals come meanwhile.
 */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { Command, InvalidArgumentError, Option } from 'commander'
import { messageOf } from '../base/index.ts'
import { FaultlineError } from '../calls/index.ts'
import type { Settings } from '../group/index.ts'
import { lastAtExit } from '../host/index.ts'
import { Linux } from '../linux/index.ts'
import {
  COMMIT_DEFAULT,
  MEMORY_DEFAULT,
  MountedVolume,
  type MountOptions,
  unmountVolume,
} from '../mount/index.ts'
import { commitSeconds, type FstabWords, fstabOptions, MEMORY_MIN } from './mount-options.ts'
import { explained, interruptible, printJson, printLine } from './terminal.ts'
import { cacheOf, cacheOptions, metaOption, placeIn } from './volume-open.ts'
import { several, shownBytes, size, WrongWords } from './words.ts'

interface MountWords {
  readonly readOnly?: true
  readonly allowOther?: true
  readonly writeback?: true
  readonly background?: true
  readonly memory: number
  readonly commit: number
  readonly ioMax?: Readonly<Record<string, string>>
  readonly groups?: true
  readonly group?: readonly (readonly [string, Settings])[]
  readonly o: FstabWords
  readonly meta?: string
  readonly cache?: string
  readonly cacheSize: number
  readonly json?: true
}

interface UmountWords {
  readonly detach?: true
  readonly json?: true
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** Processes that are named when they keep a mount from being unmounted. */
const USERS_TOLD = 5

export function mountCommand(): Command {
  const command = new Command('mount')
    .description('mount a volume at a directory, and serve it until it is unmounted')
    .argument('<volume>')
    .argument('<directory>', 'an empty directory, or one whose content may be hidden meanwhile')
    .option('-r, --read-only', 'nothing of the volume is changed')
    .addOption(
      new Option('--memory <size>', 'memory for the pages of its files')
        .default(MEMORY_DEFAULT, shownBytes(MEMORY_DEFAULT))
        .argParser(size(MEMORY_MIN)),
    )
    .addOption(metaOption('; read-only the mount goes on to what others commit'))
    .option('--allow-other', 'let all users in, as the modes of the files allow')
    .option(
      '--writeback',
      'let the kernel keep what was written and write it later: faster small writes; a full volume is then told of by fsync and not by write',
    )
    .option(
      '--commit <seconds>',
      'make changes durable after so many seconds though nobody asked',
      commitSeconds,
      COMMIT_DEFAULT,
    )
    .addOption(
      new Option(
        '--io-max <limits>',
        'what it may ask of its disk a second: rbps=, wbps=, riops= and wiops=',
      ).argParser(limits),
    )
    .option('--groups', "let the limits of each caller's control group hold on the mount too")
    .addOption(
      new Option(
        '--group <limits>',
        "a control group and what its programs may use of the mount, whatever the kernel's limits are: '/batch wbps=4MiB memory.max=16MiB'; may be said again",
      ).argParser(several(groupLimits)),
    )
    .addOption(
      new Option('-o <options>', 'as fstab has them: ro,allow_other,writeback,groups,memory=,commit=')
        .argParser(fstabOptions)
        .default({}, 'none'),
    )
    .option('-b, --background', 'return when it is mounted, and serve in a process of its own')
    .option('--json', 'print what was mounted as JSON')
    .action(mount)
  for (const option of cacheOptions()) command.addOption(option)
  return explained(
    command,
    [
      'mount data.vol /mnt/data',
      'mount data.vol /mnt/data --background --allow-other',
      'mount data.vol /mnt/data --read-only --memory 64MiB',
      'mount data.vol /mnt/data --background -o ro,allow_other',
      'mount photos /mnt/photos --read-only --meta postgres://user@db/faultline',
      'mount photos /mnt/photos --meta postgres://user@db/faultline --cache /var/cache/photos --cache-size 20GiB',
      "mount data.vol /mnt/data --io-max 'rbps=20MiB wbps=10MiB'",
      "mount data.vol /mnt/data --groups --group '/batch wbps=4MiB memory.max=16MiB'",
    ],
    '0 it was unmounted, and everything is durable; 1 it could not be mounted, or something is lost; 2 the words were wrong, limits too: nothing was mounted.',
  )
}

export function umountCommand(): Command {
  const command = new Command('umount')
    .description('unmount a volume, and wait until everything is durable')
    .argument('<directory>')
    .option('--detach', 'take it out of sight now; it ends when the last who uses it has let go')
    .option('--json', 'print what was done, or who uses it, as JSON')
    .action(umount)
  return explained(
    command,
    ['umount /mnt/data', 'umount /mnt/data --detach'],
    "0 it is unmounted, and everything is durable (with --detach it is out of sight: nothing is said of what is durable); 1 somebody uses it, or no volume is mounted there; what was written can't be made durable, and it stays mounted; or it is unmounted, and something is lost.",
  )
}

async function mount(volume: string, directory: string, words: MountWords): Promise<void> {
  if (words.background === true) {
    await inBackground(volume, words)
    return
  }
  let mounted: MountedVolume | undefined
  for (const signal of SIGNALS)
    process.on(signal, () => {
      // Mounting has no turn of the event loop in it: nothing is mounted yet, or it has failed.
      if (mounted === undefined) endBy(signal)
      else void stop(mounted).catch(tell)
    })
  try {
    mounted = await MountedVolume.mount(volume, directory, optionsOf({ ...words, ...words.o }))
  } catch (error) {
    if (!(error instanceof FaultlineError)) throw error
    const { code, operation, message } = error
    tellLauncher({ code, operation, message })
    throw failureOf(error)
  }
  const { target } = mounted
  if (words.json === true) printJson({ volume: mounted.volume.path, mounted: target, pid: process.pid })
  else if (process.stdout.isTTY)
    printLine(`${volume} is mounted at ${target}, with ${shownBytes(words.memory)}; Ctrl-C unmounts it`)
  tellLauncher({ mounted: target })
  if (process.connected) process.disconnect()
  try {
    await mounted.ended
  } finally {
    endAtOnce()
  }
}

/** As if nobody listened. */
function endBy(signal: NodeJS.Signals): void {
  process.removeAllListeners(signal)
  process.kill(process.pid, signal)
}

/** Node gives signals back to the kernel while it ends, and one that comes then would be how it ended. */
function endAtOnce(): void {
  const linux = new Linux()
  lastAtExit(status => linux.exitNow(Number(process.exitCode ?? status)))
}

/** It may be gone, which is nothing to the mount. */
function tellLauncher(told: Told): void {
  process.send?.(told, undefined, undefined, () => {})
}

function optionsOf(words: MountWords): MountOptions {
  const { memory, commit, ioMax, groups, group, readOnly, allowOther, writeback, meta } = words
  const cache = cacheOf(words)
  return {
    ...(meta === undefined ? {} : { shared: placeIn(meta) }),
    ...(cache === undefined ? {} : { cache }),
    ...(groups === true || group !== undefined ? { groups: new Map(group) } : {}),
    ...(ioMax === undefined ? {} : { limits: { 'io.max': ioMax } }),
    memory,
    commit,
    readOnly: readOnly === true,
    allowOther: allowOther === true,
    writes: writeback === true ? 'back' : 'through',
    onError: message => process.stderr.write(`faultline: ${message}\n`),
  }
}

/** Words of io.max, for whatever disk the volume is on. The group says what is wrong with one. */
function limits(text: string): Readonly<Record<string, string>> {
  const words = text.split(/[\s,]+/).filter(word => word !== '')
  if (words.length === 0 || words.some(word => !/^[a-z]+=\S+$/.test(word)))
    throw new InvalidArgumentError('expected words such as rbps=20MiB wbps=10MiB riops=500.')
  return Object.fromEntries(words.map(word => word.split('=') as [string, string]))
}

/** '/batch wbps=4MiB memory.max=16MiB': keys with a dot are those of groups, the others words of io.max. */
function groupLimits(text: string): readonly [string, Settings] {
  const [path, ...words] = text.split(/\s+/).filter(word => word !== '')
  const pairs = words.map(word => word.split('=') as [string, string])
  if (path?.startsWith('/') !== true || words.length === 0 || pairs.some(pair => pair.length !== 2))
    throw new InvalidArgumentError('expected a path and limits, such as /batch wbps=4MiB memory.max=16MiB.')
  const keys = pairs.filter(([key]) => key.includes('.'))
  const rates = pairs.filter(([key]) => !key.includes('.'))
  const ioMax = rates.length === 0 ? {} : { 'io.max': Object.fromEntries(rates) }
  return [path, { ...Object.fromEntries(keys), ...ioMax }]
}

let asked = 0

/** The first time politely, the second time out of sight. */
async function stop(mounted: MountedVolume): Promise<void> {
  asked++
  if (asked > 1) {
    await mounted.detach()
    return
  }
  const busy = await mounted.unmount()
  if (busy === undefined) return
  process.stderr.write(
    `faultline: ${busySentence(mounted.target, busy.users)}; asked again it goes out of sight\n`,
  )
}

function tell(error: unknown): void {
  process.stderr.write(`faultline: ${messageOf(error)}\n`)
}

function busySentence(
  target: string,
  users: readonly { readonly pid: number; readonly name: string; readonly path: string }[],
): string {
  const told = users.slice(0, USERS_TOLD).map(({ pid, name, path }) => `${name} (${pid}) has ${path}`)
  const more = users.length > USERS_TOLD ? `, and ${users.length - USERS_TOLD} more` : ''
  const who =
    told.length === 0 ? 'somebody uses it, perhaps another mount in it' : `${told.join(', ')}${more}`
  return `${target} is busy and stays mounted: ${who}`
}

/** What a daemon says to who started it: where it has mounted, or why it could not. */
type Told =
  | { readonly mounted: string }
  | { readonly code: string; readonly operation: string; readonly message: string }

/** Limits that can't be are wrong words. */
function failureOf({ code, operation, message }: Exclude<Told, { readonly mounted: string }>): Error {
  return operation === 'group' ? new WrongWords(message) : new FaultlineError(code, operation, message)
}

/** A process of its own, without a terminal, that outlives this one; interrupted it takes back what it has begun. */
async function inBackground(volume: string, words: MountWords): Promise<void> {
  const signal = interruptible()
  const given = process.argv.slice(1).filter(word => word !== '--background' && word !== '-b')
  const child = spawn(process.execPath, [...process.execArgv, ...given], {
    detached: true,
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  })
  signal.addEventListener('abort', () => child.kill())
  const ended = once(child, 'exit').then(([status]) => ({
    code: 'EPROTO',
    operation: 'mount',
    message: `the process that was to mount ${volume} ended with ${status}; mount without --background to see why`,
  }))
  const told = await Promise.race([once(child, 'message').then(([message]) => message as Told), ended])
  if (signal.aborted) {
    if ('mounted' in told) await ended
    signal.throwIfAborted()
  }
  if (!('mounted' in told)) throw failureOf(told)
  child.unref()
  if (child.connected) child.disconnect()
  const { mounted } = told
  if (words.json === true) printJson({ volume, mounted, pid: child.pid })
  else if (process.stdout.isTTY) printLine(`${volume} is mounted at ${mounted}, by process ${child.pid}`)
}

async function umount(directory: string, { detach, json }: UmountWords): Promise<void> {
  const how = detach === true ? 'detach' : 'when nobody uses it'
  const { target, volume, users, state } = await unmountVolume(directory, how, interruptible())
  if (state !== 'unmounted') {
    const stay =
      state === 'busy'
        ? busySentence(target, users)
        : `${target} is busy and stays mounted: you are in it, or what has called this is; cd elsewhere first`
    if (json !== true) throw new FaultlineError('EBUSY', 'umount', stay)
    process.exitCode = 1
  }
  if (json === true) printJson({ volume, target, unmounted: state === 'unmounted', users })
}
