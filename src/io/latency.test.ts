/** io.latency against numbers computed by hand from block/blk-iolatency.c, with a queue of 256 requests unless told. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type GroupId, GroupTree, hang, MS, type Ns, ROOT, SECOND } from '../base/index.ts'
import { replace } from '../rig/index.ts'
import type { Bio } from './bio.ts'
import { addDelay, DELAY_MAX, delayDue, newDelay } from './delay.ts'
import { COOKIE, Latency } from './latency.ts'
import { averageOver, isMet, newWindow, recordSample } from './latency-window.ts'
import { ioWorld } from './world.suite.ts'

function small({ nrRequests = 256, rotational = false } = {}) {
  const tree = new GroupTree()
  const latency = new Latency(tree, { nrRequests, rotational })
  const victim = tree.create(ROOT)
  const worker = tree.create(ROOT)
  latency.report(worker, 0)
  let now: Ns = 0
  const once = (group: GroupId, took: Ns, issuer: GroupId = group): void => {
    const bio = { group, issuer, queuedAt: now - took, operation: 'read' } as Bio
    latency.started(bio, now)
    latency.ended(bio, now)
  }
  return {
    tree,
    latency,
    victim,
    worker,
    once,
    now: () => now,
    pass: (time: Ns) => {
      now += time
    },
    /** A window of `count` bios of `group`, each `took` long, that ends with the last. */
    window: (group: GroupId, took: Ns, count = 10, length: Ns = 600 * MS) => {
      for (let at = 1; at < count; at++) once(group, took)
      now += length
      once(group, took)
    },
    cookie: () => latency.cookieOf(ROOT) - COOKIE,
    look: (group: GroupId) => {
      latency.fullLevel(group, now)
      const { depth, users } = latency.report(group, now)
      return users === 0 ? depth : -users
    },
  }
}

