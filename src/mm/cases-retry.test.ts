/**
 * What may happen while a fault waits: cases 7 to 10 of the list of nasty cases.
 *
 * A discipline that keeps its lock across a read makes the others wait for the disk, so that nothing happens meanwhile;
 * the stories hold there too, in another order, and say which it was.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { errno } from '../base/index.ts'
import { type Mapping, RW, World, type WorldFile } from '../engine/world.suite.ts'
import { replace } from '../rig/index.ts'
import type { Task } from '../sched/index.ts'
import { DISCIPLINES, PROT_NONE, PROT_READ, type Space } from './index.ts'

interface Story {
  readonly what: string
  /** What happens to page `at` of `a` while a fault on it waits for page 5 of `data`. */
  readonly happens: (world: World, a: Space, at: number, data: WorldFile) => Task
  readonly access: 'load' | 'store'
  /** How the fault ends where it had dropped its lock, and what is seen then. */
  readonly ends: string
  readonly sees: number | undefined
}

const elsewhere = (world: World, a: Space, at: number, from: Parameters<World['map']>[1], mapping: Mapping) =>
  world.mapping(a, from, { fixed: at, pages: 1, ...mapping })

const STORIES: readonly Story[] = [
  {
    what: 'is unmapped',
    happens: (world, a, at) => world.unmap(a, at, 1),
    access: 'load',
    ends: 'EFAULT',
    sees: undefined,
  },
  {
    what: 'is cut off its mapping at both sides',
    happens: (world, a, at) => {
      world.unmap(a, at + 1, 1)
      return world.unmap(a, at - 1, 1)
    },
    access: 'load',
    ends: 'done',
    sees: 6,
  },
  {
    what: 'becomes a page of another place in the file',
    happens: (world, a, at, data) => elsewhere(world, a, at, data, { offset: 1 }),
    access: 'load',
    ends: 'done',
    sees: 2,
  },
  {
    what: 'becomes a page of another file',
    happens: (world, a, at) =>
      elsewhere(world, a, at, world.file('other', { pages: 8, holding: false }), { offset: 7 }),
    access: 'load',
    ends: 'done',
    sees: 8,
  },
  {
    what: 'becomes anonymous memory',
    happens: (world, a, at) => elsewhere(world, a, at, undefined, {}),
    access: 'store',
    ends: 'done',
    sees: 0,
  },
  {
    what: 'becomes private, and is stored to',
    happens: (world, a, at, data) => elsewhere(world, a, at, data, { offset: 5, share: 'private' }),
    access: 'store',
    ends: 'done',
    sees: 6,
  },
  {
    what: 'may only be read from now on, and is to be stored to',
    happens: (world, a, at) => world.protect(a, at, 1, PROT_READ),
    access: 'store',
    ends: 'EACCES',
    sees: undefined,
  },
  {
    what: 'may not be touched any more',
    happens: (world, a, at) => world.protect(a, at, 1, PROT_NONE),
    access: 'load',
    ends: 'EACCES',
    sees: undefined,
  },
]

