/**
 * Every message of the doors, provoked: the list is read out of the sources (messages.ts), so a new one fails here until
 * something below makes the library say it. What is provoked in a test of its own is in ELSEWHERE, with that test.
 *
 * Each is read for its form too: one line, no stack, nothing that JavaScript says of a value that isn't there.
 */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { registerHooks } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import * as door from '../src/index.ts'
import { unavailable } from '../src/uffd/hardware.suite.ts'
import { type Message, messagesIn, messagesOf } from './messages.ts'
import { ROOT } from './project.ts'

const { attach, FaultlineError, Machine } = door
const folder = fs.mkdtempSync(join(tmpdir(), 'faultline-messages-'))
after(() => fs.rmSync(folder, { recursive: true, force: true }))
const at = (name: string) => join(folder, name)
const PAGE = 4096

/** Provoked by a test of its own: it takes another process, a broken disk, or a server. */
const ELSEWHERE: Readonly<Record<string, string>> = JSON.parse(
  fs.readFileSync(join(import.meta.dirname, 'messages-elsewhere.json'), 'utf8'),
)

/** JavaScript's view of the library: every argument may be wrong. */
// biome-ignore lint/suspicious/noExplicitAny: what is wrong on purpose has no type.
type Loose = any

const said: string[] = []

/** Calls that went through, or failed with an error that isn't ours. */
const amiss: string[] = []

/** Makes a call that must fail with an error of ours. */
async function wrong(call: () => unknown, what: unknown = ''): Promise<void> {
  try {
    await call()
    amiss.push(`nothing is wrong with ${call} ${JSON.stringify(what)}`)
  } catch (error) {
    if (error instanceof FaultlineError) said.push(error.message)
    else amiss.push(`${call} ${JSON.stringify(what)}: ${error instanceof Error ? error.stack : error}`)
  }
}

async function starting(): Promise<void> {
  const start = Machine.start as Loose
  fs.writeFileSync(at('short'), '')
  fs.truncateSync(at('short'), PAGE)
  fs.writeFileSync(at('holes'), '')
  fs.truncateSync(at('holes'), 64 * PAGE)
  for (const options of [
    { memry: 1 },
    { mmu: 'hardwear' },
    { memory: 'much' },
    { memory: '4 parsecs' },
    { memory: 1 },
    { pageSize: 5000 },
    { discipline: 'holdd' },
    { dax: 7 },
    { dax: at('nowhere') },
    { swap: at('short') },
    { swap: at('holes') },
    { watcher: {} },
    { writeback: { ratio: 7 } },
    { writeback: { ratio: 0.1, backgroundRatio: 0.2 } },
    { swap: 7 },
    7,
  ])
    await wrong(() => start(options), options)
}

async function swapping(): Promise<void> {
  fs.writeFileSync(at('swap'), Buffer.alloc(64 * PAGE, 1))
  await using machine = await Machine.start({ memory: '1 MiB', swap: at('swap') })
  await wrong(() => machine.open(at('swap')))
  await wrong(() => Machine.start({ swap: at('swap') }))
}

async function groups(machine: door.Machine): Promise<void> {
  const batch = machine.group('batch') as Loose
  for (const name of ['', 'batch', 7]) await wrong(() => machine.group(name as string))
  for (const [key, value] of [
    ['memory.max', 'much'],
    ['memory.maxx', 1],
    ['memory.current', 1],
    ['io.latency', {}],
    ['io.latency', { disk: '8:0' }],
    ['io.latency', '8:0'],
    ['io.max', { wbps: 0 }],
    ['io.max', { wbps: 1, disk: 'sda' }],
    ['io.max', { wbps: 1, disk: '4095:1048575' }],
    ['io.max', 7],
    ['io.max', '4095:1 wbps=1M'],
    ['io.protect', '*'],
    ['io.weight', 0],
    ['io.max', { write: 1 }],
    ['io.max', '8:0 wbps=1 wbps=2'],
    ['io.max', { wiops: 'x' }],
  ])
    await wrong(() => batch.set(key, value), [key, value])
  await wrong(() => machine.root.set('memory.max', 1))
}

