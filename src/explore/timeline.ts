/**
 * A schedule run again, step by step in words: what `lab replay` prints, and what a timeline file holds.
 */
import { errnoName } from '../base/index.ts'
import type { Discipline } from '../mm/index.ts'
import type { Scenario } from '../scenarios/index.ts'
import type { Task } from '../sched/index.ts'
import type { Canary } from './canaries.ts'
import { chainOf } from './chain.ts'
import { type Choice, choiceText, parseSchedule } from './choice.ts'
import { Machine } from './machine.ts'
import { Walker } from './walker.ts'

export interface Step {
  /** The choice, as in the schedule. */
  readonly choice: string
  /** The task or the I/O that moved. */
  readonly who: string
  readonly what: string
  /** Every task that isn't over, and how it stands after the step. */
  readonly tasks: readonly Standing[]
}

export interface Standing {
  readonly task: string
  readonly name: string
  readonly state: Task['state']
  readonly waitsFor: string
  readonly holds: readonly string[]
}

export interface Timeline {
  readonly scenario: string
  readonly discipline: string
  readonly schedule: string
  readonly steps: readonly Step[]
  /** What is broken at the end, or who waits for whom. */
  readonly ends: readonly string[]
}

/** Runs a schedule string, or says in a sentence why it can't be run. */
export function replay(
  scenario: Scenario,
  discipline: Discipline,
  schedule: string,
  canary?: Canary,
): Timeline | string {
  const choices = parseSchedule(schedule)
  if (typeof choices === 'string') return choices
  const walker = new Walker(new Machine(scenario, discipline, canary))
  const steps: Step[] = []
  let broken: string | undefined
  for (const [at, choice] of choices.entries()) {
    const possible = walker.machine.choices()
    if (!possible.includes(choice))
      return `step ${at + 1} of the schedule, \`${choiceText(choice)}\`, can’t happen there; what can is ${possible.map(choiceText).join(' ')}`
    const who = whoMoves(walker.machine, choice)
    const task = walker.machine.taskOf(choice)
    const breach = walker.take(choice)
    const what = breach?.says ?? whatHappened(task)
    steps.push({ choice: choiceText(choice), who, what, tasks: standings(walker.machine) })
    broken ??= breach?.says
  }
  broken ??= walker.check(walker.machine.choices())?.says
  const ends = [...(broken === undefined ? [] : [broken]), ...chainOf(walker.machine)]
  return { scenario: scenario.name, discipline: discipline.name, schedule, steps, ends }
}

/** One line for each step, in columns. */
export function timelineText({ steps, ends }: Timeline): string {
  const wide = Math.max(0, ...steps.map(({ who }) => who.length))
  const lines = steps.map(
    ({ choice, who, what }, at) =>
      `${String(at + 1).padStart(3)}  ${choice.padEnd(2)}  ${who.padEnd(wide)}  ${what}`,
  )
  return [...lines, ...ends.map(each => `       ${each}`)].join('\n')
}

function whoMoves(machine: Machine, choice: Choice): string {
  const text = choiceText(choice)
  const place = Number(text.replace('!', ''))
  if (text === '~') return 'time'
  if (place >= 1) return machine.inFlight[place - 1]!.what
  const task = text.startsWith('-') ? machine.tasks[choice & 31] : machine.taskOf(choice)
  return text.startsWith('-') ? `kill ${task!.name}` : task!.name
}

function whatHappened(task: Task | undefined): string {
  if (task === undefined) return 'ends'
  if (task.state === 'ended') return task.errno === 0 ? 'is done' : `ends with ${errnoName(task.errno)}`
  if (task.state === 'ready' && task.wait === undefined) return 'made progress and goes on'
  const keeps = task.held.map(({ lock, mode }) => `${lock.name} (${mode})`)
  const holding = keeps.length === 0 ? 'holding nothing' : `keeping ${keeps.join(' and ')}`
  return `waits for ${task.wait!.ticket.what} (${task.wait!.why}), ${holding}`
}

function standings(machine: Machine): Standing[] {
  return [...machine.engine.scheduler.tasks.values()].map(task => ({
    task: machine.letterOf(task),
    name: task.name,
    state: task.state,
    waitsFor: task.state === 'waiting' ? task.wait!.ticket.what : '',
    holds: task.held.map(({ lock, mode }) => `${lock.name} (${mode})`),
  }))
}
