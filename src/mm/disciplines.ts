/**
 * The designs under comparison, one row each. Nothing else differs between them: the fault path is written once and
 * asks this table which lock to take, and which locks a wait keeps. One more design is one more row.
 *
 * | column    | answers                                                                             |
 * |-----------|-------------------------------------------------------------------------------------|
 * | takes     | which lock the first attempt reads                                                  |
 * | retakes   | which lock an attempt reads after the locks were dropped                            |
 * | read      | a wait for this fault's own read                                                    |
 * | page lock | a wait for a page that somebody else is bringing, or that is being truncated        |
 * | prepare   | a wait before a store: writeback of a stable page, space, a copy, metadata          |
 * | shortage  | a wait for memory                                                                   |
 * | throttle  | the pause of a writer when too much is dirty, after its entry is set                |
 * | stash     | what becomes of the page that a wait brought, if the next attempt queues for a lock |
 * | readers   | which lock a reader of maps, smaps or cmdline reads                                 |
 * | fork      | which VMAs a fork write-locks                                                       |
 *
 * A new rule is a case of `Fault.keeps`; what it reads of a fault is state of the explorer (`putFault` in explore/key.ts).
 *
 * keep: wait with the lock held. drop once: release it if this is the first attempt, hold it on later ones
 * (FAULT_FLAG_TRIED). drop: release it, always.
 *
 * The page that a wait brought is always held until the next attempt begins. carry: and on through the queue of the
 * mmap lock, as the cached page of the series was. let go: reclaim may have it while the fault queues, as it may in
 * Linux, where filemap_fault gives its reference back before it returns VM_FAULT_RETRY.
 *
 * readers, vma: the lock of each VMA, by trying, and the mmap lock only for one that a writer has locked
 * (lock_next_vma_under_mmap_lock). fork, copied: only those whose pages it shares with the child; a shared mapping has none.
 *
 * Invariants
 *   DI1 Every wait that a fault may come to while it holds a lock has a column.
 *
 * Sources   linux-5.1 is commit 6b4c9f446981, hold what was before it; v3-mkwrite the third version of the series of
 *           2018; linux-6.4 the per-VMA locks; vma-retry and vma-hold the two proposals of 2026; linux-7.x has the readers of
 *           6.17 (maps) and of the series of April and June 2026 (smaps, cmdline); fork-skips is vma-retry with what was said
 *           beside it, that fork needn't lock what it doesn't copy. Dirty throttling moved
 *           out of the lock in 5.5 (89b15332af7c), so linux-5.1 keeps it and linux-6.4 drops it.
 */
import { assert, broken } from '../base/index.ts'
import type { Why } from '../sched/index.ts'

export type Rule = 'keep' | 'drop once' | 'drop'
export type Stash = 'carry' | 'let go'
export type Readers = 'mmap' | 'vma'
export type ForkLocks = 'all' | 'copied'

export interface Discipline {
  readonly name: string
  readonly takes: 'mmap' | 'vma'
  readonly retakes: 'mmap' | 'vma'
  readonly read: Rule
  readonly pageLock: Rule
  readonly prepare: Rule
  readonly shortage: Rule
  readonly throttle: Rule
  readonly stash: Stash
  readonly readers: Readers
  readonly fork: ForkLocks
}

type Row = readonly [
  string,
  'mmap' | 'vma',
  'mmap' | 'vma',
  Rule,
  Rule,
  Rule,
  Rule,
  Rule,
  Stash,
  Readers,
  ForkLocks,
]

// biome-ignore format: a table
const ROWS: readonly Row[] = [
  //             takes   retakes read         page lock    prepare      shortage throttle     stash     readers fork
  ['hold',       'mmap', 'mmap', 'keep',      'drop once', 'keep',      'keep',  'keep',      'let go', 'mmap', 'all'],
  ['linux-5.1',  'mmap', 'mmap', 'drop once', 'drop once', 'keep',      'keep',  'keep',      'let go', 'mmap', 'all'],
  ['v3-mkwrite', 'mmap', 'mmap', 'drop once', 'drop once', 'drop once', 'keep',  'keep',      'carry',  'mmap', 'all'],
  ['linux-6.4',  'vma',  'mmap', 'drop once', 'drop once', 'keep',      'keep',  'drop once', 'let go', 'mmap', 'all'],
  ['linux-7.x',  'vma',  'mmap', 'drop once', 'drop once', 'keep',      'keep',  'drop once', 'let go', 'vma',  'all'],
  ['vma-retry',  'vma',  'vma',  'drop once', 'drop once', 'keep',      'keep',  'drop once', 'let go', 'mmap', 'all'],
  ['fork-skips', 'vma',  'vma',  'drop once', 'drop once', 'keep',      'keep',  'drop once', 'let go', 'mmap', 'copied'],
  ['vma-hold',   'vma',  'vma',  'keep',      'keep',      'keep',      'keep',  'drop once', 'let go', 'mmap', 'all'],
  ['restart',    'vma',  'vma',  'drop',      'drop',      'drop',      'drop',  'drop',      'carry',  'mmap', 'all'],
]

export const DISCIPLINES: readonly Discipline[] = ROWS.map(
  ([name, takes, retakes, read, pageLock, prepare, shortage, throttle, stash, readers, fork]) => ({
    name,
    takes,
    retakes,
    read,
    pageLock,
    prepare,
    shortage,
    throttle,
    stash,
    readers,
    fork,
  }),
)

/** The default. */
export const RESTART: Discipline = named('restart')

function named(name: string): Discipline {
  const row = disciplineNamed(name)
  assert(row !== undefined, `the table of disciplines has a row ${name}`)
  return row
}

export function disciplineNamed(name: string): Discipline | undefined {
  return DISCIPLINES.find(discipline => discipline.name === name)
}

/** The rule for a wait of this kind. */
export function ruleFor(discipline: Discipline, why: Why): Rule {
  switch (why) {
    case 'read':
      return discipline.read
    case 'page lock':
    case 'invalidate':
      return discipline.pageLock
    case 'writeback':
    case 'reserve':
    case 'copy':
    case 'metadata':
      return discipline.prepare
    case 'memory':
      return discipline.shortage
    case 'throttle':
      return discipline.throttle
    case 'lock':
    case 'vma lock':
    case 'device':
    case 'timer':
    case 'child':
      return broken(`DI1: a fault with a lock waits for a page, space, memory or its pace, not for a ${why}`)
  }
}
