/**
 * Event formats: what the kernel says of the layout of its events, and decoders made from it.
 *
 * Numbers and offsets differ between kernels and configurations, so nothing is assumed but names: an event or a field is
 * looked up by its name, and one that isn't there is told by leaving the record's field empty.
 *
 *     name: sched_switch
 *     ID: 372
 *     format:
 *         field:pid_t prev_pid;   offset:24;  size:4;  signed:1;
 *     print fmt: "...", ... { 0x00000002, "D" } ...
 */
import { type ByteOrder, LITTLE_64, type Words } from './bytes.ts'
import { Interner, nameInterner } from './interner.ts'
import type { Kallsyms } from './kallsyms.ts'
import { KIND_OF_EVENT, Kind, type TraceRecord } from './record.ts'

export interface Field {
  readonly name: string
  readonly offset: number
  readonly size: number
  /** How a string is stored: in place, or elsewhere in the event with a word that says where. */
  readonly storage: 'inline' | 'data_loc' | 'rel_loc'
}

export interface Format {
  readonly name: string
  readonly id: number
  readonly fields: ReadonlyMap<string, Field>
  /** The letters of sched_switch's prev_state, by bit. */
  readonly states: ReadonlyMap<number, string>
  /** The names of FUSE's opcodes. */
  readonly opcodes: ReadonlyMap<number, string>
}

/** Fills a record from an event's payload in [start, end). */
export type Decoder = (record: TraceRecord, bytes: Buffer, start: number, end: number) => void

const FRAMES_MAX = 128
const NO_ADDRESS = 0xffffffff

export function readFormat(text: string): Format {
  const fields = new Map<string, Field>()
  for (const match of text.matchAll(/field:\s*([^;]+);\s*offset:(\d+);\s*size:(\d+);/g)) {
    const declaration = match[1]!.trim()
    const name = /(\w+)(?:\[[^\]]*\])*$/.exec(declaration)?.[1] ?? declaration
    const storage = declaration.startsWith('__data_loc')
      ? 'data_loc'
      : declaration.startsWith('__rel_loc')
        ? 'rel_loc'
        : 'inline'
    fields.set(name, { name, offset: Number(match[2]), size: Number(match[3]), storage })
  }
  const states = new Map(
    [...text.matchAll(/\{\s*(0x[0-9a-f]+|\d+),\s*"(\w)"\s*\}/g)].map(each => [Number(each[1]), each[2]!]),
  )
  const opcodes = new Map(
    [...text.matchAll(/\{\s*(\d+),\s*"(?:FUSE_)?([A-Z_0-9]{2,})"\s*\}/g)].map(each => [
      Number(each[1]),
      each[2]!,
    ]),
  )
  return {
    name: /name:\s*(\S+)/.exec(text)?.[1] ?? '',
    id: Number(/ID:\s*(\d+)/.exec(text)?.[1] ?? -1),
    fields,
    states,
    opcodes,
  }
}

/** Event id -> decoder, for the events this room reads. */
export function decoders(
  formats: readonly Format[],
  kallsyms: Kallsyms,
  words: Words = LITTLE_64,
): Map<number, Decoder> {
  const names = nameInterner()
  const byId = new Map<number, Decoder>()
  for (const format of formats) {
    const decoder = decoderOf(format, { names, kallsyms, words })
    if (decoder !== null) byId.set(format.id, decoder)
  }
  return byId
}

interface Context {
  readonly names: Interner
  readonly kallsyms: Kallsyms
  readonly words: Words
}

function decoderOf(format: Format, context: Context): Decoder | null {
  const kind = KIND_OF_EVENT.get(format.name)
  if (kind === undefined) return null
  const fill = fillOf(kind, format, context)
  if (fill === null) return null
  return (record, bytes, start, end) => {
    record.kind = kind
    fill(record, bytes, start, end)
  }
}

function fillOf(kind: Kind, format: Format, { names, kallsyms, words }: Context): Decoder | null {
  const { order } = words
  const field = (name: string): Field | null => format.fields.get(name) ?? null
  const string = (name: string) => stringReader(field(name), names, order)
  const number = (name: string) => numberReader(field(name), order)
  const frames = framesReader(kallsyms, words)
  switch (kind) {
    case Kind.start:
    case Kind.acquired:
    case Kind.released: {
      const mm = hexReader(field('mm'), order)
      const group = field('memcg_path') === null ? idReader(field('memcg_id'), order) : string('memcg_path')
      const write = number('write')
      const success = field('success') === null ? () => 1 : number('success')
      return (record, bytes, start) => {
        record.mm = mm(bytes, start)
        record.group = group(bytes, start)
        record.write = write(bytes, start) !== 0
        record.success = success(bytes, start) !== 0
      }
    }
    case Kind.switchOut: {
      const state = number('prev_state')
      const nextTid = number('next_pid')
      const nextComm = string('next_comm')
      const comm = string('prev_comm')
      return (record, bytes, start) => {
        record.state = stateLetter(format.states, state(bytes, start))
        record.comm = comm(bytes, start)
        record.nextTid = nextTid(bytes, start)
        record.nextComm = nextComm(bytes, start)
      }
    }
    case Kind.waking: {
      const nextTid = number('pid')
      const nextComm = string('comm')
      return (record, bytes, start) => {
        record.nextTid = nextTid(bytes, start)
        record.nextComm = nextComm(bytes, start)
      }
    }
    case Kind.blocked: {
      const nextTid = number('pid')
      const caller = field('caller')
      if (caller === null) return null
      return (record, bytes, start) => {
        record.nextTid = nextTid(bytes, start)
        const at = start + caller.offset
        record.frames = frames(bytes, at, at + caller.size)
      }
    }
    case Kind.fault: {
      const address = number('address')
      const code = number('error_code')
      return (record, bytes, start) => {
        record.address = address(bytes, start)
        record.code = code(bytes, start)
      }
    }
    case Kind.bioQueued:
    case Kind.issued:
    case Kind.completed:
    case Kind.requeued: {
      const device = number('dev')
      const sector = number('sector')
      const sectors = number('nr_sector')
      const rwbs = string('rwbs')
      return (record, bytes, start) => {
        record.device = deviceName(device(bytes, start))
        record.sector = sector(bytes, start)
        record.sectors = sectors(bytes, start)
        record.rwbs = rwbs(bytes, start)
      }
    }
    case Kind.asked:
    case Kind.answered: {
      const connection = number('connection')
      const unique = number('unique')
      const opcode = number('opcode')
      const error = number('error')
      return (record, bytes, start) => {
        record.device = deviceName(connection(bytes, start))
        record.unique = unique(bytes, start)
        const code = opcode(bytes, start)
        record.name = format.opcodes.get(code) ?? `opcode ${code}`
        record.code = error(bytes, start) | 0
      }
    }
    case Kind.syscallEnter:
    case Kind.syscallExit: {
      const nr = number('id')
      return (record, bytes, start) => {
        record.name = `syscall ${nr(bytes, start)}`
      }
    }
    case Kind.stack: {
      const caller = field('caller')
      if (caller === null) return null
      return (record, bytes, start, end) => {
        record.frames = frames(bytes, start + caller.offset, end)
      }
    }
    default:
      return null
  }
}

