/**
 * faultline volume put and get: files into a volume and out of it, of any length, in constant memory. What is interrupted
 * leaves no half file, neither in the volume nor on the host.
 */
import fs from 'node:fs'
import { Command } from 'commander'
import { printable } from '../base/index.ts'
import { FaultlineError } from '../calls/index.ts'
import type { Volume } from '../volumes/index.ts'
import { explained, interruptible, Progress, printJson } from './terminal.ts'
import { inVolume } from './volume-open.ts'
import { getTree, putTree, type TreeOptions, type TreeReport } from './volume-tree.ts'
import { shownBytes, volumePath } from './words.ts'

interface CopyWords {
  readonly recursive?: true
  readonly force?: true
  readonly json?: true
}

export function putCommand(): Command {
  const command = new Command('put')
    .description('copy a file of this computer into a volume')
    .argument('<volume>')
    .argument('<file>', 'a file, or - for standard input')
    .argument('<path>', 'what it is to be called in the volume, from /', volumePath)
    .option(
      '-r, --recursive',
      'copy a directory with all that is below it: modes, owners, times, links, holes',
    )
    .option('-f, --force', 'replace the file that is called so')
    .option('--json', 'print what was done as JSON')
    .action(put)
  return explained(command, [
    'volume put data.vol big.bin /big',
    'volume put data.vol - /home.tar < home.tar',
    'volume put data.vol new.bin /big --force',
    'volume put data.vol src /src --recursive',
  ])
}

export function getCommand(): Command {
  const command = new Command('get')
    .description('copy a file of a volume out of it')
    .argument('<volume>')
    .argument('<path>', 'a file of the volume, from /', volumePath)
    .argument('<file>', 'where to, or - for standard output')
    .option(
      '-r, --recursive',
      'copy a directory with all that is below it: modes, owners, times, links, holes',
    )
    .option('-f, --force', 'replace the file that is there; of a symbolic link, what it leads to')
    .option('--json', 'print what was done as JSON')
    .action(get)
  return explained(command, [
    'volume get data.vol /big big.bin',
    'volume get data.vol /big big.bin --force',
    'volume get data.vol /big - | sha256sum',
    'volume get data.vol /src copy --recursive',
  ])
}

/** For the progress only: what is wrong with the file is told when it is read. */
function lengthOf(source: string): number | undefined {
  try {
    const stat = fs.statSync(source)
    return stat.isFile() ? stat.size : undefined
  } catch {
    return undefined
  }
}

async function put(path: string, source: string, to: string, words: CopyWords): Promise<void> {
  const { force, json } = words
  if (words.recursive === true) {
    await tree(path, 'r+', { put: { from: source, to } }, words, (volume, options) =>
      putTree(volume, source, to, options),
    )
    return
  }
  const total = source === '-' ? undefined : lengthOf(source)
  const start = performance.now()
  const signal = interruptible()
  // A source that says nothing for long must not keep us from stopping.
  signal.addEventListener('abort', () => process.stdin.destroy(), { once: true })
  const bytes = await inVolume(path, 'r+', volume =>
    shown(`put ${to}`, total, signal, async options => {
      const from = source === '-' ? process.stdin : source
      return volume.put(from, to, { ...options, existing: existing(force) })
    }),
  )
  report(json, { put: { from: source, to, bytes, seconds: (performance.now() - start) / 1000 } })
}

async function get(path: string, from: string, target: string, words: CopyWords): Promise<void> {
  const { force, json } = words
  if (words.recursive === true) {
    await tree(path, 'r', { get: { from, to: target } }, words, (volume, options) =>
      getTree(volume, from, target, options),
    )
    return
  }
  const start = performance.now()
  const signal = interruptible()
  const bytes = await inVolume(path, 'r', async volume => {
    const { size: total } = await volume.stat(from)
    return shown(`get ${from}`, total, signal, async options => {
      if (target === '-') return toOutput(volume.get(from, options))
      return volume.getFile(from, target, { ...options, existing: existing(force) })
    })
  })
  if (target !== '-')
    report(json, { get: { from, to: target, bytes, seconds: (performance.now() - start) / 1000 } })
}

/** Copies a tree with progress, makes it durable, and tells what couldn't come along: that is status 1. */
async function tree(
  path: string,
  mode: 'r' | 'r+',
  what: object,
  { force, json }: CopyWords,
  copy: (volume: Volume, options: TreeOptions) => Promise<TreeReport>,
): Promise<void> {
  const start = performance.now()
  const signal = interruptible()
  const progress = new Progress()
  progress.step('copy')
  const note = (files: number, bytes: number) => progress.note(`${files} files, ${shownBytes(bytes)}`)
  try {
    const copied = await inVolume(path, mode, async volume => {
      const said = await copy(volume, { existing: existing(force), signal, progress: note }).catch(offerMore)
      if (mode === 'r+') await volume.sync()
      return said
    })
    progress.stop()
    const [[name, words]] = Object.entries(what) as [[string, object]]
    report(json, { [name]: { ...words, ...copied, seconds: (performance.now() - start) / 1000 } })
    for (const sentence of copied.left) process.stderr.write(`left behind: ${printable(sentence)}\n`)
    if (copied.left.length > 0) process.exitCode = 1
  } finally {
    progress.stop()
  }
}

export function existing(force: true | undefined): 'stays' | 'is replaced' {
  return force === true ? 'is replaced' : 'stays'
}

/** Throws what it is given, and says which option of the command does what was refused. */
export function offerMore(error: unknown): never {
  if (!(error instanceof FaultlineError)) throw error
  const offer = OFFERS[`${error.operation} ${error.code}`]
  if (offer === undefined) throw error
  throw new FaultlineError(error.code, error.operation, `${error.message}; ${offer}`, error)
}

const OFFERS: Readonly<Record<string, string>> = {
  'put EEXIST': '--force replaces it, if it is a file',
  'getFile EEXIST': '--force replaces it',
  'clone EEXIST': '--force replaces it, if it is a file',
  'put EISDIR': '--recursive copies a directory with all that is below it',
  'unlink ENOTEMPTY': '--recursive removes it with all that is below it',
}

/** Runs a copy with progress. */
async function shown<T>(
  what: string,
  total: number | undefined,
  signal: AbortSignal,
  copy: (options: { signal: AbortSignal; progress: (bytes: number) => void }) => Promise<T>,
): Promise<T> {
  const progress = new Progress()
  progress.step(what)
  try {
    return await copy({
      signal,
      progress: bytes =>
        progress.note(
          total === undefined ? shownBytes(bytes) : `${shownBytes(bytes)} of ${shownBytes(total)}`,
        ),
    })
  } catch (error) {
    return offerMore(error)
  } finally {
    progress.stop()
  }
}

async function toOutput(parts: AsyncIterable<Uint8Array>): Promise<number> {
  let bytes = 0
  for await (const part of parts) {
    bytes += part.length
    // The part is good until the next is asked for: it must be gone by then.
    await new Promise<void>((resolve, reject) =>
      process.stdout.write(part, error => (error ? reject(error) : resolve())),
    )
  }
  return bytes
}

function report(json: true | undefined, done: object): void {
  if (json === true) printJson(done)
}
