/** Traces without mmap_lock events, as Android's are: where tasks slept and who woke them. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { analyze } from './index.ts'

const folder = mkdtempSync(join(tmpdir(), 'faultline-blocked-'))
after(() => rmSync(folder, { recursive: true }))

interface Sleeper {
  readonly comm: string
  readonly tid: number
  readonly at: string
  readonly caller: string
}

const MONITOR: Sleeper = {
  comm: 'monitor',
  tid: 300,
  at: '10.001000',
  caller: '__access_remote_vm+0x50/0x2f0',
}
const FORKER: Sleeper = {
  comm: 'Jit thread pool',
  tid: 201,
  at: '10.000500',
  caller: '__vma_start_write+0x5c/0x110',
}
const WRITER: Sleeper = {
  comm: 'RenderThread',
  tid: 200,
  at: '10.000100',
  caller: 'folio_wait_writeback+0x28/0x80',
}

const event = (comm: string, tid: number, at: string, what: string) =>
  `${comm.padStart(16)}-${tid}     (  100) [001] d..2 ${at}: ${what}`
const sleeps = ({ comm, tid, at }: Sleeper) =>
  event(
    comm,
    tid,
    at,
    `sched_switch: prev_comm=${comm} prev_pid=${tid} prev_prio=120 prev_state=D ==> next_comm=swapper/1 next_pid=0 next_prio=120`,
  )
const wakes = (by: { comm: string; tid: number }, at: string, { comm, tid, caller }: Sleeper) => [
  event(by.comm, by.tid, at, `sched_waking: comm=${comm} pid=${tid} prio=120 target_cpu=001`),
  event(by.comm, by.tid, at, `sched_blocked_reason: pid=${tid} iowait=0 caller=${caller}`),
]

function trace(monitor = MONITOR): string {
  const kworker = { comm: 'kworker/u16:4', tid: 50 }
  return [
    '# tracer: nop',
    ...[WRITER, FORKER, monitor].map(sleeps),
    ...wakes(kworker, '14.000100', WRITER),
    ...wakes(WRITER, '14.000200', FORKER),
    ...wakes(FORKER, '14.000300', monitor),
    event(monitor.comm, monitor.tid, '14.100000', 'sched_waking: comm=x pid=1 prio=120 target_cpu=001'),
    '',
  ].join('\n')
}

async function accountOf(text: string) {
  const path = join(folder, 'atrace.txt')
  writeFileSync(path, text)
  return analyze([path], { thresholdMs: 50 })
}

test('callers and wake-ups give the chain, inferred throughout, and what is missing is said', async () => {
  const { inversions, doubts, conclusive } = await accountOf(trace())
  assert.equal(inversions.length, 1)
  const [{ chain, cause, waitMs }] = inversions as [(typeof inversions)[0]]
  assert.deepEqual(
    chain.map(({ comm, holds, waitsFor }) => [comm, holds, waitsFor]),
    [
      ['monitor', null, 'mmap_lock'],
      ['Jit thread pool', 'mmap_lock', 'VMA lock'],
      ['RenderThread', 'VMA lock', 'writeback'],
    ],
  )
  assert.ok(chain.every(({ certainty }) => certainty === 'inferred'))
  assert.equal(cause.kind, 'writeback')
  assert.ok(Math.abs(waitMs - 3999.3) < 0.01)
  assert.match(doubts[0]!, /only sleeps tell who waited for an mmap_lock/)
  assert.equal(conclusive, true)
})

test('a sleep elsewhere, and a caller that has no name, are no wait for an mmap_lock', async () => {
  for (const caller of ['do_sys_poll+0x50/0x2f0', '0xffffffc010081a2c']) {
    const { inversions, doubts, conclusive } = await accountOf(trace({ ...MONITOR, caller }))
    assert.deepEqual(inversions, [], caller)
    assert.match(doubts[0]!, /who waited for an mmap_lock is not in it/)
    assert.equal(conclusive, false)
  }
})

test('with mmap_lock events callers are not asked', async () => {
  const lock = event(
    'other',
    7,
    '9.000000',
    'mmap_lock_released: mm=00000000aaaaaaaa memcg_path=/ write=false',
  )
  assert.deepEqual((await accountOf(`${lock}\n${trace()}`)).inversions, [])
})
