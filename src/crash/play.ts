/**
 * Plays a workload, and stops at every moment at which a crash would leave something else: after each write and flush that a
 * device begins or ends, each commit, each store to a DAX page, and each promise.
 *
 * Invariants
 *   PL1 A moment, and an image of it, have the same numbers each time that the workload is played.
 */
import { Prng } from '../base/index.ts'
import type { Ticket } from '../sched/index.ts'
import { type Image, Records } from './image.ts'
import { OPERATIONS, type Operation } from './operations.ts'
import { DIRECTORY, type Oracle } from './oracle.ts'
import type { Planted } from './planted.ts'
import { expectDone, Stage } from './stage.ts'
import type { Workload } from './workloads.ts'

/** One thing that a crash may leave. */
export interface CrashState {
  readonly moment: number
  /** Which of the images of the moment. */
  readonly choice: number
  readonly image: Image
  readonly oracle: Oracle
  /** What had been done, the last of it perhaps in part. */
  readonly when: string
}

export interface Play {
  readonly workload: Pick<Workload, 'mode' | 'order' | 'operations'>
  /** What is there at first; undefined: nothing, and a volume is made. */
  readonly image: Image | undefined
  /** What the program knows of it. */
  readonly oracle: Oracle
  readonly seed: number
  readonly planted: Planted | undefined
  /** Whether it goes on from what another play left. */
  readonly isAfterwards: boolean
  /** As in StagePlan. */
  readonly memory?: ArrayBuffer
}

/** Thrown where an operation makes no sense. hot: made once, for nobody reads its stack. */
export const DOES_NOT_APPLY = new Error('an operation makes no sense where the files stand')

/** Every state that a crash may leave while the workload is played. Throws Broken if an operation fails. */
export function* crashStates(play: Play): Generator<CrashState> {
  const player = new Player(play)
  const { operations } = play.workload
  for (let step = player.next(operations); step !== undefined; step = player.next(operations)) yield* step
}

/** Who plays a workload. Between two operations it is plain data, and so can be put back to where it was. */
export class Player {
  readonly play: Play
  /** The states that were seen. */
  states = 0
  private readonly stage: Stage
  private readonly oracle: Oracle
  private readonly prng: Prng
  private begun = false
  private readonly done: string[] = []
  private moment = 0
  private seen = -1
  private allowed = -1
  private commits = 0
  private records: Records
  private when: string

  constructor(play: Play) {
    const { workload, image, oracle, seed, planted, memory } = play
    const { mode, order } = workload
    this.play = play
    this.prng = new Prng(seed)
    this.stage = new Stage({ mode, order, image, ...(memory && { memory }) })
    this.oracle = oracle
    planted?.onDevice?.(this.stage)
    this.records = image?.records ?? new Records([])
    this.when = image === undefined ? 'make' : 'open'
  }

  /** How many operations it has performed. */
  get performed(): number {
    return this.done.length
  }

  /** What comes next of a workload: to begin, or an operation. */
  next(operations: readonly Operation[]): Generator<CrashState> | undefined {
    if (!this.begun) return this.begin()
    const operation = operations[this.done.length]
    return operation && this.perform(operation)
  }

  /** Makes or opens the volume, and opens its files. */
  private *begin(): Generator<CrashState> {
    const { stage, oracle, play } = this
    this.begun = true
    yield* this.run()
    expectDone(stage.mount)
    if (play.image === undefined) oracle.promiseChanges()
    play.planted?.onVolume?.(stage)
    openAll(stage, oracle)
  }

  private *perform(operation: Operation): Generator<CrashState> {
    const { stage, oracle, done } = this
    if (!operation.applies(stage, oracle)) throw DOES_NOT_APPLY
    const value = byteOf(done.length, operation.name)
    done.push(operation.name)
    this.when = done.join(', ')
    for (const awaited of operation.run(stage, oracle, value)) yield* this.run(awaited)
    yield* this.run()
  }

  private *run(until?: Ticket): Generator<CrashState> {
    do yield* this.look()
    while (until?.complete !== true && this.stage.step())
  }

  private *look(): Generator<CrashState> {
    const { stage, oracle, when } = this
    const { version, store, device } = stage
    if (version === this.seen && this.allowed === oracle.key) return
    if (store.commits !== this.commits) this.records = stage.records()
    this.commits = store.commits
    this.seen = version
    this.allowed = oracle.key
    const moment = ++this.moment
    const { records } = this
    let choice = 0
    for (const blocks of device.images(this.prng)) {
      this.states++
      yield { moment, choice: choice++, image: { blocks, records }, oracle, when }
    }
  }
}

/** Opens each file by the first of its names. */
export function openAll(stage: Stage, oracle: Oracle): void {
  for (const [path, name] of oracle.names) {
    const isFile = name !== DIRECTORY && oracle.attributesOf(name).startsWith('file')
    if (isFile && !stage.handles.has(name)) stage.open(path, name)
  }
}

/** What an operation writes: a byte that tells it from the others. */
function byteOf(number: number, name: string): number {
  const place = OPERATIONS.findIndex(each => each.name === name)
  return 1 + ((place * 11 + number * 89) % 150)
}
