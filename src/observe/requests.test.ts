/** Waits for requests of FUSE: who waited, for which daemon, and what it is known by. In the text of tracefs, trace-cmd and perf. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { AskDaemon } from '../analysis/daemon-word.ts'
import type { Account } from '../analysis/index.ts'
import { Requests } from '../analysis/requests.ts'
import { Tasks } from '../analysis/tasks.ts'
import { emptyRecord, Kind } from '../trace/index.ts'
import { accountText, analyze } from './index.ts'

const folder = mkdtempSync(join(tmpdir(), 'faultline-requests-'))
after(() => rmSync(folder, { recursive: true }))

type Form = (ms: number, comm: string, tid: number, event: string, args: string) => string

const time = (ms: number): string => (100 + ms / 1000).toFixed(6)
const TRACEFS: Form = (ms, comm, tid, event, args) =>
  `  ${comm}-${tid}   [000] d..2.   ${time(ms)}: ${event}: ${args}`
const TRACE_CMD: Form = (ms, comm, tid, event, args) =>
  `  ${comm}-${tid}  [000]   ${time(ms)}: ${`${event}:`.padEnd(22)} ${args}`
const PERF: Form = (ms, comm, tid, event, args) =>
  `${comm} ${tid} [000] ${time(ms)}000: ${event.startsWith('fuse') ? 'fuse' : 'sched'}:${event}: ${args}`

const CAT = ['cat', 20] as const
const DAEMON = ['sshfs', 10] as const
const OTHER = ['wc', 30] as const

type Who = readonly [string, number]
type Step = readonly [ms: number, who: Who, event: string, args: string]

const asks = (ms: number, who: Who, unique = 4, opcode = '15 (FUSE_READ)'): Step => [
  ms,
  who,
  'fuse_request_send',
  `connection 45 req ${unique} opcode ${opcode} len 80 `,
]
const answers = (ms: number, unique = 4): Step => [
  ms,
  DAEMON,
  'fuse_request_end',
  `connection 45 req ${unique} len 16 error 0`,
]
const sleeps = (ms: number, [comm, tid]: Who, state = 'S'): Step => [
  ms,
  [comm, tid],
  'sched_switch',
  `prev_comm=${comm} prev_pid=${tid} prev_prio=120 prev_state=${state} ==> next_comm=swapper/0 next_pid=0 next_prio=120`,
]
const wakes = (ms: number, [comm, tid]: Who, by: Who = DAEMON): Step => [
  ms,
  by,
  'sched_waking',
  `comm=${comm} pid=${tid} prio=120 target_cpu=000`,
]
/** A request whose daemon leaves its CPU in a state. */
const slow = (state: string): readonly Step[] => [
  asks(0, CAT),
  sleeps(0.1, CAT),
  sleeps(1, DAEMON, state),
  ...(state === 'R' ? [] : [wakes(399, DAEMON, ['swapper/0', 0])]),
  answers(400),
  wakes(400.1, CAT),
]
const SLOW = slow('S')

async function account(
  steps: readonly Step[],
  form: Form = TRACEFS,
  askDaemon?: AskDaemon,
): Promise<Account> {
  const path = join(folder, 'trace.txt')
  const lines = steps.map(([ms, [comm, tid], event, args]) => form(ms, comm, tid, event, args))
  writeFileSync(path, `${lines.join('\n')}\n`)
  return analyze([path], { thresholdMs: 50, ...(askDaemon && { askDaemon }) })
}

const told = ({ requests }: Account) =>
  requests.map(({ waiter, waitMs, endSec, chain }) => [
    waiter.comm,
    Math.round(waitMs),
    endSec === null ? 'open' : 'ended',
    ...chain.map(({ comm, waitsFor, certainty }) => `${comm}: ${waitsFor} [${certainty}]`),
  ])

const BY_DAEMON = 'sshfs: what only it can tell [certain]'
const READ = 'cat: FUSE READ on 0,45 [certain]'

