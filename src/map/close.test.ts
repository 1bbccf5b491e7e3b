/** Closing beside calls under way: they end well or with one error of ours, and nobody uses what was given back. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, type TestContext, test } from 'node:test'
import { FaultlineError } from '../calls/index.ts'
import type { File } from '../files/index.ts'
import type { Volume } from '../volumes/index.ts'
import { Machine, type Mapping, type Space } from './index.ts'
import { HostCalls, type Kind, numbered, PAGE, refuses, scratch } from './world.suite.ts'

const SIZE = 2 ** 19

interface World {
  readonly machine: Machine
  readonly volume: Volume
  readonly directory: string
  /** Of the volume. */
  readonly file: File
  readonly hostFile: File
  readonly space: Space
  readonly map: Mapping
}

async function world(t: TestContext): Promise<World> {
  const directory = scratch(t)
  fs.cpSync(template, directory, { recursive: true, verbatimSymlinks: true })
  const machine = await Machine.start({ memory: 1024 * PAGE })
  t.after(() => machine.close().catch(() => {}))
  const volume = await machine.openVolume(join(directory, 'volume'), { mode: 'r+' })
  const file = await volume.open('/g', { mode: 'r+' })
  const hostFile = await machine.open(numbered(t, 64), { mode: 'r+' })
  const space = machine.space({ name: 'a' })
  const map = await space.map(hostFile, { prot: 'rw', advice: 'random' })
  return { machine, volume, directory, file, hostFile, space, map }
}

const template = fs.mkdtempSync(join(tmpdir(), 'faultline-close-'))
before(async () => {
  fs.writeFileSync(join(template, 'source'), Buffer.alloc(SIZE, 5))
  const machine = await Machine.start({ memory: 256 * PAGE })
  const volume = await machine.createVolume(join(template, 'volume'), { size: '4 MiB' })
  await volume.put(join(template, 'source'), '/g')
  await volume.put(join(template, 'source'), '/same')
  await machine.close()
})
after(() => fs.rmSync(template, { recursive: true }))

/** A stream that goes on for as long as somebody listens, and waits for nobody. */
async function* endless(): AsyncGenerator<Uint8Array> {
  for (;;) {
    yield Buffer.alloc(3 * PAGE, 7)
    await new Promise(resolve => setImmediate(resolve))
  }
}

/** A stream that has nothing more to give, and doesn't say so. */
async function* stuck(): AsyncGenerator<Uint8Array> {
  yield Buffer.alloc(3 * PAGE, 7)
  await new Promise<void>(() => {})
}

type Calls = Readonly<Record<string, (world: World) => unknown>>

const OF_VOLUME: Calls = {
  open: async ({ volume }) => volume.open('/same'),
  'open and close': async ({ volume }) => (await volume.open('/same')).close(),
  clone: ({ volume }) => volume.clone('/g', '/c'),
  cloneRange: async ({ volume, file }) =>
    volume.cloneRange({ source: file, target: file, from: 0, to: SIZE, length: SIZE / 2 }),
  dedupe: async ({ volume, file }) => {
    const source = await volume.open('/same')
    return volume.dedupe({ source, target: file })
  },
  fallocate: ({ volume, file }) => volume.fallocate(file, SIZE, SIZE),
  collapse: ({ volume, file }) => volume.collapse(file, 0, PAGE),
  insert: ({ volume, file }) => volume.insert(file, 0, PAGE),
  snapshot: async ({ volume, file }) => {
    await file.write(new Uint8Array(9 * PAGE), 5)
    await volume.snapshot('/', '/s')
  },
  put: ({ volume, directory }) => volume.put(join(directory, 'source'), '/p'),
  'put of a stream without end': ({ volume }) => volume.put(endless(), '/p'),
  'put of a stream that is stuck': ({ volume }) => volume.put(stuck(), '/p'),
  get: async ({ volume }) => {
    for await (const _ of volume.get('/g')) await new Promise(resolve => setTimeout(resolve, 5))
  },
  getFile: ({ volume, directory }) => volume.getFile('/g', join(directory, 'out')),
  sync: ({ volume }) => volume.sync(),
  check: ({ volume }) => volume.check(),
  'read of a file': ({ file }) => file.read(new Uint8Array(SIZE), 0),
  'write of a file': ({ file }) => file.write(new Uint8Array(SIZE / 2).fill(9), 100),
  'truncation of a file': async ({ file }) => {
    await file.write(new Uint8Array(SIZE / 2).fill(9), 100)
    await file.truncate(PAGE + 1)
  },
  'punch of a file': ({ file }) => file.punch(100, SIZE / 2),
  'sync of a file': async ({ file }) => {
    await file.write(new Uint8Array(SIZE / 2).fill(9), 100)
    await file.sync()
  },
}

