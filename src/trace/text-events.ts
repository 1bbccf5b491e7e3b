/**
 * The arguments of the events this room reads, as the kernel's own print formats and trace-cmd's plugins write them.
 *
 * Each reader fills a record from the bytes [args, end) of a line and says whether they were whole. Values that may hold
 * anything (task names, cgroup paths) are found by what must follow them, never by splitting at spaces.
 */
import { deviceName } from './format.ts'
import type { Interner } from './interner.ts'
import { Kind, type TraceRecord } from './record.ts'
import { isDigit, skipSpaces } from './text-line.ts'

const SPACE = 32
const T = 116
const ONE = 49
const EQUALS = 61

const key = (text: string): Buffer => Buffer.from(text)
const MM = key('mm=')
const MEMCG = key(' memcg_')
const WRITE = key(' write=')
/** Between an mm and its mode lies a number or a path; another line is longer than the first. */
const SECOND_LINE_MIN = 24
const SUCCESS = key(' success=')
const PREV_COMM = key('prev_comm=')
const PREV_PID = key(' prev_pid=')
const PREV_PRIO = key(' prev_prio=')
const PREV_STATE = key(' prev_state=')
const NEXT_COMM = key(' next_comm=')
const ARROW_END = key(' ==>')
const NEXT_PID = key(' next_pid=')
const NEXT_PRIO = key(' next_prio=')
const COMM = key('comm=')
const PID = key(' pid=')
const PRIO = key(' prio=')
const FIRST_PID = key('pid=')
const CALLER = key(' caller=')
const ARROW = key(' ==> ')
const PRIO_OPEN = key(' [')
const PLUS = key(' + ')
const ADDRESS = key('address=')
const ERROR_CODE = key('error_code=')

export function readArguments(
  record: TraceRecord,
  line: Buffer,
  args: number,
  end: number,
  names: Interner,
): boolean {
  switch (record.kind) {
    case Kind.start:
    case Kind.acquired:
    case Kind.released:
      return readLock(record, line, args, end, names)
    case Kind.switchOut:
      return startsWith(line, args, end, PREV_COMM)
        ? readSwitch(record, line, args, end, names)
        : readSwitchPlugin(record, line, args, end, names)
    case Kind.waking:
      return startsWith(line, args, end, COMM)
        ? readWaking(record, line, args, end, names)
        : readNamed(record, line, args, end, names)
    case Kind.blocked:
      return readBlocked(record, line, args, end, names)
    case Kind.fault:
      return readFault(record, line, args, end)
    case Kind.bioQueued:
    case Kind.issued:
    case Kind.completed:
    case Kind.requeued:
      return readBlock(record, line, args, end, names)
    case Kind.asked:
    case Kind.answered:
      return readRequest(record, line.toString('latin1', args, end))
    case Kind.syscallEnter:
    case Kind.syscallExit:
      record.name = names.get(line, args, wordEnd(line, args, end))
      return true
    default:
      return true
  }
}

function readLock(record: TraceRecord, line: Buffer, args: number, end: number, names: Interner): boolean {
  if (!startsWith(line, args, end, MM)) return false
  let mm = args + MM.length
  if (line[mm] === 48 && line[mm + 1] === 120) mm += 2
  const mmEnd = wordEnd(line, mm, end)
  let group = mmEnd
  if (startsWith(line, mmEnd, end, MEMCG)) {
    group += MEMCG.length
    while (group < end && line[group] !== EQUALS) group++
    group++
  }
  let write = group
  while (write < end && isDigit(line[write]!)) write++
  // A cgroup's path may hold anything: the last ` write=` of the line is the event's.
  if (!startsWith(line, write, end, WRITE)) write = findLast(line, group, end, WRITE)
  if (write === -1) return false
  // Two lines that ran into one.
  if (write - mmEnd > SECOND_LINE_MIN && find(line, mmEnd, write, MM) !== -1) return false
  const value = write + WRITE.length
  const success = wordEnd(line, value, end)
  if (!isBoolean(line, value, success)) return false
  let last = success
  if (record.kind === Kind.acquired) {
    const succeeded = success + SUCCESS.length
    last = wordEnd(line, succeeded, end)
    if (!startsWith(line, success, end, SUCCESS) || !isBoolean(line, succeeded, last)) return false
  }
  // Behind the event's last field there is nothing, or another line that ran into this one.
  if (skipSpaces(line, last, end) !== end) return false
  record.mm = names.get(line, mm, mmEnd)
  record.group = group === mmEnd ? '' : names.get(line, group, write)
  record.write = isTrue(line[value]!)
  record.success = record.kind !== Kind.acquired || isTrue(line[success + SUCCESS.length]!)
  return true
}

