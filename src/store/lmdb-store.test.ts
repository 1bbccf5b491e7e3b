/** The store on disk: the contract of every store, and a bit flipped anywhere in its file. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { errno, Prng } from '../base/index.ts'
import { Scheduler, TimedDriver } from '../sched/index.ts'
import { type Change, MIX53, Unreadable } from '../volume/index.ts'
import { type StoreUnderTest, storeSuite } from '../volume/store.suite.ts'
import { BadPage, FileStore, LmdbStore, STORE_FILE } from './index.ts'
import { LmdbFile } from './lmdb-file.ts'

const root = fs.mkdtempSync(join(tmpdir(), 'faultline-store-'))
after(() => fs.rmSync(root, { recursive: true }))
let stores = 0

async function opened(directory: string): Promise<StoreUnderTest & { readonly store: LmdbStore }> {
  const scheduler = new Scheduler(new TimedDriver())
  let ended: () => void = () => {}
  const store = await LmdbStore.open(directory, scheduler, () => ended())
  return {
    store,
    settle: ticket =>
      new Promise(resolve => {
        ended = resolve
        if (ticket.complete) resolve()
      }),
    reopen: async () => {
      await store.close()
      return opened(directory)
    },
    close: () => store.close(),
  }
}

const fresh = () => join(root, `${++stores}`)

storeSuite('lmdb', () => opened(fresh()))

/** A store of some pages, as bytes, and what it holds. */
async function filled(): Promise<{ readonly image: Buffer; readonly held: ReadonlyMap<string, string> }> {
  const directory = fresh()
  const at = await opened(directory)
  const held = new Map<string, string>()
  const prng = new Prng(5)
  for (let commit = 0; commit < 12; commit++) {
    const changes: Change[] = []
    for (let n = 0; n < 400; n++) {
      const key = `k${prng.below(9000).toString().padStart(5, '0')}`
      const value = Buffer.from(`${commit} ${key} ${'x'.repeat(prng.below(60))}`)
      if (changes.some(change => change.key === key)) continue
      changes.push({ key, value: n % 5 === 4 ? null : value })
      if (n % 5 === 4) held.delete(key)
      else held.set(key, value.toString('hex'))
    }
    await at.settle(at.store.commit(changes))
  }
  await at.close()
  return { image: fs.readFileSync(join(directory, STORE_FILE)), held }
}

describe('a store in lmdb', () => {
  test('is read the same without lmdb, and its tree has no flaw', async () => {
    const { image, held } = await filled()
    const path = join(root, 'same')
    fs.writeFileSync(path, image)
    const store = FileStore.open(path)
    assert.deepEqual(store.flaws(), [])
    assert.deepEqual(
      [...store.range('', '~')].map(({ key, value }) => [key, Buffer.from(value).toString('hex')]),
      [...held].sort(([a], [b]) => (a < b ? -1 : 1)),
    )
    await store.close()
  })

  test('never answers otherwise than with what was put, whichever bit is flipped: it says where (PS1, ST4)', async () => {
    const { image, held } = await filled()
    const path = join(root, 'flipped')
    const prng = new Prng(11)
    const keys = [...held.keys()]
    const tree = treePages(image)
    const records = recordPages(image)
    let told = 0
    for (let round = 0; round < 300; round++) {
      const bytes = Buffer.from(image)
      // The headers and the tree are a small part of the file: half of the flips go there.
      const page = round % 2 === 0 ? prng.below(image.length / 4096) : tree[prng.below(tree.length)]!
      const offset = page * 4096 + prng.below(4096)
      bytes[offset]! ^= 1 << prng.below(8)
      fs.writeFileSync(path, bytes)
      let store: FileStore
      try {
        store = FileStore.open(path)
      } catch (error) {
        assert.ok(error instanceof BadPage, `offset ${offset}: ${error}`)
        assert.ok(error.offset < 8192)
        told++
        continue
      }
      try {
        for (let n = 0; n < 60; n++) {
          const key = keys[prng.below(keys.length)]!
          const value = store.get(key)
          assert.equal(
            value === undefined ? undefined : Buffer.from(value).toString('hex'),
            held.get(key),
            `offset ${offset}`,
          )
        }
        for (const flaw of store.flaws()) throw new Unreadable(flaw, { start: '', end: '' })
        const all = [...store.range('', '~')]
        assert.equal(all.length, held.size, `offset ${offset}`)
        for (const { key, value } of all)
          assert.equal(Buffer.from(value).toString('hex'), held.get(key), `offset ${offset}`)
        assert.ok(
          !records.has(page) || offset % 4096 < 24,
          `offset ${offset} holds records, and nothing was told`,
        )
        // What the tree no longer leads to was found elsewhere.
        if (store.flaws().length > 0) told++
      } catch (error) {
        assert.ok(error instanceof Unreadable, `offset ${offset}: ${error}`)
        const named = Number(/offset (\d+)/.exec(error.message)?.[1])
        assert.ok(Number.isInteger(named), error.message)
        told++
      } finally {
        await store.close()
      }
    }
    assert.ok(told > 12, `${told} of 300 flips were told; the others hit what holds nothing`)
  })
})

