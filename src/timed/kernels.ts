/**
 * What else makes tasks wait for one another in a kernel, beside the locks of the fault path, each with the same without it.
 * A control is its neighbour `without` one thing that the kernels do (workload.ts); `lab compare --without` leaves out more.
 *
 *     fsync-inode-lock     btrfs holds the inode's own lock across writeback (inode-lock.ts), with bios of 1 MiB
 *     fsync-no-lock        the same without it: a page is stable as soon as its own bio has ended
 *     readers-pass-writer  a writer of the mmap lock that was woken waits for a processor, and readers pass it until the hand-off
 *     readers-queue        the same lock without stealing: who comes while somebody queues, queues
 *     preempted-fork       fork computes with its locks held, at the lowest priority, and is preempted
 *     fork-first           the same fork at the highest priority
 *     dax-copy             the first store to a page of a clone copies it in the fault, and somebody unmaps or forks beside
 *     dax-no-copy          the same stores where nothing is shared
 */
import { MS } from '../base/index.ts'
import type { Space } from '../mm/index.ts'
import { replace } from '../rig/index.ts'
import type { Task, Verb } from '../sched/index.ts'
import { app } from './inversions.ts'
import { OnProcessor, Walk, type WalkArgs } from './on-processor.ts'
import { type Priority, Processors } from './processors.ts'
import type { Stage } from './stage.ts'
import { roundAndRound } from './touch.ts'
import { type Actor, every, KIB, MIB, type Workload } from './workload.ts'

/** As page-mkwrite-fork, with smaller bios: who waits for the inode waits longer than who waits for a page. */
const fsync: Workload['cast'] = stage => {
  const safe = stage.group('protected')
  const batch = stage.group('batch')
  const space = stage.space('batch', batch)
  const plan = { bytes: 16 * MIB, device: 'loop', stablePages: true } as const
  const file = stage.file('data', { ...plan, filesystem: 'inode lock across writeback' })
  const mapped = stage.map(space, file)
  stage.populate(space, mapped)
  stage.engine.groups.set(batch, 'io.max', { wbps: 4 * MIB })
  const next = roundAndRound(mapped.start, mapped.pages)
  const actors: Actor[] = [
    monitor(stage, space, safe),
    { name: 'batch', group: batch, does: 'touch', plan: { space, access: 'store', next, think: 0 } },
    { name: 'mapper', group: batch, does: 'loop', plan: every(2 * MS, stage.forkAndExit(space)) },
    { name: 'syncer', group: batch, does: 'loop', plan: every(200 * MS, [stage.sync(file)]) },
    app(stage, safe),
  ]
  return { batch, actors }
}

/** Six readers compute for 1 ms with the mmap lock, on two processors that four others keep busy; one maps beside them. */
const readersAndWriter: Workload['cast'] = stage => {
  const { scheduler, verbs } = stage.engine
  const batch = stage.group('batch')
  const space = stage.space('batch', batch)
  if (!stage.kernelHas('readers-pass')) queueAlways(space)
  const processors = new Processors(scheduler, 2)
  const on = <Args>(verb: Verb<Args>) => new OnProcessor(verb, space, processors, 'normal')
  const walk = on(new Walk(processors, 'normal'))
  const reading = (who: { name: string; group: number }): Task => {
    const args: WalkArgs = { space, takes: 1 * MS, stage: 'locking' }
    return scheduler.spawn(walk, args, who)
  }
  const mapping = { map: on(verbs.map), unmap: on(verbs.unmap) } as unknown as typeof verbs
  const readers = Array.from({ length: 6 }, (_, at): Actor => {
    return { name: `reader ${at + 1}`, group: batch, does: 'loop', plan: every(2 * MS, [reading]) }
  })
  const actors: Actor[] = [
    ...readers,
    ...busy(stage, processors, batch, 4, 'normal'),
    { name: 'mapper', group: batch, does: 'loop', plan: every(2 * MS, stage.mapAndUnmap(space, mapping)) },
    toucher(stage, space, batch),
  ]
  return { batch, actors }
}

/** A fork that computes for 13 ms with its locks held, on two processors that three others want for 50 ms at a time. */
const fork: Workload['cast'] = stage => {
  const priority: Priority = stage.kernelHas('preemption') ? 'idle' : 'real time'
  const safe = stage.group('protected')
  const batch = stage.group('batch')
  const space = stage.space('batch', batch)
  const processors = new Processors(stage.engine.scheduler, 2)
  const copying = () => processors.compute(13 * MS, priority, 'the copying of entries')
  const actors: Actor[] = [
    monitor(stage, space, safe),
    ...busy(stage, processors, batch, 3, 'normal'),
    { name: 'mapper', group: batch, does: 'loop', plan: every(50 * MS, stage.forkAndExit(space, copying)) },
    toucher(stage, space, batch),
  ]
  return { batch, actors }
}

