/**
 * Plays a workload, and stops at every moment at which a crash would leave something else: after each write and flush that a
 * device begins or ends, each commit, each store to a DAX page, and each promise.
 *
 * Invariants
 *   PL1 A moment, and an image of it, have the same numbers each time that the workload is played.
 */
import { Prng } from '../base/index.ts'
import type { Ticket } from '../sched/index.ts'
import { type Image, type Records, recordsOf } from './image.ts'
import { OPERATIONS } from './operations.ts'
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
}

/** An operation makes no sense where the files stand. */
export class DoesNotApply extends Error {
  override readonly name = 'DoesNotApply'
}

/** Every state that a crash may leave while the workload is played. Throws Broken if an operation fails. */
export function* crashStates({ workload, image, oracle, seed, planted }: Play): Generator<CrashState> {
  const { mode, order, operations } = workload
  const prng = new Prng(seed)
  const stage = new Stage({ mode, order, image })
  planted?.onDevice?.(stage)
  let moment = 0
  let seen = -1
  let allowed = -1
  let commits = 0
  let records: Records = image?.records ?? recordsOf([])
  let when = image === undefined ? 'make' : 'open'
  function* look(): Generator<CrashState> {
    const { version, store, device } = stage
    if (version === seen && allowed === oracle.key) return
    if (store.commits !== commits) records = stage.records()
    commits = store.commits
    seen = version
    allowed = oracle.key
    moment++
    let choice = 0
    for (const blocks of device.images(prng))
      yield { moment, choice: choice++, image: { blocks, records }, oracle, when }
  }
  function* run(until?: Ticket): Generator<CrashState> {
    do yield* look()
    while (until?.complete !== true && stage.step())
  }
  yield* run()
  expectDone(stage.mount)
  if (image === undefined) oracle.promiseChanges()
  planted?.onVolume?.(stage)
  openAll(stage, oracle)
  for (const [number, operation] of operations.entries()) {
    if (!operation.applies(stage, oracle)) throw new DoesNotApply(operation.name)
    when = operations
      .slice(0, number + 1)
      .map(({ name }) => name)
      .join(', ')
    for (const awaited of operation.run(stage, oracle, byteOf(number, operation.name))) yield* run(awaited)
    yield* run()
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
