/** Does the explorer see everything, and does what it says hold when it is run again? */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { VmFault } from '../memmap/index.ts'
import { DISCIPLINES, type Discipline, disciplineNamed, RESTART, type Rule } from '../mm/index.ts'
import { replace } from '../rig/index.ts'
import { SCENARIOS, type Scenario, scenarioOf } from '../scenarios/index.ts'
import type { Canary } from './canaries.ts'
import { type Choice, scheduleText } from './choice.ts'
import { EXPLORE_DEFAULTS, Explorer, explore, exploreEach, isExpected } from './explorer.ts'
import { Keys, UNREAD } from './key.ts'
import { Machine } from './machine.ts'
import { hashOf } from './row.ts'
import { StateSpace } from './state-space.ts'
import { replay } from './timeline.ts'
import { type Place, Walker } from './walker.ts'

const MODELS: readonly Scenario[] = [
  scenarioOf({
    name: 'two faults and munmap',
    about: '',
    from: '',
    files: { data: {} },
    mappings: { data: { file: 'data' } },
    tasks: ['load data 0', 'load data 0', 'munmap data'],
  }),
  scenarioOf({
    name: 'a store that waits for writeback, and fork',
    about: '',
    from: '',
    files: { data: { stable: true } },
    mappings: { data: { file: 'data' } },
    before: ['store data 0'],
    tasks: ['sync data', 'store data 0', 'fork'],
  }),
  scenarioOf({
    name: 'a store that is killed, and a read that fails',
    about: '',
    from: '',
    files: { data: { pages: 1, free: 1 } },
    mappings: { data: { file: 'data' } },
    tasks: ['store data 0', 'truncate data 0'],
    fails: [{ operation: 'read', times: 1 }],
    kills: [0],
  }),
  scenarioOf({
    name: 'a write that makes the file longer, and a truncation',
    about: '',
    from: '',
    files: { data: { free: 1 } },
    mappings: {},
    tasks: ['write data 1', 'truncate data 1'],
    fails: [{ operation: 'resize', times: 1 }],
  }),
  scenarioOf({
    name: 'a store to a shared block that can’t be read, and a punch',
    about: '',
    from: '',
    volume: { blocks: 8, open: 'dax' },
    files: { a: {}, b: { pages: 0 } },
    mappings: { a: { file: 'a' } },
    before: ['clone a b'],
    tasks: ['store a 0', 'punch a 0'],
    fails: [{ operation: 'read', times: 1 }],
  }),
  scenarioOf({
    name: 'a store to a shared block, and a commit',
    about: '',
    from: '',
    volume: { blocks: 8, open: 'dax' },
    files: { a: {}, b: { pages: 0 } },
    mappings: { a: { file: 'a' } },
    before: ['clone a b'],
    tasks: ['store a 0', 'commit'],
  }),
  scenarioOf({
    name: 'a store to a page of the cache that is being cloned',
    about: '',
    from: '',
    volume: { blocks: 8, open: 'cached' },
    files: { a: {}, b: { pages: 0 } },
    mappings: { a: { file: 'a' } },
    before: ['store a 0'],
    tasks: ['clone a b', 'store a 0'],
  }),
]

function explorerOf(scenario: Scenario, discipline: Discipline, canary?: Canary): Explorer {
  const options = { ...EXPLORE_DEFAULTS, canary }
  return new Explorer(new StateSpace(scenario, discipline, options), discipline, options)
}

/** Every schedule to its end, each state reached by running from the beginning; nothing is pruned. */
function reachable(scenario: Scenario, discipline = RESTART): Set<number> {
  const keys = new Keys()
  const found = new Set<number>()
  const schedules: Choice[][] = [[]]
  for (let schedule = schedules.pop(); schedule !== undefined; schedule = schedules.pop()) {
    const machine = new Machine(scenario, discipline)
    for (const choice of schedule) machine.take(choice)
    found.add(hashOf(keys.row(machine)))
    for (const choice of machine.choices()) schedules.push([...schedule, choice])
  }
  return found
}

