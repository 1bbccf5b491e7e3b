/** What a daemon remembers of slow requests: the chain behind each, by who ended whose wait. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Request } from '../fuse/index.ts'
import { wire } from '../fuse/index.ts'
import { done, type Outcome, Scheduler, type Task, type Ticket, wait } from '../sched/index.ts'
import { SlowRequests } from './slow-requests.ts'

const MS = 1e6

/** A scheduler whose time stands still until it is told, and its tasks: each waits for what it is given, and then completes what it is given. */
class World {
  now = 0
  readonly slow = new SlowRequests(() => this.now / MS)
  readonly scheduler: Scheduler

  constructor() {
    const { slow } = this
    this.scheduler = new Scheduler({ now: () => this.now, wake() {} })
    Object.assign(this.scheduler, { watcher: slow })
    slow.attach(this.scheduler)
  }

  ticket(what: string): Ticket {
    return this.scheduler.ticket(what)
  }

  task(name: string, waitsFor: Ticket | undefined, completes: readonly Ticket[] = []): Task {
    const attempt = (): Outcome => {
      if (waitsFor !== undefined && !waitsFor.complete) return wait(waitsFor, 'read')
      for (const ticket of completes) this.scheduler.complete(ticket)
      return done
    }
    return this.scheduler.spawn({ name, attempt }, undefined, { name, group: 1 as never }) as Task
  }

  run(): void {
    while (this.scheduler.hasWork()) this.scheduler.run(MS)
  }
}

function request(unique: number): Request {
  return { unique, opcode: wire.Opcode.READ, nodeid: 2, pid: 77 } as Request
}

/** A request that is answered when its task has ended. */
async function asked(world: World, task: Task, ms: number, ends: () => void): Promise<void> {
  const answered = Promise.withResolvers<number>()
  const { READ } = wire.Opcode
  const watched = world.slow.watched({ [READ]: () => answered.promise })
  const one = request(4)
  const late = watched[READ]!(one)
  world.slow.works(one, task)
  world.run()
  world.now += ms * MS
  ends()
  world.run()
  answered.resolve(0)
  await late
}

const waits = ({ slow }: World) =>
  slow.answered.map(each => each.waits.map(({ task, waitsFor, ms }) => [task, waitsFor, ms]))

test('behind a wait stands what the task waited for that ended it, and so on', async () => {
  const world = new World()
  const [page, block] = [world.ticket('page 0'), world.ticket('block 1')]
  const reader = world.task('read for thread 77', page)
  world.task('read of inode 2', block, [page])
  await asked(world, reader, 400, () => world.scheduler.complete(block))
  assert.deepEqual(waits(world), [
    [
      ['read for thread 77', 'page 0', 400],
      ['read of inode 2', 'block 1', 400],
    ],
  ])
  const { unique, name, thread, ms } = world.slow.answered[0]!
  assert.deepEqual([unique, name, thread, ms], [4, 'READ', 77, 400])
})

test('who waits for the end of a task waits for what that task waited for', async () => {
  const world = new World()
  const block = world.ticket('block 1')
  const child = world.task('copy (child)', block)
  await asked(world, world.task('copy', child.end), 60, () => world.scheduler.complete(block))
  assert.deepEqual(waits(world), [
    [
      ['copy', 'copy (child)', 60],
      ['copy (child)', 'block 1', 60],
    ],
  ])
})

test('SLR1: what is not slow is not kept, and of slow ones only the last', async () => {
  const world = new World()
  for (const [turn, ms] of [49, ...Array<number>(300).fill(50)].entries()) {
    const block = world.ticket(`block ${turn}`)
    await asked(world, world.task('read', block), ms, () => world.scheduler.complete(block))
  }
  assert.equal(world.slow.answered.length, 256)
  assert.deepEqual(waits(world).at(-1), [['read', 'block 300', 50]])
})

test('SLR2: a chain is bounded, however many tasks stand behind each other', async () => {
  const world = new World()
  const tickets = Array.from({ length: 20 }, (_, at) => world.ticket(`step ${at}`))
  const first = world.task('reader', tickets[0])
  for (let at = 1; at < tickets.length; at++) world.task(`task ${at}`, tickets[at], [tickets[at - 1]!])
  await asked(world, first, 100, () => world.scheduler.complete(tickets.at(-1)!))
  const [chain] = waits(world)
  assert.equal(chain!.length, 8)
  assert.equal(new Set(chain!.map(([task]) => task)).size, 8)
})

test('one that is under way tells what its task waits for now', () => {
  const world = new World()
  const page = world.ticket('read of inode 2 page 0')
  const task = world.task('read for thread 77', page)
  const helper = world.ticket('block 1')
  world.task('read of inode 2', helper)
  const one = request(6)
  world.slow.works(one, task)
  world.run()
  world.now = 5 * MS
  const { waits: open } = world.slow.underWay(one, world.now)
  assert.deepEqual(
    open.map(each => [each.waitsFor, each.ms]),
    [
      ['read of inode 2 page 0', 5],
      ['block 1', 5],
    ],
  )
})
