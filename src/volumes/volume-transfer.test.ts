/** Files into a volume and out of it: every kind of source and target, what is refused, and what a refusal leaves. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { type TestContext, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { Machine } from '../map/index.ts'
import { refuses, scratch } from '../map/world.suite.ts'
import { FileLock } from '../store/index.ts'
import type { Volume } from './index.ts'

async function world(t: TestContext): Promise<{ volume: Volume; folder: string }> {
  const folder = scratch(t)
  const machine = await Machine.start({ memory: '4 MiB' })
  t.after(() => machine.close())
  return { volume: await machine.createVolume(join(folder, 'volume'), { size: '8 MiB' }), folder }
}

async function held(volume: Volume, path: string): Promise<string> {
  const found: Buffer[] = []
  for await (const part of volume.get(path)) found.push(Buffer.from(part))
  return Buffer.concat(found).toString()
}

const fifoAt = (path: string): string => {
  assert.equal(spawnSync('mkfifo', [path]).status, 0)
  return path
}

test('put takes paths, URLs, bytes, and streams of bytes of every kind', async t => {
  const { volume, folder } = await world(t)
  const host = join(folder, 'a file')
  fs.writeFileSync(host, 'content')
  const bytes = new Uint8Array(Buffer.from('content'))
  async function* later() {
    yield bytes.subarray(0, 3)
    yield bytes.subarray(3)
  }
  const sources = [
    host,
    pathToFileURL(host),
    Buffer.from('content'),
    bytes,
    later(),
    [bytes.subarray(0, 1), bytes.subarray(1)],
    fs.createReadStream(host),
    Readable.from([Buffer.from('content')]),
    new Blob([bytes]).stream(),
    new Set([bytes]),
  ]
  for (const [n, source] of sources.entries()) {
    assert.equal(await volume.put(source, `/${n}`), 7, `source ${n}`)
    assert.equal(await held(volume, `/${n}`), 'content', `source ${n}`)
  }
  assert.equal(await volume.put(new Uint8Array(0), '/empty'), 0)
  assert.equal(await volume.put([], '/none'), 0)
})

test('what isn’t a source, or gives what isn’t bytes, is refused in a sentence, and leaves nothing', async t => {
  const { volume, folder } = await world(t)
  const before = await volume.list('/')
  const nothing = [
    undefined,
    null,
    7,
    true,
    {},
    '',
    'a\0b',
    new URL('http://localhost/a'),
    () => {},
    Symbol('s'),
  ]
  for (const source of [
    ...nothing,
    new ArrayBuffer(3),
    new Float64Array(2),
    new DataView(new ArrayBuffer(2)),
  ])
    await refuses(
      () => volume.put(source as never, '/a'),
      'EINVAL',
      'put',
      /^put: expected the path or file: URL/,
    )
  async function* of(chunk: unknown) {
    yield new Uint8Array(10)
    yield chunk
  }
  for (const chunk of ['text', 7, null, undefined, {}, new Uint16Array(3)])
    await refuses(
      () => volume.put(of(chunk) as never, '/a'),
      'EINVAL',
      'put',
      /expected a source of Uint8Arrays/,
    )
  const text = fs.createReadStream(import.meta.filename, 'utf8')
  await refuses(() => volume.put(text as never, '/a'), 'EINVAL', 'put', /expected a source of Uint8Arrays/)
  for (const name of ['gone', 'a\nb'])
    await refuses(
      () => volume.put(join(folder, name), '/a'),
      'ENOENT',
      'put',
      /^[^\n]*there is no such file$/,
    )
  await refuses(
    () => volume.put(fs.createReadStream('/gone'), '/a'),
    'ENOENT',
    'put',
    /there is no such file/,
  )
  await refuses(() => volume.put(folder, '/a'), 'EISDIR', 'put', /it is a directory; expected a file/)
  await refuses(() => volume.put(Buffer.from('x'), 'a'), 'EINVAL', 'put', /from \//)
  for (const options of [{ progress: 7 }, { signal: 'now' }, { existing: true }, { force: true }])
    await refuses(() => volume.put(Buffer.from('x'), '/a', options as never), 'EINVAL', 'put', /./)
  assert.deepEqual(await volume.list('/'), before)
  assert.deepEqual((await volume.check()).wrong, [])
})

test('a FIFO is a source; one that nobody writes to is waited for until the signal comes', async t => {
  const { volume, folder } = await world(t)
  const fifo = fifoAt(join(folder, 'fifo'))
  const put = volume.put(fifo, '/a')
  fs.promises.writeFile(fifo, 'through a pipe')
  assert.equal(await put, 14)
  assert.equal(await held(volume, '/a'), 'through a pipe')
  const controller = new AbortController()
  const waiting = volume.put(fifo, '/b', { signal: controller.signal })
  setImmediate(() => controller.abort())
  await refuses(() => waiting, 'ABORT_ERR', 'put', /aborted/)
  const silent = { [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => {}) }) }
  const second = new AbortController()
  const never = volume.put(silent, '/c', { signal: second.signal })
  setImmediate(() => second.abort())
  await refuses(() => never, 'ABORT_ERR', 'put', /aborted/)
  assert.equal(await volume.put('/dev/null', '/d'), 0)
})

test('getFile takes a name that is free; of what is there, a regular file alone, and only if it is told so', async t => {
  const { volume, folder } = await world(t)
  await volume.put(Buffer.from('new'), '/a')
  const at = (name: string) => join(folder, name)
  const replacing = { existing: 'is replaced' } as const
  assert.equal(await volume.getFile('/a', pathToFileURL(at('by URL'))), 3)
  fs.writeFileSync(at('old'), 'old', { mode: 0o640 })
  fs.symlinkSync(at('old'), at('link'))
  fs.symlinkSync(at('nowhere'), at('dangling'))
  fifoAt(at('fifo'))
  const socket = createServer().listen(at('socket'))
  t.after(() => socket.close())
  for (const name of ['old', 'link'])
    await refuses(
      () => volume.getFile('/a', at(name)),
      'EEXIST',
      'getFile',
      /such a file already, and it stays/,
    )
  for (const options of [{}, replacing]) {
    for (const name of ['fifo', 'socket'])
      await refuses(() => volume.getFile('/a', at(name), options), 'EINVAL', 'getFile', /only a regular file/)
    await refuses(() => volume.getFile('/a', '/dev/null', options), 'EINVAL', 'getFile', /a character device/)
    await refuses(() => volume.getFile('/a', folder, options), 'EISDIR', 'getFile', /it is a directory/)
    await refuses(
      () => volume.getFile('/a', at('dangling'), options),
      'ENOENT',
      'getFile',
      /a symbolic link to/,
    )
    await refuses(
      () => volume.getFile('/a', at('no/where'), options),
      'ENOENT',
      'getFile',
      /no such directory/,
    )
  }
  const data = at('volume/data')
  await refuses(() => volume.getFile('/a', data, replacing), 'EBUSY', 'getFile', /holds the data of a volume/)
  for (const target of [undefined, 7, '', 'a\0', Buffer.from('/tmp/x'), new URL('http://localhost')])
    await refuses(
      () => volume.getFile('/a', target as never),
      'EINVAL',
      'getFile',
      /expected the path of a file/,
    )
  assert.equal(fs.readFileSync(at('old'), 'utf8'), 'old')
  assert.ok(fs.lstatSync(at('fifo')).isFIFO())
  assert.equal(await volume.getFile('/a', at('link'), replacing), 3)
  assert.ok(fs.lstatSync(at('link')).isSymbolicLink())
  assert.equal(fs.readFileSync(at('old'), 'utf8'), 'new')
  assert.equal(fs.statSync(at('old')).mode & 0o777, 0o640)
  const names = ['by URL', 'dangling', 'fifo', 'link', 'old', 'socket', 'volume']
  assert.deepEqual(fs.readdirSync(folder).sort(), names, 'nothing else is left')
})

test('two parts in a row stay as they are while the third is read', async t => {
  const { volume, folder } = await world(t)
  const long = join(folder, 'long')
  const windows = [1, 2, 3, 4].map(byte => Buffer.alloc(8 * 2 ** 20, byte))
  fs.writeFileSync(long, Buffer.concat(windows))
  await volume.grow(40 * 2 ** 20)
  await volume.put(long, '/a')
  const parts = volume.get('/a')
  const two = [await parts.next(), await parts.next()].map(({ value }) => value)
  // One read of a file comes after the other.
  await volume.getFile('/a', join(folder, 'out'))
  for (const [at, part] of two.entries()) assert.ok(part && windows[at]!.equals(part), `part ${at}`)
  await parts.return()
  assert.ok(fs.readFileSync(join(folder, 'out')).equals(fs.readFileSync(long)))
})

test('what goes out is what came in, however slow the host writes and wherever whole windows are holes', async t => {
  const { volume, folder } = await world(t)
  const [source, target] = [join(folder, 'in'), join(folder, 'out')]
  const window = 8 * 2 ** 20
  const solid = [0, 2, 3, 6, 8]
  const file = fs.openSync(source, 'w+')
  for (const at of solid) fs.writeSync(file, Buffer.alloc(window, at + 1), 0, window, at * window)
  fs.closeSync(file)
  await volume.grow(48 * 2 ** 20)
  await volume.put(source, '/a')
  const handle = await open(source)
  const prototype = Object.getPrototypeOf(handle)
  await handle.close()
  const write = prototype.write
  t.mock.method(prototype, 'write', async function (this: FileHandle, ...args: unknown[]) {
    // Longer than it takes to read two windows.
    for (let turns = 0; turns < 2000; turns++) await turn()
    return write.apply(this, args)
  })
  assert.equal(await volume.getFile('/a', target), 9 * window)
  const out = fs.openSync(target, 'r')
  const bytes = Buffer.alloc(window)
  for (let at = 0; at < 9; at++) {
    fs.readSync(out, bytes, 0, window, at * window)
    assert.ok(bytes.equals(Buffer.alloc(window, solid.includes(at) ? at + 1 : 0)), `window ${at}`)
  }
  fs.closeSync(out)
})

test('what a getFile that was killed has left beside its place, the next one removes, and nothing else', async t => {
  const { volume, folder } = await world(t)
  await volume.put(new Uint8Array(3 * 2 ** 20), '/a')
  await volume.sync()
  const at = (name: string) => join(folder, name)
  const program = `
    import { Machine } from ${JSON.stringify(new URL('../map/index.ts', import.meta.url).href)}
    const machine = await Machine.start({ memory: '4 MiB' })
    const volume = await machine.openVolume(${JSON.stringify(at('killed volume'))})
    const progress = () => process.kill(process.pid, 'SIGKILL')
    await volume.getFile('/a', ${JSON.stringify(at('out'))}, { progress })`
  fs.cpSync(volume.path, at('killed volume'), { recursive: true })
  const killed = spawnSync(process.execPath, ['--input-type=module', '--eval', program], { encoding: 'utf8' })
  assert.equal(killed.signal, 'SIGKILL', killed.stderr)
  const left = fs.readdirSync(folder).filter(name => name.endsWith('.part'))
  assert.deepEqual(
    left.map(name => name.replace(/[0-9a-f]{12}/, 'HEX')),
    ['out.HEX.part'],
  )
  const others = ['out.part', 'out.0123456789ab.part.txt', 'other.0123456789ab.part', 'out.12.part']
  for (const name of others) fs.writeFileSync(at(name), 'mine')
  fs.writeFileSync(at('out.0123456789ab.part'), 'on its way')
  const lock = await FileLock.take(at('out.0123456789ab.part'), 'exclusive')
  // Without locks it can't be told.
  if (lock.kept === 'by nobody') return t.skip('there are no file locks here')
  assert.equal(await volume.getFile('/a', at('out')), 3 * 2 ** 20)
  const after = fs.readdirSync(folder).filter(name => /part/.test(name))
  assert.deepEqual(after.sort(), [...others, 'out.0123456789ab.part'].sort())
  lock.release()
  await volume.getFile('/a', at('out'), { existing: 'is replaced' })
  assert.ok(!fs.existsSync(at('out.0123456789ab.part')))
})

const needsRoot = { skip: process.getuid?.() === 0 ? false : 'it takes root' }

test('a target whose filesystem is full keeps what it had', needsRoot, async t => {
  const { volume, folder } = await world(t)
  await volume.put(new Uint8Array(2 ** 20), '/a')
  const small = join(folder, 'small')
  fs.mkdirSync(small)
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=512k', 'tmpfs', small]).status !== 0)
    return t.skip('nothing can be mounted here')
  try {
    await intoFull(volume, small)
  } finally {
    spawnSync('umount', ['-l', small])
  }
})

async function intoFull(volume: Volume, small: string): Promise<void> {
  fs.writeFileSync(join(small, 'old'), 'old')
  for (const name of ['old', 'new'])
    await refuses(
      () => volume.getFile('/a', join(small, name), { existing: 'is replaced' }),
      'ENOSPC',
      'getFile',
      /its filesystem is full, and nothing is left of it/,
    )
  assert.equal(fs.readFileSync(join(small, 'old'), 'utf8'), 'old')
  assert.deepEqual(fs.readdirSync(small), ['old'])
}
