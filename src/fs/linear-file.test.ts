/** Files that lie on a device as they are: which pages have their space. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { ROOT } from '../base/index.ts'
import { copyArgs, syncArgs } from '../cache/index.ts'
import { MemoryDevice } from '../device/index.ts'
import { PAGE, World } from '../engine/world.suite.ts'
import { newOpening } from '../mm/index.ts'
import { rigEngine } from '../rig/index.ts'
import type { Verb } from '../sched/index.ts'
import { LinearFile } from './index.ts'

function sparse(spaceFor: number) {
  const world = new World()
  const data = world.file('data', { pages: 8, spaceFor, holding: false })
  const space = () =>
    [0, 1, 2, 3, 4, 5, 6, 7].map(page => (data.backing.isReserved(data.file, page) ? 1 : 0)).join('')
  return { world, data, space }
}

describe('the space of a page', () => {
  it('is set aside once, before the page is first stored to', () => {
    const { world, data, space } = sparse(2)
    const a = world.space('a')
    const at = world.map(a, data)
    world.fault(a, at + 1, 'store')
    assert.equal(space(), '11000000')
    world.fault(a, at + 5, 'store')
    assert.equal(space(), '11000100')
    world.finish()
  })

  it('that is being set aside is told for a range that has the page (LF1)', () => {
    const world = new World()
    const data = world.file('data', { pages: 8, spaceFor: 0 })
    const a = world.space('a')
    world.fault(a, world.map(a, data) + 5, 'store')
    world.complete(data, 'read')
    const told = (start: number, end: number) =>
      data.backing.reservationIn(data.file, start, end) !== undefined
    assert.deepEqual([told(0, 5), told(5, 6), told(6, 8)], [false, true, false])
    world.finish()
  })

  it('goes with a truncation, however it came (KB1)', () => {
    const { world, data, space } = sparse(4)
    const a = world.space('a')
    world.fault(a, world.map(a, data) + 6, 'store')
    assert.equal(space(), '11110010')
    world.truncate(data, 2 * PAGE)
    world.truncate(data, 8 * PAGE)
    assert.equal(space(), '11000000')
    world.finish()
  })

  it('goes with a truncation to where a page begins', () => {
    const { world, data, space } = sparse(1)
    const a = world.space('a')
    world.fault(a, world.map(a, data) + 2, 'store')
    assert.equal(space(), '10100000')
    world.truncate(data, 2 * PAGE)
    world.truncate(data, 8 * PAGE)
    assert.equal(space(), '10000000')
    world.finish()
  })

  it('goes from where somebody else has cut the device off (LF3)', () => {
    const { world, data, space } = sparse(1)
    const a = world.space('a')
    const at = world.map(a, data)
    for (const page of [1, 2, 3]) world.fault(a, at + page, 'store')
    assert.equal(space(), '11110000')
    data.backing.measured(2 * PAGE)
    assert.equal(space(), '11000000')
    world.finish()
  })

  it('of a page that a truncation cuts stays as far as the block of the last byte (LF4)', () => {
    const { world, data, space } = sparse(4)
    world.truncate(data, 2 * PAGE + 1)
    assert.equal(space(), '11100000')
    world.finish()
  })

  it('ends in a page larger than a block where the file ended, and the page is written no further (LF4)', () => {
    const LARGE = 4 * PAGE
    const engine = rigEngine({ frames: 64, pageSize: LARGE })
    const { scheduler, io, memory, cache, verbs } = engine
    const device = new MemoryDevice(scheduler, { name: 'data', length: 4 * LARGE })
    const backing = new LinearFile(device, io, memory, { stablePages: false, spaceFor: 0 })
    const file = cache.add('data', LARGE + 100, backing)
    const open = newOpening(file)
    const asked: string[] = []
    const start = device.start.bind(device)
    device.start = request => {
      asked.push(`${request.operation} ${request.position}+${request.length}`)
      start(request)
    }
    const call = <Args>(verb: Verb<Args>, args: Args) => {
      scheduler.spawn(verb, args, { name: verb.name, group: ROOT })
      for (let [next] = scheduler.ready(); next !== undefined; [next] = scheduler.ready())
        scheduler.step(next)
    }
    call(verbs.write, copyArgs(file, LARGE, new Uint8Array(10).fill(9), open.read))
    assert.equal(backing.isReserved(file, 1), true)
    call(verbs.write, copyArgs(file, 3 * LARGE, new Uint8Array(LARGE).fill(9), open.read))
    assert.equal(backing.isReserved(file, 1), false)
    asked.length = 0
    call(verbs.sync, syncArgs(file, 0, Infinity, open))
    assert.deepEqual(asked, [`write ${LARGE}+${PAGE}`, `write ${3 * LARGE}+${LARGE}`, 'flush 0+0'])
  })

  it('goes with a punch (KB1)', () => {
    const { world, data, space } = sparse(8)
    world.punch(data, 2 * PAGE, 2 * PAGE)
    assert.equal(space(), '11001111')
    const a = world.space('a')
    const at = world.map(a, data)
    const store = world.fault(a, at + 3, 'store')
    assert.equal(world.says(store), 'done')
    assert.equal(space(), '11011111')
    world.punch(data, 3 * PAGE, PAGE)
    assert.equal(space(), '11001111')
    world.finish()
  })

  it('goes with a punch where it was set aside, and not behind it', () => {
    const { world, data, space } = sparse(1)
    const a = world.space('a')
    const at = world.map(a, data)
    for (const page of [2, 3, 4]) world.fault(a, at + page, 'store')
    assert.equal(space(), '10111000')
    world.punch(data, 3 * PAGE, PAGE)
    assert.equal(space(), '10101000')
    world.finish()
  })

  it('is what a set of pages says, under any punches', () => {
    const ranges = fc.array(fc.tuple(fc.integer({ min: 0, max: 7 }), fc.integer({ min: 1, max: 8 })), {
      maxLength: 6,
    })
    fc.assert(
      fc.property(ranges, punches => {
        const { world, data, space } = sparse(6)
        const model = new Set([0, 1, 2, 3, 4, 5])
        for (const [start, length] of punches) {
          world.punch(data, start * PAGE, length * PAGE)
          for (let page = start; page < start + length; page++) model.delete(page)
        }
        assert.equal(space(), [0, 1, 2, 3, 4, 5, 6, 7].map(page => (model.has(page) ? 1 : 0)).join(''))
      }),
      { numRuns: 50 },
    )
  })
})
