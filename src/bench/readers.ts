/** What the groups of a scene do: readers and writers that keep so much in flight, on any engine, and count it by seconds. */
import { type Bytes, type GroupId, type Ns, Prng, SECOND, type Vpn } from '../base/index.ts'
import { type CachedFile, copyArgs, syncArgs } from '../cache/index.ts'
import type { Engine } from '../engine/index.ts'
import { newReadState, newVmFault } from '../memmap/index.ts'
import { faultArgs, type Space } from '../mm/index.ts'
import { done, type Outcome, type Task, type Verb, type Watcher, wait } from '../sched/index.ts'

/** How a group goes about it. */
export type Habit =
  /** Reads pages at random, with a pause of `thought` after each. */
  | { readonly does: 'read'; readonly depth: number; readonly thought?: Ns }
  /** Reads on from many places at once, page by page, with readahead. */
  | { readonly does: 'stream'; readonly depth: number }
  /** Writes pieces at random, so many of them before a sync. */
  | {
      readonly does: 'write and sync'
      readonly depth: number
      readonly piece: Bytes
      readonly pieces: number
    }

export interface Place {
  readonly space: Space
  readonly start: Vpn
  readonly pages: number
  readonly file: CachedFile
}

interface ThinkArgs {
  readonly until: Ns
}

/** A pause. */
class Think implements Verb<ThinkArgs> {
  readonly name = 'think'
  private readonly engine: Engine

  constructor(engine: Engine) {
    this.engine = engine
  }

  attempt({ args }: Task<ThinkArgs>): Outcome {
    const { scheduler } = this.engine
    const left = args.until - scheduler.now()
    return left <= 0 ? done : wait(scheduler.after(left, 'a thought'), 'timer')
  }
}

export class Worker {
  readonly latencies: Ns[] = []
  /** How many ended in each second since `forget`. */
  readonly seconds: number[] = []
  private readonly engine: Engine
  private readonly place: Place
  private readonly habit: Habit
  private readonly prng: Prng
  private readonly think: Think
  private since: Ns = 0
  private awake = false
  /** Where each stream goes on, and how many pieces each writer has written since its last sync. */
  private readonly cursors: number[] = []
  private readonly began = new Map<Task, { readonly at: Ns; readonly lane: number }>()
  private busy = 0

  constructor(engine: Engine, place: Place, habit: Habit) {
    this.engine = engine
    this.place = place
    this.habit = habit
    this.prng = new Prng(place.space.id + 1)
    this.think = new Think(engine)
    for (let lane = 0; lane < habit.depth; lane++)
      this.cursors.push(habit.does === 'stream' ? Math.floor((lane * place.pages) / habit.depth) : 0)
  }

  get group(): GroupId {
    return this.place.space.group
  }

  wake(): void {
    this.awake = true
    if (this.busy === 0) for (let lane = 0; lane < this.habit.depth; lane++) this.next(lane)
  }

  sleep(): void {
    this.awake = false
  }

  forget(): void {
    this.latencies.length = 0
    this.seconds.length = 0
    this.since = this.engine.scheduler.now()
  }

  ended(task: Task): void {
    const mine = this.began.get(task)
    if (mine === undefined) return
    this.began.delete(task)
    this.busy--
    if (task.verb.name === 'think') this.next(mine.lane)
    else this.worked(mine)
  }

  private worked({ at, lane }: { readonly at: Ns; readonly lane: number }): void {
    const now = this.engine.scheduler.now()
    this.latencies.push(now - at)
    const second = Math.floor((now - this.since) / SECOND)
    this.seconds[second] = (this.seconds[second] ?? 0) + 1
    const thought = this.habit.does === 'read' ? (this.habit.thought ?? 0) : 0
    if (thought === 0) this.next(lane)
    else this.begin(this.think, { until: now + thought }, lane)
  }

  private next(lane: number): void {
    if (!this.awake) return
    const { habit, place, engine, prng } = this
    const { verbs, scheduler, memory } = engine
    if (habit.does === 'write and sync') {
      const read = newReadState('random')
      if (this.cursors[lane]!++ % (habit.pieces + 1) === habit.pieces) {
        this.begin(verbs.sync, syncArgs(place.file, 0, Infinity, { seen: place.file.errorCount }), lane)
        return
      }
      const { pageSize } = memory.frames
      const at = prng.below(Math.floor((place.pages * pageSize) / habit.piece)) * habit.piece
      this.begin(verbs.write, copyArgs(place.file, at, new Uint8Array(habit.piece), read), lane)
      return
    }
    const page = habit.does === 'read' ? prng.below(place.pages) : this.cursors[lane]!++ % place.pages
    const fault = newVmFault(place.start + page, 'load', this.group, scheduler.now())
    this.begin(verbs.fault, faultArgs(place.space, fault, 'go on'), lane)
  }

  private begin<Args>(verb: Verb<Args>, args: Args, lane: number): void {
    const { scheduler } = this.engine
    this.busy++
    const task = scheduler.spawn(verb, args, { name: this.place.space.name, group: this.group })
    this.began.set(task, { at: scheduler.now(), lane })
  }
}

/** Tells each worker of the end of what it began. */
export class Ends implements Watcher {
  readonly workers: Worker[] = []

  began(): void {}
  waits(): void {}
  resumes(): void {}
  ended(task: Task): void {
    for (const worker of this.workers) worker.ended(task)
  }
}
