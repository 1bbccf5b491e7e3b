/**
 * flock(2): a lock on an opened file that the kernel keeps, until its last descriptor is closed. It is in the C library of
 * every Unix, so the program itself is asked for it, whatever library that has.
 */
import { type Ffi, type Foreign, loadFfi } from './ffi.ts'

/** fcntl.h */
const LOCK_SH = 1
const LOCK_EX = 2
const LOCK_NB = 4

let loaded: { readonly ffi: Ffi; readonly call: Foreign } | undefined

/** Doesn't wait. Returns 0 or errno, EWOULDBLOCK if somebody else has it. Throws NoFfi. */
export function flock(fd: number, hold: 'shared' | 'exclusive'): number {
  loaded ??= load()
  const { ffi, call } = loaded
  return call(fd, LOCK_NB | (hold === 'exclusive' ? LOCK_EX : LOCK_SH)) === 0 ? 0 : ffi.errno()
}

function load(): { readonly ffi: Ffi; readonly call: Foreign } {
  const ffi = loadFfi()
  return { ffi, call: ffi.open(null).call('flock', 'int', ['int', 'int']) }
}
