/** Observes the running kernel while a frozen file system makes an inversion. Needs root, Linux, python3 and a loop device. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Account, Inversion } from '../analysis/index.ts'
import { analyze, observeLive, recorderScript } from './index.ts'
import {
  aloneWithTheKernel,
  ended,
  instances,
  LOAD,
  ok,
  whyNoKernel,
  withExt4,
  withReadLimit,
  withTracefs,
} from './load.suite.ts'

const skip = whyNoKernel()
if (skip === false) await aloneWithTheKernel()
/** How often the kernel's files are looked at for what is awaited. */
const LOOK_MS = 20
const MAIN = join(import.meta.dirname, '..', 'cli', 'main.ts')
const folder = mkdtempSync(join(tmpdir(), 'faultline-live-told-'))
after(() => rmSync(folder, { recursive: true }))

interface Run {
  readonly account: Account
  readonly told: readonly Inversion[]
  /** The monitor's longest read, as it measured it itself. */
  readonly slowestMs: number
}

/** Observes for as long as a load runs. */
async function observeLoad(command: readonly string[]): Promise<Run> {
  const controller = new AbortController()
  const told: Inversion[] = []
  let said = ''
  const account = await observeLive({
    thresholdMs: 50,
    bufferKb: 4096,
    pids: null,
    seconds: 60,
    signal: controller.signal,
    onInversion: inversion => told.push(inversion),
    onStarted: () => {
      const load = spawn(command[0]!, command.slice(1))
      load.stdout.on('data', data => {
        said += data
      })
      ended(load).then(() => controller.abort())
    },
  })
  return { account, told, ...(JSON.parse(said) as { slowestMs: number }) }
}

const MONITOR = 'health: [mon] 1'
const byMonitor = (all: readonly Inversion[]) => all.filter(each => each.waiter.comm === MONITOR)

for (const change of ['munmap', 'madvise'])
  test(`a frozen file system and ${change}: live tells the inversion when it happens, and leaves tracefs as it was`, {
    skip,
  }, async () => {
    const mountedBefore = existsSync('/sys/kernel/tracing/instances')
    await withExt4(async mount => {
      const { account, told, slowestMs } = await observeLoad(['python3', LOAD, change, mount, '0.3'])
      const [seen] = byMonitor(account.inversions)
      assert.ok(seen !== undefined, 'the wait of the monitor is found')
      assert.ok(told.includes(seen))
      assert.ok(
        seen.waitMs > slowestMs * 0.9 && seen.waitMs <= slowestMs,
        `${seen.waitMs} ms of ${slowestMs} ms`,
      )
      assert.deepEqual(
        seen.chain.map(link => link.comm),
        [MONITOR, 'change-vma 7', 'store (frozen)'],
      )
      assert.equal(seen.cause.kind, 'freeze')
      assert.equal(account.lostEvents, 0)
    })
    assert.equal(existsSync('/sys/kernel/tracing/instances'), mountedBefore)
    assert.ok(!instances().includes(`faultline-${process.pid}`))
  })

test('a throttled read fault: nobody waits for it on a kernel that drops its lock, and none is reported', {
  skip,
}, async () => {
  await withExt4(mount =>
    withReadLimit(mount, 64 * 1024, async prefix => {
      const { account } = await observeLoad([...prefix, 'python3', LOAD, 'read', mount, '0.7'])
      assert.deepEqual(byMonitor(account.inversions), [])
      assert.ok(account.trace.records > 0)
    }),
  )
})

test('a process that only maps anonymous memory: none is reported', { skip }, async () => {
  const { account } = await observeLoad(['python3', LOAD, 'anonymous', '/', '0.3'])
  const chained = account.inversions.filter(({ chain }) => chain.some(link => link.holds?.startsWith('VMA')))
  assert.deepEqual(byMonitor(chained), [])
  assert.ok(account.locks.length > 0)
})

test('observing a process that is not there is refused in a sentence', { skip }, async () => {
  const options = { thresholdMs: 50, bufferKb: 4096, seconds: 1, signal: new AbortController().signal }
  await assert.rejects(
    observeLive({ ...options, pids: [2 ** 22 + 1] }),
    /there is no process 4194305; expected/,
  )
  assert.ok(!instances().includes(`faultline-${process.pid}`))
})

