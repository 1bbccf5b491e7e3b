/** How files of the host are opened for a machine, and what is said when the host refuses. */
import fs from 'node:fs'
import { type Bytes, codeOf, messageOf } from '../base/index.ts'
import { FaultlineError, hostPath, invalid } from '../calls/index.ts'
import { HostFile, type HostFileOptions } from '../host/index.ts'
import type { RealDriver } from '../sched/index.ts'
import { FileLock, holdsVolume, Taken } from '../store/index.ts'

/** proc, cgroup2, cgroup, debugfs, tracefs, securityfs: linux/magic.h. Their files have bytes and a length of 0. */
const KERNEL_FILESYSTEMS: ReadonlySet<number> = new Set([
  0x9fa0, 0x6367_7270, 0x27_e0eb, 0x6462_6720, 0x7472_6163, 0x7363_6673,
])

/** Of a swap file; its first is never used. */
const SWAP_PAGES_MIN = 2

const HOST_ERRORS: ReadonlyMap<string, string> = new Map([
  ['ENOENT', "there is no such file; make it first: machine.open does with mode 'w+' or 'a+'"],
  ['EISDIR', 'it is a directory; expected a regular file'],
  ['EINVAL', 'it is not a regular file; expected one'],
  ['ENXIO', 'it is not a regular file; expected one'],
  ['ENOTDIR', 'a part of the path is not a directory'],
  ['ENAMETOOLONG', 'a name in the path is longer than its filesystem takes'],
  ['EMFILE', 'this process has as many files open as it may; close some, or raise its limit'],
  ['ETXTBSY', "it is a program that runs; open it with mode 'r'"],
  ['EACCES', "this process may not open it so; check its permissions, or open it with mode 'r'"],
  ['EROFS', "its filesystem is read-only; open it with mode 'r'"],
])
/** Of a file that was to be made. */
const CREATE_ERRORS: ReadonlyMap<string, string> = new Map([
  ['ENOENT', 'there is no such directory to make it in'],
  ['EEXIST', "there is something of that name; open it with mode 'r+', or with 'w+' to empty it"],
  ['EACCES', 'this process may not make it there, or not write to it; check permissions'],
  ['EROFS', 'its filesystem is read-only; make it elsewhere'],
  ['ENOSPC', 'its filesystem has no room for one more file; free some'],
  ['EDQUOT', 'the quota there has no room for one more file; free some'],
])
/** What is made by which mode. */
export const CREATES = {
  r: undefined,
  'r+': undefined,
  'w+': 'if missing',
  'wx+': 'new',
  'a+': 'if missing',
} as const
export const MODES = ['r', 'r+', 'w+', 'wx+', 'a+'] as const

/** Pages of no file lie there, and of no other machine. */
export interface SwapFile {
  readonly host: HostFile
  readonly lock: FileLock
}

/** As swapon does, refuses a file with holes: a page that goes out must not meet a full filesystem. */
export async function openSwap(path: string, pageSize: Bytes, driver: RealDriver): Promise<SwapFile> {
  const host = openHost(hostPath(path, 'start'), { mode: 'r+', direct: true, pump: () => driver.pump() })
  try {
    if (host.length < SWAP_PAGES_MIN * pageSize)
      throw invalid(
        'start',
        `swap: ${path} has ${host.length} bytes; expected at least ${SWAP_PAGES_MIN} pages of ${pageSize}`,
      )
    if (host.sparse)
      throw invalid('start', `swap: ${path} has holes; fill it with zeros first, or make it with fallocate`)
    if (holdsVolume(path))
      throw new FaultlineError(
        'EEXIST',
        'start',
        `swap: ${path} holds the data of a volume; choose another file`,
      )
    return { host, lock: await FileLock.take(path, 'exclusive') }
  } catch (error) {
    void host.close()
    if (!(error instanceof Taken)) throw error
    throw new FaultlineError(
      'EBUSY',
      'start',
      `swap: ${error.message}; give each machine a file of its own`,
      error,
    )
  }
}

export function openHost(path: string | Buffer, options: HostFileOptions): HostFile {
  try {
    const host = HostFile.open(path, options)
    if (host.length > 0 || !isOfKernel(path)) return host
    void host.close()
  } catch (error) {
    const code = codeOf(error)
    if (code === undefined) throw error
    const words = options.create === undefined ? undefined : CREATE_ERRORS.get(code)
    const what = words ?? HOST_ERRORS.get(code) ?? messageOf(error)
    throw new FaultlineError(code, 'open', `open of ${path} failed with ${code}: ${what}`, error)
  }
  throw new FaultlineError(
    'EINVAL',
    'open',
    `open of ${path}: the kernel makes its bytes as they are read, and its length says 0; read it with node:fs, or copy it`,
  )
}

/** Of a file without a length: whether it lies where all files say so. */
function isOfKernel(path: string | Buffer): boolean {
  try {
    return process.platform === 'linux' && KERNEL_FILESYSTEMS.has(fs.statfsSync(path).type)
  } catch {
    return false
  }
}
