/**
 * Trees that go into a volume and come out of it, as `cp -a` copies them: modes, owners, times, symbolic links, files with several
 * names, holes, FIFOs and devices. Names may be any bytes. Extended attributes stay behind: Node has no calls for them.
 */

import { Buffer } from 'node:buffer'
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import { join } from 'node:path'
import { codeOf, messageOf } from '../base/index.ts'
import { FaultlineError } from '../calls/index.ts'
import { bytesOf, type Kind, type Stat, type Time, textOf } from '../volume/index.ts'
import type { Volume } from '../volumes/index.ts'
import { unlessDamaged } from './damage.ts'

export interface TreeOptions {
  readonly existing: 'stays' | 'is replaced'
  readonly signal: AbortSignal
  /** Called as it goes on. */
  readonly progress: (files: number, bytes: number) => void
}

/** What came of it. */
export interface TreeReport {
  files: number
  directories: number
  others: number
  bytes: number
  /** What couldn't be copied, a sentence each. */
  readonly left: string[]
}

const SLASH = Buffer.from('/')

export async function putTree(
  volume: Volume,
  source: string,
  to: string,
  options: TreeOptions,
): Promise<TreeReport> {
  const report = newReport()
  const names = new Map<string, string>()
  const directories: { readonly path: string; readonly stat: fs.BigIntStats }[] = []
  const todo = [{ host: Buffer.from(source), path: to }]
  for (let next = todo.pop(); next !== undefined; next = todo.pop()) {
    options.signal.throwIfAborted()
    const { host, path } = next
    const stat = fs.lstatSync(host, { bigint: true })
    const id = `${stat.dev}:${stat.ino}`
    const known = names.get(id)
    if (stat.isDirectory()) {
      await makeDirectory(volume, path)
      directories.push({ path, stat })
      report.directories++
      for (const name of fs.readdirSync(host, { encoding: 'buffer' }))
        todo.push({
          host: Buffer.concat([host, SLASH, name]),
          path: `${path === '/' ? '' : path}/${textOf(name)}`,
        })
    } else if (known !== undefined) {
      await replaced(volume, path, options)
      await volume.link(known, path)
    } else if (await putOne(volume, host, path, stat, options, report)) {
      if (stat.nlink > 1n) names.set(id, path)
    }
    options.progress(report.files, report.bytes)
  }
  // What was put into directories has left its time.
  for (const { path, stat } of directories.reverse()) await resemble(volume, path, stat)
  return report
}

async function putOne(
  volume: Volume,
  host: Buffer,
  path: string,
  stat: fs.BigIntStats,
  options: TreeOptions,
  report: TreeReport,
): Promise<boolean> {
  if (stat.isFile()) {
    const { existing, signal } = options
    const text = host.toString()
    const source = Buffer.from(text).equals(host) ? text : fs.createReadStream(host)
    report.bytes += await volume.put(source, path, { existing, signal, until: 'written' })
    report.files++
  } else {
    await replaced(volume, path, options)
    if (stat.isSymbolicLink())
      await volume.symlink(textOf(fs.readlinkSync(host, { encoding: 'buffer' })), path)
    else await volume.mknod(path, { kind: kindOf(stat), ...device(Number(stat.rdev)) })
    report.others++
  }
  await resemble(volume, path, stat)
  return true
}

async function makeDirectory(volume: Volume, path: string): Promise<void> {
  try {
    if (path !== '/') await volume.mkdir(path)
  } catch (error) {
    const isThere = error instanceof FaultlineError && error.code === 'EEXIST'
    if (!isThere || (await volume.lstat(path)).kind !== 'directory') throw error
  }
}

/** What has the name already gives it up, if it is to. */
async function replaced(volume: Volume, path: string, { existing }: TreeOptions): Promise<void> {
  if (existing === 'stays') return
  try {
    await volume.unlink(path)
  } catch (error) {
    if (!(error instanceof FaultlineError) || error.code !== 'ENOENT') throw error
  }
}

/** A new owner takes set-uid away: the mode comes after. */
async function resemble(volume: Volume, path: string, stat: fs.BigIntStats): Promise<void> {
  await volume.chown(path, Number(stat.uid), Number(stat.gid), { link: 'itself' })
  if (!stat.isSymbolicLink()) await volume.chmod(path, Number(stat.mode) & 0o7777)
  await volume.utimes(path, { atime: timeOf(stat.atimeNs), mtime: timeOf(stat.mtimeNs) }, { link: 'itself' })
}

