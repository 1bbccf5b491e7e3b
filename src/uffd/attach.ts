/**
 * The array of a mapping in another thread: `attach` makes it from the handle that was posted there.
 *
 * Invariants
 *   AH1 The array is detached before the addresses may be used for anything else: by `detach`, or when the mapping is
 *       unmapped and this thread's event loop comes to it. What is touched in between is refused by the pager, or by the
 *       watchdog of this thread where the pager may end before it.
 *   AH2 No address is touched that isn't a mapping's: what shares the mapping's memory says where it lies.
 */

import { threadId } from 'node:worker_threads'
import type { MappingHandle } from '../api/index.ts'
import type { Bytes } from '../base/index.ts'
import { FaultlineError, invalid } from '../calls/index.ts'
import { shown } from '../group/index.ts'
import { Linux } from '../linux/index.ts'
import { Control, isAlive, THREADS_MAX } from './control.ts'
import { MappedArray } from './mapped-array.ts'
import { ENDED, PAGER, SIGNALS, STATE } from './signals.ts'
import { watch } from './watch.ts'

/** Node's number of the main thread: it ends with the process. */
const MAIN = 0

let linux: Linux | undefined

/** The array of a mapping in this thread. */
export interface Attachment extends Disposable {
  /** What is mapped. */
  readonly name: string
  /** Bytes. */
  readonly length: Bytes
  /** The same memory as the mapping's own array. */
  readonly bytes: Uint8Array<ArrayBuffer>
  /** Makes the array unusable in this thread. */
  detach(): void
}

/**
 * Makes the array of a mapping in a worker thread, from the handle that was posted to it.
 *
 * Errors: EINVAL for anything but a handle of this process; EAGAIN if too many threads are attached; ENOTSUP; EBADF if it was
 * unmapped.
 * Cost: no copy; a touch of a missing page stops this thread alone until the page is there.
 */
export function attach(handle: MappingHandle): Attachment {
  checkHandle(handle)
  const { name, host, length, machine } = handle
  linux ??= new Linux()
  const control = new Control(handle.control)
  const thread = linux.gettid()
  const place = control.enter(thread, threadId)
  if (place === -1)
    throw new FaultlineError(
      'EAGAIN',
      'attach',
      `attach: ${THREADS_MAX} threads are attached to ${name} already; detach one`,
    )
  const gone = whyGone(control, machine, name)
  if (gone !== undefined) {
    control.leave(place)
    throw new FaultlineError('EBADF', 'attach', `attach: ${gone}`)
  }
  if (machine.starter !== MAIN && machine.starter !== threadId) {
    const { userfaultfd, pageSize, onError, signals: pager } = machine
    const ranges = [{ name, address: host, length, control: handle.control }]
    watch({ attached: { userfaultfd, pageSize, onError, ranges }, pager, thread })
  }
  const array = new MappedArray(linux, name, host, length)
  let attached = true
  const attachment: Attachment = {
    name,
    length,
    bytes: array.bytes,
    detach() {
      if (!attached) return
      attached = false
      array.detach(control)
      control.leave(place)
    },
    [Symbol.dispose]() {
      this.detach()
    },
  }
  void control.unmapping().then(() => attachment.detach())
  return attachment
}

function checkHandle(handle: MappingHandle): void {
  const { process: made, name, host, length, control, machine } = (handle ?? {}) as Partial<MappingHandle>
  // What another process was sent has lost what can't be sent to it.
  if (typeof made === 'number' && made !== process.pid)
    throw invalid(
      'attach',
      `attach: the handle of ${shown(name)} is of process ${made}, and this is ${process.pid}; handles go to threads of one process: map the file in this one`,
    )
  if (typeof name !== 'string' || !Control.isOf(control, host, length) || !isTraits(machine))
    throw invalid(
      'attach',
      `attach: expected the handle of a mapping, as it was posted; got ${shown(handle)}`,
    )
}

/** Of the machine. */
function isTraits(given: unknown): given is MappingHandle['machine'] {
  const { signals, userfaultfd, pageSize, onError, starter } = (given ?? {}) as Partial<
    MappingHandle['machine']
  >
  return (
    signals instanceof SharedArrayBuffer &&
    signals.byteLength === 4 * SIGNALS &&
    [userfaultfd, pageSize, starter].every(Number.isSafeInteger) &&
    (onError === 'abort' || onError === 'terminate-worker')
  )
}

/** Why there is nothing to attach to, if so. */
function whyGone({ mapped }: Control, machine: MappingHandle['machine'], name: string): string | undefined {
  if (!mapped) return `the mapping of ${name} was unmapped; map the file again`
  const signals = new Int32Array(machine.signals)
  const serves = Atomics.load(signals, STATE) !== ENDED && isAlive(Atomics.load(signals, PAGER))
  return serves ? undefined : `the machine that mapped ${name} has ended; map the file in one that runs`
}
