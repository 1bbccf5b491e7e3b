/**
 * The search: plays each workload of a batch, and lets another machine recover from everything that a crash may leave.
 *
 *     states      what a crash may leave: moments times images
 *     distinct    of these, the images that were recovered from: one that was met before, with no more allowed, is counted only
 *
 * The first image of each row of records that is new is also used: the machine that recovered commits, writes and syncs, and is
 * crashed at every moment of that. So recovery is interrupted too, and what it leaves must be good to go on with.
 *
 * Invariants
 *   CX1 What a batch finds is a function of the batch: neither of the others nor of who runs it.
 *   CX2 Each violation can be replayed from its line.
 */
import { Beginnings, playOf } from './beginnings.ts'
import { type Image, keyOf } from './image.ts'
import { COMMIT, type Operation, store, sync, UPGRADE, write } from './operations.ts'
import { DIRECTORY, type Oracle } from './oracle.ts'
import type { Planted } from './planted.ts'
import { type CrashState, crashStates, DOES_NOT_APPLY, type Play } from './play.ts'
import { type Found, judge, oracleOf, Recoveries, sayOf } from './recovery.ts'
import { MEMORY, type Mode, PAGE } from './stage.ts'
import { type Batch, type Workload, wordsOf, workloadFrom, workloadsOf } from './workloads.ts'

export interface CrashViolation {
  readonly says: string
  readonly when: string
  /** What `--replay` takes. */
  readonly replay: string
}

export interface Crashed {
  readonly workloads: number
  readonly states: number
  readonly distinct: number
  /** Of the states, those during recovery and after it. */
  readonly afterwards: number
  readonly violations: readonly CrashViolation[]
}

/** Violations that are told of a batch; one bug breaks many workloads. */
const VIOLATIONS_MAX = 3

export function crashBatch(batch: Batch, planted?: Planted): Crashed {
  return crashWorkloads([...workloadsOf(batch)], batch.seed, planted)
}

export function crashWorkloads(workloads: readonly Workload[], seed: number, planted?: Planted): Crashed {
  return new Search(seed, planted).run(workloads)
}

class Search {
  private readonly seed: number
  private readonly planted: Planted | undefined
  private readonly judged = new Set<number>()
  private readonly used = new Set<number>()
  private readonly recoveries = new Recoveries()
  /** hot: of one machine after the other. */
  private readonly memory = new ArrayBuffer(MEMORY)
  private readonly violations: CrashViolation[] = []
  private workloads = 0
  private states = 0
  private afterwards = 0

  constructor(seed: number, planted: Planted | undefined) {
    this.seed = seed
    this.planted = planted
  }

  run(workloads: readonly Workload[]): Crashed {
    const beginnings = new Beginnings(workloads, this.seed, this.planted)
    for (const workload of workloads) {
      if (this.violations.length >= VIOLATIONS_MAX) break
      const { states, afterwards } = this
      const player = beginnings.playerOf(workload)
      // These were seen with another workload.
      this.states += player.states
      if (this.explore(player.play, beginnings.rest(player, workload), `${wordsOf(workload)} @ `))
        this.workloads++
      else Object.assign(this, { states, afterwards })
    }
    const { states, afterwards, violations } = this
    return { workloads: this.workloads, states, distinct: this.judged.size, afterwards, violations }
  }

  /** Looks at what crashes of a play leave, up to the first violation. Returns whether its operations apply. */
  private explore(play: Play, crashStates: Iterable<CrashState>, line: string): boolean {
    let last: CrashState | undefined
    try {
      for (const state of crashStates) {
        last = state
        if (!this.visit(play, state, `${line}${state.moment}.${state.choice}`)) break
      }
    } catch (error) {
      if (error === DOES_NOT_APPLY) return false
      this.violations.push({ says: sayOf(error), when: last?.when ?? '', replay: `${line}end` })
    }
    return true
  }

  /** Recovers from one state, and goes on from it if it is the first of its kind. Returns whether all is well. */
  private visit(play: Play, state: CrashState, line: string): boolean {
    const { image, oracle } = state
    const { isAfterwards } = play
    this.states++
    if (isAfterwards) this.afterwards++
    const key = keyOf(image, oracle.key)
    if (this.judged.has(key)) return true
    this.judged.add(key)
    const { wrong, found } = judge(image, play.workload.mode, oracle, this.recoveries)
    if (wrong !== undefined) {
      this.violations.push({ says: wrong, when: state.when, replay: line })
      return false
    }
    if (isAfterwards || found === undefined || this.used.has(image.records.sum)) return true
    this.used.add(image.records.sum)
    const before = this.violations.length
    new Uint8Array(this.memory).fill(0)
    const next = { ...afterwards(play, image, found), memory: this.memory }
    this.explore(next, crashStates(next), `${line}/`)
    return this.violations.length === before
  }
}

/** What a violation's line tells of: the states on the way, the last of which is the one. */
export function replayCrash(line: string, seed: number, planted?: Planted): CrashReplay | string {
  const [words, path] = line.split(' @ ')
  const workload = workloadFrom(words ?? '')
  if (typeof workload === 'string') return workload
  const steps = (path ?? '').split('/')
  let play = playOf(workload, seed, planted)
  for (const [number, step] of steps.entries()) {
    const reached = reach(play, step)
    if (typeof reached === 'string') return { when: '', moment: step, wrong: true, says: reached }
    if (reached === undefined) return `the workload never comes to ${step}; is the seed another?`
    const { wrong, found } = judge(reached.image, workload.mode, reached.oracle, new Recoveries())
    const isLast = number === steps.length - 1
    if (isLast || wrong !== undefined || found === undefined)
      return {
        when: reached.when,
        moment: step,
        wrong: wrong !== undefined,
        says: wrong ?? 'nothing is wrong',
      }
    play = afterwards(play, reached.image, found)
  }
  return 'a line has a moment after the @'
}

export interface CrashReplay {
  readonly when: string
  readonly moment: string
  readonly wrong: boolean
  readonly says: string
}

/** Plays up to a state; or says what fails on the way, if something does. */
function reach(play: Play, step: string): CrashState | string | undefined {
  try {
    for (const state of crashStates(play)) if (`${state.moment}.${state.choice}` === step) return state
  } catch (error) {
    return sayOf(error)
  }
  return undefined
}

/** What is done with a volume that was recovered: it is of format 2 from then on, and its first file is written and synced. */
function afterwards({ workload, seed, planted }: Play, image: Image, found: Found): Play {
  const { mode, order } = workload
  const oracle = oracleOf(found, mode)
  const file = [...oracle.names.values()].find(
    name => name !== DIRECTORY && oracle.attributesOf(name).startsWith('file'),
  )
  const operations = [UPGRADE, COMMIT, ...(file === undefined ? [] : use(mode, oracle, file))]
  return { workload: { mode, order, operations }, image, oracle, seed, planted, isAfterwards: true }
}

function use(mode: Mode, oracle: Oracle, file: string): Operation[] {
  if (mode === 'cache')
    return [write('use', file, () => ({ position: 0, length: PAGE })), sync('sync', [file])]
  return oracle.size(file) < PAGE ? [] : [store('use', file, 0, 0, PAGE), sync('sync', [file])]
}
