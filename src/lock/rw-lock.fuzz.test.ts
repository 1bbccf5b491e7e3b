/**
 * The fair lock under anything that tasks may do, against a model as naive as the rules: who holds, who queues, and
 * whether hand-off is set. Who runs first among the ready is part of what is tried.
 *
 * Invariants checked: W1 to W3 by equality with the model after every event; at the end, everyone who wants has had it.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { MS } from '../base/index.ts'
import { done, type Outcome, Scheduler, type Task, TimedDriver, type Verb, wait } from '../sched/index.ts'
import { RANK, RwLock } from './index.ts'
import { waitChain } from './wait-chain.ts'

type Mode = 'read' | 'write'
type Event =
  | { readonly do: 'come'; readonly mode: Mode }
  | { readonly do: 'run' | 'end' | 'kill' | 'downgrade'; readonly who: number }
  | { readonly do: 'wait'; readonly ms: number }

const who = fc.nat({ max: 30 })
const event: fc.Arbitrary<Event> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('come' as const), mode: fc.constantFrom<Mode>('read', 'write') }),
  },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('run' as const), who }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constantFrom('end' as const, 'kill' as const, 'downgrade' as const), who }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 5 }) }),
  },
)

/** The rules, with names for tasks and no tickets. */
class Model {
  writer = 0
  readers: number[] = []
  queue: { readonly id: number; readonly mode: Mode; readonly since: number; woken: boolean }[] = []
  private handoff = false

  get free() {
    return this.writer === 0 && this.readers.length === 0
  }

  holds(id: number) {
    return this.writer === id || this.readers.includes(id)
  }

  attempt(id: number, mode: Mode, now: number): void {
    const place = this.queue.findIndex(each => each.id === id)
    if (mode === 'read') {
      if ((this.writer === 0 && this.queue.length === 0) || (this.free && !this.handoff)) {
        this.readers.push(id)
        if (this.queue[0]?.mode === 'read') this.letReadersIn()
      } else this.queue.push({ id, mode, since: now, woken: false })
    } else if (this.free && (place === -1 ? this.queue.length === 0 || !this.handoff : place === 0)) {
      this.queue = this.queue.filter(each => each.id !== id)
      this.handoff = false
      this.writer = id
    } else if (place === -1) this.queue.push({ id, mode, since: now, woken: false })
    else {
      if (place === 0 && now - this.queue[0]!.since >= 4 * MS) this.handoff = true
      this.queue[place]!.woken = false
    }
  }

  release(id: number): void {
    if (this.writer === id) this.writer = 0
    this.readers = this.readers.filter(each => each !== id)
    this.wake()
  }

  downgrade(id: number): void {
    this.writer = 0
    this.readers.push(id)
    if (this.queue[0]?.mode === 'read') this.letReadersIn()
  }

  /** Killed in the queue. */
  leave(id: number): void {
    const wasHead = this.queue[0]?.id === id
    this.queue = this.queue.filter(each => each.id !== id)
    if (wasHead || this.queue.length === 0) this.handoff = false
    if (wasHead && this.writer === 0 && this.queue[0]?.mode === 'read') this.letReadersIn()
    else if (wasHead) this.wake()
  }

  private wake(): void {
    const head = this.queue[0]
    if (!this.free || head === undefined) return
    if (head.mode === 'read') this.letReadersIn()
    else head.woken = true
  }

  private letReadersIn(): void {
    this.handoff = false
    for (const each of this.queue) if (each.mode === 'read') this.readers.push(each.id)
    this.queue = this.queue.filter(each => each.mode === 'write')
  }
}

class Take implements Verb<{ readonly mode: Mode; over: boolean }> {
  readonly name = 'take'
  readonly lock: RwLock
  readonly scheduler: Scheduler

  constructor(lock: RwLock, scheduler: Scheduler) {
    this.lock = lock
    this.scheduler = scheduler
  }

