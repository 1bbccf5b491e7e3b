/** Host files: the contract of a device, and what only files of a host can do. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { errno } from '../base/index.ts'
import { deviceSuite } from '../device/device.suite.ts'
import type { Request } from '../device/index.ts'
import { type HostCalls, HostFile, type HostFileOptions, memoryBuffer, NODE_CALLS } from './index.ts'

const PAGE = 4096
const directory = fs.mkdtempSync(join(tmpdir(), 'faultline-host-'))
after(() => fs.rmSync(directory, { recursive: true }))
let files = 0

function fresh(content: Uint8Array = new Uint8Array(0)): string {
  const path = join(directory, `file ${++files}`)
  fs.writeFileSync(path, content)
  return path
}

/** A file whose requests can be waited for. */
function opened(path: string, options: Partial<HostFileOptions> = {}) {
  let running = 0
  let settled: () => void = () => {}
  const pump = () => {
    if (--running === 0) settled()
  }
  const file = HostFile.open(path, { mode: 'r+', direct: false, pump, ...options })
  after(() => file.close())
  const start = file.start.bind(file)
  file.start = (request: Request) => {
    running++
    start(request)
  }
  const settle = () =>
    new Promise<void>(resolve => {
      settled = resolve
      if (running === 0) resolve()
    })
  const perform = async (operation: Request['operation'], position: number, ...buffers: Uint8Array[]) => {
    let error: number | undefined
    file.onEnd = (_request, result) => {
      error = result
    }
    const length = buffers.reduce((sum, buffer) => sum + buffer.length, 0)
    file.start({ operation, position, length, buffers })
    await settle()
    return error
  }
  return { file, settle, perform }
}

for (const direct of [false, true])
  deviceSuite(direct ? 'a host file with O_DIRECT' : 'a host file', () => {
    const { file, settle } = opened(fresh(), { direct })
    return { device: file, settle }
  })

describe('a host file', () => {
  test('that somebody made shorter ends a read with ESTALE instead of zeros', async () => {
    const path = fresh(new Uint8Array(4 * PAGE).fill(7))
    const { perform } = opened(path)
    fs.truncateSync(path, PAGE + 10)
    const page = new Uint8Array(PAGE)
    assert.equal(await perform('read', PAGE, page), errno.ESTALE)
    assert.equal(await perform('read', 3 * PAGE, page), errno.ESTALE)
    assert.equal(await perform('read', 0, page), errno.OK)
    assert.equal(page[PAGE - 1], 7)
  })

  test('is written down while it is being written, and what that says is told by the next flush (HF2, HF3)', async () => {
    const flushes: ((failure: NodeJS.ErrnoException | null) => void)[] = []
    const calls: HostCalls = { ...NODE_CALLS, flush: (_, ended) => void flushes.push(ended) }
    const { file, perform } = opened(fresh(), { flushEvery: 2 * PAGE, calls })
    const page = new Uint8Array(PAGE)
    await perform('write', 0, page)
    assert.equal(flushes.length, 0)
    await perform('write', PAGE, page)
    await perform('write', 2 * PAGE, page, page)
    assert.equal(flushes.length, 1)
    const failed = perform('flush', 0)
    flushes[0]!(Object.assign(new Error('no space'), { errno: -errno.ENOSPC, code: 'ENOSPC' }))
    flushes[1]!(null)
    assert.equal(await failed, errno.ENOSPC)
    await perform('write', 0, page, page)
    assert.equal(flushes.length, 3)
    let isClosed = false
    const closed = file.close().then(() => {
      isClosed = true
    })
    await new Promise(resolve => setImmediate(resolve))
    assert.equal(isClosed, false)
    flushes[2]!(null)
    await closed
  })

  test('is one file under two names, and says whether it has holes', () => {
    const path = fresh(new Uint8Array(PAGE).fill(1))
    const link = `${path} too`
    fs.linkSync(path, link)
    const { file } = opened(path)
    assert.equal(file.inode, opened(link).file.inode)
    assert.equal(file.sparse, false)
    fs.truncateSync(link, 100 * PAGE)
    assert.equal(opened(link).file.sparse, true)
  })

  test('that was opened to be read refuses to be written, until it adopts an opening that may', async () => {
    const path = fresh(new Uint8Array(PAGE))
    const { file, perform } = opened(path, { mode: 'r' })
    assert.equal(file.readOnly, true)
    assert.equal(await perform('write', 0, new Uint8Array(8).fill(1)), errno.EBADF)
    file.adopt(HostFile.open(path, { mode: 'r+', direct: false, pump: () => {} }))
    assert.equal(file.readOnly, false)
    assert.equal(await perform('write', 0, new Uint8Array(8).fill(1)), errno.OK)
    assert.equal(fs.readFileSync(path)[7], 1)
  })

  test('takes aligned and other requests alike with O_DIRECT, into memory that is aligned or not', async () => {
    const path = fresh(new Uint8Array(16 * PAGE).fill(3))
    const { perform } = opened(path, { direct: true })
    const aligned = new Uint8Array(memoryBuffer(4 * PAGE))
    const other = new Uint8Array(4 * PAGE + 1).subarray(1)
    assert.equal(await perform('write', 0, aligned.subarray(0, PAGE).fill(9)), errno.OK)
    assert.equal(await perform('write', 2 * PAGE + 5, other.subarray(0, 10).fill(8)), errno.OK)
    for (const buffer of [aligned, other]) {
      assert.equal(await perform('read', 0, buffer.fill(0)), errno.OK)
      assert.deepEqual([buffer[0], buffer[PAGE], buffer[2 * PAGE + 5], buffer[2 * PAGE + 15]], [9, 3, 8, 3])
    }
  })

  test('trims what a failed write has left past its end', () => {
    const path = fresh(new Uint8Array(2 * PAGE))
    const { file } = opened(path)
    file.trim(3 * PAGE)
    assert.equal(fs.statSync(path).size, 2 * PAGE)
    file.trim(PAGE + 1)
    assert.equal(fs.statSync(path).size, PAGE + 1)
  })

  test('is nothing but a regular file', () => {
    const open = (path: string) => () => HostFile.open(path, { mode: 'r', direct: false, pump: () => {} })
    assert.throws(open(directory), { code: 'EISDIR' })
    assert.throws(open('/dev/null'), { code: 'EINVAL' })
    assert.throws(open(join(directory, 'none')), { code: 'ENOENT' })
  })
})

test('memory for frames is as long as it is asked for, and zero', () => {
  for (const bytes of [8 * PAGE, 65_536, 1_000_000]) {
    const buffer = memoryBuffer(bytes)
    assert.ok(buffer.byteLength >= bytes)
    assert.ok(new Uint8Array(buffer).every(byte => byte === 0))
  }
})
