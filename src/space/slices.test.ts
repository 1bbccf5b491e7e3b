/**
 * Long calls go in slices: no attempt changes more pages than a slice, and what they leave is what they would leave in one
 * piece. The explorer looks at what lies between two slices (the scenarios sliced-…).
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { WRITEBACK_DEFAULTS } from '../cache/index.ts'
import { World, type WorldFile } from '../engine/world.suite.ts'
import { PROT_READ, type Space } from '../mm/index.ts'
import type { Task } from '../sched/index.ts'

const PAGES = 64
const SLICE = 8
const PAGE = 4096

interface Stage {
  readonly world: World
  readonly space: Space
  readonly data: WorldFile
  /** A mapping of the file and one of memory, every page of both stored to. */
  readonly shared: number
  readonly heap: number
}

function stage(slicePages: number): Stage {
  const writeback = { ...WRITEBACK_DEFAULTS, backgroundRatio: 1, ratio: 1 }
  const world = new World({
    frames: 4 * PAGES,
    slicePages,
    bioBytesMax: slicePages * PAGE,
    writeback,
    checked: false,
  })
  const data = world.file('data', { pages: PAGES, holding: false })
  const space = world.space('app')
  const shared = world.map(space, data)
  const heap = world.map(space, undefined, { pages: PAGES })
  for (const start of [shared, heap])
    for (let page = 0; page < PAGES; page++) {
      world.fault(space, start + page, 'store')
      world.store(space, start + page, 100 + page)
    }
  return { world, space, data, shared, heap }
}

/** Each long call, by the name of its verb. */
const CALLS: Readonly<Record<string, (stage: Stage) => Task<unknown>>> = {
  munmap: ({ world, space, heap }) => world.unmap(space, heap, PAGES) as Task<unknown>,
  mremap: ({ world, space, heap }) =>
    world.mremap(space, heap, PAGES, PAGES, { fixed: heap + 4096 }) as Task<unknown>,
  exit: ({ world, space }) => world.exit(space) as Task<unknown>,
  fork: ({ world, space }) => world.fork(space) as Task<unknown>,
  mprotect: ({ world, space, heap }) => world.protect(space, heap, PAGES, PROT_READ) as Task<unknown>,
  madvise: ({ world, space, heap }) => world.advise(space, heap, PAGES, 'dontneed') as Task<unknown>,
  mmap: ({ world, space, heap }) =>
    world.mapping(space, undefined, { pages: PAGES, fixed: heap }) as Task<unknown>,
  sync: ({ world, data }) => world.sync(data) as Task<unknown>,
  truncate: ({ world, data }) => world.truncate(data, 3 * PAGE + 5) as Task<unknown>,
  read: ({ world, data }) => world.read(data, 0, PAGES * PAGE) as Task<unknown>,
}

/** Everything of the machine that a page has: entries, and what the frame table says. */
function facts({ world, space, shared, heap }: Stage): number[] {
  const { flags, owner, index, mapped } = world.engine.memory.frames
  const entries = [shared, heap].flatMap(start =>
    Array.from({ length: PAGES }, (_, page) => space.table.get(start + page)),
  )
  return [
    ...entries,
    ...Array.from(
      flags,
      (each, frame) => each + owner[frame]! * 1e6 + index[frame]! * 1e3 + mapped[frame]! * 1e9,
    ),
  ]
}

for (const [verb, begin] of Object.entries(CALLS))
  test(`${verb} changes no more than a slice in one attempt, and leaves what it leaves in one piece`, () => {
    const sliced = stage(SLICE)
    const whole = stage(PAGES * 4)
    let attempts = 0
    let most = 0
    const { scheduler } = sliced.world
    const step = scheduler.step.bind(scheduler)
    scheduler.step = task => {
      const before = facts(sliced)
      step(task)
      if (task.verb.name !== verb) return
      const after = facts(sliced)
      attempts++
      most = Math.max(most, after.filter((fact, at) => fact !== before[at]).length)
    }
    for (const each of [sliced, whole]) {
      const task = begin(each)
      each.world.later(1e9)
      assert.equal(each.world.says(task), 'done')
      each.world.recount()
    }
    assert.ok(attempts >= PAGES / SLICE, `${attempts} attempts`)
    // A page is an entry, and a frame that comes or goes with it.
    assert.ok(most <= 2 * SLICE + 2, `${most} facts changed in one attempt`)
    assert.deepEqual(left(sliced), left(whole))
  })