  attempt(task: Task<{ readonly mode: Mode; over: boolean }>): Outcome {
    if (task.args.over) {
      this.lock.release(task)
      return done
    }
    const queued = task.held.length > 0 ? undefined : this.lock[task.args.mode](task)
    return queued ?? wait(this.scheduler.ticket('its end'), 'child')
  }
}

function run(events: readonly Event[]): void {
  const driver = new TimedDriver()
  const scheduler = new Scheduler(driver)
  const lock = new RwLock(scheduler, 'lock', RANK.mmap)
  const take = new Take(lock, scheduler)
  const model = new Model()
  const tasks: Task<{ readonly mode: Mode; over: boolean }>[] = []
  const pick = (list: readonly Task[], who: number) => list[who % Math.max(1, list.length)]

  const step = (task: Task) => {
    const mine = tasks.find(each => each.id === task.id)!
    const killed = mine.killed
    const held = model.holds(mine.id)
    scheduler.step(task)
    if (killed) {
      if (held) model.release(mine.id)
      else model.leave(mine.id)
    } else if (mine.args.over) model.release(mine.id)
    else if (!held) model.attempt(mine.id, mine.args.mode, driver.now())
  }
  const compare = () => {
    const ids = (list: readonly { readonly id: number }[]) => list.map(each => each.id)
    assert.deepEqual(
      ids(lock.holders()).sort(),
      (model.writer === 0 ? [...model.readers] : [model.writer]).sort(),
      'who holds the lock',
    )
    assert.deepEqual(ids(lock.waiters().map(each => each.task)), ids(model.queue), 'who queues')
    const head = lock.waiters()[0]
    if (lock.holders().length === 0 && head) assert.equal(head.task.state, 'ready', 'W2')
    for (const { task } of lock.waiters()) {
      const last = waitChain(task).at(-1)!
      assert.ok(
        lock.holders().includes(last) || last === head?.task,
        'a chain ends at a holder or at the head',
      )
    }
  }
  const end = (task: Task | undefined) => {
    if (task === undefined || task.state !== 'waiting' || !model.holds(task.id)) return
    tasks.find(each => each.id === task.id)!.args.over = true
    scheduler.complete(task.wait!.ticket)
  }

  for (const event of events) {
    switch (event.do) {
      case 'come':
        tasks.push(scheduler.spawn(take, { mode: event.mode, over: false }, { name: event.mode, group: 1 }))
        break
      case 'run': {
        const task = pick(scheduler.ready(), event.who)
        if (task !== undefined) step(task)
        break
      }
      case 'end':
        end(pick(lock.holders(), event.who))
        break
      case 'kill': {
        const task = pick(tasks, event.who)
        if (task === undefined || task.state === 'ended') break
        const [held, waited] = [model.holds(task.id), task.state === 'waiting']
        scheduler.kill(task)
        if (waited && held) model.release(task.id)
        else if (waited) model.leave(task.id)
        break
      }
      case 'downgrade': {
        const task = pick(lock.holders(), event.who)
        if (task === undefined || !lock.isWriter(task)) break
        lock.downgrade(task)
        model.downgrade(task.id)
        break
      }
      case 'wait':
        driver.runUntil(new Scheduler(driver), driver.now() + event.ms * MS)
        break
    }
    compare()
  }
  for (let left = 0; tasks.some(task => task.state !== 'ended'); left++) {
    assert.ok(left < 1000, 'everyone has had the lock in the end')
    for (let task = scheduler.ready()[0]; task !== undefined; task = scheduler.ready()[0]) {
      step(task)
      compare()
    }
    for (const task of [...lock.holders()]) end(task)
  }
}

test('the fair lock does what its rules say, whatever its tasks do', () => {
  fc.assert(
    fc.property(fc.array(event, { maxLength: 80, size: 'max' }), events => run(events)),
    { numRuns: 1500 },
  )
})
