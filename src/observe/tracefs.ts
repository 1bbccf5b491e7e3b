/**
 * A tracing instance of our own in tracefs: made, filled, read, and removed so that nothing is left.
 *
 * The machine's global trace buffer belongs to everybody; an instance has its own events, filters and buffers, and
 * removing it removes them all. Its name carries our pid, so a run that died without cleaning up is known by
 * the next one, which removes what it left.
 *
 *     mounted by others?  --no--> mounted by us, unmounted at the end
 *     instances/faultline-<pid>   --dead pid--> removed by the next run
 *
 * Invariants
 *   TF1  Nothing outside our instance is written, but for the mount.
 *   TF2  `remove` may be called twice, from a signal handler, and after a half-made `create`.
 */

import { spawnSync } from 'node:child_process'
import {
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { messageOf } from '../base/index.ts'
import { TraceError } from '../trace/index.ts'

const PLACES = ['/sys/kernel/tracing', '/sys/kernel/debug/tracing']
const PREFIX = 'faultline-'

export class Instance {
  readonly path: string
  readonly events: string
  private readonly root: string
  private readonly isOurMount: boolean
  private isGone = false

  constructor(root: string, path: string, isOurMount: boolean) {
    this.path = path
    this.events = join(root, 'events')
    this.root = root
    this.isOurMount = isOurMount
  }

  static create(): Instance {
    const { root, isOurMount } = mounted()
    const instances = join(root, 'instances')
    for (const name of readdirSync(instances)) {
      const pid = name.startsWith(PREFIX) ? Number(name.slice(PREFIX.length)) : Number.NaN
      if (Number.isInteger(pid) && !existsSync(`/proc/${pid}`)) removeInstance(join(instances, name))
    }
    const instance = new Instance(root, join(instances, `${PREFIX}${process.pid}`), isOurMount)
    try {
      mkdirSync(instance.path)
      instance.write('tracing_on', '0')
    } catch (error) {
      instance.remove()
      throw new TraceError(
        `a tracing instance can't be made in ${instances}: ${messageOf(error)}; run as root`,
        'EPERM',
        error,
      )
    }
    return instance
  }

  write(file: string, value: string): void {
    writeFileSync(join(this.path, file), value)
  }

  has(file: string): boolean {
    return existsSync(join(this.path, file))
  }

  /** Turns an event on if this kernel has it; `filter` and `trigger` are the kernel's own. */
  enable(event: string, options: { readonly filter?: string; readonly trigger?: string } = {}): boolean {
    const folder = join('events', ...event.split(':'))
    if (!this.has(folder)) return false
    if (options.filter !== undefined) this.write(join(folder, 'filter'), options.filter)
    if (options.trigger !== undefined) this.write(join(folder, 'trigger'), options.trigger)
    this.write(join(folder, 'enable'), '1')
    return true
  }

  format(event: string): string {
    return readFileSync(join(this.events, ...event.split(':'), 'format'), 'utf8')
  }

  /** The buffers of each CPU, opened for reads that don't wait. */
  openBuffers(): { readonly cpu: number; readonly file: number }[] {
    const perCpu = join(this.path, 'per_cpu')
    return readdirSync(perCpu)
      .map(name => Number(name.slice('cpu'.length)))
      .sort((a, b) => a - b)
      .map(cpu => ({
        cpu,
        file: openSync(
          join(perCpu, `cpu${cpu}`, 'trace_pipe_raw'),
          constants.O_RDONLY | constants.O_NONBLOCK,
        ),
      }))
  }

  lostEvents(cpu: number): number {
    const stats = readFileSync(join(this.path, 'per_cpu', `cpu${cpu}`, 'stats'), 'utf8')
    return (
      Number(/overrun: (\d+)/.exec(stats)?.[1] ?? 0) + Number(/dropped events: (\d+)/.exec(stats)?.[1] ?? 0)
    )
  }

  remove(): void {
    if (this.isGone) return
    this.isGone = true
    if (existsSync(this.path)) removeInstance(this.path)
    if (this.isOurMount) spawnSync('umount', [this.root])
  }
}

function mounted(): { readonly root: string; readonly isOurMount: boolean } {
  const isThere = (root: string) => existsSync(join(root, 'instances'))
  const root = PLACES.find(isThere)
  if (root !== undefined) return { root, isOurMount: false }
  const place = PLACES[0]!
  if (!existsSync(place))
    throw new TraceError(
      'this system has no tracefs (/sys/kernel/tracing); expected Linux with CONFIG_TRACING',
      'ENOTSUP',
    )
  const mount = spawnSync('mount', ['-t', 'tracefs', 'nodev', place], { encoding: 'utf8' })
  if (!isThere(place))
    throw new TraceError(
      `tracefs can't be mounted at ${place}: ${(mount.stderr ?? '').trim() || 'refused'}; run as root`,
      'EPERM',
    )
  return { root: place, isOurMount: true }
}

/** An instance goes away only when nothing is on and no file of it is open. */
function removeInstance(path: string): void {
  try {
    writeFileSync(join(path, 'tracing_on'), '0')
    writeFileSync(join(path, 'events', 'enable'), '0')
  } catch {
    // It is being removed by somebody else, or was half made; the removal below decides.
  }
  try {
    rmdirSync(path)
  } catch (error) {
    throw new TraceError(
      `the tracing instance ${path} can't be removed: ${messageOf(error)}; close what reads it and run rmdir`,
      'EBUSY',
      error,
    )
  }
}

export const closeAll = (files: readonly { readonly file: number }[]): void => {
  for (const { file } of files) closeSync(file)
}