async function files(machine: door.Machine, other: door.Machine): Promise<void> {
  const open = machine.open.bind(machine) as Loose
  fs.writeFileSync(at('file'), Buffer.alloc(3 * PAGE))
  for (const path of [7, at('nowhere'), 'http://[', 'ftp://host/a'].slice(0, 3)) await wrong(() => open(path))
  await wrong(() => open(at('file'), { mode: 'w' }))
  await wrong(() => open(at('file'), { direct: 1 }))
  await wrong(() => open(at('file'), { stale: true }))
  await wrong(() => open('https://127.0.0.1/x', { mode: 'r+' }))
  await wrong(() => open('s3://bucket'))
  await wrong(() => open('s3://bucket/key', { region: 7 }))
  await wrong(() => open('s3://bucket/key', { endpoint: 'x' }))
  await wrong(() => open('https://127.0.0.1/x', { headers: 7 }))
  await wrong(() => open('https://127.0.0.1/x', { fetch: 7 }))
  await wrong(() => open('https://127.0.0.1/x', { cache: 7 }))
  await wrong(() => open('https://127.0.0.1/x', { connections: 0 }))
  await wrong(() => open(new URL('gopher://x')))
  const file = await machine.open(at('file'))
  const loose = file as Loose
  await wrong(() => loose.read('text', 0))
  await wrong(() => loose.read(new Uint8Array(1), -1))
  await wrong(() => file.write(new Uint8Array(1), 0))
  await wrong(() => loose.read(new Uint8Array(1), 0, { signal: 7 }))
  await wrong(() => loose.read(new Uint8Array(1), 0, { group: 'batch' }))
  await wrong(() => loose.read(new Uint8Array(1), 0, { group: other.root }))
  await wrong(() => file.read(new Uint8Array(1), 0, { signal: AbortSignal.abort() }))
  await wrong(() => file.write(new Uint8Array(1), 2 ** 53 - 1))
  const theirs = await other.open(at('file'))
  const space = machine.space({ name: 'files' })
  await wrong(() => space.map(theirs))
  await file.close()
  await wrong(() => file.read(new Uint8Array(1), 0))
}

async function mappings(machine: door.Machine): Promise<void> {
  const spaces = machine.space.bind(machine) as Loose
  await wrong(() => spaces({ name: 7 }))
  await wrong(() => spaces({ name: 'x', commandLine: 7 }))
  const space = machine.space({ name: 'maps' })
  const file = await machine.open(at('file'))
  const map = space.map.bind(space) as Loose
  await wrong(() => map('file'))
  await wrong(() => map(file, { offset: 3 * PAGE }))
  await wrong(() => map(file, { offset: 1 }))
  await wrong(() => map(file, { prot: 'rw' }))
  await wrong(() => map(file, { mmu: 'hardware' }))
  await wrong(() => map(file, { fixed: 2 ** 52 }))
  await wrong(() => space.mapAnonymous({ length: 0 }))
  const view = await space.map(file)
  const loose = view as Loose
  await wrong(() => view.bytes)
  await wrong(() => loose.run('section'))
  await wrong(() => view.run(async () => {}))
  await wrong(() =>
    view.run(page => {
      try {
        return page.u8(PAGE)
      } catch {
        return 0
      }
    }),
  )
  await wrong(() => view.run(page => (page as Loose).setU8(0, 1)))
  await wrong(() => loose.prefetch(7))
  await wrong(() => loose.prefetch([{ offset: -1, length: 1 }]))
  await wrong(() => view.sync({ offset: 9 * PAGE }))
  await wrong(() => view.sync({ length: 9 * PAGE }))
  await wrong(() => view.inFork(machine.space({ name: 'stranger' })))
  await view.unmap()
  await wrong(() => view.sync())
  const memory = await space.mapAnonymous({ length: 4096 * PAGE })
  await wrong(() => memory.prefetch([{ offset: 0, length: 4096 * PAGE }]))
  await space.exit()
  await wrong(() => space.map(file))
  await wrong(() => attach({} as Loose))
}

