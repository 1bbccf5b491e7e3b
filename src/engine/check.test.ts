/** The recount is seen to find what it looks for: each count is put out by one, on purpose. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { DIRTY, LOCKED, REFERENCED, UPTODATE } from '../memory/index.ts'
import { entryOf } from '../mmu/index.ts'
import { check } from './check.ts'
import { World } from './world.suite.ts'

/** A space with a clean, a dirty and an anonymous page. */
function stage() {
  const world = new World({ checked: false, swap: 8 })
  const data = world.file('data', { pages: 4, holding: false })
  const a = world.space('a')
  const at = world.map(a, data)
  const anon = world.map(a, undefined, { pages: 2 })
  world.fault(a, at, 'load')
  world.fault(a, at + 1, 'store')
  world.fault(a, anon, 'store')
  assert.deepEqual(check(world.engine), [])
  const { engine } = world
  const { frames, memory } = { frames: engine.memory.frames, memory: engine.memory }
  const clean = world.frame(a, at)
  const dirty = world.frame(a, at + 1)
  return { world, data, a, at, anon, engine, frames, memory, clean, dirty }
}

type Stage = ReturnType<typeof stage>

const MUTANTS: Record<string, (stage: Stage) => void> = {
  'P2: frame \\d+ is mapped 1': ({ frames, clean }) => frames.mapped[clean]!++,
  'F3: frame \\d+ is pinned 0': ({ frames, clean }) => frames.pins[clean]!++,
  'SP1: a has 3 resident': ({ a }) => a.resident++,
  'a has 0 swapped': ({ a }) => a.swapped++,
  'SP2: page 9999 of a': ({ a }) => a.table.set(9999, entryOf(0, 'read only')),
  'P1: page \\d+ of a STORE': ({ a, at }) => a.table.set(at, a.table.get(at) | 8),
  'FA3: page \\d+ of a is writable': ({ a, at, clean }) => a.table.set(at, entryOf(clean, 'writable')),
  'FA4: page \\d+ of a has the zero page': ({ a, anon }) => a.table.set(anon + 1, entryOf(0, 'writable')),
  'T4: page \\d+ of a maps the page': ({ a, at, dirty }) => a.table.set(at, entryOf(dirty, 'read only')),
  'T4: page \\d+ of a maps the page that its file has there': ({ world, a, at }) => {
    const other = world.space('other')
    const heap = world.map(other, undefined)
    world.fault(other, heap, 'store')
    a.table.set(at, other.table.get(heap))
  },
  'FA2: page \\d+ of a is shared and not': ({ a, at, anon }) => a.table.set(at, a.table.get(anon)),
  'SP3: page \\d+ of a is the family': ({ a, anon }) => a.table.set(anon + 1, a.table.get(anon)),
  "X1: page \\d+ of a isn't past": ({ data }) => {
    data.file.size = 4096
  },
  'FA2: page \\d+ of a maps a page that is up to date': ({ frames, clean }) => frames.clear(clean, UPTODATE),
  'Q1: page 0 of data': ({ frames, clean }) => frames.raise(clean, LOCKED),
  'Q2: page 0 of data': ({ frames, clean }) => frames.raise(clean, LOCKED),
  'C1: page 0 of data is on the dirty': ({ frames, clean }) => frames.raise(clean, DIRTY),
  'H1: page 7 of data': ({ frames, clean }) => {
    frames.index[clean] = 7
  },
  'F1: free frame \\d+ is blank': ({ frames }) => frames.raise(frames.count - 1, REFERENCED),
  'AM1: \\d+ frames are free': ({ memory, world }) => {
    memory.frames.kind[world.engine.memory.frames.count - 1] = 2
  },
  'AM2: frame \\d+ belongs': ({ frames, clean }) => frames.raise(clean, 1 << 5),
  'AM2: frame \\d+ belongs among the pages in flight': ({ memory, clean }) => memory.takeOff(clean),
  'AM2: reclaim can find': ({ memory, clean }) => memory.leaveLru(clean),
  'V2: as many tasks hold VMA at page': ({ a, at }) => {
    Object.assign(a.find(at)!.lock, { readers: 1 })
  },
  'W2: mmap_lock of a is free': ({ a }) => {
    Object.assign(a.locks.mmap, { queued: [{ task: { state: 'waiting' } }] })
  },
  'B1: group 1 uses': ({ memory }) => memory.ledger.charge(1),
  'group 1 has 1 anon': ({ memory }) => memory.ledger.stat(1).anon++,
  '1 pages are dirty': ({ engine }) => engine.cache.dirtyPages++,
  '0 pages of data are being written': ({ data }) => data.file.underWriteback++,
  'Y1: data knows': ({ data }) => {
    data.file.dirtiedAt = Infinity
  },
  'SW1: 0 entries name slot': ({ engine }) => engine.mm.swapping!.swap.allocate(1),
  'RM3: rmap finds': ({ engine, a }) =>
    engine.mm.rmap.removeVma(a.vmas.floor(1e6)!.open ? a.vmas.floor(1e6)! : [...a.vmas][0]!),
}

describe('the recount', () => {
  for (const [found, mutate] of Object.entries(MUTANTS))
    it(`says "${found.replace('\\d+', 'n')}…"`, () => {
      const made = stage()
      mutate(made)
      const said = check(made.engine)
      assert.ok(
        said.some(sentence => new RegExp(`^${found}`).test(sentence)),
        `got ${JSON.stringify(said)}`,
      )
    })
})
