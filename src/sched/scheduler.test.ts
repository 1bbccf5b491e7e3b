/** The loop of attempts: order, tickets, stashes, timers, and what a kill leaves behind. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { AssertionError, errno, hang, MS } from '../base/index.ts'
import {
  again,
  done,
  fail,
  type Lock,
  type Outcome,
  Scheduler,
  type Task,
  type Ticket,
  TimedDriver,
  wait,
} from './index.ts'
import { Timers } from './timers.ts'

function world() {
  const driver = new TimedDriver()
  const scheduler = new Scheduler(driver)
  const pins: string[] = []
  hang(scheduler, 'keeper', {
    pin: frame => pins.push(`pin ${frame}`),
    unpin: frame => pins.push(`unpin ${frame}`),
  })
  const ran: string[] = []
  const task = (name: string, attempt: (task: Task) => Outcome) =>
    scheduler.spawn(
      {
        name,
        attempt(task) {
          ran.push(name)
          return attempt(task)
        },
        abandon: () => ran.push(`${name} abandons`),
      },
      undefined,
      { name, group: 1 },
    )
  return { driver, scheduler, task, ran, pins, settle: () => scheduler.run(Infinity) }
}

/** Waits once for the ticket, then ends. */
const once = (ticket: Ticket, stash = 0) => {
  let waited = false
  return () => {
    if (waited) return done
    waited = true
    return wait(ticket, 'read', stash)
  }
}

describe('a slice', () => {
  it('begins no attempt once it is over, and one at least, however long that takes', () => {
    const clock = { time: 0, now: () => clock.time, wake() {} }
    const scheduler = new Scheduler(clock)
    const began: number[] = []
    const attempt = () => {
      began.push(clock.time)
      clock.time += 7
      return again
    }
    scheduler.spawn({ name: 'long', attempt, abandon() {} }, undefined, { name: 'long', group: 1 })
    scheduler.run(10)
    assert.deepEqual(began, [0, 7], 'the third would begin 14 after the first')
    scheduler.run(0)
    assert.deepEqual(began, [0, 7, 14])
    scheduler.run(7)
    assert.deepEqual(began, [0, 7, 14, 21])
  })
})

describe('a driver', () => {
  it('is told of a timer that is set while nothing runs', () => {
    let told = 0
    const scheduler = new Scheduler({ now: () => 0, wake: () => told++ })
    scheduler.after(MS, 'soon')
    assert.equal(told, 1)
  })
})

describe('an attempt', () => {
  it('sees one moment, however long it takes (S6)', () => {
    const clock = { time: 3, now: () => clock.time, wake() {} }
    const scheduler = new Scheduler(clock)
    const seen: number[] = []
    const attempt = () => {
      seen.push(scheduler.now())
      clock.time += 5
      seen.push(scheduler.now())
      return done
    }
    scheduler.spawn({ name: 'long', attempt }, undefined, { name: 'long', group: 1 })
    scheduler.run(Infinity)
    assert.deepEqual(seen, [3, 3])
    assert.equal(scheduler.now(), 8)
  })
})

