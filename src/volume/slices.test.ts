/** Long calls of a volume between two of their slices: what shows of them, what others may do, and what a crash leaves. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { errno, ROOT } from '../base/index.ts'
import { truncateArgs } from '../cache/index.ts'
import type { Task, Verb } from '../sched/index.ts'
import { bulkReadArgs } from './bulk.ts'
import { checkingArgs } from './checking.ts'
import { countingArgs } from './counting.ts'
import { daxChangeArgs } from './dax-change.ts'
import { Failure } from './failure.ts'
import { preallocatingArgs } from './preallocating.ts'
import { remappingArgs } from './remapping.ts'
import { seekingArgs } from './seeking.ts'
import { snapshotArgs } from './snapshot.ts'
import { SortedMap } from './sorted-map.ts'
import { type OpenedFile, ok, PAGE, VolumeWorld } from './volume-world.suite.ts'

function ended({ world }: VolumeWorld, task: Task): void {
  world.settle()
  assert.equal(world.says(task), 'done')
}

/** A slice is one record. */
const SMALL = { blocks: 128, frames: 128, slicePages: 4 }

function begin<Args>({ world }: VolumeWorld, verb: Verb<Args>, args: Args): Task<Args> {
  return world.scheduler.spawn(verb, args, { name: verb.name, group: ROOT })
}

/** Runs attempts of the task alone, until `until`, or until it has to wait or has ended. */
function runUntil({ world }: VolumeWorld, task: Task, until: () => boolean): void {
  while (!until() && world.scheduler.ready().includes(task)) world.scheduler.step(task)
}

/** One attempt of the task, when all that it waits for is over. */
function runOnce({ world: { scheduler } }: VolumeWorld, task: Task<never>): void {
  while (!scheduler.ready().includes(task as unknown as Task)) scheduler.step(scheduler.ready()[0]!)
  scheduler.step(task as unknown as Task)
}

function story(): VolumeWorld {
  const at = new VolumeWorld(SMALL)
  ok(at.volume.create('/d', 'directory'))
  for (const [name, first] of [
    ['/d/a', 1],
    ['/d/b', 11],
    ['/d/c', 21],
  ] as const)
    at.close(at.create(name, 3, first))
  at.commit()
  return at
}

/** A snapshot of /d that has copied some and not all. */
function halfCopied(at: VolumeWorld) {
  const args = snapshotArgs({ from: '/d', to: '/s', mode: 'r+' })
  const task = begin(at, at.volume.snapshot, args)
  runUntil(at, task as never, () => args.files === 2)
  assert.equal(args.files, 2)
  return task
}

const names = (at: VolumeWorld, path: string) => ok(at.volume.list(path)).map(({ name }) => name)

describe('a snapshot that is half copied', () => {
  it('has no name, and nothing is wrong with the metadata', () => {
    const at = story()
    const task = halfCopied(at)
    assert.deepEqual(names(at, '/'), ['d'])
    assert.deepEqual(at.volume.check().wrong, [])
    ended(at, task as never)
    assert.deepEqual(names(at, '/s'), ['a', 'b', 'c'])
    at.recount()
  })

  it('is copied to its end, as all was, by who changes a name or opens a file', () => {
    for (const act of ['create', 'open'] as const) {
      const at = story()
      const task = halfCopied(at)
      if (act === 'create') ok(at.volume.create('/d/late', 'file'))
      else {
        const file = at.open('/d/c')
        at.write(file, 0, new Uint8Array(PAGE).fill(99))
        at.sync(file)
      }
      assert.deepEqual(names(at, '/s'), ['a', 'b', 'c'])
      ended(at, task as never)
      assert.deepEqual(at.pages(at.open('/s/c')), [21, 22, 23])
      at.recount()
    }
  })

  it('isn’t there after a crash, though somebody has synced meanwhile', () => {
    const at = story()
    halfCopied(at)
    const commit = at.volume.sync()
    at.store.release()
    const later = at.crash()
    assert.deepEqual(names(later, '/'), ['d'])
    later.recount()
    at.world.settle()
    assert.equal(at.says(commit), 'done')
    assert.deepEqual(names(at.crash(), '/'), ['d', 's'])
  })

  it('is seen through when it is killed', () => {
    const at = story()
    const task = halfCopied(at)
    at.world.scheduler.kill(task)
    at.world.settle()
    assert.equal(task.errno, errno.EINTR)
    assert.deepEqual(names(at, '/s'), ['a', 'b', 'c'])
    at.recount()
  })
})