for (const [name, form] of [
  ['tracefs', TRACEFS],
  ['trace-cmd report', TRACE_CMD],
  ['perf script', PERF],
] as const)
  test(`who waits for a request is told with its opcode, how long, and the daemon: ${name}`, async () => {
    const seen = await account(SLOW, form)
    assert.deepEqual(told(seen), [['cat', 400, 'ended', READ, BY_DAEMON]])
    const text = accountText(seen, 50).replace(/\s+/g, ' ')
    assert.match(text, /1 wait of 50 ms or more for a request of FUSE:/)
    assert.match(text, /cat \(20\) waited 400.0 ms for FUSE READ on 0,45/)
    assert.match(text, /<- sshfs \(10\) held READ 4 for 400.0 ms of it and waited for what only it can tell/)
  })

test('raw fields of a report say the same, but for the name of the opcode', async () => {
  const raw = SLOW.map(([ms, who, event, args]): Step => {
    const fields = args
      .replace(/connection (\d+) req (\d+)/, 'connection=$1 unique=0x$2')
      .replace(/(opcode|len|error) /g, '$1=')
    return [ms, who, event, event.startsWith('fuse') ? fields.replace(/ \(\w+\)/, '') : args]
  })
  assert.deepEqual(told(await account(raw, TRACE_CMD)), [
    ['cat', 400, 'ended', 'cat: FUSE opcode 15 on 0,45 [certain]', BY_DAEMON],
  ])
})

test('what the daemon tells takes the place of what its thread did', async () => {
  const waits = [
    { task: 'read of inode 2 for thread 20', waitsFor: 'read of page 0 (read)', ms: 399 },
    { task: 'read of inode 2', waitsFor: 'read of block 1 (device)', ms: 398 },
  ]
  const asked: unknown[] = []
  const seen = await account(SLOW, TRACEFS, (...which) => {
    asked.push(which)
    return { target: '/mnt/data', pid: 10, waits }
  })
  assert.deepEqual(asked, [['0,45', 4]])
  assert.deepEqual(told(seen), [
    [
      'cat',
      400,
      'ended',
      'cat: FUSE READ on /mnt/data [certain]',
      'sshfs: read of page 0 (read) [certain]',
      'read of inode 2: read of block 1 (device) [certain]',
    ],
  ])
  assert.equal(seen.requests[0]!.cause.why, 'the daemon says so: read of block 1 (device)')
})

test('who went on with something else had not waited, nor has who asked for what is short', async () => {
  const busy = [asks(0, CAT), sleeps(300, CAT), wakes(301, CAT, OTHER), answers(400), sleeps(401, CAT)]
  assert.deepEqual(told(await account(busy)), [])
  const short = [asks(0, CAT), sleeps(0.1, CAT), answers(49), wakes(49.1, CAT)]
  assert.deepEqual(told(await account(short)), [])
})

test('who sleeps uninterruptibly until the answer of a request of another waited for it, and a thread of the daemon did not', async () => {
  const shared = [
    asks(0, CAT),
    sleeps(0.1, CAT),
    sleeps(100, OTHER, 'D'),
    sleeps(101, ['sshfs', 11]),
    sleeps(102, DAEMON),
    wakes(399, DAEMON, ['swapper/0', 0]),
    answers(400),
    wakes(400.1, OTHER),
    wakes(400.2, ['sshfs', 11]),
    wakes(400.3, CAT),
  ]
  assert.deepEqual(told(await account(shared)), [
    ['cat', 400, 'ended', READ, BY_DAEMON],
    ['wc', 300, 'ended', 'wc: FUSE READ on 0,45 [inferred]', BY_DAEMON],
  ])
})