for (const discipline of DISCIPLINES) {
  const under = `, under ${discipline.name}`
  const keeps = discipline.read === 'keep'

  for (const { what, happens, access, ends, sees } of STORIES)
    test(`case 7: what if the page ${what} while its fault waits for the disk${under}`, () => {
      const world = new World({ discipline })
      const data = world.file('data', { pages: 8 })
      const a = world.space('a')
      const base = world.map(a, data)
      const fault = world.fault(a, base + 5, access)
      const change = happens(world, a, base + 5, data)
      assert.match(world.says(change), keeps ? /^waits: (vma )?lock$/ : /^done$/)
      world.letGo(data)
      assert.equal(world.says(change), 'done')
      assert.equal(world.says(fault), keeps ? 'done' : ends)
      if (!keeps) assert.equal(world.value(a, base + 5), sees)
      else if (ends !== 'done') assert.notEqual(world.rights(a, base + 5), 'rw')
      world.finish()
    })

  test(`case 7: what if the file is unmapped and forgotten while a fault waits for a page of it${under}`, () => {
    const world = new World({ discipline })
    const data = world.file('data', { pages: 8 })
    const a = world.space('a')
    const at = world.map(a, data)
    const load = world.fault(a, at + 5, 'load')
    const unmap = world.unmap(a, at, 8)
    if (keeps) world.complete(data)
    assert.equal(world.says(unmap), 'done')
    const forget = world.forget(data)
    if (!keeps) world.complete(data)
    assert.equal(world.says(forget), 'done')
    assert.equal(world.says(load), keeps ? 'done' : 'EFAULT')
    world.finish()
    assert.equal(world.engine.memory.free, world.engine.memory.total)
  })

  test(`case 8: what if munmap, fork and exit come while a fault waits for the disk${under}`, () => {
    const world = new World({ discipline })
    const data = world.file('data', { pages: 8 })
    const a = world.space('a')
    const at = world.map(a, data)
    const load = world.fault(a, at + 5, 'load')
    const others = [world.unmap(a, at, 4), world.fork(a), world.exit(a)]
    const waits = discipline.takes === 'mmap' ? 'waits: lock' : 'waits: vma lock'
    // Under a VMA lock munmap of another part of the same VMA waits for it all the same.
    assert.deepEqual(
      others.map(task => world.says(task)),
      keeps ? [waits, 'waits: lock', 'waits: lock'] : ['done', 'done', 'done'],
    )
    world.complete(data)
    assert.equal(world.says(load), keeps ? 'done' : 'EFAULT')
    for (const task of others) assert.equal(world.says(task), 'done')
    world.finish()
  })

  test(`case 9: what if the fault is killed after its page has come and before it has looked? No pin is left${under}`, () => {
    const world = new World({ discipline })
    const data = world.file('data', { pages: 8 })
    const a = world.space('a')
    const at = world.map(a, data)
    const load = world.fault(a, at + 5, 'load')
    const stash = load.stash
    assert.equal(world.engine.memory.frames.pins[stash], 1)
    data.device.release(data.device.held[0]!)
    world.step()
    assert.equal(world.says(load), 'ready')
    world.kill(load)
    assert.equal(world.says(load), 'EINTR')
    assert.equal(world.engine.memory.frames.pins[stash], 0)
    assert.equal(world.value(a, at + 5), undefined)
    world.finish()
  })

  test(`case 9: what if the stash is of a page that the fault no longer wants? It is let go${under}`, () => {
    const world = new World({ discipline })
    const data = world.file('data', { pages: 8, spaceFor: 0 })
    const a = world.space('a')
    const at = world.map(a, data)
    const store = world.fault(a, at + 5, 'store')
    world.complete(data, 'read')
    assert.equal(world.says(store), 'waits: reserve')
    const { stash } = store
    world.protect(a, at, 8, PROT_READ)
    world.complete(data, 'write')
    world.letGo(data)
    assert.equal(world.says(store), discipline.prepare === 'drop' ? 'EACCES' : 'done')
    assert.equal(world.engine.memory.frames.pins[stash], 0)
    world.finish()
  })

  test(`case 10: what if memory is short while a page that was just read waits to be looked at${under}`, () => {
    const world = new World({ discipline, frames: 3 })
    const data = world.file('data', { pages: 8 })
    const a = world.space('a')
    const at = world.map(a, data)
    const load = world.fault(a, at, 'load')
    data.device.release(data.device.held[0]!)
    world.step()
    assert.equal(world.says(load), 'ready')
    const pressure = world.engine.memory.pressure(0, 1)
    assert.equal(pressure.kind, 'fail', 'a stash isn’t reclaimed')
    world.settle()
    assert.equal(world.says(load), 'done')
    world.letGo(data)
    for (let page = 1; page < 8; page++) assert.equal(world.says(world.fault(a, at + page, 'load')), 'done')
    assert.equal(a.stat.rereads, 0)
    world.finish()
  })

  test(`case 10: what if there are more faults than frames? All end, and none reads twice${under}`, () => {
    const world = new World({ discipline, frames: 3 })
    const data = world.file('data', { pages: 8 })
    const spaces = [0, 1, 2, 3, 4, 5, 6, 7].map(page => world.space(`a${page}`))
    const faults = spaces.map((space, page) => world.fault(space, world.map(space, data) + page, 'load'))
    world.letGo(data)
    assert.deepEqual(
      faults.map(fault => world.says(fault)),
      faults.map(() => 'done'),
    )
    for (const space of spaces) assert.equal(space.stat.rereads, 0)
    world.finish()
  })
}

test('case 10: without the pin of the stash the page would be lost between two attempts, and be read again', () => {
  const world = new World({ frames: 3, checked: false })
  replace(world.scheduler, 'keeper', () => ({ pin() {}, unpin() {} }))
  const data = world.file('data', { pages: 8 })
  const a = world.space('a')
  const at = world.map(a, data)
  const load = world.fault(a, at, 'load')
  data.device.release(data.device.held[0]!)
  world.step()
  assert.equal(world.engine.memory.pressure(0, 1).kind, 'done')
  world.settle()
  assert.equal(world.says(load), 'waits: read')
  assert.equal(a.stat.rereads, 1)
})

test('case 7: what if a fault that waits holds its space for nobody? A writer of the space has it at once', () => {
  const world = new World()
  const data = world.file('data', { pages: 8 })
  const a = world.space('a')
  const at = world.map(a, data)
  const faults = [1, 2, 3].map(page => world.fault(a, at + page, 'store'))
  assert.equal(world.says(world.protect(a, at, 8, RW)), 'done')
  assert.equal(world.says(world.proc(a, 'smaps')), 'done')
  world.fail(data, errno.EIO)
  world.letGo(data)
  assert.deepEqual(faults.map(fault => world.says(fault)).sort(), ['EIO', 'done', 'done'])
  world.finish()
})
