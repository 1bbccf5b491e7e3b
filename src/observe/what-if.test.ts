/** The counterfactual: replays reproduce what real kernels did, and say what another discipline would have changed. */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { isAbsolute, join } from 'node:path'
import { test } from 'node:test'
import { DISCIPLINES, disciplineNamed } from '../mm/index.ts'
import { TraceError } from '../trace/index.ts'
import { analyze, momentsOf, readScenes, type WhatIf, whatIf, whatIfText } from './index.ts'
import type { Plan, Step } from './plan.ts'
import { replay } from './replay.ts'

const thresholdMs = 50
const fixture = (name: string): string => join(import.meta.dirname, 'fixtures', name)

async function answerFor(
  name: string,
  discipline: string,
  kernelDiscipline: string | null = null,
): Promise<WhatIf> {
  const paths = [isAbsolute(name) ? name : fixture(name)]
  const scenes = await readScenes(paths, momentsOf(await analyze(paths, { thresholdMs }), thresholdMs), {})
  return whatIf(scenes, { discipline, kernelDiscipline, thresholdMs })
}

test('the two waits of the page_mkwrite trace come out within 10 % under linux-6.4, and short under restart', async () => {
  const { kernelDiscipline, waits, worstErrorPercent } = await answerFor(
    'page-mkwrite-6.18.txt.gz',
    'restart',
  )
  assert.equal(kernelDiscipline, 'linux-6.4')
  assert.ok(worstErrorPercent < 10)
  const monitor = waits.filter(wait => wait.comm === 'health-monitor')
  assert.deepEqual(
    monitor.map(wait => Math.round(wait.observedMs)),
    [4046, 4039],
  )
  for (const wait of monitor) {
    assert.ok(Math.abs(wait.replayedMs - wait.observedMs) < wait.observedMs * 0.1)
    assert.ok(wait.whatIfMs < 5, `${wait.whatIfMs} ms under restart`)
  }
})

for (const name of [
  'frozen-munmap-6.18.txt.gz',
  'frozen-madvise-6.18.txt.gz',
  'frozen-munmap-perf.txt.gz',
  'frozen-munmap-trace-cmd.txt.gz',
])
  test(`${name}: both waiters are reproduced within 1 %, and wait for nothing under restart`, async () => {
    const { waits, worstErrorPercent } = await answerFor(name, 'restart')
    assert.deepEqual(
      waits.map(wait => [wait.comm, wait.lock]),
      [
        ['change-vma 7', 'VMA lock'],
        ['health: [mon] 1', 'mmap_lock (read)'],
      ],
    )
    assert.ok(worstErrorPercent < 1)
    for (const wait of waits) assert.ok(wait.whatIfMs < 1)
  })

test('every discipline gives an answer: those that keep a lock over page_mkwrite stall, those that drop it do not', async () => {
  for (const { name, prepare } of DISCIPLINES) {
    const { waits } = await answerFor('frozen-munmap-6.18.txt.gz', name)
    const monitor = waits.find(wait => wait.lock === 'mmap_lock (read)')!
    assert.equal(monitor.whatIfMs > 400, prepare === 'keep', `${name}: ${monitor.whatIfMs} ms`)
  }
})

test('a kernel discipline that does not fit shows in the error, and its answer is called untrustworthy first', async () => {
  const answer = await answerFor('frozen-munmap-6.18.txt.gz', 'linux-6.4', 'restart')
  assert.equal(answer.kernelDisciplineFrom, 'as given')
  assert.ok(answer.worstErrorPercent > 90)
  assert.ok(!answer.trustworthy)
  assert.match(whatIfText(answer, thresholdMs), /^This answer is untrustworthy/)
})

const SHARED = join(import.meta.dirname, '..', '..', '..', 'shared', 'traces')
for (const [path, kernel] of [
  ['linux-6.18/btrfs-mprotect/trace.txt.gz', 'linux-6.4'],
  ['linux-6.18/bigfork-inner-lock/trace.txt.gz', 'linux-6.4'],
  ['linux-6.18/bigfork-preempted-by-fifo/trace.txt.gz', 'linux-6.4'],
  ['linux-6.1/store-fork.txt.gz', 'linux-5.1'],
  ['linux-6.1/frozen-munmap.txt.gz', 'linux-5.1'],
  ['linux-6.1/dax-frozen-munmap.txt.gz', 'linux-5.1'],
] as const)
  test(`${path}: the kernel's discipline is told from the trace, and reproduces it`, {
    skip: existsSync(join(SHARED, path)) ? false : 'needs the recording in ../shared/traces',
  }, async () => {
    const answer = await answerFor(join(SHARED, path), 'restart')
    assert.equal(answer.kernelDiscipline, kernel)
    assert.ok(answer.trustworthy, `${answer.worstErrorPercent} %`)
  })

