/**
 * What the readers of traces ask of node:fs and node:fs/promises, in a worker of a browser: the files that its user chose, by
 * name, and files that are written for a while, in memory. Reading is synchronous, by FileReaderSync, as it is in Node.
 */
import { Buffer } from 'buffer'

interface Open {
  blob: Blob
  readonly path: string
  window: Uint8Array
  windowAt: number
}

/** Of workers, and not of the types of pages. */
declare const FileReaderSync: new () => { readAsArrayBuffer(blob: Blob): ArrayBuffer }

/** Small reads are served from a piece of the file. */
const WINDOW_BYTES = 1 << 18
const FIRST = 3

const chosen = new Map<string, Blob>()
/** What was written to files since they were looked at last. */
const fresh = new Map<string, Uint8Array<ArrayBuffer>[]>()
const opened = new Map<number, Open>()
let next = FIRST

/** Gives a file a name, by which it is opened. */
export function choose(path: string, blob: Blob): void {
  chosen.set(path, blob)
}

export function openSync(path: string, flags = 'r'): number {
  const isWritten = flags === 'w'
  const blob = isWritten ? new Blob([]) : blobOf(path)
  if (blob === undefined) throw noEntry(path)
  opened.set(next, {
    blob,
    path,
    window: new Uint8Array(0),
    windowAt: 0,
  })
  return next++
}

export function writeSync(file: number, bytes: Uint8Array): void {
  const { path } = opened.get(file)!
  const pieces = fresh.get(path) ?? []
  pieces.push(new Uint8Array(bytes))
  fresh.set(path, pieces)
}

function blobOf(path: string): Blob | undefined {
  const pieces = fresh.get(path)
  if (pieces !== undefined) {
    fresh.delete(path)
    chosen.set(path, new Blob([chosen.get(path) ?? new Blob([]), ...pieces]))
  }
  return chosen.get(path)
}

export function closeSync(file: number): void {
  opened.delete(file)
}

export function fstatSync(file: number): { readonly size: number } {
  return opened.get(file)!.blob
}

export function readSync(
  file: number,
  into: Uint8Array,
  offset = 0,
  length = into.length - offset,
  at = 0,
): number {
  const found = opened.get(file)!
  const wanted = Math.min(length, Math.max(0, found.blob.size - at))
  const inWindow = at >= found.windowAt && at + wanted <= found.windowAt + found.window.length
  if (!inWindow) {
    const end = at + Math.max(wanted, WINDOW_BYTES)
    found.window = new Uint8Array(new FileReaderSync().readAsArrayBuffer(found.blob.slice(at, end)))
    found.windowAt = at
  }
  const from = at - found.windowAt
  into.set(found.window.subarray(from, from + wanted), offset)
  return wanted
}

export function statSync(path: string) {
  const blob = blobOf(path)
  if (blob === undefined) throw noEntry(path)
  return { size: blob.size, isDirectory: () => false, isFIFO: () => false }
}

export function mkdtempSync(prefix: string): string {
  return `${prefix}${next++}`
}

export function rmSync(folder: string): void {
  for (const files of [chosen, fresh])
    for (const path of files.keys()) if (path.startsWith(folder)) files.delete(path)
}

/** Of node:fs/promises. */
export async function open(path: string) {
  const blob = blobOf(path)
  if (blob === undefined) throw noEntry(path)
  let at = 0
  return {
    async read(into: Uint8Array, offset: number, length: number) {
      const piece = new Uint8Array(await blob.slice(at, at + length).arrayBuffer())
      into.set(piece, offset)
      at += piece.length
      return { bytesRead: piece.length }
    },
    async close() {},
  }
}

/** Of the kernel's own files there are none. */
export function readFileSync(path: string): never {
  throw noEntry(path)
}

function noEntry(path: string): Error {
  return Object.assign(new Error(`there is no file ${path}`), { code: 'ENOENT' })
}

globalThis.Buffer = Buffer as unknown as typeof globalThis.Buffer
