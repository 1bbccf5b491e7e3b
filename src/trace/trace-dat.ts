/**
 * Reads trace.dat, the file of trace-cmd, versions 6 and 7.
 *
 *     v6   magic version endian longs page | header_page header_event | ftrace formats | systems' formats
 *          | kallsyms | printk | command lines | cpus | "options  " ... | "flyrecord" offset, size for each CPU
 *     v7   magic version endian longs page compression | offset of the options, which name the other sections
 *
 * A section of version 7 may be packed whole, and a CPU's data in chunks; a chunk is unpacked when its turn comes, so
 * memory is one chunk for each CPU.
 *
 * Owns     the container. The pages inside are ring.ts's, the meaning of events format.ts's.
 */
import { closeSync, openSync } from 'node:fs'
import { type Bytes, bytesOf, FileBytes, ftraceFormats, systemFormats, type Words } from './bytes.ts'
import { type Decoder, decoders, readFormat } from './format.ts'
import { Kallsyms } from './kallsyms.ts'
import type { ReadOptions, ReadResult } from './reading.ts'
import { type Sink, TraceError } from './record.ts'
import { readPages } from './ring.ts'
import { inflateWhole, unzstdWhole } from './unpackers.ts'

const MAGIC = Buffer.from('\x17\x08Dtracing', 'latin1')
const PROGRESS_EVERY = 64

const Option = {
  done: 0,
  buffer: 3,
  eventFormats: 18,
  ftraceFormats: 17,
  kallsyms: 19,
  cmdlines: 21,
} as const

export const isTraceDat = (first: Buffer): boolean => first.subarray(0, MAGIC.length).equals(MAGIC)

interface Container {
  readonly words: Words
  readonly formats: readonly string[]
  readonly kallsyms: string
  readonly commOf: ReadonlyMap<number, string>
  readonly pageBytes: number
  readonly cpus: readonly CpuData[]
}

interface CpuData {
  readonly cpu: number
  readonly offset: number
  readonly size: number
  /** Null when the data is not packed in chunks. */
  readonly unpack: ((bytes: Buffer) => Buffer) | null
}

export function readTraceDat(path: string, sink: Sink, options: ReadOptions): ReadResult {
  const file = openSync(path, 'r')
  try {
    const bytes = new FileBytes(file, path)
    const container = readContainer(bytes)
    const byId: Map<number, Decoder> = decoders(
      container.formats.map(readFormat),
      new Kallsyms(container.kallsyms),
      container.words,
    )
    let pages = 0
    const sources = container.cpus.map(data => {
      const source =
        data.unpack === null ? plainPages(bytes, data, container) : packedPages(bytes, data, container)
      return {
        cpu: data.cpu,
        next: () => {
          if (pages++ % PROGRESS_EVERY === 0) {
            options.signal?.throwIfAborted()
            options.onProgress?.(Math.min(pages * container.pageBytes, bytes.size), bytes.size)
          }
          return source()
        },
      }
    })
    const { events, unread } = readPages(sources, byId, container.commOf, sink, container.words)
    return { format: 'trace.dat', events, unread, unreadEvents: [], notes: [] }
  } finally {
    closeSync(file)
  }
}

function readContainer(bytes: FileBytes): Container {
  bytes.at = MAGIC.length
  const version = Number(bytes.text())
  bytes.order = bytes.u8() === 0 ? 'little' : 'big'
  const words: Words = { order: bytes.order, longBytes: bytes.u8() === 4 ? 4 : 8 }
  const pageBytes = bytes.u32()
  if (version === 6) return { ...readVersion6(bytes), words, pageBytes }
  if (version === 7) return { ...readVersion7(bytes), words, pageBytes }
  throw new TraceError(
    `${bytes.path} is a trace.dat of version ${version}; expected 6 or 7, use the text of trace-cmd report`,
  )
}

type Contents = Omit<Container, 'words' | 'pageBytes'>

function readVersion6(bytes: FileBytes): Contents {
  for (let header = 0; header < 2; header++) {
    bytes.text()
    bytes.skip(bytes.u64())
  }
  const formats = [...ftraceFormats(bytes), ...systemFormats(bytes)]
  const kallsyms = bytes.string(bytes.u32())
  bytes.skip(bytes.u32())
  const commOf = readCmdlines(bytes.string(bytes.u64()))
  const cpuCount = bytes.u32()
  const cpus: CpuData[] = []
  for (;;) {
    const section = bytes.string(10)
    if (section.startsWith('options')) {
      for (let id = bytes.u16(); id !== Option.done; id = bytes.u16()) {
        const end = bytes.u32() + bytes.at
        if (id === Option.buffer) cpus.push(...version6Buffer(bytes, bytes.u64(), cpuCount))
        bytes.at = end
      }
      continue
    }
    if (!section.startsWith('flyrecord'))
      throw new TraceError(
        `${bytes.path}: expected recorded events, found a section "${section.trim()}"; record with trace-cmd record`,
      )
    cpus.push(...version6Cpus(bytes, cpuCount))
    return { formats, kallsyms, commOf, cpus }
  }
}

