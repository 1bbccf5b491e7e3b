/**
 * One line of a trace in text: where its columns are.
 *
 *     tracefs     comm-pid (tgid) [cpu] flags  sec.frac: event: arguments      the tgid and flags columns may be absent
 *     trace-cmd   comm-pid        [cpu]        sec.frac: event:   arguments
 *     perf        comm  pid/tid   [cpu]        sec.frac: period system:event: arguments    all before the time but pid or tid
 *                                                        may be absent, and the period
 *     latency     comm-pid  cpu+flags  microseconds us: event: arguments       as ftrace dumps itself, names cut to 8
 *
 * A task name may hold spaces, dashes, brackets and colons, so no column is found by splitting. The line is searched
 * for the one thing a name of 15 characters has no room to forge: `[cpu] flags sec.frac: event`, with a number and a dash or
 * a space before it; where there is no CPU, a number and a time to the microsecond or nanosecond.
 *
 * Owns     the columns in `LineHead`. Leaves the arguments to text-events.ts.
 */
const SPACE = 32
const DASH = 45
const DOT = 46
const ZERO = 48
const COLON = 58
const LESS = 60
const OPEN_PAREN = 40
const CLOSE_PAREN = 41
const OPEN = 91
const CLOSE = 93
const SLASH = 47

const FLAGS_MAX = 8
/** The kernel's names of tasks, without the zero that ends them. */
const COMM_MAX = 15
/** Nanoseconds of the last digit of a fraction, by how many digits it has. */
const UNITS = [1e9, 1e8, 1e7, 1e6, 1e5, 1e4, 1e3, 100, 10, 1]
const LATENCY =
  /^ *(\S.{0,15}?|)-(\d+) +(\d+)([^\s\d][^\s]{2,5}) +(\d+)(us)?[^\w:]?: (<[^>]*>|\w+)(?:[: ] *|$)/

/** The layouts of a line; a file has one, so the last that fitted is tried first. */
export type Layout = 'cpu' | 'no cpu' | 'latency'

export interface LineHead {
  layout: Layout
  /** How far from the beginning of a line the column of the CPU was. */
  bracket: number
  commStart: number
  commEnd: number
  tid: number
  /** -1 where the line doesn't say. */
  cpu: number
  time: number
  /** The time has no point: it counts ticks of a clock of any rate. */
  isTicks: boolean
  /** First byte behind the time. */
  after: number
  nameStart: number
  nameEnd: number
  /** First byte of the arguments. */
  args: number
}

export const emptyHead = (): LineHead => ({
  layout: 'cpu',
  bracket: 0,
  commStart: 0,
  commEnd: 0,
  tid: 0,
  cpu: 0,
  time: 0,
  isTicks: false,
  after: 0,
  nameStart: 0,
  nameEnd: 0,
  args: 0,
})

const READERS: readonly {
  readonly layout: Layout
  readonly read: (line: Buffer, start: number, end: number, head: LineHead) => boolean
}[] = [
  { layout: 'cpu', read: readWithCpu },
  { layout: 'no cpu', read: readWithoutCpu },
  { layout: 'latency', read: readLatency },
]

// hot: about 150 ns a line.
export function readHead(line: Buffer, start: number, end: number, head: LineHead): boolean {
  const usual = head.layout
  if (usual === 'cpu' && readWithCpu(line, start, end, head)) return true
  for (const { layout, read } of READERS)
    if ((layout !== 'cpu' || usual !== 'cpu') && read(line, start, end, head)) {
      head.layout = layout
      return true
    }
  return false
}

function readWithCpu(line: Buffer, start: number, end: number, head: LineHead): boolean {
  // Most lines have the column where the last one had it.
  const usual = start + head.bracket
  if (usual < end && line[usual] === OPEN && isWithCpu(line, start, usual, end, head)) return true
  for (let at = start; at < end; at++) {
    if (line[at] !== OPEN || !isWithCpu(line, start, at, end, head)) continue
    head.bracket = at - start
    return true
  }
  return false
}

function isWithCpu(line: Buffer, start: number, at: number, end: number, head: LineHead): boolean {
  if (at > start && line[at - 1] !== SPACE) return false
  head.after = readCpuAndTime(line, at, end, head)
  return (
    head.after !== -1 &&
    readName(line, skipSpaces(line, head.after, end), end, head) &&
    readTask(line, start, at, head)
  )
}

/** `comm pid sec.frac: event`: the fraction has six digits or nine. */
function readWithoutCpu(line: Buffer, start: number, end: number, head: LineHead): boolean {
  for (let at = start + 1; at < end; at++) {
    if (line[at] !== DOT) continue
    let time = at
    while (time > start && isDigit(line[time - 1]!)) time--
    if (time === at || line[time - 1] !== SPACE) continue
    const after = readTime(line, time, end, head)
    if (after === -1 || head.isTicks || (after - at !== 8 && after - at !== 11)) continue
    head.cpu = -1
    if (readName(line, skipSpaces(line, after, end), end, head) && readTask(line, start, time, head))
      return true
  }
  return false
}

