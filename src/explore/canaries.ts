/**
 * Planted bugs: each is a way to be wrong that kernels have been wrong in, and the lab must find every one. They show that
 * its properties can fail, and which scenario would notice.
 *
 * The engine knows nothing of them. A canary takes a machine that is put together and replaces a method of one of its
 * parts, or the row of its discipline; what it must remember it keeps in the machine's `notes`, which are put back like
 * everything else.
 */
import type { CachedFile } from '../cache/index.ts'
import { RwLock } from '../lock/index.ts'
import { FAULT_FLAG_TRIED } from '../memmap/index.ts'
import { LOCKED } from '../memory/index.ts'
import type { Discipline, Space, Vma } from '../mm/index.ts'
import { readOnly } from '../mmu/index.ts'
import { replace } from '../rig/index.ts'
import { done, type Outcome, type Task } from '../sched/index.ts'
import type { Machine } from './machine.ts'
import { VOLUME_CANARIES } from './volume/canaries.ts'

export interface Canary {
  readonly name: string
  readonly says: string
  /** The discipline under which it is a bug. */
  readonly under: string
  readonly plant?: (machine: Machine) => void
  readonly discipline?: (row: Discipline) => Discipline
  /** Only scenarios of these could find it. */
  readonly among?: 'files of a volume'
}

function eachFile(machine: Machine, plant: (file: CachedFile) => void): void {
  for (const file of machine.files.values()) plant(file)
}

function eachSpace(machine: Machine, plant: (space: Space) => void): void {
  for (const space of machine.engine.mm.spaces.values()) plant(space)
}

const nothing = () => {}

