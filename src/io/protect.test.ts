/** io.protect and io.weight: who is held back, who never is, and what shares come of it. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { type GroupId, GroupTree, MS, type Ns, ROOT, SECOND } from '../base/index.ts'
import type { Bio } from './bio.ts'
import { costOf } from './cost.ts'
import { Depth } from './depth.ts'
import { Guard } from './guard.ts'
import { Weights } from './weights.ts'

const READ = { operation: 'read', length: 4096 } as const
const COST = costOf(READ)

const bioOf = (group: GroupId, queuedAt: Ns): Bio =>
  ({ ...READ, group, issuer: group, queuedAt, issuedAt: queuedAt }) as Bio

function guarded() {
  const tree = new GroupTree()
  const guard = new Guard(tree)
  const [app, hog] = [tree.create(ROOT), tree.create(ROOT)]
  let now: Ns = 0
  const flying: Bio[] = []
  const landed = () => {
    for (const bio of flying.splice(0)) guard.ended(bio, now)
  }
  /** The hog issues what it may, up to `wanted`. */
  const issued = (wanted: number) => {
    let hogs = 0
    for (; hogs < wanted && !guard.holds(hog, now); hogs++) {
      const bio = bioOf(hog, now)
      guard.started(bio, now)
      flying.push(bio)
    }
    return hogs
  }
  /** A second of the application's reads, one a millisecond, each `took` long, while the hog has one millisecond's of its own. */
  const pass = (time: Ns, took: (hogs: number) => Ns, wanted = 10) => {
    let gone = 0
    for (const end = now + time; now < end; now += MS) {
      landed()
      const hogs = issued(wanted)
      gone += hogs
      const bio = bioOf(app, now)
      guard.started(bio, now)
      guard.ended({ ...bio, queuedAt: now - took(hogs) }, now)
    }
    return gone
  }
  return { tree, guard, app, hog, pass, landed, issued, now: () => now, wait: (time: Ns) => (now += time) }
}

