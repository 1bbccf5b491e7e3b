/**
 * A process that does what it is told, system call by system call, and nothing else: the kernel's own space of the
 * comparison. It is stopped by ptrace for all of its life; a call is put into its registers and run alone.
 *
 *     stub:  syscall; int3; store a byte; int3; load a byte; int3; store many; int3; calls of a list; int3
 *
 * The stub is written over the page that it was stopped in.
 *
 * It touches memory only by calls, which return EFAULT where a load or a store would be a signal. All that it began
 * with is unmapped but that page, so its maps are those of the comparison. It dies with this process (EXITKILL).
 *
 * Invariants
 *   TC1 Each tracee is stopped except inside `call`.
 */
import fs from 'node:fs'
import type { Bytes } from '../base/index.ts'
import { type Address, type Foreign, Linux, LinuxError } from '../linux/index.ts'
import {
  CLONE_THREAD,
  PTRACE_CONT,
  PTRACE_GET_RSEQ_CONFIGURATION,
  PTRACE_GETREGS,
  PTRACE_INTERRUPT,
  PTRACE_O_EXITKILL,
  PTRACE_O_TRACECLONE,
  PTRACE_O_TRACEFORK,
  PTRACE_SEIZE,
  PTRACE_SETREGS,
  REGISTERS,
  RSEQ_FLAG_UNREGISTER,
  SCHED_FIFO,
  SCHED_OTHER,
  SIGBUS,
  SIGSEGV,
  SIGTRAP,
  SYS,
  type SystemCall,
  WALL,
  WNOHANG,
} from './abi.ts'

const PAGE: Bytes = 4096
// biome-ignore format: an instruction a line
const STUB = Buffer.from([
  0x0f, 0x05, 0xcc,  // syscall
  0x88, 0x07, 0xcc,  // mov %al, (%rdi)
  0x8a, 0x07, 0xcc,  // mov (%rdi), %al
  0xf3, 0xaa, 0xcc,  // rep stosb
  0x48, 0x8b, 0x03,  // list: mov (%rbx), %rax
  0x48, 0x8b, 0x7b, 0x08,  // mov 8(%rbx), %rdi
  0x48, 0x8b, 0x73, 0x10,  // mov 16(%rbx), %rsi
  0x48, 0x8b, 0x53, 0x18,  // mov 24(%rbx), %rdx
  0x4c, 0x8b, 0x53, 0x20,  // mov 32(%rbx), %r10
  0x4c, 0x8b, 0x43, 0x28,  // mov 40(%rbx), %r8
  0x4c, 0x8b, 0x4b, 0x30,  // mov 48(%rbx), %r9
  0x0f, 0x05,  // syscall
  0x48, 0x89, 0x43, 0x38,  // mov %rax, 56(%rbx)
  0x48, 0x83, 0xc3, 0x40,  // add $64, %rbx
  0x48, 0xff, 0xcd,  // dec %rbp
  0x75, 0xd6,  // jnz list
  0xcc,
])
const STORE_AT = 3
const LOAD_AT = 6
const FILL_AT = 9
const LIST_AT = 12
/** A call of a list: its number, six arguments, and its result. */
const CALL_WORDS = 8
const RESULT_WORD = 7
const PTRACE_EVENT_STOP = 128

export class Tracer {
  readonly linux = new Linux()
  private readonly ptraceCall: Foreign
  private readonly waitpidCall: Foreign
  private readonly spawnCall: Foreign
  private readonly affinityCall: Foreign
  private readonly schedulerCall: Foreign
  private readonly status = new Int32Array(1)
  private readonly registers = new BigUint64Array(REGISTERS.words)
  /** What every call begins with: the segment registers and the rest, of one that was stopped. */
  private readonly base = new BigUint64Array(REGISTERS.words)
  /** Where each process has its stub: it is elsewhere in each that was begun, and where its parent has it in a child. */
  private readonly stubs = new Map<number, Address>()

