/**
 * A volume of many machines on two mounts: what one has made durable the other sees, whatever its kernel had kept, and who was
 * overtaken is told by fsync. On a real PostgreSQL server and one that speaks S3.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { startFauxqs } from 'fauxqs'
import { NO_POSTGRES, PostgresServer } from '../machines/postgres-server.fixture.ts'
import { CLI, faultline, Mounted, runs, unavailable } from './mounting.suite.ts'

/** Looks for so long; a commit is seen within a second. */
const LOOKS = 200

/** One database and one bucket for all tests: each has a volume of its own. */
let meta: readonly string[] = []
let bucket: readonly string[] = []

async function made(name: string): Promise<void> {
  const { status, err } = await faultline('volume', 'create', name, ...meta, ...bucket)
  assert.equal(status, 0, err)
}

/** Runs a script until it prints what is expected. */
async function shows(expected: string, script: string): Promise<void> {
  let last = ''
  for (let look = 0; look < LOOKS; look++) {
    const { out, err } = await runs('sh', ['-c', script])
    last = out + err
    if (out === expected) return
  }
  assert.equal(last, expected, script)
}

async function sh(script: string): Promise<string> {
  const { status, out, err } = await runs('sh', ['-c', script])
  assert.equal(status, 0, `${script}: ${err}`)
  return out
}

