/**
 * Reads what kernels print of tasks at one moment: hung-task reports, sysrq-w and sysrq-t, lockdep's locks held, crash's `bt`,
 * and files of /proc/PID/task/TID/stack. Linux 3.10 to 7, on x86, arm64, ppc64 and s390.
 *
 *     INFO: task NAME:PID blocked for more than 120 seconds.          then the task and its stack
 *     INFO: task NAME:PID <reader> blocked on an rw-semaphore likely owned by task NAME:PID <writer>      since 6.15
 *     task:NAME state:D stack:0 pid:1 tgid:1 ...                      since 5.10; before: NAME  D  addr  stack pid ppid flags
 *     2 locks held by NAME/PID:    #0: addr (&mm->mmap_lock){++++}-{3:3}, at: function+0x1/0x2
 *     PID: 1  TASK: addr  CPU: 0  COMMAND: "NAME"                     crash:  #0 [addr] function at addr
 *     == NAME tid 1 tgid 1 State: D (disk sleep) wchan W              /proc, and ==> /proc/1/task/1/stack <== and its kin
 *
 * A task is printed again and again while it hangs: the last sighting counts, with the longest time told.
 *
 * Invariants
 *   DU1  A frame that the unwinder doubted (`? function`, `(unreliable)`) is none.
 *   DU2  Memory is one sighting for each task.
 */
import { pastedOver, withoutEntities } from './pasted.ts'

export interface HeldLock {
  readonly address: string
  readonly name: string
  /** The function that took it, or waits to. */
  readonly at: string
}

/** The owner that the kernel named for the lock a task waits for. */
export interface LikelyOwner {
  readonly comm: string
  readonly tid: number
  readonly lock: 'mutex' | 'rw-semaphore' | 'semaphore'
  readonly as: 'reader' | 'writer' | ''
}

export interface SeenTask {
  readonly tid: number
  comm: string
  /** Its process, 0 if not told. */
  tgid: number
  /** R S D ...; '' if not told. */
  state: string
  /** Innermost first. */
  frames: string[]
  /** For how long it was told to be blocked, at least; 0 if not told. */
  blockedSeconds: number
  /** When it was seen, in seconds of the log's clock; -1 if not told. */
  seenSec: number
  owner: LikelyOwner | null
  locks: HeldLock[]
  /** Where the sighting comes from. */
  readonly source: 'hung task' | 'sysrq' | 'crash' | 'proc'
}

const FRAMES_MAX = 128
const SAMPLE_LINES = 200

const TIME = /^(?:<\d+>)?\[ *(\d+\.\d+)(?: <[ \d.]+>)?\]/
const HUNG = /INFO: task (.*):(\d+) blocked (?:in I\/O wait )?for more than (\d+) seconds/
const OWNER =
  /INFO: task (.*?):(\d+)(?: <(?:reader|writer)>)? (?:is )?blocked on an? (mutex|rw-semaphore|semaphore)\b.*? likely (?:owned|last held) by task (.*):(\d+)(?: <(reader|writer)>)?/
const TASK = /^\s*task:(.*?)\s+state:(\S)\S*\s+stack:\s*\d+\s+pid:\s*(\d+)(?:\s+tgid:\s*(\d+))?/
const OLD_TASK =
  /^(\S.{0,14}?)\s+([RSDTtXxZPIWKN])\s+(?:(?:0x)?[0-9a-f]{8,16}\s+|running task\s+|\(null\)\s+)?(\d+)\s+(\d+)\s+(\d+)\s+0x[0-9a-f]{8,16}\s*$/
const CRASH = /^\s*PID: (\d+)\s+TASK: [0-9a-f]+\s+CPU: \d+\s+COMMAND: "(.*)"/
const CRASH_FRAME = /^\s*#\d+ \[[0-9a-f]+\] (\S+?)(?:\+0x[0-9a-f]+|\+\d+)? (?:at|\()/
const HELD_BY = /(\d+) locks? held by (.*)\/(\d+):/
const HELD = /^\s*#\d+:\s+(?:([0-9a-f]{6,16})\s+)?\((.+?)\)\{.*?,\s+at: (?:\[<[0-9a-f]+>\]\s*)?([\w.]+)/
const FRAME =
  /^\s*(?:\(?\[<?[0-9a-f]*>?\]\s*)*(\?\s+)?\(?\.?([A-Za-z_][\w.$]*)\+0x[0-9a-f]+\/0x[0-9a-f]+(?:\s+\[[^\]]*\])?\)?\s*(\(unreliable\))?/
