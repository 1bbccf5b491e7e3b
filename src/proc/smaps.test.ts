/** What smaps counts, page by page: each kind of page moves its own counters and no other. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { World } from '../engine/world.suite.ts'
import { PROT_READ, type Space } from '../mm/index.ts'
import { status } from './status.ts'

/** The rows of one VMA of smaps that aren't 0, in kB, by name; without its size. */
function smaps(world: World, space: Space, vma = 0): Record<string, number> {
  const read = world.proc(space, 'smaps')
  assert.equal(world.says(read), 'done')
  const block = read.args.text.split(/^(?=[0-9a-f]+-)/m)[vma]!
  const rows = [...block.matchAll(/^(\w+): +(\d+) kB$/gm)].map(
    ([, name, size]) => [name!, Number(size)] as const,
  )
  assert.equal(rows.length, 13, 'each row is there')
  return Object.fromEntries(rows.filter(([name, size]) => name !== 'Size' && size !== 0))
}

describe('smaps', () => {
  test('has nothing for a page never touched, and nothing for the page of zeros', () => {
    const world = new World()
    const a = world.space('a')
    const at = world.map(a, undefined, { pages: 3 })
    assert.deepEqual(smaps(world, a), {})
    world.fault(a, at, 'load')
    assert.equal(world.value(a, at), 0)
    assert.deepEqual(smaps(world, a), {})
    world.finish()
  })

  test('counts anonymous pages as private, dirty and anonymous', () => {
    const world = new World()
    const a = world.space('a')
    const at = world.map(a, undefined, { pages: 3 })
    for (const page of [0, 2]) world.fault(a, at + page, 'store')
    assert.deepEqual(smaps(world, a), {
      Rss: 8,
      Pss: 8,
      Pss_Dirty: 8,
      Private_Dirty: 8,
      Referenced: 8,
      Anonymous: 8,
    })
    world.finish()
  })

  test('shares anonymous pages after a fork, by halves', () => {
    const world = new World()
    const a = world.space('a')
    const at = world.map(a, undefined, { pages: 3 })
    for (const page of [0, 1, 2]) world.fault(a, at + page, 'store')
    const child = world.fork(a).args.child!
    for (const space of [a, child])
      assert.deepEqual(smaps(world, space), {
        Rss: 12,
        Pss: 6,
        Pss_Dirty: 6,
        Shared_Dirty: 12,
        Referenced: 12,
        Anonymous: 12,
      })
    world.finish()
  })

  test('counts pages of a file as clean until they are stored to, and as shared by who maps them', () => {
    const world = new World()
    const data = world.file('data', { pages: 4, holding: false })
    const a = world.space('a')
    const at = world.map(a, data)
    for (const page of [0, 1]) world.fault(a, at + page, 'load')
    assert.deepEqual(smaps(world, a), { Rss: 8, Pss: 8, Private_Clean: 8, Referenced: 8 })
    world.fault(a, at, 'store')
    assert.deepEqual(smaps(world, a), {
      Rss: 8,
      Pss: 8,
      Pss_Dirty: 4,
      Private_Clean: 4,
      Private_Dirty: 4,
      Referenced: 8,
    })
    const b = world.space('b')
    const there = world.map(b, data)
    world.fault(b, there + 1, 'load')
    assert.deepEqual(smaps(world, a), {
      Rss: 8,
      Pss: 6,
      Pss_Dirty: 4,
      Shared_Clean: 4,
      Private_Dirty: 4,
      Referenced: 8,
    })
    world.finish()
  })

  test('counts what is in swap apart, and what may be dropped as lazily free and clean', () => {
    const world = new World({ swap: 8 })
    world.letGo({ device: world.swap! })
    world.swap!.holding = false
    const a = world.space('a')
    const at = world.map(a, undefined, { pages: 4 })
    for (const page of [0, 1, 2]) world.fault(a, at + page, 'store')
    world.advise(a, at, 1, 'pageout')
    world.settle()
    assert.deepEqual(smaps(world, a).Swap, 4)
    assert.deepEqual(smaps(world, a).Rss, 8)
    world.advise(a, at + 1, 1, 'free')
    const rows = smaps(world, a)
    assert.deepEqual([rows['LazyFree'], rows['Private_Clean'], rows['Private_Dirty']], [4, 4, 4])
    assert.deepEqual([rows['Anonymous'], rows['Pss_Dirty'], rows['Referenced']], [8, 4, 4])
    world.finish()
  })

  test('says what is locked, and in words what a VMA is', () => {
    const world = new World()
    const data = world.file('data', { pages: 2, holding: false })
    const a = world.space('a')
    const at = world.map(a, data, { advice: 'sequential' })
    world.lock(a, at, 2, 'locked')
    world.populate(a, at, at + 2, 'load')
    assert.equal(smaps(world, a)['Locked'], 8)
    assert.match(world.proc(a, 'smaps').args.text, /^VmFlags: rd wr sh lo sr $/m)
    world.finish()
  })
})

test('maps has where in its file a mapping begins, in bytes, and 0 for memory', () => {
  const world = new World()
  const data = world.file('data', { pages: 4, holding: false })
  const a = world.space('a')
  world.map(a, data, { offset: 3, prot: PROT_READ, fixed: 16 })
  world.map(a, undefined, { pages: 1, fixed: 20 })
  const [file, memory] = world.proc(a, 'maps').args.text.split('\n')
  assert.match(file!, new RegExp(`^00010000-00011000 r--s 00003000 00:00 ${data.file.id} +data$`))
  assert.equal(memory, '00014000-00015000 rw-p 00000000 00:00 0 ')
})

test('the state of a space is that of its tasks: S without any, D where one waits, R where one is ready, Z at its exit', () => {
  const world = new World()
  const data = world.file('data', { pages: 2 })
  const other = world.file('other', { pages: 2 })
  const [a, b] = [world.space('a'), world.space('b')]
  const at = world.map(a, data)
  const there = world.map(b, other)
  const state = (space: Space) => status(world.engine.mm, space).state
  assert.deepEqual([state(a), state(b)], ['S', 'S'])
  world.fault(b, there, 'load')
  const load = world.fault(a, at, 'load')
  assert.equal(world.says(load), 'waits: read')
  assert.deepEqual([state(a), state(b)], ['D', 'D'])
  world.complete(other)
  assert.deepEqual([state(a), state(b)], ['D', 'S'])
  world.faulting(a, at + 1, 'load')
  assert.deepEqual([state(a), state(b)], ['R', 'S'])
  world.letGo(data)
  assert.equal(state(a), 'S')
  world.finish()
})
