/**
 * What the two sides of a hardware machine say to each other. Objects of the pager are numbers on this side of the wire;
 * errors travel as their fields.
 */

import type { MessagePort } from 'node:worker_threads'
import type { MachineOptions } from '../api/index.ts'
import { type Bytes, messageOf } from '../base/index.ts'
import { FaultlineError } from '../calls/index.ts'
import type { Address } from '../linux/index.ts'

/** What the pager's thread is given. */
export interface PagerData {
  readonly options: MachineOptions
  readonly onError: OnError
  /** The other side of the wire. */
  readonly port: MessagePort
  readonly signals: SharedArrayBuffer
  readonly slots: readonly SharedArrayBuffer[]
  readonly eventfd: number
}

/** What becomes of a thread that touched a page which can't be had. */
export type OnError = 'abort' | 'terminate-worker'

/** An object of the pager. */
export interface Reference {
  readonly ref: number
}

/** What the other side knows of an object without asking. */
export interface FileFacts extends Reference {
  readonly name: string
  readonly readOnly: boolean
}
export interface VolumeFacts extends Reference {
  readonly path: string
}
export interface GroupFacts extends Reference {
  readonly path: string
}
export interface SpaceFacts extends Reference {
  readonly pid: number
  readonly name: string
}
export interface MappingFacts extends Reference {
  readonly name: string
  readonly length: number
  /** In its space, as /proc shows it. */
  readonly address: number
  /** In this process. */
  readonly host: number
  readonly leaf: SharedArrayBuffer
  readonly control: SharedArrayBuffer
}

export interface Request {
  readonly id: number
  readonly to: number
  readonly method: string
  readonly args: readonly unknown[]
  /** The caller waits for the answer without its event loop. */
  readonly sync?: true
  /** The call has a signal, which may have been aborted already. */
  readonly signal?: 'open' | 'aborted'
}

export interface Abort {
  readonly abort: number
}

/** The other side has let go of an object. */
export interface Release {
  readonly release: number
}

export interface SentError {
  readonly code: string
  readonly operation: string
  readonly message: string
}

export type Reply = { readonly id: number } & ({ readonly value: unknown } | { readonly error: SentError })

/** A worker has been stopped for good: a page that it touched can't be had. */
export interface Lost {
  readonly lost: { readonly threadId: number; readonly error: SentError }
}

/** What is held of a machine. */
export interface Held {
  /** The descriptor. */
  readonly userfaultfd: number
  readonly pageSize: Bytes
  readonly onError: OnError
  readonly ranges: readonly HeldRange[]
}

export interface HeldRange {
  /** Of the file. */
  readonly name: string
  readonly address: Address
  readonly length: Bytes
  readonly control: SharedArrayBuffer
}

/** The machine is closed, and somebody holds arrays of it. */
export interface Remains {
  readonly held: Held
}

/** The first message of the pager, unless it is an error of starting. */
export interface Started {
  readonly pageSize: number
  /** How many pages memory has. */
  readonly frames: number
  /** The descriptor. */
  readonly userfaultfd: number
  readonly machine: number
  readonly root: number
}

export function sent(error: unknown): SentError {
  if (error instanceof FaultlineError) {
    const { code, operation, message } = error
    return { code, operation, message }
  }
  return { code: 'ERR_INTERNAL', operation: 'machine', message: messageOf(error) }
}

export function received({ code, operation, message }: SentError, cause?: unknown): FaultlineError {
  return new FaultlineError(code, operation, message, cause)
}

/** The host has no hardware MMU for us. */
export function unsupported(why: string, cause?: unknown): FaultlineError {
  return new FaultlineError(
    'ENOTSUP',
    'start',
    `start: no hardware MMU: ${why}. Or start with mmu 'software'`,
    cause,
  )
}
