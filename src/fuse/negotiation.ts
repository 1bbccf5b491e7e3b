/**
 * FUSE_INIT: the kernel says what it can, and the session what of it is wanted. What isn't offered isn't used, and what
 * isn't wanted the kernel does itself: locks of both kinds, and permissions.
 */
import type { Bytes } from '../base/index.ts'
import type { Values } from './struct.ts'
import {
  InitBit,
  type InitFlag,
  type InitIn,
  type InitOut,
  KERNEL_MINOR_VERSION,
  KERNEL_VERSION,
  MINOR_VERSION_MIN,
} from './wire.ts'

/** What one write(2) of the kernel brings at most, and one read asks for: fs.fuse.max_pages_limit of 4 KiB pages. */
export const WRITE_MAX: Bytes = 2 ** 20
export const READ_MAX: Bytes = WRITE_MAX
const PAGES_MAX = 256
/** Requests in the background (readahead, writeback, direct asynchronous I/O) before the kernel holds more back. */
const BACKGROUND_MAX = 64
const CONGESTION_THRESHOLD = 48
/** Without bound from our side: the kernel's own readahead is what is asked for. */
const READAHEAD_MAX: Bytes = 2 ** 24

const WANTED: readonly InitFlag[] = [
  'ASYNC_READ',
  'ATOMIC_O_TRUNC',
  'BIG_WRITES',
  'DONT_MASK',
  'HAS_IOCTL_DIR',
  'DO_READDIRPLUS',
  'READDIRPLUS_AUTO',
  'ASYNC_DIO',
  'PARALLEL_DIROPS',
  'POSIX_ACL',
  'ABORT_ERROR',
  'MAX_PAGES',
  'CACHE_SYMLINKS',
  'EXPLICIT_INVAL_DATA',
  'HANDLE_KILLPRIV_V2',
  'SETXATTR_EXT',
  'INIT_EXT',
]
/** Without these what is answered would mean something else to the kernel. */
const NEEDED: readonly InitFlag[] = [
  'BIG_WRITES',
  'DONT_MASK',
  'MAX_PAGES',
  'EXPLICIT_INVAL_DATA',
  'SETXATTR_EXT',
]

export interface Negotiated {
  /** The kernel's. */
  readonly minor: number
  readonly flags: ReadonlySet<InitFlag>
  readonly answer: Values<(typeof InitOut)['fields']>
}

/** The kernel is older than what the session speaks. */
export class TooOld extends Error {}

export function negotiate(
  offered: Values<(typeof InitIn)['fields']>,
  writes: 'through' | 'back',
): Negotiated {
  const { major, minor } = offered
  const has = (flag: InitFlag) => (offered.flags & (1 << InitBit[flag])) !== 0
  const missing = NEEDED.filter(flag => !has(flag))
  if (major !== KERNEL_VERSION || minor < MINOR_VERSION_MIN || missing.length > 0)
    throw new TooOld(
      `the kernel speaks version ${major}.${minor} of FUSE${missing.length > 0 ? ` without ${missing.join(', ')}` : ''}; faultline needs ${KERNEL_VERSION}.${MINOR_VERSION_MIN} or later (Linux 5.15)`,
    )
  const wanted = writes === 'back' ? [...WANTED, 'WRITEBACK_CACHE' as const] : WANTED
  const flags = new Set(wanted.filter(has))
  let low = 0
  for (const flag of flags) low |= 1 << InitBit[flag]
  const answer = {
    major: KERNEL_VERSION,
    minor: KERNEL_MINOR_VERSION,
    max_readahead: Math.min(offered.max_readahead, READAHEAD_MAX),
    flags: low >>> 0,
    max_background: BACKGROUND_MAX,
    congestion_threshold: CONGESTION_THRESHOLD,
    max_write: WRITE_MAX,
    time_gran: 1,
    max_pages: PAGES_MAX,
    flags2: 0,
  }
  return { minor, flags, answer }
}
