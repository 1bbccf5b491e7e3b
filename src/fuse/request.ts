/** A request of the kernel, and what it is answered with. */
import { type Bytes, errno } from '../base/index.ts'
import type { Buffers } from './buffers.ts'
import type { Fields, Struct, Values } from './struct.ts'
import { InHeader, OutHeader } from './wire.ts'

/** The bytes of an answer, made by `room`. */
export type Payload = Uint8Array
/** The bytes of an answer where they lie. They must be right only until the handler that returned them has: who answers later has them in a payload. */
export type Pieces = readonly Uint8Array[]
/** Bytes, or an errno: 0 is an answer without bytes. */
export type Answered = number | Payload
/** Nothing is answered: the kernel waits for no answer. */
export const SILENT = undefined
export type Handler = (request: Request) => Answered | Pieces | undefined | Promise<Answered | undefined>

export class Request {
  readonly unique: number
  readonly opcode: number
  /** The inode that it is about. */
  readonly nodeid: number
  readonly uid: number
  readonly gid: number
  /** The thread that asks, as the daemon's own /proc numbers it; 0: none of this machine's. */
  readonly pid: number
  /** Ends what is being done for it, as far as it can be ended; undefined: nothing can be. */
  kill: (() => void) | undefined = undefined
  /** Takes back what the answer would have given the kernel, if it doesn't reach it. */
  unsent: (() => void) | undefined = undefined
  private readonly rooms: Buffers
  /** A buffer for the answer, if it was asked for. */
  private lent: Uint8Array | undefined
  private readonly view: DataView
  private readonly bytes: Uint8Array
  private at: number

  /** `rooms`: of OutHeader.size and as many bytes as are asked for in one answer. */
  constructor(bytes: Uint8Array, rooms: Buffers) {
    this.rooms = rooms
    this.bytes = bytes
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    const { unique, opcode, nodeid, uid, gid, pid } = InHeader.read(this.view, 0)
    this.unique = unique
    this.opcode = opcode
    this.nodeid = nodeid
    this.uid = uid
    this.gid = gid
    this.pid = pid
    this.at = InHeader.size
  }

  get length(): Bytes {
    return this.bytes.length
  }

  /** The next structure of the request. */
  take<F extends Fields>(struct: Struct<F>): Values<F> {
    const at = this.at
    this.at += struct.size
    return struct.read(this.view, at)
  }

  /** What is taken next is what was taken first. */
  restart(): void {
    this.at = InHeader.size
  }

  /** The next name: bytes up to a NUL. They are a copy. */
  name(): Uint8Array {
    const end = this.bytes.indexOf(0, this.at)
    const name = this.bytes.slice(this.at, end)
    this.at = end + 1
    return name
  }

  /** So many of the bytes that follow. They stay as they are until the request is answered. */
  data(length: Bytes): Uint8Array {
    return this.bytes.subarray(this.at, this.at + length)
  }

  /** Room for an answer as `room` has it, once: it is another's when the request has been answered. */
  room(length: Bytes): Payload {
    if (OutHeader.size + length > this.rooms.size || this.lent !== undefined) return room(length)
    this.lent = this.rooms.take()
    return new Uint8Array(this.lent.buffer, this.lent.byteOffset + OutHeader.size, length)
  }

  /** It has been answered. */
  end(): void {
    if (this.lent !== undefined) this.rooms.giveBack(this.lent)
    this.lent = undefined
  }
}

/** Room for an answer of so many bytes; whoever takes it fills all of it. The header's place is before it. */
export function room(length: Bytes): Payload {
  const { buffer, byteOffset } = Buffer.allocUnsafe(OutHeader.size + length)
  return new Uint8Array(buffer, byteOffset + OutHeader.size, length)
}

/** A structure as an answer. */
export function answer<F extends Fields>(struct: Struct<F>, values: Values<F>): Payload {
  const payload = room(struct.size).fill(0)
  struct.write(new DataView(payload.buffer, payload.byteOffset, payload.length), 0, values)
  return payload
}

/** The same answer, where it is given later than the handler returned it: pieces are copied. */
export function lasting<T>(request: Request, answered: T | Answered | Pieces): T | Answered {
  if (!isPieces(answered)) return answered
  const payload = request.room(lengthOf(answered))
  let at = 0
  for (const piece of answered) {
    payload.set(piece, at)
    at += piece.length
  }
  return payload
}

export function isPieces(answered: unknown): answered is Pieces {
  return Array.isArray(answered)
}

/** What goes to the kernel before pieces. */
export function headerOf(unique: number, pieces: Pieces): Uint8Array {
  const header = new Uint8Array(OutHeader.size)
  OutHeader.write(new DataView(header.buffer), 0, {
    len: OutHeader.size + lengthOf(pieces),
    error: errno.OK,
    unique,
  })
  return header
}

function lengthOf(pieces: Pieces): Bytes {
  return pieces.reduce((sum, { length }) => sum + length, 0)
}

/** What goes to the kernel: the header, and the payload behind it in its own memory. */
export function message(unique: number, answered: Answered): Uint8Array {
  const payload = typeof answered === 'number' ? room(0) : answered
  const { buffer, byteOffset, length } = payload
  const whole = new Uint8Array(buffer, byteOffset - OutHeader.size, OutHeader.size + length)
  const error = typeof answered === 'number' && answered !== errno.OK ? -answered : 0
  const view = new DataView(whole.buffer, whole.byteOffset, OutHeader.size)
  OutHeader.write(view, 0, { len: whole.length, error, unique })
  return whole
}