function readSwitch(record: TraceRecord, line: Buffer, args: number, end: number, names: Interner): boolean {
  const prevPrio = find(line, args, end, PREV_PRIO)
  const state = find(line, prevPrio, end, PREV_STATE)
  const next = find(line, state, end, NEXT_COMM)
  if (prevPrio === -1 || state === -1 || next === -1) return false
  const nextPrio = findLast(line, next, end, NEXT_PRIO)
  const nextPid = findLast(line, next, nextPrio === -1 ? end : nextPrio, NEXT_PID)
  if (nextPid === -1 || nextPrio === -1) return false
  // Behind the event's last field there is nothing, or another line that ran into this one.
  if (skipSpaces(line, wordEnd(line, nextPrio + NEXT_PRIO.length, end), end) !== end) return false
  const stateAt = state + PREV_STATE.length
  const stateEnd = startsWith(line, next - ARROW_END.length, next, ARROW_END) ? next - ARROW_END.length : next
  const letters = names.get(line, stateAt, stateEnd)
  record.state = isDigit(line[stateAt]!) ? stateOf(Number(letters)) : letters
  // The event's own name of the task; a tool may not have known it, or cut it short.
  const prevPid = findLast(line, args, prevPrio, PREV_PID)
  if (prevPid !== -1) record.comm = names.get(line, args + PREV_COMM.length, prevPid)
  record.nextComm = names.get(line, next + NEXT_COMM.length, nextPid)
  record.nextTid = numberAt(line, nextPid + NEXT_PID.length, end)
  return true
}

/** `comm:tid [prio] state ==> comm:tid [prio]`, as trace-cmd prints it. */
function readSwitchPlugin(
  record: TraceRecord,
  line: Buffer,
  args: number,
  end: number,
  names: Interner,
): boolean {
  const arrow = find(line, args, end, ARROW)
  if (arrow === -1) return false
  const prio = findLast(line, args, arrow, PRIO_OPEN)
  if (prio === -1) return false
  record.state = names.get(line, skipSpaces(line, wordEnd(line, prio + 1, arrow), arrow), arrow)
  return readNamed(record, line, arrow + ARROW.length, end, names)
}

function readWaking(record: TraceRecord, line: Buffer, args: number, end: number, names: Interner): boolean {
  const prio = findLast(line, args, end, PRIO)
  if (prio === -1) return false
  const pid = findLast(line, args, prio, PID)
  if (pid === -1 || find(line, prio, end, PRIO_OPEN) !== -1) return false
  record.nextComm = names.get(line, args + COMM.length, pid)
  record.nextTid = numberAt(line, pid + PID.length, end)
  return true
}

/** `comm:tid [prio]`, as trace-cmd prints the woken or the next task; what follows is passed over. */
function readNamed(record: TraceRecord, line: Buffer, start: number, end: number, names: Interner): boolean {
  const prio = findLast(line, start, end, PRIO_OPEN)
  if (prio === -1) return false
  let tid = prio
  while (tid > start && isDigit(line[tid - 1]!)) tid--
  if (tid === prio || line[tid - 1] !== 58) return false
  record.nextComm = names.get(line, start, tid - 1)
  record.nextTid = numberAt(line, tid, prio)
  return true
}

/** `pid=4711 iowait=0 caller=do_page_fault+0x1a0/0x3b0`; an address without a name says nothing. */
function readBlocked(record: TraceRecord, line: Buffer, args: number, end: number, names: Interner): boolean {
  const caller = find(line, args, end, CALLER)
  if (!startsWith(line, args, end, FIRST_PID) || caller === -1) return false
  const from = caller + CALLER.length
  let to = from
  while (to < end && line[to] !== SPACE && line[to] !== 43) to++
  record.nextTid = numberAt(line, args + FIRST_PID.length, end)
  record.frames = isDigit(line[from]!) ? [] : [names.get(line, from, to)]
  return true
}

function readFault(record: TraceRecord, line: Buffer, args: number, end: number): boolean {
  record.address = hexAfter(line, args, end, ADDRESS)
  record.code = hexAfter(line, args, end, ERROR_CODE)
  return true
}

