/** A store on disk that is only read: no LMDB is needed, and of a damaged one as much can be read as can be believed. */
import fs from 'node:fs'
import type { Store } from '../volume/index.ts'
import { PagedStore } from './paged-store.ts'

export class FileStore extends PagedStore implements Store {
  readonly readOnly = true
  /** What was wrong with its tree when it was opened. */
  readonly found: readonly string[]
  private readonly descriptor: number

  private constructor(path: string, fd: number) {
    super(path, fd)
    this.descriptor = fd
    const { flaws } = this.survey()
    this.found = flaws.map(each => this.where(each))
    const [flaw] = flaws
    if (flaw !== undefined) this.salvage(flaw)
  }

  /** Errors are the host's; BadPage if too little is left of it. */
  static open(path: string): FileStore {
    const fd = fs.openSync(path, 'r')
    try {
      return new FileStore(path, fd)
    } catch (error) {
      fs.closeSync(fd)
      throw error
    }
  }

  commit(): never {
    throw new Error('a store that is read-only is never committed to')
  }

  async close(): Promise<void> {
    fs.closeSync(this.descriptor)
  }
}
