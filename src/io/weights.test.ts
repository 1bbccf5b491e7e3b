/** io.weight in the I/O scheduler: who goes next, whose share grows when others want nothing, and who has no credit. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type GroupId, hang } from '../base/index.ts'
import { ioWorld } from './world.suite.ts'

/** Groups with their weights on a disk that takes one bio at a time, and who was served in what order. */
function weighted(...weights: number[]) {
  const w = ioWorld({ held: true })
  w.io.configure('1:0', { nrRequests: 1, rotational: false })
  const groups = weights.map(weight => {
    const group = w.group()
    w.io.setWeight('1:0', group, weight)
    return group
  })
  const served: GroupId[] = []
  hang(w.io, 'onEnd', bio => served.push(bio.group))
  let index = 0
  const want = (group: GroupId, count: number) => {
    for (let bio = 0; bio < count; bio++)
      w.io.submit(w.plan({ group, index: index++, position: index * 4096 }))
  }
  const serve = (count: number) => {
    served.length = 0
    for (let bio = 0; bio < count && w.device.held.length > 0; bio++) {
      w.device.release(w.device.held[0]!)
      w.settle()
    }
    return groups.map(group => served.filter(each => each === group).length)
  }
  return { w, groups, want, serve }
}

/** Each count within one bio of what it should be (WT1). */
function near(counts: readonly number[], wanted: readonly number[]): void {
  for (const [at, count] of counts.entries())
    assert.ok(Math.abs(count - wanted[at]!) <= 1, `${counts} is ${wanted}, to one bio each`)
}

describe('io.weight', () => {
  it('shares a disk that all want more of, 1 : 3 : 6 (WT1)', () => {
    const { groups, want, serve } = weighted(100, 300, 600)
    for (const group of groups) want(group, 200)
    near(serve(100), [10, 30, 60])
  })

  it('gives what one doesn’t want to the others at once (WT1)', () => {
    const { groups, want, serve } = weighted(100, 300, 600)
    want(groups[0]!, 200)
    want(groups[1]!, 200)
    near(serve(100), [25, 75, 0])
    want(groups[2]!, 200)
    near(serve(100), [10, 30, 60])
  })

  it('gives no credit to one that was away (WT2)', () => {
    const { groups, want, serve } = weighted(100, 100)
    want(groups[0]!, 300)
    serve(100)
    want(groups[1]!, 200)
    near(serve(40), [20, 20])
  })

  it('shares within a parent what the parent has', () => {
    const { w, groups, want, serve } = weighted(100, 300)
    const child = w.group(groups[1]!)
    want(groups[0]!, 200)
    want(child, 200)
    near(serve(100), [25, 0])
  })

  it('is 100 where nothing was said, by the disk and for disks to come', () => {
    const { w, groups } = weighted(300)
    const other = w.group()
    assert.deepEqual([w.io.weight('1:0', groups[0]!), w.io.weight('1:0', other)], [300, 100])
    w.io.setWeight('1:0', groups[0]!, 100)
    assert.equal(w.io.weight('1:0', groups[0]!), 100)
  })
})
