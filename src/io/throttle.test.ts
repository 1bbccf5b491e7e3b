/** io.max: what may go through a level in any time, that all of it goes, and in what order. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { type GroupId, hang, MS, type Ns, SECOND } from '../base/index.ts'
import type { Bio } from './bio.ts'
import { type IoMax, NO_LIMIT } from './throttle.ts'
import { ioWorld } from './world.suite.ts'

const DISK = '1:0'
const SLICE = 100 * MS

type World = ReturnType<typeof ioWorld>

function submit(
  w: World,
  group: GroupId,
  operation: 'read' | 'write' | 'flush' | 'zero',
  length: number,
): Bio {
  return w.io.submit(w.plan({ group, operation, length, frames: [] }))
}

function finish(w: World, bios: readonly Bio[]): void {
  const over = w.driver.runWhile(w.scheduler, () => bios.every(bio => bio.state === 'ended'))
  assert.ok(over, 'everything that was submitted ends')
}

/** IT1, for every pair of bios as the ends of a stretch of time. */
function assertWithin(bios: readonly Bio[], bps: number, iops: number): void {
  const gone = [...bios].sort((a, b) => a.queuedAt - b.queuedAt)
  const largest = Math.max(0, ...gone.map(bio => bio.length))
  for (let first = 0; first < gone.length; first++) {
    let bytes = 0
    for (let last = first; last < gone.length; last++) {
      bytes += gone[last]!.length
      const time = (gone[last]!.queuedAt - gone[first]!.queuedAt + 2 * SLICE) / SECOND
      assert.ok(bytes <= bps * time + largest, `IT1: ${bytes} bytes in ${time} s at ${bps} a second`)
      assert.ok(
        last - first + 1 <= iops * time + 1,
        `IT1: ${last - first + 1} ios in ${time} s at ${iops} a second`,
      )
    }
  }
}

const limit = fc.constantFrom(Infinity, 20_000, 100_000, 1_000_000)
const iops = fc.constantFrom(Infinity, 3, 40, 1000)
const anyMax: fc.Arbitrary<IoMax> = fc.record({ rbps: limit, wbps: limit, riops: iops, wiops: iops })
const anyBio = fc.record({
  child: fc.integer({ min: 0, max: 2 }),
  operation: fc.constantFrom('read' as const, 'write' as const),
  length: fc.constantFrom(512, 4096, 16_384, 65_536),
  gap: fc.constantFrom(0, 0, 0, MS, 30 * MS, 250 * MS),
})

