/** The readers of /proc: what they show while the space changes between two of their batches. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { ROOT } from '../base/index.ts'
import { PAGE, World } from '../engine/world.suite.ts'
import { DISCIPLINES, PROT_READ, PROT_WRITE, type Space } from '../mm/index.ts'
import { done, type Outcome, releaseAll, type Task, type Ticket, type Verb, wait } from '../sched/index.ts'
import { Ps, procArgs } from './proc-reader.ts'

const RW = PROT_READ | PROT_WRITE

/** Pages mapped one after the other, each a VMA of its own: no two neighbours have one protection. */
function striped(pages: number) {
  const world = new World({ frames: 16 })
  const space = world.space('striped')
  const first = world.map(space, undefined, { pages })
  for (let page = 0; page < pages; page += 2) world.protect(space, first + page, 1, PROT_READ)
  return { world, space, first }
}

/** Begins to read maps, and makes its first attempts. */
function reading(world: World, space: Space, attempts: number) {
  const args = procArgs(space, 'maps')
  const task = world.scheduler.spawn(world.engine.verbs.proc, args, { name: 'cat maps', group: ROOT })
  for (let step = 0; step < attempts && task.state === 'ready'; step++) world.scheduler.step(task)
  return task
}

/** Between two batches: the reader makes no attempt meanwhile. */
function meanwhile<Args>(world: World, verb: Verb<Args>, args: Args): void {
  const task = world.scheduler.spawn(verb, args, { name: verb.name, group: ROOT })
  while (task.state === 'ready') world.scheduler.step(task)
  assert.equal(task.state, 'ended')
}

/** The pages that a text of maps shows. */
function shown(text: string): Set<number> {
  const pages = new Set<number>()
  for (const line of text.trimEnd().split('\n')) {
    const [, start, end] = /^([0-9a-f]+)-([0-9a-f]+) /.exec(line)!
    for (let page = Number.parseInt(start!, 16) / PAGE; page < Number.parseInt(end!, 16) / PAGE; page++)
      pages.add(page)
  }
  return pages
}

function allMapped(space: Space, { start, end }: { readonly start: number; readonly end: number }): boolean {
  for (let vpn = start; vpn < end; vpn++) if (space.find(vpn) === undefined) return false
  return true
}

describe('/proc/maps', () => {
  test('shows a VMA that is merged into one that was shown before, between two batches (PR2)', () => {
    const { world, space, first } = striped(40)
    const task = reading(world, space, 1)
    const before = task.args.text.trimEnd().split('\n').length
    assert.equal(before, 32, 'so many in one attempt')
    assert.equal(task.args.next, first + before)
    const last = first + before - 1
    const { prot } = space.find(last)!
    meanwhile(world, world.engine.verbs.protect, { space, start: last + 1, end: last + 2, prot })
    assert.ok(space.find(last + 1)!.start <= last, 'the next VMA is merged with the last one shown')
    world.settle()
    assert.equal(world.says(task), 'done')
    for (let page = 0; page < 40; page++)
      assert.ok(shown(task.args.text).has(first + page), `page ${page} was mapped all the time`)
  })

  test('shows every page that was mapped all the time, whatever is merged, split and unmapped meanwhile (PR2)', () => {
    const change = fc.record({
      what: fc.constantFrom('protect' as const, 'allow' as const, 'unmap' as const),
      page: fc.integer({ min: 0, max: 119 }),
      pages: fc.integer({ min: 1, max: 40 }),
    })
    fc.assert(
      fc.property(fc.array(fc.array(change, { maxLength: 3 }), { maxLength: 5 }), rounds => {
        const { world, space, first } = striped(120)
        const kept = new Set(Array.from({ length: 120 }, (_, page) => first + page))
        const task = reading(world, space, 1)
        for (const changes of rounds) {
          for (const { what, page, pages } of changes) {
            const start = first + page
            const length = Math.min(pages, 120 - page)
            const range = { space, start, end: start + length }
            const { unmap, protect } = world.engine.verbs
            if (what === 'unmap') meanwhile(world, unmap, range)
            else if (allMapped(space, range))
              meanwhile(world, protect, { ...range, prot: what === 'allow' ? RW : PROT_READ })
            if (what === 'unmap') for (let at = 0; at < length; at++) kept.delete(start + at)
          }
          if (task.state === 'ready') world.scheduler.step(task)
        }
        world.settle()
        assert.equal(world.says(task), 'done')
        const pages = shown(task.args.text)
        for (const page of kept) assert.ok(pages.has(page), `page ${page - first} was mapped all the time`)
      }),
      { numRuns: 30 },
    )
  })

  test('shows nothing of an empty space, and a VMA once where nothing changes', () => {
    const world = new World()
    const empty = world.space('empty')
    const task = world.proc(empty, 'maps')
    assert.deepEqual([world.says(task), task.args.text], ['done', ''])
    const { world: other, space } = striped(70)
    const read = other.proc(space, 'maps')
    assert.equal(read.args.text.trimEnd().split('\n').length, 70)
  })
})

/** A writer of the mmap lock that does nothing but hold it, until it is let go. */
class Holding implements Verb<{ readonly space: Space; readonly until: Ticket }> {
  readonly name = 'write-lock'

  attempt(task: Task<{ readonly space: Space; readonly until: Ticket }>): Outcome {
    const { space, until } = task.args
    const { mmap } = space.locks
    const queued = mmap.isWriter(task) ? undefined : mmap.write(task)
    if (queued !== undefined) return queued
    if (!until.complete) return wait(until, 'device')
    releaseAll(task)
    return done
  }
}

describe('readers of /proc whose discipline has them read the mmap lock', () => {
  const mmap = DISCIPLINES.filter(({ readers }) => readers === 'mmap')

  for (const discipline of mmap)
    test(`${discipline.name}: ps, cmdline and maps wait for a writer, and for nobody else (PR1)`, () => {
      const world = new World({ discipline, checked: false })
      const [space, other] = [world.space('held'), world.space('free')]
      world.map(space, undefined, { pages: 2 })
      const until = world.scheduler.ticket('the end of the writer')
      const writer = world.spawn(new Holding(), { space, until })
      const ps = new Ps(world.engine.mm)
      const listing = world.spawn(ps, ps.begin())
      const readers = [listing, world.proc(space, 'cmdline'), world.proc(space, 'maps')]
      for (const reader of readers) assert.equal(world.says(reader), 'waits: lock')
      assert.deepEqual(listing.args.rows, [], 'the first space is the one that is held')
      assert.equal(world.says(world.proc(other, 'cmdline')), 'done')
      world.scheduler.complete(until)
      world.settle()
      assert.equal(world.says(writer), 'done')
      for (const reader of readers) assert.equal(world.says(reader), 'done')
      assert.deepEqual(
        listing.args.rows.map(({ commandLine }) => commandLine),
        ['/bin/held', '/bin/free'],
      )
      assert.equal(
        readers.every(({ held }) => held.length === 0),
        true,
      )
    })
})
