/**
 * What the adapters ask of a file: the part of the library's File that reads. Each range is read once, whole, into memory of
 * its own; the file's pages stay in the machine's memory, so that a range that is asked for again costs no I/O.
 */
import { FaultlineError } from '../base/index.ts'

export interface ReadableFile {
  readonly name: string
  /** In bytes. */
  readonly size: number
  /** Fills `target` from `position`; returns how many bytes there were before the end. */
  read(target: Uint8Array, position: number, options?: { readonly signal?: AbortSignal }): Promise<number>
}

/** Throws EINVAL unless it can be read as a file of the library can. */
export function checkFile(file: unknown, adapter: string): asserts file is ReadableFile {
  const { name, size, read } = (file ?? {}) as Partial<ReadableFile>
  if (typeof name !== 'string' || typeof size !== 'number' || typeof read !== 'function')
    throw new FaultlineError(
      'EINVAL',
      adapter,
      `${adapter}: expected a file, as machine.open or volume.open returns it; got ${file === null ? 'null' : typeof file}`,
    )
}

/** A place in a file; those before its end and behind it are clipped by whoever reads. */
export function checkPlace(file: ReadableFile, place: unknown): void {
  if (typeof place === 'number' && (Number.isSafeInteger(place) || Math.abs(place) === Infinity)) return
  throw new FaultlineError(
    'EINVAL',
    'read',
    `read of ${file.name}: expected a whole number of bytes, got ${String(place)}`,
  )
}

/** Bytes [from, to), clipped to the file. */
export async function bytesOf(
  file: ReadableFile,
  from: number,
  to: number,
  signal?: AbortSignal,
): Promise<Uint8Array<ArrayBuffer>> {
  checkPlace(file, from)
  checkPlace(file, to)
  const start = Math.min(Math.max(0, from), file.size)
  const end = Math.min(Math.max(start, to), file.size)
  const bytes = new Uint8Array(end - start)
  const got = bytes.length === 0 ? 0 : await file.read(bytes, start, signal === undefined ? {} : { signal })
  // Somebody made the file shorter meanwhile.
  return got === bytes.length ? bytes : bytes.slice(0, got)
}