function readLatency(line: Buffer, start: number, end: number, head: LineHead): boolean {
  const found = LATENCY.exec(line.toString('latin1', start, end))
  if (found === null) return false
  const [whole, comm, tid, cpu, , time, unit, name] = found as unknown as [string, ...string[]]
  head.commStart = start + whole.indexOf(comm!)
  head.commEnd = head.commStart + comm!.length
  head.tid = Number(tid)
  head.cpu = Number(cpu)
  head.isTicks = unit === undefined
  head.time = Number(time) * (unit === undefined ? 1 : 1000)
  head.nameEnd = start + whole.lastIndexOf(name!) + name!.length
  head.nameStart = head.nameEnd - name!.length
  head.args = start + whole.length
  return true
}

/** The columns of the CPU and the time, from the bracket on; the first byte behind them, or -1. */
export function readCpuAndTime(line: Buffer, bracket: number, end: number, head: LineHead): number {
  let at = bracket + 1
  let cpu = 0
  if (line[bracket] !== OPEN || !isDigit(line[at]!)) return -1
  while (at < end && isDigit(line[at]!)) {
    cpu = cpu * 10 + line[at]! - ZERO
    at++
  }
  if (line[at] !== CLOSE) return -1
  at = skipSpaces(line, at + 1, end)
  head.cpu = cpu
  const afterTime = readTime(line, at, end, head)
  if (afterTime !== -1) return afterTime
  const flags = at
  while (at < end && line[at] !== SPACE) at++
  if (at - flags > FLAGS_MAX) return -1
  return readTime(line, skipSpaces(line, at, end), end, head)
}

function readTime(line: Buffer, start: number, end: number, head: LineHead): number {
  let at = start
  let seconds = 0
  while (at < end && isDigit(line[at]!)) {
    seconds = seconds * 10 + line[at]! - ZERO
    at++
  }
  if (at === start) return -1
  if (line[at] === COLON && line[at + 1] === SPACE) {
    head.time = seconds
    head.isTicks = true
    return at + 1
  }
  if (line[at] !== DOT) return -1
  at++
  const point = at
  let fraction = 0
  while (at < end && isDigit(line[at]!)) {
    fraction = fraction * 10 + line[at]! - ZERO
    at++
  }
  const unit = UNITS[at - point]
  if (line[at] !== COLON || unit === undefined) return -1
  head.time = seconds * 1e9 + fraction * unit
  head.isTicks = false
  return at + 1
}

function readName(line: Buffer, start: number, end: number, head: LineHead): boolean {
  let at = start
  // perf's period, a number before the name.
  while (at < end && isDigit(line[at]!)) at++
  at = at > start && line[at] === SPACE ? skipSpaces(line, at, end) : start
  head.nameStart = at
  if (line[at] === LESS) {
    while (at < end && line[at] !== COLON && line[at] !== DOT) at++
  } else {
    while (at < end && isWord(line[at]!)) at++
    if (line[at] === COLON && at + 1 < end && isWord(line[at + 1]!)) {
      at++
      head.nameStart = at
      while (at < end && isWord(line[at]!)) at++
    }
  }
  head.nameEnd = at
  head.args = skipSpaces(line, line[at] === COLON ? at + 1 : at, end)
  return at > head.nameStart && endsName(line, head.nameStart, at, end)
}

/** A colon ends the name of an event; only a syscall's may end otherwise, and marks such as `<stack trace>`. */
function endsName(line: Buffer, start: number, at: number, end: number): boolean {
  if (at === end || line[at] === COLON || line[start] === LESS) return true
  return (line[at] === OPEN_PAREN || line[at] === SPACE) && line[start] === 115 && line[start + 3] === 95
}

function readTask(line: Buffer, start: number, bracket: number, head: LineHead): boolean {
  let at = skipSpacesBack(line, bracket, start)
  if (line[at - 1] === CLOSE_PAREN) {
    at--
    while (at > start && line[at - 1] !== OPEN_PAREN) at--
    at = skipSpacesBack(line, at - 1, start)
  }
  let tid = 0
  let scale = 1
  const tidEnd = at
  while (at > start && isDigit(line[at - 1]!)) {
    at--
    tid += (line[at]! - ZERO) * scale
    scale *= 10
  }
  if (at === tidEnd) return false
  if (line[at - 1] === SLASH && at > start) {
    at--
    while (at > start && isDigit(line[at - 1]!)) at--
  }
  head.tid = tid
  head.commStart = skipSpaces(line, start, at)
  // Without the name of the task it is perf's; of another tool's line the beginning is torn off, and with it digits of the tid.
  if (head.commStart >= at) {
    head.commEnd = head.commStart
    return line[head.nameStart - 1] === COLON
  }
  const mark = line[at - 1]
  if (mark !== DASH && mark !== SPACE) return false
  head.commEnd = mark === DASH ? at - 1 : skipSpacesBack(line, at, head.commStart)
  // What is longer than any name has another line in it.
  return head.commEnd >= head.commStart && head.commEnd - head.commStart <= COMM_MAX
}

export const isDigit = (byte: number): boolean => byte >= ZERO && byte <= 57

/** Letters, digits and the underscore, by byte. */
const WORD = Uint8Array.from({ length: 256 }, (_, byte) => Number(/\w/.test(String.fromCharCode(byte))))

const isWord = (byte: number): boolean => WORD[byte] === 1

export function skipSpaces(line: Buffer, start: number, end: number): number {
  let at = start
  while (at < end && line[at] === SPACE) at++
  return at
}

function skipSpacesBack(line: Buffer, end: number, start: number): number {
  let at = end
  while (at > start && line[at - 1] === SPACE) at--
  return at
}