describe('io.latency, by hand', () => {
  it('has windows of 16 targets between 100 ms and 1 s', () => {
    const { latency, victim } = small()
    const windows = [1, 6.25, 10, 62.5, 100].map(ms => {
      latency.setTarget(victim, ms * MS, 0)
      return latency.report(victim, 0).window / MS
    })
    assert.deepEqual(windows, [100, 100, 160, 1000, 1000])
  })

  it('ends a window only when a bio ends, and judges it then', () => {
    const w = small()
    w.latency.setTarget(w.victim, 10 * MS, 0)
    w.once(w.victim, 20 * MS)
    w.pass(159 * MS)
    w.once(w.victim, 20 * MS)
    assert.equal(w.cookie(), 0)
    w.pass(5 * SECOND)
    assert.equal(w.cookie(), 0)
    w.once(w.victim, 20 * MS)
    assert.equal(w.cookie(), -64)
  })

  it('goes down: the cookie by a quarter of the queue, then by one; the depth by halves, then delay', () => {
    const w = small()
    w.latency.setTarget(w.victim, 10 * MS, 0)
    const seen: number[][] = []
    for (let step = 0; step < 12; step++) {
      w.window(w.victim, 20 * MS)
      seen.push([w.cookie(), w.look(w.worker)])
    }
    assert.deepEqual(seen, [
      [-64, 128],
      [-128, 64],
      [-192, 32],
      [-256, 16],
      [-320, 8],
      [-321, 4],
      [-322, 2],
      [-323, 1],
      [-324, -1],
      [-325, -2],
      [-326, -3],
      [-327, -4],
    ])
    assert.equal(w.look(w.victim), Infinity, 'LA4: the victim itself isn’t scaled down')
  })

  it('comes up: users first, then depth by a sixteenth of the queue, and no limit at the default', () => {
    const w = small()
    w.latency.setTarget(w.victim, 10 * MS, 0)
    for (let step = 0; step < 10; step++) {
      w.window(w.victim, 20 * MS)
      w.look(w.worker)
    }
    assert.deepEqual([w.cookie(), w.look(w.worker)], [-325, -2])
    const seen: number[][] = []
    for (let step = 0; step < 100 && w.cookie() < 0; step++) {
      w.window(w.victim, 1 * MS)
      seen.push([w.cookie(), w.look(w.worker)])
    }
    assert.deepEqual(seen.slice(0, 5), [
      [-324, -1],
      [-323, 1],
      [-322, 17],
      [-321, 33],
      [-320, 49],
    ])
    assert.deepEqual(
      seen.slice(-3).map(([cookie]) => cookie),
      [-32, -16, 0],
    )
    assert.equal(seen.at(-1)![1], Infinity)
    assert.equal(seen.at(-2)![1], 256)
  })

  it('never digs deeper than twice the queue (LA3)', () => {
    const w = small({ nrRequests: 8 })
    w.latency.setTarget(w.victim, 10 * MS, 0)
    for (let step = 0; step < 40; step++) {
      w.window(w.victim, 20 * MS)
      assert.ok(w.cookie() >= -17)
    }
    assert.equal(w.cookie(), -16)
  })

  it('changes nothing within 500 ms of the last change', () => {
    const w = small()
    w.latency.setTarget(w.victim, 10 * MS, 0)
    w.window(w.victim, 20 * MS, 10, 200 * MS)
    assert.equal(w.cookie(), -64)
    w.window(w.victim, 20 * MS, 10, 200 * MS)
    w.window(w.victim, 20 * MS, 10, 200 * MS)
    assert.equal(w.cookie(), -64)
    w.window(w.victim, 20 * MS, 10, 200 * MS)
    assert.equal(w.cookie(), -128)
  })

  it('rises only by five good samples, and only for who made it fall', () => {
    const w = small()
    const other = w.tree.create(ROOT)
    w.latency.setTarget(w.victim, 10 * MS, 0)
    w.latency.setTarget(other, 10 * MS, 0)
    w.window(w.victim, 20 * MS)
    assert.equal(w.cookie(), -64)
    w.window(other, 1 * MS, 10)
    assert.equal(w.cookie(), -64)
    w.window(w.victim, 1 * MS, 4)
    assert.equal(w.cookie(), -64)
    w.window(w.victim, 1 * MS, 1)
    assert.equal(w.cookie(), -48)
  })

  it('leaves a group with a stricter target alone, and one that did 5 % of the I/O or less', () => {
    const w = small()
    const [strict, lax, rare] = [w.tree.create(ROOT), w.tree.create(ROOT), w.tree.create(ROOT)]
    w.latency.setTarget(w.victim, 10 * MS, 0)
    w.latency.setTarget(strict, 5 * MS, 0)
    w.latency.setTarget(lax, 50 * MS, 0)
    w.latency.setTarget(rare, 50 * MS, 0)
    w.window(w.victim, 20 * MS, 100)
    // Below the default cookie good windows are counted too: the victim has 100 samples, lax 30, rare 5.
    w.window(lax, MS, 30, 400 * MS)
    w.window(rare, MS, 5, 10 * MS + SECOND)
    w.window(w.victim, 20 * MS, 100)
    assert.deepEqual([strict, lax, rare, w.worker].map(w.look), [Infinity, 128, Infinity, 128])
  })

  it('compares the samples of last windows, not of all there were', () => {
    const w = small()
    const lax = w.tree.create(ROOT)
    w.latency.setTarget(w.victim, 10 * MS, 0)
    w.latency.setTarget(lax, 50 * MS, 0)
    w.window(w.victim, 20 * MS, 90)
    for (let round = 0; round < 5; round++) {
      w.window(lax, MS, 6, 200 * MS)
      w.window(w.victim, 20 * MS, 90)
    }
    w.look(lax)
    assert.equal(w.latency.report(lax, w.now()).depth, 128, '6 of 96 are more than 5 %')
  })

  it('follows the strictest target that is missed', () => {
    const w = small()
    const strict = w.tree.create(ROOT)
    w.latency.setTarget(w.victim, 10 * MS, 0)
    w.latency.setTarget(strict, 5 * MS, 0)
    w.window(w.victim, 20 * MS, 100)
    assert.equal(w.cookie(), -64)
    w.window(strict, 20 * MS, 100)
    assert.equal(w.cookie(), -128)
    w.window(w.victim, 20 * MS, 100)
    assert.equal(w.cookie(), -128, 'the laxer one has no voice now')
    assert.equal(w.look(strict), Infinity)
    assert.equal(w.look(w.victim), 128)
  })

  it('lets children recover one tick a period of 1.024 s once the victim was idle for five', () => {
    const w = small()
    w.latency.setTarget(w.victim, 10 * MS, 0)
    w.window(w.victim, 20 * MS)
    const seen: number[] = []
    for (let period = 0; period < 12; period++) {
      w.look(w.worker)
      w.pass(1024 * MS)
      w.latency.tick(w.now())
      seen.push(w.cookie())
    }
    assert.deepEqual(seen, [-64, -64, -64, -64, -64, -48, -32, -16, 0, 0, 0, 0])
    assert.equal(w.look(w.worker), Infinity)
    w.pass(1024 * MS)
    w.latency.tick(w.now())
    assert.equal(w.latency.next, Infinity, 'no timer while nobody asks')
  })

  it('speaks to siblings only: cousins are limited where their branches meet', () => {
    const w = small()
    const cousin = w.tree.create(w.worker)
    const child = w.tree.create(w.victim)
    w.latency.setTarget(child, 10 * MS, 0)
    w.window(child, 20 * MS)
    assert.equal(w.cookie(), 0)
    assert.equal(w.look(cousin), Infinity)
    w.latency.setTarget(w.victim, 10 * MS, w.now())
    w.window(child, 20 * MS)
    assert.equal(w.cookie(), -128)
    assert.equal(w.look(cousin), Infinity)
    assert.equal(w.look(w.worker), 128)
  })

  it('refuses at each level (LA1), and takes slots at all of them', () => {
    const w = small({ nrRequests: 4 })
    const [one, two] = [w.tree.create(w.worker), w.tree.create(w.worker)]
    w.latency.setTarget(w.victim, 10 * MS, 0)
    w.window(w.victim, 20 * MS)
    w.look(w.worker)
    const bio = (group: GroupId) => ({ group, issuer: group, queuedAt: 0 }) as Bio
    assert.equal(w.look(w.worker), 2)
    for (const group of [one, two]) {
      assert.equal(w.latency.fullLevel(group, w.now()), 0)
      w.latency.started(bio(group), w.now())
    }
    assert.equal(w.latency.fullLevel(one, w.now()), w.worker)
    assert.equal(w.latency.fullLevel(w.victim, w.now()), 0)
    w.latency.ended(bio(two), w.now())
    assert.equal(w.latency.fullLevel(one, w.now()), 0)
  })

  it('forgets everything when the target changes', () => {
    const w = small()
    w.latency.setTarget(w.victim, 10 * MS, 0)
    w.window(w.victim, 20 * MS)
    assert.equal(w.look(w.worker), 128)
    w.latency.setTarget(w.victim, 20 * MS, w.now())
    assert.equal(w.look(w.worker), Infinity)
  })

  it('charges what goes as root by the time it was early, and doesn’t count it', () => {
    const w = small()
    w.latency.setTarget(w.victim, 10 * MS, 0)
    w.latency.setTarget(w.worker, 50 * MS, 0)
    w.window(w.worker, MS, 10)
    w.window(w.victim, 20 * MS, 10)
    w.window(w.worker, MS, 10, 100 * MS)
    w.window(w.victim, 20 * MS, 10)
    w.look(w.worker)
    assert.notEqual(w.latency.report(w.worker, w.now()).depth, Infinity)
    const before = w.latency.report(w.worker, w.now())
    w.once(w.worker, 20 * MS, w.victim)
    const after = w.latency.report(w.worker, w.now())
    assert.equal(after.total, before.total)
    assert.equal(after.owed - before.owed, 30 * MS)
  })
})