/** `[<807762c0>] (__schedule) from [<80776938>] (schedule+0x50/0xa8)` of 32-bit ARM, since 5.18 without addresses. */
const ARM_FRAME =
  /^\s*(?:\[<[0-9a-f]*>\] )?\(?([A-Za-z_][\w.$]*)(?: \[[^\]]*\])?\)? from (?:\[<[0-9a-f]*>\] )?\(?[A-Za-z_][\w.$]*\+0x/
const PROC_HEAD =
  /^=+ *(.*?)\s+tid:? (\d+)(?:\s+tgid:? (\d+))?(?:\s+State:\s*(\S).*?)?(?:\s+wchan:?\s*(\S+))?\s*=*$/
const PROC_PATH = /^(?:==> *|[-=#]+ *)?\/proc\/(\d+)(?:\/task\/(\d+))?(?:\/stack)?(?: *<==)?:?\s*(.*)$/
const PROC_FIELD = /^(Name|State|Tgid|wchan|comm)\s*:\s*(\S.*)$/

/** Whether a text says of tasks what this file reads. */
export const isDump = (text: string): boolean =>
  /INFO: task .*:\d+ blocked|^.*\btask:.* state:\S|sysrq: Show|SysRq : Show|^\s*PID: \d+ +TASK: |\[(?:<|&lt;)[0-9a-f]+(?:>|&gt;)\] \S+\+0x|Call Trace:|locks? held by .*\/\d+:|\/proc\/\d+\/task\/\d+/m.test(
    text,
  )

export class DumpReader {
  private readonly tasks = new Map<number, SeenTask>()
  private current: SeenTask | null = null
  /** Whose held locks are listed now. */
  private holder: SeenTask | null = null
  private blocked: { readonly tid: number; readonly seconds: number } | null = null
  private time = -1
  private rest = ''
  private strip: ((line: string) => string) | null = null
  private lineCount = 0

  push(chunk: Buffer): void {
    const lines = (this.rest + chunk.toString('latin1')).split('\n')
    this.rest = lines.pop()!
    this.take(lines)
  }

  end(): readonly SeenTask[] {
    this.take([this.rest])
    this.rest = ''
    return [...this.tasks.values()]
  }

  get lines(): number {
    return this.lineCount
  }

  private take(lines: readonly string[]): void {
    if (this.strip === null && lines.length > 0) {
      const sample = lines.slice(0, SAMPLE_LINES)
      // The times are wanted, so of dmesg's the line keeps them; a journal's are of another clock.
      const pasted = pastedOver(sample.map(line => withoutEntities(line).replace(TIME, '')).join('\n'))
      this.strip = line => pasted?.strip(line) ?? line
    }
    for (const line of lines) {
      this.lineCount++
      const quoted = this.strip!(withoutEntities(line.replace(/\r$/, '')))
      const time = TIME.exec(quoted)?.[1]
      if (time !== undefined) this.time = Number(time)
      this.line(
        quoted
          .replace(/^(?:<\d+>)?\[ *\d+\.\d+(?: <[ \d.]+>)?\](?:\[ *[TC]\d+\])? ?/, '')
          .replace(/^(?:.* )?kernel: (?:\[ *\d+\.\d+\] ?)?/, ''),
      )
    }
  }

  private line(line: string): void {
    if (line.trim() === '') return
    const owner = OWNER.exec(line)
    if (owner !== null) {
      const [, , tid, lock, comm, ownerTid, as] = owner
      const task = this.tasks.get(Number(tid))
      if (task !== undefined)
        task.owner = {
          comm: comm!,
          tid: Number(ownerTid),
          lock: lock as LikelyOwner['lock'],
          as: (as ?? '') as LikelyOwner['as'],
        }
      this.current = null
      return
    }
    const hung = HUNG.exec(line)
    if (hung !== null) {
      this.blocked = { tid: Number(hung[2]), seconds: Number(hung[3]) }
      this.see({ tid: this.blocked.tid, comm: hung[1]!, tgid: 0, state: 'D' }, 'hung task')
      return
    }
    const task = TASK.exec(line)
    if (task !== null) {
      this.see({ tid: Number(task[3]), comm: task[1]!, tgid: Number(task[4] ?? 0), state: task[2]! }, 'sysrq')
      return
    }
    const held = HELD_BY.exec(line)
    if (held !== null) {
      const tid = Number(held[3])
      this.holder = this.tasks.get(tid) ?? this.see({ tid, comm: held[2]!, tgid: 0, state: '' }, 'sysrq')
      this.holder.locks = []
      this.current = null
      return
    }
    const lock = HELD.exec(line)
    if (lock !== null) {
      this.holder?.locks.push({ address: lock[1] ?? '', name: lock[2]!, at: lock[3]! })
      return
    }
    if (this.frame(line)) return
    const crash = CRASH.exec(line)
    if (crash !== null) {
      this.see({ tid: Number(crash[1]), comm: crash[2]!, tgid: 0, state: '' }, 'crash')
      return
    }
    if (this.proc(line)) return
    const old = OLD_TASK.exec(line)
    if (old !== null) this.see({ tid: Number(old[4]), comm: old[1]!, tgid: 0, state: old[2]! }, 'sysrq')
  }

  private frame(line: string): boolean {
    const frame = FRAME.exec(line) ?? null
    const crash = frame === null ? (CRASH_FRAME.exec(line) ?? ARM_FRAME.exec(line)) : null
    const name = frame === null ? crash?.[1] : frame[2]
    if (name === undefined) return false
    if (frame !== null && (frame[1] !== undefined || frame[3] !== undefined)) return true
    if (this.current !== null && this.current.frames.length < FRAMES_MAX)
      this.current.frames.push(name.replace(/^\./, ''))
    return true
  }

  /** Headings and fields of files of /proc. */
  private proc(line: string): boolean {
    const head = PROC_HEAD.exec(line)
    if (head !== null) {
      const [, comm, tid, tgid, state] = head
      this.see({ tid: Number(tid), comm: comm!, tgid: Number(tgid ?? 0), state: state ?? '' }, 'proc')
      return true
    }
    const path = PROC_PATH.exec(line)
    if (path !== null) {
      const [, tgid, task, rest] = path as unknown as [string, string, string | undefined, string]
      const tid = Number(task ?? tgid)
      const isFrame = FRAME.test(rest)
      // `grep . /proc/*/task/*/stack` gives the path before each frame.
      if (this.current?.tid !== tid || !isFrame)
        this.see(
          { tid, comm: isFrame ? '' : rest.replace(/^\((.*)\)$/, '$1'), tgid: Number(tgid), state: '' },
          'proc',
        )
      if (isFrame) this.frame(rest)
      return true
    }
    const field = PROC_FIELD.exec(line)
    if (field === null || this.current?.source !== 'proc') return false
    const [, name, value] = field
    if (name === 'Name' || name === 'comm') this.current.comm = value!
    else if (name === 'State') this.current.state = value![0]!
    else if (name === 'Tgid') this.current.tgid = Number(value)
    return true
  }

  private see(
    {
      tid,
      comm,
      tgid,
      state,
    }: { readonly tid: number; readonly comm: string; readonly tgid: number; readonly state: string },
    source: SeenTask['source'],
  ): SeenTask {
    const known = this.tasks.get(tid)
    const seconds = this.blocked?.tid === tid ? this.blocked.seconds : 0
    const task: SeenTask = {
      tid,
      comm: comm || (known?.comm ?? ''),
      tgid: tgid || (known?.tgid ?? 0),
      state: state || (known?.state ?? ''),
      frames: [],
      blockedSeconds: Math.max(seconds, known?.blockedSeconds ?? 0),
      seenSec: this.time,
      owner: known?.owner ?? null,
      locks: known?.locks ?? [],
      source: known?.source === 'hung task' && source === 'sysrq' ? 'hung task' : source,
    }
    this.tasks.set(tid, task)
    this.current = task
    this.holder = null
    return task
  }
}
