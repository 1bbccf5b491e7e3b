/** The real driver: the event loop turns while there is work, however much there is. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { again, done, type Outcome, RealDriver, Scheduler, type Ticket, wait } from './index.ts'

const ATTEMPTS = 60
/** Of one attempt, in ms: four of them are a slice. */
const BUSY = 0.5

function world() {
  const driver = new RealDriver()
  const scheduler = new Scheduler(driver)
  driver.attach(scheduler)
  /** A task of so many attempts, each of which takes a while. */
  const long = (next: () => Outcome) =>
    new Promise<void>(resolve => {
      let left = ATTEMPTS
      const verb = {
        name: 'long',
        attempt() {
          for (const until = performance.now() + BUSY; performance.now() < until; );
          return --left === 0 ? done : next()
        },
        abandon() {},
      }
      scheduler.spawn(verb, undefined, { name: 'long', group: 1 }).onEnd = resolve
    })
  return { driver, scheduler, long }
}

/** How often others had a turn until the promise settled. */
async function turnsDuring(work: Promise<void>): Promise<{ turns: number; timers: number }> {
  const seen = { turns: 0, timers: 0 }
  let over = false
  const turn = () => {
    seen.turns++
    if (!over) setImmediate(turn)
  }
  const timer = setInterval(() => seen.timers++, 1)
  setImmediate(turn)
  await work
  over = true
  clearInterval(timer)
  return seen
}

describe('the real driver', () => {
  it('lets timers and callbacks come between slices of a long call (DV1, DV3)', async () => {
    const { driver, long } = world()
    const { turns, timers } = await turnsDuring(long(() => again))
    assert.ok(turns >= 8, `${turns} turns in ${ATTEMPTS} attempts`)
    assert.ok(timers >= 4, `${timers} timers in ${ATTEMPTS} attempts`)
    driver.close()
  })

  it('counts what many short calls of pump have used since the last turn (DV3)', async () => {
    const { driver, scheduler, long } = world()
    let open: Ticket | undefined
    let attempts = 0
    const work = long(() => {
      attempts++
      open = scheduler.ticket('an end')
      return wait(open, 'read')
    })
    const end = () => {
      if (open !== undefined && !open.complete) scheduler.complete(open)
      driver.pump()
    }
    // As libuv hands ends of I/O out: many in one turn.
    for (let ends = 0; ends < ATTEMPTS; ends++) end()
    assert.ok(attempts <= 10, `${attempts} attempts without a turn`)
    const ending = setInterval(end, 0)
    await work
    clearInterval(ending)
    driver.close()
  })

  it('lets the caller go on before others when what it waits for has ended (DV4)', async () => {
    const { driver, scheduler } = world()
    const order: string[] = []
    const task = (name: string, then = () => {}) => {
      const attempt = () => {
        order.push(name)
        then()
        return done
      }
      return scheduler.spawn({ name, attempt, abandon() {} }, undefined, { name, group: 1 })
    }
    task('before')
    const awaited = task('awaited', () => void task('behind'))
    driver.pump(awaited)
    order.push('caller')
    await Promise.resolve()
    assert.deepEqual(order, ['before', 'awaited', 'caller', 'behind'])
    driver.close()
  })
})
