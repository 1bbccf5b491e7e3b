/** Is what disciplines share what each would have found alone? */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { DISCIPLINES, disciplineNamed, RESTART } from '../mm/index.ts'
import { SCENARIOS, type Scenario } from '../scenarios/index.ts'
import { AskedDiscipline, columnsApart } from './asked-discipline.ts'
import { EXPLORE_DEFAULTS, Explorer, explore, exploreEach } from './explorer.ts'
import { Machine } from './machine.ts'
import { StateSpace } from './state-space.ts'
import { Walker } from './walker.ts'

function scenarioNamed(name: string): Scenario {
  return SCENARIOS.find(each => each.name === name)!
}

/** How often `play` takes a step of a machine. */
function stepsOf(play: () => void): number {
  const { take } = Walker.prototype
  let steps = 0
  Walker.prototype.take = function (choice) {
    steps++
    return take.call(this, choice)
  }
  try {
    play()
  } finally {
    Walker.prototype.take = take
  }
  return steps
}

describe('disciplines that are explored one after the other', () => {
  // Stores that wait, readers of /proc, forks, memory that is short, kills, errors, pauses; with a volume and without.
  const names = [
    ...['fault-writer-proc', 'mkwrite-fork-proc', 'fault-munmap', 'protect-remap', 'sliced-unmap'],
    ...['throttle-munmap', 'eio-waiters', 'populate-reclaim', 'kill-waits', 'dax-two-stores', 'cow-eio'],
  ]
  for (const name of names)
    test(`find each what it would find alone: ${name} (STS1)`, () => {
      const scenario = scenarioNamed(name)
      assert.deepEqual(
        [...exploreEach(scenario, DISCIPLINES)],
        DISCIPLINES.map(row => explore(scenario, row)),
      )
    })

  test('are seen to share too much if a column could be read that isn’t noted', () => {
    const column = Object.getOwnPropertyDescriptor(AskedDiscipline.prototype, 'prepare')!
    Object.defineProperty(AskedDiscipline.prototype, 'prepare', {
      ...column,
      get(this: AskedDiscipline) {
        return this.answers.prepare
      },
    })
    try {
      assert.throws(() => [...exploreEach(scenarioNamed('mkwrite-fork-proc'), DISCIPLINES)], /^Error: KE1/)
    } finally {
      Object.defineProperty(AskedDiscipline.prototype, 'prepare', column)
    }
  })

  test('find the same where few of the states are kept (STS2)', () => {
    const scenario = scenarioNamed('fault-munmap')
    const all = [...exploreEach(scenario, DISCIPLINES)]
    assert.deepEqual([...exploreEach(scenario, DISCIPLINES, { keptMax: 100 })], all)
  })

  test('take most steps once', () => {
    const scenario = scenarioNamed('sync-eio')
    const alone = stepsOf(() => explore(scenario, RESTART))
    const all = stepsOf(() => [...exploreEach(scenario, DISCIPLINES)])
    assert(all < 2 * alone, `${all} steps under ${DISCIPLINES.length} disciplines, ${alone} under one`)
  })

  test('keep nothing for nobody (STS2)', () => {
    const scenario = scenarioNamed('fault-munmap')
    const space = new StateSpace(scenario, RESTART, EXPLORE_DEFAULTS)
    new Explorer(space, RESTART, EXPLORE_DEFAULTS).run()
    assert.equal(space['keptCount'], 1, 'the first')
    assert.equal(space.first.looks, undefined)
  })
})

describe('a discipline that is asked', () => {
  test('answers as the one behind it, and notes what it was asked', () => {
    for (const row of DISCIPLINES) {
      const asked = new AskedDiscipline(row)
      assert.deepEqual(
        Object.keys(row).map(column => asked[column as keyof typeof row]),
        Object.values(row),
      )
      assert.equal(asked.asked, columnsApart(row, oppositeOf(row)), 'every column')
    }
  })

  test('lies under the machine', () => {
    const asked = new AskedDiscipline(disciplineNamed('hold')!)
    const machine = new Machine(scenarioNamed('fault-munmap'), asked)
    asked.asked = 0
    for (let choice = machine.choices()[0]; choice !== undefined; choice = machine.choices()[0])
      machine.take(choice)
    assert.notEqual(asked.asked, 0)
  })

  test('differs from another in the columns that the table says', () => {
    const apart = (one: string, other: string) => columnsApart(disciplineNamed(one)!, disciplineNamed(other)!)
    assert.equal(apart('restart', 'restart'), 0)
    assert.equal(apart('vma-retry', 'fork-skips'), apart('fork-skips', 'vma-retry'))
    assert.notEqual(apart('vma-retry', 'fork-skips'), apart('linux-6.4', 'linux-7.x'))
  })
})

/** Has no value of the row's. */
function oppositeOf(row: object): typeof RESTART {
  return Object.fromEntries(Object.keys(row).map(column => [column, 'none'])) as unknown as typeof RESTART
}
