/**
 * The states of a scenario's machine, as far as they were seen: where each can be come back to, and what was found there.
 * What differs between disciplines is asked of few columns of their table, in few steps, so whoever explores under one after
 * the other finds most steps taken:
 *
 *     state --a--> state     asked: takes                 under linux-5.1, and so under hold
 *           \-a--> state     asked: takes, read           under linux-6.4, and so under vma-retry
 *
 * Invariants
 *   STS1 A step or a look that was found under another discipline is what would be found under this one: all columns that it
 *       read are the same, and states with one key go on alike (KE1).
 *   STS2 Only what somebody may still ask for is kept, and of that no more than `keptMax` states.
 */
import { assert } from '../base/index.ts'
import type { Discipline } from '../mm/index.ts'
import type { Scenario } from '../scenarios/index.ts'
import { AskedDiscipline, type Columns, columnsApart } from './asked-discipline.ts'
import type { Canary } from './canaries.ts'
import type { Choice } from './choice.ts'
import { Machine } from './machine.ts'
import type { Breach } from './monitor.ts'
import { inversion } from './properties.ts'
import { type Place, Walker } from './walker.ts'

/** The state that a step leads to, by its number in the space, or what it broke. */
export type Target = number | Breach

/** Something that was found out, and whom it holds for. */
interface Answer<Found> {
  readonly found: Found
  readonly asked: Columns
  /** The discipline that answered, by its place in `explorers`. */
  readonly under: number
  /** What others were answered before. */
  readonly next: Answer<Found> | undefined
}

export interface State {
  /** Its place among those that were found in the space. */
  readonly number: number
  readonly choices: readonly Choice[]
  /** undefined: nobody comes back to it. */
  readonly place: Place | undefined
  looks: Answer<readonly Breach[]> | undefined
  /** By the place of the choice. */
  readonly steps: (Answer<Target> | undefined)[]
}

export interface SpaceOptions {
  readonly canary: Canary | undefined
  /** Keeps every full key and compares, so that a collision of hashes is an error. */
  readonly keys: 'hashed' | 'compared'
  /** So many states are kept for those who come later. */
  readonly keptMax: number
}

export class StateSpace {
  /** Where everything begins. */
  readonly first: State
  readonly walker: Walker
  private readonly row: AskedDiscipline
  /** What the making of the machine asked. */
  private readonly askedFirst: Columns
  /** Those that have been explored under, and the one that is. */
  private readonly explorers: Discipline[] = []
  /** How each of them differs from the last. */
  private apart: Columns[] = []
  /** Explorations that are still to come. */
  private toCome = 1
  /** The hashes of all states that were found, by their numbers, and the numbers by the hashes. */
  readonly hashes: number[] = []
  private readonly numbers = new Map<number, number>()
  /** By number. */
  private readonly kept: (State | undefined)[] = []
  private keptCount = 0
  private readonly keptMax: number
  private readonly fullKeys: Map<number, string> | undefined
  /** Where the machine is, if that is a state that has been entered. */
  private here: State | undefined

  constructor(scenario: Scenario, discipline: Discipline, { canary, keys, keptMax }: SpaceOptions) {
    this.keptMax = keptMax
    this.row = new AskedDiscipline(discipline)
    this.walker = new Walker(new Machine(scenario, this.row, canary))
    this.fullKeys = keys === 'compared' ? new Map() : undefined
    this.askedFirst = this.row.asked
    this.first = this.newState(this.found(), true)
  }

  /** Whether a machine under this discipline would be made as this one was. */
  isMadeAlike(discipline: Discipline): boolean {
    return (columnsApart(discipline, this.row.answers) & this.askedFirst) === 0
  }

  /** Somebody else is going to explore. */
  expect(): void {
    this.toCome++
  }

  /** From here on this discipline is asked. */
  begin(discipline: Discipline): void {
    this.toCome--
    this.row.answers = discipline
    this.explorers.push(discipline)
    this.apart = this.explorers.map(explorer => columnsApart(explorer, discipline))
    this.back(this.first)
  }

  /** The state of this number, which nobody of this exploration was in before; it is kept, or the machine is there. */
  enter(number: number): State {
    const kept = this.kept[number]
    if (kept !== undefined) return kept
    const state = this.newState(number, this.toCome > 0 && this.keptCount < this.keptMax)
    this.here = state
    return state
  }

  /** What is wrong in a state, and who hangs. */
  look(state: State): readonly Breach[] {
    const known = this.answerIn(state.looks)
    if (known !== undefined) return known.found
    this.back(state)
    this.row.asked = 0
    const { machine } = this.walker
    const found = [this.walker.check(state.choices), inversion(machine)].filter(each => each !== undefined)
    if (this.toCome > 0) state.looks = this.answer(found, state.looks)
    return found
  }

  /** Takes a choice of a state. */
  take(state: State, at: number): Target {
    const known = this.answerIn(state.steps[at])
    if (known !== undefined && (typeof known.found !== 'number' || this.kept[known.found] !== undefined))
      return known.found
    this.back(state)
    this.here = undefined
    this.row.asked = 0
    const target = this.walker.take(state.choices[at]!) ?? this.found()
    if (this.toCome > 0) state.steps[at] = this.answer(target, state.steps[at])
    return target
  }

  /** The state that the machine is in. */
  private newState(number: number, keeps: boolean): State {
    const choices = this.walker.machine.choices()
    const place = keeps || choices.length > 1 ? this.walker.save() : undefined
    const state: State = { number, choices, place, looks: undefined, steps: [] }
    if (keeps) {
      this.kept[number] = state
      this.keptCount++
    }
    return state
  }

  /** The number of the state that the machine is in. */
  private found(): number {
    const hash = this.hash()
    let number = this.numbers.get(hash)
    if (number === undefined) {
      number = this.hashes.push(hash) - 1
      this.numbers.set(hash, number)
    }
    return number
  }

  /** The machine at the beginning, for somebody to walk it a way of their own. */
  walkerAtFirst(): Walker {
    this.back(this.first)
    this.here = undefined
    return this.walker
  }

  private hash(): number {
    const hash = this.walker.hash()
    if (this.fullKeys === undefined) return hash
    const full = this.walker.fullKey()
    const known = this.fullKeys.get(hash)
    if (known !== undefined && known !== full)
      throw new Error(
        `two states of ${this.walker.machine.scenario.name} have one hash; widen hashOf in row.ts`,
      )
    this.fullKeys.set(hash, full)
    return hash
  }

  /** Brings the machine to a state. */
  private back(state: State): void {
    if (this.here === state) return
    assert(state.place !== undefined, 'STS2: the machine is in a state that it can’t come back to')
    this.walker.restore(state.place)
    this.here = state
  }

  private answer<Found>(found: Found, next: Answer<Found> | undefined): Answer<Found> {
    return { found, asked: this.row.asked, under: this.explorers.length - 1, next }
  }

  private answerIn<Found>(answers: Answer<Found> | undefined): Answer<Found> | undefined {
    let answer = answers
    while (answer !== undefined && (this.apart[answer.under]! & answer.asked) !== 0) answer = answer.next
    return answer
  }
}
