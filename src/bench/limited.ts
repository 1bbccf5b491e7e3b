/** A child process that passes over files as it is told by messages; its parent limits its memory meanwhile. */
import fs from 'node:fs'
import type { Bytes } from '../base/index.ts'
import { sink } from './measure.ts'
import { Native } from './native.ts'
import { loadLines, storePages } from './passes.ts'

export interface Pass {
  readonly way: 'mmap' | 'readSync' | 'store'
  readonly path: string
  readonly length: Bytes
  /** Of a read call; of a page that is stored to. */
  readonly piece: Bytes
}

const native = new Native()

/** Passes over the file, which is cold. Returns the milliseconds that it took. */
function pass({ way, path, length, piece }: Pass): number {
  native.dropCache(path)
  const start = performance.now()
  if (way === 'readSync') readPieces(path, length, piece)
  else {
    const stores = way === 'store'
    const map = native.map(path, length, { advice: 'sequential', ...(stores ? { stores } : {}) })
    if (stores) {
      storePages(map.bytes, piece, start & 255)
      map.sync()
    } else sink.value += loadLines(map.bytes)
    map.unmap()
  }
  return performance.now() - start
}

function readPieces(path: string, length: Bytes, piece: Bytes): void {
  const fd = fs.openSync(path, 'r')
  const buffer = new Uint8Array(piece)
  for (let position = 0; position < length; position += piece) {
    fs.readSync(fd, buffer, 0, piece, position)
    sink.value += loadLines(buffer)
  }
  fs.closeSync(fd)
}

process.on('message', (message: Pass) => process.send!(pass(message)))
