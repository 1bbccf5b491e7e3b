/** What a File asks the engine for that stands on a device's own blocks (DAX). */
import type { Bytes } from '../base/index.ts'
import { type FileCalls, type Job, job } from '../files/index.ts'
import { type Volume as Core, type DaxFile, daxCallArgs, daxChangeArgs } from '../volume/index.ts'

export class DaxCalls implements FileCalls {
  readonly file: DaxFile
  /** Nothing is written back: a store is on the device, or has failed. */
  readonly errorCount = 0
  readonly isDirty = true
  wrote?: () => void
  private readonly core: Core

  constructor(core: Core, file: DaxFile) {
    this.core = core
    this.file = file
  }

  read(target: Uint8Array, position: Bytes): Job<{ copied: number }> {
    return job(this.core.daxRead, daxCallArgs(this.file, position, target))
  }

  write(source: Uint8Array, position: Bytes): Job {
    return job(this.core.daxWrite, daxCallArgs(this.file, position, source))
  }

  truncate(size: Bytes): Job {
    return job(this.core.daxChange, daxChangeArgs({ how: 'resize', file: this.file, size }))
  }

  punch(position: Bytes, length: Bytes): Job {
    return job(this.core.daxChange, daxChangeArgs({ how: 'punch', file: this.file, position, length }))
  }

  sync(): Job {
    return job(this.core.syncing, { commit: undefined })
  }

  refresh(): undefined {
    return undefined
  }
}
