/**
 * Writes trace.dat files for tests: version 6, and version 7 packed or not, around raw pages and formats.
 *
 * The layouts are those of the manual pages trace-cmd.dat.v6(5) and trace-cmd.dat.v7(5), written apart from the reader.
 */
import { zstdCompressSync } from 'node:zlib'

export interface Recorded {
  readonly formats: readonly { readonly system: string; readonly text: string }[]
  readonly headerPage: string
  readonly headerEvent: string
  readonly kallsyms: string
  readonly cmdlines: string
  /** Pages of each CPU, 4096 bytes each. */
  readonly cpus: readonly Buffer[]
}

const PAGE = 4096

const u16 = (value: number): Buffer => Buffer.from(Uint16Array.of(value).buffer)
const u32 = (value: number): Buffer => Buffer.from(Uint32Array.of(value).buffer)
const u64 = (value: number): Buffer => Buffer.from(BigUint64Array.of(BigInt(value)).buffer)
const text = (value: string): Buffer => Buffer.from(`${value}\0`, 'latin1')
const raw = (value: string): Buffer => Buffer.from(value, 'latin1')
const start = (version: number): Buffer =>
  Buffer.concat([raw('\x17\x08Dtracing'), text(String(version)), Buffer.from([0, 8]), u32(PAGE)])

const headers = (recorded: Recorded): Buffer =>
  Buffer.concat([
    text('header_page'),
    u64(recorded.headerPage.length),
    raw(recorded.headerPage),
    text('header_event'),
    u64(recorded.headerEvent.length),
    raw(recorded.headerEvent),
  ])

function formatsOf(recorded: Recorded, system: string): Buffer {
  const own = recorded.formats.filter(format => format.system === system)
  return Buffer.concat([
    u32(own.length),
    ...own.flatMap(format => [u64(format.text.length), raw(format.text)]),
  ])
}

function systemsOf(recorded: Recorded): Buffer {
  const systems = [...new Set(recorded.formats.map(format => format.system))].filter(
    system => system !== 'ftrace',
  )
  return Buffer.concat([
    u32(systems.length),
    ...systems.flatMap(system => [text(system), formatsOf(recorded, system)]),
  ])
}

export function version6(recorded: Recorded): Buffer {
  const head = Buffer.concat([
    start(6),
    headers(recorded),
    formatsOf(recorded, 'ftrace'),
    systemsOf(recorded),
    u32(recorded.kallsyms.length),
    raw(recorded.kallsyms),
    u32(0),
    u64(recorded.cmdlines.length),
    raw(recorded.cmdlines),
    u32(recorded.cpus.length),
    raw('options  \0'),
    u16(0),
    raw('flyrecord\0'),
  ])
  let at = align(head.length + recorded.cpus.length * 16)
  const table: Buffer[] = []
  const bodies: Buffer[] = [Buffer.alloc(at - head.length - recorded.cpus.length * 16)]
  for (const pages of recorded.cpus) {
    table.push(u64(at), u64(pages.length))
    bodies.push(pages)
    at += pages.length
  }
  return Buffer.concat([head, ...table, ...bodies])
}

export function version7(recorded: Recorded, packing: 'none' | 'zstd'): Buffer {
  const isPacked = packing === 'zstd'
  const parts: Buffer[] = [start(7), text(packing), text('1')]
  let length = Buffer.concat(parts).length + 8
  const body: Buffer[] = []
  const put = (bytes: Buffer): number => {
    const offset = length
    body.push(bytes)
    length += bytes.length
    return offset
  }
  const section = (id: number, bytes: Buffer): number => {
    const packed = isPacked ? zstdCompressSync(bytes) : bytes
    const content = isPacked ? Buffer.concat([u32(packed.length), u32(bytes.length), packed]) : bytes
    return put(Buffer.concat([u16(id), u16(isPacked ? 1 : 0), u32(0), u64(content.length), content]))
  }
  const at = {
    headers: section(16, headers(recorded)),
    ftrace: section(17, formatsOf(recorded, 'ftrace')),
    events: section(18, systemsOf(recorded)),
    kallsyms: section(19, Buffer.concat([u32(recorded.kallsyms.length), raw(recorded.kallsyms)])),
    cmdlines: section(21, Buffer.concat([u64(recorded.cmdlines.length), raw(recorded.cmdlines)])),
  }
  const contents = recorded.cpus.map(pages => (isPacked ? inChunks(pages) : pages))
  const size = contents.reduce((sum, each) => sum + each.length, 0)
  const buffer = put(Buffer.concat([u16(23), u16(isPacked ? 1 : 0), u32(0), u64(size)]))
  put(Buffer.alloc(align(length) - length))
  const cpus = contents.map((content, cpu) =>
    Buffer.concat([u32(cpu), u64(put(content)), u64(content.length)]),
  )
  const option = (id: number, bytes: Buffer) => Buffer.concat([u16(id), u32(bytes.length), bytes])
  const options = Buffer.concat([
    option(16, u64(at.headers)),
    option(17, u64(at.ftrace)),
    option(18, u64(at.events)),
    option(19, u64(at.kallsyms)),
    option(21, u64(at.cmdlines)),
    option(3, Buffer.concat([u64(buffer), text(''), text('mono'), u32(PAGE), u32(cpus.length), ...cpus])),
    option(0, u64(0)),
  ])
  const first = section(0, options)
  return Buffer.concat([...parts, u64(first), ...body])
}

/** Two pages a chunk, so that a CPU has several. */
function inChunks(pages: Buffer): Buffer {
  const chunks: Buffer[] = []
  for (let at = 0; at < pages.length; at += 2 * PAGE) chunks.push(pages.subarray(at, at + 2 * PAGE))
  const packed = chunks.map(chunk => {
    const bytes = zstdCompressSync(chunk)
    return Buffer.concat([u32(bytes.length), u32(chunk.length), bytes])
  })
  return Buffer.concat([u32(chunks.length), ...packed])
}

const align = (at: number): number => Math.ceil(at / PAGE) * PAGE
