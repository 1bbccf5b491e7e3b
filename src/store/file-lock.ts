/**
 * A lock on a file or a block device that the kernel keeps: it holds by whatever name, from whatever namespace of processes
 * or mounts the file is reached, and ends with the process that has it, however that ends.
 *
 *     flock(2)    called through koffi
 *     flock(1)    where koffi is missing: the program is given the descriptor, and a lock belongs to the opened file, which
 *                 both have
 *     O_EXCL      of a block device, beside: the kernel gives it to one, by all nodes of the device, and to nobody while it is
 *                 mounted, swapped to, or a part of something
 *
 * Where there is neither, and on filesystems that know no such locks, nobody keeps it: `kept` says so.
 *
 * Invariants
 *   FL1 While it is held exclusively nobody else holds it.
 */

import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import { setTimeout } from 'node:timers/promises'
import { codeOf } from '../base/index.ts'
import { closeDescriptor } from '../host/index.ts'
import { flock, NoFfi } from '../linux/index.ts'

export type Hold = 'shared' | 'exclusive'

/** Somebody else holds it. */
export class Taken extends Error {
  constructor(path: string | Buffer) {
    super(`somebody else has ${path} open`)
  }
}

/** udev locks a device for some milliseconds to look at it, whenever somebody who could write has closed it. */
const DEVICE_TRIES = 10
const DEVICE_PAUSE_MS = 50
/** The statuses of flock(1): it was told not to wait, and would have to. */
const WOULD_WAIT = 1

export class FileLock {
  readonly kept: 'by the kernel' | 'by nobody'
  private fd: number | undefined

  private constructor(fd: number, kept: FileLock['kept']) {
    this.fd = fd
    this.kept = kept
  }

  /** Throws Taken, or what the host says to the opening. */
  static async take(path: string | Buffer, hold: Hold): Promise<FileLock> {
    const isDevice = fs.statSync(path).isBlockDevice()
    for (let tries = 1; ; tries++) {
      const fd = open(path, hold, isDevice)
      if (fd === undefined) throw new Taken(path)
      const got = attempt(fd, hold)
      if (got !== 'taken') return new FileLock(fd, got === 'held' ? 'by the kernel' : 'by nobody')
      closeDescriptor(fd)
      if (!isDevice || tries === DEVICE_TRIES) throw new Taken(path)
      await setTimeout(DEVICE_PAUSE_MS)
    }
  }

  release(): void {
    if (this.fd !== undefined) closeDescriptor(this.fd)
    this.fd = undefined
  }
}

/** undefined: the device is somebody's. */
function open(path: string | Buffer, hold: Hold, isDevice: boolean): number | undefined {
  const { O_RDONLY, O_RDWR, O_EXCL, O_NONBLOCK = 0 } = fs.constants
  if (hold === 'shared') return fs.openSync(path, O_RDONLY | O_NONBLOCK)
  const alone = isDevice ? O_EXCL : 0
  try {
    // Servers of files lock exclusively only what may be written.
    return fs.openSync(path, O_RDWR | O_NONBLOCK | alone)
  } catch (error) {
    const code = codeOf(error)
    if (code === 'EBUSY') return undefined
    if (code !== 'EACCES' && code !== 'EROFS' && code !== 'EISDIR') throw error
    return fs.openSync(path, O_RDONLY | O_NONBLOCK | alone)
  }
}

type Got = 'held' | 'taken' | 'no such locks'

function attempt(fd: number, hold: Hold): Got {
  let failed: number
  try {
    failed = flock(fd, hold)
  } catch (error) {
    if (error instanceof NoFfi) return byProgram(fd, hold)
    throw error
  }
  if (failed === 0) return 'held'
  return failed === os.constants.errno.EWOULDBLOCK ? 'taken' : 'no such locks'
}

function byProgram(fd: number, hold: Hold): Got {
  const how = hold === 'exclusive' ? '-x' : '-s'
  const { status, stderr } = spawnSync('flock', ['-n', how, '3'], { stdio: ['ignore', 'ignore', 'pipe', fd] })
  if (status === 0) return 'held'
  // It says something when it isn't that.
  return status === WOULD_WAIT && String(stderr) === '' ? 'taken' : 'no such locks'
}
