/**
 * The array of a mapping in another thread: `attach` makes it from the handle that was posted there.
 *
 * Invariants
 *   AT1 The array is detached before the addresses may be used for anything else: by `detach`, or when the mapping is
 *       unmapped and this thread's event loop comes to it. What is touched in between is refused by the pager.
 */
import { threadId } from 'node:worker_threads'
import type { Bytes } from '../base/index.ts'
import { Linux } from '../linux/index.ts'
import { FaultlineError, invalid, type MappingHandle } from '../map/index.ts'
import { Control, THREADS_MAX } from './control.ts'

let linux: Linux | undefined

export interface Attachment extends Disposable {
  readonly name: string
  readonly length: Bytes
  /** The same memory as the mapping's own array. */
  readonly bytes: Uint8Array<ArrayBuffer>
  /** Makes the array unusable in this thread. */
  detach(): void
}

export function attach(handle: MappingHandle): Attachment {
  if (typeof handle?.host !== 'number' || !(handle.control instanceof SharedArrayBuffer))
    throw invalid('attach', 'attach: expected the handle of a mapping, as it was posted')
  const { name, host, length } = handle
  if (handle.process !== process.pid)
    throw invalid(
      'attach',
      `attach: the handle of ${name} is of another process; handles go to threads of one process`,
    )
  linux ??= new Linux()
  const control = new Control(handle.control)
  const place = control.enter(linux.gettid(), threadId)
  if (place === -1)
    throw new FaultlineError(
      'EAGAIN',
      'attach',
      `attach: ${THREADS_MAX} threads are attached to ${name} already; detach one`,
    )
  if (!control.mapped) {
    control.leave(place)
    throw new FaultlineError(
      'EBADF',
      'attach',
      `attach: the mapping of ${name} was unmapped; map the file again`,
    )
  }
  const buffer = linux.ffi.view(host, length)
  const attachment: Attachment = {
    name,
    length,
    bytes: new Uint8Array(buffer),
    detach() {
      if (buffer.detached) return
      buffer.transfer()
      control.leave(place)
    },
    [Symbol.dispose]() {
      this.detach()
    },
  }
  void control.unmapping().then(() => attachment.detach())
  return attachment
}
