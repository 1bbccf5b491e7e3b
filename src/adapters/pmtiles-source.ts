/** A file as PMTiles takes an archive: its `Source`. */
import { bytesOf, checkFile, checkPlace, type ReadableFile } from './readable-file.ts'

export interface PmtilesSource {
  getKey(): string
  getBytes(offset: number, length: number, signal?: AbortSignal): Promise<{ readonly data: ArrayBuffer }>
}

/**
 * An archive that changes is noticed by the file itself: a read says ESTALE. So PMTiles is told no ETag, which it would use to
 * read a new version in the middle of the old one.
 */
export function pmtilesSource(file: ReadableFile): PmtilesSource {
  checkFile(file, 'pmtilesSource')
  return {
    getKey: () => file.name,
    async getBytes(offset, length, signal) {
      checkPlace(file, offset)
      checkPlace(file, length)
      return { data: (await bytesOf(file, offset, offset + length, signal)).buffer }
    },
  }
}