const PLANTED: readonly (Omit<Canary, 'under'> & Partial<Canary>)[] = [
  {
    name: 'no-recheck',
    says: 'the VMA that was found before the drop is used after it',
    plant: machine =>
      eachSpace(machine, space =>
        replace(space, 'find', find => vpn => {
          const { current } = machine.engine.scheduler
          if (current?.verb !== machine.access) return find(vpn)
          const known = machine.notes.get(current) as Vma | undefined
          const vma = known ?? find(vpn)
          if (vma !== undefined) machine.notes.set(current, vma)
          return vma
        }),
      ),
  },
  {
    name: 'no-stash',
    says: 'what a ticket brings isn’t pinned until the next attempt',
    plant: ({ engine }) => {
      replace(engine.scheduler, 'keeper', () => ({ pin: nothing, unpin: nothing }))
    },
  },
  {
    name: 'pin-leak',
    says: 'the stash is pinned and never let go',
    plant: ({ engine }) => {
      replace(engine.scheduler, 'keeper', keeper => ({ pin: frame => keeper.pin(frame), unpin: nothing }))
    },
  },
  {
    name: 'writable-clean',
    says: 'an entry becomes writable before its page is marked dirty',
    plant: machine => eachFile(machine, file => replace(file, 'setDirty', () => nothing)),
  },
  {
    name: 'one-mapper',
    says: 'writeback write-protects the first mapper of a page only',
    plant: ({ engine }) =>
      replace(engine.mm.rmap, 'writeProtect', () => (_file, _index, frames) => {
        for (const frame of frames) {
          const [first] = engine.mm.rmap.mappingsOf(frame)
          first?.space.table.set(first.vpn, readOnly(first.space.table.get(first.vpn)))
        }
      }),
  },
  {
    name: 'no-write-protect',
    says: 'writeback leaves entries writable',
    plant: ({ engine }) => replace(engine.mm.rmap, 'writeProtect', () => nothing),
  },
  {
    name: 'no-invalidate',
    says: 'truncation drops pages and leaves their entries',
    plant: ({ engine }) => replace(engine.mm.rmap, 'unmapRange', () => nothing),
  },
  {
    name: 'copies-stay',
    says: 'truncation leaves private copies past the end of the file',
    plant: ({ engine }) =>
      replace(
        engine.mm.rmap,
        'unmapRange',
        unmap => (file, start, end) => unmap(file, start, end, 'shared pages'),
      ),
  },
  {
    name: 'copies-punched',
    says: 'punching a hole throws private copies away',
    plant: ({ engine }) =>
      replace(
        engine.mm.rmap,
        'unmapRange',
        unmap => (file, start, end) => unmap(file, start, end, 'with private copies'),
      ),
  },
  {
    name: 'reader-overtakes',
    says: 'a reader takes the lock past a waiting writer',
    plant: machine =>
      eachSpace(machine, ({ locks: { mmap } }) =>
        replace(mmap, 'read', read => task => {
          const readers = mmap.holders() as Task[]
          const isRead = readers.length > 0 && !readers.some(holder => mmap.isWriter(holder))
          if (!isRead) return read(task)
          readers.push(task)
          task.held.push({ lock: mmap, mode: 'read' })
          return undefined
        }),
      ),
    under: 'hold',
  },
  {
    name: 'wake-up-lost',
    says: 'a writer isn’t woken when the lock is free',
    plant: ({ engine }) => loseWakeUps(engine.scheduler, 'for writing'),
    under: 'hold',
  },
  {
    name: 'vma-wake-up-lost',
    says: 'the last reader of a VMA leaves and tells no one',
    plant: ({ engine }) => loseWakeUps(engine.scheduler, 'without readers'),
    under: 'vma-hold',
  },
  {
    name: 'error-twice',
    says: 'a fault forgets that its read failed, and reads again to find out',
    plant: machine =>
      eachFile(machine, file =>
        replace(file, 'fault', fault => request => {
          request.fault.asked = undefined
          return fault(request)
        }),
      ),
  },
  {
    name: 'not-tried',
    says: 'FAULT_FLAG_TRIED isn’t set, so a fault may drop its lock for ever',
    plant: ({ engine }) =>
      replace(engine.verbs.fault, 'step', step => (task, args) => {
        const outcome = step(task, args)
        args.fault.flags &= ~FAULT_FLAG_TRIED
        return outcome
      }),
    under: 'linux-5.1',
  },
  {
    name: 'keeps-for-mkwrite',
    says: 'the lock is kept while page_mkwrite waits',
    discipline: row => ({ ...row, prepare: 'keep' }),
  },
  {
    name: 'drops-once',
    says: 'the lock is dropped for the first wait only',
    discipline: row => ({ ...row, read: 'drop once', pageLock: 'drop once', prepare: 'drop once' }),
  },
  {
    name: 'no-claim',
    says: 'pages are brought into a range that is being taken away',
    plant: machine => eachFile(machine, file => replace(file, 'invalidates', () => () => false)),
  },
  {
    name: 'hasty-truncate',
    says: 'truncation doesn’t wait for pages in flight',
    plant: ({ engine }) =>
      replace(
        engine.verbs.truncate as unknown as { inFlight(): undefined },
        'inFlight',
        () => () => undefined,
      ),
  },
  {
    name: 'given-again',
    says: 'truncation in slices lets pages be mapped that are leaving',
    plant: machine => eachFile(machine, file => replace(file, 'isLeaving', () => () => false)),
  },
  {
    name: 'bad-read-kept',
    says: 'a page whose read failed stays in the cache as if it were up to date',
    plant: ({ engine }) =>
      replace(engine.io, 'onEnd', end => bio => {
        if (bio.purpose === 'fill') bio.errno = 0
        end(bio)
      }),
  },
  {
    name: 'error-uncounted',
    says: 'a failed writeback is told to nobody',
    plant: machine => eachFile(machine, file => replace(file, 'failedWriteback', () => nothing)),
  },
  {
    name: 'error-untold',
    says: 'a sync ends well although a writeback failed before',
    plant: ({ engine }) =>
      replace(engine.verbs.sync as unknown as { report(): Outcome }, 'report', () => () => done),
  },
  {
    name: 'dirty-lost',
    says: 'a page that couldn’t be written becomes clean all the same',
    plant: ({ engine }) =>
      replace(
        engine.cache as unknown as { toDirty(file: CachedFile, frame: number): void },
        'toDirty',
        toDirty => (file, frame) => {
          if (engine.scheduler.current !== undefined) toDirty(file, frame)
        },
      ),
  },
  {
    name: 'torn',
    says: 'a store doesn’t wait for the writeback of a page that must be stable',
    plant: machine =>
      eachFile(machine, ({ backing }) => Object.defineProperty(backing, 'stablePages', { value: false })),
  },
  {
    name: 'vma-ignored',
    says: 'a writer changes a VMA with readers inside',
    plant: machine =>
      eachSpace(machine, ({ locks }) =>
        replace(locks, 'writeVma', () => vma => {
          vma.writeSequence = locks.mmap.sequence
          return undefined
        }),
      ),
    under: 'vma-hold',
  },
  {
    name: 'vma-trespass',
    says: 'a fault enters a VMA that is write-locked',
    plant: machine =>
      eachSpace(machine, ({ locks }) =>
        replace(locks, 'tryReadVma', () => (vma, task) => {
          vma.enter(task)
          return true
        }),
      ),
    under: 'vma-hold',
  },
  {
    name: 'vma-stays-locked',
    says: 'VMAs stay write-locked when the space is released',
    plant: machine =>
      eachSpace(machine, ({ locks: { mmap } }) =>
        replace(mmap, 'release', () => task => RwLock.prototype.release.call(mmap, task)),
      ),
  },
  {
    name: 'killed-in-queue',
    says: 'a killed waiter stays in the queue of its lock',
    plant: machine => eachSpace(machine, ({ locks: { mmap } }) => replace(mmap, 'cancel', () => nothing)),
    under: 'hold',
  },
  {
    name: 'killed-claim',
    says: 'a truncation that is killed never gives its claim back',
    plant: ({ engine }) => replace(engine.verbs.truncate, 'abandon', () => nothing),
  },
  {
    name: 'fork-writable',
    says: 'fork leaves the parent’s private pages writable',
    plant: machine =>
      eachSpace(machine, ({ table }) => replace(table, 'set', set => unless(machine, 'fork', set))),
  },
  {
    name: 'protect-forgets',
    says: 'mprotect takes the right to store away and leaves entries writable',
    plant: machine =>
      eachSpace(machine, ({ table }) => replace(table, 'set', set => unless(machine, 'protect', set))),
  },
  {
    name: 'unmap-forgets',
    says: 'munmap takes the VMA away and leaves its entries',
    plant: machine =>
      replace(machine.engine.mm.rmap, 'setEntry', setEntry => unless(machine, 'unmap', setEntry)),
  },
  {
    name: 'mremap-forgets',
    says: 'mremap gives the new place its VMA and leaves the entries behind',
    plant: machine =>
      replace(machine.engine.mm.rmap, 'setEntry', setEntry => unless(machine, 'mremap', setEntry)),
  },
  {
    name: 'mremap-renumbers',
    says: 'mremap gives private pages the numbers of their new place, where nobody who asks for them finds them',
    plant: machine => eachSpace(machine, ({ moved }) => replace(moved, 'insert', () => nothing)),
  },
  {
    name: 'mremap-copies',
    says: 'mremap leaves the pages mapped at their old place too',
    plant: machine =>
      replace(machine.engine.mm.rmap, 'setEntry', setEntry => (space, vpn, entry) => {
        const { current } = machine.engine.scheduler
        if (entry !== 0 || current?.verb !== machine.engine.verbs.mremap) setEntry(space, vpn, entry)
      }),
  },
  {
    name: 'maps-early',
    says: 'a page that is still being read is mapped with its neighbours',
    plant: ({ engine }) =>
      replace(engine.cache, 'mappable', () => (file, index) => engine.cache.find(file, index)),
  },
  {
    name: 'no-reserve',
    says: 'a store succeeds without space for its page',
    plant: machine => eachFile(machine, ({ backing }) => replace(backing, 'reserve', () => () => done)),
  },
  {
    name: 'read-twice',
    says: 'a fault doesn’t see that somebody is reading its page, and reads it too',
    plant: ({ engine }) =>
      replace(engine.cache, 'find', find => (file, index) => {
        const frame = find(file, index)
        const faulting = engine.scheduler.current?.wait === undefined
        return faulting && engine.cache.frames.has(frame, LOCKED) ? 0 : frame
      }),
  },
]

export const CANARIES: readonly Canary[] = [...PLANTED, ...VOLUME_CANARIES].map(canary => ({
  under: 'restart',
  ...canary,
}))

function loseWakeUps(scheduler: Machine['engine']['scheduler'], whose: string): void {
  replace(scheduler, 'complete', complete => (ticket, error) => {
    if (!ticket.what.endsWith(whose)) complete(ticket, error)
  })
}

/** A method that does nothing while a task of this verb runs. */
function unless<Args extends unknown[]>(
  { engine }: Machine,
  verb: 'fork' | 'protect' | 'unmap' | 'mremap',
  method: (...args: Args) => void,
): (...args: Args) => void {
  return (...args) => {
    if (engine.scheduler.current?.verb !== engine.verbs[verb]) method(...args)
  }
}
