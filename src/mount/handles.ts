/** What processes have open: numbers that the kernel gives back with each call on an open file. */
import { newReadState, type ReadState } from '../memmap/index.ts'
import type { Used } from './files.ts'
import { ToldDirectories } from './positions.ts'

/** A file that is open. */
export interface FileHandle {
  readonly used: Used
  /** How it is read, and which errors it has been told (ErrorCursor). */
  readonly read: ReadState
  readonly cursor: { seen: number }
  /** By open(2): whether it may leave dirty pages in the kernel. */
  readonly canDirty: boolean
}

/** A directory that is open. */
export interface DirectoryHandle {
  readonly ino: number
  /** What it was answered to a control call, if all of it hasn't been fetched. */
  said?: Uint8Array
}

class Table<T> {
  private readonly open = new Map<number, T>()
  private next = 1

  add(handle: T): number {
    const number = this.next++
    this.open.set(number, handle)
    return number
  }

  get(number: number): T | undefined {
    return this.open.get(number)
  }

  take(number: number): T | undefined {
    const handle = this.open.get(number)
    this.open.delete(number)
    return handle
  }

  clear(): T[] {
    const all = [...this.open.values()]
    this.open.clear()
    return all
  }
}

export class Handles {
  readonly told = new ToldDirectories()
  readonly files = new Table<FileHandle>()
  readonly directories = new Table<DirectoryHandle>()

  /** It is told of errors of writeback that come from now on. Who reads ahead is the kernel: what it asks for is read, and no more. */
  openFile(used: Used, { canDirty }: Pick<FileHandle, 'canDirty'>): number {
    return this.files.add({
      used,
      canDirty,
      read: newReadState('random'),
      cursor: { seen: used.file.cached.errorCount },
    })
  }
}
