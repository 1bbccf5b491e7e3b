/** A store on disk that is only read: no LMDB is needed, and a damaged one can be looked through as far as it is sound. */
import fs from 'node:fs'
import type { Store } from '../volume/index.ts'
import type { Belief } from './lmdb-file.ts'
import { PagedStore } from './paged-store.ts'

export class FileStore extends PagedStore implements Store {
  readonly readOnly = true
  private readonly fd: number

  private constructor(path: string, fd: number, belief: Belief) {
    super(path, fd, belief)
    this.fd = fd
  }

  /** Errors are the host's; BadPage if there is no store in the file. */
  static open(path: string, belief: Belief = 'the last transaction'): FileStore {
    const fd = fs.openSync(path, 'r')
    try {
      return new FileStore(path, fd, belief)
    } catch (error) {
      fs.closeSync(fd)
      throw error
    }
  }

  commit(): never {
    throw new Error('a store that is read-only is never committed to')
  }

  async close(): Promise<void> {
    fs.closeSync(this.fd)
  }
}