describe('a snapshot that fails half way', () => {
  it('leaves no name and no reference behind (SN2)', () => {
    const at = story()
    const { names: inodes } = at.volume.parts
    const before = at.store.image().length
    const task = halfCopied(at)
    inodes.copyIn = () => {
      throw new Failure(errno.EMLINK)
    }
    at.world.settle()
    assert.equal(task.errno, errno.EMLINK)
    assert.deepEqual(names(at, '/'), ['d'])
    assert.equal(ok(at.volume.stat('/d/a')).shared, 0)
    at.recount()
    at.commit()
    at.commit()
    assert.equal(at.store.image().length, before, 'and no record')
  })
})

describe('a clone that is half done', () => {
  it('leaves all or nothing after a crash, whoever syncs meanwhile', () => {
    const at = story()
    const source = at.open('/d/a')
    assert.equal(at.world.says(at.allocate(source, PAGE, PAGE, { how: 'zero' })), 'done')
    at.sync(source)
    const target = at.open('/d/b')
    const files = { source: source.volumeFile, target: target.volumeFile }
    const plan = { how: 'clone', ...files, from: 0, to: 0, length: 3 * PAGE } as const
    const task = begin(at, at.volume.remapping, remappingArgs(plan))
    runUntil(at, task as never, () => (task.args.shared ?? 0) > 0)
    assert.equal(task.args.shared, 1)
    const commit = at.volume.sync()
    assert.deepEqual(at.durable('/d/b'), [11, 12, 13])
    ended(at, task as never)
    at.world.settle()
    assert.equal(at.says(commit), 'done')
    assert.deepEqual(at.durable('/d/b'), [1, 0, 3])
  })
})

describe('a file that lies in many pieces', () => {
  it('goes in slices when its last name goes, and is gone after a crash between two', () => {
    const at = story()
    const used = at.volume.usage.used
    const file = at.create('/pieces', 8, 41)
    for (const page of [1, 3, 5])
      assert.equal(at.world.says(at.allocate(file, page * PAGE, PAGE, { how: 'zero' })), 'done')
    at.sync(file)
    at.close(file)
    at.commit()
    ok(at.volume.unlink('/pieces'))
    assert.ok(at.volume.parts.erasing.underWay !== undefined, 'some of it is left')
    assert.deepEqual(at.volume.check().wrong, [])
    at.commit()
    assert.equal(at.volume.parts.erasing.underWay, undefined)
    at.commit()
    assert.equal(at.volume.usage.used, used)
    at.recount()
    assert.deepEqual(names(at.crash(), '/'), ['d'])
  })
})

/** /pieces: each page in an extent of its own, page 6 a hole. */
function pieces(at: VolumeWorld, pages: number) {
  const file = at.create('/pieces', pages, 41)
  for (let page = 1; page < pages - 1; page += 2)
    assert.equal(at.world.says(at.allocate(file, page * PAGE, PAGE, { how: 'zero' })), 'done')
  assert.equal(at.world.says(at.world.punch(file, 6 * PAGE, PAGE)), 'done')
  at.sync(file)
  at.commit()
  return file
}

/** What a crash at this moment leaves of /pieces. */
function left(at: VolumeWorld): string {
  const later = at.crash()
  const { size, blocks } = ok(later.volume.stat('/pieces'))
  const pages = later.pages(later.open('/pieces'))
  later.recount()
  return `${size} bytes, ${blocks} blocks: ${pages}`
}

const CHANGES: Record<string, (at: VolumeWorld, file: OpenedFile) => Task> = {
  'is cut short': ({ world }, file) => {
    const { truncate } = world.engine.verbs
    return begin({ world } as VolumeWorld, truncate, truncateArgs(file.file, { size: PAGE + 9 })) as never
  },
  'is punched': ({ world }, file) => {
    const { truncate } = world.engine.verbs
    const range = { position: PAGE / 2, length: 17 * PAGE }
    return begin({ world } as VolumeWorld, truncate, truncateArgs(file.file, range)) as never
  },
  'gets blocks for its holes': (at, file) => {
    const plan = { position: 0, length: 24 * PAGE, how: 'allocate', size: 'grows' } as const
    const args = preallocatingArgs({ file: file.volumeFile, ...plan })
    return begin(at, at.volume.preallocating, args) as never
  },
  'is made zero': (at, file) => {
    const plan = { position: 100, length: 18 * PAGE, how: 'zero', size: 'kept' } as const
    const args = preallocatingArgs({ file: file.volumeFile, ...plan })
    return begin(at, at.volume.preallocating, args) as never
  },
}