describe('a window of io.latency', () => {
  const windowOf = (latencies: readonly Ns[]) => {
    const window = newWindow()
    for (const latency of latencies) recordSample(window, latency, 10)
    return window
  }
  const late = (count: number, of: number) =>
    windowOf(Array.from({ length: of }, (_, at) => (at < count ? 10 : 9)))

  it('is bad from a tenth of late ones up, and from one in a small window', () => {
    assert.equal(isMet(late(0, 1), 10, false), true)
    assert.equal(isMet(late(1, 5), 10, false), false)
    assert.equal(isMet(late(1, 19), 10, false), false)
    assert.equal(isMet(late(1, 20), 10, false), true)
    assert.equal(isMet(late(2, 20), 10, false), false)
  })

  it('is judged by the mean where the disk rotates', () => {
    assert.equal(isMet(windowOf([1, 1, 1, 37]), 10, true), true)
    assert.equal(isMet(windowOf([1, 1, 1, 41]), 10, true), false)
  })

  it('averages as calc_load does', () => {
    const window = windowOf([1000])
    assert.equal(averageOver(0, window, 100 * MS), Math.floor((1000 * 3 + 2047) / 2048))
    assert.equal(averageOver(2000, window, SECOND), Math.floor((2000 * 2014 + 1000 * 34) / 2048))
  })
})