  constructor() {
    const libc = this.linux.ffi.open('libc.so.6')
    this.ptraceCall = libc.call('ptrace', 'long', ['long', 'long', 'long', 'pointer'])
    this.waitpidCall = libc.call('waitpid', 'int', ['int', 'pointer', 'int'])
    const pointers = ['pointer', 'pointer', 'pointer', 'pointer', 'pointer', 'pointer'] as const
    this.spawnCall = libc.call('posix_spawn', 'int', pointers)
    this.affinityCall = libc.call('sched_setaffinity', 'int', ['int', 'long', 'pointer'])
    this.schedulerCall = libc.call('sched_setscheduler', 'int', ['int', 'int', 'pointer'])
    // The kernel keeps new pages on a list of each processor for a while, where madvise doesn't find them.
    this.stayOnOneProcessor(0)
  }

  /** A new process with nothing mapped but the stub. */
  begin(): Tracee {
    const program = Buffer.from('/bin/sleep\0')
    const argument = Buffer.from('infinity\0')
    const words = [program, argument].map(each => BigInt(this.linux.ffi.addressOf(each)))
    const argv = BigUint64Array.of(...words, 0n)
    const pid = new Int32Array(1)
    // With an environment, or there is nothing to read of it in /proc.
    const setting = Buffer.from('HOME=/\0')
    const environment = BigUint64Array.of(BigInt(this.linux.ffi.addressOf(setting)), 0n)
    const error = this.spawnCall(pid, program, null, null, argv, environment)
    if (error !== 0) throw new LinuxError('posix_spawn', error)
    const tracee = new Tracee(this, pid[0]!)
    this.ptrace(
      PTRACE_SEIZE,
      tracee.pid,
      0,
      null,
      PTRACE_O_TRACEFORK | PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL,
    )
    this.ptrace(PTRACE_INTERRUPT, tracee.pid, 0, null)
    this.wait(tracee.pid)
    this.ptrace(PTRACE_GETREGS, tracee.pid, 0, this.base)
    const stub = Math.floor(Number(this.base[REGISTERS.rip]!) / PAGE) * PAGE
    this.stubs.set(tracee.pid, stub)
    const memory = fs.openSync(`/proc/${tracee.pid}/mem`, 'r+')
    fs.writeSync(memory, STUB, 0, STUB.length, stub)
    fs.closeSync(memory)
    this.forgetSequences(tracee)
    this.unmapAll(tracee)
    return tracee
  }

  /** Runs one call in the tracee. Its result, or -errno. */
  call(pid: number, name: SystemCall, args: readonly number[]): number {
    const { registers } = this
    this.load(pid, 0, SYS[name], args)
    if (name === 'exit_group') {
      this.ptrace(PTRACE_CONT, pid, 0, null)
      while (!hasEnded(this.wait(pid))) this.ptrace(PTRACE_CONT, pid, 0, null)
      return 0
    }
    this.goOn(pid, name)
    this.ptrace(PTRACE_GETREGS, pid, 0, registers)
    return Number(BigInt.asIntN(64, registers[REGISTERS.rax]!))
  }

  /**
   * Runs calls one after the other, in one go, and returns their results. The list is memory that both have, `address` in
   * the tracee: it is written over.
   */
  calls(
    pid: number,
    list: BigInt64Array,
    address: Address,
    calls: readonly (readonly [SystemCall, ...number[]])[],
  ): readonly number[] {
    if (calls.length === 0) return []
    for (const [at, [name, ...args]] of calls.entries()) {
      const from = at * CALL_WORDS
      list[from] = BigInt(SYS[name])
      for (let place = 1; place < RESULT_WORD; place++) list[from + place] = BigInt(args[place - 1] ?? 0)
    }
    this.load(pid, LIST_AT, 0, [], { rbx: address, rbp: calls.length })
    this.goOn(pid, calls[0]![0])
    return calls.map((_, at) => Number(list[at * CALL_WORDS + RESULT_WORD]))
  }

  /** Lets the tracee begin a call, and doesn't wait for its end, which `ended` tells. */
  begins(pid: number, name: SystemCall, args: readonly number[]): void {
    this.load(pid, 0, SYS[name], args)
    this.ptrace(PTRACE_CONT, pid, 0, null)
  }

  /** Lets the tracee begin to store a byte, as a program does. */
  stores(pid: number, address: Address): void {
    this.load(pid, STORE_AT, 0, [address])
    this.ptrace(PTRACE_CONT, pid, 0, null)
  }

