/** What the calls of a volume can be told, and what its repair says. */
import type { Bytes } from '../base/index.ts'
import type { Kind, Time } from '../volume/index.ts'

/** What a repair found and did. */
export interface RepairReport {
  /** What was wrong, a sentence each. */
  readonly wrong: readonly string[]
  /** Of what was wrong, what couldn't be mended but by giving it up. */
  readonly givenUp: readonly string[]
}

/** A file of the host by its path or file: URL, bytes, or bytes as they come. */
export type Source = string | URL | Uint8Array | AsyncIterable<Uint8Array> | Iterable<Uint8Array>

/** What long copies can be told. */
export interface TransferOptions {
  /** Aborts the call, which then fails with ABORT_ERR; what it began in the machine ends or is undone. */
  readonly signal?: AbortSignal
  /** Called with the bytes that have gone so far. */
  readonly progress?: (bytes: Bytes) => void
}

/** What becomes of a file that has the name already. */
export type Existing = 'stays' | 'is replaced'

/** How a file of a volume is opened. */
export interface VolumeFileOptions {
  /** 'r' if left out. */
  readonly mode?: 'r' | 'r+'
  /** Mappings show the device's own blocks: of a volume that the machine was started with as `dax`. */
  readonly dax?: boolean
  /** A store is let in only when where it goes is durable already (MAP_SYNC); holds for all who have the file open. */
  readonly mapSync?: boolean
}

/** How a snapshot is made. */
export interface SnapshotOptions {
  /** 'r': nothing below it can be changed, though all of it can be renamed or removed. 'r+' if left out. */
  readonly mode?: 'r' | 'r+'
}

/** How a file is cloned. */
export interface CloneOptions extends Pick<TransferOptions, 'signal'> {
  /** What becomes of a file that has the name already; it stays, and EEXIST is told, if left out. */
  readonly existing?: 'stays' | 'is replaced'
}

/** How a file is brought into a volume. */
export interface PutOptions extends TransferOptions, MakeOptions {
  /** 'written': it is durable with the next sync of the volume; 'durable', before the promise is kept, if left out. */
  readonly until?: 'durable' | 'written'
  /** What becomes of a file that has the name already; it stays, and EEXIST is told, if left out. */
  readonly existing?: Existing
}

/** How a file is taken out of a volume. */
export interface GetFileOptions extends TransferOptions {
  /** What becomes of a file that is there already; it stays, and EEXIST is told, if left out. */
  readonly existing?: Existing
}

/** How much of a volume is checked. */
export interface CheckOptions extends TransferOptions {
  /** 'metadata only' leaves the data unread; 'with data' if left out. */
  readonly data?: 'with data' | 'metadata only'
}

/** How a file or a directory is made. */
export interface MakeOptions {
  /** The lower 12 bits of st_mode; 0o644 of a file and 0o755 of a directory if left out. */
  readonly mode?: number
  /** Who owns it: this process's user if left out. */
  readonly uid?: number
  /** Which group it belongs to: this process's if left out. */
  readonly gid?: number
}

/** What mknod makes. */
export interface NodeOptions extends MakeOptions {
  /** What it is; an empty file if left out. */
  readonly kind?: Exclude<Kind, 'directory' | 'symlink'>
  /** Of a device which driver; 0 if left out. */
  readonly major?: number
  /** Of a device which of its driver's; 0 if left out. */
  readonly minor?: number
}

/** Whether a symbolic link at the end of the path stands for what it leads to, or for itself. */
export interface LinkOptions {
  /** 'followed' if left out. */
  readonly link?: 'followed' | 'itself'
}

/** Times of a file; those that are left out stay. */
export interface TimesOfFile {
  /** When it was read. */
  readonly atime?: Date | Time
  /** When what it holds was changed. */
  readonly mtime?: Date | Time
}

/** How a name is given. */
export interface RenameOptions {
  /** What becomes of what has the name already: 'is replaced' if left out; 'is exchanged' gives it the other name. */
  readonly existing?: 'is replaced' | 'stays' | 'is exchanged'
}

/** How an extended attribute is set. */
export interface SetAttributeOptions {
  /** 'create': EEXIST if there is one of the name; 'replace': ENODATA if there is none; 'set' if left out. */
  readonly how?: 'set' | 'create' | 'replace'
}
