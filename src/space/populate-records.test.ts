/** A range that is populated page by page: what goes over from one page to the next, which is nothing. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { errno } from '../base/index.ts'
import { WRITEBACK_DEFAULTS } from '../cache/index.ts'
import { World } from '../engine/world.suite.ts'
import { newVmFault } from '../memmap/index.ts'
import { type FaultArgs, faultArgs, renewFault } from '../mm/index.ts'

const PAGES = 200

/** What each fault of a populate began with, which records they were, and how many attempts there were. */
function watched(world: World) {
  const { fault, populate } = world.engine.verbs
  const records = new Set<FaultArgs>()
  const began: FaultArgs[] = []
  let attempts = 0
  const step = fault.step.bind(fault)
  fault.step = (task, args) => {
    if (args.stage === 'faulting' && args.fault.retries === 0)
      began.push(structuredClone({ ...args, space: {} }) as FaultArgs)
    records.add(args)
    return step(task, args)
  }
  const attempt = populate.attempt.bind(populate)
  populate.attempt = task => {
    attempts++
    return attempt(task)
  }
  return { records, began, attempts: () => attempts }
}

for (const access of ['load', 'store'] as const)
  test(`populate makes one record of a fault in an attempt, and each ${access} begins with a new one's content`, () => {
    const world = new World({
      frames: 2 * PAGES,
      checked: false,
      writeback: { ...WRITEBACK_DEFAULTS, backgroundRatio: 1, ratio: 1 },
    })
    const data = world.file('data', { pages: PAGES, holding: false, spaceFor: PAGES / 2 })
    const space = world.space('app')
    const shared = world.map(space, data)
    world.fault(space, shared + 3, access)
    const seen = watched(world)
    assert.equal(world.says(world.populate(space, shared, shared + PAGES, access)), 'done')
    assert.ok(seen.records.size <= seen.attempts(), `${seen.records.size} in ${seen.attempts()} attempts`)
    for (const { fault, stage, kept } of seen.began) {
      assert.deepEqual(fault, newVmFault(fault.vpn, access, space.group, fault.began))
      assert.deepEqual([stage, kept], ['faulting', 0])
    }
    world.recount()
  })

test('an error of one page is not told of the next', () => {
  const world = new World({ frames: 64 })
  const data = world.file('data', { pages: 8, spaceFor: 0 })
  const space = world.space('app')
  const start = world.map(space, data)
  const populate = world.populate(space, start, start + 8, 'store')
  while (world.held(data).some(each => each.startsWith('read'))) world.complete(data, 'read')
  assert.equal(world.says(populate), 'waits: reserve')
  world.fail(data, errno.ENOSPC, 'write')
  assert.equal(world.says(populate), 'ENOSPC')
  const rest = world.populate(space, start + 1, start + 8, 'store')
  assert.equal(world.says(rest), 'waits: reserve')
  world.letGo(data)
  assert.equal(world.says(rest), 'done')
  world.finish()
})

test("the record of a fault that still goes on is not another one's (FP6)", () => {
  const world = new World()
  const args = faultArgs(world.space('app'), newVmFault(16, 'load', 1, 0), 'keep the page')
  assert.throws(() => renewFault(args, 17, 0), /FP6/)
  args.stage = 'paying'
  args.kept = 5
  assert.throws(() => renewFault(args, 17, 0), /FP6/)
})