/** Starts `observe live`, and resolves when it traces. */
async function live(...args: string[]): Promise<{ readonly child: ChildProcess; out: string }> {
  const child = spawn(process.execPath, [MAIN, 'observe', 'live', ...args])
  // A test that failed has not ended it.
  after(() => child.kill('SIGTERM'))
  const started = { child, out: '' }
  child.stdout.on('data', data => {
    started.out += data
  })
  let said = ''
  child.stderr.on('data', data => {
    said += data
  })
  // Nothing is printed where no terminal is; that tracing is on shows in its instance.
  // An instance is born with it on; its clock is set before it is turned on in earnest.
  const instance = `/sys/kernel/tracing/instances/faultline-${child.pid}`
  const isOn = () => {
    try {
      return (
        readFileSync(`${instance}/trace_clock`, 'latin1').includes('[mono]') &&
        readFileSync(`${instance}/tracing_on`, 'latin1').trim() === '1'
      )
    } catch {
      // It isn't there yet, or is being made.
      return false
    }
  }
  while (!isOn()) {
    assert.equal(child.exitCode, null, said)
    await sleep(LOOK_MS)
  }
  return started
}

test('live --watch --json prints an inversion a line as it ends, --exec gets it too, and Ctrl-C puts all back', {
  skip,
}, async () => {
  const told = join(folder, 'told')
  await withTracefs(() =>
    withExt4(async mount => {
      const before = instances()
      const observer = await live('--watch', '--json', '--exec', `cat >> ${told}`)
      assert.ok(instances().includes(`faultline-${observer.child.pid}`))
      const inTime = new Promise<void>((resolve, reject) => {
        observer.child.once('close', () =>
          reject(new Error('the observer ended before it told the inversion')),
        )
        observer.child.stdout!.on('data', () => {
          if (observer.out.includes('health: [mon] 1')) resolve()
        })
      })
      const load = spawn('python3', [LOAD, 'munmap', mount, '0.3'], { stdio: 'ignore' })
      await Promise.all([inTime, ended(load)])
      observer.child.kill('SIGINT')
      assert.equal(await ended(observer.child), 0)
      const lines = observer.out.trimEnd().split('\n')
      const seen = lines.map(line => JSON.parse(line) as Inversion)
      const monitor = seen.find(each => each.waiter.comm === 'health: [mon] 1')!
      assert.deepEqual(
        monitor.chain.map(link => link.comm),
        ['health: [mon] 1', 'change-vma 7', 'store (frozen)'],
      )
      assert.ok(readFileSync(told, 'utf8').includes('"change-vma 7"'))
      assert.deepEqual(instances(), before)
    }),
  )
})

test('a hang that began before: what is under way is told at the start, and the wait again when it ends, no link certain', {
  skip,
}, async () => {
  await withTracefs(() =>
    withExt4(async mount => {
      const load = spawn('python3', [LOAD, 'munmap', mount, '3'], { stdio: 'ignore' })
      const isHanging = () =>
        readdirSync('/proc').some(pid => {
          try {
            return (
              /^\d+$/.test(pid) &&
              readFileSync(`/proc/${pid}/comm`, 'latin1').trim() === 'health: [mon] 1' &&
              readFileSync(`/proc/${pid}/wchan`, 'latin1') === 'm_start'
            )
          } catch {
            return false
          }
        })
      while (!isHanging()) {
        assert.equal(load.exitCode, null, 'the load makes its monitor wait')
        await sleep(LOOK_MS)
      }
      const controller = new AbortController()
      let underWay: readonly Inversion[] = []
      ended(load).then(() => controller.abort())
      const account = await observeLive({
        thresholdMs: 50,
        bufferKb: 8192,
        pids: null,
        seconds: 60,
        signal: controller.signal,
        onStarted: seen => {
          underWay = seen
        },
      })
      const told = [...byMonitor(underWay), ...byMonitor(account.inversions)]
      for (const from of ['state', 'events']) {
        const of = told.filter(each => each.from === from)
        assert.ok(of.length > 0, from)
        for (const { chain } of of) {
          assert.deepEqual(
            chain.map(link => link.comm),
            [MONITOR, 'change-vma 7', 'store (frozen)'],
          )
          for (const link of chain) assert.notEqual(link.certainty, 'certain')
        }
      }
    }),
  )
})

