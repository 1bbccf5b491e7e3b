/** What reading a trace file takes besides its path, and what it gives besides its records. */
import type { SeenTask } from './dump.ts'

export interface ReadOptions {
  readonly signal?: AbortSignal
  /** Told now and then how many bytes of the file were read. */
  readonly onProgress?: (bytes: number, total: number) => void
  /** Told of each task in a dump of tasks, the last sighting of each; without it such a file is refused. */
  readonly onTask?: (task: SeenTask) => void
  /** The text of /proc/kallsyms of the kernel that a perf.data was recorded on; else that of the running one, if it is the same. */
  readonly kallsyms?: string
  /** The rate of a clock whose times have no point, such as x86-tsc. */
  readonly clockHz?: number
}

/** Lines of an event that couldn't be read, of how many. */
export interface UnreadEvents {
  readonly event: string
  readonly lines: number
  readonly unread: number
}

export interface ReadResult {
  readonly format: string
  /** Events of any kind in the file. */
  readonly events: number
  /** Lines or pages that could not be read. */
  readonly unread: number
  /** Of these, those whose event is known. */
  readonly unreadEvents: readonly UnreadEvents[]
  /** How it was read, where that isn't plain: what lay before the lines, what a clock was taken for. */
  readonly notes: readonly string[]
}
