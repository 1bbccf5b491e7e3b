/** The forms of a trace: trace.dat 6 and 7, packed or not, perf script and trace-cmd report give the answer of the text. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { gunzipSync, gzipSync } from 'node:zlib'
import { Kind, TraceError } from '../trace/index.ts'
import { type Recorded, version6, version7 } from '../trace/trace-dat.fixture.ts'
import { analyze, readTrace } from './index.ts'

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