describe('a store of layout 0, as it was written first', () => {
  test('is read as it is, and written anew when it is opened to be written', async () => {
    const directory = fresh()
    const held = await oldStore(directory)
    const path = join(directory, STORE_FILE)
    const read = FileStore.open(path)
    assert.deepEqual(read.flaws(), [])
    assert.deepEqual(words(read.range('', '~')), held)
    await read.close()
    const at = await opened(directory)
    assert.deepEqual(words(at.store.range('', '~')), held)
    await at.settle(at.store.commit([{ key: 'k00007', value: null }]))
    await at.close()
    const again = FileStore.open(path)
    assert.deepEqual(again.flaws(), [])
    assert.deepEqual(
      words(again.range('', '~')),
      held.filter(([key]) => key !== 'k00007'),
    )
    await again.close()
  })

  test('with a lost page is read but for what was in it', async () => {
    const directory = fresh()
    const held = await oldStore(directory)
    const path = join(directory, STORE_FILE)
    const image = fs.readFileSync(path)
    const [lost] = recordPages(image)
    image.fill(0, lost! * 4096, (lost! + 1) * 4096)
    fs.writeFileSync(path, image)
    const store = FileStore.open(path)
    assert.throws(() => words(store.range('', '~')), Unreadable)
    assert.deepEqual(
      words(store.range('k00500', '~')),
      held.filter(([key]) => key! >= 'k00500'),
    )
    await store.close()
  })
})

function words(entries: Iterable<{ readonly key: string; readonly value: Uint8Array }>): string[][] {
  return [...entries].map(({ key, value }) => [key, Buffer.from(value).toString()])
}

/** Keys k00000 to k00999, a hundred of them in a page. */
async function oldStore(directory: string): Promise<string[][]> {
  const { open } = await import('lmdb')
  const database = open<Buffer, Buffer>({
    path: directory,
    noSubdir: false,
    encoding: 'binary',
    keyEncoding: 'binary',
    pageSize: 4096,
    maxDbs: 1,
    overlappingSync: false,
  })
  const held = Array.from({ length: 1000 }, (_, n) => [`k${String(n).padStart(5, '0')}`, `value ${n}`])
  await database.batch(() => {
    for (let first = 0; first < 1000; first += 100) {
      const low = first === 0 ? '' : held[first]![0]!
      const high = first === 900 ? '~' : held[first + 100]![0]!
      void database.put(Buffer.from(high), oldPage(low, high, held.slice(first, first + 100)))
    }
  })
  await database.close()
  return held
}

/** docs/volume-format.md, layout 0: the fences begin at 16. */
function oldPage(low: string, high: string, records: readonly string[][]): Buffer {
  const bytes = Buffer.alloc(4072)
  bytes.writeUInt16LE(records.length, 8)
  bytes.writeUInt16LE(low.length, 10)
  bytes.writeUInt16LE(high.length, 12)
  let at = 16 + bytes.write(low + high, 16)
  for (const [key, value] of records) {
    bytes.writeUInt16LE(key!.length, at)
    bytes.writeUInt16LE(value!.length, at + 2)
    at += 4 + bytes.write(key! + value!, at + 4)
  }
  const sum = MIX53.of(bytes.subarray(8))
  bytes.writeUInt32LE(sum >>> 0, 0)
  bytes.writeUInt32LE(Math.floor(sum / 2 ** 32), 4)
  return bytes
}

/** The headers and the pages of the trees. */
function treePages(image: Buffer): number[] {
  const found = [0, 1]
  for (let page = 2; page < image.length / 4096; page++) {
    const flags = image.readUInt16LE(page * 4096 + 18)
    if (flags === 1 || flags === 2) found.push(page)
  }
  return found
}

/** The pages of records that the tree leads to. */
function recordPages(image: Buffer): Set<number> {
  const path = join(root, 'sound')
  fs.writeFileSync(path, image)
  const fd = fs.openSync(path, 'r')
  const file = new LmdbFile(fd)
  const found = new Set<number>()
  for (let next = file.above(''); next !== undefined && 'high' in next; next = file.above(next.high))
    found.add(next.offset / 4096)
  fs.closeSync(fd)
  return found
}

test('a rule of ours that breaks in a commit fails the commit, and is told in its own words', () => {
  const program = `
    import { broken } from '${new URL('../base/index.ts', import.meta.url)}'
    import { Scheduler, TimedDriver } from '${new URL('../sched/index.ts', import.meta.url)}'
    import { LmdbStore } from '${new URL('./index.ts', import.meta.url)}'
    const told = []
    process.on('uncaughtException', error => told.push(error.message))
    const scheduler = new Scheduler(new TimedDriver())
    const store = await LmdbStore.open(${JSON.stringify(fresh())}, scheduler, async () => {
      await new Promise(setImmediate)
      console.log(JSON.stringify({ code: ticket.errno, told }))
      await store.close()
    })
    store.roomFor = () => broken('XX1: of a test')
    const ticket = store.commit([{ key: 'a', value: new Uint8Array([1]) }])
  `
  const { stdout, stderr } = spawnSync(
    process.execPath,
    ['--conditions=faultline-source', '--input-type=module', '-e', program],
    {
      encoding: 'utf8',
    },
  )
  assert.equal(stderr, '')
  const { code, told } = JSON.parse(stdout)
  assert.equal(code, errno.ENOTRECOVERABLE)
  assert.match(told.join(), /^faultline broke its own rule: XX1: of a test/)
})
