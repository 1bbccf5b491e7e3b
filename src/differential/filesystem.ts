/**
 * A filesystem of its own on a loop device over a file, or a tmpfs: where the files of both sides lie. Readahead is off,
 * so that what is in memory is what was asked for. It needs root.
 */

import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { codeOf } from '../base/index.ts'
import type { FilesystemName } from './differences.ts'

const BDI = '/sys/class/bdi'
const IMAGE_BYTES = { ext4: 64 * 2 ** 20, xfs: 320 * 2 ** 20, btrfs: 128 * 2 ** 20 } as const

/** What setsid ends with when there is no such program. */
const NOT_FOUND = 127

/** Why the comparison can't be made here. */
export class NotHere extends Error {}

export class Filesystem {
  readonly name: FilesystemName
  /** Where it is mounted. */
  readonly directory: string
  private readonly scratch: string
  /** The loop device that it lies on; a tmpfs has none. */
  readonly device: string | undefined

  private constructor(name: FilesystemName, scratch: string, directory: string, device: string | undefined) {
    this.name = name
    this.scratch = scratch
    this.directory = directory
    this.device = device
  }

  static make(name: FilesystemName): Filesystem {
    if (process.platform !== 'linux' || process.arch !== 'x64')
      throw new NotHere(`it needs Linux on x64; this is ${process.platform} on ${process.arch}`)
    if (process.getuid?.() !== 0)
      throw new NotHere('it needs root, to mount filesystems and to trace processes')
    const scratch = scratchFolder()
    const directory = path.join(scratch, 'mounted')
    let device: string | undefined
    try {
      fs.mkdirSync(directory)
      if (name === 'tmpfs') command('mount', '-t', 'tmpfs', '-o', 'size=64m', 'faultline', directory)
      else {
        const image = path.join(scratch, 'image')
        fs.writeFileSync(image, '')
        fs.truncateSync(image, IMAGE_BYTES[name])
        // Blocks as large as pages: of smaller ones a page may have some, and isn't in memory for mincore.
        command(`mkfs.${name}`, '-q', ...(name === 'ext4' ? ['-b', '4096'] : []), image)
        device = command('losetup', '--find', '--show', image).trim()
        fs.writeFileSync(`/sys/block/${path.basename(device)}/queue/read_ahead_kb`, '0')
        const before = fs.readdirSync(BDI)
        command('mount', device, directory)
        // btrfs has a setting of its own.
        for (const bdi of fs.readdirSync(BDI))
          if (!before.includes(bdi) && bdi.startsWith('btrfs-'))
            fs.writeFileSync(path.join(BDI, bdi, 'read_ahead_kb'), '0')
      }
      return new Filesystem(name, scratch, directory, device)
    } catch (error) {
      if (device !== undefined) command('losetup', '--detach', device)
      fs.rmSync(scratch, { recursive: true, force: true })
      throw error
    }
  }

  remove(): void {
    command('umount', '--lazy', this.directory)
    if (this.device !== undefined) command('losetup', '--detach', this.device)
    fs.rmSync(this.scratch, { recursive: true, force: true })
  }
}

function scratchFolder(): string {
  try {
    return fs.mkdtempSync(path.join(os.tmpdir(), 'faultline-differential-'))
  } catch (error) {
    const code = codeOf(error)
    throw new NotHere(
      `nothing can be written in ${os.tmpdir()} (${code}); name a folder that can with TMPDIR`,
    )
  }
}

/** In a session of its own: an interrupt from the terminal stops whoever calls it, and not what is being taken away. */
function command(name: string, ...args: readonly string[]): string {
  try {
    return execFileSync('setsid', ['--wait', name, ...args], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    })
  } catch (error) {
    const { code, status, stderr } = error as {
      readonly code?: string
      readonly status?: number
      readonly stderr?: string
    }
    if (code === 'ENOENT') throw new NotHere('setsid is not installed')
    throw new NotHere(status === NOT_FOUND ? `${name} is not installed` : `${name} failed: ${stderr?.trim()}`)
  }
}
