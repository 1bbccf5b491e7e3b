/** The forms of a trace: trace.dat 6 and 7, packed or not, perf script and trace-cmd report give the answer of the text. */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { gunzipSync, gzipSync } from 'node:zlib'
import type { Account } from '../analysis/index.ts'
import { Kind, TraceError } from '../trace/index.ts'
import { onBigEndian, type Recorded, version6, version7 } from '../trace/trace-dat.fixture.ts'
import { readTrace } from '../unpack/index.ts'
import { REFUSED, SAME, type Tool } from './forms.fixture.ts'
import { type AnalyzedFiles, accountText, analyze } from './index.ts'

const folder = mkdtempSync(join(tmpdir(), 'faultline-forms-'))
after(() => rmSync(folder, { recursive: true }))

const fixture = (name: string): string => join(import.meta.dirname, 'fixtures', name)
const stored = JSON.parse(
  gunzipSync(readFileSync(fixture('frozen-munmap-raw-6.18.json.gz'))).toString(),
) as Omit<Recorded, 'cpus'> & { readonly cpus: readonly string[] }
const recorded: Recorded = { ...stored, cpus: stored.cpus.map(pages => Buffer.from(pages, 'base64')) }

function file(name: string, content: Buffer): string {
  const path = join(folder, name)
  writeFileSync(path, content)
  return path
}

const CHAIN = ['health: [mon] 1', 'change-vma 7 mmap_lock (write)', 'store (frozen) VMA lock (read)']

async function chainOf(
  path: string,
): Promise<{ readonly chain: string[]; readonly waitMs: number; readonly unread: number }> {
  const { inversions, files } = await analyze([path], { thresholdMs: 50 })
  assert.equal(inversions.length, 1)
  const { chain, cause, waitMs } = inversions[0]!
  assert.equal(cause.kind, 'freeze')
  return {
    chain: chain.map(link => [link.comm, link.holds ?? ''].join(' ').trim()),
    waitMs,
    unread: files[0]!.unread,
  }
}

for (const [name, content] of [
  ['version 6', version6(recorded)],
  ['version 6, gzipped', gzipSync(version6(recorded))],
  ['version 7', version7(recorded, 'none')],
  ['version 7 packed with zstd', version7(recorded, 'zstd')],
  ['version 6 of a big-endian machine', version6(onBigEndian(recorded))],
  ['version 7 of a big-endian machine', version7(onBigEndian(recorded), 'none')],
  ['version 7 of a big-endian machine, packed with zstd', version7(onBigEndian(recorded), 'zstd')],
] as const)
  test(`trace.dat ${name} gives the chain, to the nanosecond what the pages say`, async () => {
    const { chain, waitMs, unread } = await chainOf(file(name, content))
    assert.deepEqual(chain, CHAIN)
    assert.equal(unread, 0)
    const report = await chainOf(fixture('frozen-munmap-trace-cmd.txt.gz'))
    assert.ok(
      Math.abs(waitMs - report.waitMs) < 0.002,
      'trace-cmd report of the same run says the same, in microseconds',
    )
  })

for (const name of ['frozen-munmap-trace-cmd.txt.gz', 'frozen-munmap-perf.txt.gz'])
  test(`${name} gives the chain`, async () => {
    assert.deepEqual((await chainOf(fixture(name))).chain, CHAIN)
  })

test('records of all CPUs come in order of time', async () => {
  let last = 0
  let records = 0
  await readTrace(file('order.dat', version6(recorded)), record => {
    if (record.kind === Kind.lost) return
    assert.ok(record.time >= last)
    last = record.time
    records++
  })
  assert.ok(records > 1000)
})

test('events lost before a page are counted, and the rest is read', async () => {
  const pages = Buffer.from(recorded.cpus[0]!)
  const lostBefore = 4096
  pages.writeUInt32LE((pages.readUInt32LE(lostBefore + 8) | 0x80000000) >>> 0, lostBefore + 8)
  const lost = { ...recorded, cpus: [pages, ...recorded.cpus.slice(1)] }
  const { lostEvents } = await analyze([file('lost.dat', version6(lost))], { thresholdMs: 50 })
  assert.equal(lostEvents, 1)
})