export async function getTree(
  volume: Volume,
  from: string,
  target: string,
  options: TreeOptions,
): Promise<TreeReport> {
  const report = newReport()
  const names = new Map<number, Buffer>()
  const directories: { readonly host: Buffer; readonly stat: Stat }[] = []
  const beside = join(target, `.${process.pid}.part`)
  const todo = [{ host: Buffer.from(target), path: from }]
  for (let next = todo.pop(); next !== undefined; next = todo.pop()) {
    options.signal.throwIfAborted()
    const { host, path } = next
    const told = (sentence: string) => report.left.push(sentence)
    const stat = await unlessDamaged(() => volume.lstat(path), told)
    if (stat === undefined) continue
    const known = names.get(stat.ino)
    if (stat.kind === 'directory') {
      if (fs.lstatSync(host, { throwIfNoEntry: false })?.isDirectory() !== true)
        fs.mkdirSync(host, { mode: 0o700 })
      directories.push({ host, stat })
      report.directories++
      for (const { name } of (await unlessDamaged(() => volume.list(path), told)) ?? [])
        todo.push({
          host: Buffer.concat([host, SLASH, bytesOf(name)]),
          path: `${path === '/' ? '' : path}/${name}`,
        })
    } else if (known !== undefined) {
      cleared(host, options)
      fs.linkSync(known, host)
    } else if (
      await unlessDamaged(() => getOne(volume, path, { host, beside }, stat, options, report), told)
    ) {
      if (stat.links > 1) names.set(stat.ino, host)
    }
    options.progress(report.files, report.bytes)
  }
  for (const { host, stat } of directories.reverse()) likeness(host, stat)
  return report
}

async function getOne(
  volume: Volume,
  path: string,
  place: Destination,
  stat: Stat,
  options: TreeOptions,
  report: TreeReport,
): Promise<boolean> {
  const { host } = place
  if (stat.kind === 'file') {
    report.bytes += await getFile(volume, path, place, options)
    report.files++
  } else {
    cleared(host, options)
    if (stat.kind === 'symlink') fs.symlinkSync(Buffer.from(bytesOf(await volume.readlink(path))), host)
    else if (!makeNode(place, stat, report)) return false
    report.others++
  }
  likeness(host, stat)
  return true
}

/** Where something is to lie. A path that isn't UTF-8 can't be said as text: what needs text makes it `beside`, and it is renamed. */
interface Destination {
  readonly host: Buffer
  readonly beside: string
}

function sayable({ host, beside }: Destination): string {
  const text = host.toString()
  return Buffer.from(text).equals(host) ? text : beside
}

async function getFile(
  volume: Volume,
  path: string,
  place: Destination,
  { existing, signal }: TreeOptions,
): Promise<number> {
  const { host, beside } = place
  const text = sayable(place)
  if (text !== beside) return volume.getFile(path, text, { existing, signal })
  cleared(host, { existing })
  const bytes = await volume.getFile(path, beside, { existing: 'is replaced', signal })
  fs.renameSync(beside, host)
  return bytes
}

/** Node makes no FIFOs and devices; mknod(1) does. */
function makeNode(place: Destination, { kind, rdev }: Stat, report: TreeReport): boolean {
  const { host, beside } = place
  const letter = ({ fifo: 'p', 'block device': 'b', 'char device': 'c' } as Partial<Record<Kind, string>>)[
    kind
  ]
  const { major, minor } = device(rdev)
  try {
    if (letter === undefined) throw new Error(`it is a ${kind}, which only its owner makes`)
    const words = letter === 'p' ? [] : [String(major), String(minor)]
    const text = sayable(place)
    execFileSync('mknod', [text, letter, ...words], { stdio: ['ignore', 'ignore', 'pipe'] })
    if (text === beside) fs.renameSync(beside, host)
    return true
  } catch (error) {
    report.left.push(`${host}: ${messageOf(error).trim()}`)
    return false
  }
}

/** Something that has the name already goes, or stays, and then EEXIST is told. */
function cleared(host: Buffer, { existing }: Pick<TreeOptions, 'existing'>): void {
  if (existing === 'is replaced') fs.rmSync(host, { force: true })
  else if (fs.lstatSync(host, { throwIfNoEntry: false }) !== undefined)
    throw new FaultlineError(
      'EEXIST',
      'getFile',
      `getFile to ${host}: there is such a file already, and it stays`,
    )
}

/** Who isn't root gives nothing away: then it stays this user's. */
function likeness(host: Buffer, { kind, mode, uid, gid, atime, mtime }: Stat): void {
  try {
    fs.lchownSync(host, uid, gid)
  } catch (error) {
    if (codeOf(error) !== 'EPERM') throw error
  }
  if (kind !== 'symlink') fs.chmodSync(host, mode)
  fs.lutimesSync(host, secondsOf(atime), secondsOf(mtime))
}

function newReport(): TreeReport {
  return { files: 0, directories: 0, others: 0, bytes: 0, left: [] }
}

function kindOf(stat: fs.BigIntStats): 'fifo' | 'socket' | 'block device' | 'char device' {
  if (stat.isFIFO()) return 'fifo'
  if (stat.isSocket()) return 'socket'
  return stat.isBlockDevice() ? 'block device' : 'char device'
}

/** As Linux packs it, in the kernel and in stat(2) alike as long as both parts are small. */
function device(rdev: number): { readonly major: number; readonly minor: number } {
  return { major: (rdev >>> 8) & 0xfff, minor: (rdev & 0xff) | ((rdev >>> 12) & 0xf_ff00) }
}

function timeOf(nanoseconds: bigint): Time {
  const rest = ((nanoseconds % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n
  return { seconds: Number((nanoseconds - rest) / 1_000_000_000n), nanoseconds: Number(rest) }
}

/** Node takes no more than a double holds: some hundred nanoseconds. */
function secondsOf({ seconds, nanoseconds }: Time): number {
  return seconds + nanoseconds / 1e9
}
