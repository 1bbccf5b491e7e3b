/**
 * Volumes that are mounted for a test. The daemon is a process of its own, and the mount is touched by other processes only, each
 * with a bound on its time: whatever goes wrong, the test's own process never waits for the mount.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { mountsBelow } from '../fuse/index.ts'
import { Machine } from '../map/index.ts'

export const CLI = join(import.meta.dirname, '..', 'cli', 'bin.ts')
/** Milliseconds that a program on the mount may take before it counts as hanging. */
const PATIENCE = 60_000

/** Why no volume can be mounted here, if none can. */
export function unavailable(): string | undefined {
  if (process.platform !== 'linux') return 'only Linux has FUSE'
  if (process.getuid!() !== 0) return 'mounting takes root'
  if (!existsSync('/dev/fuse')) return 'no /dev/fuse here'
  return undefined
}

/** Whether a program is installed. */
export function has(program: string): boolean {
  return spawnSync('sh', ['-c', `command -v ${program}`], { env: programsEnv() }).status === 0
}

function programsEnv(): NodeJS.ProcessEnv {
  return { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin`, LC_ALL: 'C.UTF-8' }
}

export interface Ran {
  readonly status: number | null
  readonly out: string
  readonly err: string
}

/** Runs the command line of the project. */
export async function faultline(...words: readonly string[]): Promise<Ran> {
  return runs(process.execPath, ['--conditions=faultline-source', CLI, ...words])
}

/** Runs a program to its end. One that hangs is killed, and its status is null. */
export async function runs(
  program: string,
  words: readonly string[],
  { cwd, patience = PATIENCE }: { readonly cwd?: string; readonly patience?: number } = {},
): Promise<Ran> {
  const child = spawn(program, words, { cwd, env: programsEnv(), stdio: ['ignore', 'pipe', 'pipe'] })
  const closed = once(child, 'close')
  let [out, err] = ['', '']
  child.stdout.on('data', chunk => {
    out += chunk
  })
  child.stderr.on('data', chunk => {
    err += chunk
  })
  const timer = setTimeout(() => child.kill('SIGKILL'), patience)
  const [status] = (await closed) as [number | null]
  clearTimeout(timer)
  return { status, out, err }
}

async function withMachine<T>(act: (machine: Machine) => Promise<T>): Promise<T> {
  const machine = await Machine.start({ memory: '16 MiB' })
  try {
    return await act(machine)
  } finally {
    await machine.close()
  }
}

export class Mounted {
  readonly folder: string
  readonly volume: string
  readonly target: string
  /** What the daemon has said. */
  said = ''
  private daemon: ChildProcess | undefined
  private exited: Promise<unknown[]> | undefined

  private constructor() {
    this.folder = mkdtempSync(join(tmpdir(), 'faultline-mount-'))
    // Other users are to get there.
    chmodSync(this.folder, 0o755)
    this.volume = join(this.folder, 'volume')
    this.target = join(this.folder, 'mnt')
    mkdirSync(this.target)
  }

  /** Makes a volume and mounts it. All of it is gone when the test has ended. */
  static async make(
    t: Pick<TestContext, 'after'>,
    size: string,
    ...words: readonly string[]
  ): Promise<Mounted> {
    const mounted = new Mounted()
    t.after(() => mounted.remove())
    await withMachine(async machine => (await machine.createVolume(mounted.volume, { size })).close())
    await mounted.mount(...words)
    return mounted
  }

  /** A directory to mount at, which is gone when the test has ended; the volume lies elsewhere. */
  static bare(t: Pick<TestContext, 'after'>): Mounted {
    const mounted = new Mounted()
    t.after(() => mounted.remove())
    return mounted
  }

  get pid(): number {
    return this.daemon!.pid!
  }

  /** Starts the daemon, and returns when it has mounted. `daemon`: another program than the command line. */
  async mount(...words: readonly string[]): Promise<void> {
    await this.start(CLI, ['mount', this.volume, this.target, ...words])
  }

  async start(program: string, words: readonly string[]): Promise<void> {
    const flags = ['--conditions=faultline-source', program, ...words]
    const daemon = spawn(process.execPath, flags, { stdio: ['ignore', 'pipe', 'pipe', 'ipc'] })
    this.daemon = daemon
    this.exited = once(daemon, 'close')
    for (const stream of [daemon.stdout!, daemon.stderr!])
      stream.on('data', chunk => {
        this.said += chunk
      })
    const told = await Promise.race([once(daemon, 'message'), this.exited.then(() => undefined)])
    if (told === undefined) throw new Error(`the daemon ended: ${this.said}`)
  }

  /** A program in the mount. */
  run(program: string, ...words: readonly string[]): Promise<Ran> {
    return runs(program, words, { cwd: this.target })
  }

  /** A shell in the mount; it stops at the first command that fails. */
  sh(script: string): Promise<Ran> {
    return this.run('sh', '-e', '-c', script)
  }

  /** A shell in the mount whose commands all go well; what it prints. */
  async does(script: string): Promise<string> {
    const { status, out, err } = await this.sh(script)
    if (status !== 0)
      throw new Error(`${script}\nended with ${status}: ${err}${out}\nthe daemon said: ${this.said}`)
    return out
  }

  /** Unmounts, and returns when the daemon has ended, with its status. */
  async unmount(): Promise<number | NodeJS.Signals> {
    const { status, err } = await runs('umount', [this.target])
    if (status !== 0) throw new Error(err)
    return this.ended()
  }

  /** Its exit status, or the signal that ended it. */
  async ended(): Promise<number | NodeJS.Signals> {
    const [status, signal] = (await this.exited!) as [number, null] | [null, NodeJS.Signals]
    return status ?? signal
  }

  signal(name: NodeJS.Signals): void {
    this.daemon!.kill(name)
  }

  /** Returns when the daemon has said something. */
  async says(word: string): Promise<void> {
    const { stdout, stderr } = this.daemon!
    const gone = this.exited!.then(() => 'gone' as const)
    while (!this.said.includes(word))
      if ((await Promise.race([once(stdout!, 'data'), once(stderr!, 'data'), gone])) === 'gone')
        throw new Error(`the daemon ended without ${word}: ${this.said}`)
  }

  /** The daemon is gone from one moment to the next. */
  async kill(): Promise<void> {
    this.daemon!.kill('SIGKILL')
    await this.exited
  }

  /** What the volume says of itself: the sentences about what is wrong. It isn't mounted. */
  check(): Promise<readonly string[]> {
    return withMachine(async machine => {
      const volume = await machine.openVolume(this.volume)
      const { wrong } = await volume.check()
      await volume.close()
      return [...wrong, ...volume.damage]
    })
  }

  /** Takes the mount of a daemon that is gone away. Returns what is wrong with the volume. */
  async unmountDead(): Promise<readonly string[]> {
    await runs('umount', ['-l', this.target])
    return this.check()
  }

  /** The daemon, the mount and the volume are gone. */
  async remove(): Promise<void> {
    // With the daemon every waiting request ends, so nothing can hang from here on.
    if (this.daemon !== undefined && this.daemon.exitCode === null && this.daemon.signalCode === null)
      await this.kill()
    for (const below of mountsBelow(this.folder).reverse()) await runs('umount', ['-l', below])
    rmSync(this.folder, { recursive: true, force: true })
  }
}
