/**
 * Reads a trace in text, in pieces of any size: tracefs `trace`, `perf script` and `trace-cmd report`, as they come or as they
 * were pasted, and the pages of systrace.
 *
 * Bytes go in by `push`, records come out at the sink before it returns, `end` gives the last line. Lines are found and
 * parsed in the bytes. Most lines say what others have said, at another time: their tasks and what is behind their times are
 * kept by their bytes, and parsed once. Stacks follow their event on lines of their own and become a record when the first
 * line that isn't a frame arrives. The first lines are looked at together, for what was pasted before each of them.
 *
 * Invariants
 *   TX1  Memory is one line and the tables of names, whatever the size of the trace.
 *   TX2  Every line is an event, a frame, a comment, a blank, part of a page around the trace, or counted in `unread`, by the
 *       event it was of if that can be told. An unread line is told as a loss too.
 *   TX3  Times don't go back by more than clocks of CPUs differ: a trace in which they do is refused, or whoever reads it is told
 *       where a part begins (`onBack`).
 */
import { DumpReader, type SeenTask } from './dump.ts'
import { Interner, Kept, nameInterner } from './interner.ts'
import { type Pasted, pastedOver, withoutEntities } from './pasted.ts'
import type { UnreadEvents } from './reading.ts'
import { emptyRecord, KIND_OF_EVENT, Kind, type Sink, TraceError, type TraceRecord } from './record.ts'
import { find, readArguments } from './text-events.ts'
import { emptyHead, isDigit, readCpuAndTime, readHead, skipSpaces } from './text-line.ts'

const NEWLINE = 10
const RETURN = 13
const TAB = 9
const SPACE = 32
const DASH = 45
const COLON = 58
const HASH = 35
const LESS = 60
const OPEN_PAREN = 40
const OPEN = 91
const LINE_BYTES_MAX = 64 * 1024
/** Pieces are copied here behind the rest of the last one, so every line lies whole in one buffer. */
const WINDOW_BYTES = 1 << 20
/** So much of the beginning is looked at before its lines are read. */
const SAMPLE_BYTES = 32 * 1024
const FRAMES_MAX = 128
const UNREAD_BEFORE_GIVING_UP = 1000
/** Clocks of CPUs differ by less; what goes back further, for so many events, is another part of the trace. */
const BACK_NS = 10e6
const BACK_EVENTS = 16
const TICKED_MIN = 4
/** Kernel addresses have all their digits, and begin with one of 8 to f. */
const ADDRESS_DIGITS = 16

const LOST = Buffer.from(' [LOST ')
const DROPPED = Buffer.from('EVENTS DROPPED]')
const PERF_LOST = Buffer.from('PERF_RECORD_LOST')
/** Of what a page makes of `=>`, the part that begins with a byte that traces hardly have. */
const ENTITY = Buffer.from('&gt;')
const KERNEL_MODULE = Buffer.from('([')
const AROUND =
  /^(cpus=\d+|version = \S+|CPU \d+ is empty|trace\.dat|```.*|-{10,}|Dumping ftrace buffer:|\(ftrace buffer empty\)|(?:Panic|Oops|Emergency)#\d+ Part\d+|(?:SUBSYSTEM|DEVICE)=\S+|TRACE:|capturing trace\.\.\. done)$/
/** What may be left of a line that told of a loss. */
const MAY_BE_LOSS = /^.{0,24}$|LOST|EVENTS|DROPPED/
const AROUND_PAGE = /^\s*[<"]/
const USER_MODULE = /\(\[(vdso|vsyscall|unknown|heap|stack|anon|jit)/
const TIMELESS = /^\s*\S.{0,15}\s+\d+(\/\d+)?\s+(\[\d+\]\s+)?(\d+\s+)?\w+:\w+:/

export interface TextOptions {
  /** The rate of a clock whose times have no point; null refuses such times. */
  readonly clockHz: number | null
  /** Told of each task in what a recorder saw at its beginning, lines that begin with `#~`. */
  readonly onTask?: (task: SeenTask) => void
  /** Told of each line, by its first byte, at which times go back; without it such a trace is refused. */
  readonly onBack?: (at: number) => void
}

export class TextReader {
  /** Lines that are events of any kind. */
  events = 0
  /** Lines that make no sense; a truncated last line is one. */
  unread = 0
  /** What was found around the lines and taken off them, and what their times were taken for. */
  readonly notes: string[] = []

