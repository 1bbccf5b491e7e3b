/**
 * Explores a scenario: every order of its tasks' attempts, I/O completions, failures and kills, on the real engine.
 *
 *     take a choice not yet taken -> go on by first choices until a known state or an end
 *              ^                                                  |
 *              '------- the other choices of each new state <-----'
 *
 * Who wants the first violation takes the least-delayed choice: a choice costs as many delays as it stands down the list, so
 * the first schedules are those in which nothing unusual happens, and the first counterexample is a short one. Who wants all
 * goes back to the last state that has a choice left, since that is one step away and costs the least. A state is known by the
 * hash of its canonical row (key.ts). What was seen under another discipline needn't be taken again (state-space.ts); a
 * counterexample is run again from the beginning.
 *
 * Invariants
 *   EX1 Every choice of every state that was found is taken, unless `statesMax` or `stop` ends the search early.
 *   EX2 Each state is looked at, and each step, under the discipline or under one that answers alike (STS1).
 */
import { type Discipline, RESTART } from '../mm/index.ts'
import type { Scenario } from '../scenarios/index.ts'
import { chainOf } from './chain.ts'
import { type Choice, scheduleText } from './choice.ts'
import { StateGraph } from './graph.ts'
import type { Breach } from './monitor.ts'
import { inversion, isInversion } from './properties.ts'
import { type SpaceOptions, type State, StateSpace } from './state-space.ts'
import type { Walker } from './walker.ts'

export interface ExploreOptions extends SpaceOptions {
  readonly statesMax: number
  /** When to end before everything is seen. */
  readonly stop: 'never' | 'at the first violation'
}

/** A kept state takes some kilobytes. */
const KEPT_MAX = 1 << 17

export const EXPLORE_DEFAULTS: ExploreOptions = {
  canary: undefined,
  statesMax: 2_000_000,
  stop: 'never',
  keys: 'hashed',
  keptMax: KEPT_MAX,
}

export interface Violation {
  readonly property: string
  /** What broke, or who hangs, in one sentence. */
  readonly says: string
  readonly schedule: string
  /** Who waits for whom at that point. */
  readonly chain: readonly string[]
}

export interface Exploration {
  readonly scenario: string
  readonly discipline: string
  readonly states: number
  /** Runs from a choice to a known state or an end. */
  readonly executions: number
  readonly complete: boolean
  readonly violations: readonly Violation[]
}

/** A choice to be taken, by its place among those of a state. */
interface Pending {
  readonly from: number
  readonly state: State
  readonly choice: number
}

/** Where a property was broken: in a state, or by a step from it. */
interface Finding {
  readonly breach: Breach
  readonly states: Set<number>
  readonly by: 'state' | 'step'
}

export function explore(
  scenario: Scenario,
  discipline: Discipline,
  options: Partial<ExploreOptions> = {},
): Exploration {
  const all = { ...EXPLORE_DEFAULTS, ...options }
  return new Explorer(new StateSpace(scenario, discipline, all), discipline, all).run()
}

/**
 * Explores under one discipline after the other, with the same result as one by one: they share the states of machines that
 * begin alike.
 */
export function* exploreEach(
  scenario: Scenario,
  disciplines: readonly Discipline[],
  options: Pick<ExploreOptions, 'keptMax'> = EXPLORE_DEFAULTS,
): Generator<Exploration> {
  const all = { ...EXPLORE_DEFAULTS, ...options }
  const spaces: StateSpace[] = []
  const plans = disciplines.map(discipline => ({
    discipline,
    space: spaceFor(scenario, discipline, spaces, all),
  }))
  for (const { discipline, space } of plans) yield new Explorer(space, discipline, all).run()
}

function spaceFor(
  scenario: Scenario,
  discipline: Discipline,
  spaces: StateSpace[],
  options: ExploreOptions,
): StateSpace {
  let space = spaces.find(each => each.isMadeAlike(discipline))
  if (space === undefined) {
    const made = new StateSpace(scenario, discipline, options)
    space = spaces.find(each => each.hashes[0] === made.hashes[0])
    if (space === undefined) {
      spaces.push(made)
      return made
    }
  }
  space.expect()
  return space
}

export class Explorer {
  readonly graph = new StateGraph()
  /** The places of the states in the graph, by their numbers in the space; -1: it wasn't found. */
  private known = new Int32Array(1024).fill(-1)
  private readonly space: StateSpace
  private readonly discipline: Discipline
  private readonly options: ExploreOptions
  /** And the other way round. */
  private readonly met: number[] = []
  private readonly buckets: Pending[][] = []
  private readonly findings = new Map<string, Finding>()
  private executions = 0
  private stopped = false

  constructor(space: StateSpace, discipline: Discipline, options: ExploreOptions) {
    this.space = space
    this.discipline = discipline
    this.options = options
  }

