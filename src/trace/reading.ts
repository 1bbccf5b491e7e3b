/** What reading a trace file takes besides its path, and what it gives besides its records. */
export interface ReadOptions {
  readonly signal?: AbortSignal
  /** Told now and then how many bytes of the file were read. */
  readonly onProgress?: (bytes: number, total: number) => void
}

export interface ReadResult {
  readonly format: string
  /** Events of any kind in the file. */
  readonly events: number
  /** Lines or pages that could not be read. */
  readonly unread: number
}
