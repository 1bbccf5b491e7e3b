/**
 * A btrfs on a loop device that may write so many bytes a second: the kernel's own side of the demo. It needs root, loop
 * devices, mkfs.btrfs, and the blkio controller of cgroup v1, whose limits hold for writeback of whoever stored.
 */
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { diskOf } from '../host/index.ts'

const BLKIO = '/sys/fs/cgroup/blkio/blkio.throttle.write_bps_device'
const IMAGE_BYTES = 512 * 2 ** 20

/** Why the kernel's side can't be played here. */
export class NoBtrfs extends Error {}

export class ThrottledBtrfs {
  /** Where it is mounted. */
  readonly directory: string
  private readonly device: string
  private readonly image: string

  private constructor(directory: string, device: string, image: string) {
    this.directory = directory
    this.device = device
    this.image = image
  }

  static make(scratch: string): ThrottledBtrfs {
    if (process.getuid?.() !== 0) throw new NoBtrfs('it needs root')
    if (!fs.existsSync(BLKIO)) throw new NoBtrfs('it needs the blkio controller of cgroup v1')
    const image = path.join(scratch, 'btrfs.img')
    const directory = path.join(scratch, 'btrfs')
    fs.writeFileSync(image, '')
    fs.truncateSync(image, IMAGE_BYTES)
    fs.mkdirSync(directory)
    command('mkfs.btrfs', '-q', image)
    const device = command('losetup', '--find', '--show', image).trim()
    try {
      command('mount', device, directory)
    } catch (error) {
      command('losetup', '--detach', device)
      throw error
    }
    return new ThrottledBtrfs(directory, device, image)
  }

  /** From now on it writes so many bytes a second; 0: as fast as it can. */
  limit(rate: number): void {
    fs.writeFileSync(BLKIO, `${diskOf(fs.statSync(this.device).rdev)} ${rate}`)
  }

  remove(): void {
    this.limit(0)
    command('umount', this.directory)
    command('losetup', '--detach', this.device)
    fs.rmSync(this.image)
  }
}

function command(name: string, ...args: readonly string[]): string {
  try {
    return execFileSync(name, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  } catch (error) {
    const { code, stderr } = error as { readonly code?: string; readonly stderr?: string }
    throw new NoBtrfs(code === 'ENOENT' ? `${name} is not installed` : `${name} failed: ${stderr?.trim()}`)
  }
}