describe('induced delay', () => {
  it('is nothing without users, and 250 ms at most', () => {
    const delay = newDelay()
    addDelay(delay, 600 * MS, 0)
    assert.equal(delayDue(delay, 1), 0)
    delay.users = 1
    assert.equal(delayDue(delay, 1), DELAY_MAX)
    assert.equal(DELAY_MAX, 250 * MS)
  })

  it('decays at most once a second, by what was owed before or the time that passed', () => {
    const delay = newDelay()
    delay.users = 1
    addDelay(delay, 3 * SECOND, 0)
    delayDue(delay, SECOND)
    assert.equal(delay.owed, 3 * SECOND)
    delayDue(delay, SECOND + 1)
    assert.equal(delay.owed, 3 * SECOND, 'nothing was owed a second ago')
    delayDue(delay, 2 * SECOND + 2)
    assert.equal(delay.owed, 2 * SECOND - 1)
    delay.users = 0
    addDelay(delay, 0, 3 * SECOND + 3)
    assert.equal(delay.owed, SECOND - 2)
  })

  it('decays by half at least once there are fewer users', () => {
    const delay = newDelay()
    delay.users = 2
    addDelay(delay, 10 * SECOND, 0)
    delayDue(delay, SECOND + 1)
    delay.users = 1
    delayDue(delay, 2 * SECOND + 2)
    assert.equal(delay.owed, 5 * SECOND)
  })
})

describe('io.latency over time', () => {
  const SERVICE = { latency: 1 * MS, nsPerByte: 0, slots: 8 }
  const DISK = '1:0'

  /** A worker with 128 reads in flight, a victim with one; latencies of the victim by the second. */
  function contend(target: Ns, seconds: number, victimStops: number) {
    const w = ioWorld({ service: SERVICE })
    const [victim, worker] = [w.group(), w.group()]
    w.io.setLatency(DISK, victim, target)
    const slowest: Ns[] = []
    const tenth: Ns[][] = Array.from({ length: seconds + 1 }, () => [])
    let work = 0
    hang(w.io, 'onEnd', bio => {
      const second = Math.floor(w.driver.now() / SECOND)
      if (bio.group === victim) tenth[second]!.push(w.driver.now() - bio.submittedAt)
      else work++
      if (bio.group === worker || second < victimStops) w.io.submit(w.plan({ group: bio.group }))
    })
    w.io.submit(w.plan({ group: victim }))
    for (let at = 0; at < 128; at++) w.io.submit(w.plan({ group: worker }))
    const workAt: number[] = []
    for (let second = 1; second <= seconds; second++) {
      w.until(second * SECOND)
      workAt.push(work)
    }
    for (const latencies of tenth.filter(some => some.length > 0)) {
      latencies.sort((a, b) => a - b)
      slowest.push(latencies[Math.floor(latencies.length * 0.9)]!)
    }
    return { p90: slowest, workAt, worker: w.io.latency(DISK, worker), io: w.io, group: worker, w }
  }

  it('holds the victim near its target while the other is scaled down', () => {
    const without = contend(0, 30, Infinity)
    const held = contend(3 * MS, 30, Infinity)
    assert.ok(without.p90.every(p90 => p90 >= 16 * MS))
    assert.equal(without.worker.depth, Infinity)
    const late = held.p90.slice(5)
    assert.ok(Math.max(...late) <= 4.5 * MS, `${late}`)
    const share = held.workAt.at(-1)! / without.workAt.at(-1)!
    assert.ok(share > 0.9, `the other keeps what the victim doesn’t need: ${share}`)
  })

  it('gives the other all of the disk back once the victim is idle', () => {
    const { worker, workAt, io, group } = contend(3 * MS, 60, 10)
    assert.ok(worker.depth >= 128)
    assert.equal(io.congested(group), false)
    assert.equal(io.delayOf(group), 0)
    const last = workAt.at(-1)! - workAt.at(-2)!
    assert.ok(last >= 7900, `${last} reads a second of 8000`)
  })

  it('makes the other’s tasks pay on their way out when depth isn’t enough', () => {
    const w = contend(1 * MS, 20, Infinity)
    assert.equal(w.worker.depth, 1)
    assert.equal(w.io.congested(w.group), true)
  })

  it('has no timer left when all is quiet', () => {
    const { w } = contend(3 * MS, 3, 2)
    replace(w.io, 'onEnd', () => () => {})
    w.driver.runUntil(w.scheduler, 100 * SECOND)
    assert.equal(w.scheduler.timers.next, Infinity)
    assert.equal(w.scheduler.tasks.size, 0)
  })
})
