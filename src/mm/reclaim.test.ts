/** Reclaim: what it finds, what it leaves alone, and when it gives up. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MS } from '../base/index.ts'
import { PAGE, World } from '../engine/world.suite.ts'
import { mayWaitForMemory, newVmFault } from '../memmap/index.ts'
import { reclaimAboveHigh } from './reclaim.ts'

test('what if memory is full of pages that were all used since anybody looked? Some are taken all the same (RC3)', () => {
  const world = new World({ frames: 3000, checked: false })
  const data = world.file('data', { pages: 3200, holding: false })
  const a = world.space('a')
  const at = world.map(a, data)
  for (let page = 0; page < 3200; page++) {
    const load = world.fault(a, at + page, 'load')
    if (world.says(load) !== 'done') assert.fail(`page ${page}: ${world.says(load)}`)
  }
  assert.equal(world.value(a, at + 3199), 3200 & 0xff)
  world.finish()
})

test('what if they were mapped by fault-around, and never asked for one by one?', () => {
  const world = new World({ frames: 3000, checked: false })
  const data = world.file('data', { pages: 3200, holding: false })
  const a = world.space('a')
  const at = world.map(a, data, { advice: 'normal' })
  for (let page = 0; page < 3200; page++)
    if (world.value(a, at + page) === undefined) {
      const load = world.fault(a, at + page, 'load')
      if (world.says(load) !== 'done') assert.fail(`page ${page}: ${world.says(load)}`)
    }
  world.finish()
})

test('what if every page is locked in memory? The next one gets ENOMEM, and memory is as it was', () => {
  const world = new World({ frames: 8 })
  const data = world.file('data', { pages: 12, holding: false })
  const a = world.space('a')
  const at = world.map(a, data)
  world.lock(a, at, 8, 'locked')
  world.populate(a, at, at + 8, 'load')
  assert.equal(world.says(world.fault(a, at + 8, 'load')), 'ENOMEM')
  assert.equal(a.resident, 8)
  world.lock(a, at, 8, 'unlocked')
  assert.equal(world.says(world.fault(a, at + 8, 'load')), 'done')
  world.finish()
})

test('a use through a mapping that is read in order does not keep a page; one through another mapping does', () => {
  for (const [advice, kept] of [
    ['normal', true],
    ['sequential', false],
    ['random', false],
  ] as const) {
    const world = new World({ frames: 64 })
    const [old, fresh] = [
      world.file('old', { pages: 8, holding: false }),
      world.file('fresh', { pages: 128, holding: false }),
    ]
    const a = world.space('a')
    const at = world.map(a, old, { advice })
    const other = world.map(a, fresh, { advice: 'random' })
    world.populate(a, at, at + 8, 'load')
    world.populate(a, other, other + 56, 'load')
    // The first reclaim meets the pages of `old` first.
    assert.equal(world.says(world.fault(a, other + 56, 'load')), 'done')
    for (let page = 0; page < 8; page++)
      assert.equal(world.engine.cache.find(old.file.id, page) !== 0, kept, `${advice}: page ${page}`)
    world.finish()
  }
})

test('one call looks at each page once, and where it found nothing no other looks again (RC4, RC5)', () => {
  const world = new World({ frames: 64, checked: false })
  const group = world.group({ max: 24 })
  const data = world.file('data', { pages: 64, holding: false })
  const a = world.space('a', group)
  const at = world.map(a, data)
  const kept = Array.from({ length: 24 }, (_, page) => {
    world.fault(a, at + page, 'load')
    const frame = world.frame(a, at + page)
    world.engine.memory.pin(frame)
    return frame
  })
  const { ledger } = world.engine.memory
  const before = ledger.stat(group).scan
  for (let page = 24; page < 64; page++) assert.equal(world.says(world.fault(a, at + page, 'load')), 'ENOMEM')
  const looks = ledger.stat(group).scan - before
  assert.ok(looks <= 24, `${looks} looks at 24 pages`)
  assert.ok(ledger.events(group).oom >= 40)
  for (const frame of kept) world.engine.memory.unpin(frame)
  assert.equal(world.says(world.fault(a, at + 24, 'load')), 'done', 'it looks again when a pin has gone')
  world.finish()
})

test('many that want memory of a group whose pages are nearly all in flight look at few of them for each that is freed', () => {
  const world = new World({ frames: 256, checked: false })
  const group = world.group({ max: 40 })
  const data = world.file('data', { pages: 1024 })
  const memory = world.space('memory', group)
  const heap = world.map(memory, undefined, { pages: 32 })
  for (let page = 0; page < 32; page++)
    assert.equal(world.says(world.fault(memory, heap + page, 'store')), 'done')
  const spaces = Array.from({ length: 50 }, (_, at) => world.space(`reader ${at}`, group))
  const starts = spaces.map(space => world.map(space, data))
  const faults = spaces.map((space, at) => world.fault(space, starts[at]! + at, 'load'))
  const reads = spaces.map(() => 1)
  for (let ends = 0; ends < 400 && data.device.held.length > 0; ends++) {
    world.complete(data, 'read')
    for (const [at, fault] of faults.entries())
      if (fault.state === 'ended') {
        reads[at]!++
        const page = (at * 19 + reads[at]! * 7) % 1024
        faults[at] = world.fault(spaces[at]!, starts[at]! + page, 'load')
      }
  }
  const { scan, steal } = world.engine.memory.ledger.stat(group)
  assert.ok(steal > 300, `${steal} pages freed`)
  assert.ok(scan <= 20 * steal, `${scan} looks for ${steal} pages`)
})

test('a fault waits for memory sixteen times while nobody gets any, or half a second while others do', () => {
  const fault = newVmFault(1, 'load', 1, 0)
  for (let wait = 0; wait < 16; wait++) assert.ok(mayWaitForMemory(fault, 7, wait))
  assert.ok(!mayWaitForMemory(fault, 7, 16))
  const lucky = newVmFault(1, 'load', 1, 0)
  for (let wait = 0; wait <= 500; wait++) assert.ok(mayWaitForMemory(lucky, wait, wait * MS))
  assert.ok(!mayWaitForMemory(lucky, 501, 501 * MS))
})

test('what is far above memory.high comes down by sixteen batches of 32 pages at a time', () => {
  const world = new World({ frames: 3000, checked: false })
  const group = world.group()
  const data = world.file('data', { pages: 1000, holding: false })
  const a = world.space('a', group)
  const at = world.map(a, data)
  world.populate(a, at, at + 1000, 'load')
  const { mm, memory } = world.engine
  const before = memory.ledger.usage(group)
  memory.ledger.setLimits(group, { high: 10 })
  reclaimAboveHigh(mm, group)
  assert.equal(before - memory.ledger.usage(group), 16 * 32)
  world.finish()
})

test('what is read once passes by what was read twice, as long as that is less than half of memory', () => {
  const world = new World({ frames: 64, readAheadBytes: 4 * PAGE })
  const hot = world.file('hot', { pages: 16, holding: false })
  const stream = world.file('stream', { pages: 256, holding: false })
  for (const _ of [1, 2]) world.read(hot, 0, 16 * PAGE)
  for (let page = 0; page < 256; page++) world.read(stream, page * PAGE, PAGE)
  const cached = Array.from({ length: 16 }, (_, page) => world.engine.cache.find(hot.file.id, page) !== 0)
  assert.deepEqual(cached, new Array(16).fill(true))
  world.finish()
})

test('a group whose pages are all in flight waits for one of them, wherever it stands among the groups', () => {
  const world = new World({ frames: 64 })
  const groups = [world.group({ max: 4 }), world.group({ max: 4 })]
  const data = world.file('data', { pages: 10 })
  const loads = groups.flatMap((group, place) => {
    const space = world.space('a', group)
    const at = world.map(space, data, { offset: 5 * place, pages: 5 })
    return [0, 1, 2, 3, 4].map(page => world.fault(space, at + page, 'load'))
  })
  const waits = [...new Array(4).fill('waits: read'), 'waits: memory']
  assert.deepEqual(
    loads.map(load => world.says(load)),
    [...waits, ...waits],
  )
  world.letGo(data)
  assert.ok(loads.every(load => world.says(load) === 'done'))
  world.finish()
})