  private readonly sink: Sink
  private readonly options: TextOptions
  private readonly record = emptyRecord()
  private readonly head = emptyHead()
  private readonly names = nameInterner()
  private readonly eventNames = new Interner(eventOf)
  /** What events have said, by the bytes behind their times; and tasks, by those before the column of the CPU. */
  private readonly said = new Kept<Said>()
  private readonly columns = new Kept<TaskColumn>()
  private task: TaskColumn = { tid: 0, comm: '' }
  private readonly window = Buffer.allocUnsafe(WINDOW_BYTES)
  private readonly readOf = new Map<string, { lines: number; unread: number }>()
  private pasted: Pasted | null = null
  private begun: DumpReader | null = null
  private isSampled = false
  private isPage = false
  private hasEntities = false
  private filled = 0
  /** How many bytes came before those in the window, and where in it the present line begins. */
  private before = 0
  private lineStart = 0
  private frames: string[] | null = null
  private stackTid = 0
  /** The frames that follow are of user space, or of an event that has none. */
  private isPastKernel = false
  /** The last event was perf's: lines that begin with spaces may be frames. */
  private isPerf = false
  private latest = 0
  private back = 0
  private timeless = 0
  /** Times with a point were seen; and how many without one before any. */
  private pointed = false
  private ticked = 0

  constructor(sink: Sink, options: TextOptions = { clockHz: null }) {
    this.sink = sink
    this.options = options
  }

  /** The events that this room reads, how many lines of each there were, and how many of them couldn't be read. */
  get unreadEvents(): UnreadEvents[] {
    return [...this.readOf].flatMap(([event, { lines, unread }]) =>
      unread === 0 ? [] : [{ event, lines, unread }],
    )
  }

  push(chunk: Buffer): void {
    for (let at = 0; at < chunk.length; ) {
      const copied = chunk.copy(this.window, this.filled, at)
      at += copied
      this.filled += copied
      if (this.isSampled || this.filled >= SAMPLE_BYTES) this.lines()
    }
  }

  end(): void {
    this.lines()
    if (this.filled > 0) this.line(this.window, 0, this.filled)
    this.filled = 0
    this.closeStack()
    if (this.begun !== null) this.tellBegun()
  }

  /** Why a text has no events, in words that end a sentence. */
  get whyNoEvents(): string {
    return this.timeless > 0
      ? 'its events have no times; expected perf script with -F +time'
      : 'none of its lines is one; expected the output of tracefs, perf script or trace-cmd report'
  }

  private sample(): void {
    this.isSampled = true
    const sample = withoutEntities(this.window.toString('latin1', 0, Math.min(this.filled, SAMPLE_BYTES)))
    this.isPage = /^\s*(<!doctype html|<html)/i.test(sample)
    this.pasted = pastedOver(sample.slice(0, sample.lastIndexOf('\n') + 1) || sample)
    if (this.pasted !== null) this.notes.push(`read without ${this.pasted.marks.join(', ')} before its lines`)
  }

  /** Reads the whole lines of the window, and moves the rest to its front. */
  private lines(): void {
    if (!this.isSampled) this.sample()
    const bytes = this.window
    if (!this.hasEntities && bytes.subarray(0, this.filled).includes(ENTITY)) {
      this.hasEntities = true
      this.notes.push('read with the entities of HTML')
    }
    let start = 0
    const isPlain = this.isPlain
    for (;;) {
      this.lineStart = start
      const next = isPlain ? this.again(bytes, start, this.filled) : -1
      if (next !== -1) {
        start = next
        continue
      }
      const newline = bytes.indexOf(NEWLINE, start)
      if (newline === -1 || newline >= this.filled) break
      this.line(bytes, start, newline)
      start = newline + 1
    }
    if (this.filled - start > LINE_BYTES_MAX && !this.isPage)
      throw new TraceError(
        `this is no trace in text: a line is longer than ${LINE_BYTES_MAX} bytes; expected the output of tracefs, perf script or trace-cmd report`,
      )
    // Of a page's line that fills the window nothing is kept: it is no part of the trace.
    if (this.filled === bytes.length && start === 0) start = this.filled
    bytes.copyWithin(0, start, this.filled)
    this.before += start
    this.lineStart = 0
    this.filled -= start
  }

  private line(bytes: Buffer, start: number, newline: number): void {
    const end = newline > start && bytes[newline - 1] === RETURN ? newline - 1 : newline
    if (this.isPlain) {
      this.plainLine(bytes, start, end)
      return
    }
    let text = bytes.toString('latin1', start, end)
    // Old pages of systrace hold the trace as a string of JavaScript.
    if (this.isPage && text.endsWith('\\n\\')) text = text.slice(0, -3)
    if (this.hasEntities) text = withoutEntities(text)
    const plain = Buffer.from(`${this.pasted?.strip(text) ?? text}\n`, 'latin1')
    if (this.again(plain, 0, plain.length) === -1) this.plainLine(plain, 0, plain.length - 1)
  }

