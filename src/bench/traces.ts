/**
 * What reading traces of kernels costs: events a second from text and from raw buffers, memory, and the observed process.
 *
 * The traces are the recorded ones, again and again with later times: text in a file for speed, pages of raw buffers in
 * memory, and text through a pipe from another process, so that a trace of any size fits on any disk.
 *
 * Units    events for each second of this process's CPU time, which a busy host doesn't slow as it does the clock.
 */
import { spawn, spawnSync } from 'node:child_process'
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { Analysis } from '../analysis/index.ts'
import { observeLive } from '../observe/index.ts'
import {
  decoders,
  Kallsyms,
  type PageSource,
  readFormat,
  readPages,
  type Sink,
  TextReader,
} from '../trace/index.ts'
import { readTrace } from '../unpack/index.ts'
import { type Bench, compare, type Figure, median, type Plan, Skipped } from './measure.ts'
import { scratchPath } from './scratch.ts'

const ROUNDS = 5
const TEXT_COPIES = 100
const RAW_COPIES = 600
/** Between the copies of a trace, longer than any of them. */
const PERIOD_SECONDS = 20
const TENTHS = 10
const GIGABYTE = 1e9
const OBSERVE = join(import.meta.dirname, '..', 'observe')

export const traces: Bench = {
  name: 'traces',
  about: 'events a second of CPU time from kernel traces, against those asked for; memory over a gigabyte',
  async run(plan) {
    const text = scratchPath(plan, 'trace.txt')
    const file = openSync(text, 'w')
    for (const copy of textCopies(plan.smoke ? 1 : TEXT_COPIES)) writeSync(file, copy, null, 'latin1')
    closeSync(file)
    const raw = rawReader(plan.smoke ? 1 : RAW_COPIES)
    const fromText = async (sink: Sink) => (await readTrace(text, sink)).events
    const fromRaw = async (sink: Sink) => raw(sink)
    const million = 1e6
    return [
      await memory(plan.smoke ? GIGABYTE / 200 : GIGABYTE),
      await speed(plan, 'text', 'read alone', million, () => fromText(() => {})),
      await speed(plan, 'text, analysed', 'read and analysed', 1.3 * million, () => analysed(fromText)),
      await speed(plan, 'raw buffers', 'read alone', 4 * million, () => fromRaw(() => {})),
      await speed(plan, 'raw buffers, analysed', 'read and analysed', 'none', () => analysed(fromRaw)),
    ]
  },
}

export const observed: Bench = {
  name: 'observed',
  about: 'a process that only faults, with `observe live` and without; needs root and python3',
  async run(plan) {
    if (process.platform !== 'linux' || process.getuid?.() !== 0) throw new Skipped('needs root on Linux')
    if (spawnSync('python3', ['--version']).status !== 0) throw new Skipped('needs python3')
    const load = () => usOfFault(plan.smoke ? '0.05' : '1')
    return [
      await compare(plan, {
        name: 'a fault, observed',
        what: 'CPU time of an anonymous page fault while observe live runs, against without it',
        unit: 'us',
        target: { atMost: 1.05 },
        ratio: 'ours/theirs',
        rounds: 7,
        ours: () => whileObserved(load),
        theirs: load,
      }),
    ]
  },
}

/** Analyses so many bytes of text from a pipe; compares what is held at the end with what was after a tenth. */
async function memory(bytes: number): Promise<Figure> {
  const held = await heldOver(bytes)
  const [early, late] = [held[0]! / 1e6, held.at(-1)! / 1e6]
  return {
    name: 'memory held',
    ours: late,
    theirs: early,
    unit: 'MB',
    ratio: late / early,
    target: { atMost: 1.25 },
    rounds: 1,
    spread: [Math.min(...held) / 1e6 / early, Math.max(...held) / 1e6 / early],
    what: `heap and buffers after a collection, at the end of ${(bytes / 1e9).toFixed(1)} GB of text, against after a tenth of it`,
  }
}

/** Bytes of heap and buffers, after a collection, at each tenth of a trace of so many bytes. */
async function heldOver(bytes: number): Promise<number[]> {
  const program = `import { textFor } from ${JSON.stringify(import.meta.url)}; await textFor(${bytes})`
  const source = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const analysis = new Analysis({ thresholdMs: 50 })
  const reader = new TextReader(analysis.take)
  const held: number[] = []
  let read = 0
  for await (const chunk of source.stdout as AsyncIterable<Buffer>) {
    reader.push(chunk)
    read += chunk.length
    if (read < (bytes / TENTHS) * (held.length + 1)) continue
    globalThis.gc?.()
    const { heapUsed, external } = process.memoryUsage()
    held.push(heapUsed + external)
  }
  reader.end()
  analysis.finish()
  return held
}

