/** The session against a kernel that says what it is told: which answers go out, when, and what becomes of those that don't. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Linux } from '../linux/index.ts'
import { Buffers } from './buffers.ts'
import { type Answered, type Handler, type Operations, type Request, Session, SILENT, wire } from './index.ts'

const EAGAIN = 11
const ENODEV = 19
const ENOSYS = 38
const EIO = 5

/** A kernel whose requests are given one after the other, and that keeps the answers. */
class Kernel {
  readonly answers: { readonly unique: number; readonly error: number; readonly bytes: number }[] = []
  readonly errors: unknown[] = []
  /** Of answers that came in pieces. */
  readonly pieces: (readonly Uint8Array[])[] = []
  /** How often it was waited for a request in the thread itself, and what comes then. */
  waits = 0
  readonly comes: Uint8Array[] = []
  /** Whether the handlers have nothing under way. */
  isQuiet = true
  /** What it says to an answer, if not that it took it. */
  refuses = 0
  readonly session: Session
  private readonly requests: Uint8Array[] = []
  private isMounted = true
  private ready: () => void = () => {}

  constructor(operations: Operations) {
    const linux = {
      ffi: {
        addressOf: () => 0,
        watch: (_: number, seen: () => void) => {
          this.ready = seen
          return { start: () => {}, stop: () => {}, close: () => {} }
        },
      },
      tryRead: (_: number, target: Uint8Array) => {
        const next = this.requests.shift()
        if (next === undefined) return this.isMounted ? -EAGAIN : -ENODEV
        target.set(next)
        return next.length
      },
      poll: () => {
        this.waits++
        const next = this.comes.shift()
        if (next !== undefined) this.requests.push(next)
        return { first: next !== undefined, second: false }
      },
      tryWrite: (_: number, source: Uint8Array) => {
        const { unique, error, len } = wire.OutHeader.read(new DataView(source.buffer, source.byteOffset), 0)
        this.answers.push({ unique, error, bytes: len - wire.OutHeader.size })
        return this.refuses === 0 ? source.length : -this.refuses
      },
      tryWritev: (fd: number, pieces: readonly Uint8Array[]) => {
        this.pieces.push(pieces.slice(1))
        return linux.tryWrite(fd, pieces[0]!)
      },
    } as unknown as Linux
    this.session = new Session(linux, {
      isQuiet: () => this.isQuiet,
      fd: 7,
      operations,
      writes: 'through',
      onError: error => this.errors.push(error),
    })
    this.session.serve()
  }

  ask(opcode: number, unique: number, body?: Uint8Array): void {
    this.requests.push(this.request(opcode, unique, body))
    this.ready()
  }

  request(opcode: number, unique: number, body: Uint8Array = new Uint8Array(0)): Uint8Array {
    const bytes = new Uint8Array(wire.InHeader.size + body.length)
    const header = { len: bytes.length, opcode, unique, nodeid: 1, uid: 0, gid: 0, pid: process.pid }
    wire.InHeader.write(new DataView(bytes.buffer), 0, header)
    bytes.set(body, wire.InHeader.size)
    return bytes
  }

  unmount(): void {
    this.isMounted = false
    this.ready()
  }
}

function later(): {
  readonly handler: Handler
  readonly end: (answered: Answered) => Promise<void>
  asked: Request[]
} {
  const waiting: ((answered: Answered) => void)[] = []
  const asked: Request[] = []
  return {
    asked,
    handler: request => {
      asked.push(request)
      return new Promise<Answered>(resolve => waiting.push(resolve))
    },
    async end(answered) {
      waiting.shift()!(answered)
      await new Promise(resolve => setImmediate(resolve))
    },
  }
}

test('FS3: the next request is waited for in the thread itself only while nothing is under way', async () => {
  const slow = later()
  const kernel = new Kernel({ [wire.Opcode.GETATTR]: () => 2, [wire.Opcode.READ]: slow.handler })
  kernel.comes.push(kernel.request(wire.Opcode.GETATTR, 2))
  kernel.ask(wire.Opcode.GETATTR, 1)
  assert.deepEqual(
    kernel.answers.map(({ unique }) => unique),
    [1, 2],
  )
  assert.equal(kernel.waits, 2)
  kernel.isQuiet = false
  kernel.ask(wire.Opcode.GETATTR, 3)
  assert.equal(kernel.waits, 2)
  kernel.isQuiet = true
  kernel.ask(wire.Opcode.READ, 4)
  kernel.ask(wire.Opcode.GETATTR, 5)
  assert.equal(kernel.waits, 2)
  await slow.end(0)
  kernel.ask(wire.Opcode.GETATTR, 6)
  assert.equal(kernel.waits, 3)
})

