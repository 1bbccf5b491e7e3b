/**
 * A store on disk that is only read: no LMDB is needed, and of a damaged one as much can be read as can be believed. Where the tree
 * leads to nothing sound, all of the file is looked at (salvage.ts).
 */
import fs from 'node:fs'
import { closeDescriptor } from '../host/index.ts'
import { type Store, Unreadable } from '../volume/index.ts'
import { BadPage } from './lmdb-file.ts'
import { PagedStore } from './paged-store.ts'
import type { RecordPage } from './record-page.ts'

export class FileStore extends PagedStore implements Store {
  readonly readOnly = true
  /** What was wrong with its tree when it was opened. */
  readonly found: readonly string[]
  /** What reads have met since. */
  private readonly met: string[] = []
  private readonly descriptor: number
  private isHopeless = false

  private constructor(path: string, fd: number) {
    super(path, fd)
    this.descriptor = fd
    const { flaws } = this.survey()
    this.found = flaws.map(each => this.where(each))
    const [flaw] = flaws
    if (flaw === undefined) return
    try {
      this.salvage(this.where(flaw))
    } catch (error) {
      if (!(error instanceof BadPage)) throw error
      throw new BadPage(flaw.offset, `${flaw.message}; ${error.message}`)
    }
  }

  /** Errors are the host's; BadPage if too little is left of it. */
  static open(path: string): FileStore {
    const fd = fs.openSync(path, 'r')
    try {
      return new FileStore(path, fd)
    } catch (error) {
      closeDescriptor(fd)
      throw error
    }
  }

  override flaws(): readonly string[] {
    return [...super.flaws(), ...this.met]
  }

  commit(): never {
    throw new Error('a store that is read-only is never committed to')
  }

  async close(): Promise<void> {
    closeDescriptor(this.descriptor)
  }

  protected override covering(key: string): RecordPage | undefined {
    try {
      return super.covering(key)
    } catch (error) {
      if (!(error instanceof Unreadable) || this.isSalvaged || this.isHopeless) throw error
      this.met.push(error.message)
      try {
        this.salvage(error.message)
      } catch (found) {
        if (!(found instanceof BadPage)) throw found
        this.isHopeless = true
        throw error
      }
      return super.covering(key)
    }
  }
}