const OF_MACHINE: Calls = {
  ...OF_VOLUME,
  run: ({ map }) =>
    map.run(view => {
      for (let page = 0; page < 64; page++) view.setU8(page * PAGE, page)
    }),
  prefetch: ({ map }) => map.prefetch([{ offset: 0, length: 64 * PAGE }]),
  populate: ({ map }) => map.populate(),
  lock: ({ map }) => map.lock(),
  'sync of a mapping': async ({ map }) => {
    await map.run(view => view.setU8(0, 1))
    await map.sync()
  },
  protect: ({ map }) => map.protect('r'),
  unmap: ({ map }) => map.unmap(),
  map: ({ space, hostFile }) => space.map(hostFile),
  mapAnonymous: ({ space }) => space.mapAnonymous({ length: PAGE, share: 'shared' }),
  fork: async ({ space }) => (await space.fork()).fork(),
  exit: ({ space }) => space.exit(),
  proc: ({ space }) => space.proc('smaps'),
  ps: ({ machine }) => machine.ps(),
  'open of a file': async ({ machine, directory }) =>
    (await machine.open(join(directory, 'source'))).read(new Uint8Array(SIZE), 0),
  'close of a file': ({ hostFile }) => hostFile.close(),
  'close of the volume': ({ volume }) => volume.close(),
  createVolume: ({ machine, directory }) =>
    machine.createVolume(join(directory, 'another'), { size: '1 MiB' }),
  openVolume: async ({ machine, volume, directory }) => {
    await volume.close()
    return machine.openVolume(join(directory, 'volume'), { mode: 'r+' })
  },
  repairVolume: async ({ machine, volume, directory }) => {
    await volume.close()
    return machine.repairVolume(join(directory, 'volume'))
  },
}

/** Lets what can go on go on for a while. */
async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise(resolve => setImmediate(resolve))
}

async function sound(directory: string): Promise<void> {
  const machine = await Machine.start({ memory: 256 * PAGE })
  try {
    const volume = await machine.openVolume(join(directory, 'volume'), { mode: 'r+' })
    assert.deepEqual([volume.readOnly, volume.damage, (await volume.check()).wrong], [false, [], []])
  } finally {
    await machine.close()
  }
}

function beside(who: 'volume' | 'machine', calls: Calls): void {
  for (const [at, [name, call]] of Object.entries(calls).entries())
    test(name, { timeout: 20_000 }, async t => {
      // What the host is slow at when it is closed: each call meets two of the four, the other object's calls the others.
      const held: readonly (Kind | 'nothing')[] =
        (at + who.length) % 2 === 0 ? ['nothing', 'write'] : ['read', 'flush']
      for (const kind of held) {
        const host = new HostCalls(t)
        const at = await world(t)
        if (kind !== 'nothing') host.hold(kind)
        const ended = (async () => call(at))().then(
          () => undefined,
          (error: unknown) => error,
        )
        await turns(kind === 'nothing' ? name.length % 7 : 3)
        const closed = at[who].close()
        const twice = at[who].close()
        await turns(3)
        host.release()
        await closed
        await twice
        const failed = await ended
        assert.ok(failed === undefined || failed instanceof FaultlineError, `${kind}: ${String(failed)}`)
        await at.machine.close()
        assert.deepEqual(host.usedAfterClose, [], kind)
        await sound(at.directory)
        assert.ok(
          !fs.existsSync(join(at.directory, 'out')) || fs.statSync(join(at.directory, 'out')).size === SIZE,
        )
        host.end()
      }
    })
}

describe('the close of a volume beside', () => beside('volume', OF_VOLUME))
describe('the close of a machine beside', () => beside('machine', OF_MACHINE))

describe('a volume that is closed', () => {
  test('by the source of a put, by who reads a part, or twice, ends', async t => {
    const at = await world(t)
    const closing = (async function* () {
      yield new Uint8Array(PAGE)
      await at.volume.close()
      yield new Uint8Array(PAGE)
    })()
    await refuses(
      () => at.volume.put(closing, '/p'),
      'EBADF',
      'put',
      /^put of \/p: the volume .* was closed before it had ended$/,
    )
    await at.volume.close()
    const again = await at.machine.openVolume(join(at.directory, 'volume'), { mode: 'r+' })
    assert.deepEqual(
      (await again.list('/')).map(({ name }) => name),
      ['g', 'same'],
    )
    const reading = async () => {
      for await (const _ of again.get('/g')) await again.close()
    }
    await reading()
    await refuses(() => again.list('/'), 'EBADF', 'list', /closed; open it again/)
    await sound(at.directory)
  })

  test('at any moment of a get, a getFile or an open ends it with an error of ours', async t => {
    for (let moment = 0; moment < 60; moment++) {
      const at = await world(t)
      const call = [
        () => at.volume.get('/g').next(),
        () => at.volume.getFile('/g', join(at.directory, 'out')),
        () => at.volume.open('/same'),
      ][moment % 3]!
      const ended = call().then(
        () => undefined,
        (error: unknown) => error,
      )
      for (let turn = 0; turn < moment; turn++) await (moment % 2 === 0 ? undefined : turns(1))
      await at.volume.close()
      const failed = await ended
      assert.ok(
        failed === undefined || failed instanceof FaultlineError,
        `moment ${moment}: ${String(failed)}`,
      )
      await at.machine.close()
    }
  })

  test('while a file of it is mapped by a call under way stays open', async t => {
    const at = await world(t)
    const mapping = at.space.map(at.file)
    await refuses(() => at.volume.close(), 'EBUSY', 'close', /\/g is mapped; unmap first/)
    await (await mapping).unmap()
    await at.volume.check()
    await at.volume.close()
  })
})

test('a file that is opened while it is being closed is read anew', async t => {
  const path = numbered(t, 4)
  const machine = await Machine.start({ memory: 64 * PAGE })
  t.after(() => machine.close())
  for (let round = 0; round < 10; round++) {
    const first = await machine.open(path, { mode: 'r+' })
    await first.write(new Uint8Array(PAGE).fill(round), (4 + round) * PAGE)
    const closed = first.close()
    await turns(round % 4)
    const second = await machine.open(path, { mode: 'r+' })
    await closed
    assert.equal(second.size, (5 + round) * PAGE)
    const byte = new Uint8Array(1)
    await second.read(byte, (4 + round) * PAGE)
    assert.equal(byte[0], round)
    await second.close()
  }
})
