/** What was fetched from servers, kept in a local volume: across machines and processes, damaged, full, changed behind our back. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import fs from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { describe, it, type TestContext } from 'node:test'
import type { FaultlineError } from '../calls/index.ts'
import { Machine } from '../map/index.ts'
import { refuses, scratch } from '../map/world.suite.ts'
import { afterOpening, BEHAVIOURS, MisbehavingServer } from '../remote/misbehaving-server.suite.ts'
import type { Volume } from './index.ts'

const KIB = 2 ** 10
const MIB = 2 ** 20
/** Pages that differ, in chunks that do. */
const BODY = new Uint8Array(5 * MIB + 77).map((_, at) => (at * 31 + (at >> 12) * 7 + (at >> 17)) & 0xff)
const DIRECTORY = '/.faultline-cache'

async function machineOf(t: TestContext, memory = '1 MiB'): Promise<Machine> {
  const machine = await Machine.start({ memory })
  t.after(() => machine.close())
  return machine
}

/** Reads a part of the file in a machine of its own, through a volume that is opened for it. Returns how often the server was asked. */
async function readOnce(
  server: MisbehavingServer,
  directory: string,
  { from = 0, to = server.body.length, mode = 'r+' as 'r' | 'r+', query = '' } = {},
): Promise<number> {
  const before = server.asked.length
  await using machine = await Machine.start({ memory: '1 MiB' })
  const cache = await machine.openVolume(directory, { mode })
  const file = await machine.open(`${server.url}${query}`, { cache })
  const bytes = new Uint8Array(to - from)
  assert.equal(await file.read(bytes, from), to - from)
  assert.ok(Buffer.from(bytes).equals(server.body.subarray(from, to)), 'the bytes are those of the server')
  return server.asked.length - before
}

async function volumeOf(t: TestContext, size = '16 MiB'): Promise<string> {
  const directory = join(scratch(t), 'cache.vol')
  await using machine = await Machine.start({ memory: '1 MiB' })
  await machine.createVolume(directory, { size })
  return directory
}

async function partsIn(volume: Volume): Promise<string[]> {
  const parts: string[] = []
  for (const { name } of await volume.list(DIRECTORY))
    for (const part of await volume.list(`${DIRECTORY}/${name}`)) parts.push(`${name}/${part.name}`)
  return parts
}

/** The same as readOnce with 'r', in a process of its own; says so when the volume is open, and goes on when it is told. */
const READER = `
import { Machine } from ${JSON.stringify(import.meta.resolve('../map/index.ts'))}
const [directory, url] = process.argv.slice(1)
await using machine = await Machine.start({ memory: '1 MiB' })
const cache = await machine.openVolume(directory)
console.log('open')
await new Promise(resolve => process.stdin.once('data', resolve))
const file = await machine.open(url, { cache })
const bytes = new Uint8Array(file.size)
await file.read(bytes, 0)
console.log(Buffer.from(await crypto.subtle.digest('SHA-256', bytes)).toString('hex'))
process.stdin.destroy()
`

function reader(t: TestContext, directory: string, url: string) {
  const child = spawn(
    process.execPath,
    [
      ...process.execArgv.filter(word => word.startsWith('--cond')),
      '--input-type=module',
      '-e',
      READER,
      directory,
      url,
    ],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  )
  t.after(() => child.kill())
  return child
}

