/** A file as hyparquet takes one: its `AsyncBuffer`. */
import { bytesOf, checkFile, type ReadableFile } from './readable-file.ts'

export interface AsyncBuffer {
  readonly byteLength: number
  slice(start: number, end?: number): Promise<ArrayBuffer>
}

/** Positions before 0 count from the end, as ArrayBuffer.slice has it. */
export function asyncBuffer(file: ReadableFile): AsyncBuffer {
  checkFile(file, 'asyncBuffer')
  const place = (at: number) => (at < 0 ? Math.max(0, file.size + at) : at)
  return {
    get byteLength() {
      return file.size
    },
    slice: async (start, end = file.size) => (await bytesOf(file, place(start), place(end))).buffer,
  }
}