describe('a mount of a volume of many machines', { skip: unavailable() ?? NO_POSTGRES }, () => {
  let ends: (() => unknown)[] = []

  before(async () => {
    const postgres = await PostgresServer.start()
    const s3 = await startFauxqs({ port: 0, logger: false })
    ends = [() => postgres.stop(), () => s3.stop()]
    s3.createBucket('bucket')
    meta = ['--meta', postgres.address]
    bucket = ['--data', 's3://bucket/p', '--endpoint', s3.address]
  })

  after(async () => {
    for (const end of ends) await end()
  })

  test('shows what another has committed: bytes, sizes, modes, names, and that they are gone (RSR1)', async t => {
    await made('seen')
    const writer = Mounted.bare(t)
    await writer.start(CLI, ['mount', 'seen', writer.target, ...meta])
    await sh(`cd ${writer.target}; mkdir d; echo one > d/a; echo gone > d/b; ln -s a d/l; sync .`)
    const reader = Mounted.bare(t)
    await reader.start(CLI, ['mount', 'seen', reader.target, '--read-only', ...meta])
    const [w, r] = [writer.target, reader.target]
    assert.equal(await sh(`cat ${r}/d/a; ls ${r}/d`), 'one\na\nb\nl\n')
    await sh(`exec 3<${r}/d/b; cat <&3; test ! -e ${r}/d/new`)
    await sh(`cd ${w}/d; echo two, longer > a; chmod 600 a; rm b; mkdir new; mv l m; sync ..`)
    await shows('two, longer\n600 12\na\nm\nnew\na\n', `cd ${r}/d; cat a; stat -c '%a %s' a; ls; readlink m`)
    await sh(`test ! -e ${r}/d/b; test -d ${r}/d/new; ! touch ${r}/d/x 2>/dev/null`)
    // In place: neither the size nor a name says that it is another.
    await sh(`printf TWO | dd of=${w}/d/a conv=notrunc,fsync status=none`)
    await shows('TWO, longer\n', `cat ${r}/d/a`)
    await sh(`dd if=/dev/urandom of=${w}/d/large bs=1M count=9 conv=fsync status=none`)
    await shows(await sh(`sha256sum < ${w}/d/large`), `sha256sum < ${r}/d/large`)
    // One page of it in place: the kernel keeps the others.
    const byte = `bs=1 status=none`
    await sh(`printf X | dd of=${w}/d/large seek=5000000 conv=notrunc,fsync ${byte}`)
    await shows('X', `dd if=${r}/d/large skip=5000000 count=1 ${byte}`)
    const resident = Number(await sh(`fincore --noheadings --bytes --output RES ${r}/d/large`))
    assert.ok(resident > 8 * 2 ** 20, `${resident} bytes are in the kernel's cache`)
    assert.equal(await sh(`sha256sum < ${r}/d/large`), await sh(`sha256sum < ${w}/d/large`))
    await reader.unmount()
    await writer.unmount()
  })

  test('begins with nothing here: a tree that was put by another is read as it is', async t => {
    await made('cold')
    const writer = Mounted.bare(t)
    await writer.start(CLI, ['mount', 'cold', writer.target, ...meta])
    const w = writer.target
    await sh(`cd ${w}; for i in $(seq 200); do mkdir d$i; echo $i > d$i/f; done`)
    const sums = await sh(`cd ${w}; find . -type f | sort | xargs sha256sum`)
    await writer.unmount()
    const reader = Mounted.bare(t)
    await reader.start(CLI, ['mount', 'cold', reader.target, '--read-only', ...meta])
    assert.equal(await sh(`cd ${reader.target}; find . -type f | sort | xargs sha256sum`), sums)
    await reader.unmount()
    const again = Mounted.bare(t)
    await again.start(CLI, ['mount', 'cold', again.target, ...meta])
    const a = again.target
    await sh(`cd ${a}; mv d7/f d8/g; rmdir d7; chmod 700 d9; rm -r d10; echo more >> d11/f; sync .`)
    assert.equal(
      await sh(`cd ${a}; ls d8; cat d8/g d11/f; stat -c %a d9; ls -d d7 d10 2>/dev/null || true`),
      'f\ng\n7\n11\nmore\n700\n',
    )
    await again.unmount()
    const check = await faultline('volume', 'check', 'cold', ...meta)
    assert.equal(check.status, 0, check.out + check.err)
  })

  test('keeps what it reads in a local volume, which the next mount reads from', async t => {
    await made('kept')
    const writer = Mounted.bare(t)
    await writer.start(CLI, ['mount', 'kept', writer.target, ...meta])
    await sh(`dd if=/dev/urandom of=${writer.target}/a bs=1M count=3 conv=fsync status=none`)
    const sum = await sh(`sha256sum < ${writer.target}/a`)
    await writer.unmount()
    const cache = join(mkdtempSync(join(tmpdir(), 'faultline-')), 'cache.vol')
    t.after(() => rmSync(dirname(cache), { recursive: true }))
    for (const size of ['8MiB', '1GiB']) {
      const reader = Mounted.bare(t)
      const words = ['--read-only', '--cache', cache, '--cache-size', size]
      await reader.start(CLI, ['mount', 'kept', reader.target, ...words, ...meta])
      assert.equal(await sh(`sha256sum < ${reader.target}/a`), sum)
      const second = await faultline('mount', 'kept', writer.target, ...words, ...meta)
      assert.equal(second.status, 1)
      assert.match(second.err, /openVolume of .*cache\.vol: process \d+ of .* has it open to write/)
      await reader.unmount()
    }
    const { out } = await faultline('volume', 'du', cache, '/.faultline-cache')
    assert.match(out, /[3-4]\.\d+ MiB/)
  })

  test('tells who was overtaken by fsync, and what it had stays readable', async t => {
    await made('fenced')
    const writer = Mounted.bare(t)
    await writer.start(CLI, ['mount', 'fenced', writer.target, ...meta])
    const w = writer.target
    await sh(`echo kept > ${w}/a; sync ${w}; echo unsynced > ${w}/b`)
    assert.equal((await faultline('volume', 'fence', 'fenced', ...meta)).status, 0)
    const { status, err } = await runs('sh', ['-c', `echo lost > ${w}/c; sync ${w}/c`])
    assert.equal(status, 1)
    assert.match(err, /Stale file handle/)
    assert.equal(await sh(`cat ${w}/a ${w}/b ${w}/c`), 'kept\nunsynced\nlost\n')
    assert.equal(await writer.unmount(), 1, 'what it could not keep is told at the end')
    assert.match(writer.said, /ESTALE/)
  })

  test('refuses in a sentence what is no volume there, and a database that is not', async t => {
    const { target } = Mounted.bare(t)
    const none = await faultline('mount', 'nothing', target, ...meta)
    assert.deepEqual([none.status, /there is no volume "nothing"/.test(none.err)], [1, true], none.err)
    const nowhere = await faultline('mount', 'x', target, '--meta', 'postgres://127.0.0.1:1/x')
    assert.deepEqual([nowhere.status, /could not be asked/.test(nowhere.err)], [1, true], nowhere.err)
  })
})
