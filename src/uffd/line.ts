/**
 * The caller's side of the wire: makes calls of objects of the pager, and starts and ends its threads.
 *
 * A call that is synchronous in the library is so here: the caller waits for the pager, which never waits for a caller.
 *
 * Invariants
 *   LI1 Each call is answered once; if the pager dies, the process ends (watchdog.ts), so no call waits for ever.
 *   LI2 The process is kept alive by calls under way, and by nothing else of the machine.
 */
import { MessageChannel, type MessagePort, receiveMessageOnPort } from 'node:worker_threads'
import { type Bytes, NumberMap } from '../base/index.ts'
import { type Address, HUGE_PAGE_BYTES, Linux, NoFfi } from '../linux/index.ts'
import { bytes, FaultlineError, type MachineOptions } from '../map/index.ts'
import type { CrewData } from './crew-thread.ts'
import { Mailbox } from './mailbox.ts'
import { ENDED, REPLIES, SIGNALS, STATE } from './signals.ts'
import { Thread } from './threads.ts'
import {
  type Abort,
  type Lost,
  type OnError,
  type PagerData,
  type Release,
  type Reply,
  type Request,
  received,
  type SentError,
  type Started,
  unsupported,
} from './wire.ts'

/** Calls of the host that run at once: more of them where several large reads are to be on their way. */
const CREW = 4
const CREW_READING_FAR = 8
const FAR: Bytes = 2 ** 20

interface Pending {
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
  readonly signal: AbortSignal | undefined
}

export interface LineOptions {
  readonly options: MachineOptions
  readonly onError: OnError
  /** A worker was stopped for good. */
  readonly onLost: (threadId: number, error: FaultlineError) => void
}

export class Line {
  readonly linux: Linux
  readonly started: Started
  private readonly port: MessagePort
  readonly signals: Int32Array<SharedArrayBuffer>
  private readonly eventfd: number
  private readonly threads: readonly Thread[]
  /** Memory for the crew's bytes on their way, a part for each. */
  private readonly bounce: Address
  private readonly onLost: LineOptions['onLost']
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
    onLost: LineOptions['onLost'],
  ) {
    this.linux = linux
    this.started = started
    this.port = port
    this.signals = signals
    this.eventfd = eventfd
    this.threads = threads
    this.bounce = bounce
    this.onLost = onLost
    port.on('message', message => this.take(message))
    port.unref()
  }

  /** Starts a pager and its crew. Throws ENOTSUP where the host can't, and what Machine.start throws. */
  static async open({ options, onError, onLost }: LineOptions): Promise<Line> {
    const crew = crewFor(options)
    const linux = supported()
    const signals = new SharedArrayBuffer(4 * SIGNALS)
    const eventfd = linux.eventfd()
    const mailboxes = Array.from({ length: crew }, () => new SharedArrayBuffer(Mailbox.bytes))
    const { port1, port2 } = new MessageChannel()
    const data: PagerData = { options, onError, port: port2, signals, mailboxes, eventfd }
    const words = new Int32Array(signals)
    const threads = [new Thread('pager-thread', data, [port2])]
    const first = await new Promise<Started | { readonly error: SentError }>(resolve => {
      port1.once('message', resolve)
    })
    if ('error' in first) {
      await threads[0]!.ended()
      port1.close()
      linux.close(eventfd)
      throw received(first.error)
    }
    const bounce = linux.hugePage()
    const length = HUGE_PAGE_BYTES / crew
    for (const [at, mailbox] of mailboxes.entries()) {
      const { userfaultfd } = first
      const task: CrewData = {
        mailbox,
        eventfd,
        userfaultfd,
        bounce: { address: bounce + at * length, length },
      }
      threads.push(new Thread('crew-thread', task))
    }
    return new Line(linux, first, port1, words, eventfd, threads, bounce, onLost)
  }

  /** Makes a call; `signal` aborts it. */
  call(to: number, method: string, args: readonly unknown[], signal?: AbortSignal): Promise<unknown> {
    const id = ++this.ids
    return new Promise((resolve, reject) => {
      const abort = () => this.post({ abort: id })
      const settle = () => {
        signal?.removeEventListener('abort', abort)
        this.rest()
      }
      this.pending.set(id, {
        resolve: value => {
          settle()
          resolve(value)
        },
        reject: error => {
          settle()
          reject(error)
        },
        signal,
      })
      const state =
        signal === undefined ? {} : { signal: signal.aborted ? ('aborted' as const) : ('open' as const) }
      try {
        this.post({ id, to, method, args, ...state })
      } catch (error) {
        this.pending.delete(id)
        throw unsendable(method, error)
      }
      this.port.ref()
      signal?.addEventListener('abort', abort, { once: true })
    })
  }

  /** Makes a call whose answer the pager has at once, and waits for it. */
  ask(to: number, method: string, args: readonly unknown[]): unknown {
    const id = ++this.ids
    let answer: { value: unknown } | { error: unknown } | undefined
    this.pending.set(id, {
      resolve: value => {
        answer = { value }
      },
      reject: error => {
        answer = { error }
      },
      signal: undefined,
    })
    try {
      this.post({ id, to, method, args, sync: true })
    } catch (error) {
      this.pending.delete(id)
      throw unsendable(method, error)
    }
    while (answer === undefined) {
      const seen = Atomics.load(this.signals, REPLIES)
      const news = receiveMessageOnPort(this.port)
      if (news !== undefined) this.take(news.message)
      else Atomics.wait(this.signals, REPLIES, seen)
    }
    // The last answer that somebody else waited for may have come meanwhile.
    this.rest()
    if ('error' in answer) throw answer.error
    return answer.value
  }

  /** The pager keeps an object for as long as this side does. */
  register(object: object, ref: number): void {
    this.collected.register(object, ref)
  }

  /** The machine has been closed: waits until its threads have ended. */
  async end(): Promise<void> {
    this.ended = true
    await Promise.all(this.threads.map(thread => thread.ended()))
    this.port.close()
    this.linux.close(this.eventfd)
    this.linux.munmap(this.bounce, HUGE_PAGE_BYTES)
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

  private take(message: Reply | Lost): void {
    if ('lost' in message) {
      this.onLost(message.lost.threadId, received(message.lost.error))
      return
    }
    const pending = this.pending.get(message.id)
    if (pending === undefined) return
    this.pending.delete(message.id)
    if (!('error' in message)) pending.resolve(message.value)
    else if (message.error.code === 'ABORT_ERR')
      pending.reject(received(message.error, pending.signal?.reason))
    else pending.reject(received(message.error))
  }
}

function crewFor({ readAhead = 0 }: MachineOptions): number {
  return bytes(readAhead, 'readAhead', 'start') > FAR ? CREW_READING_FAR : CREW
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
    `${method}: an argument can't be sent to the pager: ${(error as Error).message}`,
    error,
  )
}