test('a trace without an inversion has nothing to replay, and says so', async () => {
  const answer = await answerFor('anonymous-6.18.txt.gz', 'restart')
  assert.deepEqual(answer.waits, [])
  assert.match(whatIfText(answer, thresholdMs), /no inversion of 50 ms or more to replay/)
})

test('readers by VMA locks free the monitor of cmdline and not the fork; a fork that skips shared mappings frees both', async () => {
  const waits = async (discipline: string) => {
    const { waits: told } = await answerFor('page-mkwrite-6.18.txt.gz', discipline)
    const longest = (comm: string) =>
      Math.max(...told.filter(wait => wait.comm === comm).map(wait => wait.whatIfMs))
    return [longest('health-monitor'), longest('batch-forker')].map(ms => ms > 4000)
  }
  assert.deepEqual(await waits('vma-retry'), [true, true])
  assert.deepEqual(await waits('linux-7.x'), [false, true])
  assert.deepEqual(await waits('fork-skips'), [false, false])
})

test('a discipline that is not there is refused in a sentence', () => {
  assert.throws(
    () => whatIf([], { discipline: 'linux', kernelDiscipline: null, thresholdMs }),
    (error: unknown) => error instanceof TraceError && /expected one of hold, linux-5.1/.test(error.message),
  )
})

test('the text keeps to 80 columns', async () => {
  const lines = whatIfText(await answerFor('page-mkwrite-6.18.txt.gz', 'restart'), thresholdMs).split('\n')
  assert.deepEqual(
    lines.filter(line => line.length > 80),
    [],
  )
})

const MS = 1e6

/** A fault, a writer that comes 1 ms later, and a reader 1 ms after that. */
function planWith(why: 'read' | 'writeback', ms: number): Plan {
  const task = (tid: number, steps: Step[]) => ({ tid, name: `task ${tid}`, steps })
  const observed = [2, 3].map(tid => ({
    tid,
    comm: '',
    mm: 'a',
    lock: 'mmap_lock (read)' as const,
    startNs: 0,
    ns: 0,
    passedNs: 0,
  }))
  const tasks = [
    task(1, [
      { kind: 'until', time: 0 },
      { kind: 'fault', mm: 'a', waits: [{ why, ns: ms * MS }], wait: -1 },
    ]),
    task(2, [
      { kind: 'until', time: MS },
      { kind: 'lock', mm: 'a', write: true, wait: -1, delayNs: 0 },
      { kind: 'drain', mm: 'a', wait: 0 },
      { kind: 'unlock', mm: 'a' },
    ]),
    task(3, [
      { kind: 'until', time: 2 * MS },
      { kind: 'lock', mm: 'a', write: false, wait: 1, delayNs: 0 },
      { kind: 'unlock', mm: 'a' },
    ]),
  ]
  return { tasks, observed, sections: 2, faults: 1, leftOut: 0 }
}

test('a fault that only runs keeps its lock under every discipline: processor time is not waited for', () => {
  const plan = planWith('writeback', 10)
  const [fault, ...others] = plan.tasks
  const steps: Step[] = [fault!.steps[0]!, { kind: 'run in a fault', mm: 'a', ns: 10 * MS }]
  const running = { ...plan, tasks: [{ ...fault!, steps }, ...others] }
  for (const discipline of DISCIPLINES)
    assert.deepEqual(
      replay(running, discipline),
      discipline.takes === 'vma' ? [9 * MS, 8 * MS] : [0, 8 * MS],
      discipline.name,
    )
})

test('a replay goes by the table of disciplines, to the nanosecond', () => {
  const waited = (name: string, plan: Plan) => replay(plan, disciplineNamed(name)!)
  assert.deepEqual(waited('linux-6.4', planWith('writeback', 10)), [9 * MS, 8 * MS])
  assert.deepEqual(waited('linux-6.4', planWith('read', 10)), [0, 0])
  assert.deepEqual(waited('vma-hold', planWith('read', 10)), [9 * MS, 8 * MS])
  assert.deepEqual(waited('linux-5.1', planWith('writeback', 10)), [0, 8 * MS])
  assert.deepEqual(waited('restart', planWith('writeback', 10)), [0, 0])
})