test('live --pid ends with its process', { skip }, async () => {
  const sleeper = spawn('sleep', ['60'])
  const observer = await live('--json', '--pid', String(sleeper.pid))
  sleeper.kill()
  assert.equal(await ended(observer.child), 0)
  const account = JSON.parse(observer.out) as Account
  assert.deepEqual(account.missing, [], 'what was recorded and did not come was only quiet')
})

for (const shell of [['dash'], ['busybox', 'sh']] as const)
  test(`the recorder under ${shell.join(' ')} leaves one file with the inversion, and tracefs as it was`, {
    skip: skip || (ok('sh', '-c', `command -v ${shell[0]}`) ? false : `needs ${shell[0]}`),
  }, async () => {
    const [script, file] = [join(folder, 'record.sh'), join(folder, `${shell[0]}.txt`)]
    writeFileSync(script, recorderScript({ seconds: 60, bufferKb: 8192 }))
    await withTracefs(() =>
      withExt4(async mount => {
        const before = instances()
        const recorder = spawn(shell[0], [...shell.slice(1), script, file], {
          stdio: ['ignore', 'ignore', 'pipe'],
        })
        await once(recorder.stderr!, 'data')
        await ended(spawn('python3', [LOAD, 'munmap', mount, '0.3'], { stdio: 'ignore' }))
        recorder.kill('SIGINT')
        assert.equal(await ended(recorder), 130)
        const { inversions, files } = await analyze([file], { thresholdMs: 50 })
        const told = byMonitor(inversions).map(each => [
          ...each.chain.map(({ comm }) => comm),
          each.cause.kind,
        ])
        assert.ok(told.length > 0)
        // All of the machine is recorded: another test may make the same inversion meanwhile.
        for (const each of told) assert.deepEqual(each, [MONITOR, 'change-vma 7', 'store (frozen)', 'freeze'])
        assert.ok(files[0]!.unread <= 1)
        assert.deepEqual(instances(), before)
      }),
    )
  })

test('the recorder ends with 1 and a sentence where nothing can be recorded, or not all was written', {
  skip: skip || (ok('sh', '-c', 'command -v dash') ? false : 'needs dash'),
}, async () => {
  const script = join(folder, 'refused.sh')
  writeFileSync(script, recorderScript({ seconds: 1, bufferKb: 1024 }))
  await withTracefs(async () => {
    const before = instances()
    for (const [command, said] of [
      ['exec dash $0 $1/a abc', /^record: abc is no time; expected seconds/],
      ['exec dash $0 $1/nowhere/a', /^record: \S+ can't be written; name a file in a folder that exists\n$/],
      ['exec dash $0 $1', /^record: \S+ exists; name a file that does not\n$/],
      // A file that may not grow is like a disk that is full.
      ['ulimit -f 8; exec dash $0 $1/a', /record: \S+ isn't whole: it could not be written/],
    ] as const) {
      const { status, stderr } = spawnSync('sh', ['-c', command, script, folder], { encoding: 'utf8' })
      assert.equal(status, 1, `${command}: ${stderr}`)
      assert.match(stderr, said)
    }
    assert.deepEqual(instances(), before)
  })
})

test('live tells lost events', { skip }, async () => {
  const observer = await live('--json', '--buffer-kb', '8')
  await ended(spawn('python3', [LOAD, 'anonymous', '/', '0.5'], { stdio: 'ignore' }))
  observer.child.kill('SIGINT')
  assert.equal(await ended(observer.child), 0)
  const { lostEvents } = JSON.parse(observer.out) as Account
  assert.ok(lostEvents > 0)
})

test('live cleans up on SIGTERM, and after a killed run the next one does', { skip }, async () => {
  await withTracefs(async () => {
    const killed = await live('--all')
    killed.child.kill('SIGKILL')
    await ended(killed.child)
    assert.ok(existsSync(`/sys/kernel/tracing/instances/faultline-${killed.child.pid}`))
    const next = await live('--all')
    assert.ok(!instances().includes(`faultline-${killed.child.pid}`))
    next.child.kill('SIGTERM')
    assert.equal(await ended(next.child), 0)
    assert.ok(!instances().includes(`faultline-${next.child.pid}`))
  })
})
