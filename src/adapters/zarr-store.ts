/** A directory of a volume as zarrita takes a store: its `AsyncReadable`. Each key is a file below the directory. */
import { codeOf, FaultlineError } from '../base/index.ts'
import { bytesOf, type ReadableFile } from './readable-file.ts'

/** What is asked of a volume. */
export interface DirectoryOfFiles {
  open(path: string): Promise<ReadableFile & { close(): Promise<void> }>
}

type Range = { readonly offset: number; readonly length: number } | { readonly suffixLength: number }

interface Options {
  readonly signal?: AbortSignal
}

export interface ZarrStore {
  get(key: `/${string}`, options?: Options): Promise<Uint8Array<ArrayBuffer> | undefined>
  getRange(key: `/${string}`, range: Range, options?: Options): Promise<Uint8Array<ArrayBuffer> | undefined>
}

/** A key that isn't there is `undefined`: Zarr's missing chunk. All other errors are the volume's. */
export function zarrStore(volume: DirectoryOfFiles, directory: string): ZarrStore {
  if (typeof volume?.open !== 'function' || typeof directory !== 'string')
    throw new FaultlineError(
      'EINVAL',
      'zarrStore',
      'zarrStore: expected a volume, as machine.openVolume returns it, and the path of a directory in it',
    )
  const root = directory.replace(/\/+$/, '')
  const read = async (
    key: string,
    place: (size: number) => readonly [from: number, to: number],
    signal: AbortSignal | undefined,
  ) => {
    const file = await volume.open(root + key).catch(absent)
    if (file === undefined) return undefined
    try {
      return await bytesOf(file, ...place(file.size), signal)
    } finally {
      await file.close()
    }
  }
  return {
    get: (key, options) => read(key, size => [0, size], options?.signal),
    getRange: (key, range, options) => read(key, size => placeOf(range, size), options?.signal),
  }
}

function placeOf(range: Range, size: number): readonly [number, number] {
  return 'suffixLength' in range
    ? [Math.max(0, size - range.suffixLength), size]
    : [range.offset, range.offset + range.length]
}

/** Zarr asks for what may not be there: a file, or a file below what is one. */
function absent(error: unknown): undefined {
  const code = codeOf(error)
  if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'EISDIR') return undefined
  throw error
}
