/** A pipe is read like a file, and whoever waits for its writer can be told to stop. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createReadStream, createWriteStream, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { after, describe, it } from 'node:test'
import { readTrace } from './open.ts'

const fixture = join(import.meta.dirname, '../observe/fixtures/anonymous-6.18.txt.gz')

describe('a FIFO', { timeout: 60_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'faultline-pipe-'))
  after(() => rmSync(folder, { recursive: true }))
  const fifo = (name: string) => {
    const path = join(folder, name)
    execFileSync('mkfifo', [path])
    return path
  }

  it('gives the records of the file that is written to it', async () => {
    const path = fifo('written')
    const fromFile: unknown[] = []
    await readTrace(fixture, record => fromFile.push(structuredClone(record)))
    const fromPipe: unknown[] = []
    const read: number[] = []
    await Promise.all([
      readTrace(path, record => fromPipe.push(structuredClone(record)), {
        onProgress: bytes => read.push(bytes),
      }),
      pipeline(createReadStream(fixture), createWriteStream(path)),
    ])
    assert.ok(fromFile.length > 0)
    assert.deepEqual(fromPipe, fromFile)
    assert.equal(read.at(-1), statSync(fixture).size)
  })

  it('that nobody writes to is left when its reader is told to stop', async () => {
    const stop = new AbortController()
    const reading = readTrace(fifo('silent'), () => {}, { signal: stop.signal })
    stop.abort(new Error('enough'))
    await assert.rejects(reading, /enough/)
  })
})