describe('io.protect', () => {
  it('holds the others back when more than a twentieth was late, and not when just that was', () => {
    const rateAfter = (late: number) => {
      const { guard, app } = guarded()
      guard.setTarget(app, MS)
      for (let read = 0; read < 60; read++) {
        const now = read < 59 ? 0 : 20 * MS
        const bio = bioOf(app, now)
        guard.started(bio, now)
        guard.ended({ ...bio, queuedAt: now - (read < late ? 2 : 1) * MS }, now)
      }
      return guard.report(app).rate
    }
    assert.equal(rateAfter(3), Infinity)
    assert.ok(rateAfter(4) < Infinity)
  })

  it('holds back nobody while no target is set, and never a protected group (GU1)', () => {
    const { guard, app, hog, pass, tree } = guarded()
    assert.equal(
      pass(SECOND, () => 50 * MS),
      10_000,
    )
    guard.setTarget(app, MS)
    pass(SECOND, () => 50 * MS)
    let free = 0
    for (; free < 10 && !guard.holds(hog, SECOND * 2); free++)
      guard.started(bioOf(hog, SECOND * 2), SECOND * 2)
    assert.ok(free < 10, 'the hog is held back')
    assert.equal(guard.holds(app, SECOND * 2), false)
    assert.equal(guard.holds(tree.create(app), SECOND * 2), false, 'nor one below it')
    guard.setTarget(app, 0)
    assert.equal(guard.holds(hog, SECOND * 2), false, 'at once when the target goes')
  })

  it('comes down until targets are met, and stays near there', () => {
    const { guard, app, pass } = guarded()
    guard.setTarget(app, 2 * MS)
    // Four of the hog's a millisecond are one too many.
    const took = (hogs: number) => (hogs > 3 ? 3 * MS : MS)
    pass(3 * SECOND, took)
    const gone = pass(4 * SECOND, took)
    assert.ok(gone >= 2.6 * 4000 && gone <= 3.3 * 4000, `${gone} of 12000`)
  })

  it('lets everybody go 100 ms after the last protected bio, and begins anew with the next', () => {
    const { guard, app, hog, pass, issued, wait, now } = guarded()
    guard.setTarget(app, 2 * MS)
    pass(SECOND, () => 3 * MS)
    issued(10)
    assert.equal(guard.holds(hog, now()), true)
    wait(101 * MS)
    assert.equal(guard.holds(hog, now()), false)
    assert.equal(guard.report(app).rate, Infinity)
  })

  it('blames nobody for what is late on the disk alone, where it looks now and then, and no longer than a window (GU5)', () => {
    const { guard, app, hog } = guarded()
    guard.setTarget(app, 2 * MS)
    const flying: Bio[] = []
    let now: Ns = 0
    let [gone, still, longest] = [0, 0, 0]
    // One of ten is late whoever is there; four of the hog's a millisecond make the half of them late.
    for (let at = 0; at < 20_000; at++, now += MS / 2) {
      for (const bio of flying.splice(0)) guard.ended(bio, now)
      let hogs = 0
      for (; hogs < 10 && !guard.holds(hog, now); hogs++) {
        const bio = bioOf(hog, now)
        guard.started(bio, now)
        flying.push(bio)
      }
      still = hogs === 0 && guard['state'] !== 'paces' ? still + MS / 2 : 0
      longest = Math.max(longest, still)
      if (at >= 10_000) gone += hogs
      const bio = bioOf(app, now)
      const isLate = at % 10 === 0 || (hogs > 3 && at % 2 === 0)
      guard.started(bio, now)
      guard.ended({ ...bio, queuedAt: isLate ? now - 3 * MS : now }, now)
    }
    assert.ok(gone >= 2.5 * 10_000 && gone <= 4 * 10_000, `${gone} of 100000`)
    assert.ok(longest > 0 && longest <= 200 * MS, `${longest / MS} ms`)
  })

  it('comes back from a time in which everything was late', () => {
    const { guard, app, pass } = guarded()
    guard.setTarget(app, 2 * MS)
    const took = (hogs: number) => (hogs > 3 ? 3 * MS : MS)
    pass(6 * SECOND, took)
    const before = pass(SECOND, took)
    pass(SECOND, () => 3 * MS)
    const after = pass(SECOND, took)
    pass(6 * SECOND, took)
    const later = pass(SECOND, took)
    assert.ok(after < 0.7 * before, `${after} of ${before}`)
    assert.ok(later > 0.8 * before, `${later} of ${before}`)
  })

  it('leaves a hundredth of the disk to the others, however late the protected are (GU4)', () => {
    const { guard, app, pass } = guarded()
    guard.setTarget(app, 1)
    pass(10 * SECOND, () => MS)
    const most = (11 * COST) / MS
    assert.ok(guard.report(app).rate >= 0.009 * most, `${guard.report(app).rate}`)
  })

  it('issues no more than the rate allows, over any time (GU2)', () => {
    const { guard, app, pass, landed, issued, now, wait } = guarded()
    guard.setTarget(app, 2 * MS)
    pass(SECOND, () => 3 * MS)
    const { rate } = guard.report(app)
    guard.started(bioOf(app, now()), now())
    let spent = 0
    const began = now()
    for (let step = 0; step < 400; step++) {
      landed()
      spent += COST * issued(100)
      assert.ok(spent <= rate * (now() - began + MS) + COST, `${spent} after ${now() - began}`)
      wait(0.3 * MS)
    }
  })
})