/** Four threads store to pages at random; beside them one maps and unmaps a page of its own, and one forks. */
const dax: Workload['cast'] = stage => {
  const safe = stage.group('protected')
  const batch = stage.group('batch')
  const space = stage.space('batch', batch)
  const plan = { bytes: 24 * MIB, device: 'nvme', stablePages: false } as const
  const file = stage.file('data', { ...plan, filesystem: 'copies before a store' })
  const mapped = stage.map(space, file, 'random')
  stage.populate(space, mapped)
  const { prng } = stage
  const next = () => mapped.start + prng.below(mapped.pages)
  const storers = Array.from({ length: 4 }, (_, at): Actor => {
    const name = `batch ${at + 1}`
    return { name, group: batch, does: 'touch', plan: { space, access: 'store', next, think: 0.2 * MS } }
  })
  const actors: Actor[] = [
    monitor(stage, space, safe),
    ...storers,
    { name: 'mapper', group: batch, does: 'loop', plan: every(2 * MS, stage.mapAndUnmap(space)) },
    { name: 'forker', group: batch, does: 'loop', plan: every(50 * MS, stage.forkAndExit(space)) },
  ]
  return { batch, actors }
}

function monitor(stage: Stage, space: Space, group: number): Actor {
  return { name: 'monitor', group, does: 'loop', plan: every(MS, [stage.readCommandLine(space)]) }
}

/** Threads that compute for 50 ms, and pause for 10. */
function busy(
  stage: Stage,
  processors: Processors,
  group: number,
  count: number,
  priority: Priority,
): Actor[] {
  const { scheduler } = stage.engine
  const computing: Verb<{ ticket: ReturnType<Processors['compute']> | undefined }> = {
    name: 'compute',
    attempt({ args, name }) {
      args.ticket ??= processors.compute(50 * MS, priority, name)
      return args.ticket.complete
        ? { kind: 'done' }
        : { kind: 'wait', why: 'timer', ticket: args.ticket, stash: 0, on: undefined }
    },
  }
  return Array.from({ length: count }, (_, at): Actor => {
    const call = (who: { name: string; group: number }) =>
      scheduler.spawn(computing, { ticket: undefined }, who)
    return { name: `busy ${at + 1}`, group, does: 'loop', plan: every(10 * MS, [call]) }
  })
}

/** Somebody in the process who takes faults. */
function toucher(stage: Stage, space: Space, group: number): Actor {
  const file = stage.file('data', { bytes: 16 * MIB, device: 'nvme', stablePages: false })
  const { start, pages } = stage.map(space, file, 'random')
  const { prng } = stage
  const next = () => start + prng.below(pages)
  return { name: 'batch', group, does: 'touch', plan: { space, access: 'load', next, think: 1 * MS } }
}

/** The mmap lock without stealing: hand-off is set whenever somebody queues. */
function queueAlways({ locks: { mmap } }: Space): void {
  replace(mmap, 'read', read => task => {
    if (mmap.waiters().length > 0) mmap['handoff'] = true
    return read(task)
  })
}

const SETTING = { seconds: 6, memory: 256 * MIB, bioBytesMax: 1 * MIB }
const SHORT = { seconds: 2, memory: 256 * MIB, bioBytesMax: 128 * KIB }

export const KERNEL_WORKLOADS: readonly Workload[] = [
  {
    name: 'fsync-inode-lock',
    about:
      'Stores, fsync and fork at 4 MiB/s, bios of 1 MiB, where fsync holds the inode’s lock across writeback, as in btrfs.',
    ...SETTING,
    cast: fsync,
  },
  {
    name: 'fsync-no-lock',
    about: 'The control: fsync holds nothing, and a store waits for its own page.',
    ...SETTING,
    without: ['inode-lock'],
    cast: fsync,
  },
  {
    name: 'readers-pass-writer',
    about:
      'Readers that compute with the mmap lock pass a writer that was woken and has no processor yet, for 4 ms.',
    ...SHORT,
    cast: readersAndWriter,
  },
  {
    name: 'readers-queue',
    about: 'The control: nobody passes who queues.',
    ...SHORT,
    without: ['readers-pass'],
    cast: readersAndWriter,
  },
  {
    name: 'preempted-fork',
    about:
      'A fork of the lowest priority copies for 13 ms with its locks held, on two processors that three others want.',
    ...SHORT,
    cast: fork,
  },
  {
    name: 'fork-first',
    about: 'The control: the fork has the highest priority.',
    ...SHORT,
    without: ['preemption'],
    cast: fork,
  },
  {
    name: 'dax-copy',
    about:
      'Four threads store to a clone through DAX, each page is copied in the fault; one unmaps beside, one forks. Linux 6.1: median 1.75 ms.',
    ...SHORT,
    cast: dax,
  },
  {
    name: 'dax-no-copy',
    about: 'The control: the blocks are the file’s own.',
    ...SHORT,
    without: ['dax-copy'],
    cast: dax,
  },
]
