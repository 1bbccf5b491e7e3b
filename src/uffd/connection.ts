/**
 * The caller's side of the wire: makes calls of objects of the pager, and starts and ends its threads.
 *
 * A call that is synchronous in the library is so here: the caller waits for the pager, which never waits for a caller.
 *
 * Invariants
 *   LI1 Each call is answered once; if the pager dies, the process ends (watchdog.ts), so no call waits for ever.
 *   LI2 The process is kept alive by calls under way, and by nothing else of the machine.
 */

import { MessageChannel, type MessagePort, receiveMessageOnPort, threadId } from 'node:worker_threads'
import type { MachineOptions, MappingHandle } from '../api/index.ts'
import { type Bytes, messageOf, NumberMap } from '../base/index.ts'
import { bytes, FaultlineError, machineClosed } from '../calls/index.ts'
import { type Address, HUGE_PAGE_BYTES, Linux, NoFfi } from '../linux/index.ts'
import { CallSlot } from './call-slot.ts'
import type { IoThreadData } from './io-thread.ts'
import { refused } from './refused.ts'
import { ENDED, LOST, REPLIES, SIGNALS, STATE } from './signals.ts'
import { Thread } from './threads.ts'
import { watch } from './watch.ts'
import {
  type Abort,
  type Lost,
  type OnError,
  type PagerData,
  type Release,
  type Remains,
  type Reply,
  type Request,
  received,
  type SentError,
  type Started,
  sent,
  unsupported,
} from './wire.ts'

/** Calls of the host that run at once: more of them where several large reads are to be on their way. */
const IO_THREADS = 4
const IO_THREADS_READING_FAR = 8
const FAR: Bytes = 2 ** 20

interface Pending {
  readonly method: string
  readonly take: (reply: Reply) => void
}

export interface ConnectionOptions {
  readonly options: MachineOptions
  readonly onError: OnError
  /** A worker was stopped for good. */
  readonly onLost: (threadId: number, error: FaultlineError) => void
}

export class Connection {
  readonly linux: Linux
  readonly started: Started
  /** What threads that attach to its arrays are told. */
  readonly traits: MappingHandle['machine']
  private readonly port: MessagePort
  readonly signals: Int32Array<SharedArrayBuffer>
  private readonly eventfd: number
  private readonly threads: readonly Thread[]
  /** Memory for the threads' bytes on their way, a part for each. */
  private readonly bounce: Address
  private readonly onLost: ConnectionOptions['onLost']
  private readonly pending = new NumberMap<Pending>()
  private readonly collected = new FinalizationRegistry<number>(ref => this.post({ release: ref }))
  private ids = 0
  private ended = false

  private constructor(
    linux: Linux,
    started: Started,
    port: MessagePort,
    signals: Int32Array<SharedArrayBuffer>,
    eventfd: number,
    threads: readonly Thread[],
    bounce: Address,
    { onError, onLost }: ConnectionOptions,
  ) {
    this.linux = linux
    this.started = started
    const { pageSize, userfaultfd } = started
    this.traits = { signals: signals.buffer, userfaultfd, pageSize, onError, starter: threadId }
    this.port = port
    this.signals = signals
    this.eventfd = eventfd
    this.threads = threads
    this.bounce = bounce
    this.onLost = onLost
    port.on('message', message => this.take(message))
    port.unref()
  }

  /** Starts a pager and its threads. Throws ENOTSUP where the host can't, and what Machine.start throws. */
  static async open(asked: ConnectionOptions): Promise<Connection> {
    const linux = supported()
    try {
      return await Connection.openOn(linux, asked)
    } catch (error) {
      throw refused(error, 'start', 'the machine')
    }
  }

  private static async openOn(linux: Linux, asked: ConnectionOptions): Promise<Connection> {
    const { options, onError } = asked
    const count = ioThreadsFor(options)
    const signals = new SharedArrayBuffer(4 * SIGNALS)
    const bounce = linux.hugePage()
    const eventfd = linux.eventfd()
    const slots = Array.from({ length: count }, () => new SharedArrayBuffer(CallSlot.bytes))
    const { port1, port2 } = new MessageChannel()
    const data: PagerData = { options, onError, port: port2, signals, slots, eventfd }
    const words = new Int32Array(signals)
    const threads = [new Thread('pager-thread', data, [port2])]
    const first = await new Promise<Started | { readonly error: SentError }>(resolve => {
      port1.once('message', resolve)
    })
    if ('error' in first) {
      await threads[0]!.ended()
      port1.close()
      linux.close(eventfd)
      linux.release(bounce, HUGE_PAGE_BYTES)
      throw received(first.error)
    }
    const length = HUGE_PAGE_BYTES / count
    for (const [at, slot] of slots.entries()) {
      const { userfaultfd } = first
      const task: IoThreadData = {
        slot,
        eventfd,
        userfaultfd,
        bounce: { address: bounce + at * length, length },
      }
      threads.push(new Thread('io-thread', task))
    }
    return new Connection(linux, first, port1, words, eventfd, threads, bounce, asked)
  }

