/**
 * The pager of a hardware machine: the whole engine, with the library over it, in a thread of its own. Other threads
 * touch its pages and ask for things by messages.
 *
 *     turn:  flush -> start what was begun -> wait for a fault, an ended call, a message or a timer -> begin and start what faults
 *            want -> end calls -> a turn of the event loop, in which threads are woken
 *
 * It waits in poll, because a fault must be seen at once; whoever has something for it writes to its eventfd. While a server
 * is asked for ranges it waits in the event loop (loop-wait.ts). It never waits for another thread of the program, so any of them may be waiting for it.
 *
 * Invariants
 *   PG1 While it serves, it is back at the top of a turn within POLL_MAX of having nothing to do.
 *   PG2 It fails only with a sentence and with the process: a thread that waits for it would wait for ever.
 */
import type { MessagePort } from 'node:worker_threads'
import { MS, type SpaceId } from '../base/index.ts'
import type { FaultlineError } from '../calls/index.ts'
import { type Linux, NoUserfaultfd, ThreadSignals, Userfaultfd } from '../linux/index.ts'
import { Machine } from '../map/index.ts'
import { Answers } from './answers.ts'
import { Areas } from './areas.ts'
import { Dispatcher } from './dispatcher.ts'
import { IoThreads, type RingCall } from './io-threads.ts'
import { LoopWait } from './loop-wait.ts'
import { Mirror } from './mirror.ts'
import { beforeAbort, Poison } from './poison.ts'
import { refused } from './refused.ts'
import { RingReads } from './ring-reads.ts'
import { ENDED, HEARTBEAT, LOST, PAGER, REPLIES, SERVING, STATE } from './signals.ts'
import { MemoryFiles } from './store.ts'
import {
  type Abort,
  type Lost,
  type OnError,
  type PagerData,
  type Release,
  type Remains,
  type Reply,
  type Request,
  type Started,
  sent,
  unsupported,
} from './wire.ts'

const PAGE_SIZE_DEFAULT = 4096
/** The longest that the pager waits, so that a process that ends is not held up; and while something must be looked at. */
const POLL_MAX = 100
const POLL_LOOKING = 5
/** How long close waits for threads to let go of arrays. */
const GRACE = 1000
/** How long the end of the process waits for calls of the host that are under way, and for volumes. */
const LEAVING = 2000

export class Pager {
  private readonly linux: Linux
  private readonly port: MessagePort
  private readonly signals: Int32Array
  private readonly eventfd: number
  private readonly uffd: Userfaultfd
  private readonly mirror: Mirror
  private readonly store: MemoryFiles
  private readonly ioThreads: IoThreads
  private readonly machine: Machine
  private readonly areas: Areas
  private readonly poison: Poison
  private readonly answers: Answers
  private readonly dispatcher: Dispatcher
  private readonly number: number
  private readonly onError: OnError
  private readonly loop: LoopWait
  private ended: () => void = () => {}

  private constructor(linux: Linux, data: PagerData, parts: Parts, machine: Machine) {
    const { uffd, mirror, store, ioThreads, loop } = parts
    const { pageSize } = machine
    const { memory, verbs } = machine.engine
    this.linux = linux
    this.port = data.port
    this.onError = data.onError
    this.signals = new Int32Array(data.signals)
    this.eventfd = data.eventfd
    this.uffd = uffd
    this.mirror = mirror
    this.store = store
    this.ioThreads = ioThreads
    this.loop = loop
    this.machine = machine
    mirror.frames = memory.frames
    this.areas = new Areas(linux, store, mirror)
    this.poison = new Poison(
      linux,
      uffd,
      pageSize,
      new ThreadSignals(linux),
      data.onError,
      (thread, threadId, error) => this.lose(thread, threadId, error),
    )
    this.answers = new Answers(uffd, pageSize, this.areas, mirror, this.poison, frame =>
      verbs.fault.letGo([frame]),
    )
    this.dispatcher = new Dispatcher(machine, this.areas, loop, message => this.reply(message))
    this.number = this.dispatcher.numberOf(machine)
    beforeAbort(() => this.leaveNow())
  }

