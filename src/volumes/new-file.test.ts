/** Bytes on their way to a file of the host: past its cache and through it, whatever memory they lie in and however a write ends. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { type FileHandle, open, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { memoryBuffer } from '../host/index.ts'
import { scratch } from '../map/world.suite.ts'
import { NewFile } from './new-file.ts'

const MIB = 2 ** 20

async function world(t: TestContext): Promise<{ file: FileHandle; written: NewFile; path: string }> {
  const path = join(scratch(t), 'file')
  const file = await open(path, 'wx')
  t.after(() => file.close())
  return { file, written: await NewFile.over(file, path), path }
}

/** Writes of this process wait until they are let go on; `fails` says which of them fail at once. */
function heldWrites(t: TestContext, file: FileHandle, fails: (nth: number) => boolean = () => false) {
  const held: (() => void)[] = []
  let nth = 0
  t.mock.method(
    Object.getPrototypeOf(file),
    'write',
    async (_bytes: Uint8Array, _at: number, length: number) => {
      if (fails(++nth)) throw Object.assign(new Error('the device failed'), { code: 'EIO' })
      await new Promise<void>(resolve => held.push(resolve))
      return { bytesWritten: length }
    },
  )
  return held
}

test('what is handed over lies in the file, of whatever length, wherever it goes and whatever memory it is in', async t => {
  const pattern = Uint8Array.from({ length: 8 * MIB }, (_, at) => (at * 7919) >>> 8)
  for (const memory of [memoryBuffer(8 * MIB), new ArrayBuffer(8 * MIB)]) {
    const { written, path } = await world(t)
    const bytes = new Uint8Array(memory)
    const parts = [
      [0, 3 * MIB],
      [3 * MIB, 3 * MIB + 5],
      [3 * MIB + 5, 5 * MIB],
      [5 * MIB + 4096, 6 * MIB + 4096],
      [6 * MIB + 4096, 8 * MIB - 77],
    ] as const
    for (const [start, end] of parts) {
      bytes.set(pattern.subarray(start, end), start)
      await written.write([{ bytes: bytes.subarray(start, end), position: start }])
    }
    await written.ended()
    assert.ok(fs.readFileSync(path).equals(bytes.subarray(0, 8 * MIB - 77)))
  }
})

test('NF2: a write settles when the one before it is written, and not sooner', async t => {
  const { file, written } = await world(t)
  const held = heldWrites(t, file)
  const bytes = new Uint8Array(memoryBuffer(2 * MIB))
  const news: string[] = []
  await written.write([{ bytes: bytes.subarray(0, MIB), position: 0 }])
  const second = written
    .write([{ bytes: bytes.subarray(MIB), position: MIB }])
    .then(() => news.push('the second has settled'))
  await setImmediate()
  news.push('the first is written')
  held.shift()!()
  await second
  assert.deepEqual(news, ['the first is written', 'the second has settled'])
  const ended = written.ended()
  held.shift()!()
  await ended
})

test('NF2: a part that holds nothing settles no sooner, either', async t => {
  const { file, written } = await world(t)
  const held = heldWrites(t, file)
  const news: string[] = []
  await written.write([{ bytes: new Uint8Array(memoryBuffer(MIB)), position: 0 }])
  const second = written.write([]).then(() => news.push('the hole has settled'))
  await setImmediate()
  news.push('the first is written')
  held.shift()!()
  await second
  assert.deepEqual(news, ['the first is written', 'the hole has settled'])
  await written.ended()
})

test('a host that writes nothing and says no error is one that fails', async t => {
  const { file, written } = await world(t)
  t.mock.method(Object.getPrototypeOf(file), 'write', async () => ({ bytesWritten: 0 }))
  await written.write([{ bytes: new Uint8Array(5), position: 0 }])
  await assert.rejects(written.ended(), { code: 'EIO', message: 'the host writes nothing' })
})

test('NF1: when one write fails, the end waits for the other', async t => {
  const { file, written, path } = await world(t)
  const held = heldWrites(t, file, nth => nth === 2)
  const bytes = new Uint8Array(memoryBuffer(2 * MIB))
  const news: string[] = []
  await written.write([{ bytes: bytes.subarray(0, MIB), position: 0 }])
  const second = written.write([{ bytes: bytes.subarray(MIB), position: MIB }])
  const ended = written.ended().catch((error: Error) => news.push(error.message))
  // An end that doesn't wait takes a few turns all the same.
  for (let turn = 0; turn < 20; turn++) await stat(path)
  news.push('the first is written')
  held.shift()!()
  await Promise.all([second, ended])
  assert.deepEqual(news, ['the first is written', 'the device failed'])
})