/** `7,0`, of a kernel's dev_t. */
export const deviceName = (dev: number): string => `${dev >>> 20},${dev & 0xfffff}`

type Read<T> = (bytes: Buffer, start: number) => T

function numberReader(field: Field | null, order: ByteOrder): Read<number> {
  if (field === null) return () => 0
  const { offset, size } = field
  if (size === 1) return (bytes, start) => bytes[start + offset]!
  if (order === 'big') {
    if (size === 2) return (bytes, start) => bytes.readUInt16BE(start + offset)
    if (size === 4) return (bytes, start) => bytes.readUInt32BE(start + offset)
    return (bytes, start) =>
      bytes.readUInt32BE(start + offset + 4) + bytes.readUInt32BE(start + offset) * 2 ** 32
  }
  if (size === 2) return (bytes, start) => bytes.readUInt16LE(start + offset)
  if (size === 4) return (bytes, start) => bytes.readUInt32LE(start + offset)
  return (bytes, start) =>
    bytes.readUInt32LE(start + offset) + bytes.readUInt32LE(start + offset + 4) * 2 ** 32
}

function idReader(field: Field | null, order: ByteOrder): Read<string> {
  const read = numberReader(field, order)
  let last = -1
  let text = ''
  return (bytes, start) => {
    const id = read(bytes, start)
    if (id !== last) {
      last = id
      text = field === null ? '' : String(id)
    }
    return text
  }
}

function hexReader(field: Field | null, order: ByteOrder): Read<string> {
  if (field === null) return () => ''
  const addresses = new Interner(bytes =>
    (order === 'little' ? Buffer.from(bytes).reverse() : bytes).toString('hex'),
  )
  const { offset, size } = field
  return (bytes, start) => addresses.get(bytes, start + offset, start + offset + size)
}

function stringReader(field: Field | null, names: Interner, order: ByteOrder): Read<string> {
  if (field === null) return () => ''
  const { offset, size, storage } = field
  return (bytes, start) => {
    let from = start + offset
    let to = from + size
    if (storage !== 'inline') {
      const word = order === 'little' ? bytes.readUInt32LE(from) : bytes.readUInt32BE(from)
      from = (storage === 'data_loc' ? start : from + 4) + (word & 0xffff)
      to = Math.min(bytes.length, from + (word >>> 16))
    }
    let end = from
    while (end < to && bytes[end] !== 0) end++
    return names.get(bytes, from, end)
  }
}

/** The lowest bit of prev_state that has a letter; R when none is set, as after a preemption. */
function stateLetter(states: ReadonlyMap<number, string>, state: number): string {
  for (let bit = 1; bit < 0x100; bit <<= 1) {
    const letter = (state & bit) !== 0 ? states.get(bit) : undefined
    if (letter !== undefined) return letter
  }
  return 'R'
}

function framesReader(
  kallsyms: Kallsyms,
  { order, longBytes }: Words,
): (bytes: Buffer, start: number, end: number) => string[] {
  const word = order === 'little' ? readLittle : readBig
  const [low, high] = order === 'little' ? [0, 4] : [longBytes - 4, 0]
  return (bytes, start, end) => {
    const frames: string[] = []
    for (let at = start; at + longBytes <= end && frames.length < FRAMES_MAX; at += longBytes) {
      const lowWord = word(bytes, at + low)
      const highWord = longBytes === 4 ? 0 : word(bytes, at + high)
      const isEnd = lowWord === NO_ADDRESS && (longBytes === 4 || highWord === NO_ADDRESS)
      if (isEnd || (lowWord === 0 && highWord === 0)) break
      frames.push(kallsyms.nameOf(highWord, lowWord))
    }
    return frames
  }
}

const readLittle = (bytes: Buffer, at: number): number => bytes.readUInt32LE(at)
const readBig = (bytes: Buffer, at: number): number => bytes.readUInt32BE(at)
