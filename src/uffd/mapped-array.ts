/**
 * The array over the memory of a mapping, in one thread. The memory is the machine's: the array owns nothing, and must not
 * outlive it anywhere.
 *
 * Invariants
 *   MY1 The buffer can't be moved in passing: its own `transfer` throws.
 *   MY2 If it was moved all the same, by the prototype's `transfer`, nobody can say where it is: it works
 *       where it is until unmap; its range is never given back, and a touch after unmap is refused as any other.
 *
 * `markAsUntransferable` would forbid those too, and us to detach it: the key that it takes is Node's own.
 */
import type { Bytes } from '../base/index.ts'
import { FaultlineError } from '../calls/index.ts'
import type { Address, Linux } from '../linux/index.ts'
import type { Control } from './control.ts'

export class MappedArray {
  readonly bytes: Uint8Array<ArrayBuffer>

  /** `name`: of the file, for errors. */
  constructor(linux: Linux, name: string, address: Address, length: Bytes) {
    const buffer = linux.ffi.view(address, length)
    const refuse = {
      value: () => {
        throw new FaultlineError(
          'EBUSY',
          'transfer',
          `transfer of ${name}: its memory is a mapping's and can't be moved; post map.handle to a worker and attach it there, or copy the bytes`,
        )
      },
    }
    Object.defineProperties(buffer, { transfer: refuse, transferToFixedLength: refuse })
    this.bytes = new Uint8Array(buffer)
  }

  get isDetached(): boolean {
    return this.bytes.buffer.detached
  }

  /** Makes every array over the buffer unusable. */
  detach(control: Control): void {
    if (this.isDetached) control.keep()
    else ArrayBuffer.prototype.transfer.call(this.bytes.buffer)
  }
}
