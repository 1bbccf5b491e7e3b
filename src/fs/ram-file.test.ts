/** Files that exist in memory only. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GroupTree, ROOT } from '../base/index.ts'
import { newReadState, newVmFault, type PageRequest } from '../memmap/index.ts'
import { Frames, Ledger, Memory } from '../memory/index.ts'
import { done } from '../sched/index.ts'
import { RamFile } from './index.ts'

const PAGE = 4096

test('it may be stored to', () => {
  const frames = new Frames(new ArrayBuffer(2 * PAGE), 2, PAGE)
  assert.equal(
    new RamFile(new Memory(frames, new Ledger(new GroupTree())), 1, 'memory', PAGE).readOnly,
    false,
  )
})

test('a page is zero when it is made, whatever its frame held before, and stays that page (RF1)', () => {
  const frames = new Frames(new ArrayBuffer(3 * PAGE), 3, PAGE)
  const memory = new Memory(frames, new Ledger(new GroupTree()))
  for (const frame of [1, 2]) frames.bytes(frame).fill(9)
  const file = new RamFile(memory, 1, 'shared memory', 2 * PAGE)
  const touch = (index: number) => {
    const fault = newVmFault(index, 'store', ROOT, 0)
    const request: PageRequest = { index, fault, read: newReadState('normal'), fileEnd: 0, wanted: 0 }
    assert.equal(file.fault(request), done)
    return fault.frame
  }
  const first = touch(0)
  assert.ok(frames.bytes(first).every(byte => byte === 0))
  frames.bytes(first).fill(7)
  assert.equal(touch(0), first)
  assert.ok(frames.bytes(first).every(byte => byte === 7))
  assert.notEqual(touch(1), first)
})
