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
  /** Of the machine that recorded; little where it isn't told. */
  readonly order?: 'little' | 'big'
}

const PAGE = 4096

interface Words {
  readonly u16: (value: number) => Buffer
  readonly u32: (value: number) => Buffer
  readonly u64: (value: number) => Buffer
}

function wordsOf({ order }: Recorded): Words {
  const ordered = (bytes: Buffer): Buffer => (order === 'big' ? bytes.reverse() : bytes)
  return {
    u16: value => ordered(Buffer.from(Uint16Array.of(value).buffer)),
    u32: value => ordered(Buffer.from(Uint32Array.of(value).buffer)),
    u64: value => ordered(Buffer.from(BigUint64Array.of(BigInt(value)).buffer)),
  }
}

const text = (value: string): Buffer => Buffer.from(`${value}\0`, 'latin1')
const raw = (value: string): Buffer => Buffer.from(value, 'latin1')
const start = (version: number, recorded: Recorded): Buffer =>
  Buffer.concat([
    raw('\x17\x08Dtracing'),
    text(String(version)),
    Buffer.from([recorded.order === 'big' ? 1 : 0, 8]),
    wordsOf(recorded).u32(PAGE),
  ])

function headers(recorded: Recorded): Buffer {
  const { u64 } = wordsOf(recorded)
  return Buffer.concat([
    text('header_page'),
    u64(recorded.headerPage.length),
    raw(recorded.headerPage),
    text('header_event'),
    u64(recorded.headerEvent.length),
    raw(recorded.headerEvent),
  ])
}

function formatsOf(recorded: Recorded, system: string): Buffer {
  const { u32, u64 } = wordsOf(recorded)
  const own = recorded.formats.filter(format => format.system === system)
  return Buffer.concat([
    u32(own.length),
    ...own.flatMap(format => [u64(format.text.length), raw(format.text)]),
  ])
}

function systemsOf(recorded: Recorded): Buffer {
  const { u32 } = wordsOf(recorded)
  const systems = [...new Set(recorded.formats.map(format => format.system))].filter(
    system => system !== 'ftrace',
  )
  return Buffer.concat([
    u32(systems.length),
    ...systems.flatMap(system => [text(system), formatsOf(recorded, system)]),
  ])
}

export function version6(recorded: Recorded): Buffer {
  const { u16, u32, u64 } = wordsOf(recorded)
  const head = Buffer.concat([
    start(6, recorded),
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
  const { u16, u32, u64 } = wordsOf(recorded)
  const isPacked = packing === 'zstd'
  const parts: Buffer[] = [start(7, recorded), text(packing), text('1')]
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
  const contents = recorded.cpus.map(pages => (isPacked ? inChunks(pages, u32) : pages))
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
function inChunks(pages: Buffer, u32: Words['u32']): Buffer {
  const chunks: Buffer[] = []
  for (let at = 0; at < pages.length; at += 2 * PAGE) chunks.push(pages.subarray(at, at + 2 * PAGE))
  const packed = chunks.map(chunk => {
    const bytes = zstdCompressSync(chunk)
    return Buffer.concat([u32(bytes.length), u32(chunk.length), bytes])
  })
  return Buffer.concat([u32(chunks.length), ...packed])
}

/** The same as a machine with the other order of bytes would have recorded it: every number of every page is turned. */
export function onBigEndian(recorded: Recorded): Recorded {
  const fieldsOf = new Map(
    recorded.formats.map(({ text: format }) => [Number(/ID: (\d+)/.exec(format)![1]), numbersOf(format)]),
  )
  const cpus = recorded.cpus.map(pages => {
    const turned = Buffer.from(pages)
    for (let at = 0; at < turned.length; at += PAGE) turnPage(turned.subarray(at, at + PAGE), fieldsOf)
    return turned
  })
  return { ...recorded, cpus, order: 'big' }
}

interface Numbers {
  readonly offset: number
  readonly bytes: number
  /** How many stand there; the last field of a stack goes on to the event's end. */
  readonly count: number
}

function numbersOf(format: string): Numbers[] {
  return [...format.matchAll(/field:([^;]+);\s*offset:(\d+);\s*size:(\d+)/g)].flatMap(
    ([, field, offset, size]) => {
      if (/\bchar\b.*\[/.test(field!) && !field!.includes('__data_loc')) return []
      const isArray = /\[\d*\]$/.test(field!.trim()) && !field!.includes('__data_loc')
      const bytes = isArray ? 8 : Number(size)
      return [{ offset: Number(offset), bytes, count: isArray ? Infinity : 1 }]
    },
  )
}

function turnPage(page: Buffer, fieldsOf: ReadonlyMap<number, readonly Numbers[]>): void {
  const turn = (at: number, bytes: number) => page.subarray(at, at + bytes).reverse()
  const commit = page.readUInt32LE(8)
  const end = 16 + (commit & 0x3fffffff)
  turn(0, 8)
  turn(8, 8)
  if ((commit & 0x40000000) !== 0) turn(end, 8)
  for (let at = 16; at + 4 <= end; ) {
    const header = page.readUInt32LE(at)
    const [type, delta] = [header & 31, header >>> 5]
    page.writeUInt32BE(((type << 27) | delta) >>> 0, at)
    const word = at + 8 <= end ? page.readUInt32LE(at + 4) : 0
    const hasWord = type === 0 || type >= 29
    if (hasWord && at + 8 <= end) turn(at + 4, 4)
    if (type === 29) {
      if (delta === 0) return
      at += 4 + word
    } else if (type > 29) at += 8
    else {
      const payload = at + (type === 0 ? 8 : 4)
      at = type === 0 ? at + 4 + word : payload + type * 4
      for (const { offset, bytes, count } of fieldsOf.get(page.readUInt16LE(payload)) ?? [])
        for (let n = 0, place = payload + offset; n < count && place + bytes <= at; n++, place += bytes)
          turn(place, bytes)
    }
  }
}

const align = (at: number): number => Math.ceil(at / PAGE) * PAGE
