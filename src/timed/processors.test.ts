/** Does the run queue give its processors to whom it should, for as long as it should? */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { MS, ROOT, US } from '../base/index.ts'
import { done, Scheduler, type Task, TimedDriver, type Verb, wait } from '../sched/index.ts'
import { type Priority, Processors } from './processors.ts'

interface Wish {
  /** In ticks, as the others. */
  readonly at: number
  readonly need: number
  readonly priority: Priority
}

const TICK = 100 * US
const SLICE = (3 * MS) / TICK
const ORDER: readonly Priority[] = ['idle', 'normal', 'real time']

/** When each is over, tick by tick. */
function naive(wishes: readonly Wish[], count: number): number[] {
  const ends = wishes.map(() => -1)
  let queue: { nth: number; left: number; had: number }[] = []
  for (let tick = 0; ends.includes(-1); tick++) {
    const late = queue.filter(({ had }) => had === SLICE)
    queue = queue.filter(({ had }) => had < SLICE)
    wishes.forEach(({ at, need }, nth) => {
      if (at === tick) queue.push({ nth, left: need, had: 0 })
    })
    for (const one of late) queue.push({ ...one, had: 0 })
    const rank = ({ nth }: { nth: number }) => ORDER.indexOf(wishes[nth]!.priority)
    for (const one of [...queue].sort((a, b) => rank(b) - rank(a)).slice(0, count)) {
      one.left--
      one.had++
      if (one.left === 0) ends[one.nth] = tick + 1
    }
    queue = queue.filter(({ left }) => left > 0)
  }
  return ends
}

function played(wishes: readonly Wish[], count: number): number[] {
  const driver = new TimedDriver()
  const scheduler = new Scheduler(driver)
  const ends = wishes.map(() => -1)
  // Arrivals are told of before the end of a turn at the same moment.
  const arrivals = wishes.map(({ at }) => scheduler.after(at * TICK, 'the wish'))
  const processors = new Processors(scheduler, count)
  const wisher: Verb<{ nth: number; ticket: ReturnType<Processors['compute']> | undefined }> = {
    name: 'wisher',
    attempt({ args }: Task<{ nth: number; ticket: ReturnType<Processors['compute']> | undefined }>) {
      const { need, priority } = wishes[args.nth]!
      if (!arrivals[args.nth]!.complete) return wait(arrivals[args.nth]!, 'timer')
      args.ticket ??= processors.compute(need * TICK, priority, 'it')
      if (!args.ticket.complete) return wait(args.ticket, 'timer')
      ends[args.nth] = scheduler.now() / TICK
      return done
    },
  }
  wishes.forEach((_, nth) => {
    scheduler.spawn(wisher, { nth, ticket: undefined }, { name: `wisher ${nth}`, group: ROOT })
  })
  driver.runWhile(scheduler, () => !ends.includes(-1))
  return ends
}

test('computations end when a model says that looks at every tick (PQ1, PQ2)', () => {
  const wish = fc.record({
    at: fc.nat(60),
    need: fc.integer({ min: 1, max: 90 }),
    priority: fc.constantFrom(...ORDER),
  })
  fc.assert(
    fc.property(
      fc.array(wish, { minLength: 1, maxLength: 8 }),
      fc.integer({ min: 1, max: 3 }),
      (wishes, count) => {
        assert.deepEqual(played(wishes, count), naive(wishes, count))
      },
    ),
    { numRuns: 300 },
  )
})

test('a computation is preempted by a higher priority, and goes on where it was', () => {
  const low = { at: 0, need: 130, priority: 'idle' } as const
  const high = { at: 20, need: 500, priority: 'normal' } as const
  assert.deepEqual(played([low, high], 1), [630, 520])
  assert.deepEqual(played([low, high], 2), [130, 520])
})
