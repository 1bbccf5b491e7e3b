/** `faultline volume --meta`: a volume of many machines from the command line, on a real PostgreSQL server and one that speaks S3. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import os from 'node:os'
import { dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { describe, test } from 'node:test'
import { startFauxqs } from 'fauxqs'
import { NO_POSTGRES, PostgresServer } from '../machines/postgres-server.fixture.ts'
import { Machine } from '../map/index.ts'

const MAIN = join(import.meta.dirname, 'main.ts')

async function volume(words: readonly string[], input: Uint8Array | string = '') {
  const child = spawn(process.execPath, [MAIN, 'volume', ...words])
  const ended = once(child, 'exit')
  child.stdin.end(input)
  const [out, err, [status]] = await Promise.all([text(child.stdout), text(child.stderr), ended])
  return { status, out, err }
}

async function does(...words: readonly string[]): Promise<string> {
  const { status, out, err } = await volume(words)
  assert.equal(status, 0, err)
  return out
}

describe('volumes of many machines from the command line', { skip: NO_POSTGRES }, () => {
  test('are made, filled, listed, read, checked, taken away and told of', async t => {
    const postgres = await PostgresServer.start()
    t.after(() => postgres.stop())
    const s3 = await startFauxqs({ port: 0, logger: false })
    t.after(() => s3.stop())
    s3.createBucket('bucket')
    const meta = ['--meta', postgres.address]
    const data = ['--data', 's3://bucket/prefix', '--endpoint', s3.address]
    assert.match(
      await does('create', 'photos', ...meta, ...data),
      /^photos: a volume of many machines, in blocks of 4096/,
    )
    const put = await volume(['put', 'photos', '-', '/a', ...meta], 'some bytes')
    assert.equal(put.status, 0, put.err)
    assert.match(await does('ls', 'photos', ...meta), /10 {2}a\n/)
    assert.equal(await does('get', 'photos', '/a', '-', ...meta), 'some bytes')
    assert.deepEqual(JSON.parse(await does('check', 'photos', '--json', ...meta)).wrong, [])
    const cache = join(fs.mkdtempSync(join(os.tmpdir(), 'faultline-')), 'cache.vol')
    t.after(() => fs.rmSync(dirname(cache), { recursive: true }))
    for (const sized of [['--cache-size', '2MiB'], []])
      assert.equal(await does('get', 'photos', '/a', '-', ...meta, '--cache', cache, ...sized), 'some bytes')
    const kept = (await does('ls', cache, '/.faultline-cache')).trim().split(' ').at(-1)!.replace('/', '')
    assert.match(await does('ls', cache, `/.faultline-cache/${kept}`), / 0\n$/)
    const withoutCache = async () => {
      const { status, out, err } = await volume(['get', 'photos', '/a', '-', ...meta, '--cache', cache])
      assert.deepEqual([status, out], [0, 'some bytes'], err)
      return err
    }
    const filling = await Machine.start({ memory: '8 MiB' })
    await filling.openVolume(cache, { mode: 'r+' })
    assert.match(await withoutCache(), /^faultline: going on without the cache: .* has it open to write/)
    await filling.close()
    fs.truncateSync(join(cache, 'data.mdb'), 100)
    assert.match(
      await withoutCache(),
      /^faultline: going on without the cache: .*; remove it, and it is made anew\n$/,
    )
    assert.match(await does('who', 'photos', ...meta), /commit \d+, epoch 2; nobody has it open\n$/)

    const machine = await Machine.start({ memory: '8 MiB' })
    const open = await machine.openVolume('photos', { meta: postgres.address, mode: 'r+' })
    await open.mkdir('/lost')
    const [mine] = JSON.parse(await does('who', 'photos', '--json', ...meta)).openings
    assert.deepEqual([mine.mode, mine.pid], ['r+', process.pid])
    const refused = await volume(['mkdir', 'photos', '/b', ...meta])
    assert.equal(refused.status, 1)
    assert.match(
      refused.err,
      new RegExp(`EBUSY.*process ${process.pid}|it is open to be written by process ${process.pid}`),
    )
    assert.match(
      await does('fence', 'photos', ...meta),
      new RegExp(`taken from process ${process.pid} on .* ESTALE`),
    )
    await does('mkdir', 'photos', '/b', ...meta)
    await assert.rejects(open.sync(), { code: 'ESTALE' })
    await machine.close().catch(() => {})
    assert.match(await does('ls', 'photos', ...meta), /10 {2}a\n.* b\/\n$/)

    assert.match(
      await does('collect', 'photos', '--dry-run', ...meta),
      /segments of .* in use\n.* would go\n/,
    )
    assert.equal(JSON.parse(await does('collect', 'photos', '--json', ...meta)).dryRun, false)

    const wrong = async (...words: readonly string[]) => {
      const { status, err } = await volume(words)
      assert.equal(status, 2, err)
      return err
    }
    assert.match(await wrong('create', 'x', ...meta), /--data: expected where its data are to lie/)
    assert.match(await wrong('create', 'x', ...meta, ...data, '--size', '1GiB'), /--size: .* has no size/)
    assert.match(await wrong('get', cache, '/a', '-', '--cache', cache), /--cache: .*with --meta/)
    assert.match(
      await wrong('get', 'photos', '/a', '-', ...meta, '--cache', ''),
      /--cache: expected a directory/,
    )
    assert.match(await wrong('create', 'x', ...data), /--endpoint: .*--meta/)
    assert.match(await wrong('dump', 'photos', ...meta), /dump: expected a volume that is a directory/)
    assert.match(await wrong('fence', 'data.vol'), /fence: expected a volume of many machines/)
  })
})
