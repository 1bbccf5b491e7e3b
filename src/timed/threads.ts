/**
 * The argument of 2026: thousands of threads on files much larger than their memory limit.
 *
 * Two processes in one group share 32 MiB; each has a thousand threads that read a 4 GiB file at random. In the first
 * somebody maps and unmaps a page of its own every 2 ms, somebody forks every 50 ms, and a monitor reads its cmdline.
 *
 * One side (Wilcox, 2025-26): whoever drops its lock for the read must come back, the page may be gone by then, and "all
 * the threads just batter the storage". Other side (Song, Baghdasaryan): whoever keeps it makes fork, which write-locks
 * every VMA, wait for the read, and everybody who wants the mmap lock waits for fork.
 *
 *     threads           reads only
 *     threads-forks     the same, and fork takes 13 ms of copying with its locks held: a GiB of private memory
 *     threads-stores    the same, and sixteen threads store to a second file, whose pages are stable, synced every 0.2 s
 *     threads-tight     as threads-forks, in 14 MiB: less than two pages for each thread
 *     threads-object-store  the same as threads on an object store: 20 ms a read
 *     uncontended       one thread alone, for what a fault costs
 */
import { type Bytes, MS, type Ns, SECOND } from '../base/index.ts'
import type { Ticket } from '../sched/index.ts'
import type { DeviceName } from './devices.ts'
import { app } from './inversions.ts'
import type { Stage } from './stage.ts'
import { type Actor, every, GIB, KIB, MIB, type Workload } from './workload.ts'

interface Threads {
  readonly device: DeviceName
  /** memory.max of the group. */
  readonly limit: Bytes
  /** How long fork copies. */
  readonly copying: Ns
  readonly writers: number
}

const THREADS = 1000

function threads({ device, limit, copying, writers }: Threads): Workload['cast'] {
  return stage => {
    const safe = stage.group('protected')
    const batch = stage.group('batch', { 'memory.max': limit })
    const file = stage.file('data', { bytes: 4 * GIB, device, stablePages: false })
    const space = stage.space('first', batch)
    const other = stage.space('second', batch)
    const actors: Actor[] = [
      { name: 'monitor', group: safe, does: 'loop', plan: every(MS, [stage.readCommandLine(space)]) },
      { name: 'mapper', group: batch, does: 'loop', plan: every(2 * MS, stage.mapAndUnmap(space)) },
      {
        name: 'forker',
        group: batch,
        does: 'loop',
        plan: every(50 * MS, stage.forkAndExit(space, copyingFor(stage, copying))),
      },
      ...readers(stage, 'batch', space, file, batch),
      ...readers(stage, 'other', other, file, batch),
      ...storers(stage, space, batch, writers),
      app(stage, safe),
    ]
    return { batch, actors }
  }
}

function copyingFor({ engine: { scheduler } }: Stage, time: Ns): (() => Ticket) | undefined {
  return time === 0 ? undefined : () => scheduler.after(time, 'the copying of entries')
}

function readers(
  stage: Stage,
  role: string,
  space: ReturnType<Stage['space']>,
  file: ReturnType<Stage['file']>,
  group: number,
): Actor[] {
  const { start, pages } = stage.map(space, file)
  const { prng } = stage
  const next = () => start + prng.below(pages)
  return Array.from({ length: THREADS }, (_, at) => ({
    name: `${role} ${at + 1}`,
    group,
    does: 'touch',
    plan: { space, access: 'load', next, think: 0 },
  }))
}

function storers(stage: Stage, space: ReturnType<Stage['space']>, group: number, count: number): Actor[] {
  if (count === 0) return []
  const file = stage.file('state', { bytes: 4 * MIB, device: 'network-disk', stablePages: true })
  const { start, pages } = stage.map(space, file, 'random')
  const { prng } = stage
  const next = () => start + prng.below(pages)
  const writers = Array.from({ length: count }, (_, at): Actor => {
    return {
      name: `writer ${at + 1}`,
      group,
      does: 'touch',
      plan: { space, access: 'store', next, think: 0.1 * MS },
    }
  })
  return [...writers, { name: 'syncer', group, does: 'loop', plan: every(0.2 * SECOND, [stage.sync(file)]) }]
}

const uncontended: Workload['cast'] = stage => {
  const batch = stage.group('batch', { 'memory.max': 32 * MIB })
  const space = stage.space('first', batch)
  const file = stage.file('data', { bytes: 1 * GIB, device: 'nvme', stablePages: false })
  const { start, pages } = stage.map(space, file, 'random')
  const { prng } = stage
  const next = () => start + prng.below(pages)
  return {
    batch,
    actors: [
      {
        name: 'batch',
        group: batch,
        does: 'touch',
        plan: { space, access: 'load', next, think: 0 },
      },
    ],
  }
}

const PLAIN: Threads = { device: 'network-disk', limit: 32 * MIB, copying: 0, writers: 0 }
const SETTING = { seconds: 2, memory: 128 * MIB, bioBytesMax: 128 * KIB }

export const THREAD_WORKLOADS: readonly Workload[] = [
  {
    name: 'threads',
    about:
      'Two thousand threads of two processes read 4 GiB in 32 MiB; beside them mmap and fork. Network disk.',
    ...SETTING,
    cast: threads(PLAIN),
  },
  {
    name: 'threads-forks',
    about: 'The same, and fork copies for 13 ms with its locks held.',
    ...SETTING,
    cast: threads({ ...PLAIN, copying: 13 * MS }),
  },
  {
    name: 'threads-stores',
    about:
      'The same, and sixteen threads store to a second file whose pages are stable while they are written.',
    ...SETTING,
    cast: threads({ ...PLAIN, copying: 13 * MS, writers: 16 }),
  },
  {
    name: 'threads-tight',
    about: 'The two thousand threads with forks that copy, in 14 MiB: less than two pages for each thread.',
    ...SETTING,
    seconds: 0.5,
    cast: threads({ ...PLAIN, limit: 14 * MIB, copying: 13 * MS }),
  },
  {
    name: 'threads-object-store',
    about: 'The two thousand threads on an object store, 20 ms a read.',
    ...SETTING,
    cast: threads({ ...PLAIN, device: 'object-store' }),
  },
  {
    name: 'uncontended',
    about: 'One thread reads 1 GiB in 32 MiB at random, and nobody is beside it: what a fault costs.',
    ...SETTING,
    cast: uncontended,
  },
]
