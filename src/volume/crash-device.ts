/**
 * A device that can say what a crash would leave of it, at any moment.
 *
 *     durable            what was written before the last flush that has ended began
 *     written since      each write may be there, or not, or in half: in any combination
 *
 * Writes since a flush never overlap on a volume, since a freed block waits for a commit; so every order of them is one of
 * these combinations.
 *
 * Invariants   D1 to D3 (device/device.ts)
 *   CD1 An image has every write that a flush which has ended covers, whole.
 */
import { assert, type Bytes, errno, type Ns } from '../base/index.ts'
import type { Device, Request } from '../device/index.ts'
import { Alarm, type Chore, type Scheduler } from '../sched/index.ts'

interface Write {
  readonly position: Bytes
  readonly bytes: Uint8Array
}

/** With more writes than this since the last flush not all combinations are made, but those with one or all but one. */
const COMBINED_MAX = 5

export class CrashDevice implements Device, Chore {
  readonly name = 'crash'
  readonly disk = '1:7'
  readonly readOnly = false
  onEnd: Device['onEnd'] = () => {}
  /** Rises with everything that changes what a crash may leave. */
  version = 0
  private readonly scheduler: Scheduler
  private readonly alarm: Alarm
  private readonly current: Uint8Array
  private readonly durable: Uint8Array
  private since: Write[] = []
  private started: Request[] = []
  /** How many of the writes had ended when a flush began: those it makes durable. */
  private readonly covered = new Map<Request, number>()

  constructor(scheduler: Scheduler, content: Uint8Array) {
    this.scheduler = scheduler
    this.current = content.slice()
    this.durable = content.slice()
    this.alarm = new Alarm(scheduler, this)
  }

  start(request: Request): void {
    this.started.push(request)
    if (request.operation === 'write') this.version++
    if (request.operation === 'flush') this.covered.set(request, this.since.length)
    this.alarm.by(this.scheduler.now())
  }

  /** Ends one request, so that there is a moment between each two. */
  run(now: Ns): Ns {
    const request = this.started.shift()
    if (request === undefined) return Infinity
    this.serve(request)
    this.onEnd(request, errno.OK)
    return this.started.length > 0 ? now : Infinity
  }

  /** What a crash at this moment may leave, each once. */
  *images(): Generator<Uint8Array> {
    const writes = [
      ...this.since,
      ...this.started.filter(({ operation }) => operation === 'write').map(writeOf),
    ]
    const all = 2 ** writes.length - 1
    const few = writes.length <= COMBINED_MAX
    for (let which = 0; which <= all; which++)
      if (few || isPowerOfTwo(which) || isPowerOfTwo(all - which) || which === 0 || which === all)
        yield this.image(writes.filter((_, at) => (which & (1 << at)) !== 0))
    for (const torn of writes) {
      const half = { position: torn.position, bytes: torn.bytes.subarray(0, torn.bytes.length >>> 1) }
      yield this.image([half])
      yield this.image([...writes.filter(write => write !== torn), half])
    }
  }

  private image(writes: readonly Write[]): Uint8Array {
    const image = this.durable.slice()
    for (const { position, bytes } of writes) image.set(bytes, position)
    return image
  }

  private serve(request: Request): void {
    assert(
      request.operation === 'read' || request.operation === 'write' || request.operation === 'flush',
      'a volume reads, writes and flushes its device, and nothing else',
    )
    if (request.operation === 'flush') {
      const covered = this.since.splice(0, this.covered.get(request))
      this.covered.delete(request)
      for (const { position, bytes } of covered) this.durable.set(bytes, position)
      this.version++
    } else if (request.operation === 'write') {
      const write = writeOf(request)
      this.current.set(write.bytes, write.position)
      this.since.push(write)
    } else {
      let at = request.position
      for (const buffer of request.buffers) {
        buffer.set(this.current.subarray(at, at + buffer.length))
        at += buffer.length
      }
    }
  }
}

function writeOf({ position, length, buffers }: Request): Write {
  const bytes = new Uint8Array(length)
  let at = 0
  for (const buffer of buffers) {
    bytes.set(buffer, at)
    at += buffer.length
  }
  return { position, bytes }
}

function isPowerOfTwo(number: number): boolean {
  return number > 0 && (number & (number - 1)) === 0
}