async function speed(
  plan: Plan,
  name: string,
  what: string,
  asked: number | 'none',
  run: () => Promise<number>,
): Promise<Figure> {
  const found: number[] = []
  for (let round = plan.smoke ? 0 : -1; round < (plan.smoke ? 1 : ROUNDS); round++) {
    plan.say(`${name}: round ${round + 1}`)
    const before = process.cpuUsage()
    const events = await run()
    const { user, system } = process.cpuUsage(before)
    if (round >= 0) found.push(events / ((user + system) / 1e6))
  }
  const theirs = asked === 'none' ? 1e6 : asked
  return {
    name,
    ours: median(found) / 1e6,
    theirs: theirs / 1e6,
    unit: 'M/s',
    ratio: median(found) / theirs,
    target: asked === 'none' ? 'none' : { atLeast: 1 },
    rounds: found.length,
    spread: [Math.min(...found) / theirs, Math.max(...found) / theirs],
    what: `events ${what} for each second of CPU time, against ${theirs / 1e6} million`,
  }
}

const fixture = (name: string): string =>
  gunzipSync(readFileSync(join(OBSERVE, 'fixtures', name))).toString('latin1')

/** Writes at least so many bytes of trace to standard output; the other end of `heldOver`. */
export async function textFor(bytes: number): Promise<void> {
  let written = 0
  for (const copy of textCopies(Number.POSITIVE_INFINITY)) {
    if (written >= bytes) return
    written += copy.length
    if (!process.stdout.write(copy, 'latin1'))
      await new Promise(resolve => process.stdout.once('drain', resolve))
  }
}

function* textCopies(copies: number): Generator<string> {
  const pieces = fixture('page-mkwrite-6.18.txt.gz').split(/(?<= )(\d+)(?=\.\d{6}: )/)
  for (let copy = 0; copy < copies; copy++)
    yield pieces
      .map((piece, at) => (at % 2 === 0 ? piece : String(Number(piece) + copy * PERIOD_SECONDS)))
      .join('')
}

function rawReader(copies: number): (sink: Sink) => number {
  const recorded = JSON.parse(fixture('frozen-munmap-raw-6.18.json.gz')) as {
    readonly formats: readonly { readonly text: string }[]
    readonly kallsyms: string
    readonly cpus: readonly string[]
  }
  const formats = recorded.formats.map(({ text }) => readFormat(text))
  const byId = decoders(formats, new Kallsyms(recorded.kallsyms))
  const cpus = recorded.cpus.map(pages => Buffer.from(pages, 'base64'))
  return sink => {
    const sources = cpus.map((pages, cpu) => pagesAgain(pages, { cpu, copies }))
    return readPages(sources, byId, new Map(), sink).events
  }
}

/** The pages of a CPU so many times, each time later. */
function pagesAgain(
  pages: Buffer,
  { cpu, copies }: { readonly cpu: number; readonly copies: number },
): PageSource {
  const page = Buffer.alloc(4096)
  let at = 0
  let copy = 0
  return {
    cpu,
    next: () => {
      if (at >= pages.length) {
        at = 0
        copy++
      }
      if (copy >= copies || pages.length === 0) return null
      pages.copy(page, 0, at, at + page.length)
      const time = page.readBigUInt64LE(0) + BigInt(copy * PERIOD_SECONDS) * 1_000_000_000n
      page.writeBigUInt64LE(time, 0)
      at += page.length
      return page
    },
  }
}

async function analysed(read: (sink: Sink) => Promise<number>): Promise<number> {
  const analysis = new Analysis({ thresholdMs: 50 })
  const events = await read(analysis.take)
  analysis.finish()
  return events
}

/** Microseconds of CPU time that a page fault takes a process that does nothing else. */
async function usOfFault(seconds: string): Promise<number> {
  const load = spawn('python3', [join(OBSERVE, 'load.py'), 'faults', '/', seconds], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let said = ''
  for await (const text of load.stdout) said += text
  const { cpuSec, faults } = JSON.parse(said) as { cpuSec: number; faults: number }
  return (cpuSec * 1e6) / faults
}

async function whileObserved(measure: () => Promise<number>): Promise<number> {
  const controller = new AbortController()
  let measured: Promise<number> | undefined
  await observeLive({
    thresholdMs: 50,
    pids: null,
    seconds: null,
    bufferKb: 4096,
    signal: controller.signal,
    onStarted: () => {
      measured = measure().finally(() => controller.abort())
    },
  })
  return measured!
}
