/** Refaults: how far away a page was, and what is forgotten. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Workingset } from './workingset.ts'

describe('the working set', () => {
  it('says how many pages came and went since a page was evicted', () => {
    const set = new Workingset(1024)
    set.evicted(1, 7)
    assert.equal(set.refaultDistance(1, 7), 0)
    set.evicted(1, 7)
    for (let index = 100; index < 105; index++) set.activated()
    set.evicted(2, 9)
    assert.equal(set.refaultDistance(1, 7), 6)
    assert.equal(set.refaultDistance(2, 9), 0)
  })

  it('knows nothing of a page that was never evicted, nor of one that came back', () => {
    const set = new Workingset(1024)
    assert.equal(set.refaultDistance(1, 7), Infinity)
    set.evicted(1, 7)
    assert.equal(set.refaultDistance(1, 8), Infinity, 'another page of the file')
    assert.equal(set.refaultDistance(2, 7), Infinity, 'the same page of another file')
    assert.equal(set.refaultDistance(1, 7), 0)
    assert.equal(set.refaultDistance(1, 7), Infinity, 'it is in memory')
  })

  it('forgets the older of two that share a slot, and takes neither for the other', () => {
    const set = new Workingset(1)
    set.evicted(1, 7)
    set.evicted(1, 8)
    assert.equal(set.refaultDistance(1, 7), Infinity)
    assert.equal(set.refaultDistance(1, 8), 0)
  })

  it('counts on where its age runs over 16 bits', () => {
    const set = new Workingset(64)
    for (let page = 0; page < 0xfffe; page++) set.activated()
    set.evicted(1, 7)
    for (let page = 0; page < 9; page++) set.activated()
    assert.equal(set.refaultDistance(1, 7), 9)
  })
})
