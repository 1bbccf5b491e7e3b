/**
 * Case 14 of the list of nasty cases: a task is killed at each of its waits. Nothing it had is left behind, and whoever
 * waits for the same page comes to its end.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MS } from '../base/index.ts'
import { WRITEBACK_DEFAULTS } from '../cache/index.ts'
import { PAGE, World, type WorldFile } from '../engine/world.suite.ts'
import type { Task } from '../sched/index.ts'
import { DISCIPLINES, type Discipline, type Space } from './index.ts'

interface Scene {
  readonly world: World
  /** Who is to be killed, and what it waits for. */
  readonly victim: Task
  /** Who must come to its end all the same. */
  readonly others: readonly Task[]
}

/** Each makes a victim that waits for the thing it is named after; undefined: this discipline has no such wait. */
const WAITS: Record<string, (discipline: Discipline) => Scene | undefined> = {
  read(discipline) {
    const { world, a, at } = stage(discipline)
    return { world, victim: world.fault(a, at, 'load'), others: [world.fault(a, at, 'load')] }
  },

  'page lock'(discipline) {
    const { world, a, at } = stage(discipline)
    const other = world.fault(a, at, 'load')
    return { world, victim: world.fault(a, at, 'store'), others: [other] }
  },

  reserve(discipline) {
    const { world, a, at, data } = stage(discipline, { spaceFor: 0 })
    const victim = world.fault(a, at, 'store')
    world.complete(data, 'read')
    return { world, victim, others: [world.fault(a, at, 'store')] }
  },

  writeback(discipline) {
    const { world, a, at, data } = stage(discipline, { stablePages: true })
    const first = world.fault(a, at, 'store')
    world.complete(data, 'read')
    const sync = world.sync(data)
    const victim = world.fault(a, at, 'store')
    return { world, victim, others: [first, sync, world.fault(a, at, 'store')] }
  },

  invalidate(discipline) {
    const { world, a, at, data } = stage(discipline)
    const punch = world.punch(data, 0, PAGE)
    return { world, victim: world.fault(a, at, 'load'), others: [punch, world.fault(a, at, 'store')] }
  },

  memory(discipline) {
    const { world, a, at } = stage(discipline, { frames: 2 })
    const holders = [world.fault(a, at + 1, 'load'), world.fault(a, at + 2, 'load')]
    return { world, victim: world.fault(a, at, 'load'), others: [...holders, world.fault(a, at, 'load')] }
  },

  lock(discipline) {
    const { world, a, at, data } = stage(discipline, { spaceFor: 0 })
    const { task: holder, victims } = underWriter(world, a, at, data)
    const victim = victims.find(each => world.says(each) === 'waits: lock')
    return victim && { world, victim, others: [holder, ...victims.filter(each => each !== victim)] }
  },

  'vma lock'(discipline) {
    const { world, a, at, data } = stage(discipline, { spaceFor: 0 })
    const { task: holder, victims } = underWriter(world, a, at, data)
    const victim = victims.find(each => world.says(each) === 'waits: vma lock')
    return victim && { world, victim, others: [holder, ...victims.filter(each => each !== victim)] }
  },

  throttle(discipline) {
    const writeback = { ...WRITEBACK_DEFAULTS, backgroundRatio: 0.05, ratio: 0.05 }
    const world = new World({ discipline, writeback })
    const dirty = world.file('dirty', { pages: 40, holding: false })
    const b = world.space('b')
    const inB = world.map(b, dirty)
    for (let page = 0; page < 31; page++) world.fault(b, inB + page, 'store')
    // Whoever dirties the thirty-second page looks at the balance.
    return { world, victim: world.fault(b, inB + 31, 'store'), others: [world.unmap(b, inB, 40)] }
  },

  device(discipline) {
    const { world, a, at, data } = stage(discipline)
    return { world, victim: world.truncate(data, PAGE), others: [world.fault(a, at, 'load')] }
  },

  child(discipline) {
    const { world, a, at, data } = stage(discipline)
    const store = world.fault(a, at, 'store')
    world.complete(data)
    return { world, victim: world.msync(a, at, 4), others: [store, world.sync(data)] }
  },
}

function stage(
  discipline: Discipline,
  options: { readonly frames?: number; readonly spaceFor?: number; readonly stablePages?: boolean } = {},
) {
  const { frames = 64, ...ofFile } = options
  const world = new World({ discipline, frames })
  const data = world.file('data', { pages: 4, ...ofFile })
  const a = world.space('a')
  return { world, data, a, at: world.map(a, data) }
}

/** A store that keeps its lock for its space, where the discipline keeps one; writers of the space queue behind it. */
function underWriter(world: World, a: Space, at: number, data: WorldFile) {
  const load = world.fault(a, at, 'load')
  world.complete(data)
  assert.equal(world.says(load), 'done')
  const task = world.fault(a, at, 'store')
  assert.equal(world.says(task), 'waits: reserve')
  return {
    task,
    victims: [
      world.fork(a),
      world.unmap(a, at + 3, 1),
      world.proc(a, 'maps'),
      world.fault(a, at + 1, 'load'),
    ],
  }
}

for (const discipline of DISCIPLINES)
  for (const [why, scene] of Object.entries(WAITS))
    test(`case 14: what if a task is killed while it waits for: ${why}, under ${discipline.name}`, () => {
      const made = scene(discipline)
      // No such wait: a writer of the space finds nobody in its way.
      if (made === undefined) {
        assert.notEqual(
          discipline.prepare === 'keep' && (why === 'lock') === (discipline.takes === 'mmap'),
          true,
        )
        return
      }
      const { world, victim, others } = made
      assert.equal(world.says(victim), `waits: ${why}`)
      world.kill(victim)
      assert.equal(world.says(victim), 'EINTR')
      assert.deepEqual([victim.held.length, victim.stash], [0, 0])
      world.recount()
      world.later(MS)
      world.finish()
      for (const other of others) assert.equal(world.says(other), 'done')
      for (let frame = 1; frame < world.engine.memory.frames.count; frame++)
        assert.equal(world.engine.memory.frames.pins[frame], 0)
    })

for (const discipline of DISCIPLINES)
  test(`case 14: what if everyone is killed at once, at any moment, under ${discipline.name}`, () => {
    for (let moment = 0; moment < 40; moment++) {
      const { world, data, a, at } = stage(discipline, { spaceFor: 0, stablePages: true, frames: 3 })
      data.device.holding = false
      const verbs = world.engine.verbs
      const tasks = [
        world.scheduler.spawn(verbs.exit, { space: world.space('b') }, { name: 'exit', group: 1 }),
        ...[0, 1, 2, 3, 0].map(page => world.faulting(a, at + page, 'store')),
      ]
      for (let steps = 0; steps < moment; steps++) world.step()
      for (const task of tasks) world.scheduler.kill(task)
      world.settle()
      for (const task of tasks) assert.equal(task.state, 'ended')
      world.finish()
      for (let page = 0; page < 4; page++)
        assert.equal(world.says(world.fault(a, at + page, 'store')), 'done')
      world.finish()
    }
  })
