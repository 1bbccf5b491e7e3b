/** What is lent of the cache against what a read call would copy, in each state that a page of the range can be in. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Prng } from '../base/index.ts'
import { PAGE, World, type WorldFile } from '../engine/world.suite.ts'
import { ACTIVE, READAHEAD } from '../memory/index.ts'
import { lend } from './lending.ts'

const PAGES = 40

function joined(pieces: readonly Uint8Array[] | undefined): Buffer | undefined {
  return pieces && Buffer.concat(pieces)
}

function lending(world: World, { file, open }: WorldFile, position: number, length: number) {
  return lend(world.engine.cache, file, { position, length, read: open.read })
}

/** A file of which all pages are in the cache. */
function resident({ holding = false } = {}) {
  const world = new World({ frames: 4 * PAGES })
  const data = world.file('data', { pages: PAGES, holding })
  const call = world.read(data, 0, PAGES * PAGE)
  while (world.held(data).length > 0) world.complete(data)
  assert.equal(world.says(call), 'done')
  for (let page = 0; page < PAGES; page++)
    world.engine.cache.frames.clear(world.engine.cache.find(data.file.id, page), READAHEAD)
  return { world, data }
}

describe('what is lent', () => {
  it('is what a read call copies, wherever it begins and ends (LN1)', () => {
    const { world, data } = resident()
    const prng = new Prng(16)
    for (let round = 0; round < 300; round++) {
      if (round % 3 === 0) {
        const bytes = new Uint8Array(1 + prng.below(2 * PAGE)).fill(round)
        assert.equal(world.says(world.write(data, prng.below((PAGES - 3) * PAGE), bytes)), 'done')
      }
      const [position, length] = [prng.below(PAGES * PAGE + 10), prng.below(5 * PAGE)]
      const lent = joined(lending(world, data, position, length))
      const call = world.read(data, position, length)
      assert.equal(world.says(call), 'done')
      assert.deepEqual(lent, Buffer.from(call.args.buffer.subarray(0, call.args.copied)))
    }
    world.finish()
  })

  it('is one piece where frames follow one another, and as many as there are runs elsewhere', () => {
    const { world, data } = resident()
    const { cache } = world.engine
    assert.equal(lending(world, data, 0, PAGES * PAGE)!.length, 1)
    for (const page of [3, 7]) cache.remove(data.file, cache.find(data.file.id, page))
    for (const page of [3, 7]) assert.equal(world.says(world.read(data, page * PAGE, 1)), 'done')
    const lent = lending(world, data, 2 * PAGE, 7 * PAGE)!
    assert.deepEqual(
      lent.map(({ length }) => length / PAGE),
      [1, 1, 3, 1, 1],
      'each of the two has the other’s frame',
    )
    for (let page = 2; page < 9; page++) assert.equal(joined(lent)![(page - 2) * PAGE], page + 1)
    world.finish()
  })

  it('keeps what is read again and again as a read call does', () => {
    const { world, data } = resident()
    const { cache } = world.engine
    const frames = Array.from({ length: PAGES }, (_, page) => cache.find(data.file.id, page))
    for (let times = 0; times < 2; times++) lending(world, data, 0, PAGES * PAGE)
    assert.ok(frames.every(frame => cache.frames.has(frame, ACTIVE)))
    assert.equal(data.open.read.next, PAGES)
    world.finish()
  })
})

describe('nothing is lent (LN2)', () => {
  it('where a page is missing, on its way, or starts the next readahead', () => {
    const world = new World({ frames: 4 * PAGES })
    const data = world.file('data', { pages: PAGES })
    assert.equal(lending(world, data, 0, PAGE), undefined)
    assert.deepEqual(world.held(data), [], 'nothing is begun for it')
    const call = world.read(data, 0, 2 * PAGE)
    assert.equal(lending(world, data, 0, PAGE), undefined, 'on its way')
    while (world.held(data).length > 0) world.complete(data)
    assert.equal(world.says(call), 'done')
    assert.equal(lending(world, data, 0, PAGES * PAGE), undefined, 'the last ones are missing')
    const { frames } = world.engine.cache
    const frame = world.engine.cache.find(data.file.id, 0)
    frames.raise(frame, READAHEAD)
    const flags = frames.flags[frame]
    assert.equal(lending(world, data, 0, PAGE), undefined, 'the mark is for a read call to see')
    assert.equal(frames.flags[frame], flags)
    world.finish()
  })

  it('of pages that are leaving, and of the others as ever', () => {
    const { world, data } = resident()
    const ticket = world.scheduler.ticket('a truncation')
    data.file.invalidation = { start: 10, end: 20, ticket }
    assert.notEqual(lending(world, data, 0, PAGES * PAGE), undefined, 'they are there until they leave')
    data.file.dropping = true
    assert.equal(lending(world, data, 9 * PAGE, 2 * PAGE), undefined)
    assert.equal(lending(world, data, 19 * PAGE, 2 * PAGE), undefined)
    assert.notEqual(lending(world, data, 0, 10 * PAGE), undefined)
    assert.notEqual(lending(world, data, 20 * PAGE, PAGE), undefined)
    data.file.dropping = false
    data.file.invalidation = undefined
    world.finish()
  })

  it('of more pages than an attempt goes over', () => {
    const { world, data } = resident()
    const { cache } = world.engine
    Object.defineProperty(cache, 'slicePages', { value: PAGES - 1 })
    assert.equal(lending(world, data, 0, PAGES * PAGE), undefined)
    assert.notEqual(lending(world, data, PAGE, PAGES * PAGE), undefined)
    world.finish()
  })

  it('is what a frame says that holds another page by now', () => {
    const { world, data } = resident()
    const { cache } = world.engine
    const [first, second] = [0, 1].map(page => cache.find(data.file.id, page))
    assert.equal(second, first! + 1)
    assert.equal(cache.mappable(data.file.id, 1, first! + 1), second)
    assert.equal(cache.mappable(data.file.id, 5, first! + 1), cache.find(data.file.id, 5), 'a wrong guess')
    cache.remove(data.file, second!)
    assert.equal(cache.mappable(data.file.id, 1, second), 0, 'its frame is free')
    world.finish()
  })
})
