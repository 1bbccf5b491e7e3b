/**
 * Who is told what when several wait for one page, and what a fault says of its lock: cases 11 to 13 and 15 of the list
 * of nasty cases. (Case 14, killed at every wait, is kill.test.ts.)
 *
 * Where Linux loses an error it met without its lock, and does the I/O again to find it, ours carries it.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { errno } from '../base/index.ts'
import { PAGE, World } from '../engine/world.suite.ts'
import {
  FAULT_FLAG_RETRY_NOWAIT,
  newVmFault,
  VM_FAULT_COMPLETED,
  VM_FAULT_MAJOR,
  VM_FAULT_RETRY,
  VM_FAULT_SIGBUS,
  vmFaultResult,
} from '../memmap/index.ts'
import { READAHEAD } from '../memory/index.ts'
import { DISCIPLINES, faultArgs } from './index.ts'

for (const discipline of DISCIPLINES) {
  const under = `, under ${discipline.name}`

  /** Two spaces that want page 2 of one file: the first reads it, the second waits for the first's read. */
  const together = () => {
    const world = new World({ discipline })
    const data = world.file('data', { pages: 4 })
    const [a, b] = [world.space('a'), world.space('b')]
    const [inA, inB] = [world.map(a, data) + 2, world.map(b, data) + 2]
    const first = world.fault(a, inA, 'load')
    const second = world.fault(b, inB, 'load')
    assert.equal(world.says(first), 'waits: read')
    assert.equal(world.says(second), 'waits: page lock')
    assert.deepEqual(world.held(data), ['read 2'])
    return { world, data, a, b, inA, inB, first, second }
  }

  test(`case 11: what if two faults want one page? It is read once, and both have it${under}`, () => {
    const { world, data, a, b, inA, inB, first, second } = together()
    world.complete(data)
    assert.equal(world.says(first), 'done')
    assert.equal(world.says(second), 'done')
    assert.equal(world.frame(a, inA), world.frame(b, inB))
    assert.deepEqual(world.held(data), [])
    assert.equal(a.stat.major, 1)
    assert.equal(b.stat.major, 0)
    world.finish()
  })

  test(`case 11: what if the read fails? The second reads once itself, and gets no error by proxy${under}`, () => {
    const { world, data, b, inB, first, second } = together()
    world.fail(data, errno.EIO)
    assert.equal(world.says(first), 'EIO')
    assert.equal(world.says(second), 'waits: read')
    assert.deepEqual(world.held(data), ['read 2'])
    world.complete(data)
    assert.equal(world.says(second), 'done')
    assert.equal(world.value(b, inB), 3)
    world.finish()
  })

  test(`case 11: what if its own read fails too? Then it is told, after two reads in all${under}`, () => {
    const { world, data, first, second } = together()
    world.fail(data, errno.EIO)
    world.fail(data, errno.EIO)
    assert.equal(world.says(first), 'EIO')
    assert.equal(world.says(second), 'EIO')
    assert.deepEqual(world.held(data), [])
    world.finish()
  })

  test(`case 11: what if the one who reads is killed? The other has the page all the same${under}`, () => {
    const { world, data, b, inB, first, second } = together()
    world.kill(first)
    assert.equal(world.says(second), 'waits: page lock')
    world.complete(data)
    assert.equal(world.says(second), 'done')
    assert.equal(world.value(b, inB), 3)
    world.finish()
  })

  test(`case 11: what if the page is cut off while both wait${under}`, () => {
    const { world, data, first, second } = together()
    const truncate = world.truncate(data, PAGE)
    world.complete(data, 'read')
    world.complete(data, 'resize')
    assert.equal(world.says(truncate), 'done')
    for (const task of [first, second]) assert.match(world.says(task), /^(done|ENXIO)$/)
    world.finish()
  })

  test(`case 12: what if a marked page finds nothing left to read ahead? Nobody waits, nothing restarts${under}`, () => {
    const world = new World({ discipline })
    const data = world.file('data', { pages: 4, holding: false })
    const a = world.space('a')
    const at = world.map(a, data, { advice: 'normal' })
    world.populate(a, at, at + 4, 'load')
    world.unmap(a, at, 4)
    data.device.holding = true
    const { frames } = world.engine.memory
    frames.raise(world.engine.cache.find(data.file.id, 1), READAHEAD)
    const again = world.map(a, data, { advice: 'normal' })
    const load = world.fault(a, again + 1, 'load')
    assert.equal(world.says(load), 'done')
    assert.equal(load.args.fault.retries, 0)
    assert.deepEqual(world.held(data), [])
    world.finish()
  })

  test(`case 12: what if populate meets pages that reclaim keeps taking? It still comes to its end${under}`, () => {
    const world = new World({ discipline, frames: 3 })
    const data = world.file('data', { pages: 12, holding: false })
    const a = world.space('a')
    const at = world.map(a, data, { advice: 'normal' })
    const populate = world.populate(a, at, at + 12, 'load')
    assert.equal(world.says(populate), 'done')
    assert.ok(a.stat.retries <= 4 * 12, `${a.stat.retries} retries for 12 pages`)
    world.finish()
  })

  test(`case 13: what if the read fails while no lock is held? The error is carried, not found again${under}`, () => {
    const world = new World({ discipline })
    const data = world.file('data', { pages: 4 })
    const a = world.space('a')
    const at = world.map(a, data)
    const load = world.fault(a, at + 2, 'load')
    world.fail(data, errno.EIO)
    assert.equal(world.says(load), 'EIO')
    assert.deepEqual(world.held(data), [])
    assert.equal(vmFaultResult(load.args.fault, errno.EIO) & VM_FAULT_SIGBUS, VM_FAULT_SIGBUS)
    assert.equal(a.stat.rereads, 0)
    const again = world.fault(a, at + 2, 'load')
    world.complete(data)
    assert.equal(world.says(again), 'done', 'the next fault begins anew')
    world.finish()
  })

  test(`case 13: what if the page means another file by then? The error isn't told${under}`, () => {
    const world = new World({ discipline })
    const data = world.file('data', { pages: 4 })
    const other = world.file('other', { pages: 8, holding: false })
    const a = world.space('a')
    const at = world.map(a, data)
    const load = world.fault(a, at + 2, 'load')
    const change = world.mapping(a, other, { fixed: at + 2, offset: 6, pages: 1 })
    world.fail(data, errno.EIO)
    assert.equal(world.says(change), 'done')
    assert.equal(world.says(load), discipline.read === 'keep' ? 'EIO' : 'done')
    if (discipline.read !== 'keep') assert.equal(world.value(a, at + 2), 7)
    world.finish()
  })

  test(`case 13: what if memory runs out for a fault that has waited? ENOMEM is told, the rest goes on${under}`, () => {
    const world = new World({ discipline })
    const a = world.space('a', world.group({ max: 2 }))
    const at = world.map(a, undefined, { pages: 4 })
    world.populate(a, at, at + 2, 'store')
    assert.equal(world.says(world.fault(a, at + 2, 'store')), 'ENOMEM')
    assert.equal(world.engine.memory.ledger.events(a.group).oom, 1)
    world.unmap(a, at, 1)
    assert.equal(world.says(world.fault(a, at + 2, 'store')), 'done')
    world.finish()
  })

  test(`case 15: what a fault says of its lock is what became of it${under}`, () => {
    const world = new World({ discipline })
    const data = world.file('data', { pages: 4 })
    const a = world.space('a')
    const at = world.map(a, data)
    const load = world.fault(a, at + 2, 'load')
    const { fault } = load.args
    const keeps = discipline.read === 'keep'
    assert.equal(fault.retry, true)
    assert.equal(fault.lockReleased, !keeps)
    assert.equal(load.held.length, keeps ? 1 : 0)
    assert.notEqual(vmFaultResult(fault, 0) & VM_FAULT_RETRY, 0)
    world.complete(data)
    assert.equal(fault.retry, false)
    const result = vmFaultResult(fault, load.errno)
    assert.equal(result & VM_FAULT_RETRY, 0)
    assert.equal((result & VM_FAULT_COMPLETED) !== 0, !keeps)
    assert.notEqual(result & VM_FAULT_MAJOR, 0)
    world.finish()
  })

  test(`case 15: what if a fault may not wait at all? It says so, and holds nothing${under}`, () => {
    const world = new World({ discipline })
    const data = world.file('data', { pages: 4 })
    const a = world.space('a')
    const at = world.map(a, data)
    const fault = newVmFault(at + 2, 'load', a.group, 0)
    fault.flags |= FAULT_FLAG_RETRY_NOWAIT
    const load = world.spawn(world.engine.verbs.fault, faultArgs(a, fault, 'go on'))
    assert.equal(world.says(load), 'EAGAIN')
    assert.equal(fault.retry, true)
    assert.equal(world.says(world.unmap(a, at, 4)), 'done')
    world.finish()
  })
}