/** What is left of the mappings: rights and first bytes. */
function left({ world, space, shared, heap }: Stage) {
  return [shared, heap].flatMap(start =>
    Array.from({ length: PAGES }, (_, page) => [
      world.rights(space, start + page),
      world.value(space, start + page),
    ]),
  )
}

test('a call that is killed between two slices goes on to its end: what it has begun isn’t left half done (S7)', () => {
  const { world, space, heap } = stage(SLICE)
  const { scheduler, verbs } = world.engine as World['engine'] & { scheduler: World['scheduler'] }
  const task = scheduler.spawn(
    verbs.unmap,
    { space, start: heap, end: heap + PAGES },
    { name: 'unmap', group: 1 },
  )
  world.step()
  assert.equal(world.says(task), 'ready')
  assert.equal(world.rights(space, heap), '')
  assert.equal(world.rights(space, heap + PAGES - 1), 'rw')
  scheduler.kill(task)
  world.settle()
  assert.equal(world.says(task), 'done')
  assert.equal(space.find(heap), undefined)
})

test('willneed that is killed between two slices ends there', () => {
  const { world, space, shared } = stage(SLICE)
  const { scheduler, verbs } = world.engine
  const advice = { space, start: shared, end: shared + PAGES, advice: 'willneed' } as const
  const task = scheduler.spawn(verbs.advise, advice, { name: 'willneed', group: 1 })
  world.step()
  scheduler.kill(task)
  world.settle()
  assert.equal(world.says(task), 'EINTR')
})

test('willneed begins no more than keeps a device busy, goes on as bios end, and holds no lock meanwhile', () => {
  const world = new World({ frames: 256, slicePages: SLICE, bioBytesMax: PAGE })
  const data = world.file('data', { pages: 100 })
  const space = world.space('app')
  const start = world.map(space, data)
  const task = world.advise(space, start, 100, 'willneed')
  assert.equal(data.file.bios.size, 64)
  assert.deepEqual([world.says(task), task.held], ['waits: read', []])
  world.letGo(data)
  assert.equal(world.says(task), 'done')
  for (let page = 0; page < 100; page++) assert.notEqual(data.file.residentPage(page), 0)
  world.finish()
})

for (const call of ['willneed', 'sync'] as const)
  test(`${call} begins nothing more while as many bytes are on their way as keep the device busy`, () => {
    const world = new World({ frames: 256, slicePages: SLICE, bioBytesMax: 2 * PAGE })
    const data = world.file('data', { pages: 64, holding: call === 'willneed' })
    Object.defineProperty(data.backing, 'inFlightBytes', { value: 5 * PAGE })
    const space = world.space('app')
    const start = world.map(space, data, { share: 'shared' })
    if (call === 'sync') for (let page = 0; page < 64; page++) world.fault(space, start + page, 'store')
    world.settle()
    data.device.holding = true
    const task = call === 'sync' ? world.sync(data) : world.advise(space, start, 64, 'willneed')
    let most = 0
    for (; data.device.held.length > 0; world.settle()) {
      most = Math.max(most, data.file.inFlight)
      data.device.release(data.device.held[0]!)
    }
    assert.ok(most >= 5 * PAGE && most < (5 + SLICE) * PAGE, `${most / PAGE} pages`)
    assert.equal(world.says(task), 'done')
    assert.equal(data.file.inFlight, 0)
    world.finish()
  })