  /** Makes a call; `signal` aborts it. An error is made where the caller waits, so that its stack is his. */
  async call(to: number, method: string, args: readonly unknown[], signal?: AbortSignal): Promise<unknown> {
    const reply = await this.replyTo(to, method, args, signal)
    return valueIn(reply, signal)
  }

  private replyTo(
    to: number,
    method: string,
    args: readonly unknown[],
    signal: AbortSignal | undefined,
  ): Promise<Reply> {
    if (this.ended) throw machineClosed(method)
    const id = ++this.ids
    return new Promise((resolve, reject) => {
      const abort = () => this.post({ abort: id })
      const state =
        signal === undefined ? {} : { signal: signal.aborted ? ('aborted' as const) : ('open' as const) }
      try {
        this.post({ id, to, method, args, ...state })
      } catch (error) {
        reject(unsendable(method, error))
        return
      }
      this.pending.set(id, {
        method,
        take: reply => {
          signal?.removeEventListener('abort', abort)
          this.rest()
          resolve(reply)
        },
      })
      this.port.ref()
      signal?.addEventListener('abort', abort, { once: true })
    })
  }

  /** Makes a call whose answer the pager has at once, and waits for it. */
  ask(to: number, method: string, args: readonly unknown[]): unknown {
    if (this.ended) throw machineClosed(method)
    const id = ++this.ids
    let answer: Reply | undefined
    const take = (reply: Reply) => {
      answer = reply
    }
    try {
      this.post({ id, to, method, args, sync: true })
    } catch (error) {
      throw unsendable(method, error)
    }
    this.pending.set(id, { method, take })
    while (answer === undefined) {
      const seen = Atomics.load(this.signals, REPLIES)
      const ended = Atomics.load(this.signals, STATE) === ENDED
      const news = receiveMessageOnPort(this.port)
      if (news !== undefined) this.take(news.message)
      else if (ended) {
        this.pending.delete(id)
        throw machineClosed(method)
      } else Atomics.wait(this.signals, REPLIES, seen)
    }
    // The last answer that somebody else waited for may have come meanwhile.
    this.rest()
    return valueIn(answer, undefined)
  }

  /** The pager keeps an object for as long as this side does. */
  register(object: object, ref: number): void {
    this.collected.register(object, ref)
  }

  /** The machine has been closed: waits until its threads have ended. */
  async end(): Promise<void> {
    this.ended = true
    await Promise.all(this.threads.map(thread => thread.ended()))
    for (let news = receiveMessageOnPort(this.port); news !== undefined; ) {
      this.take(news.message)
      news = receiveMessageOnPort(this.port)
    }
    this.port.close()
    // What the pager had not answered by then it never will (LI1).
    for (const [id, { method, take }] of this.pending.entries())
      take({ id, error: sent(machineClosed(method)) })
    this.linux.close(this.eventfd)
    this.linux.release(this.bounce, HUGE_PAGE_BYTES)
  }

  /** Whether a worker was stopped for good. */
  get hasLost(): boolean {
    return Atomics.load(this.signals, LOST) > 0
  }

  /** The process ends: nobody is to wonder that the pager does. */
  abandon(): void {
    Atomics.store(this.signals, STATE, ENDED)
    this.linux.notify(this.eventfd)
  }

  /** LI2. */
  private rest(): void {
    if (this.pending.size === 0) this.port.unref()
  }

  private post(message: Request | Abort | Release): void {
    if (this.ended) return
    this.port.postMessage(message)
    this.linux.notify(this.eventfd)
  }

  private take(message: Reply | Lost | Remains): void {
    if ('held' in message) {
      watch({ held: message.held })
      return
    }
    if ('lost' in message) {
      this.onLost(message.lost.threadId, received(message.lost.error))
      return
    }
    const pending = this.pending.get(message.id)
    if (pending === undefined) return
    this.pending.delete(message.id)
    pending.take(message)
  }
}

/** What a reply says: a value, or an error that is thrown. */
function valueIn(reply: Reply, signal: AbortSignal | undefined): unknown {
  if (!('error' in reply)) return reply.value
  if (reply.error.code === 'ABORT_ERR') throw received(reply.error, signal?.reason)
  throw received(reply.error)
}

function ioThreadsFor({ readAhead = 0 }: MachineOptions): number {
  return bytes(readAhead, 'readAhead', 'start') > FAR ? IO_THREADS_READING_FAR : IO_THREADS
}

function supported(): Linux {
  if (process.platform !== 'linux')
    throw unsupported(`the hardware MMU is made for Linux; this is ${process.platform}`)
  try {
    return new Linux()
  } catch (error) {
    if (error instanceof NoFfi) throw unsupported(error.message, error)
    throw error
  }
}

function unsendable(method: string, error: unknown): FaultlineError {
  return new FaultlineError(
    'EINVAL',
    method,
    `${method}: an argument can't be sent to the pager: ${messageOf(error)}`,
    error,
  )
}
