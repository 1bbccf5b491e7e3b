/**
 * A request of a mount whose disk doesn't answer, seen by every way of observing this kernel at once: live, the recorder, a trace.dat
 * and perf. Each names who waits, for what, and the chain that the daemon tells.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  closeSync,
  constants,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { faultline, has, Mounted, unavailable } from '../mount/mounting.suite.ts'
import type { AnalysisJson, Inversion } from '../observe/door.ts'
import { recorderScript } from '../observe/index.ts'
import { aloneWithTheKernel, ended, whyNoKernel, withTracefs } from '../observe/load.suite.ts'
import { version6, version7 } from '../trace/trace-dat.fixture.ts'

const HOLDING = join(import.meta.dirname, '..', 'mount', 'holding.suite.ts')
const MAIN = join(import.meta.dirname, 'main.ts')
const TRACING = '/sys/kernel/tracing'
const EVENTS = [
  ['sched', 'sched_switch'],
  ['sched', 'sched_waking'],
  ['fuse', 'fuse_request_send'],
  ['fuse', 'fuse_request_end'],
] as const
const LOOK_MS = 20
const PAGE = 4096

const skip = unavailable() || whyNoKernel() || (has('perf') ? false : 'needs perf')
if (skip === false) await aloneWithTheKernel()

/** An instance of tracefs whose raw pages are kept. */
class RawInstance {
  private readonly path = join(TRACING, 'instances', `faultline-test-${process.pid}`)

  start(): void {
    spawnSync('mkdir', [this.path])
    this.write('tracing_on', '0')
    this.write('trace_clock', 'mono')
    this.write('buffer_size_kb', '16384')
    for (const event of EVENTS) this.write(join('events', ...event, 'enable'), '1')
    this.write('tracing_on', '1')
  }

  stop(): Parameters<typeof version6>[0] {
    this.write('tracing_on', '0')
    const cpus = readdirSync(join(this.path, 'per_cpu'))
      .sort((a, b) => Number(a.slice(3)) - Number(b.slice(3)))
      .map(cpu => pagesOf(join(this.path, 'per_cpu', cpu, 'trace_pipe_raw')))
    const read = (file: string) => readFileSync(join(TRACING, file), 'latin1')
    return {
      formats: EVENTS.map(([system, name]) => ({ system, text: read(`events/${system}/${name}/format`) })),
      headerPage: read('events/header_page'),
      headerEvent: read('events/header_event'),
      kallsyms: '',
      cmdlines: readFileSync(join(TRACING, 'saved_cmdlines'), 'latin1'),
      cpus,
    }
  }

  remove(): void {
    this.write('events/enable', '0')
    rmdirSync(this.path)
  }

  private write(file: string, value: string): void {
    writeFileSync(join(this.path, file), value)
  }
}

function pagesOf(path: string): Buffer {
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  const pages: Buffer[] = []
  try {
    for (;;) {
      const page = Buffer.alloc(PAGE)
      if (readSync(file, page, 0, PAGE, null) === 0) return Buffer.concat(pages)
      pages.push(page)
    }
  } catch (error) {
    assert.equal((error as NodeJS.ErrnoException).code, 'EAGAIN')
    return Buffer.concat(pages)
  } finally {
    closeSync(file)
  }
}

/** Starts `observe live`, and returns when it traces. */
async function live(): Promise<{ readonly child: ChildProcess; out: string }> {
  const words = [
    '--conditions=faultline-source',
    MAIN,
    'observe',
    'live',
    '--watch',
    '--json',
    '--buffer-kb',
    '65536',
  ]
  const child = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'inherit'] })
  const started = { child, out: '' }
  child.stdout!.on('data', data => {
    started.out += data
  })
  const read = (file: string) => {
    try {
      return readFileSync(join(TRACING, 'instances', `faultline-${child.pid}`, file), 'latin1')
    } catch {
      return ''
    }
  }
  while (!read('trace_clock').includes('[mono]') || read('tracing_on').trim() !== '1') await sleep(LOOK_MS)
  return started
}