  /** Starts a machine and serves until it is closed. If it can't start, says why on the wire. */
  static async serve(linux: Linux, data: PagerData): Promise<void> {
    let pager: Pager
    try {
      pager = await Pager.start(linux, data)
    } catch (error) {
      const told =
        error instanceof NoUserfaultfd
          ? unsupported(error.message, error)
          : refused(error, 'start', 'the machine')
      Atomics.store(new Int32Array(data.signals), STATE, ENDED)
      data.port.postMessage({ error: sent(told) })
      data.port.close()
      return
    }
    await pager.run()
  }

  private static async start(linux: Linux, data: PagerData): Promise<Pager> {
    const parts = makeParts(linux, data)
    const { uffd, store, mirror, ioThreads, loop } = parts
    try {
      const hardware = { store, mirrorOf: (space: SpaceId) => mirror.of(space) }
      return new Pager(
        linux,
        data,
        parts,
        await Machine.start(data.options, { hardware, calls: ioThreads, asked: loop.asked }),
      )
    } catch (error) {
      ioThreads.stop()
      loop.close()
      uffd.close()
      throw error
    }
  }

  private run(): Promise<void> {
    const { machine, dispatcher } = this
    this.port.on('message', (message: Request | Abort | Release) => this.take(message))
    Atomics.store(this.signals, PAGER, this.linux.gettid())
    Atomics.store(this.signals, STATE, SERVING)
    const { pageSize, root } = machine
    const frames = machine.engine.memory.total
    const { fd: userfaultfd } = this.uffd
    const started: Started = {
      pageSize,
      frames,
      userfaultfd,
      machine: this.number,
      root: dispatcher.numberOf(root),
    }
    this.port.postMessage(started)
    setImmediate(() => this.turn())
    return new Promise(resolve => {
      this.ended = resolve
    })
  }

  private take(message: Request | Abort | Release): void {
    if ('method' in message && message.method === 'close' && message.to === this.number)
      void this.close(message.id)
    else if ('method' in message && message.method === 'leave' && message.to === this.number)
      void this.leave(message.id)
    else this.dispatcher.take(message)
  }

  private turn(): void {
    if (Atomics.load(this.signals, STATE) === ENDED) return
    Atomics.add(this.signals, HEARTBEAT, 1)
    this.start()
    const patience = this.ioThreads.hasReadHere ? 0 : this.patience()
    const ready = this.linux.poll(this.uffd.fd, this.eventfd, this.loop.isNeeded ? 0 : patience)
    if (ready.second) this.linux.clear(this.eventfd)
    if (ready.first) {
      for (const message of this.uffd.read()) void this.answers.answer(message)
      this.start()
    }
    if (ready.second || this.ioThreads.hasReadHere) this.ioThreads.collect()
    if (this.poison.waiting) this.poison.sweep()
    if (this.areas.waiting) this.areas.sweep()
    const again = () => setImmediate(() => this.turn())
    if (this.loop.isNeeded && patience > 0 && !ready.first && !ready.second) this.loop.wait(patience, again)
    else again()
  }

  /** How long to wait for something to do, in milliseconds. */
  private patience(): number {
    const { scheduler } = this.machine.engine
    if (scheduler.hasWork()) return 0
    const timer = Math.max(0, Math.ceil((scheduler.timers.next - scheduler.now()) / MS))
    return Math.min(timer, this.poison.waiting || this.areas.waiting ? POLL_LOOKING : POLL_MAX)
  }

  /** Memory is given back before more is filled, and stores have stopped before a page is written. */
  private start(): void {
    this.flush()
    this.ioThreads.start()
  }

  /** What the hardware shows is now what the engine says. */
  private flush(): void {
    this.mirror.flush()
    this.store.flush()
  }

