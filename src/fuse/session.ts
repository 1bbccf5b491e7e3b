/**
 * A session with the kernel's FUSE: requests come in, each is handed to who answers its kind, and the answer goes out
 * whenever it is there, in any order.
 *
 *     INIT -> serving -> ENDED                 ended: the filesystem was unmounted, or its connection aborted
 *
 * It reads without waiting, in turns of the event loop, in which the engine runs too: an answer that is known at once
 * costs no turn, and one that isn't keeps nobody from asking.
 *
 * Invariants
 *   FS1 Each request but those that the kernel wants no answer to is answered once, whatever becomes of it.
 *   FS2 The bytes of a request stay as they are until it has been answered.
 *   FS3 The session never waits while anything is under way, for a millisecond otherwise; and never for the kernel to take an answer.
 *   FS4 A request is ended early only for a caller that is being killed; whoever merely has a signal waits, as on any disk.
 *   FS5 After its end nothing is written: the descriptor's number may be another file's by then.
 */
import { readFileSync } from 'node:fs'
import { type Bytes, errno } from '../base/index.ts'
import type { Linux, Watch } from '../linux/index.ts'
import { Buffers } from './buffers.ts'
import { type Negotiated, negotiate, READ_MAX, WRITE_MAX } from './negotiation.ts'
import {
  type Answered,
  answer,
  type Handler,
  headerOf,
  isPieces,
  message,
  type Pieces,
  Request,
} from './request.ts'
import { InHeader, InitIn, InitOut, InterruptIn, Opcode, OutHeader, WriteIn } from './wire.ts'

/** How long the next request is waited for where nothing else is to be done. */
const LINGER_MS = 1
/** Requests that are read before other things of the event loop have a turn. */
const REQUESTS_A_TURN = 64
/** Linux: EINTR, EAGAIN, ENOENT (the request was taken back meanwhile), ENODEV (unmounted), ECONNABORTED. */
const { EINTR, EAGAIN, ENOENT, EIO } = errno
const ENODEV = 19
const ENOSYS = 38
const ECONNABORTED = 103
const SIGKILL_BIT = 1 << 8

export type Operations = Partial<Record<Opcode, Handler>>

export interface SessionSetting {
  /** Of /dev/fuse, opened with O_NONBLOCK and mounted. */
  readonly fd: number
  readonly operations: Operations
  /** Kernel pages are written when the kernel likes (FUSE_WRITEBACK_CACHE). */
  readonly writes: 'through' | 'back'
  /** Whether nothing is under way in what handles requests but what waits for its time. */
  readonly isQuiet: () => boolean
  /** A handler threw: a fault of the program, which the caller sees as EIO. */
  readonly onError: (error: unknown) => void
}

/** How a session ended. */
export type SessionEnd = 'unmounted' | 'aborted'

export class Session {
  /** What was agreed on with the kernel; undefined before INIT. */
  negotiated: Negotiated | undefined
  private readonly linux: Linux
  private readonly setting: SessionSetting
  private readonly buffers: Buffers
  private readonly rooms: Buffers
  private readonly underWay = new Map<number, Request>()
  private watch: Watch | undefined
  private ended: (how: SessionEnd) => void = () => {}
  /** Settles when the filesystem is gone: nothing is asked any more. */
  readonly end: Promise<SessionEnd>

  constructor(linux: Linux, setting: SessionSetting) {
    this.linux = linux
    this.setting = setting
    const { addressOf } = linux.ffi
    this.buffers = new Buffers(InHeader.size + WriteIn.size, WRITE_MAX, addressOf)
    this.rooms = new Buffers(OutHeader.size, READ_MAX, addressOf)
    this.end = new Promise(resolve => {
      this.ended = resolve
    })
  }

  /** Requests that aren't answered yet. */
  get pending(): number {
    return this.underWay.size
  }

  /** Those, the oldest first. */
  get requests(): Iterable<Request> {
    return this.underWay.values()
  }

  serve(): void {
    this.watch = this.linux.ffi.watch(this.setting.fd, () => this.turn())
    this.watch.start()
  }

