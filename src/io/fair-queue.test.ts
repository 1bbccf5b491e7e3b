/** Turns at one stage: who is offered next, by turn and by time, and whom a refusal shuts out. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type GroupId, GroupTree, ROOT } from '../base/index.ts'
import type { Bio } from './bio.ts'
import { FairQueue, FULL, type Offer, TAKEN } from './fair-queue.ts'

function queued() {
  const tree = new GroupTree()
  const [a, b] = [tree.create(ROOT), tree.create(ROOT)]
  const below = tree.create(b)
  const queue = new FairQueue(tree, 'queued')
  const push = (group: GroupId, count: number) => {
    for (let index = 0; index < count; index++)
      queue.push({ state: 'queued', group, index } as unknown as Bio, group)
  }
  const taken: GroupId[] = []
  /** Takes what it is offered, but for groups that are refused, and no more than `most` in all. */
  const take =
    (most = Infinity, refused: readonly GroupId[] = [], level = (group: GroupId) => group): Offer =>
    (bio, group) => {
      if (taken.length >= most) return FULL
      if (refused.includes(group)) return level(group)
      bio.state = 'issued'
      taken.push(group)
      return TAKEN
    }
  return { a, b, below, queue, push, taken, take }
}

describe('a fair queue by turns', () => {
  it('takes one of each group in turn, and is empty in the end (FQ1, FQ3)', () => {
    const { a, b, queue, push, taken, take } = queued()
    push(a, 3)
    push(b, 2)
    queue.serve(take())
    assert.deepEqual(taken, [a, b, a, b, a])
    assert.ok(queue.empty)
    assert.deepEqual(queue.bios(), [])
  })

  it('shuts the level that refused to everyone below it, for the round', () => {
    const { a, b, below, queue, push, taken, take } = queued()
    push(b, 1)
    push(below, 1)
    push(a, 2)
    queue.serve(take(Infinity, [b], () => b))
    assert.deepEqual(taken, [a, a], 'the group below the one that refused has no turn')
    queue.serve(take())
    assert.deepEqual(taken, [a, a, b, below], 'and both keep theirs for the next')
  })
})

describe('a fair queue by time', () => {
  it('goes on with the group that is furthest behind, whoever’s turn it is', () => {
    const { a, b, queue, push, taken, take } = queued()
    push(a, 4)
    push(b, 4)
    const times = new Map([
      [a, 5],
      [b, 0],
    ])
    const offer = take()
    queue.serveInOrder(
      group => times.get(group)!,
      (bio, group) => {
        times.set(group, times.get(group)! + 2)
        return offer(bio, group)
      },
    )
    assert.deepEqual(taken, [b, b, b, a, b, a, a, a])
    assert.ok(queue.empty)
  })

  it('passes over a level that refused and whoever is below it, and goes on with the rest', () => {
    const { a, b, below, queue, push, taken, take } = queued()
    push(b, 2)
    push(below, 2)
    push(a, 2)
    const times = new Map([
      [b, 0],
      [below, 1],
      [a, 9],
    ])
    queue.serveInOrder(
      group => times.get(group)!,
      take(Infinity, [b], () => b),
    )
    assert.deepEqual(taken, [a, a])
    queue.serveInOrder(group => times.get(group)!, take())
    assert.deepEqual(taken, [a, a, b, b, below, below])
  })

  it('ends the round when nobody’s may go', () => {
    const { a, b, queue, push, taken, take } = queued()
    push(a, 2)
    push(b, 2)
    queue.serveInOrder(() => 0, take(3))
    assert.equal(taken.length, 3)
    assert.equal(queue.bios().length, 1)
    assert.ok(!queue.empty)
  })
})
