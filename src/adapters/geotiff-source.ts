/** A file as geotiff takes one: what its `BaseSource` does, for `GeoTIFF.fromSource`. */
import { bytesOf, checkFile, checkPlace, type ReadableFile } from './readable-file.ts'

interface Slice {
  readonly offset: number
  readonly length: number
}

export interface GeotiffSource {
  readonly fileSize: number
  fetch(slices: readonly Slice[], signal?: AbortSignal): Promise<ArrayBuffer[]>
  fetchSlice(slice: Slice, signal?: AbortSignal): Promise<Slice & { readonly data: ArrayBuffer }>
  close(): Promise<void>
}

/** `close` does nothing: the file belongs to who opened it. */
export function geotiffSource(file: ReadableFile): GeotiffSource {
  checkFile(file, 'geotiffSource')
  const data = async ({ offset, length }: Slice, signal?: AbortSignal) => {
    checkPlace(file, offset)
    checkPlace(file, length)
    return (await bytesOf(file, offset, offset + length, signal)).buffer
  }
  return {
    get fileSize() {
      return file.size
    },
    fetch: (slices, signal) => Promise.all(slices.map(slice => data(slice, signal))),
    fetchSlice: async (slice, signal) => ({ ...slice, data: await data(slice, signal) }),
    close: async () => {},
  }
}