/** Pairs of schedules that lead to states with one key, from which different states can be reached. */
function unlike(scenario: Scenario, discipline = RESTART): string[] {
  const walker = new Walker(new Machine(scenario, discipline))
  const nextOf = () => {
    const place = walker.save()
    const hashes = walker.machine.choices().map(choice => {
      walker.take(choice)
      const hash = walker.hash()
      walker.restore(place)
      return hash
    })
    return hashes.sort().join()
  }
  const known = new Map<number, { readonly next: string; readonly path: readonly Choice[] }>()
  const found: string[] = []
  const todo: { readonly place: Place; readonly path: readonly Choice[] }[] = []
  const meet = (path: readonly Choice[]) => {
    const first = known.get(walker.hash())
    const next = nextOf()
    if (first === undefined) todo.push({ place: walker.save(), path })
    else if (first.next !== next) found.push(`${scheduleText(first.path)} and ${scheduleText(path)}`)
    if (first === undefined) known.set(walker.hash(), { next, path })
  }
  meet([])
  for (let from = todo.pop(); from !== undefined; from = todo.pop()) {
    walker.restore(from.place)
    for (const choice of walker.machine.choices()) {
      walker.take(choice)
      meet([...from.path, choice])
      walker.restore(from.place)
    }
  }
  return found
}

/** Overwrites a field of every fault before each attempt. */
function spoiler(field: keyof VmFault): Canary {
  const spoil = (value: unknown, seen = new Set<unknown>()): void => {
    if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype)
      return
    if (seen.has(value)) return
    seen.add(value)
    if ('retries' in value) Object.assign(value, { [field]: 0x5ad })
    else for (const each of Object.values(value)) spoil(each, seen)
  }
  return {
    name: 'spoiler',
    says: 'a field of a fault is spoilt between attempts',
    under: 'restart',
    plant: ({ engine: { scheduler } }) =>
      replace(scheduler, 'step', step => task => {
        spoil(task.args)
        step(task)
      }),
  }
}

describe('the explorer', () => {
  for (const model of MODELS)
    for (const name of ['restart', 'linux-6.4', 'fork-skips', 'hold'])
      test(`reaches what a search without pruning reaches: ${model.name}, under ${name}`, () => {
        const discipline = disciplineNamed(name)!
        const explorer = explorerOf(model, discipline)
        assert.equal(explorer.run().complete, true)
        assert.deepEqual(new Set(explorer.found), reachable(model, discipline))
      })

  test('tells states apart by their whole keys as by their hashes', () => {
    for (const scenario of SCENARIOS.slice(0, 12)) {
      const hashed = explore(scenario, RESTART)
      const compared = explore(scenario, RESTART, { keys: 'compared' })
      assert.equal(compared.states, hashed.states)
    }
  })

  test('leaves out of a state only what nobody reads: spoilt between attempts, it changes nothing', () => {
    for (const scenario of [...MODELS, ...SCENARIOS.slice(0, 8)])
      for (const name of ['restart', 'vma-retry']) {
        const seen = (spoilt?: keyof VmFault) => {
          const canary = spoilt === undefined ? undefined : spoiler(spoilt)
          const explorer = explorerOf(scenario, disciplineNamed(name)!, canary)
          const { violations } = explorer.run()
          return {
            states: new Set(explorer.found),
            broken: violations.map(({ property }) => property),
          }
        }
        assert.deepEqual(seen(UNREAD), seen(), `${scenario.name} under ${name}`)
      }
  })

  // Among these are blocks that two stashes pin, tasks of one phrase of which one may be killed, frames that held something before
  // a read fills them, and shadows of different pages: each was once told apart by nothing in the row.
  for (const name of ['dax-kill', 'unshare-store', 'fault-truncate', 'populate-reclaim', 'kill-waits'])
    test(`finds that states with one key go on alike, however they are come by: ${name} (KE1)`, () => {
      assert.deepEqual(unlike(SCENARIOS.find(each => each.name === name)!), [])
    })

  test('would see that a field is read that it left out', () => {
    const seen = (canary?: Canary) => {
      const explorer = explorerOf(MODELS[0]!, RESTART, canary)
      explorer.run()
      return new Set(explorer.found)
    }
    assert.notDeepEqual(seen(spoiler('vpn')), seen())
  })

  test('says that it isn’t complete when it was stopped', () => {
    assert.equal(explore(SCENARIOS[1]!, RESTART, { statesMax: 10 }).complete, false)
  })
})