  private turn(): void {
    for (let count = 0; count < REQUESTS_A_TURN; count++) {
      const buffer = this.buffers.take()
      const length = this.linux.tryRead(this.setting.fd, buffer)
      if (length > 0) {
        this.accept(buffer, length)
        continue
      }
      this.buffers.giveBack(buffer)
      const failed = -length
      if (failed === EAGAIN && this.comesSoon()) continue
      if (failed === EAGAIN) return
      if (failed === EINTR || failed === ENOENT) continue
      this.stop(failed === ECONNABORTED ? 'aborted' : 'unmounted', failed)
      return
    }
  }

  /** hot: who asks for one thing after another asks again at once, and a turn of the event loop costs as much as an answer. */
  private comesSoon(): boolean {
    const { fd, isQuiet } = this.setting
    return this.underWay.size === 0 && isQuiet() && this.linux.poll(fd, -1, LINGER_MS).first
  }

  private stop(how: SessionEnd, failed: number): void {
    this.watch?.close()
    this.watch = undefined
    if (failed !== ENODEV && failed !== ECONNABORTED)
      this.setting.onError(new Error(`reading /dev/fuse failed with errno ${failed}`))
    for (const request of this.underWay.values()) request.kill?.()
    this.ended(how)
  }

  private accept(buffer: Uint8Array, length: Bytes): void {
    const request = new Request(buffer.subarray(0, length), this.rooms)
    const done = (answered: Answered | Pieces | undefined) => {
      this.buffers.giveBack(buffer)
      if (answered !== undefined) this.reply(request, answered)
      request.end()
    }
    let answered: ReturnType<Handler>
    try {
      answered = this.handle(request)
    } catch (error) {
      this.setting.onError(error)
      answered = EIO
    }
    if (!(answered instanceof Promise)) {
      done(answered)
      return
    }
    this.underWay.set(request.unique, request)
    answered
      .catch((error: unknown) => {
        this.setting.onError(error)
        return EIO
      })
      .then(late => {
        this.underWay.delete(request.unique)
        done(late)
      })
  }

  private handle(request: Request): ReturnType<Handler> {
    const { opcode } = request
    if (opcode === Opcode.INIT) return this.init(request)
    if (opcode === Opcode.INTERRUPT) return this.interrupt(request.take(InterruptIn).unique)
    const handler = this.setting.operations[opcode as Opcode]
    return handler === undefined ? ENOSYS : handler(request)
  }

  private init(request: Request): Answered {
    const offered = request.take(InitIn)
    this.negotiated = negotiate(offered, this.setting.writes)
    return answer(InitOut, this.negotiated.answer)
  }

  /** Requests are read in order, so one that isn't under way has been answered. */
  private interrupt(unique: number): undefined {
    const request = this.underWay.get(unique)
    if (request?.kill !== undefined && isBeingKilled(request.pid)) request.kill()
  }

  private reply({ unique, unsent }: Request, answered: Answered | Pieces): void {
    if (this.watch === undefined) {
      unsent?.()
      return
    }
    const sent = this.send(unique, answered)
    if (sent < 0) unsent?.()
    // ENOENT: who asked is gone. EINVAL and the like would be a fault of ours: the caller must not wait for ever.
    if (sent < 0 && ![ENOENT, ENODEV, ECONNABORTED, 1].includes(-sent)) {
      this.setting.onError(new Error(`an answer to the kernel failed with errno ${-sent}`))
      this.send(unique, EIO)
    }
  }

  /** Bytes that were taken, or -errno. */
  private send(unique: number, answered: Answered | Pieces): number {
    const { fd } = this.setting
    return isPieces(answered)
      ? this.linux.tryWritev(fd, [headerOf(unique, answered), ...answered])
      : this.linux.tryWrite(fd, message(unique, answered))
  }
}

/** Whether SIGKILL is on its way to the thread (a fatal signal becomes that), or the thread is gone. */
function isBeingKilled(pid: number): boolean {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'latin1')
    const pending = /^SigPnd:\s*([0-9a-f]+)/m.exec(status)?.[1] ?? '0'
    const shared = /^ShdPnd:\s*([0-9a-f]+)/m.exec(status)?.[1] ?? '0'
    return (
      ((Number.parseInt(pending.slice(-8), 16) | Number.parseInt(shared.slice(-8), 16)) & SIGKILL_BIT) !== 0
    )
  } catch {
    return true
  }
}