async function volumes(machine: door.Machine): Promise<void> {
  const create = machine.createVolume.bind(machine) as Loose
  await wrong(() => create(7))
  await wrong(() => create(at('v'), { data: 7 }))
  await wrong(() => create(at('v'), { size: 1 }))
  await wrong(() => create(at('v')))
  await wrong(() => create(at('v'), 7))
  await wrong(() => create(at('v'), { size: '8191 TiB' }))
  fs.writeFileSync(at('data'), 'something of somebody')
  await wrong(() => create(at('w'), { size: '1 MiB', data: at('data') }))
  await wrong(() => create(folder, { size: '1 MiB' }))
  fs.writeFileSync(at('empty'), Buffer.alloc(2 ** 20))
  const held = await machine.open(at('empty'), { mode: 'r+' })
  await wrong(() => create(at('w'), { data: at('empty') }))
  await held.close()
  await wrong(() => machine.openVolume(at('nowhere')))
  await wrong(() => machine.openVolume(Buffer.of(0x2f, 0xff)))
  await wrong(() => machine.repairVolume(at('nowhere')))
  const volume = await machine.createVolume(at('v'), { size: '1 MiB' })
  const loose = volume as Loose
  await wrong(() => create(at('v'), { size: '1 MiB' }))
  await wrong(() => machine.open(at('v/data'), { mode: 'r+' }))
  await wrong(() => machine.openVolume(at('v'), { mode: 'r+' }))
  await wrong(() => Machine.start({ swap: at('v/data') }))
  fs.writeFileSync(at('long'), Buffer.alloc(4 * 2 ** 20))
  await wrong(() => volume.put(at('long'), '/long'))
  await wrong(() => volume.create('a'))
  await wrong(() => volume.unlink('/a'))
  await wrong(() => volume.open('/a'))
  await volume.create('/a')
  await wrong(() => volume.open('/a', { mapSync: true }))
  await wrong(() => volume.open('/a', { dax: true }))
  const file = await volume.open('/a', { mode: 'r+' })
  await wrong(() => loose.fallocate(file, -1, 1))
  await wrong(() => loose.fallocate({}, 0, 1))
  await wrong(() => loose.check({ progress: 7 }))
  await wrong(() => loose.put(7, '/b'))
  await wrong(() => volume.put(folder, '/b'))
  await wrong(() => volume.put(at('nowhere'), '/b'))
  async function* numbers() {
    yield 7 as Loose
  }
  await wrong(() => volume.put(numbers(), '/b'))
  await wrong(() => loose.getFile('/a', 7))
  await wrong(() => volume.getFile('/a', join(at('nowhere'), 'x')))
  await wrong(() => file.write(new Uint8Array(4 * 2 ** 20), 0))
  await file.truncate(PAGE)
  await wrong(() => volume.remove('/'))
  await wrong(() => volume.create('/a//b'))
  await wrong(() => volume.fallocate(file, 0, 0))
  await volume.mknod('/fifo', { kind: 'fifo' })
  await wrong(() => volume.open('/fifo'))
  await volume.mkdir('/d')
  await volume.create('/d/e')
  await volume.snapshot('/d', '/s', { mode: 'r' })
  await wrong(() => volume.open('/s/e', { mode: 'r+' }))
  await wrong(() => volume.create('/s/f'))
  const space = machine.space({ name: 'volume' })
  const map = await space.map(file)
  await wrong(() => volume.close())
  await map.unmap()
  await volume.close()
  await wrong(() => machine.open('https://127.0.0.1/x', { cache: volume }))
  await wrong(() => volume.list('/'))
}

/** What is left of a volume, or put together from two. */
async function remains(machine: door.Machine): Promise<void> {
  for (const name of ['one', 'two']) {
    const volume = await machine.createVolume(at(name), { size: '1 MiB' })
    await volume.put(Buffer.alloc(PAGE, 1), '/a')
    await volume.close()
  }
  const copy = (name: string) => fs.cpSync(at('one'), at(name), { recursive: true })
  copy('cut')
  fs.truncateSync(at('cut/data.mdb'), 100)
  await wrong(() => machine.openVolume(at('cut')))
  copy('mixed')
  fs.copyFileSync(at('two/data'), at('mixed/data'))
  await wrong(() => machine.repairVolume(at('mixed')))
  copy('no data')
  fs.truncateSync(at('no data/data'), 0)
  await wrong(() => Machine.start({ dax: at('no data') }))
}

