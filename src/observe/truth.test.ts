/**
 * What the analysis says of situations whose truth is known: the tasks logged their own waits on the trace's clock.
 *
 * The recordings lie beside the repository, in ../shared/traces; where they aren't, their tests are skipped, but for the one
 * small enough to be a fixture.
 */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Account, Inversion } from '../analysis/index.ts'
import { accountText, analyze } from './index.ts'

const thresholdMs = 50
const SHARED = join(import.meta.dirname, '..', '..', '..', 'shared', 'traces')
const shared = (...path: string[]): string => join(SHARED, ...path)
const skipUnless = (path: string): { readonly skip: string | false } => ({
  skip: existsSync(path) ? false : `needs the recording ${path.slice(SHARED.length + 1)} in ../shared/traces`,
})

/** Who waits behind whom, and for what the last one waits; the links' certainties are checked in every case. */
const chainOf = ({ chain, cause }: Inversion): string =>
  [...chain.map(link => link.comm), cause.kind].join(' <- ')

/** A lock without events is never certain, nor is what comes of its holder not being seen. */
function assertModest(inversion: Inversion): void {
  for (const { holds, certainty } of inversion.chain)
    if (holds !== null && !holds.startsWith('mmap_lock')) assert.notEqual(certainty, 'certain', holds)
  if (/lock$|unknown/.test(inversion.cause.kind)) assert.equal(inversion.cause.certainty, 'guessed')
}

const chainsOf = (inversions: readonly Inversion[]): string[] => {
  for (const inversion of inversions) assertModest(inversion)
  return inversions.map(chainOf).sort()
}

const waitOf = ({ inversions }: Account, comm: string): Inversion =>
  inversions.find(each => each.waiter.comm === comm)!

const MONITORS = ['cmdline', 'environ', 'maps', 'numa_maps', 'pagemap', 'smaps', 'smaps_rollup'].map(
  file => `m-${file}`,
)

for (const { path, waiters, behind } of [
  { path: 'btrfs-mprotect', waiters: MONITORS, behind: 'w-mprotect <- w-store <- writeback' },
  { path: 'xfs-frozen-fork-brk', waiters: [...MONITORS, 'w-brk'], behind: 'w-fork <- w-store <- freeze' },
  { path: 'two-sleepers', waiters: ['m-cmdline'], behind: 'w-mprotect <- w-store <- freeze' },
  { path: 'bigfork-inner-lock', waiters: ['m-cmd1', 'm-cmd2', 'm-cmd3', 'm-cmd4'], behind: 'w-fork <- cpu' },
] as const) {
  const file = shared('linux-6.18', path, 'trace.txt.gz')
  test(
    `${path}: every waiter's chain is the truth, and they are told together`,
    skipUnless(file),
    async () => {
      const account = await analyze([file], { thresholdMs })
      assert.deepEqual(chainsOf(account.inversions), waiters.map(comm => `${comm} <- ${behind}`).sort())
      assert.equal(account.behind.length, 1)
      assert.equal(account.behind[0]!.waits.length, waiters.length)
      const groups = new Set(account.inversions.map(each => each.waiter.group))
      assert.deepEqual(
        [...groups],
        ['16007'],
        'the tear-down of another mm does not change the cgroup of a task',
      )
      const truth = readFileSync(shared('linux-6.18', path, 'truth.log'), 'latin1')
      for (const { waiter, waitMs } of account.inversions) {
        const logged = new RegExp(`^\\S+ ${waiter.comm} .* took (\\S+) ms`, 'm').exec(truth)
        if (logged !== null) assert.ok(waitMs <= Number(logged[1]) && waitMs > Number(logged[1]) * 0.97)
      }
    },
  )
}

const open = shared('linux-6.18', 'two-sleepers', 'trace-still-open.txt.gz')
test(
  'two sleepers, and the trace ends before the wait does: the read fault has let go of its lock, and is innocent',
  skipUnless(open),
  async () => {
    const { openWaits } = await analyze([open], { thresholdMs })
    assert.deepEqual(chainsOf(openWaits.filter(wait => wait.waitMs > thresholdMs)), [
      'm-cmdline <- w-mprotect <- w-store <- freeze',
    ])
  },
)

for (const file of [
  join(import.meta.dirname, 'fixtures', 'bigfork-preempted-6.18.txt.gz'),
  shared('linux-6.18', 'bigfork-preempted-by-fifo', 'perf.txt.gz'),
])
  test(
    `a holder that could have run, and whose CPU a FIFO task had: ${file.slice(-16)}`,
    skipUnless(file),
    async () => {
      const account = await analyze([file], { thresholdMs })
      assert.deepEqual(chainsOf(account.inversions), [
        'm-cmdline <- w-fork <- preempted',
        'w-mmap <- w-fork <- preempted',
      ])
      const { cause } = waitOf(account, 'm-cmdline')
      assert.equal(cause.preemptedBy?.comm, 'fifo-hog')
      assert.ok(Math.abs(cause.preemptedBy.ms - 700) < 1)
      assert.ok(Math.abs(cause.ranMs! - 84.2) < 1)
      assert.match(
        accountText(account, thresholdMs).replace(/\s+/g, ' '),
        /cause: preempted by fifo-hog \(16563\)/,
      )
    },
  )

const fork = shared('linux-6.1', 'store-fork.txt.gz')
test(
  '6.1, store and fork: a rwsem below a fault is not mmap_lock, and its holder is who woke the fault',
  skipUnless(fork),
  async () => {
    const account = await analyze([fork], { thresholdMs })
    const monitor = account.inversions.filter(each => each.waiter.comm === 'health-monitor')
    assert.deepEqual(
      monitor.map(each => Math.round(each.waitMs)),
      [4188, 3273, 2384, 3650],
    )
    const inFirst = 'health-monitor <- batch-forker <- batch-writer <- writeback'
    const inOthers = 'health-monitor <- batch-forker <- batch-writer <- batch-syncer <- writeback'
    for (const each of monitor) {
      assertModest(each)
      assert.equal(each.waiter.group, '/protected')
      assert.equal(each.cause.device, '254,32')
    }
    assert.deepEqual(monitor.map(chainOf), [inFirst, inOthers, inOthers, inOthers])
  },
)

for (const [name, file, waitMs] of [
  ['ext4', 'frozen-munmap.txt.gz', 2046],
  ['ext4', 'frozen-munmap.dat', 2046],
  ['DAX', 'dax-frozen-munmap.txt.gz', 2024],
] as const) {
  const path = shared('linux-6.1', file)
  test(
    `6.1, a frozen file system (${name}), ${file}: a freeze, whoever calls the percpu rwsem`,
    skipUnless(path),
    async () => {
      const account = await analyze([path], { thresholdMs })
      const monitor = waitOf(account, 'health-monitor')
      assert.equal(chainOf(monitor), 'health-monitor <- batch-unmapper <- batch-writer <- freeze')
      assert.ok(Math.abs(monitor.waitMs - waitMs) < 5)
    },
  )
}

const none = shared('linux-6.1', 'store-none.txt.gz')
test('6.1, stores that wait for seconds and nobody beside them: no inversion', skipUnless(none), async () => {
  assert.deepEqual((await analyze([none], { thresholdMs })).inversions, [])
})