test('without sched events nobody is known to have slept, and that is said', async () => {
  const [wait] = (await account([asks(0, CAT), answers(400)])).requests
  assert.equal(wait!.chain[0]!.certainty, 'inferred')
  assert.match(wait!.chain[0]!.why, /whether it slept meanwhile the trace does not say/)
})

test('a request that is not answered is told as open, with the daemon if it has answered others', async () => {
  const open = [asks(0, CAT), sleeps(0.1, CAT), wakes(900, OTHER, ['swapper/0', 0])]
  assert.deepEqual(told(await account(open)), [['cat', 900, 'open', READ]])
  const known = [
    asks(0, OTHER, 2),
    answers(1, 2),
    sleeps(1.5, DAEMON),
    ...open.map(([ms, ...rest]): Step => [ms + 2, ...rest]),
  ]
  assert.deepEqual(told(await account(known)), [
    ['cat', 900, 'open', READ, 'sshfs: what only it can tell [inferred]'],
  ])
})

test('a daemon asleep in the kernel, and one without a CPU, are told as such', async () => {
  assert.match(JSON.stringify(told(await account(slow('D')))), /sshfs: sleep \[certain\]/)
  // That it is a daemon is known from an answer before.
  const known = [asks(-2, OTHER, 2), answers(-1, 2)]
  const preempted = await account([...known, ...slow('R')])
  assert.match(JSON.stringify(told(preempted)), /sshfs: a CPU \[certain\]/)
  assert.equal(preempted.requests[0]!.cause.kind, 'cpu')
  const ran = await account([...known, ...slow('S').filter((_, at) => at !== 2 && at !== 3)])
  assert.match(JSON.stringify(told(ran)), /sshfs: null \[certain\]/)
  assert.match(ran.requests[0]!.cause.why, /asleep for 0.0 ms of it only/)
})

test('a line that could not be read makes a wait around it less than certain; a torn request is not read', async () => {
  const torn = [...SLOW]
  torn.splice(3, 0, [200, CAT, 'fuse_request_send', 'connection 45 req'])
  const [wait] = (await account(torn)).requests
  assert.equal(wait!.chain[0]!.certainty, 'inferred')
  assert.match(wait!.chain[0]!.why, /though some were lost meanwhile/)
})

test('RQ1: of requests that are never answered no more than a bound are followed', () => {
  const requests = new Requests()
  const tasks = new Tasks({ slept() {}, waitedToRun() {}, oldestAsked: () => 0 })
  const task = tasks.named(1, 'a')
  const record = emptyRecord()
  record.kind = Kind.asked
  for (let unique = 0; unique < 20_000; unique++)
    requests.asked(task, Object.assign(record, { unique, time: unique }))
  const followed = [...requests.open()].length
  assert.ok(followed <= 1 << 14, `${followed}`)
  assert.equal(task.asks, followed)
  assert.equal(requests.oldest, 20_000 - followed)
})

test('a number that comes again is another request', async () => {
  const lost = [
    asks(0, CAT),
    sleeps(0.1, CAT),
    wakes(10, CAT, OTHER),
    sleeps(11, CAT),
    wakes(600, CAT, OTHER),
  ]
  const again = [asks(700, OTHER), sleeps(700.1, OTHER), answers(800), wakes(800.1, OTHER)]
  assert.deepEqual(told(await account([...lost, ...again])), [
    ['wc', 100, 'ended', 'wc: FUSE READ on 0,45 [certain]', BY_DAEMON],
  ])
})

test('RQ2: an answer without a question tells who the daemon is', () => {
  const requests = new Requests()
  const tasks = new Tasks({ slept() {}, waitedToRun() {}, oldestAsked: () => 0 })
  const record = Object.assign(emptyRecord(), { device: '0,45', unique: 7 })
  assert.equal(
    requests.answered(tasks.named(10, 'sshfs'), record, () => 0),
    undefined,
  )
  assert.equal(requests.daemonOf('0,45'), 10)
  assert.equal(requests.daemonOf('0,46'), 0)
})