  /** Lets the tracee begin to load a byte. */
  loads(pid: number, address: Address): void {
    this.load(pid, LOAD_AT, 0, [address])
    this.ptrace(PTRACE_CONT, pid, 0, null)
  }

  /** Lets the tracee begin to store to every byte of a range. */
  fills(pid: number, address: Address, length: Bytes): void {
    this.load(pid, FILL_AT, 0, [address, 0, 0, 0, 0, 0, length])
    this.ptrace(PTRACE_CONT, pid, 0, null)
  }

  /** The page that has the stub. */
  stubOf(pid: number): Address {
    return this.stubs.get(pid)!
  }

  /** Who of the tracees has ended what it began; undefined: nobody has since. */
  ended(): number | undefined {
    for (;;) {
      const pid = this.waitpidCall(-1, this.status, WALL | WNOHANG)
      if (pid <= 0) return undefined
      // A store may end with a signal: what it stored to isn't there any more.
      if ([SIGTRAP, SIGSEGV, SIGBUS].includes(this.status[0]! >> 8)) return pid
      // A child's first stop is its own; whoever forked it goes on.
      if (this.status[0]! >> 16 !== 0 && (this.status[0]! >> 16) & PTRACE_EVENT_STOP) continue
      this.ptraceCall(PTRACE_CONT, pid, 0, null)
    }
  }

  /** Lets the tracee run to its next stop. */
  private goOn(pid: number, name: SystemCall): void {
    do {
      this.ptrace(PTRACE_CONT, pid, 0, null)
      const status = this.wait(pid)
      if (hasEnded(status)) throw new Error(`the process ${pid} of the comparison has ended in ${name}`)
    } while (this.status[0]! >> 8 !== SIGTRAP)
  }

  private load(
    pid: number,
    at: Bytes,
    number: number,
    args: readonly number[],
    more: { readonly rbx?: Address; readonly rbp?: number } = {},
  ): void {
    const { registers, base } = this
    registers.set(base)
    registers[REGISTERS.rax] = BigInt(number)
    registers[REGISTERS.orig_rax] = BigInt.asUintN(64, -1n)
    registers[REGISTERS.rip] = BigInt(this.stubs.get(pid)! + at)
    for (const [place, register] of ARGUMENTS.entries())
      registers[register] = BigInt.asUintN(64, BigInt(args[place] ?? 0))
    if (more.rbx !== undefined) registers[REGISTERS.rbx] = BigInt(more.rbx)
    if (more.rbp !== undefined) registers[REGISTERS.rbp] = BigInt(more.rbp)
    this.ptrace(PTRACE_SETREGS, pid, 0, registers)
  }

  /** What the call came to that has ended. */
  resultOf(pid: number): number {
    this.ptrace(PTRACE_GETREGS, pid, 0, this.registers)
    return Number(BigInt.asIntN(64, this.registers[REGISTERS.rax]!))
  }

  /** Ends a process with all of its threads, whatever they wait for. */
  kill(pid: number): void {
    process.kill(pid, 'SIGKILL')
    // Its threads' ends come first.
    for (let ended = 0; ended !== pid; ) {
      ended = this.waitpidCall(-1, this.status, WALL)
      if (ended === -1) throw new LinuxError('waitpid', this.linux.ffi.errno())
      if (!hasEnded(this.status[0]!)) ended = 0
    }
  }

  /** Waits for a child that has been forked: it is traced from its first moment. */
  adopt(pid: number, parent: number): Tracee {
    this.stubs.set(pid, this.stubs.get(parent)!)
    this.wait(pid)
    return new Tracee(this, pid)
  }

  private wait(pid: number): number {
    const found = this.waitpidCall(pid, this.status, WALL)
    if (found === -1) throw new LinuxError('waitpid', this.linux.ffi.errno())
    return this.status[0]!
  }

  private ptrace(
    request: number,
    pid: number,
    address: number,
    data: NodeJS.TypedArray | null,
    options?: number,
  ): void {
    const result =
      options === undefined
        ? this.ptraceCall(request, pid, address, data)
        : this.ptraceWithOptions(request, pid, address, options)
    if (result === -1) throw new LinuxError('ptrace', this.linux.ffi.errno())
  }

