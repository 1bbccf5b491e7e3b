/**
 * Foreign functions, as little of them as is needed: open a library, call a function, look at memory. koffi fills it, and
 * so can node:ffi of Node 26. Addresses are numbers: those of user space have 47 bits.
 *
 * Each thread loads for itself: what is made here can't be posted.
 */
import { createRequire } from 'node:module'
import { type Bytes, codeOf, messageOf } from '../base/index.ts'

export type Address = number

/** How an argument or a result is passed. `pointer`: a typed array, or null. */
export type Passed = 'int' | 'long' | 'pointer'

export type Foreign = (...args: (number | NodeJS.TypedArray | null)[]) => number

export interface Ffi {
  /** A shared library by name, or null: the program itself. */
  open(library: string | null): {
    call(name: string, result: 'int' | 'long', takes: readonly Passed[]): Foreign
  }
  /** Memory as an ArrayBuffer that owns nothing: it must be detached before the memory goes. */
  view(address: Address, length: Bytes): ArrayBuffer
  addressOf(array: NodeJS.TypedArray): Address
  /** Calls `seen` from this thread's event loop whenever the descriptor can be read, between `start` and `stop`. */
  watch(fd: number, seen: () => void): Watch
  /** errno of the last call. */
  errno(): number
}

/** A descriptor in the event loop of this thread: at first it isn't watched. */
export interface Watch {
  start(): void
  stop(): void
  /** Whether the event loop goes on for it alone. At first it does. */
  ref(): void
  unref(): void
  /** Before the descriptor is closed. */
  close(): void
}

/** The package is missing, or doesn't load on this host. */
export class NoFfi extends Error {}

const TYPES = { int: 'int', long: 'int64_t', pointer: 'void *' } as const

export function loadFfi(): Ffi {
  const koffi = requireKoffi()
  return {
    open(library) {
      const opened = koffi.load(library)
      return {
        call: (name, result, takes) =>
          opened.func(
            name,
            TYPES[result],
            takes.map(each => TYPES[each]),
          ),
      }
    },
    view: (address, length) => koffi.view(address, length),
    addressOf: array => Number(koffi.address(array)),
    watch(fd, seen) {
      const handle = koffi.node.poll(fd, { readable: true }, seen)
      handle.stop()
      return {
        start: () => handle.start(seen),
        stop: () => handle.stop(),
        ref: () => handle.ref(),
        unref: () => handle.unref(),
        close: () => handle.close(),
      }
    },
    errno: () => koffi.errno(),
  }
}

function requireKoffi(): typeof import('koffi') {
  try {
    return createRequire(import.meta.url)('koffi')
  } catch (error) {
    const missing = codeOf(error) === 'MODULE_NOT_FOUND'
    throw new NoFfi(
      missing
        ? 'package koffi is missing; install it: npm install koffi'
        : `package koffi does not load: ${messageOf(error)}`,
      { cause: error },
    )
  }
}
