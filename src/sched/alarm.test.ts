/** Alarms: a chore runs when it was asked for, never inside the asking, and leaves no task behind. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { MS, type Ns } from '../base/index.ts'
import { Alarm } from './alarm.ts'
import { Scheduler } from './scheduler.ts'
import { TimedDriver } from './timed.ts'

function world(next: (now: Ns) => Ns = () => Infinity) {
  const driver = new TimedDriver()
  const scheduler = new Scheduler(driver)
  const ran: Ns[] = []
  const alarm = new Alarm(scheduler, {
    name: 'chore',
    run: now => {
      ran.push(now / MS)
      return next(now)
    },
  })
  return { driver, scheduler, alarm, ran, until: (end: Ns) => driver.runUntil(scheduler, end) }
}

describe('an alarm', () => {
  it('runs the chore at the earliest time asked for (AL1)', () => {
    const { alarm, ran, until } = world()
    alarm.by(30 * MS)
    until(MS)
    alarm.by(10 * MS)
    alarm.by(20 * MS)
    until(100 * MS)
    assert.deepEqual(ran, [10])
    alarm.by(100 * MS)
    until(100 * MS)
    assert.deepEqual(ran, [10, 100])
  })

  it('runs it again when the chore says, or earlier if somebody asks (AL1)', () => {
    const { alarm, ran, until } = world(now => (now < 50 * MS ? now + 20 * MS : Infinity))
    alarm.by(0)
    until(25 * MS)
    alarm.by(30 * MS)
    until(1000 * MS)
    assert.deepEqual(ran, [0, 20, 30, 50])
  })

  it('doesn’t call back whoever asks, the chore itself neither (AL2)', () => {
    let inside = 0
    const w = world(() => {
      assert.equal(++inside, 1)
      if (w.ran.length < 3) w.alarm.by(0)
      inside--
      return Infinity
    })
    w.alarm.by(0)
    assert.deepEqual(w.ran, [])
    w.until(0)
    assert.deepEqual(w.ran, [0, 0, 0])
  })

  it('is a task only while there is a time to wait for', () => {
    const { alarm, scheduler, until } = world()
    assert.equal(scheduler.tasks.size, 0)
    alarm.by(MS)
    assert.equal(scheduler.tasks.size, 1)
    until(MS)
    assert.equal(scheduler.tasks.size, 0)
  })

  it('can be asked again after its task was killed', () => {
    const { alarm, scheduler, ran, until } = world()
    alarm.by(MS)
    until(0)
    for (const task of scheduler.tasks.values()) scheduler.kill(task)
    until(2 * MS)
    alarm.by(3 * MS)
    until(5 * MS)
    assert.deepEqual(ran, [3])
  })
})
