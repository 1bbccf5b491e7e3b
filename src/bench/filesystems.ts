/**
 * Filesystems to compare a mounted volume with, all on one device: ext4 on a loop device, and in directories of it what bindfs shows,
 * what gocryptfs keeps, and the volume, which a daemon of its own serves. A bench that takes them makes requests of a daemon only
 * while that is another process.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import { join } from 'node:path'
import type { Bytes } from '../base/index.ts'
import { Machine } from '../map/index.ts'
import { type Plan, Skipped } from './measure.ts'
import { scratchPath } from './scratch.ts'
import { run } from './xfs.ts'

const CLI = join(import.meta.dirname, '..', 'cli', 'bin.ts')
const WORD = 'not a secret'

/** A directory to work in, and what lies behind it. */
export interface Filesystem {
  readonly name: string
  readonly directory: string
}

export class Filesystems {
  readonly ours: Filesystem
  readonly others: readonly Filesystem[]
  private readonly root: string
  private readonly image: string
  private readonly daemon: ChildProcess
  private readonly unmountAtExit = () => this.unmount()

  private constructor(root: string, image: string, daemon: ChildProcess) {
    this.root = root
    this.image = image
    this.daemon = daemon
    const at = (name: string, place: string) => ({ name, directory: join(root, place) })
    this.ours = at('volume', 'faultline')
    this.others = [at('ext4', 'plain'), at('bindfs', 'bindfs'), at('gocryptfs', 'gocryptfs')]
  }

  /** `bytes`: of the volume; the device has three times as many. `words`: more for `faultline mount`. */
  static async make(plan: Plan, bytes: Bytes, words: readonly string[] = []): Promise<Filesystems> {
    if (process.platform !== 'linux' || process.getuid!() !== 0 || !fs.existsSync('/dev/fuse'))
      throw new Skipped('filesystems are mounted: that takes Linux, root and /dev/fuse')
    for (const program of ['mkfs.ext4', 'bindfs', 'gocryptfs', 'fio', 'git'])
      if (spawnSync('sh', ['-c', `PATH=$PATH:/sbin:/usr/sbin command -v ${program}`]).status !== 0)
        throw new Skipped(`${program} is not installed`)
    plan.say('making an ext4 filesystem, and what is mounted over it')
    const [image, root] = [scratchPath(plan, 'ext4.img'), scratchPath(plan, 'ext4')]
    fs.closeSync(fs.openSync(image, 'w'))
    fs.truncateSync(image, 3 * bytes)
    fs.mkdirSync(root)
    run('mkfs.ext4', ['-q', '-F', image])
    run('mount', ['-o', 'loop', image, root])
    try {
      for (const name of ['plain', 'below', 'bindfs', 'cipher', 'gocryptfs', 'faultline'])
        fs.mkdirSync(join(root, name))
      run('bindfs', [join(root, 'below'), join(root, 'bindfs')])
      const secret = ['-q', '-extpass', `echo ${WORD}`]
      run('gocryptfs', [...secret, '-init', '-scryptn', '10', join(root, 'cipher')])
      run('gocryptfs', [...secret, '-allow_other', join(root, 'cipher'), join(root, 'gocryptfs')])
      const filesystems = new Filesystems(root, image, await mounted(root, bytes, words))
      // Before what lies there is removed (scratch.ts).
      process.prependListener('exit', filesystems.unmountAtExit)
      return filesystems
    } catch (error) {
      unmountAll(root)
      throw error
    }
  }

  async end(): Promise<void> {
    process.off('exit', this.unmountAtExit)
    const ended = once(this.daemon, 'close')
    this.unmount()
    await ended
  }

  private unmount(): void {
    unmountAll(this.root)
    fs.rmSync(this.root, { recursive: true, force: true })
    fs.rmSync(this.image, { force: true })
  }
}

/** A new volume, served by a process of its own. */
async function mounted(root: string, bytes: Bytes, words: readonly string[]): Promise<ChildProcess> {
  const [volume, target] = [join(root, 'volume'), join(root, 'faultline')]
  const machine = await Machine.start({ memory: 16 * 2 ** 20 })
  await (await machine.createVolume(volume, { size: bytes })).close()
  await machine.close()
  const flags = [
    '--conditions=faultline-source',
    ...process.execArgv.filter(each => each.startsWith('--cpu-prof')),
  ]
  const daemon = spawn(
    process.execPath,
    [...flags, CLI, 'mount', volume, target, '--allow-other', ...words],
    {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    },
  )
  const [told] = (await Promise.race([once(daemon, 'message'), once(daemon, 'close')])) as [unknown]
  if (typeof told !== 'object') throw new Error(`faultline mount ended with ${told} before it had mounted`)
  return daemon
}

/** Those that are mounted inside first. */
function unmountAll(root: string): void {
  for (const name of ['faultline', 'bindfs', 'gocryptfs', '.']) {
    const path = join(root, name)
    if (spawnSync('umount', [path]).status !== 0) spawnSync('umount', ['-l', path])
  }
}