describe('io.max', () => {
  it('keeps every level within its rates over any time, and lets everything go (IT1, IO5)', () => {
    fc.assert(
      fc.property(
        anyMax,
        fc.tuple(anyMax, anyMax),
        fc.array(anyBio, { maxLength: 60, size: 'max' }),
        (whole, parts, bios) => {
          const w = ioWorld()
          const parent = w.group()
          const children = [w.group(parent), w.group(parent), parent]
          w.io.setMax(DISK, parent, whole)
          parts.forEach((part, at) => {
            w.io.setMax(DISK, children[at]!, part)
          })
          const all: Bio[] = []
          for (const { child, operation, length, gap } of bios) {
            w.until(w.driver.now() + gap)
            all.push(submit(w, children[child]!, operation, length))
          }
          finish(w, all)
          for (const operation of ['read', 'write'] as const) {
            const these = all.filter(bio => bio.operation === operation)
            const check = (of: readonly Bio[], max: IoMax) =>
              operation === 'read'
                ? assertWithin(of, max.rbps, max.riops)
                : assertWithin(of, max.wbps, max.wiops)
            check(these, whole)
            parts.forEach((part, at) => {
              check(
                these.filter(bio => bio.group === children[at]),
                part,
              )
            })
            for (const child of children) {
              const own = these.filter(bio => bio.group === child).map(bio => bio.queuedAt)
              assert.deepEqual(
                own,
                [...own].sort((a, b) => a - b),
                'IO3',
              )
            }
          }
        },
      ),
      { numRuns: 400 },
    )
  })

  it('gives a group that always has something to do all of its rate', () => {
    for (const length of [4096, 1_000_000]) {
      const w = ioWorld()
      const group = w.group()
      w.io.setMax(DISK, group, { ...NO_LIMIT, rbps: 4 * 2 ** 20 })
      const count = Math.ceil((40 * 2 ** 20) / length)
      finish(
        w,
        Array.from({ length: count }, () => submit(w, group, 'read', length)),
      )
      const rate = (count * length * SECOND) / w.driver.now()
      assert.ok(rate > 0.98 * 4 * 2 ** 20 && rate < 1.03 * 4 * 2 ** 20, `${rate}`)
    }
  })

  it('by hand: 1 MB/s, bios of 64 KiB', () => {
    const w = ioWorld()
    const group = w.group()
    w.io.setMax(DISK, group, { ...NO_LIMIT, wbps: 1_000_000 })
    const bios = [0, 1, 2].map(() => submit(w, group, 'write', 65_536))
    assert.equal(bios[0]!.queuedAt, 0)
    finish(w, bios)
    // The slice that has begun counts whole: 100,000 bytes. The second lacks 31,072: 31.072 ms, after the slice.
    assert.equal(bios[1]!.queuedAt, 131_072_000)
    // From slice 100 ms with 31,072 used: at 196,608 bytes' time the third has been earned, as the second was.
    assert.equal(bios[2]!.queuedAt, 131_072_000)
    const fourth = submit(w, group, 'write', 65_536)
    finish(w, [fourth])
    assert.equal(fourth.queuedAt, 262_144_000)
  })

  it('by hand: 40 I/Os a second go four a slice', () => {
    const w = ioWorld()
    const group = w.group()
    w.io.setMax(DISK, group, { ...NO_LIMIT, riops: 40 })
    const bios = Array.from({ length: 9 }, () => submit(w, group, 'read', 512))
    finish(w, bios)
    assert.deepEqual(
      bios.map(bio => Math.floor(bio.queuedAt / SLICE)),
      [0, 0, 0, 0, 1, 1, 1, 1, 2],
    )
  })

  it('holds neither reads for writes, nor a group outside', () => {
    const w = ioWorld()
    const [slow, free] = [w.group(), w.group()]
    w.io.setMax(DISK, slow, { ...NO_LIMIT, wbps: 1000 })
    submit(w, slow, 'write', 100)
    const held = submit(w, slow, 'write', 4096)
    const [read, other] = [submit(w, slow, 'read', 65_536), submit(w, free, 'write', 65_536)]
    w.settle()
    assert.deepEqual([held.state, read.state, other.state], ['throttled', 'ended', 'ended'])
  })

  it('counts a flush as an I/O without bytes, and zeroing as a sector', () => {
    const w = ioWorld()
    const group = w.group()
    w.io.setMax(DISK, group, { ...NO_LIMIT, wbps: 5120, wiops: 20 })
    const flushes = [0, 1, 2].map(() => submit(w, group, 'flush', 0))
    w.settle()
    assert.deepEqual(
      flushes.map(bio => bio.state),
      ['ended', 'ended', 'throttled'],
    )
    w.until(SECOND)
    w.io.setMax(DISK, group, { ...NO_LIMIT, wbps: 5120 })
    const zeros = [submit(w, group, 'zero', 2 ** 30), submit(w, group, 'zero', 2 ** 30)]
    w.settle()
    assert.deepEqual(
      zeros.map(bio => bio.state),
      ['ended', 'throttled'],
    )
  })

  it('doesn’t let small bios of one group starve a large one of another at their parent (IT2)', () => {
    const w = ioWorld()
    const parent = w.group()
    const [large, small] = [w.group(parent), w.group(parent)]
    w.io.setMax(DISK, parent, { ...NO_LIMIT, rbps: 100_000 })
    submit(w, small, 'read', 10_000)
    const bio = submit(w, large, 'read', 400_000)
    hang(w.io, 'onEnd', ended => {
      if (ended.group === small) submit(w, small, 'read', 4096)
    })
    submit(w, small, 'read', 4096)
    w.until(10 * SECOND)
    assert.equal(bio.state, 'ended')
    assert.ok(bio.queuedAt < 5 * SECOND)
  })

  it('lets what waits go at once when the limit is lifted', () => {
    const w = ioWorld()
    const group = w.group()
    w.io.setMax(DISK, group, { ...NO_LIMIT, rbps: 10 })
    const bios = [0, 1].map(() => submit(w, group, 'read', 4096))
    w.until(MS)
    assert.ok(bios.every(bio => bio.state === 'throttled'))
    w.io.setMax(DISK, group, NO_LIMIT)
    w.settle()
    assert.ok(bios.every(bio => bio.state === 'ended'))
  })

  it('keeps what a waiting bio has earned when the limit changes', () => {
    const w = ioWorld()
    const group = w.group()
    w.io.setMax(DISK, group, { ...NO_LIMIT, rbps: 1000 })
    const bio = submit(w, group, 'read', 4000)
    w.until(2 * SECOND)
    w.io.setMax(DISK, group, { ...NO_LIMIT, rbps: 2000 })
    finish(w, [bio])
    assert.ok(bio.queuedAt >= 2.8 * SECOND && bio.queuedAt <= 3.2 * SECOND, `${bio.queuedAt}`)
  })

  it('lets a bio go that a free group waits for, and its own group owes nothing for it', () => {
    const w = ioWorld()
    const [slow, free] = [w.group(), w.group()]
    w.io.setMax(DISK, slow, { ...NO_LIMIT, rbps: 10_000 })
    const bios = [0, 1].map(() => submit(w, slow, 'read', 10_000))
    w.settle()
    assert.deepEqual(
      bios.map(bio => bio.state),
      ['throttled', 'throttled'],
    )
    w.io.promote(bios[1]!, free)
    w.settle()
    assert.deepEqual(
      bios.map(bio => bio.state),
      ['throttled', 'ended'],
    )
    assert.equal(w.io.stat(DISK, slow)?.rbytes, 10_000)
    assert.equal(w.io.stat(DISK, free), undefined)
    finish(w, bios)
    const expected: Ns = SECOND
    assert.ok(Math.abs(bios[0]!.queuedAt - expected) <= 2 * SLICE, `${bios[0]!.queuedAt}`)
  })

  it('gains nothing for a bio by a group that is inside its own', () => {
    const w = ioWorld()
    const outer = w.group()
    const inner = w.group(outer)
    w.io.setMax(DISK, outer, { ...NO_LIMIT, rbps: 1000 })
    const bio = submit(w, outer, 'read', 4096)
    w.io.promote(bio, inner)
    w.settle()
    assert.equal(bio.state, 'throttled')
    assert.deepEqual(bio.sponsors, [])
  })

  it('has a sponsor who is limited himself pay for what goes by his leave', () => {
    const w = ioWorld()
    const [slow, sponsor] = [w.group(), w.group()]
    w.io.setMax(DISK, slow, { ...NO_LIMIT, rbps: 100 })
    w.io.setMax(DISK, sponsor, { ...NO_LIMIT, rbps: 10_000 })
    const bio = submit(w, slow, 'read', 20_000)
    w.io.promote(bio, sponsor)
    const own = submit(w, sponsor, 'read', 10_000)
    finish(w, [bio, own])
    assert.ok(Math.abs(bio.queuedAt - 2 * SECOND) <= 2 * SLICE, `${bio.queuedAt}`)
    assert.ok(Math.abs(own.queuedAt - 3 * SECOND) <= 2 * SLICE, `${own.queuedAt}`)
  })

  it('gives all of the rate, and no more, to a group whose limits are set again all the time (T1)', () => {
    const rate = fc.constantFrom(3, 10, 100, 1000)
    const every = fc.constantFrom(7 * MS, 50 * MS, 130 * MS)
    fc.assert(
      fc.property(rate, every, fc.constantFrom(0, 0.1), (wiops, gap, change) => {
        const w = ioWorld()
        const group = w.group()
        const bios = Array.from({ length: 5 * wiops }, () => submit(w, group, 'flush', 0))
        w.settle()
        w.io.setMax(DISK, group, { ...NO_LIMIT, wiops })
        const later = Array.from({ length: 5 * wiops }, () => submit(w, group, 'write', 512))
        for (let set = 0; w.driver.now() < 4 * SECOND; set++) {
          w.io.setMax(DISK, group, { ...NO_LIMIT, wiops: wiops * (1 + (set % 2) * change) })
          w.until(w.driver.now() + gap)
        }
        assert.ok(bios.every(bio => bio.state === 'ended'))
        const gone = later.filter(bio => bio.state === 'ended').length
        assert.ok(gone >= 3.6 * wiops - 2, `${gone} of ${4 * wiops}`)
        assert.ok(gone <= 4.2 * wiops * (1 + change) + 1, `${gone} of ${4 * wiops}`)
      }),
      { numRuns: 24 },
    )
  })

  it('wakes for the first that may go, not for the last (IT3)', () => {
    const w = ioWorld()
    const [slow, quick] = [w.group(), w.group()]
    w.io.setMax(DISK, slow, { ...NO_LIMIT, rbps: 1000 })
    w.io.setMax(DISK, quick, { ...NO_LIMIT, rbps: 100_000 })
    const bios = [
      submit(w, slow, 'read', 5000),
      submit(w, quick, 'read', 20_000),
      submit(w, slow, 'read', 100),
    ]
    finish(w, bios)
    assert.ok(bios[1]!.queuedAt <= 200 * MS, `${bios[1]!.queuedAt}`)
    assert.ok(bios[0]!.queuedAt >= 4.8 * SECOND)
  })

  it('remembers while a group is idle what it has had before its limit was lowered (IT1)', () => {
    const w = ioWorld()
    const group = w.group()
    w.io.setMax(DISK, group, { ...NO_LIMIT, rbps: 1_000_000 })
    w.until(100 * SECOND)
    finish(w, [submit(w, group, 'read', 100_000)])
    w.io.setMax(DISK, group, { ...NO_LIMIT, rbps: 1000 })
    w.until(110 * SECOND)
    const small = submit(w, group, 'read', 1000)
    finish(w, [small])
    assert.ok(small.queuedAt >= 200 * SECOND, `${small.queuedAt}`)
  })

  it('saves nothing up while a group is idle: what it didn’t use is lost', () => {
    const w = ioWorld()
    const group = w.group()
    w.io.setMax(DISK, group, { ...NO_LIMIT, rbps: 100_000 })
    finish(w, [submit(w, group, 'read', 4096)])
    w.until(60 * SECOND)
    const large = submit(w, group, 'read', 1_000_000)
    finish(w, [large])
    assert.equal(large.queuedAt, 70 * SECOND)
  })
})
