/** Observes the running kernel while a frozen file system makes an inversion. Needs root, Linux, python3 and a loop device. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { type Inversion, observeLive } from './index.ts'

const ok = (command: string, ...args: string[]): boolean => spawnSync(command, args).status === 0

function whyNot(): string | false {
  if (process.platform !== 'linux') return 'needs Linux'
  if (process.getuid?.() !== 0) return 'needs root'
  if (!existsSync('/sys/kernel/tracing')) return 'the kernel has no tracefs'
  for (const program of ['python3', 'mkfs.ext4', 'fsfreeze', 'losetup'])
    if (!ok('sh', '-c', `command -v ${program}`)) return `needs ${program}`
  if (!ok('losetup', '--find')) return 'no loop device is free'
  return false
}

const skip = whyNot()
const LOAD = join(import.meta.dirname, 'load.py')

/** A small ext4 on a loop device for as long as `use` runs. */
async function withExt4(use: (mount: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'faultline-live-'))
  const [image, mount] = [join(folder, 'image'), join(folder, 'mount')]
  mkdirSync(mount)
  assert.ok(
    ok('truncate', '-s', '32M', image) &&
      ok('mkfs.ext4', '-q', '-F', image) &&
      ok('mount', '-o', 'loop', image, mount),
  )
  try {
    await use(mount)
  } finally {
    spawnSync('fsfreeze', ['-u', mount])
    spawnSync('umount', ['-l', mount])
    rmSync(folder, { recursive: true })
  }
}

const instances = (): string[] =>
  existsSync('/sys/kernel/tracing/instances')
    ? readdirSync('/sys/kernel/tracing/instances').filter(name => name.startsWith('faultline-'))
    : []

const ended = (child: ChildProcess): Promise<void> =>
  new Promise(resolve => child.once('close', () => resolve()))

test('observe live tells the inversion when it happens, and leaves tracefs as it was', { skip }, async () => {
  const mountedBefore = existsSync('/sys/kernel/tracing/instances')
  await withExt4(async mount => {
    const controller = new AbortController()
    const told: Inversion[] = []
    let load: ChildProcess | null = null
    let said = ''
    const account = await observeLive({
      thresholdMs: 50,
      pids: null,
      seconds: 30,
      signal: controller.signal,
      onInversion: inversion => told.push(inversion),
      onStarted: () => {
        load = spawn('python3', [LOAD, 'munmap', mount, '0.3'])
        load.stdout!.on('data', data => {
          said += data
        })
        ended(load).then(() => controller.abort())
      },
    })
    const { slowestMs } = JSON.parse(said) as { slowestMs: number }
    const seen = account.inversions.find(each => each.waiter.comm === 'health: [mon] 1')
    assert.ok(seen !== undefined, 'the wait of the monitor is found')
    assert.ok(told.includes(seen))
    assert.ok(
      seen.waitMs > slowestMs * 0.9 && seen.waitMs <= slowestMs,
      `${seen.waitMs} ms of ${slowestMs} ms`,
    )
    assert.deepEqual(
      seen.chain.map(link => link.comm),
      ['health: [mon] 1', 'change-vma 7', 'store (frozen)'],
    )
    assert.equal(seen.cause.kind, 'freeze')
    assert.equal(account.lostEvents, 0)
  })
  assert.equal(existsSync('/sys/kernel/tracing/instances'), mountedBefore)
  assert.ok(!instances().includes(`faultline-${process.pid}`))
})

test('what a killed run left in tracefs is removed by the next', { skip }, async () => {
  const mounted = spawnSync('mountpoint', ['-q', '/sys/kernel/tracing']).status === 0
  if (!mounted) assert.ok(ok('mount', '-t', 'tracefs', 'nodev', '/sys/kernel/tracing'))
  try {
    const code = `import { observeLive } from ${JSON.stringify(join(import.meta.dirname, 'index.ts'))}
      await observeLive({ thresholdMs: 50, pids: null, seconds: 60, signal: new AbortController().signal, onStarted: () => process.kill(process.pid, 'SIGKILL') })`
    const killed = spawn(process.execPath, ['--input-type=module', '-e', code])
    await ended(killed)
    assert.ok(instances().includes(`faultline-${killed.pid}`))
    await observeLive({ thresholdMs: 50, pids: null, seconds: 0.01, signal: new AbortController().signal })
    assert.ok(!instances().includes(`faultline-${killed.pid}`))
  } finally {
    if (!mounted) spawnSync('umount', ['/sys/kernel/tracing'])
  }
})

test('observing a process that is not there is refused in a sentence', { skip }, async () => {
  const options = { thresholdMs: 50, seconds: 1, signal: new AbortController().signal }
  await assert.rejects(
    observeLive({ ...options, pids: [2 ** 22 + 1] }),
    /there is no process 4194305; expected/,
  )
  assert.ok(!instances().includes(`faultline-${process.pid}`))
})
