/**
 * The files of a volume that a program has open, from the opening to the time when nothing of one is left.
 *
 *     open -> File -> close -> synced, nobody maps it -> the last opening: its pages are forgotten -> gone
 *
 * Invariants
 *   VL1 A file that is being let go of is opened again only when it has gone.
 *   VL2 A file that is made either gets its name whole, or nothing is left of it.
 */
import type { FileFace } from '../api/index.ts'
import { errno } from '../base/index.ts'
import { type Context, invalid } from '../calls/index.ts'
import { CachedCalls, File } from '../files/index.ts'
import type { Answer, DaxFile, InodePlan, VolumeFile } from '../volume/index.ts'
import { DaxCalls } from './dax-calls.ts'
import { now } from './volume-attributes.ts'
import type { VolumeCalls } from './volume-calls.ts'

export class OpenFiles {
  private readonly context: Context
  private readonly calls: VolumeCalls
  private readonly onRelease: () => void
  private readonly opened = new Map<File, VolumeFile | DaxFile>()
  /** Inodes whose last opening is being closed. */
  private readonly leaving = new Map<number, Promise<void>>()

  /** `onRelease`: an opening has ended. */
  constructor(context: Context, calls: VolumeCalls, onRelease: () => void) {
    this.context = context
    this.calls = calls
    this.onRelease = onRelease
  }

  async open(
    operation: string,
    path: string,
    mode: 'r' | 'r+',
    open: () => Answer<VolumeFile | DaxFile>,
  ): Promise<File> {
    const { core } = this.calls
    for (;;) {
      if (this.calls.isCopying) await this.calls.calm()
      const ino = await this.calls.ask(() => core.find(path), operation, path)
      const left = this.leaving.get(ino)
      if (left !== undefined) {
        await left
        continue
      }
      const found = open()
      if (!(await this.calls.waited(found)))
        return this.handOut(this.calls.said(found, operation, path), mode)
    }
  }

  /** Opens a file to be read while something is done with it. */
  async using(operation: string, path: string, act: (file: VolumeFile) => Promise<void>): Promise<void> {
    const file = await this.open(operation, path, 'r', () => this.calls.core.open(path))
    try {
      await act(this.cached(file))
    } finally {
      await file.close()
    }
  }

  /** Makes a file under no name, has it filled, and gives it its name. */
  async make(
    operation: string,
    to: string,
    existing: 'stays' | 'is replaced',
    plan: InodePlan,
    fill: (file: VolumeFile) => Promise<void>,
  ): Promise<void> {
    const { core } = this.calls
    if (existing === 'stays' && (await this.calls.answered(() => core.find(to))).errno === errno.OK)
      this.calls.went(errno.EEXIST, operation, to)
    if (this.calls.isCopying) await this.calls.calm()
    const made = await this.calls.ask(() => core.createUnnamed(to, plan, now()), operation, to)
    const file = this.handOut(made, 'r')
    try {
      await fill(made)
      if (this.calls.isCopying) await this.calls.calm()
      await this.calls.ask(() => core.publish(made, to, existing, now()), operation, to)
    } finally {
      await file.close()
    }
  }

  /** The engine's own record of a file that this volume has opened. */
  mine(file: FileFace, operation: string, purpose: 'for reading' | 'for writing'): VolumeFile | DaxFile {
    const found = file instanceof File ? this.opened.get(file) : undefined
    if (found === undefined)
      throw invalid(operation, `${operation}: expected a file that this volume has opened`)
    if (purpose === 'for writing' && file.readOnly) this.calls.went(errno.EACCES, operation, file.name)
    return found
  }

  /** The record of a file that wasn't opened for DAX. */
  cached(file: File): VolumeFile {
    return this.opened.get(file) as VolumeFile
  }

  /** The files that are mapped yet, by their names. */
  mapped(): string[] {
    return [...this.opened.keys()].filter(file => file.isMapped).map(file => file.name)
  }

  /** Files take no calls from now on; settles when none is under way. */
  async settled(): Promise<void> {
    for (const file of this.opened.keys()) file.takesCalls = false
    const busy = () => [...this.opened.keys()].find(({ calls }) => !calls.isCalm)
    for (let file = busy(); file !== undefined; file = busy()) await file.calls.settled()
  }

  /** They do again. */
  stayOpen(): void {
    for (const file of this.opened.keys()) file.takesCalls = true
  }

  /** Closes what is open yet, all at once, and waits for what is on its way out. `told` hears of errors. */
  async close(told: (error: unknown) => void): Promise<void> {
    await Promise.all([...this.opened.keys()].map(file => file.close().catch(told)))
    await Promise.all([...this.context.leaving, ...this.leaving.values()])
  }

  private handOut(found: VolumeFile | DaxFile, mode: 'r' | 'r+'): File {
    const { core } = this.calls
    const calls =
      found.opened === 'dax' ? new DaxCalls(core, found) : new CachedCalls(this.context.engine, found.cached)
    const by = process.getuid?.() === 0 ? 'privileged' : 'unprivileged'
    calls.wrote = () => void this.calls.answered(() => core.inodes.wrote(found.node.ino, by, now()))
    const file = new File(this.context, calls, mode === 'r', closed => this.release(closed))
    this.opened.set(file, found)
    return file
  }

  /** An opening has been synced and closed, and nobody maps it. */
  private async release(file: File): Promise<void> {
    const found = this.opened.get(file)!
    this.opened.delete(file)
    this.onRelease()
    if (found.opened === 'cached' && this.calls.core.close(found) === 'still open') return
    const { ino } = found.node
    const going = found.opened === 'dax' ? this.leaveDax(found) : this.leave(found)
    const left = going.finally(() => this.leaving.delete(ino))
    this.leaving.set(
      ino,
      left.catch(() => {}),
    )
    await left
  }

  private async leave(found: VolumeFile): Promise<void> {
    const { cached } = found
    const call = { operation: 'close', where: cached.name }
    await this.calls.perform(this.context.engine.verbs.forget, { file: cached }, call)
    await this.calls.ask(() => this.calls.core.forget(found), 'close', cached.name)
  }

  /** Copies of its blocks that are on their way end first. */
  private async leaveDax(found: DaxFile): Promise<void> {
    for (const { ticket } of [...found.copies.values()]) await this.context.performer.completed(ticket)
    await this.calls.ask(() => this.calls.core.closeDax(found), 'close', found.name)
  }
}