/** `7,0 WM 16384 () 78560 + 32 be,0,4 [0]`: the bytes and the command in brackets are not in every event or kernel. */
function readBlock(record: TraceRecord, line: Buffer, args: number, end: number, names: Interner): boolean {
  const deviceEnd = wordEnd(line, args, end)
  const rwbs = skipSpaces(line, deviceEnd, end)
  const rwbsEnd = wordEnd(line, rwbs, end)
  const plus = find(line, rwbsEnd, end, PLUS)
  if (plus === -1) return readRawBlock(record, line.toString('latin1', args, end))
  let sector = plus
  while (sector > rwbsEnd && isDigit(line[sector - 1]!)) sector--
  if (sector === plus) return false
  record.device = names.get(line, args, deviceEnd)
  record.rwbs = names.get(line, rwbs, rwbsEnd)
  record.sector = numberAt(line, sector, plus)
  record.sectors = numberAt(line, plus + PLUS.length, end)
  return true
}

/** `dev=7340032 sector=78560 nr_sector=32 rwbs=WM`, as trace-cmd report -R gives the fields. */
function readRawBlock(record: TraceRecord, args: string): boolean {
  const field = (name: string) => new RegExp(`(?:^| )${name}=(\\S+)`).exec(args)?.[1]
  const [dev, sector, sectors] = [field('dev'), field('sector'), field('nr_sector')]
  if (dev === undefined || sector === undefined || sectors === undefined) return false
  record.device = dev.includes(',') ? dev : deviceName(Number(dev))
  record.sector = Number(sector)
  record.sectors = Number(sectors)
  record.rwbs = field('rwbs') ?? ''
  return true
}

/** `connection 45 req 4 opcode 15 (FUSE_READ) len 80`, `connection 45 req 4 len 16 error 0`; with `=` as raw fields, `unique` for `req`. */
const REQUEST =
  /^connection[ =](0x[0-9a-f]+|\d+) (?:req|unique)[ =](0x[0-9a-f]+|\d+)(?: opcode[ =](\d+)(?: \((?:FUSE_)?(\w+)\))?)? len[ =]\S+(?: error[ =](-?\d+))? *$/

function readRequest(record: TraceRecord, args: string): boolean {
  const [, connection, unique, opcode, name, error] = REQUEST.exec(args) ?? []
  const isWhole = (record.kind === Kind.asked ? opcode : error) !== undefined
  if (connection === undefined || !isWhole) return false
  record.device = deviceName(Number(connection))
  record.unique = Number(unique)
  record.name = name ?? `opcode ${opcode}`
  record.code = Number(error ?? 0)
  return true
}

/** The letter of a prev_state given as bits: the lowest that has one, R if none, as after a preemption. */
function stateOf(bits: number): string {
  for (const [bit, letter] of STATES) if ((bits & bit) !== 0) return letter
  return 'R'
}

const STATES: readonly (readonly [number, string])[] = [
  [0x01, 'S'],
  [0x02, 'D'],
  [0x04, 'T'],
  [0x08, 't'],
  [0x10, 'X'],
  [0x20, 'Z'],
  [0x40, 'P'],
  [0x80, 'I'],
]

const isTrue = (byte: number): boolean => byte === T || byte === ONE

/** `true` or `false`, or a digit where the fields are printed raw; a torn one is neither. */
function isBoolean(line: Buffer, start: number, end: number): boolean {
  const length = end - start
  if (length === 1) return isDigit(line[start]!)
  return (length === 4 && line[start] === T) || (length === 5 && line[start] === 102)
}

function hexAfter(line: Buffer, start: number, end: number, needle: Buffer): number {
  const at = find(line, start, end, needle)
  if (at === -1) return 0
  const text = line.toString('latin1', at + needle.length, wordEnd(line, at + needle.length, end))
  const value = Number(text.startsWith('0x') ? text : `0x${text}`)
  return Number.isNaN(value) ? 0 : value
}

function numberAt(line: Buffer, start: number, end: number): number {
  let value = 0
  for (let at = start; at < end && isDigit(line[at]!); at++) value = value * 10 + line[at]! - 48
  return value
}

function wordEnd(line: Buffer, start: number, end: number): number {
  let at = start
  while (at < end && line[at] !== SPACE) at++
  return at
}

function startsWith(line: Buffer, start: number, end: number, needle: Buffer): boolean {
  if (start + needle.length > end) return false
  for (let i = 0; i < needle.length; i++) if (line[start + i] !== needle[i]) return false
  return true
}

export function find(line: Buffer, start: number, end: number, needle: Buffer): number {
  if (start < 0) return -1
  const first = needle[0]
  for (let at = start; at + needle.length <= end; at++)
    if (line[at] === first && startsWith(line, at, end, needle)) return at
  return -1
}

function findLast(line: Buffer, start: number, end: number, needle: Buffer): number {
  const first = needle[0]
  for (let at = end - needle.length; at >= start; at--)
    if (line[at] === first && startsWith(line, at, end, needle)) return at
  return -1
}
