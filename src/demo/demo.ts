/**
 * The main job: the same scene under each discipline, one after the other, on files of this computer.
 *
 * The files are made and removed unless one is named; a named file is stored to, one byte in each page, and each of
 * those bytes is given back at the end.
 */
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import type { Bytes } from '../base/index.ts'
import { FaultlineError } from '../calls/index.ts'
import { playScene, type SceneResult } from './scene.ts'

export interface DemoOptions {
  readonly disciplines: readonly string[]
  readonly seconds: number
  readonly rate: Bytes
  /** The file to store to; undefined: one that is made and removed. */
  readonly file: string | undefined
  readonly signal: AbortSignal
  readonly onScene: (discipline: string, at: number) => void
}

export interface DemoResult {
  readonly disciplines: readonly SceneResult[]
  readonly file: string
  readonly extent: Bytes
  readonly rate: Bytes
  readonly seconds: number
}

/** What is stored to: at the default rate its writeback takes two seconds. */
const EXTENT: Bytes = 8 * 2 ** 20
/** Less than this is written too fast to make anybody wait. */
const EXTENT_MIN: Bytes = 2 ** 20
const APP_BYTES: Bytes = 64 * 2 ** 20

export async function playDemo(options: DemoOptions): Promise<DemoResult> {
  const { disciplines, seconds, rate, signal, onScene } = options
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'faultline-demo-'))
  try {
    const appFile = makeFile(path.join(directory, 'app.bin'), APP_BYTES)
    const batchFile = options.file ?? makeFile(path.join(directory, 'batch.bin'), EXTENT)
    const extent = Math.min(EXTENT, Math.floor(fs.statSync(batchFile).size / 4096) * 4096)
    if (extent < EXTENT_MIN)
      throw new FaultlineError(
        'EINVAL',
        'demo',
        `${batchFile} has ${fs.statSync(batchFile).size} bytes; expected a regular file of ${EXTENT_MIN} at least`,
      )
    const kept = options.file === undefined ? undefined : readFirstBytes(batchFile, extent)
    const results: SceneResult[] = []
    try {
      for (const [at, discipline] of disciplines.entries()) {
        onScene(discipline, at)
        results.push(await playScene({ discipline, seconds, rate, batchFile, appFile, extent, signal }))
        signal.throwIfAborted()
      }
    } finally {
      if (kept !== undefined) restoreFirstBytes(batchFile, kept)
    }
    return { disciplines: results, file: batchFile, extent, rate, seconds }
  } finally {
    fs.rmSync(directory, { recursive: true, force: true })
  }
}

function makeFile(file: string, bytes: Bytes): string {
  const chunk = Buffer.alloc(2 ** 20, 0x5a)
  const fd = fs.openSync(file, 'w')
  for (let at = 0; at < bytes; at += chunk.length)
    fs.writeSync(fd, chunk, 0, Math.min(chunk.length, bytes - at), at)
  fs.fsyncSync(fd)
  fs.closeSync(fd)
  return file
}

function readFirstBytes(file: string, extent: Bytes): Buffer {
  const kept = Buffer.alloc(extent / 4096)
  const fd = fs.openSync(file, 'r')
  for (let page = 0; page < kept.length; page++) fs.readSync(fd, kept, page, 1, page * 4096)
  fs.closeSync(fd)
  return kept
}

function restoreFirstBytes(file: string, kept: Buffer): void {
  const fd = fs.openSync(file, 'r+')
  for (let page = 0; page < kept.length; page++) fs.writeSync(fd, kept, page, 1, page * 4096)
  fs.fsyncSync(fd)
  fs.closeSync(fd)
}
