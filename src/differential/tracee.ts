/**
 * A process that does what it is told, system call by system call, and nothing else: the kernel's own space of the
 * comparison. It is stopped by ptrace for all of its life; a call is put into its registers and run alone.
 *
 *     stub:  syscall; int3        written over the page that it was stopped in
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
  PTRACE_CONT,
  PTRACE_GET_RSEQ_CONFIGURATION,
  PTRACE_GETREGS,
  PTRACE_INTERRUPT,
  PTRACE_O_EXITKILL,
  PTRACE_O_TRACEFORK,
  PTRACE_SEIZE,
  PTRACE_SETREGS,
  REGISTERS,
  RSEQ_FLAG_UNREGISTER,
  SIGTRAP,
  SYS,
  type SystemCall,
  WALL,
} from './abi.ts'

const PAGE: Bytes = 4096
const STUB = Buffer.from([0x0f, 0x05, 0xcc])

export class Tracer {
  readonly linux = new Linux()
  private readonly ptraceCall: Foreign
  private readonly waitpidCall: Foreign
  private readonly spawnCall: Foreign
  private readonly affinityCall: Foreign
  private readonly status = new Int32Array(1)
  private readonly registers = new BigUint64Array(REGISTERS.words)
  /** What every call begins with: the segment registers and the rest, of one that was stopped. */
  private readonly base = new BigUint64Array(REGISTERS.words)
  private stub: Address = 0

  constructor() {
    const libc = this.linux.ffi.open('libc.so.6')
    this.ptraceCall = libc.call('ptrace', 'long', ['long', 'long', 'long', 'pointer'])
    this.waitpidCall = libc.call('waitpid', 'int', ['int', 'pointer', 'int'])
    const pointers = ['pointer', 'pointer', 'pointer', 'pointer', 'pointer', 'pointer'] as const
    this.spawnCall = libc.call('posix_spawn', 'int', pointers)
    this.affinityCall = libc.call('sched_setaffinity', 'int', ['int', 'long', 'pointer'])
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
    const error = this.spawnCall(pid, program, null, null, argv, new BigUint64Array(1))
    if (error !== 0) throw new LinuxError('posix_spawn', error)
    const tracee = new Tracee(this, pid[0]!)
    this.ptrace(PTRACE_SEIZE, tracee.pid, 0, null, PTRACE_O_TRACEFORK | PTRACE_O_EXITKILL)
    this.ptrace(PTRACE_INTERRUPT, tracee.pid, 0, null)
    this.wait(tracee.pid)
    this.ptrace(PTRACE_GETREGS, tracee.pid, 0, this.base)
    this.stub = Math.floor(Number(this.base[REGISTERS.rip]!) / PAGE) * PAGE
    const memory = fs.openSync(`/proc/${tracee.pid}/mem`, 'r+')
    fs.writeSync(memory, STUB, 0, STUB.length, this.stub)
    fs.closeSync(memory)
    this.forgetSequences(tracee)
    this.unmapAll(tracee)
    return tracee
  }

  /** Runs one call in the tracee. Its result, or -errno. */
  call(pid: number, name: SystemCall, args: readonly number[]): number {
    const { registers, base } = this
    registers.set(base)
    registers[REGISTERS.rax] = BigInt(SYS[name])
    registers[REGISTERS.orig_rax] = BigInt.asUintN(64, -1n)
    registers[REGISTERS.rip] = BigInt(this.stub)
    for (const [at, register] of ARGUMENTS.entries())
      registers[register] = BigInt.asUintN(64, BigInt(args[at] ?? 0))
    this.ptrace(PTRACE_SETREGS, pid, 0, registers)
    if (name === 'exit_group') {
      this.ptrace(PTRACE_CONT, pid, 0, null)
      while (!hasEnded(this.wait(pid))) this.ptrace(PTRACE_CONT, pid, 0, null)
      return 0
    }
    do {
      this.ptrace(PTRACE_CONT, pid, 0, null)
      const status = this.wait(pid)
      if (hasEnded(status)) throw new Error(`the process ${pid} of the comparison has ended in ${name}`)
    } while (this.status[0]! >> 8 !== SIGTRAP)
    this.ptrace(PTRACE_GETREGS, pid, 0, registers)
    return Number(BigInt.asIntN(64, registers[REGISTERS.rax]!))
  }

  /** Waits for a child that has been forked: it is traced from its first moment. */
  adopt(pid: number): Tracee {
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
    for (const line of fs.readFileSync(`/proc/${tracee.pid}/maps`, 'utf8').split('\n')) {
      const [, from, to, name] = /^([0-9a-f]+)-([0-9a-f]+) .*? (?:\d+)\s*(.*)$/.exec(line) ?? []
      if (from === undefined || name!.startsWith('[v')) continue
      const start = Number.parseInt(from, 16)
      const end = Number.parseInt(to!, 16)
      const cut = Math.min(end, Math.max(start, this.stub))
      if (cut > start) tracee.call('munmap', start, cut - start)
      const after = this.stub >= start && this.stub < end ? this.stub + PAGE : cut
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

  fork(): Tracee {
    return this.tracer.adopt(this.call('fork'))
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