  /** Nothing lies around the lines: they are read where they are. */
  private get isPlain(): boolean {
    return this.pasted === null && !this.isPage && !this.hasEntities
  }

  private plainLine(bytes: Buffer, start: number, end: number): void {
    if (start === end) {
      this.closeStack()
      return
    }
    if (this.isFrame(bytes, start, end)) return
    this.closeStack()
    if (this.begun !== null && bytes[start] !== HASH) this.tellBegun()
    if (bytes[start] === HASH) {
      this.comment(bytes, start, end)
      return
    }
    const { head } = this
    if (!readHead(bytes, start, end, head)) {
      this.other(bytes, start, end)
      return
    }
    if (head.isTicks && this.isTornTime()) {
      this.miss()
      return
    }
    this.happened(this.first(bytes, start, end))
  }

  /**
   * Reads a line whose columns are where the last line had them, and whose task and event were met before; the end of the
   * line isn't looked for. The beginning of the next line, or -1 for any other line.
   */
  private again(bytes: Buffer, start: number, limit: number): number {
    const { head } = this
    const bracket = start + head.bracket
    if (head.layout !== 'cpu' || bracket >= limit) return -1
    const name = readCpuAndTime(bytes, bracket, limit, head)
    if (name === -1 || head.isTicks) return -1
    const said = this.said.findLine(bytes, name, limit)
    if (said === null) return -1
    const task = this.columns.find(bytes, start, bracket)
    if (task === null) return -1
    this.task = task
    this.closeStack()
    if (this.begun !== null) this.tellBegun()
    this.happened(said)
    const end = this.said.lineEnd
    return end + (bytes[end] === RETURN ? 2 : 1)
  }

  private first(bytes: Buffer, start: number, end: number): Said {
    const { head } = this
    const event = this.eventNames.get(bytes, head.nameStart, head.nameEnd)
    const { kind, syscall } = event
    const comm = this.names.get(bytes, head.commStart, head.commEnd)
    this.task = { tid: head.tid, comm }
    const record = event.isSaidAgain ? emptyRecord() : this.record
    // A syscall's own event is `sys_name(...` when it begins and `sys_name -> ...` when it ends.
    if (kind !== null) record.kind = syscall !== null && bytes[head.args] === DASH ? Kind.syscallExit : kind
    record.comm = ''
    const isRead = kind !== null && kind !== Kind.stack
    const isWhole = !isRead || readArguments(record, bytes, head.args, end, this.names)
    if (syscall !== null) record.name = syscall
    if (!isWhole && event.read.unread++ === 0)
      this.readOf.set(bytes.toString('latin1', head.nameStart, head.nameEnd), event.read)
    const said = {
      event,
      record,
      isRead,
      isWhole,
      namesTask: record.comm !== '',
      isPerf: bytes[head.nameStart - 1] === COLON,
    }
    if (event.isSaidAgain && isWhole && head.layout === 'cpu' && head.commStart < head.commEnd) {
      this.columns.keep(bytes, start, start + head.bracket, this.task)
      this.said.keep(bytes, head.after, end, said)
    }
    return said
  }

  private happened({ event, record, isRead, isWhole, namesTask, isPerf }: Said): void {
    const { head, task } = this
    this.events++
    if (!head.isTicks) this.pointed = true
    const time = head.isTicks ? this.ticks(head.time) : head.time
    this.isPerf = isPerf
    this.stackTid = task.tid
    this.isPastKernel = event.isUserStack
    if (time > this.latest) {
      this.latest = time
      this.back = 0
    } else if (this.latest - time > BACK_NS) this.goesBack(time)
    record.time = time
    record.cpu = head.cpu
    record.tid = task.tid
    if (event.isStack) this.frames = []
    if (event.isTorn) this.miss()
    if (!isRead) return
    event.read.lines++
    if (!isWhole) {
      this.miss()
      return
    }
    if (!namesTask) record.comm = task.comm
    this.sink(record)
  }

  /** A time without a point among others is torn; it takes several to show that a trace has no other. */
  private isTornTime(): boolean {
    if (this.pointed) return true
    return this.options.clockHz === null && ++this.ticked < TICKED_MIN
  }

  private ticks(ticks: number): number {
    const { clockHz } = this.options
    if (clockHz === null)
      throw new TraceError(
        'its times have no point: they count a clock (x86-tsc, counter) whose rate the trace does not tell; expected --clock-hz with that rate, 1000000000 if they are nanoseconds',
      )
    if (this.notes.every(note => !note.startsWith('times')))
      this.notes.push(`times are counts of a clock, taken as ${clockHz} a second`)
    return Math.round((ticks / clockHz) * 1e9)
  }

