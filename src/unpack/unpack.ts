/**
 * Takes off what a trace was packed into on its way: gzip, zstd, zip, atrace's own compression, UTF-16, records of logs, and pages
 * that hold it packed. Layers may lie over each other; each is known by its first bytes, and taken off as the bytes flow.
 *
 *     PK.. zip -> 1f 8b gzip -> ff fe UTF-16 -> the trace
 *
 * Owns     the layers. What the bytes inside are is the business of open.ts.
 */
import { TraceError } from '../trace/index.ts'
import { linesOf, readingOf } from './logs.ts'
import { type Bytes, gunzip, gunzipWhole, inflate, inflateRaw, unzstd } from './unpackers.ts'

const LAYERS_MAX = 6
/** The longest beginning that a layer needs to be known. */
const SNIFF_BYTES = 4096
const ZIP_HEADER = 30
const STORED = 0
/** Of a name in a message, characters. */
const NAME_SHOWN = 80
const DEFLATED = 8
/** A page of systrace is looked through whole for a packed trace, up to this size. */
const PAGE_BYTES_MAX = 256 << 20

interface Layer {
  readonly name: string
  readonly isOver: (first: Buffer) => boolean
  readonly off: (source: Bytes) => Bytes
}

const LAYERS: readonly Layer[] = [
  {
    name: 'gzip',
    isOver: first => begins(first, 0x1f, 0x8b),
    off: gunzip,
  },
  {
    name: 'zstd',
    isOver: first => begins(first, 0x28, 0xb5, 0x2f, 0xfd),
    off: unzstd,
  },
  { name: 'zip', isOver: first => begins(first, 0x50, 0x4b, 3, 4), off: unzip },
  { name: "atrace's compression", isOver: first => atraceData(first) !== -1, off: inflateAtrace },
  {
    name: 'UTF-16',
    isOver: first => begins(first, 0xff, 0xfe) || begins(first, 0xfe, 0xff),
    off: source => decoded(source),
  },
  {
    name: 'a byte order mark',
    isOver: first => begins(first, 0xef, 0xbb, 0xbf),
    off: source => without(source, 3),
  },
  {
    name: 'a page',
    isOver: first => /^\s*(<!doctype html|<html)/i.test(first.toString('latin1', 0, 200)),
    off: unpackPage,
  },
  { name: 'records of a log', isOver: first => readingOf(first) !== null, off: linesOf },
]

/** The bytes inside, and the layers that were over them, the outermost first. */
export async function unpack(
  source: Bytes,
): Promise<{ readonly inside: Bytes; readonly layers: readonly string[] }> {
  const layers: string[] = []
  let inside = source
  for (;;) {
    const { first, all } = await peek(inside)
    const layer = LAYERS.find(({ name, isOver }) => isOver(first) && !layers.includes(name))
    if (layer === undefined || layers.length === LAYERS_MAX) return { inside: all, layers }
    layers.push(layer.name)
    inside = layer.off(all)
  }
}

const begins = (first: Buffer, ...bytes: readonly number[]): boolean =>
  bytes.every((byte, at) => first[at] === byte)

async function peek(source: Bytes): Promise<{ readonly first: Buffer; readonly all: Bytes }> {
  const pieces = source[Symbol.asyncIterator]()
  let first = Buffer.alloc(0)
  while (first.length < SNIFF_BYTES) {
    const { value, done } = await pieces.next()
    if (done) break
    first = Buffer.concat([first, value])
  }
  return { first, all: behind(first, pieces) }
}

/** What was looked at, and the rest; leaving early ends the source. */
async function* behind(first: Buffer, rest: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  try {
    if (first.length > 0) yield first
    for (;;) {
      const { value, done } = await rest.next()
      if (done) return
      yield value
    }
  } finally {
    await rest.return?.()
  }
}

async function* without(source: Bytes, bytes: number): AsyncGenerator<Buffer> {
  let left = bytes
  for await (const piece of source) {
    if (piece.length > left) yield piece.subarray(left)
    left = Math.max(0, left - piece.length)
  }
}

