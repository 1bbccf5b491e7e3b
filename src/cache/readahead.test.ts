/** Readahead of a group that is at its limit: as far as its own older pages give way, and never the page in use. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ROOT } from '../base/index.ts'
import { PAGE, World } from '../engine/world.suite.ts'

/** Loads each page of a file in order, in a group that may have `max` pages. Returns how often it waited for a device. */
function scanned(pages: number, max: number): number {
  const world = new World({ frames: 2 * pages })
  const data = world.file('data', { pages, holding: false })
  const group = world.group({ max })
  const a = world.space('a', group)
  const at = world.map(a, data, { advice: 'sequential' })
  for (let page = 0; page < pages; page++) {
    if (world.rights(a, at + page) === '') assert.equal(world.says(world.fault(a, at + page, 'load')), 'done')
    assert.equal(world.value(a, at + page), (page + 1) & 255)
    assert.ok(world.engine.memory.ledger.usage(group) <= max)
  }
  const { pgmajfault } = world.engine.memory.ledger.stat(group)
  world.finish()
  return pgmajfault
}

describe('readahead', () => {
  it('goes on at memory.max as it does below it', () => {
    const [below, at] = [scanned(1000, 1000), scanned(1000, 400)]
    // Reclaim now and then takes a page of a window before its turn. A wait for each window would be some twenty.
    assert.ok(at <= below + 4, `${at} waits at the limit, ${below} below it`)
  })

  it('reads around a fault at random as far as it goes, an odd number of pages too', () => {
    const world = new World({ readAheadBytes: 25 * PAGE + 1 })
    const data = world.file('data', { pages: 200, holding: false })
    const a = world.space('a')
    const at = world.map(a, data, { advice: 'normal' })
    assert.equal(world.says(world.fault(a, at + 100, 'load')), 'done')
    const cached = Array.from({ length: 200 }, (_, page) => page).filter(
      page => world.engine.cache.find(data.file.id, page) !== 0,
    )
    assert.deepEqual([cached[0], cached.at(-1), cached.length], [88, 112, 25])
    world.finish()
  })

  it('lays a range into memory in a row, the other way round than it was freed too: each bio has one buffer', () => {
    const world = new World({ frames: 200, checked: false, bioBytesMax: 32 * PAGE })
    const a = world.space('a')
    const heap = world.map(a, undefined, { pages: 192 })
    assert.equal(world.says(world.populate(a, heap, heap + 192, 'store')), 'done')
    assert.equal(world.says(world.advise(a, heap, 192, 'dontneed')), 'done')
    const data = world.file('data', { pages: 128 })
    const at = world.map(a, data)
    world.advise(a, at, 128, 'willneed')
    assert.deepEqual(
      data.device.held.map(({ position, length, buffers }) => [
        position / PAGE,
        length / PAGE,
        buffers.length,
      ]),
      [0, 32, 64, 96].map(page => [page, 32, 1]),
    )
    world.letGo(data)
    for (let page = 0; page < 128; page++) assert.equal(world.says(world.fault(a, at + page, 'load')), 'done')
    for (let page = 0; page < 128; page++) assert.equal(world.value(a, at + page), (page + 1) & 255)
    world.recount()
  })

  it('gives back the frame of a page that may have none, and reads those around it', () => {
    const world = new World({ frames: 64 })
    const { cache, memory } = world.engine
    const data = world.file('data', { pages: 16, holding: false })
    const a = world.space('a')
    const at = world.map(a, data)
    const { free } = memory
    const admits = cache.admits.bind(cache)
    cache.admits = (file, index) => index !== 5 && index !== 15 && admits(file, index)
    assert.equal(world.says(world.advise(a, at, 16, 'willneed')), 'done')
    const cached = Array.from({ length: 16 }, (_, page) => page).filter(
      page => cache.find(data.file.id, page) !== 0,
    )
    assert.deepEqual(cached, [0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14])
    assert.equal(memory.free, free - 14)
    world.finish()
  })

  it('brings the wanted page, in its window, before it or behind it, when memory is full', () => {
    for (const wanted of [0, 7, 30]) {
      const world = new World({ frames: 3 })
      const { cache } = world.engine
      const data = world.file('data', { pages: 40, holding: false })
      const brought = cache.bring(data.file, wanted, { start: 4, size: 8, mark: -1 }, ROOT)
      assert.equal(brought.kind, 'wait')
      world.settle()
      assert.notEqual(cache.find(data.file.id, wanted), 0)
      assert.equal(data.file.cachedPages.size, 3)
    }
  })

  it('keeps the page whose fault started it, however little there is', () => {
    for (const max of [1, 2, 5, 33]) scanned(100, max)
  })

  for (const [far, pages] of [
    ['the default way', 32],
    ['eight windows', 256],
    ['less than a page', 1],
  ] as const)
    it(`keeps ahead of a reader in order, but no further than it may: ${far}`, () => {
      const world = new World({
        frames: 4000,
        checked: false,
        readAheadBytes: pages * PAGE - 1 + (pages > 1 ? 1 : 0),
      })
      const data = world.file('data', { pages: 2000, holding: false })
      const a = world.space('a')
      const at = world.map(a, data, { advice: 'sequential' })
      const window = Math.max(Math.min(pages, 32), pages / 4)
      let faults = 0
      for (let page = 0, end = 0; page < 2000; page++) {
        if (world.rights(a, at + page) === '') {
          assert.equal(world.says(world.fault(a, at + page, 'load')), 'done')
          faults++
        }
        while (world.engine.cache.find(data.file.id, end) !== 0) end++
        assert.ok(end - page <= pages + window, `page ${page}: read as far as ${end}`)
        if (page > 4 * pages && end < 2000)
          assert.ok(end - page >= pages - window, `page ${page}: read only to ${end}`)
      }
      assert.ok(faults <= 2000 / window + 16, `${faults} faults`)
      world.finish()
    })
})