/** As if the package weren't installed. */
async function withoutSigner(machine: door.Machine): Promise<void> {
  const hooks = registerHooks({
    resolve(specifier, context, next) {
      if (specifier !== 'aws4fetch') return next(specifier, context)
      throw Object.assign(new Error('there is no such package'), { code: 'ERR_MODULE_NOT_FOUND' })
    },
  })
  const credentials = { accessKeyId: 'id', secretAccessKey: 'key' }
  await wrong(() => machine.open('s3://bucket/key', { credentials }))
  hooks.deregister()
}

async function hardware(): Promise<void> {
  const start = Machine.start as Loose
  for (const options of [
    { onWorkerLost: 7 },
    { watcher: { began() {}, waits() {}, resumes() {}, ended() {} } },
    { swap: at('short') },
    { dax: at('v') },
  ])
    await wrong(() => start({ mmu: 'hardware', ...options }), options)
  await using machine = await Machine.start({ mmu: 'hardware', memory: '8 MiB' })
  await wrong(() => machine.open('https://127.0.0.1/x'))
  const file = await machine.open(at('file'))
  const space = machine.space({ name: 'arrays' })
  await wrong(() => space.mapAnonymous({ length: PAGE }))
  const soft = await space.map(file, { mmu: 'software' })
  await wrong(() => soft.bytes)
  const map = await space.map(file)
  await wrong(() => attach({ ...map.handle, process: 1 }))
  await wrong(() => map.bytes.buffer.transfer())
  const { handle } = map
  await map.unmap()
  await wrong(() => attach(handle))
  await wrong(() => map.sync())
  const volume = await machine.createVolume(at('hard'), { size: '1 MiB' })
  await wrong(() => volume.put([new Uint8Array(1)], '/a'))
  await wrong(() => volume.check({ progress: () => {} }))
  await wrong(() => (file as Loose).read(new Uint8Array(1), Symbol('place')))
  await file.close()
  await wrong(() => file.truncate(0))
  await space.exit()
  await wrong(() => space.fork())
}

test('every message of the doors is provoked, and reads as a sentence', { timeout: 120_000 }, async () => {
  await starting()
  await swapping()
  const machine = await Machine.start({ memory: '1 MiB' })
  const other = await Machine.start({ memory: '1 MiB' })
  for (const part of [groups, mappingsAfterFiles, volumes, remains, withoutSigner]) await part(machine, other)
  await other.close()
  await machine.close()
  await wrong(() => machine.open(at('file')))
  if (unavailable === false) await hardware()
  assert.deepEqual(amiss, [])
  for (const message of said) {
    assert.doesNotMatch(message, /undefined|NaN|\[object |\n\s+at |it has no meaning here/, message)
    assert.ok(message.length < 600, message)
  }
  const known = (message: Message) =>
    said.some(each => message.pattern.test(each)) ||
    message.text in ELSEWHERE ||
    (unavailable !== false && message.file.startsWith('src/uffd/'))
  const silent = messagesOf(ROOT).filter(message => !known(message))
  assert.deepEqual(
    silent.map(({ file, line, text }) => `${file}:${line}: ${text}`),
    [],
    'provoke it in scripts/messages.test.ts, or name the test that does in scripts/messages-elsewhere.json',
  )
})

test('what is provoked elsewhere is a message yet, and the test is there', () => {
  const texts = new Set(messagesOf(ROOT).map(({ text }) => text))
  for (const [text, path] of Object.entries(ELSEWHERE)) {
    assert.ok(texts.has(text), `no door says it any more: ${text}`)
    assert.ok(fs.existsSync(join(ROOT, path)), `${path}, which is to provoke: ${text}`)
  }
})

test('may a message be added that nothing provokes?', () => {
  const [plain, either] = [
    `throw new FaultlineError('EINVAL', 'x', \`x of \${name}: it is purple\`)`,
    `throw invalid('x', bad ? 'the one sentence' : \`the other \${sentence}\`)`,
  ].map(source => messagesIn('a.ts', source))
  assert.deepEqual(
    plain!.map(({ text }) => text),
    ['x of …: it is purple'],
  )
  assert.deepEqual(
    either!.map(({ text }) => text),
    ['the one sentence', 'the other …'],
  )
  assert.match('x of /a: it is purple', plain![0]!.pattern)
  assert.doesNotMatch('x of /a: it is green', plain![0]!.pattern)
})

async function mappingsAfterFiles(machine: door.Machine, other: door.Machine): Promise<void> {
  await files(machine, other)
  await mappings(machine)
}
