/**
 * The experiment with the kernel's own readers. A monitor, another process, reads /proc/<pid>/cmdline and smaps of a
 * batch job every millisecond, while a thread of the job waits for throttled writeback in a store and another forks and
 * unmaps. Once the mapping is Faultline's, by the hardware MMU; once it is the kernel's own, on btrfs.
 *
 * A fault that waits in userfaultfd holds no lock of the address space; one that waits in btrfs_page_mkwrite holds its
 * VMA's, fork waits for that with mmap_lock held, and the monitor waits for fork.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Bytes } from '../base/index.ts'
import { FaultlineError } from '../calls/index.ts'
import { NoBtrfs, ThrottledBtrfs } from './btrfs.ts'
import type { BatchDone, BatchPlan } from './readers-batch.ts'
import { type MonitorDone, SLOW_MS } from './readers-monitor.ts'

export interface ReadersOptions {
  readonly seconds: number
  readonly rate: Bytes
  readonly signal: AbortSignal
  readonly onSide: (side: string) => void
}

export type Side = MonitorDone & BatchDone

export interface ReadersResult {
  readonly faultline: Side
  /** The same on btrfs, or why not. */
  readonly kernel: Side | { readonly skipped: string }
}

const LENGTH: Bytes = 16 * 2 ** 20

export async function playReaders(options: ReadersOptions): Promise<ReadersResult> {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'faultline-demo-'))
  try {
    options.onSide('Faultline, hardware MMU')
    const faultline = await playSide('faultline', directory, options)
    options.onSide('the kernel, btrfs')
    return { faultline, kernel: await playKernel(directory, options) }
  } finally {
    fs.rmSync(directory, { recursive: true, force: true })
  }
}

async function playKernel(directory: string, options: ReadersOptions): Promise<ReadersResult['kernel']> {
  let btrfs: ThrottledBtrfs
  try {
    btrfs = ThrottledBtrfs.make(directory)
  } catch (error) {
    if (error instanceof NoBtrfs) return { skipped: error.message }
    throw error
  }
  try {
    return await playSide('the kernel', btrfs.directory, options, () => btrfs.limit(options.rate))
  } finally {
    btrfs.remove()
  }
}

async function playSide(
  shownBy: BatchPlan['shownBy'],
  directory: string,
  { seconds, rate, signal }: ReadersOptions,
  limit: () => void = () => {},
): Promise<Side> {
  const file = path.join(directory, 'batch.bin')
  const fd = fs.openSync(file, 'w')
  fs.writeSync(fd, Buffer.alloc(LENGTH, 0x5a))
  fs.fsyncSync(fd)
  fs.closeSync(fd)
  const plan: BatchPlan = { shownBy, path: file, length: LENGTH, rate }
  const batch = program('readers-batch', [JSON.stringify(plan)], signal)
  await batch.line()
  limit()
  const monitor = program('readers-monitor', [String(batch.child.pid), String(seconds)], signal)
  const watched = JSON.parse(await monitor.line()) as MonitorDone
  batch.child.stdin!.end()
  const done = JSON.parse(await batch.line()) as BatchDone
  await Promise.all([batch.end, monitor.end])
  return { ...watched, ...done }
}

interface Program {
  readonly child: ChildProcess
  /** Its next line. */
  line(): Promise<string>
  readonly end: Promise<void>
}

function program(name: string, args: readonly string[], signal: AbortSignal): Program {
  const script = fileURLToPath(new URL(`./${name}${path.extname(import.meta.url)}`, import.meta.url))
  const child = spawn(process.execPath, [script, ...args], { stdio: 'pipe', signal })
  const lines: string[] = []
  let complaint = ''
  let told = () => {}
  let text = ''
  child.stdout.on('data', data => {
    text += data
    const whole = text.split('\n')
    text = whole.pop()!
    lines.push(...whole)
    told()
  })
  child.stderr.on('data', data => {
    complaint += data
  })
  const end = new Promise<void>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', status => {
      if (status === 0) resolve()
      else reject(new FaultlineError('ECHILD', 'demo', complaint.trim() || `${name} ended with ${status}`))
    })
  })
  end.catch(() => {})
  const next = () =>
    new Promise<string>(resolve => {
      told = () => {
        if (lines.length > 0) resolve(lines.shift()!)
      }
      told()
    })
  const none = () =>
    end.then((): never => {
      throw new FaultlineError('ECHILD', 'demo', `${name} said nothing`)
    })
  return { child, end, line: () => Promise.race([next(), lines.length > 0 ? next() : none()]) }
}

export function readersTable({ faultline, kernel }: ReadersResult): string {
  const sides: (readonly [string, Side])[] = [['Faultline, hardware MMU', faultline]]
  if (!('skipped' in kernel)) sides.push(['the kernel, btrfs', kernel])
  const head = ['', 'reads', 'longest cmdline', 'longest smaps', 'longest store', 'stores', 'forks']
  const rows = sides.map(([name, { cmdline, smaps, writer, forker }]) => [
    name,
    String(cmdline.count + smaps.count),
    ms(cmdline.longestMs),
    ms(smaps.longestMs),
    ms(writer.longestMs),
    String(writer.count),
    String(forker.count),
  ])
  const widths = head.map((cell, at) => Math.max(cell.length, ...rows.map(row => row[at]!.length)))
  const line = (row: readonly string[]) =>
    row.map((cell, at) => (at === 0 ? cell.padEnd(widths[at]!) : cell.padStart(widths[at]!))).join('  ')
  return [line(head), ...rows.map(line)].join('\n')
}

export function readersSentence({ faultline, kernel }: ReadersResult): string {
  const longest = (side: Side) => Math.max(side.cmdline.longestMs, side.smaps.longestMs)
  const verdict = longest(faultline) < SLOW_MS ? 'under' : 'NOT under'
  const ours = `While stores waited up to ${ms(faultline.writer.longestMs)} for throttled writeback, the longest read of the kernel's /proc was ${ms(longest(faultline))}: ${verdict} ${SLOW_MS} ms.`
  if ('skipped' in kernel)
    return `${ours} The kernel's own mapping on btrfs was not played: ${kernel.skipped}.`
  return `${ours} With the kernel's own mapping on btrfs it was ${ms(longest(kernel))}.`
}

function ms(value: number): string {
  return value >= 100 ? `${(value / 1000).toFixed(2)} s` : `${value.toFixed(value < 10 ? 2 : 1)} ms`
}