describe('the catalogue', () => {
  test('has a name for each scenario', () => {
    const names = SCENARIOS.map(({ name }) => name)
    assert.deepEqual(names, [...new Set(names)])
  })

  test('is explored completely under every discipline, and nothing is broken that shouldn’t be', () => {
    for (const scenario of SCENARIOS)
      for (const { discipline, complete, violations } of exploreEach(scenario, DISCIPLINES)) {
        assert.equal(complete, true, scenario.name)
        const bad = violations.filter(({ property }) => !isExpected(property, discipline))
        assert.deepEqual(bad, [], scenario.name)
      }
  })

  const hangs = (name: string) => {
    const scenario = SCENARIOS.find(each => each.name === name)!
    return [...exploreEach(scenario, DISCIPLINES)]
      .filter(({ violations }) => violations.some(({ property }) => property === 'inversion of a reader'))
      .map(({ discipline }) => discipline)
  }

  const those = (is: (row: Discipline) => boolean) => DISCIPLINES.filter(is).map(({ name }) => name)

  test('shows whom a store that waits for writeback lets wait: every design that keeps the lock for page_mkwrite', () => {
    const keep = those(({ prepare, fork }) => prepare === 'keep' && fork === 'all')
    assert.deepEqual(hangs('mkwrite-fork-proc'), keep, 'a fork that skips shared mappings waits for none')
  })

  test('shows whom a store to a shared block lets wait: the designs that keep the lock, or drop it once and must wait again', () => {
    const keep = those(({ prepare, fork }) => prepare === 'keep' && fork === 'all')
    assert.deepEqual(hangs('dax-two-stores'), keep)
    const mayKeep = those(({ prepare, fork }) => prepare !== 'drop' && fork === 'all')
    assert.deepEqual(hangs('dax-eio'), mayKeep)
  })

  test('shows whom a read fault lets wait: the designs that keep a lock while they read', () => {
    const keep = those(({ read }) => read === 'keep')
    assert.deepEqual(hangs('fault-munmap'), keep)
    const keepOfSpace = those(({ read, takes }) => read === 'keep' && takes === 'mmap')
    assert.deepEqual(hangs('fault-writer-proc'), keepOfSpace)
  })
})

describe('a counterexample', () => {
  const scenario = SCENARIOS.find(({ name }) => name === 'mkwrite-fork-proc')!
  const row = disciplineNamed('linux-6.4')!

  test('is the shortest one, and runs again to the same chain', () => {
    const found = explore(scenario, row).violations.find(
      ({ property }) => property === 'inversion of a reader',
    )!
    assert.equal(found.schedule, 'abcd')
    const again = replay(scenario, row, found.schedule)
    assert(typeof again !== 'string')
    assert.deepEqual(again.ends, found.chain)
    assert.deepEqual(found.chain, [
      'd (proc maps) waits for mmap_lock of app for reading, behind c',
      'c (fork) waits for VMA at page 16 of app without readers, behind b, and keeps mmap_lock of app for writing',
      'b (store data 0) waits for write of data page 0, and keeps VMA at page 16 of app for reading',
    ])
  })

  test('that can’t be run says at which step, and what could happen instead', () => {
    assert.equal(
      replay(scenario, row, 'ab9'),
      'step 3 of the schedule, `9`, can’t happen there; what can is c d 1',
    )
    assert.match(
      String(replay(scenario, row, 'a?')),
      /^expected a letter.*at place 2 of the schedule, got `\?`$/,
    )
  })

  test('a design that is in no table, some waits with the lock and some without, breaks nothing but who waits', () => {
    const rules: readonly Rule[] = ['keep', 'drop once', 'drop']
    for (const [at, read] of rules.entries()) {
      const other = (step: number) => rules[(at + step) % rules.length]!
      for (const step of [1, 2]) {
        const mixed = {
          read,
          pageLock: other(step),
          prepare: other(2 * step),
          shortage: read,
          throttle: other(step),
        }
        const row: Discipline = { ...RESTART, ...mixed, name: `mixed ${at} ${step}` }
        for (const name of ['mkwrite-fork-proc', 'fault-munmap']) {
          const { violations } = explore(SCENARIOS.find(each => each.name === name)!, row)
          const broken = violations.filter(({ property }) => !isExpected(property, row.name))
          assert.deepEqual(broken, [], `${name}: ${JSON.stringify(mixed)}`)
        }
      }
    }
  })
})
