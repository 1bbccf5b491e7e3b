/** Frames, who is charged for them, and what of a group is protected. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { AssertionError, errno, GroupTree, hang, ROOT } from '../base/index.ts'
import { done, fail } from '../sched/index.ts'
import {
  ANON,
  CACHE,
  DETACHED,
  FREE,
  Frames,
  Ledger,
  LOCKED,
  Memory,
  ON_LRU,
  UNEVICTABLE,
  UPTODATE,
} from './index.ts'

function world(count = 4) {
  const tree = new GroupTree()
  const ledger = new Ledger(tree)
  const frames = new Frames(new ArrayBuffer((count + 1) * 4096), count + 1, 4096)
  const memory = new Memory(frames, ledger)
  const take = (group = ROOT, kind: typeof ANON | typeof CACHE = CACHE) => {
    const frame = memory.allocate(group, kind)
    assert.equal(typeof frame, 'number')
    return frame as number
  }
  return { tree, ledger, frames, memory, take }
}

describe('frames', () => {
  it('are handed out once, never the zero page, and are blank when free (F1)', () => {
    const { memory, frames, take } = world()
    const taken = [take(), take(), take(), take()]
    assert.deepEqual(taken.toSorted(), [1, 2, 3, 4])
    assert.equal(memory.free, 0)
    assert.deepEqual(memory.allocate(ROOT, CACHE), fail(errno.ENOMEM))
    for (const frame of taken) memory.release(frame)
    assert.equal(memory.free, memory.total)
    assert.ok(frames.kind.every(kind => kind === FREE))
    assert.ok(frames.flags.every(flags => flags === 0))
    assert.throws(() => memory.release(1), AssertionError)
  })

  it('outlive their release while they are pinned, mapped or in flight (F2, F3)', () => {
    const { memory, frames, take } = world()
    const [pinned, mapped, inFlight] = [take(), take(), take()]
    memory.pin(pinned)
    frames.mapped[mapped] = 1
    frames.raise(inFlight, LOCKED)
    for (const frame of [pinned, mapped, inFlight]) {
      memory.release(frame)
      assert.equal(frames.kind[frame], DETACHED)
    }
    assert.equal(memory.ledger.usage(ROOT), 3, 'they are charged until they are free')
    memory.unpin(pinned)
    frames.mapped[mapped] = 0
    memory.freeIfUnused(mapped)
    frames.clear(inFlight, LOCKED)
    memory.freeIfUnused(inFlight)
    assert.equal(memory.free, memory.total)
    assert.equal(memory.ledger.usage(ROOT), 0)
    assert.throws(() => memory.unpin(pinned), AssertionError)
    assert.throws(() => memory.pin(0), AssertionError)
  })

  it('move with their bytes, what is known of them and their place on the list (F1, AM2)', () => {
    const { memory, frames, take } = world()
    const [first, from, last] = [take(), take(), take()]
    for (const frame of [first, from, last]) memory.enterLru(frame)
    const bytes = Uint8Array.from({ length: 4096 }, (_, at) => at * 7)
    frames.bytes(from).set(bytes)
    frames.raise(from, UPTODATE)
    const to = memory.nextFree
    const known = [frames.flags[from], frames.kind[from], frames.group[from]]
    memory.move(from, to)
    assert.deepEqual([...frames.lru.walk(memory.lruList(ROOT, 'inactive file'))], [last, to, first])
    assert.deepEqual(frames.bytes(to), bytes)
    assert.deepEqual([frames.flags[to], frames.kind[to], frames.group[to]], known)
    assert.deepEqual([frames.flags[from], frames.kind[from], memory.nextFree], [0, FREE, from])
    assert.equal(memory.ledger.usage(ROOT), 3)
    memory.leaveLru(last)
    memory.move(last, from)
    assert.equal(frames.has(from, ON_LRU), false)
    assert.throws(() => memory.move(first, to), AssertionError)
  })

  it('follow one another where their numbers do, or where a store has their pages behind one another', () => {
    const { frames } = world()
    assert.deepEqual([frames.follows(1, 2), frames.follows(1, 3), frames.follows(2, 1)], [true, false, false])
    const file = new ArrayBuffer(8 * 4096)
    const store = {
      bytes: (_: number, index: number) => new Uint8Array(file, index * 4096, 4096),
      admit: () => true,
      drop() {},
      forget() {},
    }
    const elsewhere = new Frames(new ArrayBuffer(4096), 4, 4096, store)
    elsewhere.index.set([0, 5, 3, 6])
    assert.deepEqual([elsewhere.follows(1, 2), elsewhere.follows(1, 3)], [false, true])
  })

  it('that are a device’s are never handed out, and the rest is what there is (AM1)', () => {
    const { memory, frames, take } = world(6)
    assert.equal(memory.dedicate(2), 5)
    assert.equal(memory.dedicate(1), 4)
    assert.equal(memory.total, 3)
    assert.deepEqual([take(), take(), take()].toSorted(), [1, 2, 3])
    assert.deepEqual(memory.allocate(ROOT, CACHE), fail(errno.ENOMEM))
    assert.deepEqual(
      [4, 5, 6].map(frame => frames.kind[frame] === FREE),
      [false, false, false],
    )
    assert.throws(() => memory.dedicate(4), AssertionError)
  })

  it('are counted by kind, and each promotion once', () => {
    const { memory, ledger, take } = world()
    const [page, anonymous] = [take(), take(ROOT, ANON)]
    for (const frame of [page, anonymous]) memory.enterLru(frame)
    assert.deepEqual([ledger.stat(ROOT).file, ledger.stat(ROOT).anon], [1, 1])
    memory.activate(page)
    memory.activate(page)
    assert.equal(ledger.stat(ROOT).activate, 1)
    memory.deactivate(page)
    memory.activate(page)
    assert.equal(ledger.stat(ROOT).activate, 2)
    memory.leaveLru(anonymous)
    memory.release(anonymous)
    assert.deepEqual([ledger.stat(ROOT).file, ledger.stat(ROOT).anon], [1, 0])
  })

  it('stand on the list of their group, kind and age (AM2)', () => {
    const { tree, memory, frames, take } = world()
    const group = tree.create(ROOT)
    const [file, anon] = [take(group, CACHE), take(group, ANON)]
    const size = (kind: Parameters<Memory['lruList']>[1]) => frames.lru.size(memory.lruList(group, kind))
    for (const frame of [file, anon]) memory.enterLru(frame)
    memory.enterLru(file)
    assert.deepEqual([size('inactive file'), size('inactive anon')], [1, 1])
    memory.activate(file)
    assert.deepEqual([size('inactive file'), size('active file')], [0, 1])
    memory.recast(file, ANON)
    assert.deepEqual([size('active file'), size('active anon')], [0, 1])
    memory.deactivate(file)
    assert.equal(size('inactive anon'), 2)
    memory.leaveLru(anon)
    frames.raise(anon, UNEVICTABLE)
    memory.enterLru(anon)
    assert.equal(size('inactive anon'), 1)
    const { stat } = { stat: memory.ledger.stat(group) }
    assert.deepEqual([stat.anon, stat.file], [2, 0])
  })
})

describe('a page that may be dropped', () => {
  it('stands with the pages of files until it may no more (AM2)', () => {
    const { memory, frames, take } = world()
    const frame = take(ROOT, ANON)
    memory.enterLru(frame)
    const sizes = () =>
      (['inactive anon', 'inactive file'] as const).map(kind => frames.lru.size(memory.lruList(ROOT, kind)))
    memory.mayDrop(frame, 'yes')
    assert.deepEqual(sizes(), [0, 1])
    memory.mayDrop(frame, 'no')
    assert.deepEqual(sizes(), [1, 0])
  })
})

describe('an allocation', () => {
  it('asks for relief until a frame can be had, and says no after sixteen tries', () => {
    const { memory, take } = world(1)
    const frame = take()
    let asked = 0
    hang(memory, 'pressure', () => {
      if (++asked === 3) memory.release(frame)
      return done
    })
    take()
    assert.equal(asked, 3)
    assert.deepEqual(memory.allocate(ROOT, CACHE), fail(errno.ENOMEM))
    assert.equal(asked - 3, 16)
  })

  it('goes by the nearest limit from its group up, and counts the event there', () => {
    const { tree, ledger, memory, take } = world()
    const parent = tree.create(ROOT)
    const child = tree.create(parent)
    ledger.setLimits(parent, { max: 2 })
    take(child)
    take(child)
    const asked: number[] = []
    hang(memory, 'pressure', over => {
      asked.push(over)
      return fail(errno.ENOMEM)
    })
    assert.deepEqual(memory.allocate(child, ANON), fail(errno.ENOMEM))
    assert.deepEqual(asked, [parent])
    assert.deepEqual([ledger.events(parent).max, ledger.events(parent).oom], [1, 1])
    assert.equal(ledger.events(child).max, 0)
    assert.equal(memory.tryAllocate(child, ANON), 0)
    assert.notEqual(memory.tryAllocate(ROOT, ANON), 0)
  })
})

describe('the ledger', () => {
  it('counts each page for its group and all above it (B1), and gives back no more than was charged', () => {
    const { tree, ledger } = world()
    const parent = tree.create(ROOT)
    const child = tree.create(parent)
    ledger.charge(child)
    ledger.charge(parent)
    assert.deepEqual(
      [ROOT, parent, child].map(group => ledger.usage(group)),
      [2, 2, 1],
    )
    ledger.uncharge(child)
    assert.throws(() => ledger.uncharge(child), AssertionError)
  })

  it('tells the nearest group above its high, which it may reach, and counts each change of limits', () => {
    const { tree, ledger } = world()
    const parent = tree.create(ROOT)
    const child = tree.create(parent)
    const { changes } = ledger
    ledger.setLimits(parent, { high: 2 })
    assert.ok(ledger.changes > changes)
    ledger.charge(child)
    ledger.charge(child)
    assert.equal(ledger.aboveHigh(child), 0)
    ledger.charge(child)
    assert.equal(ledger.aboveHigh(child), parent)
  })

  /** parent with min and low of its own, and children of given usage and setting. */
  function family(above: number, children: readonly { usage: number; min: number }[]) {
    const { tree, ledger } = world()
    const parent = tree.create(ROOT)
    ledger.setLimits(parent, { min: above, low: above })
    const groups = children.map(({ usage, min }) => {
      const group = tree.create(parent)
      ledger.setLimits(group, { min, low: min })
      for (let page = 0; page < usage; page++) ledger.charge(group)
      return group
    })
    return groups.map(group => ledger.protection(group, ROOT))
  }

  it('protects what a group uses, up to what it was promised', () => {
    assert.deepEqual(family(100, [{ usage: 30, min: 50 }])[0], { min: 30, low: 30 })
  })

  it('shares what the parent has among children that were promised more than that', () => {
    const [a, b] = family(60, [
      { usage: 80, min: 80 },
      { usage: 40, min: 40 },
    ])
    assert.deepEqual([a!.min, b!.min], [40, 20])
  })

  it('gives what nobody claims to those who use more than they were promised', () => {
    const [a, b] = family(100, [
      { usage: 60, min: 20 },
      { usage: 40, min: 20 },
    ])
    assert.ok(Math.abs(a!.min - 60) < 1e-9 && Math.abs(b!.min - 40) < 1e-9)
    const [c, d] = family(50, [
      { usage: 60, min: 20 },
      { usage: 40, min: 20 },
    ])
    assert.ok(c!.min > 20 && d!.min > 20 && c!.min + d!.min <= 50 + 1e-9)
  })

  it('protects nothing from a limit of its own, and nothing above it', () => {
    const { tree, ledger } = world()
    const group = tree.create(ROOT)
    ledger.setLimits(group, { min: 10, low: 10 })
    for (let page = 0; page < 10; page++) ledger.charge(group)
    assert.deepEqual(ledger.protection(group, group), { min: 0, low: 0 })
    assert.deepEqual(ledger.protection(ROOT, ROOT), { min: 0, low: 0 })
  })

  it('never protects more than is used, nor children more together than their parent', () => {
    const child = fc.record({ usage: fc.nat({ max: 60 }), min: fc.nat({ max: 80 }) })
    fc.assert(
      fc.property(
        fc.nat({ max: 120 }),
        fc.array(child, { minLength: 1, maxLength: 5 }),
        (above, children) => {
          const found = family(above, children)
          found.forEach((each, at) => {
            assert.ok(each.min >= 0 && each.min <= children[at]!.usage + 1e-9)
          })
          const used = children.reduce((sum, each) => sum + each.usage, 0)
          const together = found.reduce((sum, each) => sum + each.min, 0)
          assert.ok(together <= Math.min(above, used) + 1e-9, `${together} of ${Math.min(above, used)}`)
        },
      ),
    )
  })
})
