/** Where an open volume lies, and what it holds of the host until it is closed. */
import type { HostFile } from '../host/index.ts'
import type { FileStore, LmdbStore, Place, VolumeLock } from '../store/index.ts'
import type { Volume as Core } from '../volume/index.ts'

/** 'repair': nobody else may have it, it is only read, and of its metadata as much as there is. */
export type Purpose = 'r' | 'r+' | 'repair'

/** Where a volume lies, and what it holds of the host. */
export interface Mounted {
  readonly core: Core
  readonly path: string
  readonly place: Place
  readonly purpose: Purpose
  /** How many of the sentences about damage are on the disk. */
  readonly noted: number
  readonly store: LmdbStore | FileStore
  readonly device: HostFile
  readonly lock: VolumeLock
}
