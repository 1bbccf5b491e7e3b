/** What the calls of a volume can be told: the shapes of their options. */
import type { Existing } from './host-target.ts'
import type { TransferOptions } from './streams.ts'
import type { MakeOptions } from './volume-attributes.ts'

/** How a file of a volume is opened. */
export interface VolumeFileOptions {
  /** 'r' if left out. */
  readonly mode?: 'r' | 'r+'
  /** Mappings show the device's own blocks: of a volume that the machine was started with as `dax`. */
  readonly dax?: boolean
  /** A store is let in only when where it goes is durable already (MAP_SYNC); holds for all who have the file open. */
  readonly mapSync?: boolean
}

/** How a file is brought into a volume. */
export interface SnapshotOptions {
  /** 'r': nothing below it can be changed, though all of it can be renamed or removed. 'r+' if left out. */
  readonly mode?: 'r' | 'r+'
}

/** How a file is cloned. */
export interface CloneOptions extends Pick<TransferOptions, 'signal'> {
  /** What becomes of a file that has the name already; it stays, and EEXIST is told, if left out. */
  readonly existing?: 'stays' | 'is replaced'
}

export interface PutOptions extends TransferOptions, MakeOptions {
  /** 'written': it is durable with the next sync of the volume; 'durable', before the promise is kept, if left out. */
  readonly until?: 'durable' | 'written'
  /** What becomes of a file that has the name already; it stays, and EEXIST is told, if left out. */
  readonly existing?: Existing
}

export interface GetFileOptions extends TransferOptions {
  /** What becomes of a file that is there already; it stays, and EEXIST is told, if left out. */
  readonly existing?: Existing
}

/** How much of a volume is checked. */
export interface CheckOptions extends TransferOptions {
  /** 'metadata only' leaves the data unread; 'with data' if left out. */
  readonly data?: 'with data' | 'metadata only'
}
