/**
 * How fast traces are read and analysed, and that memory stays flat: figures, not assertions.
 *
 *     node src/observe/measure.ts [--megabytes 1000]
 *
 * The traces are the recorded ones, again and again with later times: text in a temporary file for speed, the pages of raw
 * buffers in memory, and text through a pipe from another process, so that a trace of any size fits on any disk.
 *
 * Units    events a second of wall time, and of this process's own CPU time, which a busy machine doesn't slow.
 */
import { spawn } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { gunzipSync } from 'node:zlib'
import { Analysis } from './analysis.ts'
import { decoders, readFormat } from './format.ts'
import { Kallsyms } from './kallsyms.ts'
import { readTrace } from './open.ts'
import type { Sink } from './record.ts'
import { type PageSource, readPages } from './ring.ts'
import { TextReader } from './text.ts'

export interface Speed {
  readonly what: string
  readonly events: number
  readonly perSecond: number
  readonly perCpuSecond: number
}

export interface Memory {
  readonly bytes: number
  readonly events: number
  /** Resident bytes at each tenth of the trace. */
  readonly resident: readonly number[]
}

const RUNS = 3
const TEXT_COPIES = 100
const RAW_COPIES = 600
/** Between the copies of a trace, longer than any of them. */
const PERIOD_SECONDS = 20
const TENTHS = 10

const fixture = (name: string): string =>
  gunzipSync(readFileSync(join(import.meta.dirname, 'fixtures', name))).toString('latin1')

/** Reading alone and with analysis, from text and from raw buffers; the best of RUNS. */
export async function measureSpeed(): Promise<Speed[]> {
  const folder = mkdtempSync(join(tmpdir(), 'faultline-measure-'))
  const text = join(folder, 'trace.txt')
  try {
    const file = openSync(text, 'w')
    for (const copy of textCopies(TEXT_COPIES)) writeSync(file, copy, null, 'latin1')
    closeSync(file)
    const raw = rawReader()
    const fromText = async (sink: Sink) => (await readTrace(text, sink)).events
    const fromRaw = async (sink: Sink) => raw(sink)
    return [
      await best('text, reading', () => fromText(() => {})),
      await best('text, with analysis', () => analysed(fromText)),
      await best('raw buffers, reading', () => fromRaw(() => {})),
      await best('raw buffers, with analysis', () => analysed(fromRaw)),
    ]
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** Analyses a trace of so many bytes of text that comes through a pipe. */
export async function measureMemory(bytes: number): Promise<Memory> {
  const program = `import { textFor } from ${JSON.stringify(import.meta.url)}; await textFor(${bytes})`
  const source = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const analysis = new Analysis({ thresholdMs: 50 })
  const reader = new TextReader(analysis.take)
  const resident: number[] = []
  let read = 0
  for await (const chunk of source.stdout as AsyncIterable<Buffer>) {
    reader.push(chunk)
    read += chunk.length
    if (read >= (bytes / TENTHS) * (resident.length + 1)) resident.push(process.memoryUsage.rss())
  }
  reader.end()
  analysis.finish()
  return { bytes: read, events: reader.events, resident }
}

/** Writes at least so many bytes of trace to standard output; the other end of `measureMemory`. */
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

function rawReader(): (sink: Sink) => number {
  const recorded = JSON.parse(fixture('frozen-munmap-raw-6.18.json.gz')) as {
    readonly formats: readonly { readonly text: string }[]
    readonly kallsyms: string
    readonly cpus: readonly string[]
  }
  const formats = recorded.formats.map(({ text }) => readFormat(text))
  const byId = decoders(formats, new Kallsyms(recorded.kallsyms))
  const cpus = recorded.cpus.map(pages => Buffer.from(pages, 'base64'))
  return sink => {
    const sources = cpus.map((pages, cpu) => pagesAgain(pages, cpu))
    return readPages(sources, byId, new Map(), sink).events
  }
}

/** The pages of a CPU, RAW_COPIES times, each time later. */
function pagesAgain(pages: Buffer, cpu: number): PageSource {
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
      if (copy >= RAW_COPIES || pages.length === 0) return null
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

async function best(what: string, run: () => Promise<number>): Promise<Speed> {
  let found: Speed = { what, events: 0, perSecond: 0, perCpuSecond: 0 }
  for (let i = 0; i < RUNS; i++) {
    const began = performance.now()
    const cpu = process.cpuUsage()
    const events = await run()
    const used = process.cpuUsage(cpu)
    const perSecond = events / ((performance.now() - began) / 1e3)
    const perCpuSecond = events / ((used.user + used.system) / 1e6)
    found = {
      what,
      events,
      perSecond: Math.max(found.perSecond, perSecond),
      perCpuSecond: Math.max(found.perCpuSecond, perCpuSecond),
    }
  }
  return found
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { megabytes: { type: 'string', default: '1000' } } })
  const millions = (value: number) => `${(value / 1e6).toFixed(2)} M/s`.padStart(10)
  const { bytes, events, resident } = await measureMemory(Number(values.megabytes) * 1e6)
  const megabytes = resident.map(each => (each / 1e6).toFixed(0)).join(' ')
  console.log(
    `${(bytes / 1e9).toFixed(2)} GB of text, ${events} events; resident MB at each tenth: ${megabytes}`,
  )
  console.log(`${'events a second'.padEnd(32)}${'wall'.padStart(10)}${'CPU'.padStart(10)}`)
  for (const { what, perSecond, perCpuSecond } of await measureSpeed())
    console.log(`${what.padEnd(32)}${millions(perSecond)}${millions(perCpuSecond)}`)
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main()
