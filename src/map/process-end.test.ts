/** What a process leaves that ends without closing its machines. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import fs from 'node:fs'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { Machine } from './index.ts'
import { PAGE, scratch } from './world.suite.ts'

interface Ended {
  readonly status: number
  readonly out: string
  readonly bytes: Buffer
  readonly directory: string
}

/** A program that doesn't end by itself is killed, and its status is NaN. */
async function play(t: TestContext, end: string): Promise<Ended> {
  const directory = scratch(t)
  fs.writeFileSync(join(directory, 'file'), Buffer.alloc(64 * PAGE))
  const program = join(import.meta.dirname, 'process-end.suite.ts')
  const words = ['--conditions=faultline-source', '--disable-warning=ExperimentalWarning', program]
  const [status, out] = await new Promise<[number, string]>(ended => {
    const options = { timeout: 25_000, killSignal: 'SIGKILL' } as const
    execFile(process.execPath, [...words, end, directory], options, (error, stdout, stderr) =>
      ended([error === null ? 0 : Number(error.code ?? Number.NaN), stdout + stderr]),
    )
  })
  return { status, out, bytes: fs.readFileSync(join(directory, 'file')), directory }
}

const ENDS: Readonly<Record<string, { readonly status: number; readonly says?: RegExp }>> = {
  returns: { status: 0 },
  'exits with 7': { status: 7 },
  throws: { status: 1, says: /boom/ },
  rejects: { status: 1, says: /boom/ },
  'exits in a section': { status: 0 },
  'exits, and stores in a listener': { status: 0 },
  'exits beside calls': { status: 0 },
  'returns with a volume': { status: 0 },
  'exits with a volume': { status: 0 },
  'throws with a volume': { status: 1, says: /boom/ },
  'exits as a commit begins, with a volume': { status: 0 },
  'exits while LMDB commits, with a volume': { status: 0 },
  'exits beside a busy volume': { status: 0 },
}

describe('a program that never closes', { concurrency: 3 }, () => {
  for (const [end, { status, says }] of Object.entries(ENDS))
    test(`and ${end} leaves its stores in the file, and ends at once`, async t => {
      const ended = await play(t, end)
      assert.equal(ended.status, status, ended.out)
      assert.match(ended.out, says ?? /^$/)
      assert.deepEqual(
        [ended.bytes.readUInt32LE(8), ended.bytes.readUInt32LE(63 * PAGE + 8)],
        [0x11223344, 0x55667788],
      )
      assert.equal(ended.bytes.subarray(64 * PAGE).toString(), 'longer')
      if (!end.endsWith('volume')) return
      const machine = await Machine.start({ memory: 64 * PAGE })
      t.after(() => machine.close())
      const volume = await machine.openVolume(join(ended.directory, 'volume'), { mode: 'r+' })
      const file = await volume.open('/stored')
      const page = Buffer.alloc(PAGE)
      await file.read(page, 0)
      assert.deepEqual([page.readUInt32LE(8), page.readUInt32LE(12)], [0x11223344, 0x55667788])
      if (end.includes('LMDB')) await volume.stat('/later')
      if (end.includes('busy')) await volume.stat('/busy 59')
      assert.deepEqual((await volume.check()).wrong, [])
    })

  test('and exits beside a truncation leaves nothing past the new end', async t => {
    const { status, out, bytes } = await play(t, 'exits beside a truncation')
    assert.deepEqual([status, out, bytes.length], [0, '', PAGE + 1])
    assert.equal(bytes.readUInt32LE(8), 0x11223344)
  })

  test('and exits where its file can’t be written says so, and doesn’t end well', async t => {
    const { status, out } = await play(t, 'exits where the file can’t be written')
    assert.equal(status, 1)
    assert.match(
      out,
      /^faultline: .*\/file: the process ended without closing it, .* could not be written: EIO\n$/,
    )
  })
})
