/** Pressure against psi.c: by hand, against a tick that looks every millisecond, and fed by the scheduler. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { GroupTree, hang, MS, type Ns, ROOT, SECOND } from '../base/index.ts'
import { done, type Outcome, Scheduler, type Task, TimedDriver, wait } from '../sched/index.ts'
import { type Kind, Pressure, PressureWatcher } from './pressure.ts'

function world() {
  const tree = new GroupTree()
  const parent = tree.create(ROOT)
  return { tree, parent, child: tree.create(parent), pressure: new Pressure(tree) }
}

describe('pressure', () => {
  it('is shown in the kernel’s format and starts at nothing', () => {
    const { pressure, child } = world()
    assert.equal(
      pressure.read(child, 'io', 0),
      'some avg10=0.00 avg60=0.00 avg300=0.00 total=0\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n',
    )
  })

  it('by hand: one period of 2 s wholly stalled, then one without', () => {
    const { pressure, child } = world()
    pressure.begin(child, 'io', 0)
    // 100 * 2048 * (2048 - 1677) / 2048 = 37100 = 18.11 * 2048, and so with 1981 and 2034.
    const stalled = 'avg10=18.11 avg60=3.27 avg300=0.68 total=2000000'
    assert.equal(pressure.read(child, 'io', 2 * SECOND), `some ${stalled}\nfull ${stalled}\n`)
    pressure.end(child, 'io', 2 * SECOND)
    // 37100 * 1677 / 2048 = 30379 = 14.83 * 2048.
    assert.match(pressure.read(child, 'io', 4 * SECOND), /^some avg10=14\.83 avg60=3\.16 .*total=2000000\n/)
  })

  it('by hand: averages that rise are rounded up', () => {
    const { pressure, child } = world()
    for (const period of [0, 2 * SECOND]) {
      pressure.begin(child, 'io', period)
      pressure.end(child, 'io', period + 20 * MS)
    }
    // 2048 * (2048 - 1677) / 2048 = 371, then 371 * 1677 / 2048 + 371 = 674.8, which is 675 = 0.3296 * 2048.
    assert.match(pressure.read(child, 'io', 4 * SECOND), /^some avg10=0\.32 .*total=40000\n/)
  })

  it('changes averages at the end of a period only', () => {
    const { pressure, child } = world()
    pressure.begin(child, 'memory', 0)
    assert.match(pressure.read(child, 'memory', 1999 * MS), /avg10=0\.00 .*total=1999000\n/)
    assert.match(pressure.read(child, 'memory', 2000 * MS), /avg10=18\.11 /)
  })

  it('tells some from full by who runs, and adds groups up (PU2)', () => {
    const { pressure, parent, child } = world()
    pressure.begin(child, 'io', 0)
    pressure.begin(parent, 'running', 0)
    pressure.end(parent, 'running', SECOND)
    pressure.end(child, 'io', 3 * SECOND)
    assert.deepEqual(pressure.total(child, 'io', 4 * SECOND), { some: 3 * SECOND, full: 3 * SECOND })
    assert.deepEqual(pressure.total(parent, 'io', 4 * SECOND), { some: 3 * SECOND, full: 2 * SECOND })
    assert.deepEqual(pressure.total(ROOT, 'io', 4 * SECOND), { some: 3 * SECOND, full: 2 * SECOND })
    assert.deepEqual(pressure.total(ROOT, 'memory', 4 * SECOND), { some: 0, full: 0 })
  })

  it('gives the same when nobody looks as when somebody looks all the time (no tick is needed), and PU1', () => {
    const step = fc.record({
      gap: fc.integer({ min: 0, max: 5000 }),
      kind: fc.constantFrom<Kind>('io', 'memory', 'running'),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 20, size: 'max' }), steps => {
        const [seldom, often] = [world(), world()]
        const running = new Set<Kind>()
        let now: Ns = 0
        for (const w of [seldom, often]) w.pressure.read(w.child, 'io', 0)
        for (const { gap, kind } of steps) {
          for (let ms = 0; ms < gap; ms += 7) often.pressure.read(often.child, 'io', now + ms * MS)
          now += gap * MS
          for (const { pressure, child } of [seldom, often])
            if (running.has(kind)) pressure.end(child, kind, now)
            else pressure.begin(child, kind, now)
          if (!running.delete(kind)) running.add(kind)
        }
        now += 7 * SECOND
        for (const resource of ['io', 'memory'] as const) {
          assert.equal(
            seldom.pressure.read(seldom.child, resource, now),
            often.pressure.read(often.child, resource, now),
          )
          const { some, full } = seldom.pressure.total(seldom.child, resource, now)
          assert.ok(full <= some && some <= now, 'PU1')
        }
      }),
      { numRuns: 60 },
    )
  })

  it('comes to rest over any length of time, quickly', () => {
    const { pressure, child } = world()
    pressure.begin(child, 'io', 0)
    assert.match(
      pressure.read(child, 'io', 1e9 * SECOND),
      /^some avg10=100\.00 avg60=100\.00 avg300=100\.00 total=1000000000000000\n/,
    )
    pressure.end(child, 'io', 1e9 * SECOND)
    assert.match(pressure.read(child, 'io', 2e9 * SECOND), /^some avg10=0\.00 avg60=0\.00 avg300=0\.00 /)
  })

  it('is fed by what tasks wait for', () => {
    const driver = new TimedDriver()
    const scheduler = new Scheduler(driver)
    const { pressure, child } = world()
    hang(scheduler, 'watcher', new PressureWatcher(pressure, scheduler))
    const waits = [
      ['read', SECOND],
      ['lock', SECOND],
      ['memory', 3 * SECOND],
    ] as const
    const verb = {
      name: 'waits',
      attempt(task: Task<{ at: number }>): Outcome {
        const next = waits[task.args.at++]
        return next === undefined ? done : wait(scheduler.after(next[1], 'time'), next[0])
      },
    }
    scheduler.spawn(verb, { at: 0 }, { name: 'one', group: child })
    const killed = scheduler.spawn(verb, { at: 0 }, { name: 'two', group: child })
    driver.runUntil(scheduler, SECOND / 2)
    scheduler.kill(killed)
    driver.runUntil(scheduler, 10 * SECOND)
    assert.deepEqual(pressure.total(child, 'io', driver.now()), { some: SECOND, full: SECOND })
    assert.deepEqual(pressure.total(child, 'memory', driver.now()), { some: 3 * SECOND, full: 3 * SECOND })
  })
})
