/**
 * What the tool asks of a volume that is mounted, and how that gets to the daemon: an ioctl on a directory of the mount, of a
 * number of our own, which the kernel hands on with its buffer (FUSE_IOCTL).
 *
 *     buffer    u32 length of the text, the text; an answer that is longer goes on with the next call, `rest`
 *     call      JSON of a ControlCall
 *     answer    JSON of a ControlAnswer
 */
import type { Bytes } from '../base/index.ts'
import type { MachineDump } from '../engine/index.ts'
import type { CheckReport, Stat, Usage } from '../volume/index.ts'
import type { EndPlace } from './ending.ts'
import type { NumberedRequest, SlowRequest } from './slow-requests.ts'

/** Bytes of the buffer; the number of an ioctl has 14 bits for it. */
export const CONTROL_BYTES: Bytes = 16_000
/** _IOWR(0xfa, 1, char[CONTROL_BYTES]) */
export const CONTROL_IOCTL = ((3 << 30) | (CONTROL_BYTES << 16) | (0xfa << 8) | 1) >>> 0
const LENGTH_BYTES: Bytes = 4

/** What can be asked. Paths are the volume's, from /. */
export interface ControlCalls {
  readonly snapshot: {
    readonly takes: { readonly from: string; readonly to: string; readonly mode: 'r' | 'r+' }
    readonly gives: { readonly files: number }
  }
  readonly dedupe: {
    readonly takes: { readonly one: string; readonly other: string }
    /** Whether they hold the same, and bytes that lie in the same blocks now. */
    readonly gives: { readonly same: boolean; readonly shared: Bytes }
  }
  readonly collapse: { readonly takes: PathRange; readonly gives: null }
  readonly insert: { readonly takes: PathRange; readonly gives: null }
  readonly grow: { readonly takes: { readonly size: Bytes }; readonly gives: Usage }
  readonly check: {
    readonly takes: { readonly data: 'with data' | 'metadata only' }
    readonly gives: { readonly report: CheckReport; readonly noted: readonly string[] }
  }
  readonly stat: {
    readonly takes: { readonly path: string }
    readonly gives: Stat & Pick<Usage, 'blockSize'>
  }
  readonly usage: {
    readonly takes: null
    readonly gives: {
      readonly usage: Usage
      readonly readOnly: boolean
      readonly damage: readonly string[]
    }
  }
  readonly status: { readonly takes: null; readonly gives: MountStatus }
  /**
   * Makes everything durable. It is asked again, by the same word of the asker's own, until it is: so an asker can give up while
   * the disk doesn't answer.
   */
  readonly sync: {
    readonly takes: { readonly asker: string }
    readonly gives: { readonly isDurable: boolean }
  }
  /** Where it will write how it ended. */
  readonly end: { readonly takes: null; readonly gives: EndPlace }
  readonly rest: { readonly takes: { readonly at: Bytes }; readonly gives: never }
}

export interface PathRange {
  readonly path: string
  readonly position: Bytes
  readonly length: Bytes
}

/** What a daemon is doing. */
export interface MountStatus {
  readonly volume: string
  readonly target: string
  readonly pid: number
  /** The number of the connection to the kernel, as its traces have it. */
  readonly connection: number
  /** Requests of the kernel that aren't answered yet, the oldest first. */
  readonly requests: readonly NumberedRequest[]
  /** The last that took long and are answered, the oldest first. */
  readonly slow: readonly SlowRequest[]
  /** Its machine. */
  readonly machine: MachineDump
}

export type ControlName = keyof ControlCalls

export interface ControlCall<Name extends ControlName = ControlName> {
  readonly name: Name
  readonly takes: ControlCalls[Name]['takes']
}

export type ControlAnswer<Name extends ControlName = ControlName> =
  | { readonly gives: ControlCalls[Name]['gives'] }
  | { readonly failed: { readonly code: string; readonly operation: string; readonly message: string } }

/** The part of a text that begins at byte `at`, as far as it fits in the buffer, with the length of the whole. */
export function putText(buffer: Uint8Array, text: Uint8Array, at: Bytes): void {
  new DataView(buffer.buffer, buffer.byteOffset, LENGTH_BYTES).setUint32(0, text.length, true)
  buffer.set(text.subarray(at, at + buffer.length - LENGTH_BYTES), LENGTH_BYTES)
}

/** The part of a text that the buffer holds, which begins at byte `at` of it, and the length of the whole. */
export function textPart(
  buffer: Uint8Array,
  at: Bytes,
): { readonly part: Uint8Array; readonly whole: Bytes } {
  const whole = new DataView(buffer.buffer, buffer.byteOffset, LENGTH_BYTES).getUint32(0, true)
  return { part: buffer.subarray(LENGTH_BYTES, LENGTH_BYTES + Math.max(0, whole - at)), whole }
}

/** Whether a call fits in the buffer. */
export function fits(text: Uint8Array): boolean {
  return text.length <= CONTROL_BYTES - LENGTH_BYTES
}
