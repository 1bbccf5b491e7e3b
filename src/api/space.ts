/** An address space, and how things are mapped in it. */
import type { Bytes } from '../base/index.ts'
import type { ProcFile, Status } from '../proc/index.ts'
import type { FileFace } from './file.ts'
import type { AdviceName, MappingFace, ProtName } from './mapping.ts'

/** An address space: mappings, who pays for them, and what /proc shows. */
export interface SpaceFace extends AsyncDisposable {
  /** Its number in `ps`. */
  readonly pid: number
  /** As `ps` shows it. */
  readonly name: string
  /**
   * Maps a file. Pages are brought when they are touched.
   *
   * Errors: EACCES (a shared store to a file opened with 'r'), EINVAL, ENOMEM, EFBIG; ENOTSUP for what this MMU can't show.
   * Cost: 4 bytes for each page that is touched; none for the others.
   */
  map(file: FileFace, options?: MapOptions): Promise<MappingFace>
  /** Maps memory: zeros, private to this space and its forks, or shared with them. Errors: as map; ENOTSUP on a hardware machine. */
  mapAnonymous(options: AnonymousOptions): Promise<MappingFace>
  /** A space with the same mappings; private pages are copied when one side stores. Cost: an entry for each mapped page. */
  fork(options?: { readonly name?: string; readonly signal?: AbortSignal }): Promise<SpaceFace>
  /** /proc/<pid>/cmdline, maps or smaps. Waits for the mmap lock as the kernel does. */
  proc(file: ProcFile, options?: { readonly signal?: AbortSignal }): Promise<string>
  /** What needs no lock: sizes and counts. */
  status(): Status
  /** Ends the space: its waiting faults are killed, its mappings go. */
  exit(): Promise<void>
}

/** Which MMU is meant: `auto`, the hardware one where it can be had. */
export type MmuName = 'software' | 'hardware' | 'auto'

/** How a file is mapped. */
export interface MapOptions {
  /** Bytes into the file, a multiple of the page size; 0 if left out. */
  readonly offset?: Bytes
  /** Bytes, or a size like '4 GiB'; to the end of the file if left out. */
  readonly length?: Bytes | string
  /** 'r' if left out; 'rw' for memory. */
  readonly prot?: ProtName
  /** 'shared': stores go to the file, and others see them. 'private': they go to copies of the pages. 'shared' if left out. */
  readonly share?: 'shared' | 'private'
  /** The address to map at, which replaces what is there; wherever there is room if left out. */
  readonly fixed?: Bytes
  /** How it will be read: decides how far readahead goes; 'normal' if left out. */
  readonly advice?: Extract<AdviceName, 'normal' | 'random' | 'sequential'>
  /** Which MMU is to show it; `auto`, whichever the machine has, if left out. */
  readonly mmu?: MmuName
  /** Aborts the call, which then fails with ABORT_ERR; what it began in the machine ends or is undone. */
  readonly signal?: AbortSignal
}

/** Memory has no offset, and must be told how long it is. */
export type AnonymousOptions = Omit<MapOptions, 'offset'> & {
  /** Bytes, or a size like '4 GiB'. */
  readonly length: Bytes | string
}
