/** Files whose mappings are the device's blocks, and copy-on-write in pageMkwrite by restarting the fault (cases 23 to 28). */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { errno } from '../base/index.ts'
import { DISCIPLINES, type Discipline } from '../mm/index.ts'
import { ok, PAGE, VolumeWorld, type VolumeWorldOptions } from './volume-world.suite.ts'

/** /a of four pages and its clone /b, both open for DAX and mapped in a space of their own. */
function shared(options: VolumeWorldOptions & { readonly durable?: boolean } = {}) {
  const at = new VolumeWorld({ blocks: 32, ...options, dax: true })
  at.close(at.create('/a', 4))
  ok(at.volume.create('/b', 'file'))
  const a = at.openDax('/a', options)
  const b = at.openDax('/b', options)
  assert.equal(at.world.says(at.remap('clone', a, b)), 'done')
  at.commit()
  const one = at.world.space('one')
  const two = at.world.space('two')
  const [atA, atB] = [at.world.map(one, a.open), at.world.map(two, b.open)]
  return { at, world: at.world, a, b, one, two, atA, atB }
}

describe('a DAX mapping', () => {
  it('is the device’s own blocks: two files that share one map the same frame', () => {
    const { world, one, two, atA, atB, at } = shared()
    world.fault(one, atA + 1, 'load')
    world.fault(two, atB + 1, 'load')
    assert.equal(world.frame(one, atA + 1), world.frame(two, atB + 1))
    assert.equal(world.value(one, atA + 1), 2)
    assert.equal(world.engine.cache.find(1, 1), 0)
    at.recount()
  })

  it('a store to a shared block restarts the fault onto a copy; mappers of the other file keep the old one (case 23)', () => {
    const { at, world, a, one, two, atA, atB } = shared()
    const three = world.space('three')
    const again = world.map(three, a.open)
    for (const [space, vpn] of [
      [one, atA],
      [two, atB],
      [three, again],
    ] as const)
      world.fault(space, vpn, 'load')
    const before = world.frame(one, atA)
    at.device.holding = true
    const store = world.fault(one, atA, 'store')
    assert.equal(world.says(store), 'waits: copy')
    assert.deepEqual([store.held.length, world.rights(one, atA), world.rights(three, again)], [0, 'r', 'r'])
    const { stash } = store
    at.device.releaseAll()
    world.settle()
    assert.equal(world.says(store), 'done')
    assert.equal(world.frame(one, atA), stash, 'the stash is the new block, and is what is mapped')
    assert.notEqual(stash, before)
    assert.equal(world.frame(two, atB), before)
    assert.equal(world.rights(three, again), '', 'other mappers of the file fault again')
    world.store(one, atA, 50)
    world.fault(three, again, 'load')
    assert.deepEqual([world.value(three, again), world.value(two, atB)], [50, 1])
    if (at.isLate) assert.ok(store.args.fault.retries > 1, 'records are waited for too')
    else assert.equal(store.args.fault.retries, 1)
    at.commit()
    at.recount()
  })

  it('what if two stores race? One copies, and the loser maps what it made (case 24)', () => {
    const { at, world, a, one, atA } = shared()
    const three = world.space('three')
    const again = world.map(three, a.open)
    at.device.holding = true
    const first = world.fault(one, atA, 'store')
    const second = world.fault(three, again, 'store')
    assert.deepEqual(at.world.held(at), ['read 1'])
    at.device.releaseAll()
    world.settle()
    assert.deepEqual([world.says(first), world.says(second)], ['done', 'done'])
    assert.equal(world.frame(one, atA), world.frame(three, again))
    world.store(one, atA, 60)
    assert.equal(world.value(three, again), 60)
    at.recount()
  })

  it('what if a load comes while the block is copied? It maps the old one, and loses it with the rest (case 25)', () => {
    const { at, world, one, two, atA, atB } = shared()
    at.device.holding = true
    const store = world.fault(one, atA, 'store')
    assert.equal(world.says(world.fault(one, atA, 'load')), 'done')
    const old = world.frame(one, atA)
    at.device.releaseAll()
    world.settle()
    assert.equal(world.says(store), 'done')
    assert.notEqual(world.frame(one, atA), old)
    assert.equal(world.rights(two, atB), '')
    at.recount()
  })

  it('what if the copy fails? The old block stands, the store fails, nothing leaks (case 27)', () => {
    const { at, world, one, atA } = shared()
    world.fault(one, atA, 'load')
    const before = at.volume.usage
    at.device.holding = true
    const store = world.fault(one, atA, 'store')
    at.device.fail(at.device.held[0]!)
    world.settle()
    assert.equal(world.says(store), 'EIO')
    assert.deepEqual([world.rights(one, atA), world.value(one, atA)], ['r', 1])
    assert.deepEqual(at.volume.usage, before)
    at.device.releaseAll()
    assert.equal(world.says(world.fault(one, atA, 'store')), 'done')
    at.recount()
  })

  it('what if no block is left? The store fails with ENOSPC, and both files stay', () => {
    const { at, world, one, two, atA, atB } = shared({ blocks: 7 })
    for (const page of [0, 1]) assert.equal(world.says(world.fault(one, atA + page, 'store')), 'done')
    assert.equal(at.volume.usage.free, 0)
    assert.equal(world.says(world.fault(one, atA + 2, 'store')), 'ENOSPC')
    assert.equal(world.says(world.fault(two, atB + 2, 'load')), 'done')
    assert.equal(world.value(two, atB + 2), 3)
    at.recount()
  })

  it('a store to a hole gets a zeroed block; until then all map the zero page', () => {
    const { at, world, b, two, atB } = shared()
    assert.equal(world.says(at.change({ how: 'punch', file: b.dax, position: 0, length: PAGE })), 'done')
    world.fault(two, atB, 'load')
    assert.deepEqual([world.frame(two, atB), world.value(two, atB)], [0, 0])
    assert.equal(world.says(world.fault(two, atB, 'store')), 'done')
    assert.deepEqual([world.rights(two, atB), world.value(two, atB)], ['rw', 0])
    at.recount()
  })

  it('what if its owner of old comes back after a crash? A block isn’t stored to before its parting is durable (DX1)', () => {
    const { at, world, a, one, atA } = shared()
    world.fault(one, atA, 'store')
    world.store(one, atA, 70)
    ok(at.volume.create('/c', 'file'))
    const c = at.openDax('/c')
    at.remap('clone', a, c)
    at.commit()
    at.change({ how: 'resize', file: a.dax, size: 0 })
    const three = world.space('three')
    const atC = world.map(three, c.open)
    at.store.holding = true
    const store = world.fault(three, atC, 'store')
    assert.equal(
      world.says(store),
      'waits: reserve',
      '/c alone has the block, but a crash would bring /a back',
    )
    assert.deepEqual(at.durable('/a'), [70, 2, 3, 4])
    at.store.holding = false
    at.store.release()
    world.settle()
    assert.equal(world.says(store), 'done')
    world.store(three, atC, 71)
    assert.deepEqual(at.durable('/a'), [])
    assert.deepEqual(at.durable('/c'), [71, 2, 3, 4])
  })

  it('what is stored is there after a crash, if the file was opened to be durable (MAP_SYNC, gen-470)', () => {
    const { at, world, one, atA } = shared({ durable: true })
    at.store.holding = true
    const store = world.fault(one, atA, 'store')
    assert.equal(world.says(store), 'waits: reserve', 'the copy is made, and isn’t durable')
    assert.equal(world.rights(one, atA), '')
    at.store.holding = false
    at.store.release()
    world.settle()
    assert.equal(world.says(store), 'done')
    world.store(one, atA, 80)
    assert.deepEqual(at.durable('/a'), [80, 2, 3, 4])
    assert.deepEqual(at.durable('/b'), [1, 2, 3, 4])
  })

  it('a clone takes the right to store away, and the next store copies (case 26)', () => {
    const { at, world, a, one, atA } = shared()
    world.fault(one, atA, 'store')
    world.store(one, atA, 90)
    ok(at.volume.create('/c', 'file'))
    const c = at.openDax('/c')
    assert.equal(world.says(at.remap('clone', a, c)), 'done')
    assert.equal(world.rights(one, atA), '')
    world.fault(one, atA, 'store')
    world.store(one, atA, 91)
    const three = world.space('three')
    const atC = world.map(three, c.open)
    world.fault(three, atC, 'load')
    assert.equal(world.value(three, atC), 90)
    at.recount()
  })

  it('what if it is truncated while a block is copied? The truncation waits for the copy, and the store gets ENXIO', () => {
    const { at, world, a, one, atA } = shared()
    at.device.holding = true
    const store = world.fault(one, atA + 3, 'store')
    const truncation = at.change({ how: 'resize', file: a.dax, size: PAGE })
    assert.equal(world.says(truncation), 'waits: copy')
    at.device.releaseAll()
    world.settle()
    assert.deepEqual([world.says(truncation), world.says(store)], ['done', 'ENXIO'])
    at.commit()
    at.recount()
  })

  it('what is stored behind the end of the file doesn’t show when it grows (case 4)', () => {
    const { at, world, a, one, atA } = shared()
    at.change({ how: 'resize', file: a.dax, size: 10 })
    world.fault(one, atA, 'store')
    at.commit()
    assert.equal(world.says(world.fault(one, atA, 'store')), 'done')
    world.store(one, atA, 99, 20)
    at.change({ how: 'resize', file: a.dax, size: PAGE })
    world.fault(one, atA, 'load')
    assert.deepEqual([world.value(one, atA, 9), world.value(one, atA, 20)], [1, 0])
    at.recount()
  })

  it('what if the one who stores is killed? The copy is made all the same, and nothing leaks', () => {
    const { at, world, one, atA } = shared()
    at.device.holding = true
    const store = world.fault(one, atA, 'store')
    world.kill(store)
    at.device.releaseAll()
    world.settle()
    world.finish()
    at.commit()
    at.recount()
  })

  it('damage of a checksummed block is found when it is mapped', () => {
    const { at, world, a, one, atA } = shared()
    const part = a.dax.node.extents.at(0)!
    at.poke(part.value * PAGE + 5, new Uint8Array([77]))
    assert.equal(world.says(world.fault(one, atA, 'load')), 'EUCLEAN')
    assert.match(at.volume.damage[0]!, /^\/a, page 0: block \d+ doesn't match its checksum$/)
  })

  it('keeps the blocks of a file without a name until its last opening is closed', () => {
    const at = new VolumeWorld({ dax: true })
    const { free } = at.volume.usage
    at.close(at.create('/a', 3))
    const [one, two] = [at.openDax('/a'), at.openDax('/a')]
    ok(at.volume.unlink('/a'))
    ok(at.volume.closeDax(one.dax))
    at.commit()
    assert.deepEqual([...at.daxBytes(two, 2 * PAGE, 1)], [3])
    ok(at.volume.closeDax(two.dax))
    at.commit()
    at.commit()
    assert.equal(at.volume.usage.free, free)
    at.recount()
  })

  it('is of a file that isn’t in the cache at the same time', () => {
    const { at } = shared()
    assert.equal(at.volume.open('/a').errno, errno.EBUSY)
    const c = at.create('/c', 1)
    assert.equal(at.volume.openDax('/c', { durable: false }).errno, errno.EBUSY)
    at.close(c)
    assert.equal(at.volume.openDax('/c', { durable: false }).errno, 0)
    const cached = new VolumeWorld()
    cached.close(cached.create('/a', 1))
    assert.equal(cached.volume.openDax('/a', { durable: false }).errno, errno.EINVAL)
  })
})

describe('a block that is never copied', () => {
  // Where readers go by VMA locks, or a fork passes what it doesn't copy by, nobody is behind the store.
  const mayStall = ({ prepare, readers, fork }: Discipline) =>
    prepare !== 'drop' && readers === 'mmap' && fork === 'all'
  for (const discipline of DISCIPLINES)
    it(`stalls a reader of /proc behind a fork under ${discipline.name}: ${mayStall(discipline) ? 'where the lock is kept' : 'never'}`, () => {
      const { at, world, one, atA } = shared({ discipline })
      at.device.holding = true
      const store = world.fault(one, atA, 'store')
      assert.equal(world.says(store), 'waits: copy')
      const fork = world.fork(one)
      const reader = world.proc(one, 'cmdline')
      const stalls = store.held.length > 0 && mayStall(discipline)
      assert.equal(world.says(reader) === 'done', !stalls)
      if (discipline.name === 'restart') assert.equal(stalls, false)
      at.device.releaseAll()
      world.settle()
      for (const task of [store, fork, reader]) assert.equal(world.says(task), 'done')
      at.recount()
    })
})