test('what if bytes of a trace.dat are damaged, or its end is missing? An account or one clear sentence, never a crash', async () => {
  const whole = version7(recorded, 'none')
  let accounts = 0
  let refusals = 0
  for (let n = 1; n <= 60; n++) {
    const damaged = Buffer.from(n % 3 === 0 ? whole.subarray(0, Math.floor((whole.length * n) / 61)) : whole)
    if (n % 3 !== 0)
      for (let i = 0; i < 50; i++)
        damaged[(n * 7919 + i * 104_729) % damaged.length] = (n * 31 + i * 17) & 255
    try {
      await analyze([file('damaged.dat', damaged)], { thresholdMs: 50 })
      accounts++
    } catch (error) {
      assert.ok(error instanceof TraceError, `damage ${n}: ${(error as Error).stack}`)
      refusals++
    }
  }
  assert.ok(accounts > 0 && refusals > 0, `${accounts} accounts, ${refusals} refusals`)
})

const FIXTURES: readonly { readonly name: string; readonly tool: Tool }[] = [
  { name: 'frozen-munmap-6.18.txt.gz', tool: 'tracefs' },
  { name: 'frozen-madvise-6.18.txt.gz', tool: 'tracefs' },
  { name: 'page-mkwrite-6.18.txt.gz', tool: 'tracefs' },
  { name: 'bigfork-preempted-6.18.txt.gz', tool: 'tracefs' },
  { name: 'anonymous-6.18.txt.gz', tool: 'tracefs' },
  { name: 'frozen-munmap-perf.txt.gz', tool: 'perf' },
  { name: 'frozen-munmap-trace-cmd.txt.gz', tool: 'trace-cmd' },
]
const textOf = (name: string): string => gunzipSync(readFileSync(fixture(name))).toString('latin1')

const chainsOf = ({ inversions }: Account): unknown[] =>
  inversions.map(({ chain, cause, waitMs }) => ({
    chain: chain.map(link => [link.comm, link.holds, link.waitsFor, link.at, link.certainty].join(' | ')),
    cause: cause.kind,
    waitMs: Math.round(waitMs),
  }))

for (const { name, tool } of FIXTURES) {
  const plain = textOf(name)
  test(`${name} in every form of ${tool}: the same chains, and nothing unread`, async () => {
    const expected = chainsOf(
      await analyze([file('plain', Buffer.from(plain, 'latin1'))], { thresholdMs: 50 }),
    )
    for (const { name: form, of, write, clockHz } of SAME) {
      if (!of.includes(tool)) continue
      const account: AnalyzedFiles = await analyze(
        [file('form', write(plain))],
        { thresholdMs: 50 },
        clockHz === undefined ? {} : { clockHz },
      )
      assert.deepEqual(chainsOf(account), expected, form)
      assert.equal(account.files[0]!.unread, 0, form)
      assert.ok(account.conclusive, form)
    }
    for (const { name: form, of, write, because } of REFUSED)
      if (of.includes(tool))
        await assert.rejects(analyze([file('form', write(plain))], { thresholdMs: 50 }), error => {
          assert.ok(error instanceof TraceError, form)
          assert.match(error.message, because, form)
          return true
        })
  })
}

const SHARED = join(import.meta.dirname, '..', '..', '..', 'shared', 'traces', 'forms')
for (const name of [
  'counter-or-tsc-clock.txt.gz',
  'ftrace-dump-in-dmesg.txt.gz',
  'in-systrace-html.html.gz',
  'mail-quoted.txt.gz',
  'numeric-prev_state-arrow.txt.gz',
  'perf-no-cpu-column.txt.gz',
  'perf-period-column.txt.gz',
  'perf-tabs-to-spaces.txt.gz',
  'trace-cmd-raw-booleans.txt.gz',
])
  test(`the recorded form ${name} gives the chain`, {
    skip: existsSync(join(SHARED, name)) ? false : 'needs ../shared/traces/forms',
  }, async () => {
    const { inversions, files } = await analyze([join(SHARED, name)], { thresholdMs: 50 }, { clockHz: 1e6 })
    assert.deepEqual(
      inversions.map(({ chain }) => chain.map(link => [link.comm, link.holds ?? ''].join(' ').trim())),
      [CHAIN],
    )
    assert.equal(inversions[0]!.cause.kind, 'freeze')
    assert.equal(files[0]!.unread, 0)
  })