describe('a local volume keeps what was fetched from a server', () => {
  it('for the next machine, which asks which version it is and nothing else', async t => {
    await using server = await MisbehavingServer.start(BODY)
    const directory = await volumeOf(t)
    assert.ok((await readOnce(server, directory)) > 1)
    assert.equal(await readOnce(server, directory), 1)
    assert.equal(await readOnce(server, directory, { mode: 'r', from: MIB + 5, to: 3 * MIB }), 1)
  })

  it('for several processes that have it open to be read', async t => {
    await using server = await MisbehavingServer.start(BODY)
    const directory = await volumeOf(t)
    await readOnce(server, directory)
    const before = server.asked.length
    const readers = [reader(t, directory, server.url), reader(t, directory, server.url)]
    for (const { stdout } of readers)
      assert.match(String((await stdout.iterator({ destroyOnReturn: false }).next()).value), /open/)
    for (const { stdin } of readers) stdin.write('go')
    const digest = Buffer.from(await crypto.subtle.digest('SHA-256', BODY)).toString('hex')
    for (const said of await Promise.all(readers.map(({ stdout }) => text(stdout))))
      assert.equal(said.trim(), digest)
    assert.equal(server.asked.length - before, 2)
  })

  it('and one that is open to be read gives what it has, and takes nothing', async t => {
    await using server = await MisbehavingServer.start(BODY)
    const directory = await volumeOf(t)
    await readOnce(server, directory, { to: MIB })
    assert.ok((await readOnce(server, directory, { mode: 'r' })) > 1)
    assert.ok((await readOnce(server, directory, { mode: 'r' })) > 1)
  })

  it('a chunk is asked for once, however its pages are come by', async t => {
    await using server = await MisbehavingServer.start(BODY)
    const machine = await machineOf(t)
    const cache = await machine.createVolume(join(scratch(t), 'v'), { size: '16 MiB' })
    const map = await machine.space({ name: 'reader' }).map(await machine.open(server.url, { cache }))
    for (let at = 0; at < BODY.length; at += 4096) assert.equal(await map.run(view => view.u8(at)), BODY[at])
    const asked = server.asked.reduce((sum, { from, to }) => sum + to - from, 0)
    // The first 64 KiB come with the opening; a request that is late is asked for a second time.
    assert.ok(asked <= BODY.length + 64 * KIB + MIB, `${asked} bytes were asked for`)
  })

  it('damaged it is fetched again, and no byte is wrong', async t => {
    await using server = await MisbehavingServer.start(BODY)
    const directory = await volumeOf(t)
    await readOnce(server, directory)
    const path = join(directory, 'data')
    const data = fs.readFileSync(path)
    // One byte in each block that holds anything, but for the first of the volume.
    for (let at = 4096; at < data.length; at += 4096)
      if (data.subarray(at, at + 4096).some(byte => byte !== 0)) data[at + 1000]! ^= 1
    fs.writeFileSync(path, data)
    assert.ok((await readOnce(server, directory, { mode: 'r', from: MIB, to: 2 * MIB })) > 1)
    assert.ok((await readOnce(server, directory)) > 1)
    {
      await using machine = await Machine.start({ memory: '1 MiB' })
      await machine.repairVolume(directory)
    }
    assert.ok((await readOnce(server, directory)) > 1, 'what the repair gave up')
    assert.equal(await readOnce(server, directory), 1)
  })

  it('a part that is cut or replaced by something else is fetched again', async t => {
    await using server = await MisbehavingServer.start(BODY)
    const directory = await volumeOf(t)
    await readOnce(server, directory)
    {
      await using machine = await Machine.start({ memory: '1 MiB' })
      const volume = await machine.openVolume(directory, { mode: 'r+' })
      const parts = await partsIn(volume)
      for (const part of parts) {
        const file = await volume.open(`${DIRECTORY}/${part}`, { mode: 'r+' })
        await file.truncate(file.size - 1)
        await file.close()
      }
      await volume.unlink(`${DIRECTORY}/${parts[0]}`)
      await volume.mkdir(`${DIRECTORY}/${parts[0]}`)
    }
    assert.ok((await readOnce(server, directory)) > 1)
  })

  it('bounded by its size: what was used longest ago goes, and nothing else of the volume', async t => {
    await using server = await MisbehavingServer.start(BODY)
    const directory = await volumeOf(t, '2 MiB')
    {
      await using machine = await Machine.start({ memory: '1 MiB' })
      const volume = await machine.openVolume(directory, { mode: 'r+' })
      await volume.put(BODY.subarray(0, 100_000), '/mine')
    }
    for (let times = 0; times < 3; times++) await readOnce(server, directory)
    // Of one read the parts come in any order, and the last of the file may be the first that goes.
    await readOnce(server, directory, { from: 5 * MIB })
    assert.equal(await readOnce(server, directory, { from: 5 * MIB }), 1, 'what was read last is there')
    const machine = await machineOf(t)
    const volume = await machine.openVolume(directory)
    const parts = await partsIn(volume)
    assert.ok(parts.length >= 5 && parts.length <= 15, `${parts.length} parts`)
    const mine: Uint8Array[] = []
    for await (const part of volume.get('/mine')) mine.push(part.slice())
    assert.ok(Buffer.concat(mine).equals(BODY.subarray(0, 100_000)))
    assert.deepEqual((await volume.check()).wrong, [])
  })

  it('full of other things it keeps nothing, and every read succeeds', async t => {
    await using server = await MisbehavingServer.start(BODY)
    const directory = await volumeOf(t, '2 MiB')
    {
      await using machine = await Machine.start({ memory: '1 MiB' })
      const volume = await machine.openVolume(directory, { mode: 'r+' })
      const { free, blockSize } = volume.usage
      await volume.put(new Uint8Array((free - 4) * blockSize).fill(7), '/mine')
    }
    for (let times = 0; times < 2; times++) assert.ok((await readOnce(server, directory)) > 1)
  })

  it('never of another version: a changed ETag is fetched anew, and the old one stays what it was', async t => {
    await using server = await MisbehavingServer.start(BODY.slice())
    const directory = await volumeOf(t)
    await readOnce(server, directory, { to: 3 * MIB })
    const machine = await machineOf(t)
    const cache = await machine.openVolume(directory, { mode: 'r+' })
    const old = await machine.open(server.url, { cache })
    server.etag = '"two"'
    server.body.fill(9)
    const fresh = await machine.open(server.url, { cache })
    const bytes = new Uint8Array(MIB)
    await fresh.read(bytes, MIB)
    assert.ok(bytes.every(byte => byte === 9))
    await old.read(bytes, MIB)
    assert.ok(
      Buffer.from(bytes).equals(BODY.subarray(MIB, 2 * MIB)),
      'kept bytes of the version that was opened',
    )
    await refuses(() => old.read(bytes, 4 * MIB), 'ESTALE', 'read', /reopen/)
    await fresh.read(bytes, 4 * MIB)
    assert.ok(bytes.every(byte => byte === 9))
  })

  it('of addresses that differ in their query apart, but for what only signs it', async t => {
    await using server = await MisbehavingServer.start(BODY.slice())
    const directory = await volumeOf(t)
    await readOnce(server, directory, { query: '?id=1&X-Amz-Signature=a' })
    assert.equal(await readOnce(server, directory, { query: '?id=1&X-Amz-Signature=b' }), 1)
    server.body.fill(3)
    assert.ok((await readOnce(server, directory, { query: '?id=2' })) > 1)
  })

  it('only of files with a strong ETag', async t => {
    await using server = await MisbehavingServer.start(BODY)
    server.etag = 'W/"weak"'
    const machine = await machineOf(t)
    const cache = await machine.createVolume(join(scratch(t), 'v'), { size: '16 MiB' })
    const file = await machine.open(server.url, { cache, pin: 'weak' })
    await file.read(new Uint8Array(MIB), 2 * MIB)
    await file.close()
    assert.equal(await cache.exists(DIRECTORY), false)
  })

  it('and what can not be fetched fails as it does without, while the rest is read', async t => {
    await using good = await MisbehavingServer.start(BODY)
    const directory = await volumeOf(t)
    await readOnce(good, directory, { to: 2 * MIB })
    const machine = await machineOf(t)
    const cache = await machine.openVolume(directory, { mode: 'r+' })
    const file = await machine.open(good.url, { cache, headersWithin: 100, deadline: 300 })
    await good[Symbol.asyncDispose]()
    const bytes = new Uint8Array(MIB)
    await file.read(bytes, MIB)
    assert.ok(Buffer.from(bytes).equals(BODY.subarray(MIB, 2 * MIB)))
    const unreachable = (error: FaultlineError) => ['EREMOTEIO', 'ETIMEDOUT'].includes(error.code)
    await assert.rejects(file.read(bytes, 3 * MIB), unreachable)
    await cache.close()
    await assert.rejects(file.read(new Uint8Array(10), 4 * MIB), unreachable)
  })

  it('and says what else than a volume it was given', async t => {
    await using server = await MisbehavingServer.start(BODY, afterOpening(BEHAVIOURS['no answer at all']))
    const machine = await machineOf(t)
    const volume = await machine.createVolume(join(scratch(t), 'v'), { size: '16 MiB' })
    for (const cache of ['/var/cache', {}, null, volume.core])
      await refuses(
        () => machine.open(server.url, { cache: cache as unknown as Volume }),
        'EINVAL',
        'open',
        /cache: expected a v/,
      )
    await volume.close()
    await refuses(
      () => machine.open(server.url, { cache: volume }),
      'EBADF',
      'open',
      /cache: the volume .* is closed; open it again/,
    )
  })
})
