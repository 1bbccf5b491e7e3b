/** A filesystem of the kernel to compare with: XFS with reflinks, in a file of the same directory, on a loop device. */
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import type { Bytes } from '../base/index.ts'
import { type Plan, Skipped } from './measure.ts'
import { scratchPath } from './scratch.ts'

/** The least that mkfs.xfs takes. */
const XFS_BYTES_MIN: Bytes = 320 * 2 ** 20

export class XfsMount {
  readonly directory: string
  private readonly image: string
  private mounted = true
  private readonly unmountAtExit = () => this.unmount()

  private constructor(image: string, directory: string) {
    this.image = image
    this.directory = directory
    process.on('exit', this.unmountAtExit)
  }

  static make(plan: Plan, bytes: Bytes): XfsMount {
    if (process.getuid?.() !== 0) throw new Skipped('XFS is mounted on a loop device: that takes root')
    const image = scratchPath(plan, 'xfs.img')
    const directory = scratchPath(plan, 'xfs')
    plan.say('making an XFS filesystem')
    fs.closeSync(fs.openSync(image, 'w'))
    fs.truncateSync(image, Math.max(XFS_BYTES_MIN, bytes))
    run('mkfs.xfs', ['-q', '-f', '-m', 'reflink=1', image])
    fs.mkdirSync(directory, { recursive: true })
    run('mount', ['-o', 'loop', image, directory])
    return new XfsMount(image, directory)
  }

  unmount(): void {
    if (!this.mounted) return
    this.mounted = false
    process.off('exit', this.unmountAtExit)
    spawnSync('umount', [this.directory])
    fs.rmSync(this.image, { force: true })
  }
}

/** Runs a program of the host; without it the bench is skipped. */
export function run(program: string, words: readonly string[]): void {
  const { status, stderr, error } = spawnSync(program, words, { encoding: 'utf8' })
  if (error !== undefined) throw new Skipped(`${program} can't be run: ${error.message}`)
  if (status !== 0) throw new Skipped(`${program} ${words.join(' ')} failed: ${stderr.trim()}`)
}

export function syncFile(path: string): void {
  const fd = fs.openSync(path, 'r')
  fs.fsyncSync(fd)
  fs.closeSync(fd)
}