test('buffers that wrapped: nothing that began before each CPU is known is certain, and the account says from when each is', async () => {
  const plain = textOf('frozen-munmap-6.18.txt.gz').replace(
    /(entries-written: )(\d+)\/(\d+)/,
    '$1$2/99999999',
  )
  const lines = plain.split('\n')
  const middle = lines.findIndex(
    line =>
      line.includes('health') &&
      line.includes('start_locking') &&
      Number(/ (\d+\.\d{6}): /.exec(line)?.[1]) > 4590.98,
  )
  // CPU 0 is heard of only from the middle of the wait on.
  const late = lines.filter((line, at) => at > middle || !line.includes('[000]'))
  const account = await analyze([file('wrapped', Buffer.from(late.join('\n'), 'latin1'))], {
    thresholdMs: 50,
  })
  for (const { chain, cause } of account.inversions)
    for (const { certainty } of [...chain, cause]) assert.notEqual(certainty, 'certain')
  assert.equal(account.trace.knownFrom.length, 2)
  assert.match(accountText(account, 50).replace(/\s+/g, ' '), /The buffers had wrapped: CPU 0 is known from/)
})

test('lines of a kind that matters that cannot be read are the first thing said, and without a finding the status is 1', async () => {
  const torn = textOf('frozen-munmap-6.18.txt.gz').replace(/(mmap_lock_acquire_returned: mm=\w+) .*/g, '$1')
  const account = await analyze([file('torn', Buffer.from(torn, 'latin1'))], { thresholdMs: 50 })
  assert.match(account.doubts[0]!, /lines of mmap_lock_acquire_returned could not be read/)
  assert.ok(!account.conclusive || account.openWaits.length > 0)
  const without = textOf('frozen-munmap-6.18.txt.gz').replace(/^.*mmap_lock_.*\n/gm, '')
  const bare = await analyze([file('without', Buffer.from(without, 'latin1'))], { thresholdMs: 50 })
  assert.match(bare.doubts[0]!, /no mmap_lock_start_locking/)
  assert.deepEqual(
    bare.inversions.map(({ chain }) => chain.map(({ comm, certainty }) => [comm, certainty])),
    [['health: [mon] 1', 'change-vma 7', 'store (frozen)'].map(comm => [comm, 'inferred'])],
    'sleeps and wake-ups tell the same chain, inferred',
  )
  const asleep = without.replace(/^.*sched_switch.*\n/gm, '')
  const nothing = await analyze([file('asleep', Buffer.from(asleep, 'latin1'))], { thresholdMs: 50 })
  assert.ok(!nothing.conclusive)
})

test('what perf script says was lost is counted, and makes what rests on it uncertain', async () => {
  const lines = textOf('frozen-munmap-perf.txt.gz').split('\n')
  const middle = lines.findIndex((line, at) => at > lines.length / 2 && line === '')
  const time = / (\d+\.\d+): /.exec(lines.slice(middle).join('\n'))![1]
  lines.splice(middle, 0, `MainThread  2462 [001] ${time}: PERF_RECORD_LOST lost 2098`)
  const lost = file('lost', Buffer.from(lines.join('\n'), 'latin1'))
  const { lostEvents, inversions } = await analyze([lost], { thresholdMs: 50 })
  assert.equal(lostEvents, 2098)
  assert.equal(inversions.length, 1)
  for (const { certainty } of inversions[0]!.chain) assert.notEqual(certainty, 'certain')
})

test('parts of a trace are given the earliest first, and those of its CPUs in one file', async () => {
  const plain = textOf('frozen-munmap-6.18.txt.gz')
  const middle = plain.indexOf('\n', plain.length / 2) + 1
  const [first, second] = [plain.slice(0, middle), plain.slice(middle)].map((part, at) =>
    file(`part${at}`, Buffer.from(part, 'latin1')),
  ) as [string, string]
  const whole = await analyze([file('whole', Buffer.from(plain, 'latin1'))], { thresholdMs: 50 })
  assert.deepEqual(chainsOf(await analyze([first, second], { thresholdMs: 50 })), chainsOf(whole))
  await assert.rejects(
    analyze([second, first], { thresholdMs: 50 }),
    /part0 begins .* before the file in front of it ends; expected parts of one trace, the earliest first/,
  )
})

test('addresses that all print alike link nobody, and it is said', async () => {
  const hidden = textOf('frozen-munmap-6.18.txt.gz').replace(/mm=\w+/g, 'mm=(____ptrval____)')
  const account = await analyze([file('hidden', Buffer.from(hidden, 'latin1'))], { thresholdMs: 50 })
  assert.deepEqual(account.inversions, [])
  assert.ok(account.worstWaits[0]!.waitMs > 500, 'the wait itself is measured')
  assert.ok(account.missing.some(each => each.events.includes('addresses')))
})
