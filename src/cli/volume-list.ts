/** How a volume's files are shown: lines as ls -l has them, and du. */
import { Command } from 'commander'
import type { Kind, Stat, Time } from '../volume/index.ts'
import { tellDamage, unlessDamaged } from './damage.ts'
import { explained, interruptible, printJson, printLine } from './terminal.ts'
import { inVolume } from './volume-open.ts'
import { shownBytes, volumePath } from './words.ts'

export interface LongEntry extends Stat {
  readonly name: string
  readonly target?: string
}

/** What ls -F puts behind a name. */
export const MARKS: Readonly<Partial<Record<Kind, string>>> = {
  directory: '/',
  symlink: '@',
  fifo: '|',
  socket: '=',
}

const LETTERS: Readonly<Record<Kind, string>> = {
  file: '-',
  directory: 'd',
  symlink: 'l',
  fifo: 'p',
  socket: 's',
  'block device': 'b',
  'char device': 'c',
}

/** As ls -l shows it: -rwxr-sr-x. */
export function modeText({ kind, mode }: Pick<Stat, 'kind' | 'mode'>): string {
  const rights = [6, 3, 0].map((shift, at) => {
    const [read, write, execute] = [4, 2, 1].map(bit => ((mode >>> shift) & bit) !== 0)
    const special = (mode & (0o4000 >>> at)) !== 0
    const letter = at === 2 ? 't' : 's'
    const last = special ? (execute ? letter : letter.toUpperCase()) : execute ? 'x' : '-'
    return `${read ? 'r' : '-'}${write ? 'w' : '-'}${last}`
  })
  return LETTERS[kind] + rights.join('')
}

export function timeText({ seconds }: Time): string {
  const date = new Date(seconds * 1000)
  return Number.isNaN(date.getTime()) ? `${seconds} s` : date.toISOString().slice(0, 19).replace('T', ' ')
}

export function longLines(entries: readonly LongEntry[]): string[] {
  const cells = entries.map(entry => {
    const { links, uid, gid, size, rdev, kind } = entry
    const device = kind.endsWith('device')
      ? `${(rdev >>> 8) & 0xfff}, ${(rdev & 0xff) | ((rdev >>> 12) & 0xf_ff00)}`
      : undefined
    return [String(links), String(uid), String(gid), device ?? String(size)]
  })
  const widths = [0, 1, 2, 3].map(column => Math.max(0, ...cells.map(row => row[column]!.length)))
  return entries.map((entry, at) => {
    const columns = cells[at]!.map((cell, column) => cell.padStart(widths[column]!)).join(' ')
    const leads = entry.target === undefined ? '' : ` -> ${entry.target}`
    return `${modeText(entry)} ${columns} ${timeText(entry.mtime)} ${entry.name}${leads}`
  })
}

export function duCommand(): Command {
  const command = new Command('du')
    .description('say how many bytes the files below a directory take, each counted once')
    .argument('<volume>')
    .argument('[path]', 'a directory of it, or a file', volumePath, '/')
    .option('--json', 'print it as JSON')
    .action(du)
  return explained(command, ['volume du data.vol', 'volume du data.vol /monday --json'])
}

async function du(path: string, from: string, { json }: { readonly json?: true }): Promise<void> {
  const signal = interruptible()
  await inVolume(path, 'r', async volume => {
    const { blockSize } = volume.usage
    const seen = new Set<number>()
    const sum = { files: 0, bytes: 0, taken: 0, shared: 0 }
    const todo = [from]
    for (let next = todo.pop(); next !== undefined; next = todo.pop()) {
      signal.throwIfAborted()
      const path = next
      const found = await unlessDamaged(() => volume.lstat(path), tellDamage)
      if (found === undefined) continue
      const { ino, kind, size, blocks, shared } = found
      const names = kind === 'directory' ? await unlessDamaged(() => volume.list(path), tellDamage) : []
      for (const { name } of names ?? []) todo.push(`${next === '/' ? '' : next}/${name}`)
      if (seen.has(ino)) continue
      seen.add(ino)
      if (kind === 'directory') continue
      sum.files++
      sum.bytes += size
      sum.taken += blocks * blockSize
      sum.shared += shared * blockSize
    }
    if (json === true) printJson({ path: from, ...sum })
    else
      printLine(
        `${from}: ${shownBytes(sum.taken)} in ${sum.files} files of ${shownBytes(sum.bytes)}; ${shownBytes(sum.shared)} of it is shared with others`,
      )
  })
}
