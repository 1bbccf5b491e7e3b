/** What the analysis says of traces of real kernels: the fixtures, and the loads themselves where this is root on Linux. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import type { Inversion } from '../analysis/index.ts'
import { TraceError } from '../trace/index.ts'
import {
  accountText,
  analyze,
  doubtText,
  filesText,
  momentsOf,
  readScenes,
  underWayText,
  watchedText,
  whatIf,
  whatIfText,
} from './index.ts'

const folder = mkdtempSync(join(tmpdir(), 'faultline-observe-'))
after(() => rmSync(folder, { recursive: true }))

const fixture = (name: string): string => join(import.meta.dirname, 'fixtures', `${name}-6.18.txt.gz`)
const textOf = (name: string): string => gunzipSync(readFileSync(fixture(name))).toString('latin1')

function file(name: string, content: string | Buffer): string {
  const path = join(folder, name)
  writeFileSync(path, content)
  return path
}

const told = (inversion: Inversion) =>
  inversion.chain.map(link => [link.comm, link.holds, link.waitsFor, link.certainty].join(' | '))

test('the two slow reads of the page_mkwrite trace are within 1 % of what the monitor measured itself', async () => {
  const { inversions } = await analyze([fixture('page-mkwrite')], { thresholdMs: 50 })
  const measured = [
    { waitMs: 4046.088, endSec: 1268.675086 },
    { waitMs: 4039.516, endSec: 1272.987429 },
  ]
  assert.equal(inversions.length, measured.length)
  inversions.forEach((inversion, at) => {
    const { waitMs, endSec } = measured[at]!
    assert.ok(Math.abs(inversion.waitMs - waitMs) < waitMs * 0.01)
    assert.ok(Math.abs(inversion.endSec! - endSec) < 0.001)
    assert.deepEqual(told(inversion), [
      'health-monitor |  | mmap_lock (read) | certain',
      'batch-forker | mmap_lock (write) | VMA lock | certain',
      'batch-writer | VMA lock (read) | writeback on 7,0 | inferred',
    ])
    assert.equal(inversion.cause.kind, 'writeback')
    assert.equal(inversion.cause.function, 'folio_wait_writeback')
    assert.equal(inversion.cause.device, '7,0')
    assert.ok(inversion.cause.deviceIdleMs! > 4000, 'a throttled device has nothing in flight')
  })
})

for (const [name, waitMs] of [
  ['frozen-munmap', 504.5],
  ['frozen-madvise', 503.6],
] as const)
  test(`${name}: the monitor waits for the frozen file system, through the writer that waits for the VMA`, async () => {
    const { inversions } = await analyze([fixture(name)], { thresholdMs: 50 })
    assert.equal(inversions.length, 1)
    assert.ok(Math.abs(inversions[0]!.waitMs - waitMs) < waitMs * 0.01)
    assert.deepEqual(told(inversions[0]!), [
      'health: [mon] 1 |  | mmap_lock (read) | certain',
      'change-vma 7 | mmap_lock (write) | VMA lock | certain',
      'store (frozen) | VMA lock (read) | freeze | inferred',
    ])
  })

for (const name of ['throttled-read', 'anonymous'])
  test(`${name}: no inversion`, async () => {
    const { inversions, worstWaits } = await analyze([fixture(name)], { thresholdMs: 50 })
    assert.deepEqual(inversions, [])
    assert.ok(worstWaits.length > 0, 'the trace has waits, only short ones')
  })

test('what if the trace has no stacks, no wake-ups, no block events, nothing but mmap_lock?', async () => {
  const lines = textOf('page-mkwrite').split('\n')
  const only = (name: string, keep: (line: string) => boolean) =>
    analyze([file(name, lines.filter(keep).join('\n'))], { thresholdMs: 50 })

  const noStacks = await only('no-stacks', line => !/^ =>|<stack trace>/.test(line))
  assert.equal(noStacks.inversions.length, 2)
  assert.deepEqual(
    noStacks.inversions[0]!.chain.map(link => link.comm),
    ['health-monitor', 'batch-forker', 'batch-writer'],
  )
  assert.equal(noStacks.inversions[0]!.chain[2]!.certainty, 'guessed')

  const noWaking = await only('no-waking', line => !line.includes('sched_waking'))
  assert.equal(noWaking.inversions[0]!.chain[2]!.comm, 'batch-writer')

  const noBlock = await only('no-block', line => !line.includes('block_'))
  assert.equal(noBlock.inversions[0]!.cause.device, null)
  assert.ok(noBlock.missing.some(each => each.events.includes('block_rq_issue')))

  const bare = await only('bare', line => line.includes('mmap_lock'))
  assert.deepEqual(
    bare.inversions.map(each => each.chain.map(link => link.comm)),
    [
      ['health-monitor', 'batch-forker'],
      ['health-monitor', 'batch-forker'],
    ],
  )
  assert.equal(bare.inversions[0]!.cause.kind, 'unknown')
})

test('memcg_path in place of memcg_id, four flags, and a tgid column change nothing but the names of groups', async () => {
  const text = textOf('frozen-munmap')
    .replace(/memcg_id=(\d+)/g, 'memcg_path=/batch job/$1')
    .replace(/-(\d+)( +)\[(\d+)\] ([^ ]{4})[^ ] /g, '-$1$2(  $1) [$3] $4 ')
  const { inversions } = await analyze([file('paths', text)], { thresholdMs: 50 })
  const [plain] = (await analyze([fixture('frozen-munmap')], { thresholdMs: 50 })).inversions
  assert.equal(inversions[0]!.waiter.group, `/batch job/${plain!.waiter.group}`)
  assert.deepEqual(told(inversions[0]!), told(plain!))
})

test('a wait still open when the trace ends is told with its chain', async () => {
  const whole = await analyze([fixture('frozen-munmap')], { thresholdMs: 50 })
  const until = whole.inversions[0]!.endSec! - 0.0002
  const lines = textOf('frozen-munmap').split('\n')
  const cut = lines.slice(
    0,
    lines.findIndex(line => Number(/ (\d+\.\d{6}): /.exec(line)?.[1]) > until),
  )
  const { inversions, openWaits } = await analyze([file('cut', cut.join('\n'))], { thresholdMs: 50 })
  assert.equal(inversions.length, 0)
  const long = openWaits.filter(wait => wait.waitMs > 50)
  assert.equal(long.length, 1)
  assert.equal(long[0]!.endSec, null)
  assert.deepEqual(
    long[0]!.chain.map(link => link.comm),
    ['health: [mon] 1', 'change-vma 7', 'store (frozen)'],
  )
})

test('a truncated trace gives what it has, and says that a line could not be read', async () => {
  const text = textOf('page-mkwrite')
  const { inversions, files } = await analyze([file('truncated', text.slice(0, text.length - 40))], {
    thresholdMs: 50,
  })
  assert.equal(inversions.length, 2)
  assert.equal(files[0]!.unread, 1)
})

test('what is not a trace gets one sentence that says what is wrong and what was expected', async () => {
  const gzip = readFileSync(fixture('page-mkwrite'))
  const dat = Buffer.concat([Buffer.from('\x17\x08Dtracing6\0\0\x08', 'latin1'), Buffer.alloc(3)])
  const cases: readonly (readonly [string, string | Buffer, RegExp])[] = [
    ['empty', '', /is empty; expected/],
    ['binary', Buffer.alloc(10_000), /is binary.*expected/],
    ['perf.data', 'PERFILE2\0\0', /ends too soon.*expected a whole file/],
    ['long-line', 'x'.repeat(200_000), /a line is longer.*expected/],
    ['prose', 'It was a dark and stormy night.\n'.repeat(20), /has no events.*expected/],
    ['long-prose', 'It was a dark and stormy night.\n'.repeat(5000), /no kernel trace.*expected/],
    ['cut.gz', gzip.subarray(0, gzip.length - 1000), /packed data ends or breaks.*make it anew/],
    ['torn.dat', dat, /ends too soon.*expected a whole file/],
    ['v9.dat', Buffer.from('\x17\x08Dtracing9\0\0\x08\0\x10\0\0', 'latin1'), /version 9; expected 6 or 7/],
  ]
  for (const [name, content, sentence] of cases)
    await assert.rejects(analyze([file(name, content)], { thresholdMs: 50 }), error => {
      assert.ok(error instanceof TraceError, `${name}: ${error}`)
      assert.match(error.message, sentence)
      return true
    })
  await assert.rejects(analyze([join(folder, 'nowhere')], { thresholdMs: 50 }), /does not exist/)
  await assert.rejects(analyze([folder], { thresholdMs: 50 }), /is a folder/)
})

test('names that hold control characters and zeros are read, and move no cursor of who reads the text', async () => {
  const text = textOf('page-mkwrite')
    .replaceAll('batch-writer', 'batch\u001b[2Jr')
    .replaceAll('batch-forker', 'batch\0\u0007\u00c2\u009b1mr')
    .replaceAll('health-monitor', 'health\r\u0008onitor')
  const path = file('controls', Buffer.from(`# a name\0 of zeros\0\n${text}`, 'latin1'))
  const account = await analyze([path], { thresholdMs: 50 })
  assert.equal(account.inversions.length, 2)
  assert.equal(account.inversions[0]!.chain[2]!.comm, 'batch\u001b[2Jr')
  const scenes = await readScenes([path], momentsOf(account, 50), {})
  const answer = whatIf(scenes, { discipline: 'restart', kernelDiscipline: null, thresholdMs: 50 })
  const texts = [
    accountText(account, 50),
    watchedText(account, 50),
    underWayText(account.inversions),
    filesText([{ ...account.files[0]!, path: 'a\nb\u001bc', notes: ['\u001b'] }]),
    doubtText({ ...account, doubts: ['it is \u001b'] }),
    whatIfText(answer, 50),
  ]
  for (const each of texts) assert.doesNotMatch(each.replaceAll('\n', ''), /\p{Cc}/u)
  assert.match(texts[0]!, /batch\\u\{1b\}\[2Jr/)
  assert.match(texts[0]!, /batch\\u\{0\}\\u\{7\}\\u\{9b\}1mr/)
  assert.match(texts[5]!, /health\\r\\u\{8\}onitor/)
})

test('one zero makes no text binary, and bytes that no text has do', async () => {
  const trace = Buffer.from(textOf('page-mkwrite'), 'latin1')
  const one = Buffer.concat([Buffer.from('#\0\n'), trace])
  assert.equal((await analyze([file('one-zero', one)], { thresholdMs: 50 })).inversions.length, 2)
  const random = Buffer.from(Array.from({ length: 4096 }, (_, at) => (at * 167 + (at >> 8)) & 0xff))
  await assert.rejects(analyze([file('random', random)], { thresholdMs: 50 }), /is binary/)
})

test('the text of an account keeps to 80 columns', async () => {
  const account = await analyze([fixture('page-mkwrite')], { thresholdMs: 50 })
  const lines = accountText(account, 50).split('\n')
  assert.ok(lines.some(line => line.includes('<- batch-forker')))
  assert.deepEqual(
    lines.filter(line => line.length > 80),
    [],
  )
})
