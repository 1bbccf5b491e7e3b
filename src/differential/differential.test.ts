/**
 * The engine and this kernel agree: a short campaign on each filesystem. And the campaign can fail: a planted mistake of
 * ours is seen, and its line plays it again.
 */
import assert from 'node:assert/strict'
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Prng } from '../base/index.ts'
import {
  assertZeroPage,
  Coverage,
  campaign,
  DIFFERENCES,
  FILESYSTEMS,
  Filesystem,
  KINDS,
  kindsOf,
  NotHere,
  replay,
  type Stage,
  Tracer,
} from './index.ts'
import { Kernel } from './kernel.ts'
import { type Operation, randomOperation } from './operations.ts'
import { Ours } from './ours.ts'

const never = new AbortController().signal
const OPERATIONS = Number(process.env['DIFFERENTIAL_OPERATIONS'] ?? 1000)

async function on(
  t: { skip(reason: string): void },
  name: (typeof FILESYSTEMS)[number],
  act: (stage: Stage) => Promise<void>,
): Promise<void> {
  let made: Filesystem
  try {
    made = Filesystem.make(name)
  } catch (error) {
    if (!(error instanceof NotHere)) throw error
    t.skip('needs root, loop devices, and processes that may be traced')
    return
  }
  try {
    const tracer = new Tracer()
    try {
      assertZeroPage(tracer)
    } catch (error) {
      if (!(error instanceof NotHere)) throw error
      t.skip('this kernel has no page of zeros for loads of private memory')
      return
    }
    await act({
      tracer,
      filesystem: name,
      directory: made.directory,
      coverage: new Coverage(),
    })
  } finally {
    made.remove()
  }
}

for (const name of FILESYSTEMS)
  test(`the engine and the kernel agree on ${name}`, async t => {
    await on(t, name, async stage => {
      const plan = { operations: OPERATIONS, seed: 1, from: 0, onProgress: () => {}, signal: never }
      const { operations, failure } = await campaign(stage, plan)
      assert.equal(failure?.message, undefined)
      assert.equal(operations, OPERATIONS)
      assert.ok(Object.values(stage.coverage.counts).some(({ failed }) => failed > 0))
    })
  })

test('a planted mistake is found, made small, and played again', async t => {
  await on(t, 'tmpfs', async stage => {
    const { perform } = Ours.prototype
    t.mock.method(Ours.prototype, 'perform', function (this: Ours, operation: Parameters<typeof perform>[0]) {
      // munmap forgets the last page.
      if (operation.name === 'unmap' && operation.pages > 1)
        return perform.call(this, { ...operation, pages: operation.pages - 1 })
      return perform.call(this, operation)
    })
    const plan = { operations: 2000, seed: 1, from: 0, onProgress: () => {}, signal: never }
    const { failure } = await campaign(stage, plan)
    assert.ok(failure !== undefined && failure.kept.length <= 4, JSON.stringify(failure))
    assert.match(failure.message, /"name":"unmap"/)
    assert.notEqual(replay(stage, 1, failure.story, failure.kept), undefined)
    t.mock.restoreAll()
    assert.equal(replay(stage, 1, failure.story, failure.kept), undefined)
  })
})

test('pages that only the kernel lacks, and not again, are no difference, and are counted; what comes again is one', async t => {
  await on(t, 'ext4', async stage => {
    const { perform } = Kernel.prototype
    let drops = 0
    t.mock.method(Kernel.prototype, 'perform', function (this: Kernel, operation: Operation) {
      const outcome = perform.call(this, operation)
      if (operation.name === 'protect' && drops > 0) {
        drops--
        dropUnmapped(path.join(stage.directory, 'kernel'))
      }
      return outcome
    })
    const plan = { operations: 750, seed: 1, from: 0, onProgress: () => {}, signal: never }
    const played = (times: number) => {
      drops = times
      return campaign(stage, plan)
    }
    const once = await played(1)
    assert.equal(once.failure?.message, undefined)
    assert.equal(once.taken, 1)
    assert.match((await played(1e9)).failure?.message ?? '', /mincore|entries/)
  })
})

