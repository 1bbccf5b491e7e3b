/**
 * A file as the exerciser uses it, whatever it lies on: what it is mapped by, and the calls on it as tasks.
 */
import { type Bytes, errno, ROOT } from '../base/index.ts'
import { type CachedFile, copyArgs, syncArgs, truncateArgs } from '../cache/index.ts'
import type { Engine } from '../engine/index.ts'
import type { Mappable, ReadState } from '../memmap/index.ts'
import type { OpenFile } from '../mm/index.ts'
import { done, fail, type Outcome, type Task, type Ticket, type Verb, wait } from '../sched/index.ts'
import { type DaxFile, daxCallArgs, daxChangeArgs, type Volume, type VolumeFile } from '../volume/index.ts'

export interface Subject {
  readonly file: Mappable
  /** Errors of its writeback so far. */
  readonly errorCount: number
  /** The file of the volume that it is, if it is one. */
  readonly opened: VolumeFile | DaxFile | undefined
  read(at: Bytes, bytes: Uint8Array, read: ReadState): Task
  write(at: Bytes, bytes: Uint8Array, read: ReadState): Task
  truncate(size: Bytes): Task
  punch(at: Bytes, length: Bytes): Task
  sync(open: OpenFile): Task
}

export class CachedSubject implements Subject {
  readonly file: CachedFile
  readonly opened: VolumeFile | undefined
  private readonly engine: Engine

  constructor(engine: Engine, file: CachedFile, opened?: VolumeFile) {
    this.engine = engine
    this.file = file
    this.opened = opened
  }

  get errorCount(): number {
    return this.file.errorCount
  }

  read(at: Bytes, bytes: Uint8Array, read: ReadState): Task {
    return this.spawn(this.engine.verbs.read, copyArgs(this.file, at, bytes, read))
  }

  write(at: Bytes, bytes: Uint8Array, read: ReadState): Task {
    return this.spawn(this.engine.verbs.write, copyArgs(this.file, at, bytes, read))
  }

  truncate(size: Bytes): Task {
    return this.spawn(this.engine.verbs.truncate, truncateArgs(this.file, { size }))
  }

  punch(position: Bytes, length: Bytes): Task {
    return this.spawn(this.engine.verbs.truncate, truncateArgs(this.file, { position, length }))
  }

  sync(open: OpenFile): Task {
    return this.spawn(this.engine.verbs.sync, syncArgs(this.file, 0, Infinity, open))
  }

  private spawn<Args>(verb: Verb<Args>, args: Args): Task {
    return this.engine.scheduler.spawn(verb, args, { name: verb.name, group: ROOT })
  }
}

export class DaxSubject implements Subject {
  readonly file: DaxFile
  readonly opened: DaxFile
  readonly errorCount = 0
  private readonly engine: Engine
  private readonly volume: Volume

  constructor(engine: Engine, volume: Volume, file: DaxFile) {
    this.engine = engine
    this.volume = volume
    this.file = file
    this.opened = file
  }

  read(at: Bytes, bytes: Uint8Array): Task {
    return this.spawn(this.volume.daxRead, daxCallArgs(this.file, at, bytes))
  }

  write(at: Bytes, bytes: Uint8Array): Task {
    return this.spawn(this.volume.daxWrite, daxCallArgs(this.file, at, bytes))
  }

  truncate(size: Bytes): Task {
    return this.spawn(this.volume.daxChange, daxChangeArgs({ how: 'resize', file: this.file, size }))
  }

  punch(position: Bytes, length: Bytes): Task {
    return this.spawn(
      this.volume.daxChange,
      daxChangeArgs({ how: 'punch', file: this.file, position, length }),
    )
  }

  sync(): Task {
    return this.spawn(new Waiting(), this.volume.sync())
  }

  private spawn<Args>(verb: Verb<Args>, args: Args): Task {
    return this.engine.scheduler.spawn(verb, args, { name: verb.name, group: ROOT })
  }
}

/** A ticket as a task. */
class Waiting implements Verb<Ticket> {
  readonly name = 'sync of a DAX file'

  attempt({ args }: Task<Ticket>): Outcome {
    if (!args.complete) return wait(args, 'device')
    return args.errno === errno.OK ? done : fail(args.errno)
  }
}
