/** The real driver: the event loop turns while there is work, however much there is. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { MS } from '../base/index.ts'
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

  it('begins no attempt in a turn whose slice was used to the last of it (DV3)', async t => {
    const clock = { time: 0 }
    t.mock.method(performance, 'now', () => clock.time)
    const { driver, scheduler } = world()
    let attempts = 0
    const attempt = () => {
      attempts++
      clock.time += 1
      return done
    }
    const spawn = () => scheduler.spawn({ name: 'exact', attempt }, undefined, { name: 'exact', group: 1 })
    spawn()
    driver.pump()
    const ended = new Promise<void>(resolve => {
      spawn().onEnd = resolve
    })
    driver.pump()
    assert.equal(attempts, 1)
    await ended
    driver.close()
  })

  it('wakes whoever waits for a time', async () => {
    const { driver, scheduler } = world()
    driver.hold()
    const soon = scheduler.after(MS, 'soon')
    const attempt = () => (soon.complete ? done : wait(soon, 'timer'))
    const task = scheduler.spawn({ name: 'sleeps', attempt }, undefined, { name: 'sleeps', group: 1 })
    await new Promise<void>(resolve => {
      task.onEnd = resolve
    })
    driver.letGo()
    driver.close()
  })

  it('lets time leap to what is waited for when the process ends', () => {
    const { driver, scheduler } = world()
    const far = scheduler.after(3600_000 * MS, 'an hour')
    driver.runOut(
      () => false,
      () => far.complete,
    )
    assert.ok(far.complete)
    assert.ok(scheduler.now() >= 3600_000 * MS)
    driver.close()
  })

  it('holds nothing of the event loop when it is closed, where turns are messages neither', async t => {
    const ports = () => process.getActiveResourcesInfo().filter(name => name === 'MessagePort').length
    const before = ports()
    t.mock.property(globalThis, 'setImmediate', undefined as unknown as typeof setImmediate)
    const { driver } = world()
    assert.ok(ports() > before)
    driver.close()
    for (let turn = 0; turn < 100 && ports() > before; turn++)
      await new Promise(resolve => setTimeout(resolve))
    assert.equal(ports(), before)
  })
})
