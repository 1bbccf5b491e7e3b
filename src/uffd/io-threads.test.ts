/** Reads of what the host has in its cache: made at once, without a thread, and ended in a turn of the pager. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { Linux } from '../linux/index.ts'
import { unavailable } from './hardware.suite.ts'
import { IoThreads } from './io-threads.ts'
import type { MemoryFiles } from './store.ts'

const PAGE = 4096
const directory = fs.mkdtempSync(join(tmpdir(), 'faultline-io-'))
after(() => fs.rmSync(directory, { recursive: true }))

/** Without a thread: what is not read at once stays queued. */
function threadless() {
  const threads = new IoThreads(new Linux(), {} as MemoryFiles, undefined, [])
  const ended: (readonly [string | undefined, number])[] = []
  const read = (fd: number, buffers: readonly Uint8Array[], position: number) =>
    threads.read(fd, buffers, position, (failure, count) => ended.push([failure?.code, count]))
  const turn = () => {
    threads.start()
    threads.collect()
  }
  return { threads, read, turn, ended }
}

/** A file whose pages the host has, page i full of the byte i. */
function warm(pages: number, flags = 0) {
  const path = join(directory, `warm-${pages}-${flags}`)
  for (let page = 0; page < pages; page++) fs.appendFileSync(path, Buffer.alloc(PAGE, page))
  fs.readFileSync(path)
  return fs.openSync(path, fs.constants.O_RDONLY | flags)
}

describe('a read by the pager itself', { skip: unavailable }, () => {
  test('brings what the host has, and ends in a turn, never inside the call that began it (CR1)', () => {
    const { threads, read, turn, ended } = threadless()
    const fd = warm(8)
    const [one, other] = [new Uint8Array(PAGE), new Uint8Array(2 * PAGE)]
    read(fd, [one, other], 3 * PAGE)
    assert.deepEqual([ended.length, threads.hasReadHere], [0, false])
    threads.start()
    assert.deepEqual([ended.length, threads.hasReadHere], [0, true])
    threads.collect()
    assert.deepEqual(ended, [[undefined, 3 * PAGE]])
    assert.deepEqual([one[0], one[PAGE - 1], other[0], other[2 * PAGE - 1]], [3, 3, 4, 5])
    turn()
    assert.equal(ended.length, 1, 'once')
    fs.closeSync(fd)
  })

  test('leaves to a thread what is long, goes past the cache, ends early, or fails', () => {
    const { threads, read, turn, ended } = threadless()
    const [cached, direct] = [warm(64), warm(4, fs.constants.O_DIRECT)]
    read(cached, [new Uint8Array(17 * PAGE)], 0)
    read(direct, [new Uint8Array(PAGE)], 0)
    read(cached, [new Uint8Array(PAGE)], 64 * PAGE - 1)
    read(987_654, [new Uint8Array(PAGE)], 0)
    turn()
    assert.deepEqual([ended.length, threads.hasReadHere], [0, false])
    for (const fd of [cached, direct]) fs.closeSync(fd)
  })
})