test('a slow request of a mount is named with its chain, by whatever records the kernel', {
  skip,
}, async t => {
  const folder = mkdtempSync(join(tmpdir(), 'faultline-asked-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const mounted = await Mounted.make(t, '16MiB')
  await mounted.does('head -c 1000000 /dev/urandom > big')
  await mounted.unmount()
  await mounted.start(HOLDING, ['mount', mounted.volume, mounted.target])
  const { target, volume } = mounted
  const [status, text, perf, script] = ['status', 'trace.txt', 'perf.data', 'record.sh'].map(name =>
    join(folder, name),
  ) as [string, string, string, string]
  await withTracefs(async () => {
    writeFileSync(script, recorderScript({ seconds: 600, bufferKb: 16384 }))
    const raw = new RawInstance()
    const observer = await live()
    const recorder = spawn('sh', [script, text], { stdio: ['ignore', 'ignore', 'pipe'] })
    await once(recorder.stderr, 'data')
    // What it runs begins when it records, and ends it.
    const perfing = spawn(
      'perf',
      [
        ...['record', '-q', '-a', '-g', '-m', '4096', '-o', perf],
        ...EVENTS.flatMap(event => ['-e', event.join(':')]),
        ...['--', 'sh', '-c', 'echo records; exec cat'],
      ],
      { stdio: ['pipe', 'pipe', 'inherit'] },
    )
    await once(perfing.stdout, 'data')
    raw.start()
    mounted.signal('SIGUSR2')
    await mounted.says('holding')
    const reader = spawn('cat', ['big'], { cwd: target, stdio: 'ignore' })
    const gone = once(reader, 'close')
    await mounted.says('held')
    // Asking takes longer than what counts as slow.
    const { requests } = JSON.parse((await faultline('volume', 'status', target, '--json')).out)
    assert.deepEqual(
      requests.map((each: { readonly thread: number; readonly waits: readonly unknown[] }) => [
        each.thread,
        each.waits.length,
      ]),
      [[reader.pid, 2]],
    )
    mounted.signal('SIGUSR2')
    assert.deepEqual(await gone, [0, null])
    writeFileSync(status, (await faultline('volume', 'status', target, '--json')).out)
    const pages = raw.stop()
    raw.remove()
    perfing.stdin.end()
    await ended(perfing)
    for (const child of [recorder, observer.child]) {
      child.kill('SIGINT')
      await ended(child)
    }
    const lines = observer.out
      .trim()
      .split('\n')
      .map(line => JSON.parse(line) as Inversion)
    const [six, seven] = [join(folder, 'six.dat'), join(folder, 'seven.dat')]
    writeFileSync(six, version6(pages))
    writeFileSync(seven, version7(pages, 'zstd'))
    const byWay: [string, readonly Inversion[]][] = [['live', lines]]
    for (const file of [text, six, seven, perf]) {
      const { out, err } = await faultline('observe', 'analyze', file, '--json', '--mount-status', status)
      assert.notEqual(out, '', err)
      byWay.push([file, (JSON.parse(out) as AnalysisJson).requests])
    }
    for (const [way, waits] of byWay) {
      const [wait] = waits
        .filter(({ waiter }) => waiter.tid === reader.pid)
        .sort((a, b) => b.waitMs - a.waitMs)
      assert.ok(wait !== undefined, `${way}: ${JSON.stringify(waits)}`)
      const { chain, cause, endSec } = wait
      assert.notEqual(endSec, null)
      const inode = requests[0].inode
      assert.deepEqual(
        chain.map(({ role, tid, waitsFor }) => [role, tid, waitsFor]),
        [
          ['waiter', reader.pid, `FUSE READ on ${target}`],
          ['daemon', mounted.pid, `read of inode ${inode} page 0 (read)`],
          ['daemon', mounted.pid, `read of ${volume}/data block 1 (device)`],
        ],
        way,
      )
      assert.equal(chain[2]!.comm, `read of inode ${inode}`)
      assert.equal(cause.kind, 'fuse')
      assert.match(cause.why, /^the daemon says so: read of .* block 1 \(device\)/)
    }
    // Without its word the daemon is named.
    const { out } = await faultline('observe', 'analyze', six)
    const said = out.replace(/\s+/g, ' ')
    assert.match(said, /1\. cat \(\d+\) waited [\d.]+ ms for FUSE READ on 0,\d+/)
    const named = new RegExp(
      `<- \\S+ \\(${mounted.pid}\\) held READ \\d+ for [\\d.]+ ms of it and waited for what only it can tell \\[certain: fuse events\\]`,
    )
    assert.match(said, named)
  })
  assert.equal(await mounted.unmount(), 0)
})