describe('io.protect of others that are quick', () => {
  it('lets no more of them go at once than keep the rate up, however long nothing went (GU6)', () => {
    const { guard, app, landed, issued, now, wait } = guarded()
    guard.setTarget(app, 2 * MS)
    let [sum, recent, most] = [0, 0, 0]
    for (let step = 0; step < 40_000; step++, wait(MS / 10)) {
      landed()
      // The host stands still now and then: a burst could follow.
      if (step % 1000 === 999) wait(5 * MS)
      const hogs = issued(4)
      recent += hogs
      if (step > 20_000) most = Math.max(most, hogs)
      if (step > 20_000) sum += hogs
      if (step % 10 !== 0) continue
      // Four of them a millisecond are one too many.
      const bio = bioOf(app, now())
      guard.started(bio, now())
      guard.ended({ ...bio, queuedAt: now() - (recent > 3 ? 3 * MS : MS) }, now())
      recent = 0
    }
    assert.equal(most, 1)
    assert.ok(sum >= 2.4 * 2000, `${sum} in two seconds`)
  })
})

describe('io.weight', () => {
  it('shares by weight what groups want that always want more, and gives what one does not want to the others (WT1)', () => {
    const weight = fc.integer({ min: 1, max: 1000 })
    fc.assert(
      fc.property(fc.array(weight, { minLength: 2, maxLength: 5 }), each => {
        const tree = new GroupTree()
        const weights = new Weights(tree, { nrRequests: 256, issued: 0 }, () => false)
        const groups = each.map(() => tree.create(ROOT))
        groups.forEach((group, at) => {
          weights.setWeight(group, each[at]!)
          weights.queued(bioOf(group, 0))
        })
        const sum = each.reduce((a, b) => a + b, 0)
        const got = groups.map(() => 0)
        const serve = (among: readonly GroupId[], count: number) => {
          for (let turn = 0; turn < count; turn++) {
            const first = among.reduce((a, b) => (weights.timeOf(b) < weights.timeOf(a) ? b : a))
            weights.started(bioOf(first, 0))
            got[groups.indexOf(first)]!++
          }
        }
        serve(groups, 4000)
        each.forEach((own, at) => {
          assert.ok(Math.abs(got[at]! - (4000 * own) / sum) <= each.length, `${got} for ${each}`)
        })
        weights.ended(bioOf(groups[0]!, 0), 0)
        assert.equal(weights.share(groups[1]!), each[1]! / (sum - each[0]!))
        weights.queued(bioOf(groups[0]!, 0))
        const before = got[0]!
        serve(groups, 100)
        assert.ok(
          got[0]! - before <= (100 * each[0]!) / sum + each.length,
          'no credit for having been away (WT2)',
        )
      }),
      { numRuns: 60 },
    )
  })

  it('divides a share among those below, level by level', () => {
    const tree = new GroupTree()
    const weights = new Weights(tree, { nrRequests: 256, issued: 0 }, () => false)
    const [a, b] = [tree.create(ROOT), tree.create(ROOT)]
    const [a0, a1] = [tree.create(a), tree.create(a)]
    weights.setWeight(b, 300)
    for (const group of [a0, a1, b]) weights.queued(bioOf(group, 0))
    // The example at the head of blk-iocost.c.
    assert.deepEqual(
      [b, a0, a1].map(group => weights.share(group)),
      [0.75, 0.125, 0.125],
    )
  })
})

describe('the depth of a disk', () => {
  it('comes to what keeps its slots busy, and follows them when they become more (QD1, QD2)', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 24 }), fc.integer({ min: 1, max: 24 }), (first, later) => {
        const depth = new Depth(256)
        let now = 0
        const pass = (slots: number, time: Ns) => {
          for (const end = now + time; now < end; ) {
            const busy = Math.min(slots, depth.limit)
            depth.started(depth.limit)
            now += (0.5 * MS) / busy
            depth.ended(COST, now)
            assert.ok(depth.limit >= 1 && depth.limit <= 256)
          }
        }
        for (const slots of [first, later]) {
          pass(slots, 20 * SECOND)
          const near = depth.limit >= Math.floor(slots * 0.7) && depth.limit <= Math.ceil(slots * 1.4) + 1
          assert.ok(near, `${depth.limit} for ${slots} slots`)
        }
      }),
      { numRuns: 12 },
    )
  })
})