async function* decoded(source: Bytes): AsyncGenerator<Buffer> {
  let decoder: InstanceType<typeof TextDecoder> | null = null
  for await (const piece of source) {
    decoder ??= new TextDecoder(piece[0] === 0xff ? 'utf-16le' : 'utf-16be')
    yield Buffer.from(decoder.decode(piece, { stream: true }))
  }
}

/** Where the packed bytes of `atrace -z` begin, behind the line TRACE:; -1 if there are none. */
function atraceData(first: Buffer): number {
  const mark = first.indexOf('TRACE:\n')
  const at = mark + 'TRACE:\n'.length
  return mark !== -1 && first[at] === 0x78 && [0x01, 0x5e, 0x9c, 0xda].includes(first[at + 1]!) ? at : -1
}

async function* inflateAtrace(source: Bytes): AsyncGenerator<Buffer> {
  const { first, all } = await peek(source)
  yield* inflate(without(all, atraceData(first)))
}

/** The first file of an archive that isn't a folder. */
async function* unzip(source: Bytes): AsyncGenerator<Buffer> {
  let rest = source
  for (;;) {
    const { first, all } = await peek(rest)
    if (!begins(first, 0x50, 0x4b, 3, 4))
      throw new TraceError('the zip archive holds no file; expected a trace in it')
    const method = first.readUInt16LE(8)
    const bytes = first.readUInt32LE(18)
    const name = first.toString('utf8', ZIP_HEADER, ZIP_HEADER + first.readUInt16LE(26))
    const data = without(all, ZIP_HEADER + first.readUInt16LE(26) + first.readUInt16LE(28))
    if (name.endsWith('/') || name.startsWith('__MACOSX')) {
      rest = without(data, bytes)
      continue
    }
    if (method === DEFLATED) yield* inflateRaw(data)
    else if (method === STORED && bytes > 0) yield* upTo(data, bytes)
    else
      throw new TraceError(
        `${name.length > NAME_SHOWN ? `${name.slice(0, NAME_SHOWN)}…` : name} in the zip archive is packed in a way (${method}) that is not deflate; expected a plain zip`,
      )
    return
  }
}

async function* upTo(source: Bytes, bytes: number): AsyncGenerator<Buffer> {
  let left = bytes
  for await (const piece of source) {
    yield piece.subarray(0, left)
    left -= piece.length
    if (left <= 0) return
  }
}

/** A page that holds the trace in base64, gzipped; any other passes as it is. */
async function* unpackPage(source: Bytes): AsyncGenerator<Buffer> {
  const pieces: Buffer[] = []
  let bytes = 0
  const all = source[Symbol.asyncIterator]()
  for (;;) {
    const { value, done } = await all.next()
    if (done) break
    pieces.push(Buffer.from(value))
    bytes += value.length
    if (bytes <= PAGE_BYTES_MAX) continue
    yield* pieces
    yield* behind(Buffer.alloc(0), all)
    return
  }
  const page = Buffer.concat(pieces)
  const script = page.indexOf('>H4sI')
  const packed = script === -1 ? page.indexOf('>\nH4sI') : script
  if (packed === -1) {
    yield page
    return
  }
  const end = page.indexOf('<', packed + 1)
  const inside = gunzipWhole(
    Buffer.from(page.toString('latin1', packed + 1, end === -1 ? page.length : end), 'base64'),
  )
  yield inside[0] === 0x7b ? systemTraceOf(inside) : inside
}

/** The kernel's part of a trace of Chrome's. */
function systemTraceOf(json: Buffer): Buffer {
  const { systemTraceEvents } = JSON.parse(json.toString()) as { readonly systemTraceEvents?: unknown }
  if (typeof systemTraceEvents === 'string') return Buffer.from(systemTraceEvents)
  throw new TraceError(
    "the page's trace has no events of the kernel (systemTraceEvents); expected a trace with sched and mmap_lock",
  )
}
