/**
 * The model's stalls for what the kernel showed, without a kernel: which row of the table a release is, who waits, and
 * what counts as an error. And where there is root and a kernel that may be traced, the two side by side.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { renderPage } from '../report/index.ts'
import {
  type Experiment,
  experimentsOf,
  type FaultName,
  READERS,
  timedOf,
  type WriterName,
} from './experiments.ts'
import { NotHere, validate, validateTraces, validationReport } from './index.ts'
import { disciplineOf, inModel } from './model.ts'
import { errorOf } from './validate.ts'

const BEGAN = [0, 30, ...READERS.map(() => 80)]

function experiment(fault: FaultName, writer: WriterName, filesystem: Experiment['filesystem'] = 'btrfs') {
  return experimentsOf({ filesystems: [filesystem], faults: [fault], writers: [writer] })[0]!
}

/** Who waits for more than 10 ms in the model of Linux 6.18. */
function stalled(fault: FaultName, writer: WriterName, filesystem?: Experiment['filesystem']): string[] {
  const made = experiment(fault, writer, filesystem)
  const beganAt = writer === 'none' ? BEGAN.toSpliced(1, 1) : BEGAN
  const releasedAt = fault === 'frozen' ? 700 : undefined
  const limitedAt = fault === 'frozen' ? undefined : -1
  const times = inModel('6.18.44', made, { beganAt, releasedAt, limitedAt })
  return timedOf(made).filter((_, at) => times[at]! > 10)
}

const BEHIND_A_WRITER = READERS.filter(reader => reader !== 'stat')

test('a release has the row of the table that its faults and its maps go by', () => {
  assert.deepEqual(disciplineOf('6.18.44-fc'), { faults: 'linux-6.4', maps: 'linux-7.x' })
  assert.deepEqual(disciplineOf('6.1.0-13-amd64'), { faults: 'linux-5.1', maps: 'linux-5.1' })
  assert.deepEqual(disciplineOf('4.19.0'), { faults: 'hold', maps: 'hold' })
})

test('without words the usual experiments are made; with some, each named with each of all others', () => {
  const usual = experimentsOf({})
  assert.ok(usual.length >= 12)
  assert.equal(new Set(usual.map(({ name }) => name)).size, usual.length)
  const named = experimentsOf({ faults: ['read', 'reclaim'], writers: ['fork', 'none'], readers: ['maps'] })
  assert.equal(named.length, 3 * 2 * 2)
  assert.deepEqual(timedOf(named[0]!), ['load', 'call', 'maps'])
  assert.equal(experimentsOf({ filesystems: ['xfs'] }).length, 5 * 9)
})

for (const fault of ['frozen', 'writeback', 'reclaim'] as const)
  test(`${fault}: behind a fork that waits for the fault every reader waits but stat`, () => {
    assert.deepEqual(stalled(fault, 'fork'), ['store', 'call', ...BEHIND_A_WRITER])
  })

for (const fault of ['read', 'swap-in'] as const)
  test(`${fault}: the lock is dropped before the wait, and nobody else waits`, () => {
    assert.deepEqual(stalled(fault, 'fork'), ['load'])
    assert.deepEqual(stalled(fault, 'munmap'), ['load'])
  })

test('who calls on another mapping waits for nobody, and nobody beside waits if nobody writes', () => {
  assert.deepEqual(stalled('frozen', 'mprotect-beside'), ['store'])
  assert.deepEqual(stalled('reclaim', 'none'), ['store'])
})

test('a page that is written may be stored to where the filesystem doesn’t keep it stable', () => {
  assert.deepEqual(stalled('writeback', 'fork', 'ext4'), [])
})

test('an error is the worst of the long stalls, and all of it if one has a stall that the other hasn’t', () => {
  assert.equal(errorOf([0.2, 700], [0, 693]), 0.01)
  assert.equal(errorOf([50], [90]), 0)
  assert.equal(errorOf([11], [9]), 1)
  assert.equal(errorOf([9], [11]), 1)
})

test('the kernel that runs and the model agree on who waits', async t => {
  let rows: Awaited<ReturnType<typeof validate>>
  try {
    rows = await validate({
      filesystems: ['ext4'],
      faults: ['frozen', 'swap-in'],
      writers: ['fork'],
      onStep: () => {},
      signal: t.signal,
    })
  } catch (error) {
    if (!(error instanceof NotHere)) throw error
    t.skip('needs root, loop devices, and processes that may be traced')
    return
  }
  assert.deepEqual(
    rows.map(({ experiment }) => experiment),
    ['ext4, store while frozen, fork', 'ext4, load from a limited swap file, fork'],
  )
  for (const { error, says, kernelMs, modelMs } of rows)
    assert.ok(error === null ? says !== undefined : error < 1, `${says} ${kernelMs} ${modelMs}`)
})

const traceOf = (name: string) => fileURLToPath(new URL(`../observe/fixtures/${name}`, import.meta.url))
const QUIET = { onStep: () => {}, signal: new AbortController().signal }

test('a trace of a kernel elsewhere is a row: who waited, on the kernel and in the model', async () => {
  const path = traceOf('page-mkwrite-6.18.txt.gz')
  const { rows, timelines } = await validateTraces([path], QUIET)
  const [row] = rows
  assert.equal(row!.experiment, `trace ${path}, linux-6.4`)
  assert.ok(row!.kernelMs[0]! > 4000 && row!.error! < 0.1, `${row!.kernelMs} ${row!.modelMs}`)
  assert.match(row!.readers[0]!, /^health-monitor \(\d+\), mmap_lock \(read\)$/)
  const page = renderPage(validationReport({ rows, timelines, given: '', madeBy: 'test' }))
  assert.ok(page.includes('health-monitor'))
})

test('a trace in which nobody waits is a row without an error; of a dump the model has no answer, and says so', async () => {
  const quiet = traceOf('anonymous-6.18.txt.gz')
  const dump = traceOf('btrfs-munmap-stacks.txt')
  const { rows } = await validateTraces([quiet, dump], QUIET)
  assert.deepEqual([rows[0]!.error, rows[0]!.kernelMs], [0, []])
  assert.equal(rows[1]!.error, null)
  assert.match(rows[1]!.says!, /^the model has no answer: a dump/)
})

test('a trace that can’t be read keeps no other from its row', async () => {
  const { rows, unread } = await validateTraces(
    ['/nonexistent', traceOf('anonymous-6.18.txt.gz'), fileURLToPath(import.meta.url)],
    QUIET,
  )
  assert.equal(rows.length, 1)
  assert.equal(unread.length, 2)
  assert.match(unread[0]!.message, /^\/nonexistent does not exist/)
})