  run(): Exploration {
    this.space.begin(this.discipline)
    this.meet(-1, this.space.first.number)
    this.follow(this.space.first, 0)
    for (let delays = 0; delays < this.buckets.length && !this.stopped; delays++) {
      const bucket = this.buckets[delays] ?? []
      for (let pending = bucket.pop(); pending !== undefined && !this.stopped; pending = bucket.pop())
        this.follow(this.step(pending.from, pending.state, pending.choice), delays)
    }
    const cycle = this.stopped ? -1 : this.graph.cycle()
    if (cycle !== -1)
      this.find(
        { property: 'livelock', says: 'the machine comes back to a state that it was in' },
        cycle,
        'state',
      )
    return {
      scenario: this.space.walker.machine.scenario.name,
      discipline: this.discipline.name,
      states: this.graph.states,
      executions: this.executions,
      complete: !this.stopped,
      violations: [...this.findings.values()].map(finding => this.explain(finding)),
    }
  }

  /** Goes on by first choices from a new state, and leaves the others for later. */
  private follow(first: State | undefined, delays: number): void {
    this.executions++
    for (let state = first; state !== undefined && !this.stopped; ) {
      const { choices, number } = state
      const place = this.known[number]!
      for (const breach of this.space.look(state)) this.find(breach, place, 'state')
      if (choices.length === 0) return
      this.leave(place, state, delays)
      state = this.step(place, state, 0)
    }
  }

  private leave(from: number, state: State, delays: number): void {
    for (let choice = state.choices.length - 1; choice > 0; choice--) {
      const cost = this.options.stop === 'never' ? 0 : delays + choice
      while (this.buckets.length <= cost) this.buckets.push([])
      this.buckets[cost]!.push({ from, state, choice })
    }
  }

  /** Takes a choice. Returns the state if it is new and whole. */
  private step(from: number, state: State, choice: number): State | undefined {
    const target = this.space.take(state, choice)
    if (typeof target === 'number') return this.meet(from, target) ? this.space.enter(target) : undefined
    this.find(target, from, 'step')
    return undefined
  }

  /** The hashes of the states that were found. */
  get found(): number[] {
    return this.met.map(number => this.space.hashes[number]!)
  }

  /** Notes a step to a state, and says whether it is new. */
  private meet(from: number, number: number): boolean {
    if (number >= this.known.length) this.known = longer(this.known, 2 * number)
    const known = this.known[number]!
    if (known !== -1) {
      this.graph.addEdge(from, known)
      return false
    }
    const place = this.graph.addState()
    this.known[number] = place
    this.met.push(number)
    if (from !== -1) this.graph.addEdge(from, place)
    if (place + 1 >= this.options.statesMax) this.stopped = true
    return true
  }

  private find(breach: Breach, state: number, by: Finding['by']): void {
    const found = this.findings.get(breach.property)
    if (found !== undefined) {
      if (found.by === by) found.states.add(state)
      return
    }
    this.findings.set(breach.property, { breach, states: new Set([state]), by })
    if (this.options.stop === 'at the first violation' && !isExpected(breach.property, this.discipline.name))
      this.stopped = true
  }

  /** Goes the shortest way to a finding again, and says what can be seen there. */
  private explain({ breach, states, by }: Finding): Violation {
    const walker = this.space.walkerAtFirst()
    const schedule: Choice[] = []
    for (const state of this.graph.shortestPath(states).slice(1))
      schedule.push(this.choiceTo(walker, this.space.hashes[this.met[state]!]!))
    let says = breach.says
    if (by === 'step') {
      const place = walker.save()
      for (const choice of walker.machine.choices()) {
        const broken = walker.take(choice)
        walker.restore(place)
        if (broken?.property !== breach.property) continue
        schedule.push(choice)
        says = broken.says
        break
      }
    } else {
      const { machine } = walker
      const again = isInversion(breach.property) ? inversion(machine) : walker.check(machine.choices())
      says = again?.says ?? says
    }
    return {
      property: breach.property,
      says,
      schedule: scheduleText(schedule),
      chain: chainOf(walker.machine),
    }
  }

  /** The choice that leads to the state of this hash: states are canonical, choices are not. */
  private choiceTo(walker: Walker, hash: number): Choice {
    const place = walker.save()
    for (const choice of walker.machine.choices()) {
      if (walker.take(choice) === undefined && walker.hash() === hash) return choice
      walker.restore(place)
    }
    throw new Error(
      `KE1: the way to a state of ${walker.machine.scenario.name} can’t be found again; its key lacks something`,
    )
  }
}

function longer(places: Int32Array, length: number): Int32Array<ArrayBuffer> {
  const longer = new Int32Array(length).fill(-1)
  longer.set(places)
  return longer
}

/** Whether this is what sets a design apart, and not a bug: every design but `restart` lets others wait for its I/O. */
export function isExpected(property: string, discipline: string): boolean {
  return isInversion(property) && discipline !== RESTART.name
}