/** A second tracing instance, stored elsewhere in the file in the same form. */
function version6Buffer(bytes: FileBytes, offset: number, cpuCount: number): CpuData[] {
  const back = bytes.at
  bytes.at = offset
  const isFly = bytes.string(10).startsWith('flyrecord')
  const cpus = isFly ? version6Cpus(bytes, cpuCount) : []
  bytes.at = back
  return cpus
}

function version6Cpus(bytes: FileBytes, cpuCount: number): CpuData[] {
  return Array.from({ length: cpuCount }, (_, cpu) => ({
    cpu,
    offset: bytes.u64(),
    size: bytes.u64(),
    unpack: null,
  }))
}

function readVersion7(bytes: FileBytes): Contents {
  const compression = bytes.text()
  bytes.text()
  const unpack = unpacker(compression, bytes.path)
  let kallsyms = ''
  let commOf: ReadonlyMap<number, string> = new Map()
  const formats: string[] = []
  const cpus: CpuData[] = []
  const section = (offset: number) => openSection(bytes, offset, unpack)
  for (let next = bytes.u64(); next !== 0; ) {
    const options = section(next)
    next = 0
    for (let isDone = false; !isDone; ) {
      const id = options.u16()
      const end = options.u32() + options.at
      if (id === Option.done) {
        next = options.u64()
        isDone = true
      } else if (id === Option.ftraceFormats) formats.push(...ftraceFormats(section(options.u64())))
      else if (id === Option.eventFormats) formats.push(...systemFormats(section(options.u64())))
      else if (id === Option.kallsyms) {
        const body = section(options.u64())
        kallsyms = body.string(body.u32())
      } else if (id === Option.cmdlines) {
        const body = section(options.u64())
        commOf = readCmdlines(body.string(body.u64()))
      } else if (id === Option.buffer) cpus.push(...version7Buffer(bytes, options, unpack))
      options.at = end
    }
  }
  return { formats, kallsyms, commOf, cpus }
}

function version7Buffer(bytes: FileBytes, options: Bytes, unpack: (bytes: Buffer) => Buffer): CpuData[] {
  bytes.at = options.u64() + 2
  const isPacked = (bytes.u16() & 1) !== 0
  options.text()
  options.text()
  options.u32()
  const count = options.u32()
  return Array.from({ length: count }, () => ({
    cpu: options.u32(),
    offset: options.u64(),
    size: options.u64(),
    unpack: isPacked ? unpack : null,
  }))
}

function openSection(bytes: FileBytes, offset: number, unpack: (bytes: Buffer) => Buffer): Bytes {
  bytes.at = offset + 2
  const isPacked = (bytes.u16() & 1) !== 0
  bytes.u32()
  const size = bytes.u64()
  if (!isPacked) return bytesOf(bytes.slice(size), bytes)
  const packed = bytes.u32()
  bytes.u32()
  return bytesOf(unpackWhole(unpack, bytes.slice(packed), bytes.path), bytes)
}

function unpacker(compression: string, path: string): (bytes: Buffer) => Buffer {
  if (compression === 'none') return bytes => bytes
  if (compression === 'zstd') return unzstdWhole
  if (compression === 'zlib') return inflateWhole
  throw new TraceError(
    `${path} is packed with ${compression}; expected zstd, zlib or none, use the text of trace-cmd report`,
  )
}

function unpackWhole(unpack: (bytes: Buffer) => Buffer, packed: Buffer, path: string): Buffer {
  try {
    return unpack(packed)
  } catch {
    throw new TraceError(`${path}: a packed section is damaged; expected a whole trace.dat, record it anew`)
  }
}

function plainPages(bytes: FileBytes, data: CpuData, container: Container): () => Buffer | null {
  let at = data.offset
  const end = data.offset + data.size
  return () => {
    if (at >= end) return null
    bytes.at = at
    at += container.pageBytes
    return bytes.slice(container.pageBytes)
  }
}

function packedPages(bytes: FileBytes, data: CpuData, container: Container): () => Buffer | null {
  if (data.size === 0) return () => null
  let at = data.offset
  bytes.at = at
  let chunks = bytes.u32()
  at += 4
  let chunk = Buffer.alloc(0)
  let inChunk = 0
  return () => {
    if (inChunk >= chunk.length) {
      if (chunks-- <= 0) return null
      bytes.at = at
      const packed = bytes.u32()
      bytes.u32()
      chunk = Buffer.from(unpackWhole(data.unpack!, bytes.slice(packed), bytes.path))
      inChunk = 0
      at += 8 + packed
    }
    const page = chunk.subarray(inChunk, inChunk + container.pageBytes)
    inChunk += container.pageBytes
    return page
  }
}

function readCmdlines(text: string): Map<number, string> {
  const commOf = new Map<number, string>()
  for (const line of text.split('\n')) {
    const space = line.indexOf(' ')
    if (space > 0) commOf.set(Number(line.slice(0, space)), line.slice(space + 1))
  }
  return commOf
}