/** POSIX_FADV_DONTNEED: what is clean and mapped by nobody leaves memory. */
function dropUnmapped(folder: string): void {
  for (const name of fs.readdirSync(folder)) {
    execFileSync('sync', [path.join(folder, name)])
    execFileSync(
      'dd',
      [`of=${path.join(folder, name)}`, 'oflag=nocache', 'conv=notrunc,fdatasync', 'count=0'],
      {
        stdio: 'ignore',
      },
    )
  }
}

for (const signal of ['SIGINT', 'SIGTERM'] as const)
  test(`stopped by ${signal}, it leaves no mount, no file and no process`, async t => {
    await on(t, 'tmpfs', async () => {
      const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'faultline-stopped-'))
      t.after(() => fs.rmSync(scratch, { recursive: true, force: true }))
      const program = fileURLToPath(new URL('main.ts', import.meta.url))
      const child = spawn(
        process.execPath,
        ['--conditions=faultline-source', program, '--filesystem', 'ext4', '--operations', '10000000'],
        { env: { ...process.env, TMPDIR: scratch }, stdio: ['ignore', 'ignore', 'pipe'] },
      )
      const closed = once(child, 'close')
      const mounted = () => fs.readFileSync('/proc/mounts', 'utf8').includes(scratch)
      // Between two stories there are none.
      const whilePlaying = async (pid: number) => {
        for (let tries = 0; child.exitCode === null && tries < 1000; tries++) {
          const tracees = tracedBy(pid)
          if (mounted() && tracees.length > 0) return tracees
          await pause(20)
        }
        assert.fail('it does not play')
      }
      const tracees = await whilePlaying(child.pid!)
      child.kill(signal)
      assert.deepEqual(await closed, [signal === 'SIGINT' ? 130 : 143, null])
      assert.ok(!mounted())
      assert.deepEqual(fs.readdirSync(scratch), [])
      // Whoever takes up the dead does so in its own time.
      const left = () => tracees.filter(pid => fs.existsSync(`/proc/${pid}`))
      for (let tries = 0; left().length > 0 && tries < 1000; tries++) await pause(20)
      assert.deepEqual(left(), [])
    })
  })

function saysOf(args: readonly string[], env: NodeJS.ProcessEnv = {}): [number | null, string] {
  const program = fileURLToPath(new URL('main.ts', import.meta.url))
  const { status, stderr } = spawnSync(
    process.execPath,
    ['--conditions=faultline-source', program, '--filesystem', 'tmpfs', ...args],
    { env: { ...process.env, ...env }, encoding: 'utf8' },
  )
  return [status, stderr]
}

for (const [args, says] of [
  [['--operations', '0'], '--operations 0: expected a whole number from 1'],
  [['--keep', '3,250'], '--keep 250: expected a whole number from 0 to 249'],
  [['--keep', '1,,2'], "--keep '': expected a whole number from 0 to 249"],
] as const)
  test(`${args.join(' ')} is refused`, () => {
    assert.deepEqual(saysOf(args), [2, `${says}\ntry --help\n`])
  })

test('where nothing can be written it says so, and what to do', async t => {
  await on(t, 'tmpfs', async () => {
    const [status, says] = saysOf(['--operations', '1'], { TMPDIR: '/proc/self' })
    assert.equal(status, 2)
    assert.match(
      says,
      /^nothing can be written in \/proc\/self \(E[A-Z]+\); name a folder that can with TMPDIR\n/,
    )
  })
})

/** Those that a process traces. */
function tracedBy(pid: number): readonly string[] {
  return fs.readdirSync('/proc').filter(each => {
    if (!/^\d+$/.test(each)) return false
    try {
      return fs.readFileSync(`/proc/${each}/status`, 'latin1').includes(`TracerPid:\t${pid}\n`)
    } catch {
      return false
    }
  })
}

test('chance makes every kind of operation, and no other', () => {
  const prng = new Prng(1)
  const seen = new Set(Array.from({ length: 20_000 }, () => randomOperation(prng)).flatMap(kindsOf))
  assert.deepEqual([...seen].sort(), [...KINDS].sort())
})

test('docs/differential.md has the table of differences', () => {
  const text = fs.readFileSync(new URL('../../docs/differential.md', import.meta.url), 'utf8')
  for (const { name, kernel, ours, follows } of DIFFERENCES)
    assert.ok(text.includes(`| ${name} | ${kernel} | ${ours} | ${follows} |`), `the row "${name}"`)
})