describe('a file in pieces', () => {
  for (const [what, change] of Object.entries(CHANGES))
    for (const kill of [false, true])
      it(`that ${what}${kill ? ' by a task that is killed' : ''} is as it was or as it is to be after a crash, whoever syncs (RS3, PA1)`, () => {
        const at = new VolumeWorld(SMALL)
        const file = pieces(at, 20)
        const before = left(at)
        const task = change(at, file)
        const { scheduler } = at.world
        const seen: string[] = []
        let steps = 0
        let { count: commits } = at.volume.parts.commits
        for (let [next] = scheduler.ready(); next !== undefined; [next] = scheduler.ready()) {
          scheduler.step(next)
          steps++
          if (task.state !== 'ended') at.volume.sync()
          const isHalfDone = at.volume.parts.commits['held'] !== undefined
          if (kill && isHalfDone) scheduler.kill(task)
          if (steps % 4 === 0) assert.deepEqual([...at.volume.check().wrong, ...usageFlaws(at)], [])
          const { count } = at.volume.parts.commits
          if (count !== commits) seen.push(left(at))
          commits = count
          assert.ok(steps < 1000, 'it ends')
        }
        at.world.settle()
        at.commit()
        at.recount()
        const after = left(at)
        assert.ok(steps > 12, `${steps} steps, ${seen.length} commits`)
        assert.notEqual(after, before)
        assert.deepEqual([...new Set([before, ...seen, after])], [before, after])
      })

  it('is counted, and its holes found, in slices, as a whole would be', () => {
    const at = new VolumeWorld(SMALL)
    const file = pieces(at, 8)
    ok(at.volume.create('/b', 'file'))
    const b = at.open('/b')
    assert.equal(at.world.says(at.remap('clone', file, b, { length: 4 * PAGE })), 'done')
    const args = countingArgs('/pieces', 'followed')
    const task = begin(at, at.volume.counting, args)
    runUntil(at, task as never, () => args.counted !== undefined)
    assert.equal(args.stat, undefined, 'one slice is not all')
    ended(at, task as never)
    // Zeros that were set aside are no clone's.
    assert.equal(args.stat!.shared, 2)
    assert.deepEqual(args.stat, ok(at.volume.stat('/pieces')))
    const seeking = seekingArgs(file.volumeFile, 7 * PAGE + 5, 'hole')
    ended(at, begin(at, at.volume.seeking, seeking) as never)
    assert.equal(seeking.found, 8 * PAGE)
  })

  it('is read in slices, and the first block that is damaged fails all of it', () => {
    const at = new VolumeWorld(SMALL)
    const file = pieces(at, 8)
    const spoil = (page: number) => {
      const [part] = file.volumeFile.node.extents.inside(page, page + 1)
      at.poke(part!.value * PAGE, new Uint8Array(PAGE).fill(9))
    }
    spoil(7)
    const read = (pages: number) => {
      const args = bulkReadArgs(file.volumeFile, 0, new Uint8Array(pages * PAGE))
      return begin(at, at.volume.bulkRead, args)
    }
    const [good, bad] = [read(7), read(8)]
    at.world.settle()
    assert.deepEqual([good.errno, bad.errno], [errno.OK, errno.EIO])
    assert.deepEqual(
      [0, 1, 2, 3, 4, 5, 6].map(page => good.args.buffer[page * PAGE]),
      [41, 0, 43, 0, 45, 0, 0],
    )
    assert.match(at.volume.damage[0]!, /bytes 28672 to 32767/)
    spoil(0)
    const both = read(8)
    at.world.settle()
    assert.equal(both.errno, errno.EIO)
    assert.equal(at.volume.damage.length, 3, 'all that is damaged is told')
  })
})

/** Blocks that don't add up. */
function usageFlaws({ volume }: VolumeWorld): string[] {
  const { free, used, reserved, size } = volume.usage
  return free >= 0 && free + used + reserved === size ? [] : [`${free} + ${used} + ${reserved} of ${size}`]
}

describe('a check', () => {
  it('looks at the metadata as it was when it began, and commits wait for it', () => {
    const at = story()
    const args = checkingArgs('metadata only')
    const task = begin(at, at.volume.checking, args)
    at.world.scheduler.step(task)
    ok(at.volume.unlink('/d/b'))
    ok(at.volume.create('/new', 'directory'))
    const commit = at.volume.sync()
    ended(at, task as never)
    const { wrong = ['no report'], files, directories } = args.report ?? {}
    assert.deepEqual([wrong, files, directories], [[], 3, 2])
    at.world.settle()
    assert.equal(at.says(commit), 'done')
    at.recount()
  })

  it('lets commits go when it is killed', () => {
    const at = story()
    const task = begin(at, at.volume.checking, checkingArgs('metadata only'))
    at.world.scheduler.step(task)
    at.world.scheduler.kill(task)
    ok(at.volume.create('/new', 'directory'))
    at.commit()
    assert.deepEqual(names(at.crash(), '/'), ['d', 'new'])
  })
})

