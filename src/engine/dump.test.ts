/** What a machine says of itself while tasks hang in it. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { disciplineNamed } from '../mm/index.ts'
import { dump } from './index.ts'
import { World } from './world.suite.ts'

/** A load whose read never ends, a munmap behind it, and a reader of /proc behind that. */
function inversion(discipline: string) {
  const world = new World({ discipline: disciplineNamed(discipline)! })
  const data = world.file('data', { pages: 4 })
  const a = world.space('a')
  const at = world.map(a, data)
  world.fault(a, at, 'load')
  world.unmap(a, at, 1)
  world.proc(a, 'maps')
  return { world, dumped: dump(world.engine) }
}

describe('a dump', () => {
  it('says of a machine that hangs who waits for what, behind whom, and which I/O is at the end', () => {
    const { world, dumped } = inversion('hold')
    const [load, writer, reader] = dumped.tasks
    assert.deepEqual([load!.verb, load!.state, load!.why], ['fault', 'waiting', 'read'])
    assert.match(load!.holds.join(), /^mmap_lock of a \(read\)$/)
    assert.match(writer!.behind, /\(fault \d+\)$/)
    assert.match(reader!.behind, /\(munmap \d+\)$/)
    const lock = dumped.locks.find(({ name }) => name === 'mmap_lock of a')!
    assert.deepEqual(lock.holders.length, 1)
    assert.deepEqual(
      lock.queue.map(({ mode }) => mode),
      ['write', 'read'],
    )
    assert.equal(dumped.locks.length, 1, 'a lock that nobody holds or waits for is left out')
    assert.deepEqual(
      dumped.bios.map(({ state }) => state),
      ['issued'],
    )
    assert.equal(dumped.hanging.length, 2)
    assert.match(
      dumped.hanging[1]!,
      /waits for mmap_lock of a for reading, behind .*munmap.*, behind .*fault.* waits for read of data/,
    )
    assert.deepEqual(dumped.broken, [])
    assert.deepEqual(JSON.parse(JSON.stringify(dumped)), dumped)
    world.finish()
  })

  it('says how long each has waited', () => {
    const world = new World({})
    const data = world.file('data', { pages: 4 })
    const a = world.space('a')
    world.later(7)
    world.fault(a, world.map(a, data), 'load')
    world.later(5)
    const { time, tasks } = dump(world.engine)
    assert.deepEqual([time, tasks.map(({ waited }) => waited)], [12, [5]])
    world.finish()
  })

  it('has nobody hanging under restart', () => {
    const { world, dumped } = inversion('restart')
    assert.deepEqual(dumped.hanging, [])
    assert.deepEqual(
      dumped.tasks.map(({ verb }) => verb),
      ['fault'],
    )
    world.finish()
  })

  it('tells bios that wait for a limit apart from those the device has', () => {
    const world = new World({})
    const data = world.file('data', { pages: 8 })
    const a = world.space('a')
    const at = world.map(a, data, { advice: 'random' })
    const group = a.group
    world.engine.io.setMax(data.device.disk, group, { riops: 1 })
    for (const page of [0, 3, 6]) world.fault(a, at + page, 'load')
    const states = dump(world.engine).bios.map(({ state }) => state)
    assert.ok(states.includes('throttled'), states.join())
    assert.equal(states.length, 3)
    world.finish()
  })

  it('names what doesn’t add up', () => {
    const { world } = inversion('restart')
    world.engine.cache.dirtyPages++
    assert.match(dump(world.engine).broken.join(), /pages are dirty or on their way/)
    world.engine.cache.dirtyPages--
    world.finish()
  })
})
