/**
 * memory.max, high, low, min, current, stat, events and pressure, as cgroup2 words them.
 *
 * The ledger counts pages, and events and statistics a group at a time; here they become bytes, and a group shows its
 * own with those of all below it. A limit is rounded down to pages, as page_counter_memparse does.
 */
import type { Bytes, GroupId, GroupTree } from '../base/index.ts'
import type { Ledger, MemoryLimits } from '../memory/index.ts'
import type { Key, Keys } from './key.ts'
import type { Pressure } from './pressure.ts'
import { parseBytesOrMax, showOrMax } from './size.ts'

const EVENTS = ['low', 'high', 'max', 'oom'] as const
/** The kernel's name, the ledger's, and what the ledger counts. */
const STATS = [
  ['anon', 'anon', 'pages'],
  ['file', 'file', 'pages'],
  ['file_dirty', 'dirty', 'pages'],
  ['file_writeback', 'writeback', 'pages'],
  ['pgfault', 'pgfault', 'events'],
  ['pgmajfault', 'pgmajfault', 'events'],
  ['workingset_refault', 'refault', 'events'],
  ['workingset_activate', 'activate', 'events'],
  ['pgscan', 'scan', 'events'],
  ['pgsteal', 'steal', 'events'],
  ['pswpin', 'swapIn', 'events'],
  ['pswpout', 'swapOut', 'events'],
] as const

export interface MemoryParts {
  readonly tree: GroupTree
  readonly ledger: Ledger
  readonly pressure: Pressure
  readonly pageSize: Bytes
  readonly now: () => number
  /** A limit changed: whoever reclaims may have work. */
  readonly limited: (group: GroupId) => void
}

export function memoryKeys({ tree, ledger, pressure, pageSize, now, limited }: MemoryParts): Keys {
  const limit = (name: keyof MemoryLimits): Key => ({
    read: group => `${showOrMax(ledger.limits(group)[name] * pageSize)}\n`,
    prepare: value => {
      const pages = Math.floor(parseBytesOrMax(value, `memory.${name}`) / pageSize)
      return group => {
        ledger.setLimits(group, { [name]: pages })
        limited(group)
      }
    },
  })
  return {
    'memory.max': limit('max'),
    'memory.high': limit('high'),
    'memory.low': limit('low'),
    'memory.min': limit('min'),
    'memory.current': { read: group => `${ledger.usage(group) * pageSize}\n` },
    'memory.events': {
      read: group =>
        EVENTS.map(name => `${name} ${sum(tree, group, id => ledger.events(id)[name])}\n`).join(''),
    },
    'memory.stat': {
      read: group =>
        STATS.map(([name, own, unit]) => {
          const count = sum(tree, group, id => ledger.stat(id)[own])
          return `${name} ${unit === 'pages' ? count * pageSize : count}\n`
        }).join(''),
    },
    'memory.pressure': { read: group => pressure.read(group, 'memory', now()) },
  }
}

function sum(tree: GroupTree, group: GroupId, count: (id: GroupId) => number): number {
  let total = count(group)
  for (const child of tree.children(group)) total += sum(tree, child, count)
  return total
}