  private goesBack(time: number): void {
    if (this.options.onBack !== undefined) {
      this.options.onBack(this.before + this.lineStart)
      this.latest = time
      return
    }
    if (++this.back < BACK_EVENTS) return
    const seconds = ((this.latest - time) / 1e9).toFixed(3)
    throw new TraceError(
      `its times go back by ${seconds} s; expected events in order of time, or in one file, not in a pipe, the files of several CPUs one behind the other`,
    )
  }

  /** ` => function` of tracefs, `=> function (address)` of trace-cmd, `\t address function+0x1 (module)` of perf. */
  private isFrame(bytes: Buffer, start: number, end: number): boolean {
    let at = start
    while (at < end && (bytes[at] === SPACE || bytes[at] === TAB)) at++
    if (at === end) {
      this.closeStack()
      // perf puts blank lines behind stacks; a line of spaces is the beginning of a torn one.
      if (!this.isPerf && this.events > 0 && !this.isPage) this.miss()
      return true
    }
    if (bytes[at] === 61 && bytes[at + 1] === 62) {
      const name = skipSpaces(bytes, at + 2, end)
      if (!this.isPastKernel && bytes[name] !== LESS) this.frame(bytes, name, end)
      if (runsOn(bytes, name, end)) this.miss()
      return true
    }
    if (at === start || !(this.isPerf || bytes[start] === TAB)) return false
    const address = at
    while (at < end && isHex(bytes[at]!)) at++
    const digits = bytes[at] === SPACE || bytes[at] === TAB ? at - address : 0
    const name = digits === 0 ? address : skipSpaces(bytes, at, end)
    if (digits > 0 && isDigit(bytes[name]!)) {
      // `dead 27277 [001] ...` is an event of a task with a name of hexadecimal digits.
      if (readHead(bytes, start, end, this.head)) return false
    }
    if (digits === 0) {
      if (this.frames === null && bytes[start] !== TAB) return false
      const rest = bytes.toString('latin1', address, end)
      // Without an address a frame is a name, its module behind it; a source line stands below its frame.
      if (/^\S+(:\d+|\+0x[0-9a-f]+)$/.test(rest)) return true
      if (bytes[start] !== TAB && !/^\S+(\+0x[0-9a-f]+)?( \(.*\))?$/.test(rest)) return false
    }
    this.frames ??= []
    if (this.isPastKernel) return true
    if (this.isKernel(bytes, address, digits, end)) this.frame(bytes, name, end)
    else this.isPastKernel = this.frames.length > 0 || digits > 0
    return true
  }

  private isKernel(bytes: Buffer, address: number, digits: number, end: number): boolean {
    if (digits === ADDRESS_DIGITS && bytes[address]! >= 56) return true
    const module = find(bytes, address, end, KERNEL_MODULE)
    return module !== -1 && !USER_MODULE.test(bytes.toString('latin1', module, end))
  }

  private frame(bytes: Buffer, name: number, end: number): void {
    let nameEnd = name
    while (nameEnd < end && bytes[nameEnd] !== SPACE && bytes[nameEnd] !== 43) nameEnd++
    this.frames ??= []
    // `[unknown]` is no name.
    if (this.frames.length < FRAMES_MAX && bytes[name] !== 91)
      this.frames.push(this.names.get(bytes, name, nameEnd))
  }

  private closeStack(): void {
    if (this.frames === null) return
    const frames = this.frames
    this.frames = null
    if (frames.length === 0) return
    const record = this.record
    record.kind = Kind.stack
    record.tid = this.stackTid
    record.frames = frames
    this.sink(record)
  }

  /** `# entries-in-buffer/entries-written: 100/200` and `##### CPU 2 buffer started ####` tell that buffers wrapped. */
  private comment(bytes: Buffer, start: number, end: number): void {
    const text = bytes.toString('latin1', start, end)
    if (text.startsWith('#~')) {
      this.begun ??= new DumpReader()
      this.begun.push(Buffer.from(`${text.slice(2)}\n`, 'latin1'))
      return
    }
    const entries = /entries-in-buffer\/entries-written: (\d+)\/(\d+)/.exec(text)
    const isWrapped =
      entries === null ? /CPU \d+ buffer started/.test(text) : Number(entries[1]) < Number(entries[2])
    if (!isWrapped) return
    this.record.kind = Kind.wrapped
    this.sink(this.record)
  }

