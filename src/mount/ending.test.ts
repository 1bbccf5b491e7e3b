/** How a mount ends: what who unmounts it is told, and what signals do at which moment. */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { mountsAt } from '../fuse/index.ts'
import { CLI, faultline, Mounted, type Ran, runs, unavailable } from './mounting.suite.ts'

const SIGNALLED = join(import.meta.dirname, 'signalled.suite.ts')
const skip = unavailable() ?? false

/** A volume on a disk that is full, of which something is mounted that isn't durable and can't be. */
async function onFullDisk(t: TestContext): Promise<{ readonly target: string; readonly filler: string }> {
  const { folder, target } = Mounted.bare(t)
  const disk = join(folder, 'disk')
  mkdirSync(disk)
  spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'none', disk])
  const volume = join(disk, 'volume')
  assert.equal((await faultline('volume', 'create', volume, '--size', '16MiB')).status, 0)
  const { out } = await faultline('mount', volume, target, '--background', '--commit', '3600', '--json')
  const { pid } = JSON.parse(out) as { readonly pid: number }
  t.after(() => endProcess(pid))
  const filler = join(disk, 'filler')
  const script = `
    dd if=/dev/zero of='${filler}' bs=64k status=none 2>/dev/null || true
    for n in $(seq 2000); do echo $n > f$n; done`
  const { status, err } = await runs('sh', ['-ec', script], { cwd: target })
  assert.equal(status, 0, err)
  return { target, filler }
}

function endProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended, as it should.
  }
}

const signalled = (...words: readonly string[]): Promise<Ran> =>
  runs(process.execPath, ['--conditions=faultline-source', SIGNALLED, ...words])

test('what can’t be made durable stays mounted, and is kept when there is room', { skip }, async t => {
  const { target, filler } = await onFullDisk(t)
  const { status, out, err } = await faultline('umount', target, '--json')
  assert.equal(status, 1)
  assert.equal(out, '')
  assert.match(JSON.parse(err).error.message, /can't be made durable now \(ENOSPC\), and it stays mounted/)
  assert.equal((await runs('cat', ['f2000'], { cwd: target })).out, '2000\n')
  rmSync(filler)
  assert.deepEqual(await faultline('umount', target), { status: 0, out: '', err: '' })
  assert.equal(mountsAt(target).length, 0)
})

test('who unmounts can give up while the disk doesn’t answer', { skip }, async t => {
  const mounted = await made(t)
  const { volume, target } = mounted
  await mounted.start(SIGNALLED, ['syncing', 'mount', volume, target, '--commit', '3600'])
  const umount = spawn(process.execPath, ['--conditions=faultline-source', CLI, 'umount', target])
  const ended = once(umount, 'close')
  await mounted.says('syncing')
  umount.kill('SIGINT')
  assert.deepEqual(await ended, [130, null])
  assert.equal((await runs('ls', ['.'], { cwd: target })).status, 0)
})

test('umount says what the daemon says of its end, if something is lost', { skip }, async t => {
  const mounted = await made(t)
  await mounted.start(SIGNALLED, ['losing', 'mount', mounted.volume, mounted.target])
  const { status, out, err } = await faultline('umount', mounted.target, '--json')
  assert.equal(status, 1)
  assert.equal(out, '')
  assert.equal(JSON.parse(err).error.message, 'what was not durable yet is lost')
  assert.equal(await mounted.ended(), 1)
})

test('MEN1: umount says so when the daemon has ended without a word', { skip }, async t => {
  const mounted = await made(t)
  await mounted.start(SIGNALLED, ['closing', 'mount', mounted.volume, mounted.target])
  const { status, err } = await faultline('umount', mounted.target)
  assert.equal(status, 1)
  assert.match(err, /its daemon ended before it had said that everything is durable/)
})

async function made(t: TestContext): Promise<Mounted> {
  const mounted = Mounted.bare(t)
  assert.equal((await faultline('volume', 'create', mounted.volume, '--size', '4MiB')).status, 0)
  return mounted
}

test('CMT1: a signal that comes while it is being mounted unmounts, or nothing was mounted', {
  skip,
}, async t => {
  const mounted = await made(t)
  const { volume, target } = mounted
  await mounted.start(SIGNALLED, ['mounted', 'mount', volume, target])
  assert.equal(await mounted.ended(), 0)
  assert.equal(mountsAt(target).length, 0)
  await assert.rejects(mounted.start(SIGNALLED, ['opening', 'mount', volume, target]), /the daemon ended/)
  assert.equal(await mounted.ended(), 'SIGTERM')
  assert.equal(mountsAt(target).length, 0)
  assert.deepEqual(await mounted.check(), [])
})

test('CMT1: a mount whose launcher is gone serves on', { skip }, async t => {
  const { volume, target } = await made(t)
  const { status } = await signalled('launcher killed', 'mount', volume, target, '--background')
  assert.equal(status, null)
  // Until the daemon has found out.
  await setTimeout(500)
  const { out } = await runs('sh', ['-ec', 'echo kept > f; cat f'], { cwd: target })
  assert.equal(out, 'kept\n')
  assert.equal((await faultline('umount', target)).status, 0)
})

test('CMT1: a launcher that is interrupted takes back what it has begun', { skip }, async t => {
  const mounted = await made(t)
  const { volume, target } = mounted
  const { status } = await signalled('launcher interrupted', 'mount', volume, target, '--background')
  // On a host so busy that the mount was there first it stays.
  if (status === 0) assert.equal((await faultline('umount', target)).status, 0)
  else assert.equal(status, 130)
  assert.equal(mountsAt(target).length, 0)
  assert.deepEqual(await mounted.check(), [])
})

test('CMT2: signals that go on coming while it ends change nothing of how it ended', { skip }, async t => {
  const mounted = await made(t)
  for (let times = 0; times < 4; times++) {
    await mounted.mount()
    await mounted.does('echo x > f')
    const signals = runs('sh', ['-c', `while kill -TERM ${mounted.pid} 2>/dev/null; do :; done`])
    assert.equal(await mounted.ended(), 0)
    await signals
    assert.equal(mounted.said, '')
  }
  assert.equal(mountsAt(mounted.target).length, 0)
})
