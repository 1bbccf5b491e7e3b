/** Programs that end without closing: their stores are in the file, what Node does at an end is done, and nobody hangs. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { describe, test } from 'node:test'
import { numbered, PAGE } from '../map/world.suite.ts'
import { unavailable } from './hardware.suite.ts'
import { start } from './index.ts'
import { play } from './play.suite.ts'

const SCENES = new URL('./ending-scenes.suite.ts', import.meta.url)

interface Case {
  readonly who: string
  readonly end: string
  readonly status: number
  readonly says: RegExp
  /** On stderr. */
  readonly tells?: RegExp
}

const LISTENERS = (status: number) => new RegExp(`^exit ${status}\nthe last listener\n$`)

const CASES: readonly Case[] = [
  { who: 'main', end: 'returns', status: 0, says: LISTENERS(0) },
  { who: 'main', end: 'exits', status: 7, says: LISTENERS(7) },
  { who: 'main', end: 'throws', status: 1, says: LISTENERS(1), tells: /Error: boom\n +at /u },
  { who: 'main', end: 'rejects', status: 1, says: LISTENERS(1), tells: /Error: boom\n +at / },
  { who: 'main', end: 'exits in a listener', status: 7, says: LISTENERS(7) },
  { who: 'main', end: 'exits in a section', status: 7, says: LISTENERS(7) },
  { who: 'main', end: 'stores in a listener', status: 7, says: LISTENERS(7) },
  { who: 'main', end: 'stores in a listener that nobody knew of', status: 7, says: LISTENERS(7) },
  { who: 'main', end: 'throws in a listener', status: 1, says: LISTENERS(0), tells: /Error: boom\n +at / },
  { who: 'main beside a reader', end: 'stores in a listener', status: 7, says: LISTENERS(7) },
  {
    who: 'main beside a reader',
    end: 'throws in a listener',
    status: 1,
    says: LISTENERS(0),
    tells: /Error: boom\n +at /,
  },
  { who: 'a worker', end: 'stores in a listener', status: 0, says: /^worker ended with 7\n/ },
  { who: 'main with a volume', end: 'returns', status: 0, says: LISTENERS(0) },
  { who: 'main with a volume', end: 'exits', status: 7, says: LISTENERS(7) },
  { who: 'main beside a reader', end: 'returns', status: 0, says: LISTENERS(0) },
  { who: 'main beside a reader', end: 'exits', status: 7, says: LISTENERS(7) },
  {
    who: 'main beside a reader',
    end: 'throws',
    status: 1,
    says: LISTENERS(1),
    tells: /Error: boom\n +at .*\n\nNode\.js v/s,
  },
  {
    who: 'main beside a reader',
    end: 'rejects',
    status: 1,
    says: LISTENERS(1),
    tells: /Error: boom\n +at .*\n\nNode\.js v/s,
  },
  {
    who: 'main beside a reader',
    end: 'handles what is thrown',
    status: 7,
    says: /^handled boom\nexit 7\nthe last listener\n$/,
  },
  {
    who: 'main that has lost a worker',
    end: 'returns',
    status: 0,
    says: /^lost ENXIO\nexit 0\nthe last listener\n$/,
  },
  {
    who: 'main that goes on without a worker',
    end: 'exits',
    status: 7,
    says: /^call EFAULT\nmain reads 66\nexit 7\nthe last listener\n$/,
  },
  { who: 'a worker', end: 'returns', status: 0, says: /^worker ended with 0\n/ },
  { who: 'a worker', end: 'exits', status: 0, says: /^worker ended with 7\n/ },
  { who: 'a worker', end: 'throws', status: 0, says: /^worker failed with boom\nworker ended with 1\n/ },
]

/** The scene's stores to its volume are there, and nothing is wrong with it. */
async function volumeIsWhole(path: string): Promise<void> {
  await using machine = await start({ memory: 64 * PAGE })
  const volume = await machine.openVolume(path)
  assert.deepEqual((await volume.check()).wrong, [])
  const file = await volume.open('/a')
  const bytes = new Uint8Array(4 * PAGE)
  assert.equal(await file.read(bytes, 0), 3 * PAGE)
  assert.deepEqual([bytes[0], bytes[PAGE], bytes[3 * PAGE - 1]], [9, 55, 9])
}

describe('a program that ends without closing', {
  skip: unavailable,
  timeout: 600_000,
  concurrency: 3,
}, () => {
  for (const { who, end, status, says, tells } of CASES)
    test(`EN1, EN2: ${who} ${end}`, async t => {
      const path = numbered(t, 64)
      const before = fs.readFileSync(path)
      const ended = await play(t, SCENES, [who, end, path])
      assert.deepEqual([ended.status, ended.signal], [status, null], ended.err + ended.out)
      assert.match(ended.out, says)
      if (tells === undefined) assert.equal(ended.err, '')
      else assert.match(ended.err, tells)
      before.writeUInt32LE(0x11223344, 8)
      before[PAGE + 1] = 77
      // One of them cuts the file and makes it longer again.
      const after = fs.readFileSync(path).subarray(0, 8 * PAGE)
      assert.ok(
        before.subarray(0, after.length).equals(after),
        'its stores are in the file, and nothing else',
      )
      if (who === 'main with a volume') await volumeIsWhole(`${path}.volume`)
    })
})