  private tellBegun(): void {
    const tasks = this.begun!.end()
    this.begun = null
    for (const task of tasks) this.options.onTask?.(task)
  }

  /** Lines between events: losses, headers such as `cpus=2`, and what can't be read. */
  private other(bytes: Buffer, start: number, end: number): void {
    const lost = find(bytes, start, end, LOST)
    const isLoss =
      lost !== -1 || find(bytes, start, end, DROPPED) !== -1 || find(bytes, start, end, PERF_LOST) !== -1
    if (isLoss) {
      const text = bytes.toString('latin1', start, end)
      const cpu = /CPU:\s*(\d+)/.exec(text)?.[1]
      this.record.kind = Kind.lost
      this.record.cpu = cpu === undefined ? -1 : Number(cpu)
      this.record.count = Number(
        (/(?:LOST|lost)\s+(\d+)/.exec(text) ?? /\[(\d+) EVENTS/.exec(text))?.[1] ?? 1,
      )
      this.sink(this.record)
      return
    }
    // Before its first event and behind its last a page is only a page.
    if (this.isPage && (this.events === 0 || AROUND_PAGE.test(bytes.toString('latin1', start, start + 40))))
      return
    const text = bytes.toString('latin1', start, Math.min(end, start + 200))
    if (AROUND.test(text.trim())) return
    if (TIMELESS.test(text)) this.timeless++
    this.miss()
    if (MAY_BE_LOSS.test(text) && this.events > 0) {
      this.record.count = 1
      this.sink(this.record)
    }
    if (this.events === 0 && this.unread > UNREAD_BEFORE_GIVING_UP)
      throw new TraceError(
        `this is no kernel trace: none of the first ${UNREAD_BEFORE_GIVING_UP} lines is an event, for ${this.whyNoEvents}, or a trace.dat`,
      )
  }

  /** A line that can't be read: what it said is lost. */
  private miss(): void {
    this.unread++
    // Frames that follow belong to a stack of which some are lost.
    this.isPastKernel = true
    this.record.kind = Kind.lost
    this.record.cpu = -1
    this.record.count = 0
    this.sink(this.record)
  }
}

const SAID_AGAIN: ReadonlySet<Kind> = new Set([
  Kind.start,
  Kind.acquired,
  Kind.released,
  Kind.switchOut,
  Kind.waking,
])

interface TaskColumn {
  readonly tid: number
  readonly comm: string
}

/** What a line says behind its time, read once for all lines that say the same. */
interface Said {
  readonly event: NamedEvent
  readonly record: TraceRecord
  readonly isRead: boolean
  readonly isWhole: boolean
  /** The event itself names its task; a tool may not have known it, or cut it short. */
  readonly namesTask: boolean
  readonly isPerf: boolean
}

interface NamedEvent {
  readonly kind: Kind | null
  readonly isStack: boolean
  readonly isUserStack: boolean
  /** The name is only the beginning of one that is read here. */
  readonly isTorn: boolean
  /** Its lines say a few things again and again, but for their times. */
  readonly isSaidAgain: boolean
  readonly syscall: string | null
  readonly read: { lines: number; unread: number }
}

function eventOf(bytes: Buffer): NamedEvent {
  const name = bytes.toString('latin1')
  const known = KIND_OF_EVENT.get(name) ?? null
  const isUserStack = name === '<user stack trace>' || name === 'user_stack'
  const isStack = name.startsWith('<stack trace') || known === Kind.stack || isUserStack
  const read = { lines: 0, unread: 0 }
  const names = [...KIND_OF_EVENT.keys(), '<stack trace>']
  const isSaidAgain = known !== null && SAID_AGAIN.has(known)
  const isTorn = known === null && !isStack && names.some(each => each.startsWith(name))
  if (known !== null || !name.startsWith('sys_'))
    return { kind: known, isStack, isUserStack, isTorn, isSaidAgain, syscall: null, read }
  return {
    kind: Kind.syscallEnter,
    isStack,
    isUserStack,
    isTorn: false,
    isSaidAgain: false,
    syscall: name.replace(/^sys_(enter_|exit_)?/, ''),
    read,
  }
}

/** Behind a frame's name stands nothing, or its address or module in brackets; else another line ran into it. */
function runsOn(bytes: Buffer, name: number, end: number): boolean {
  let at = name
  while (at < end && bytes[at] !== SPACE) at++
  at = skipSpaces(bytes, at, end)
  return at < end && bytes[at] !== OPEN_PAREN && bytes[at] !== OPEN && bytes[at] !== LESS
}

const isHex = (byte: number): boolean => isDigit(byte) || (byte >= 97 && byte <= 102)