describe('a read call', () => {
  /** The runs of pages that a device was asked for, in order. */
  function asked(...calls: readonly (readonly [page: number, pages: number])[]): string[] {
    return askedOf({ frames: 4000, readUnit: 0 }, calls)
  }

  function askedOf(
    { frames, readUnit }: { frames: number; readUnit: number },
    calls: readonly (readonly [page: number, pages: number])[],
  ): string[] {
    const world = new World({ frames, checked: false })
    const data = world.file('data', { pages: 2000 })
    Object.defineProperty(data.file.backing, 'readUnit', { value: readUnit })
    const runs: string[] = []
    for (const [page, pages] of calls) {
      const call = world.read(data, page * PAGE, pages * PAGE)
      while (world.says(call).startsWith('waits')) {
        for (const { position, length } of data.device.held) runs.push(`${position / PAGE}+${length / PAGE}`)
        while (world.held(data).length > 0) world.complete(data)
      }
      assert.equal(world.says(call), 'done')
    }
    world.finish()
    return runs
  }

  it('here and there asks for what it reads, at once and no more', () => {
    assert.deepEqual(asked([500, 1], [100, 1], [900, 3]), ['500+1', '100+1', '900+3'])
    assert.deepEqual(asked([700, 100]), ['700+100'])
  })

  it('here and there asks for all of it at once where memory is full, too', () => {
    const calls = [100, 300, 500, 700, 900].map(page => [page, 100] as const)
    const runs = askedOf({ frames: 256, readUnit: 0 }, calls)
    assert.deepEqual(
      runs,
      calls.map(([page, pages]) => `${page}+${pages}`),
    )
  })

  it('here and there asks a device that is far for all that is there as soon, at the end of memory too', () => {
    const far = { frames: 4000, readUnit: 16 * PAGE }
    assert.deepEqual(
      askedOf(far, [
        [500, 1],
        [510, 2],
        [501, 3],
        [900, 20],
      ]),
      ['496+16', '896+32'],
    )
    // What is read again and again stays, though everything else goes by.
    const calls = Array.from(
      { length: 60 },
      (_, at) => (at % 2 === 0 ? [500, 1] : [600 + at * 16, 1]) as [number, number],
    )
    const runs = askedOf({ frames: 128, readUnit: 16 * PAGE }, calls)
    assert.ok(
      runs.every(run => run.endsWith('+16')),
      runs.join(' '),
    )
    assert.equal(runs.filter(run => run === '496+16').length, 1)
  })

  it('reads ahead where calls go on where the last one ended', () => {
    const runs = asked(...Array.from({ length: 200 }, (_, at) => [at * 2, 2] as const))
    assert.ok(runs.length < 40, runs.join(' '))
    assert.ok(asked([0, 400]).length < 20)
    assert.deepEqual(asked([0, 8], [8, 8]).slice(0, 2), ['0+8', '8+16'], 'twice as far as the call before')
  })
})
