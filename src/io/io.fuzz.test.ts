/**
 * The I/O scheduler under anything: groups, limits, turns, promotions, ends in any order, errors.
 *
 * Invariants checked: IO1, IO2, IO3, IO5 (io.ts), FQ1 and FQ2 by their effect, and that inflight counts come back to 0.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { errno, hang, MS, ROOT } from '../base/index.ts'
import type { Bio } from './bio.ts'
import { ioWorld } from './world.suite.ts'

const DISK = '1:0'
const NR_REQUESTS = 3

const at = fc.nat({ max: 1000 })
const step = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('submit' as const),
      at,
      kind: fc.constantFrom('read', 'write', 'flush', 'zero'),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('end' as const), at, fails: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('promote' as const), at, by: at }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('limit' as const),
      at,
      rate: fc.constantFrom(Infinity, 5000, 100_000),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('target' as const), at, ms: fc.constantFrom(0, 1, 50) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.constantFrom(1, 100, 700, 3000) }),
  },
)

describe('the I/O scheduler, under anything', () => {
  it('ends every bio once, keeps order within a group, and never issues too many', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80, size: 'max' }), steps => {
        const w = ioWorld({ held: true })
        w.io.configure(DISK, { nrRequests: NR_REQUESTS, rotational: false })
        const outer = w.group()
        const groups = [ROOT, outer, w.group(outer), w.group(outer), w.group()]
        const pick = <T>(from: readonly T[], index: number): T | undefined =>
          from[index % Math.max(1, from.length)]
        const bios: Bio[] = []
        const ends = new Map<Bio, number>()
        const promoted = new Set<Bio>()
        hang(w.io, 'onEnd', bio => {
          assert.equal(bio.ticket.complete, false, 'IO1')
          ends.set(bio, (ends.get(bio) ?? 0) + 1)
        })
        const check = () => {
          const issued = bios.filter(bio => bio.state === 'issued').length
          assert.ok(issued <= NR_REQUESTS, 'IO2')
          assert.equal(w.device.held.length, issued)
        }
        for (const one of steps) {
          if (one.do === 'submit') {
            const operation = one.kind as 'read' | 'write' | 'flush' | 'zero'
            const plan = w.plan({ group: pick(groups, one.at)!, operation, frames: [], index: bios.length })
            bios.push(w.io.submit({ ...plan, length: operation === 'flush' ? 0 : 4096 }))
          } else if (one.do === 'end') {
            const request = pick(w.device.held, one.at)
            if (request !== undefined && one.fails) w.device.fail(request, errno.EIO)
            else if (request !== undefined) w.device.release(request)
          } else if (one.do === 'promote') {
            const bio = pick(bios, one.at)
            if (bio !== undefined) {
              w.io.promote(bio, pick(groups, one.by)!)
              promoted.add(bio)
            }
          } else if (one.do === 'limit')
            w.io.setMax(DISK, pick(groups.slice(1), one.at)!, { rbps: one.rate, wiops: one.rate })
          else if (one.do === 'target') w.io.setLatency(DISK, pick(groups.slice(1), one.at)!, one.ms * MS)
          else w.until(w.driver.now() + one.ms * MS)
          w.settle()
          check()
        }
        w.device.releaseAll()
        const over = w.driver.runWhile(w.scheduler, () => bios.every(bio => bio.state === 'ended'))
        assert.ok(over, 'IO5: nothing waits for ever')
        for (const bio of bios) {
          assert.equal(ends.get(bio), 1, 'IO1')
          assert.equal(bio.ticket.complete, true)
          assert.equal(bio.ticket.errno, bio.errno)
        }
        for (const group of groups) {
          assert.equal(w.io.latency(DISK, group).inflight, 0)
          for (const isRead of [true, false]) {
            const issued = bios.filter(
              bio => bio.group === group && (bio.operation === 'read') === isRead && !promoted.has(bio),
            )
            for (let next = 1; next < issued.length; next++)
              assert.ok(issued[next - 1]!.issuedAt <= issued[next]!.issuedAt, 'IO3')
          }
        }
      }),
      { numRuns: 300 },
    )
  })
})