  /** To the other side: what is told is shown (DE1). */
  private reply(message: Reply): void {
    this.flush()
    const bytes = 'value' in message && message.value instanceof Uint8Array ? message.value : undefined
    this.port.postMessage(message, bytes === undefined ? [] : [bytes.buffer as ArrayBuffer])
    this.wakeCaller()
  }

  /** A worker was stopped for good. */
  private lose(thread: number, threadId: number, error: FaultlineError): void {
    this.areas.expel(thread)
    Atomics.add(this.signals, LOST, 1)
    this.port.postMessage({ lost: { threadId, error: sent(error) } } satisfies Lost)
  }

  /** The process ends. What the threads are writing is older than what is written now, so it must have come first. */
  private async leave(id: number): Promise<void> {
    const failed = this.leaveNow()
    if (this.machine.isUnsettled()) {
      const late = new Promise<string[]>(resolve => {
        setTimeout(
          () =>
            resolve(['volumes were not made durable in time; what changed since the last sync may be lost']),
          LEAVING,
        )
      })
      failed.push(...(await Promise.race([this.machine.settle(), late])))
    }
    this.reply({ id, value: failed })
  }

  /** Hands what was stored to the host, in this call. Returns what could not be. */
  private leaveNow(): string[] {
    const { ioThreads, linux, eventfd } = this
    for (const end = performance.now() + LEAVING; ioThreads.isCalling && performance.now() < end; ) {
      linux.poll(eventfd, eventfd, POLL_LOOKING)
      linux.clear(eventfd)
    }
    linux.notify(eventfd)
    return [...this.machine.leave()]
  }

  /** Ends the machine, and the pager once nobody holds an array any more, or the time to let go is over. */
  private async close(id: number): Promise<void> {
    let failure: unknown
    await this.machine.close().catch((error: unknown) => {
      failure = error
    })
    this.loop.close()
    this.areas.letAllGo()
    for (const end = performance.now() + GRACE; this.areas.waiting && performance.now() < end; )
      await new Promise(resolve => setTimeout(resolve, POLL_LOOKING))
    beforeAbort(() => [])
    Atomics.store(this.signals, STATE, ENDED)
    this.ioThreads.stop()
    this.store.close()
    const ranges = this.areas.held
    const { fd: userfaultfd } = this.uffd
    const { pageSize } = this.machine
    if (ranges.length === 0) this.uffd.close()
    else
      this.port.postMessage({
        held: { userfaultfd, pageSize, onError: this.onError, ranges },
      } satisfies Remains)
    this.port.postMessage(failure === undefined ? { id, value: undefined } : { id, error: sent(failure) })
    this.port.close()
    this.wakeCaller()
    this.ended()
  }

  /** One that waits without its event loop looks again: an answer has come, or none will. */
  private wakeCaller(): void {
    Atomics.add(this.signals, REPLIES, 1)
    Atomics.notify(this.signals, REPLIES)
  }
}

/** What the engine stands on. */
interface Parts {
  readonly uffd: Userfaultfd
  readonly mirror: Mirror
  readonly store: MemoryFiles
  readonly ioThreads: IoThreads
  readonly loop: LoopWait
}

function makeParts(linux: Linux, { options, slots, eventfd }: PagerData): Parts {
  const { pageSize = PAGE_SIZE_DEFAULT } = options
  if (pageSize % linux.pageSize !== 0)
    throw unsupported(
      `this host's own pages have ${linux.pageSize} bytes; pageSize must be a multiple of that`,
    )
  const uffd = Userfaultfd.open(linux)
  const store = new MemoryFiles(linux, uffd, pageSize)
  const mirror = new Mirror(linux, uffd, store, pageSize)
  const ring = RingReads.open<RingCall>(linux, uffd, eventfd)
  const ioThreads = new IoThreads(linux, store, ring, slots)
  const loop = new LoopWait(linux, [uffd.fd, eventfd])
  ioThreads.onBegun = () => loop.wake()
  return { uffd, mirror, store, ioThreads, loop }
}
