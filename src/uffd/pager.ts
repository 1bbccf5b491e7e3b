/**
 * The pager: the thread in which a hardware machine runs. The whole engine is here, with the library over it; other
 * threads touch its pages and ask for things by messages.
 *
 *     turn:  wait for a fault, an ended call, a message or a timer -> begin, end, answer -> flush -> a turn of the event loop
 *
 * It waits in poll, not in the event loop, because a fault must be seen at once; whoever has something for it writes to
 * its eventfd. It never waits for another thread of the program, so any of them may be waiting for it.
 *
 * Invariants
 *   PG1 While it serves, it is back at the top of a turn within POLL_MAX of having nothing to do.
 *   PG2 It dies only with a sentence and with the process: a thread that waits for it would wait for ever.
 */
import { workerData } from 'node:worker_threads'
import { MS, type SpaceId } from '../base/index.ts'
import { Linux, NoUserfaultfd, Userfaultfd } from '../linux/index.ts'
import { type FaultlineError, Machine } from '../map/index.ts'
import { Answers } from './answers.ts'
import { Areas } from './areas.ts'
import { Crew } from './crew.ts'
import { Desk } from './desk.ts'
import { Mailbox } from './mailbox.ts'
import { Mirror } from './mirror.ts'
import { ENDED, HEARTBEAT, PAGER, REPLIES, SERVING, STATE } from './signals.ts'
import { MemoryFiles } from './store.ts'
import { abortProcess, Stuck } from './stuck.ts'
import {
  type Abort,
  type Lost,
  type PagerData,
  type Release,
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

const data = workerData as PagerData
const { port } = data
const signals = new Int32Array(data.signals)
const linux = new Linux()
process.on('uncaughtException', error => abortProcess(linux, `the pager failed: ${error.stack ?? error}`))

const { options, onError } = data
const pageSize = options.pageSize ?? PAGE_SIZE_DEFAULT
const uffd = userfaultfd()
const mirror = new Mirror(linux, uffd, pageSize)
const store = new MemoryFiles(linux, pageSize)
const crew = new Crew(linux, data.mailboxes, flush)
const hardware = { store, mirrorOf: (space: SpaceId) => mirror.of(space) }
const machine = await Machine.start(options, { hardware, calls: crew }).catch(refuse)
const { scheduler, memory } = machine.engine
mirror.frames = memory.frames
const areas = new Areas(linux, uffd, store, mirror)
const stuck = new Stuck(linux, uffd, pageSize, onError, tellLost)
const answers = new Answers(uffd, pageSize, areas, mirror, stuck, frame => memory.unpin(frame))
const desk = new Desk(machine, areas, reply)

port.on('message', (message: Request | Abort | Release) => {
  if ('method' in message && message.method === 'close' && message.to === machineNumber)
    void close(message.id)
  else desk.take(message)
})
const machineNumber = desk.numberOf(machine)
Atomics.store(signals, PAGER, linux.gettid())
Atomics.store(signals, STATE, SERVING)
const root = desk.numberOf(machine.root)
port.postMessage({ pageSize, frames: memory.total, machine: machineNumber, root } satisfies Started)
turn()

function userfaultfd(): Userfaultfd {
  try {
    return new Userfaultfd(linux)
  } catch (error) {
    return refuse(error instanceof NoUserfaultfd ? unsupported(error.message, error) : error)
  }
}

/** The machine can't start: says why, and ends this thread. */
function refuse(error: unknown): never {
  Atomics.store(signals, STATE, ENDED)
  for (const mailbox of data.mailboxes) new Mailbox(mailbox).stop()
  port.postMessage({ error: sent(error) })
  process.exit(0)
}

/** What the hardware shows is now what the engine says. */
function flush(): void {
  mirror.flush()
  store.flush()
}

function turn(): void {
  if (Atomics.load(signals, STATE) === ENDED) return
  Atomics.add(signals, HEARTBEAT, 1)
  flush()
  const ready = linux.poll(uffd.fd, data.eventfd, patience())
  if (ready.second) {
    linux.clear(data.eventfd)
    crew.collect()
  }
  if (ready.first) for (const message of uffd.read()) void answers.answer(message)
  if (stuck.waiting) stuck.sweep()
  if (areas.waiting) areas.sweep()
  setImmediate(turn)
}

/** How long to wait for something to do, in milliseconds. */
function patience(): number {
  if (scheduler.hasWork()) return 0
  const timer = Math.max(0, Math.ceil((scheduler.timers.next - scheduler.now()) / MS))
  return Math.min(timer, stuck.waiting || areas.waiting ? POLL_LOOKING : POLL_MAX)
}

/** To the other side: what is told is shown (DE1). */
function reply(message: Reply): void {
  flush()
  const transfer =
    'value' in message && message.value instanceof Uint8Array ? [message.value.buffer as ArrayBuffer] : []
  port.postMessage(message, transfer)
  Atomics.add(signals, REPLIES, 1)
  Atomics.notify(signals, REPLIES)
}

function tellLost(threadId: number, error: FaultlineError): void {
  port.postMessage({ lost: { threadId, error: sent(error) } } satisfies Lost)
}

/** Ends the machine, and the pager once nobody holds an array any more, or the time to let go is over. */
async function close(id: number): Promise<void> {
  let failure: unknown
  await machine.close().catch((error: unknown) => {
    failure = error
  })
  areas.letAllGo()
  const end = performance.now() + GRACE
  while (areas.waiting && performance.now() < end)
    await new Promise(resolve => setTimeout(resolve, POLL_LOOKING))
  Atomics.store(signals, STATE, ENDED)
  crew.stop()
  // A thread that is stopped for good waits in the userfaultfd: it must stay.
  if (stuck.stopped === 0) {
    areas.bar()
    uffd.close()
  }
  port.postMessage(failure === undefined ? { id, value: undefined } : { id, error: sent(failure) })
  port.close()
}
