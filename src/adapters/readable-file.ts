/**
 * What the adapters ask of a file: the part of the library's File that reads. Each range is read once, whole, into memory of
 * its own; the file's pages stay in the machine's memory, so that a range that is asked for again costs no I/O.
 */
export interface ReadableFile {
  readonly name: string
  /** In bytes. */
  readonly size: number
  /** Fills `target` from `position`; returns how many bytes there were before the end. */
  read(target: Uint8Array, position: number, options?: { readonly signal?: AbortSignal }): Promise<number>
}

/** Bytes [from, to), clipped to the file. */
export async function bytesOf(
  file: ReadableFile,
  from: number,
  to: number,
  signal?: AbortSignal,
): Promise<Uint8Array<ArrayBuffer>> {
  const start = Math.min(Math.max(0, from), file.size)
  const end = Math.min(Math.max(start, to), file.size)
  const bytes = new Uint8Array(end - start)
  const got = bytes.length === 0 ? 0 : await file.read(bytes, start, signal === undefined ? {} : { signal })
  // Somebody made the file shorter meanwhile.
  return got === bytes.length ? bytes : bytes.slice(0, got)
}