describe('unsharing', () => {
  it('stores to no page that nobody shares, wherever its slices end', () => {
    const at = new VolumeWorld(SMALL)
    const [file, other] = [at.create('/a', 0), at.create('/b', 0)]
    for (let page = 0; page < 40; page++)
      for (const each of [file, other]) {
        at.write(each, page * 4096, new Uint8Array(4096).fill(page + 1))
        at.sync(each)
      }
    const { extents } = file.volumeFile.node
    const before = [...extents.inside(0, 40)]
    assert.equal(before.length, 40, 'each page lies in an extent of its own')
    assert.equal(at.world.says(at.unshare(file, 0, 40 * 4096)), 'done')
    assert.deepEqual([...extents.inside(0, 40)], before)
    at.recount()
  })
})

describe('the end of a DAX file that is cut off', () => {
  const PAGES = 20
  const SLICE = 8

  /** Mapped as it is, and as private copies; all of it is there. */
  function mapped() {
    const at = new VolumeWorld({ ...SMALL, slicePages: SLICE, dax: true })
    at.close(at.create('/a', PAGES))
    const file = at.openDax('/a')
    const space = at.world.space('app')
    const shared = at.world.map(space, file.open)
    const copies = at.world.map(space, file.open, { share: 'private' })
    for (let page = 0; page < PAGES; page++) {
      at.world.fault(space, shared + page, 'load')
      at.world.fault(space, copies + page, 'store')
    }
    const plan = { how: 'resize', file: file.dax, size: PAGE } as const
    const there = (start: number) =>
      Array.from({ length: PAGES }, (_, page) => at.world.rights(space, start + page)).filter(Boolean).length
    return { at, space, shared, copies, file: file.dax, plan, there }
  }

  it('is unmapped a slice at a time: what maps it before it changes, private copies after that', () => {
    const { at, shared, copies, file, plan, there } = mapped()
    const task = begin(at, at.volume.daxChange, daxChangeArgs(plan))
    for (let before = 2 * PAGES; at.world.says(task as never) !== 'done'; ) {
      runOnce(at, task as never)
      const left = there(shared) + there(copies)
      assert.ok(before - left <= SLICE, `${before - left} entries in one attempt`)
      before = left
      assert.equal(file.size, there(shared) > 1 ? PAGES * PAGE : file.size, 'it changes when nothing maps it')
      if (there(copies) < PAGES) assert.equal(file.size, PAGE, 'copies stay until it has changed')
    }
    assert.deepEqual([there(shared), there(copies), file.size], [1, 1, PAGE])
    at.commit()
    at.recount()
  })

  it('is as it was when that is killed before it changes', () => {
    const { at, space, shared, copies, file, plan, there } = mapped()
    const task = begin(at, at.volume.daxChange, daxChangeArgs(plan))
    runOnce(at, task as never)
    at.world.scheduler.kill(task)
    at.world.settle()
    assert.equal(at.world.says(task as never), 'EINTR')
    for (let page = 0; page < PAGES; page++) {
      at.world.fault(space, shared + page, 'load')
      assert.equal(at.world.value(space, shared + page), 1 + page)
    }
    assert.deepEqual([there(copies), file.size], [PAGES, PAGES * PAGE])
    at.recount()
  })
})

it('a copy of a sorted map and the map don’t show one another’s changes (SM3)', () => {
  const map = new SortedMap<number>()
  for (let key = 0; key < 1000; key++) map.set(String(key).padStart(4, '0'), key)
  const copy = map.copy()
  for (let key = 0; key < 1000; key += 3) map.delete(String(key).padStart(4, '0'))
  map.set('0001', -1)
  copy.set('0002', -2)
  copy.set('5000', 5000)
  assert.deepEqual([map.size, copy.size], [666, 1001])
  assert.deepEqual([map.get('0000'), copy.get('0000')], [undefined, 0])
  assert.deepEqual([map.get('0001'), copy.get('0001')], [-1, 1])
  assert.deepEqual([map.get('0002'), copy.get('0002')], [2, -2])
  assert.deepEqual([map.get('5000'), copy.get('5000')], [undefined, 5000])
})
