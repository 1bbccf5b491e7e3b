/**
 * perf.data itself: what perf recorded of an inversion here, as a file, compressed, and through a pipe, says what perf script says
 * of it; and a file of each order of bytes, written field by field.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import type { Account } from '../analysis/index.ts'
import { TraceError } from '../trace/index.ts'
import { type ByteOrder, writePerfData } from '../trace/perf-data.fixture.ts'
import { analyze } from './index.ts'
import { aloneWithTheKernel, LOAD, ok, whyNoKernel, withExt4, withTracefs } from './load.suite.ts'

const folder = mkdtempSync(join(tmpdir(), 'faultline-perf-'))
after(() => rmSync(folder, { recursive: true }))

const skip = whyNoKernel() || (ok('perf', '--version') ? false : 'needs perf')
if (skip === false) await aloneWithTheKernel()

const told = ({ inversions }: Account): unknown[] =>
  inversions.map(({ waiter, waitMs, startSec, chain, cause }) => [
    waiter.comm,
    waitMs.toFixed(3),
    startSec.toFixed(6),
    chain.map(link => [link.comm, link.tid, link.holds, link.waitsFor, link.at, link.certainty].join(' | ')),
    cause.kind,
    cause.certainty,
  ])

const EVENTS = ['mmap_lock:*', 'sched:sched_switch', 'sched:sched_waking', 'block:block_rq_*'].flatMap(
  event => ['-e', event],
)

test('a recording of an inversion, as perf writes it and as perf script prints it', { skip }, async () => {
  await withTracefs(() =>
    withExt4(async mount => {
      const file = join(folder, 'perf.data')
      const load = ['python3', LOAD, 'munmap', mount, '0.2']
      for (const how of [['-z'], ['pipe']]) {
        const isPipe = how[0] === 'pipe'
        const words = [
          'record',
          '-q',
          '-a',
          '-g',
          // Beside other tests much is recorded; nothing is to be lost.
          '-m',
          '4096',
          ...EVENTS,
          ...(isPipe ? [] : how),
          '-o',
          isPipe ? '-' : file,
          '--',
          ...load,
        ]
        const { status, stdout } = spawnSync('perf', words, {
          maxBuffer: 1 << 29,
          stdio: ['ignore', 'pipe', 'ignore'],
        })
        assert.equal(status, 0, how.join())
        if (isPipe) writeFileSync(file, stdout)
        const text = spawnSync('perf', ['script', '--ns', '--no-inline', '--show-lost-events', '-i', file], {
          maxBuffer: 1 << 30,
        })
        const script = join(folder, 'perf.txt')
        writeFileSync(script, text.stdout)
        const [own, perfs] = [
          await analyze([file], { thresholdMs: 50 }),
          await analyze([script], { thresholdMs: 50 }),
        ]
        assert.ok(own.inversions.some(each => each.cause.kind === 'freeze'))
        // All of the machine is recorded: what other tests wait for may end with the recording.
        const ofLoad = (rows: ReturnType<typeof told>) =>
          rows.filter(row => /change-vma|health: \[mon\]|store \(frozen\)/.test(JSON.stringify(row)))
        assert.deepEqual(ofLoad(told(own)), ofLoad(told(perfs)), how.join())
        assert.equal(own.files[0]!.format, 'perf.data')
        assert.equal(own.files[0]!.unread, 0)
      }
    }),
  )
})

const SYMBOLS = [
  'ffffffff81000000 T _text',
  'ffffffff81000100 T __schedule',
  'ffffffff81000200 T __vma_start_write',
  'ffffffff81000300 T dup_mmap',
].join('\n')

for (const order of ['little', 'big'] as const satisfies readonly ByteOrder[])
  for (const form of ['file', 'pipe'] as const)
    test(`a ${form} with the ${order} end first, whose kernel lay elsewhere`, async () => {
      const path = join(folder, 'written.data')
      const whole = writePerfData(order, form)
      for (const bytes of [whole, gzipSync(whole)]) {
        writeFileSync(path, bytes)
        const { inversions, files } = await analyze([path], { thresholdMs: 50 }, { kallsyms: SYMBOLS })
        assert.deepEqual(
          inversions.map(({ waitMs, chain, cause }) => [
            waitMs,
            chain.map(link => link.comm),
            chain[1]!.at,
            cause.kind,
          ]),
          [[900, ['monitor', 'forker'], 'dup_mmap', 'vma lock']],
        )
        assert.equal(inversions[0]!.waiter.mm, 'ffff888100000040')
        assert.deepEqual(files[0]!.notes, [])
      }
    })

test('without the symbols of its kernel stacks have no names, and that is said; a damaged file gives a sentence', async () => {
  const path = join(folder, 'other.data')
  const whole = writePerfData('little', 'file')
  writeFileSync(path, whole)
  const { inversions, files } = await analyze([path], { thresholdMs: 50 })
  assert.equal(inversions.length, 1)
  assert.match(files[0]!.notes[0]!, /1\.2\.3-other.*--kallsyms/)
  for (let at = 0; at < 60; at++) {
    const damaged = Buffer.from(
      at % 2 === 0 ? whole.subarray(0, Math.floor((whole.length * at) / 60)) : whole,
    )
    if (at % 2 === 1)
      for (let i = 0; i < 20; i++)
        damaged[(at * 7919 + i * 104_729) % damaged.length] = (at * 31 + i * 17) & 255
    writeFileSync(path, damaged)
    await analyze([path], { thresholdMs: 50 }).catch(error =>
      assert.ok(error instanceof TraceError, String(error.stack)),
    )
  }
})

test('a profile without tracepoints is refused with the words that record them', async () => {
  const path = join(folder, 'profile.data')
  const bytes = Buffer.from(readFileSync(join(import.meta.dirname, 'perf-data.test.ts')))
  writeFileSync(path, Buffer.concat([writePerfData('little', 'file', 'profile'), bytes.subarray(0, 0)]))
  await assert.rejects(
    analyze([path], { thresholdMs: 50 }),
    /no tracepoints; expected .*perf record -a -g -e 'mmap_lock/,
  )
})
