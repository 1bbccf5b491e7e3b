/**
 * Reads a trace in text, in pieces of any size: tracefs `trace`, `perf script` and `trace-cmd report`.
 *
 * Bytes go in by `push`, records come out at the sink before it returns, `end` gives the last line. Lines are found and
 * parsed in the bytes; a string is made only for a name not seen before. Stacks follow their event on lines of their own
 * and become a record when the first line that isn't a frame arrives.
 *
 * Invariants
 *   T1  Memory is one line and the tables of names, whatever the size of the trace.
 *   T2  Every line is an event, a frame, a comment, a blank, or counted in `unread`.
 */
import { Interner, nameInterner } from './interner.ts'
import { emptyRecord, KIND_OF_EVENT, Kind, type Sink, TraceError } from './record.ts'
import { find, readArguments } from './text-events.ts'
import { emptyHead, isDigit, readHead, skipSpaces } from './text-line.ts'

const NEWLINE = 10
const TAB = 9
const SPACE = 32
const DASH = 45
const HASH = 35
const LINE_BYTES_MAX = 64 * 1024
/** Pieces are copied here behind the rest of the last one, so every line lies whole in one buffer. */
const WINDOW_BYTES = 1 << 20
const FRAMES_MAX = 128
const UNREAD_BEFORE_GIVING_UP = 1000

const LOST = Buffer.from(' [LOST ')
const DROPPED = Buffer.from('EVENTS DROPPED]')
const PERF_LOST = Buffer.from('PERF_RECORD_LOST')

export class TextReader {
  /** Lines that are events of any kind. */
  events = 0
  /** Lines that make no sense; a truncated last line is one. */
  unread = 0

  readonly #sink: Sink
  readonly #record = emptyRecord()
  readonly #head = emptyHead()
  readonly #names = nameInterner()
  readonly #events = new Interner(eventOf)
  readonly #window = Buffer.allocUnsafe(WINDOW_BYTES)
  #filled = 0
  #frames: string[] | null = null
  #stackTid = 0

  constructor(sink: Sink) {
    this.#sink = sink
  }

  push(chunk: Buffer): void {
    for (let at = 0; at < chunk.length; ) {
      const copied = chunk.copy(this.#window, this.#filled, at)
      at += copied
      this.#filled += copied
      this.#lines()
    }
  }

  end(): void {
    if (this.#filled > 0) this.#line(this.#window, 0, this.#filled)
    this.#filled = 0
    this.#closeStack()
  }

  /** Reads the whole lines of the window, and moves the rest to its front. */
  #lines(): void {
    const bytes = this.#window
    let start = 0
    for (;;) {
      const newline = bytes.indexOf(NEWLINE, start)
      if (newline === -1 || newline >= this.#filled) break
      this.#line(bytes, start, newline)
      start = newline + 1
    }
    if (this.#filled - start > LINE_BYTES_MAX)
      throw new TraceError(
        `this is no trace in text: a line is longer than ${LINE_BYTES_MAX} bytes; expected the output of tracefs, perf script or trace-cmd report`,
      )
    bytes.copyWithin(0, start, this.#filled)
    this.#filled -= start
  }

  #line(bytes: Buffer, start: number, newline: number): void {
    const end = newline > start && bytes[newline - 1] === 13 ? newline - 1 : newline
    if (start === end) {
      this.#closeStack()
      return
    }
    if (this.#isFrame(bytes, start, end)) return
    this.#closeStack()
    if (bytes[start] === HASH) return
    const head = this.#head
    if (!readHead(bytes, start, end, head)) {
      this.#other(bytes, start, end)
      return
    }
    this.events++
    const record = this.#record
    record.time = head.time
    record.cpu = head.cpu
    record.tid = head.tid
    this.#stackTid = head.tid
    const event = this.#events.get(bytes, head.nameStart, head.nameEnd)
    if (event.isStack) this.#frames = []
    if (event.kind === null || event.isStack) return
    // A syscall's own event is `sys_name(...` when it begins and `sys_name -> ...` when it ends.
    record.kind = event.syscall !== null && bytes[head.args] === DASH ? Kind.syscallExit : event.kind
    record.comm = this.#names.get(bytes, head.commStart, head.commEnd)
    if (!readArguments(record, bytes, head.args, end, this.#names)) {
      this.unread++
      return
    }
    if (event.syscall !== null) record.name = event.syscall
    this.#sink(record)
  }

  /** ` => function` of tracefs, `=> function (address)` of trace-cmd, `\t address function+0x1 (module)` of perf. */
  #isFrame(bytes: Buffer, start: number, end: number): boolean {
    let at = start
    while (at < end && (bytes[at] === SPACE || bytes[at] === TAB)) at++
    let name = -1
    if (bytes[at] === 61 && bytes[at + 1] === 62) name = skipSpaces(bytes, at + 2, end)
    else if (bytes[start] === TAB && isHex(bytes[at]!)) {
      while (at < end && isHex(bytes[at]!)) at++
      if (bytes[at] !== SPACE) return false
      name = skipSpaces(bytes, at, end)
    }
    if (name === -1) return false
    let nameEnd = name
    while (nameEnd < end && bytes[nameEnd] !== SPACE && bytes[nameEnd] !== 43) nameEnd++
    this.#frames ??= []
    if (this.#frames.length < FRAMES_MAX) this.#frames.push(this.#names.get(bytes, name, nameEnd))
    return true
  }

  #closeStack(): void {
    if (this.#frames === null) return
    const record = this.#record
    record.kind = Kind.stack
    record.tid = this.#stackTid
    record.frames = this.#frames
    this.#frames = null
    this.#sink(record)
  }

  /** Lines between events: losses, headers such as `cpus=2`, and what can't be read. */
  #other(bytes: Buffer, start: number, end: number): void {
    const lost = find(bytes, start, end, LOST)
    const isLoss =
      lost !== -1 || find(bytes, start, end, DROPPED) !== -1 || find(bytes, start, end, PERF_LOST) !== -1
    if (isLoss) {
      const text = bytes.toString('latin1', start, end)
      this.#record.kind = Kind.lost
      this.#record.cpu = Number(/CPU:\s*(\d+)/.exec(text)?.[1] ?? 0)
      this.#record.count = Number(/(?:LOST|lost|\[)\s*(\d+)/.exec(text)?.[1] ?? 1)
      this.#sink(this.#record)
      return
    }
    if (
      /^(cpus=\d+|version = \S+|CPU \d+ is empty|trace\.dat)$/.test(
        bytes.toString('latin1', start, Math.min(end, start + 80)),
      )
    )
      return
    this.unread++
    if (this.events === 0 && this.unread > UNREAD_BEFORE_GIVING_UP)
      throw new TraceError(
        `this is no kernel trace: none of the first ${UNREAD_BEFORE_GIVING_UP} lines is an event; expected the output of tracefs, perf script or trace-cmd report, or a trace.dat`,
      )
  }
}

interface NamedEvent {
  readonly kind: Kind | null
  readonly isStack: boolean
  readonly syscall: string | null
}

function eventOf(bytes: Buffer): NamedEvent {
  const name = bytes.toString('latin1')
  const known = KIND_OF_EVENT.get(name) ?? null
  const isStack = name === '<stack trace>' || known === Kind.stack
  if (known !== null || !name.startsWith('sys_')) return { kind: known, isStack, syscall: null }
  return { kind: Kind.syscallEnter, isStack, syscall: name.replace(/^sys_(enter_|exit_)?/, '') }
}

const isHex = (byte: number): boolean => isDigit(byte) || (byte >= 97 && byte <= 102)