test('FS1: each request is answered once: at once, late, as unknown, or after a handler threw', async () => {
  const slow = later()
  const kernel = new Kernel({
    [wire.Opcode.GETATTR]: () => 2,
    [wire.Opcode.READ]: slow.handler,
    [wire.Opcode.FORGET]: () => SILENT,
    [wire.Opcode.WRITE]: () => {
      throw new Error('a fault of ours')
    },
    [wire.Opcode.FSYNC]: () => Promise.reject(new Error('another')),
  })
  kernel.ask(wire.Opcode.READ, 10)
  kernel.ask(wire.Opcode.GETATTR, 12)
  kernel.ask(wire.Opcode.FORGET, 14)
  kernel.ask(999, 16)
  kernel.ask(wire.Opcode.WRITE, 18)
  kernel.ask(wire.Opcode.FSYNC, 20)
  await new Promise(resolve => setImmediate(resolve))
  assert.equal(kernel.session.pending, 1)
  await slow.end(0)
  assert.deepEqual(
    kernel.answers.map(({ unique, error }) => [unique, error]),
    [
      [12, -2],
      [16, -ENOSYS],
      [18, -EIO],
      [20, -EIO],
      [10, 0],
    ],
  )
  assert.equal(kernel.errors.length, 2)
  assert.equal(kernel.session.pending, 0)
})

test('FS5: may an answer be written after the end?', async () => {
  const slow = later()
  const kernel = new Kernel({ [wire.Opcode.READ]: slow.handler })
  kernel.ask(wire.Opcode.READ, 10)
  let [killed, unsent] = [0, 0]
  slow.asked[0]!.kill = () => killed++
  slow.asked[0]!.unsent = () => unsent++
  kernel.unmount()
  assert.equal(await kernel.session.end, 'unmounted')
  await slow.end(0)
  assert.deepEqual(kernel.answers, [])
  assert.deepEqual([killed, unsent], [1, 1])
})

test('what an answer gave the kernel is taken back if it did not take it', async () => {
  let taken = 0
  const kernel = new Kernel({
    [wire.Opcode.LOOKUP]: request => {
      request.unsent = () => taken++
      return 0
    },
  })
  kernel.ask(wire.Opcode.LOOKUP, 10)
  assert.equal(taken, 0)
  kernel.refuses = 2
  kernel.ask(wire.Opcode.LOOKUP, 12)
  assert.equal(taken, 1)
  assert.equal(kernel.answers.length, 2, 'who asked is gone: nothing more is said')
})

test('an answer of pieces goes out as they are, and is told of if it is refused', () => {
  const pieces = [new Uint8Array(3), new Uint8Array(5)]
  let unsent = 0
  const kernel = new Kernel({
    [wire.Opcode.READ]: request => {
      request.unsent = () => unsent++
      return pieces
    },
  })
  kernel.ask(wire.Opcode.READ, 10)
  assert.deepEqual(kernel.answers, [{ unique: 10, error: 0, bytes: 8 }])
  assert.deepEqual(kernel.pieces, [pieces])
  kernel.refuses = 22
  kernel.ask(wire.Opcode.READ, 12)
  assert.equal(unsent, 1)
  assert.equal(kernel.errors.length, 1)
  assert.deepEqual(kernel.answers.at(-1), { unique: 12, error: -EIO, bytes: 0 }, 'nobody waits for ever')
})

test('FS4: a signal ends no request of a process that goes on, and every one of a process that is gone', async () => {
  const slow = later()
  const kernel = new Kernel({ [wire.Opcode.READ]: slow.handler })
  kernel.ask(wire.Opcode.READ, 10)
  let killed = 0
  slow.asked[0]!.kill = () => killed++
  const interrupt = Uint8Array.from([10, 0, 0, 0, 0, 0, 0, 0])
  kernel.ask(wire.Opcode.INTERRUPT, 11, interrupt)
  assert.equal(killed, 0, 'this process is not being killed')
  Object.assign(slow.asked[0]!, { pid: 2 ** 30 })
  kernel.ask(wire.Opcode.INTERRUPT, 11, interrupt)
  assert.equal(killed, 1)
  assert.deepEqual(kernel.answers, [], 'an interruption itself has no answer')
})

test('what lies behind the head of a message begins at a page, wherever memory is (BU1)', () => {
  for (const address of [0, 16, 4079, 4080, 8191]) {
    const buffers = new Buffers(80, 10_000, () => address)
    const buffer = buffers.take()
    assert.equal(buffer.length, buffers.size)
    assert.equal((address + buffer.byteOffset + 80) % 4096, 0)
    buffers.giveBack(buffer)
    assert.equal(buffers.take(), buffer)
  }
})