describe('tasks', () => {
  it('run in the order they became ready (S4)', () => {
    const { scheduler, task, ran, settle } = world()
    const [x, y] = [scheduler.ticket('x'), scheduler.ticket('y')]
    task('a', once(x))
    task('b', once(y))
    task('c', once(x))
    settle()
    scheduler.complete(y)
    scheduler.complete(x)
    settle()
    assert.deepEqual(ran, ['a', 'b', 'c', 'b', 'a', 'c'])
  })

  it('let others go first when they say again', () => {
    const { task, ran, settle } = world()
    let left = 2
    task('a', () => (left-- > 0 ? again : done))
    task('b', () => done)
    settle()
    assert.deepEqual(ran, ['a', 'b', 'a', 'a'])
  })

  it('attempt again at once when their ticket is complete already', () => {
    const { scheduler, task, settle } = world()
    const ticket = scheduler.ticket('x')
    scheduler.complete(ticket)
    const a = task('a', once(ticket))
    settle()
    assert.equal(a.state, 'ended')
  })

  it('end with what they failed with, and whoever joins them learns it', () => {
    const { scheduler, task, settle } = world()
    const a = task('a', () => fail(errno.ENOSPC))
    const b = task('b', () => (a.end.complete ? fail(a.end.errno) : scheduler.join(a)))
    settle()
    assert.equal(a.errno, errno.ENOSPC)
    assert.equal(b.errno, errno.ENOSPC)
    assert.equal(scheduler.tasks.size, 0)
  })

  it('end when they throw, holding nothing and nobody up, and what was thrown goes on (S8)', () => {
    const { scheduler, pins, settle } = world()
    const fault = new Error('a fault of ours')
    const given: string[] = []
    const lock = {
      rank: 1,
      cancel() {},
      inTheWay: () => [],
      release(task: Task) {
        given.push('the lock')
        task.held.pop()
      },
    } as unknown as Lock
    const broken = scheduler.spawn(
      {
        name: 'broken',
        attempt(task) {
          if (task.stash === 0) {
            const ticket = scheduler.ticket('soon')
            scheduler.complete(ticket)
            return wait(ticket, 'read', 7)
          }
          task.held.push({ lock, mode: 'write' })
          throw fault
        },
        abandon: () => void given.push('what it had'),
      },
      undefined,
      { name: 'broken', group: 0 },
    )
    let told = 0
    broken.onEnd = () => void told++
    const after = scheduler.spawn(
      { name: 'after', attempt: () => (broken.end.complete ? done : scheduler.join(broken)) },
      undefined,
      { name: 'after', group: 0 },
    )
    assert.throws(settle, error => error === fault)
    assert.deepEqual([broken.state, broken.errno, told], ['ended', errno.ENOTRECOVERABLE, 1])
    assert.deepEqual(given, ['what it had', 'the lock'])
    assert.deepEqual(pins, ['pin 7', 'unpin 7'])
    assert.equal(scheduler.current, undefined)
    settle()
    assert.equal(after.state, 'ended')
    assert.equal(scheduler.tasks.size, 0)
  })

  it('end when they throw on the way out, too (S8)', () => {
    const { scheduler, settle } = world()
    const task = scheduler.spawn(
      {
        name: 'broken',
        attempt() {
          throw new Error('first')
        },
        abandon() {
          throw new Error('second')
        },
      },
      undefined,
      { name: 'broken', group: 0 },
    )
    assert.throws(settle, /first/)
    assert.equal(task.state, 'ended')
  })

  it('never attempt inside another’s attempt (S5)', () => {
    const { scheduler, task, ran, settle } = world()
    task('a', () => {
      scheduler.run(Infinity)
      return done
    })
    task('b', () => done)
    settle()
    assert.deepEqual(ran, ['a', 'b'])
  })
})

describe('a ticket', () => {
  it('completes once (K1)', () => {
    const { scheduler } = world()
    const ticket = scheduler.ticket('x')
    scheduler.complete(ticket)
    assert.throws(() => scheduler.complete(ticket), AssertionError)
  })

  it('knows who opened it', () => {
    const { scheduler, task, settle } = world()
    let opened: Ticket | undefined
    const a = task('a', () => {
      opened = scheduler.ticket('x')
      return done
    })
    settle()
    assert.equal(opened?.opener, a)
    assert.equal(scheduler.ticket('y').opener, undefined)
  })
})

