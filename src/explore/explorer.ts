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
 * hash of its canonical row (key.ts). States are put back by undoing steps (rewind.ts); a counterexample is run again from the
 * beginning.
 *
 * Invariants
 *   EX1 Every choice of every state that was found is taken, unless `statesMax` or `stop` ends the search early.
 *   EX2 Each state is checked once, each step whenever it is taken.
 */
import { type Discipline, RESTART } from '../mm/index.ts'
import type { Canary } from './canaries.ts'
import { chainOf } from './chain.ts'
import { type Choice, scheduleText } from './choice.ts'
import { StateGraph } from './graph.ts'
import { Machine } from './machine.ts'
import type { Breach } from './monitor.ts'
import { inversion, isInversion } from './properties.ts'
import type { Scenario } from './scenario.ts'
import { type Place, Walker } from './walker.ts'

export interface ExploreOptions {
  readonly canary: Canary | undefined
  readonly statesMax: number
  /** When to end before everything is seen. */
  readonly stop: 'never' | 'at the first violation'
  /** Keeps every full key and compares, so that a collision of hashes is an error. */
  readonly keys: 'hashed' | 'compared'
}

export const EXPLORE_DEFAULTS: ExploreOptions = {
  canary: undefined,
  statesMax: 2_000_000,
  stop: 'never',
  keys: 'hashed',
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

/** A choice to be taken, and where. */
interface Pending {
  readonly state: number
  readonly place: Place
  readonly choice: Choice
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
  return new Explorer(scenario, discipline, { ...EXPLORE_DEFAULTS, ...options }).run()
}

export class Explorer {
  readonly graph = new StateGraph()
  readonly known = new Map<number, number>()
  private readonly scenario: Scenario
  private readonly discipline: Discipline
  private readonly options: ExploreOptions
  private readonly walker: Walker
  private readonly hashes: number[] = []
  private readonly fullKeys: string[] = []
  private readonly buckets: Pending[][] = []
  private readonly findings = new Map<string, Finding>()
  private executions = 0
  private stopped = false

  constructor(scenario: Scenario, discipline: Discipline, options: ExploreOptions) {
    this.scenario = scenario
    this.discipline = discipline
    this.options = options
    this.walker = this.newWalker()
  }

  run(): Exploration {
    this.follow(this.meet(-1), 0)
    for (let delays = 0; delays < this.buckets.length && !this.stopped; delays++) {
      const bucket = this.buckets[delays] ?? []
      for (let pending = bucket.pop(); pending !== undefined && !this.stopped; pending = bucket.pop()) {
        this.walker.restore(pending.place)
        this.follow(this.step(pending.state, pending.choice), delays)
      }
    }
    const cycle = this.stopped ? -1 : this.graph.cycle()
    if (cycle !== -1)
      this.find(
        { property: 'livelock', says: 'the machine comes back to a state that it was in' },
        cycle,
        'state',
      )
    return {
      scenario: this.scenario.name,
      discipline: this.discipline.name,
      states: this.graph.states,
      executions: this.executions,
      complete: !this.stopped,
      violations: [...this.findings.values()].map(finding => this.explain(finding)),
    }
  }

  /** Goes on by first choices from a new state, and leaves the others for later. */
  private follow(from: number, delays: number): void {
    this.executions++
    for (let state = from; state !== -1 && !this.stopped; ) {
      const choices = this.walker.machine.choices()
      const broken = this.walker.check(choices)
      if (broken !== undefined) this.find(broken, state, 'state')
      this.lookForInversion(state)
      if (choices.length === 0) return
      if (choices.length > 1) this.leave(state, choices, delays)
      state = this.step(state, choices[0]!)
    }
  }

  private leave(state: number, choices: readonly Choice[], delays: number): void {
    const place = this.walker.save()
    for (let at = choices.length - 1; at > 0; at--) {
      const cost = this.options.stop === 'never' ? 0 : delays + at
      while (this.buckets.length <= cost) this.buckets.push([])
      this.buckets[cost]!.push({ state, place, choice: choices[at]! })
    }
  }

  /** Takes a choice. Returns the state if it is new and whole, else -1. */
  private step(state: number, choice: Choice): number {
    const broken = this.walker.take(choice)
    if (broken !== undefined) {
      this.find(broken, state, 'step')
      return -1
    }
    return this.meet(state)
  }

  /** Names the state that the machine is in. Returns its number if it is new, else -1. */
  private meet(from: number): number {
    const hash = this.walker.hash()
    const known = this.known.get(hash)
    if (known !== undefined) {
      if (this.options.keys === 'compared' && this.fullKeys[known] !== this.walker.fullKey())
        throw new Error(`two states of ${this.scenario.name} have one hash; widen hashOf in key.ts`)
      this.graph.addEdge(from, known)
      return -1
    }
    const state = this.graph.addState()
    this.known.set(hash, state)
    this.hashes.push(hash)
    if (this.options.keys === 'compared') this.fullKeys.push(this.walker.fullKey())
    if (from !== -1) this.graph.addEdge(from, state)
    if (state + 1 >= this.options.statesMax) this.stopped = true
    return state
  }

  private lookForInversion(state: number): void {
    const found = inversion(this.walker.machine)
    if (found !== undefined) this.find(found, state, 'state')
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

  /** Runs the shortest way to a finding again, and says what can be seen there. */
  private explain({ breach, states, by }: Finding): Violation {
    const path = this.graph.shortestPath(states)
    const walker = this.newWalker()
    const schedule: Choice[] = []
    for (const state of path.slice(1)) schedule.push(this.choiceTo(walker, this.hashes[state]!))
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
      `KE1: the way to a state of ${this.scenario.name} can’t be found again; its key lacks something`,
    )
  }

  private newWalker(): Walker {
    return new Walker(new Machine(this.scenario, this.discipline, this.options.canary))
  }
}

/** Whether this is what sets a design apart, and not a bug: every design but `restart` lets others wait for its I/O. */
export function isExpected(property: string, discipline: string): boolean {
  return isInversion(property) && discipline !== RESTART.name
}
