/** What else makes tasks wait in a kernel: whom it lets wait, under which designs, and that without it nobody does. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { disciplineNamed } from '../mm/index.ts'
import {
  KERNEL_TRAITS,
  type KernelTrait,
  leaveOut,
  runWorkload,
  traitsOf,
  WORKLOADS,
  workloadNamed,
} from './index.ts'

async function play(name: string, discipline: string, seconds?: number) {
  const workload = workloadNamed(name)!
  const { result } = await runWorkload({
    workload,
    discipline: disciplineNamed(discipline)!,
    seed: 1,
    seconds: seconds ?? workload.seconds,
    signal: new AbortController().signal,
  })
  return result
}

test('where fsync holds the inode’s lock, a store waits for all of it, and whoever is behind the store too', async () => {
  const locked = await play('fsync-inode-lock', 'linux-6.4')
  const free = await play('fsync-no-lock', 'linux-6.4')
  // 16 MiB at 4 MiB/s; without the lock a page comes back with its own bio of 1 MiB.
  assert.ok(locked.monitor.maxMs > 3900 && locked.monitor.maxMs < 4100, `${locked.monitor.maxMs} ms`)
  assert.ok(free.monitor.maxMs < 0.7 * locked.monitor.maxMs, `${free.monitor.maxMs} ms`)
  assert.ok(locked.locks.some(({ waiter, behind }) => waiter === 'batch' && behind === 'syncer'))
  assert.ok(!free.locks.some(({ behind }) => behind === 'syncer'))
})

test('under restart nobody waits behind the store that waits for the inode’s lock, and the store waits no longer', async () => {
  const ours = await play('fsync-inode-lock', 'restart')
  const theirs = await play('fsync-inode-lock', 'linux-6.4')
  assert.equal(ours.monitor.maxMs, 0)
  assert.equal(ours.mapper.maxMs, 0)
  assert.equal(ours.batch.longestStoreMs, theirs.batch.longestStoreMs)
  assert.equal(ours.batch.stores, theirs.batch.stores)
})

test('readers pass a writer that was woken and has no processor yet, and a lock that lets nobody pass is sooner had', async () => {
  const passed = await play('readers-pass-writer', 'restart')
  const queued = await play('readers-queue', 'restart')
  assert.ok(passed.mapper.p50Ms > 1.1 * queued.mapper.p50Ms, `${passed.mapper.p50Ms}, ${queued.mapper.p50Ms}`)
  assert.ok(passed.mapper.count > 0)
})

test('a fork that is preempted with its locks lets everybody wait under every design, and one that isn’t for 13 ms', async () => {
  for (const design of ['hold', 'linux-6.4', 'restart']) {
    assert.ok((await play('preempted-fork', design, 0.5)).monitor.maxMs > 50, design)
    assert.ok((await play('fork-first', design, 0.5)).monitor.maxMs < 14, design)
  }
})

test('a copy in the fault lets munmap wait where it is under the mmap lock, fork where it is under that of the VMA', async () => {
  const mapper = async (name: string, design: string) => {
    const { mapper, others } = await play(name, design, 0.5)
    return { mapper: mapper.maxMs, forker: others['forker']!.maxMs }
  }
  const old = await mapper('dax-copy', 'linux-5.1')
  assert.ok(old.mapper > 4 && old.forker > 4, 'behind copies of up to 13.6 ms')
  const vma = await mapper('dax-copy', 'linux-6.4')
  assert.ok(vma.forker > 1.75)
  assert.deepEqual(await mapper('dax-copy', 'restart'), { mapper: 0, forker: 0 })
  assert.ok((await mapper('dax-no-copy', 'linux-5.1')).mapper < 1)
})

test('a workload that something is left out of plays as the control that lacks it, and every thing has such a control', async () => {
  const play = async (name: string, without: readonly KernelTrait[]) => {
    const { workload: _, ...result } = (
      await runWorkload({
        workload: leaveOut(workloadNamed(name)!, without),
        discipline: disciplineNamed('linux-6.4')!,
        seed: 1,
        seconds: 0.5,
        signal: new AbortController().signal,
      })
    ).result
    return result
  }
  const pairs = [
    ['inode-lock', 'fsync-inode-lock', 'fsync-no-lock'],
    ['readers-pass', 'readers-pass-writer', 'readers-queue'],
    ['preemption', 'preempted-fork', 'fork-first'],
    ['dax-copy', 'dax-copy', 'dax-no-copy'],
  ] as const
  assert.deepEqual(pairs.map(([trait]) => trait).sort(), Object.keys(KERNEL_TRAITS).sort())
  for (const [trait, has, lacks] of pairs) {
    assert.deepEqual(await play(has, [trait]), await play(lacks, []), trait)
    assert.deepEqual([...traitsOf(workloadNamed(has)!)], [trait])
    assert.deepEqual([...traitsOf(workloadNamed(lacks)!)], [])
    assert.equal(leaveOut(workloadNamed(lacks)!, [trait]), workloadNamed(lacks), 'it has none')
    const { without: _, ...left } = await play(lacks, [])
    const { without: __, ...kept } = await play(has, [])
    assert.notDeepEqual(left, kept, `${trait} changes who waits`)
  }
  assert.ok(WORKLOADS.every(({ without = [] }) => without.every(trait => trait in KERNEL_TRAITS)))
})