describe('a stash', () => {
  it('is pinned from the wait until the attempt after it is over', () => {
    const { scheduler, task, pins, settle } = world()
    const ticket = scheduler.ticket('x')
    task('a', once(ticket, 7))
    settle()
    assert.deepEqual(pins, ['pin 7'])
    scheduler.complete(ticket)
    assert.deepEqual(pins, ['pin 7'])
    settle()
    assert.deepEqual(pins, ['pin 7', 'unpin 7'])
  })

  it('is pinned anew before it is let go, when the next wait is for the same frame', () => {
    const { scheduler, task, pins, settle } = world()
    const [x, y] = [scheduler.ticket('x'), scheduler.ticket('y')]
    const tickets = [x, y]
    task('a', () => (tickets.length > 0 ? wait(tickets.shift()!, 'read', 7) : done))
    settle()
    scheduler.complete(x)
    settle()
    assert.deepEqual(pins, ['pin 7', 'pin 7', 'unpin 7'])
  })
})

describe('a task that is killed', () => {
  it('while it waits, ends there, and the others on its ticket don’t notice (S3, K3)', () => {
    const { scheduler, task, ran, pins, settle } = world()
    const ticket = scheduler.ticket('x')
    const [a, b] = [task('a', once(ticket, 7)), task('b', once(ticket))]
    settle()
    scheduler.kill(a)
    assert.equal(a.state, 'ended')
    assert.equal(a.errno, errno.EINTR)
    assert.deepEqual(pins, ['pin 7', 'unpin 7'])
    assert.deepEqual(ran.at(-1), 'a abandons')
    scheduler.complete(ticket)
    settle()
    assert.equal(b.errno, 0)
    assert.deepEqual(ran, ['a', 'b', 'a abandons', 'b'])
  })

  it('while it is ready, attempts nothing more', () => {
    const { scheduler, task, ran, pins, settle } = world()
    const ticket = scheduler.ticket('x')
    const a = task('a', once(ticket, 7))
    settle()
    scheduler.complete(ticket)
    scheduler.kill(a)
    settle()
    assert.equal(a.errno, errno.EINTR)
    assert.deepEqual(ran, ['a', 'a abandons'])
    assert.deepEqual(pins, ['pin 7', 'unpin 7'])
  })

  it('after it has ended, stays as it ended', () => {
    const { scheduler, task, settle } = world()
    const a = task('a', () => done)
    settle()
    scheduler.kill(a)
    assert.equal(a.errno, 0)
  })

  it('by its own attempt, ends with that attempt, even if it says it waits (S3)', () => {
    const { scheduler, task, settle } = world()
    const a = task('a', self => {
      scheduler.kill(self)
      return wait(scheduler.ticket('never'), 'read')
    })
    settle()
    assert.equal(a.state, 'ended')
    assert.equal(a.errno, errno.EINTR)
  })
})

describe('timers', () => {
  it('fire in order of time, and of setting where times are equal (M2)', () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 20 }), { maxLength: 60, size: 'max' }), times => {
        const scheduler = new Scheduler(new TimedDriver())
        const timers = new Timers()
        const set = times.map((at, order) => ({ at, order, ticket: scheduler.ticket(`${order}`) }))
        for (const { at, ticket } of set) timers.set(at, ticket)
        const expected = set.toSorted((a, b) => a.at - b.at || a.order - b.order)
        for (const { at, ticket } of expected) {
          assert.equal(timers.next, at)
          assert.equal(timers.takeDue(at - 1), undefined)
          assert.equal(timers.takeDue(at), ticket)
        }
        assert.equal(timers.next, Infinity)
      }),
    )
  })

  it('complete their ticket when their time has come, and no time passes while something runs', () => {
    const { driver, scheduler, task } = world()
    const times: number[] = []
    for (const ms of [30, 10, 20])
      task(`${ms}`, self => {
        if (self.waitingSince === 0 && self.wait === undefined)
          return wait(scheduler.after(ms * MS, 'a nap'), 'timer')
        times.push(scheduler.now() / MS)
        return done
      })
    driver.runUntil(scheduler, 25 * MS)
    assert.deepEqual(times, [10, 20])
    assert.equal(
      driver.runWhile(scheduler, () => times.length === 3),
      true,
    )
    assert.deepEqual(times, [10, 20, 30])
    assert.equal(
      driver.runWhile(scheduler, () => false),
      false,
    )
  })
})