  private ptraceWithOptions(request: number, pid: number, address: number, options: number): number {
    const libc = this.linux.ffi.open('libc.so.6')
    return libc.call('ptrace', 'long', ['long', 'long', 'long', 'long'])(request, pid, address, options)
  }

  /** Whether this thread, and whoever it begins from now on, runs before all others, where the kernel lets it. */
  precedence(of: 'before all others' | 'like others'): void {
    const first = of === 'before all others'
    this.schedulerCall(0, first ? SCHED_FIFO : SCHED_OTHER, Int32Array.of(first ? 1 : 0))
  }

  private stayOnOneProcessor(pid: number): void {
    this.affinityCall(pid, 8, BigUint64Array.of(1n))
  }

  /** The kernel writes to an area of glibc's that is about to go (restartable sequences). */
  private forgetSequences(tracee: Tracee): void {
    const area = new BigUint64Array(4)
    const result = this.ptraceCall(PTRACE_GET_RSEQ_CONFIGURATION, tracee.pid, area.byteLength, area)
    if (result <= 0 || area[0] === 0n) return
    const size = Number(area[1]! & 0xffffffffn)
    const signature = Number(area[1]! >> 32n)
    tracee.call('rseq', Number(area[0]!), size, RSEQ_FLAG_UNREGISTER, signature)
  }

  private unmapAll(tracee: Tracee): void {
    const stub = this.stubs.get(tracee.pid)!
    for (const line of fs.readFileSync(`/proc/${tracee.pid}/maps`, 'utf8').split('\n')) {
      const [, from, to, name] = /^([0-9a-f]+)-([0-9a-f]+) .*? (?:\d+)\s*(.*)$/.exec(line) ?? []
      if (from === undefined || name!.startsWith('[v')) continue
      const start = Number.parseInt(from, 16)
      const end = Number.parseInt(to!, 16)
      const cut = Math.min(end, Math.max(start, stub))
      if (cut > start) tracee.call('munmap', start, cut - start)
      const after = stub >= start && stub < end ? stub + PAGE : cut
      if (end > after) tracee.call('munmap', after, end - after)
    }
  }
}

const ARGUMENTS = [
  REGISTERS.rdi,
  REGISTERS.rsi,
  REGISTERS.rdx,
  REGISTERS.r10,
  REGISTERS.r8,
  REGISTERS.r9,
  // Not of calls: how many bytes an instruction goes over.
  REGISTERS.rcx,
] as const

export class Tracee {
  readonly pid: number
  private readonly tracer: Tracer
  private readonly files = new Map<string, number>()

  constructor(tracer: Tracer, pid: number) {
    this.tracer = tracer
    this.pid = pid
  }

  call(name: SystemCall, ...args: readonly number[]): number {
    return this.tracer.call(this.pid, name, args)
  }

  calls(
    list: BigInt64Array,
    address: Address,
    calls: readonly (readonly [SystemCall, ...number[]])[],
  ): readonly number[] {
    return this.tracer.calls(this.pid, list, address, calls)
  }

  /** A thread of the same process. */
  thread(): Tracee {
    return this.tracer.adopt(this.call('clone', CLONE_THREAD), this.pid)
  }

  fork(): Tracee {
    return this.tracer.adopt(this.call('fork'), this.pid)
  }

  exit(): void {
    for (const fd of this.files.values()) fs.closeSync(fd)
    this.files.clear()
    this.call('exit_group')
  }

  /** A file of /proc, as it is now, into `target` from `position` on. Bytes read. */
  proc(name: 'maps' | 'smaps' | 'pagemap', target: Uint8Array, position: Bytes): Bytes {
    let fd = this.files.get(name)
    if (fd === undefined) {
      fd = fs.openSync(`/proc/${this.pid}/${name}`, 'r')
      this.files.set(name, fd)
    }
    let done = 0
    for (;;) {
      const read = fs.readSync(fd, target, done, target.length - done, position + done)
      done += read
      if (read === 0 || done === target.length) return done
    }
  }
}

function hasEnded(status: number): boolean {
  return (status & 0xff) !== 0x7f
}
