/**
 * A check beside a long change finds nothing wrong with a sound volume, wherever in the change it begins: each slice leaves metadata
 * that is right, or, of an upgrade, the check waits.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Bytes, errno, ROOT } from '../base/index.ts'
import { truncateArgs } from '../cache/index.ts'
import type { Task, Verb } from '../sched/index.ts'
import { type CheckingArgs, checkingArgs } from './checking.ts'
import type { Claimable } from './claiming.ts'
import { daxCallArgs } from './dax-calls.ts'
import { daxChangeArgs } from './dax-change.ts'
import { Failure } from './failure.ts'
import { inFormat1 } from './format-1.ts'
import { Growing, growingArgs } from './growing.ts'
import { planned } from './inode.ts'
import { type PreallocationPlan, preallocatingArgs } from './preallocating.ts'
import { rangeCopyingArgs } from './range-copying.ts'
import { remappingArgs } from './remapping.ts'
import { shiftingArgs } from './shifting.ts'
import { Shrinking, shrinkingArgs } from './shrinking.ts'
import { snapshotArgs } from './snapshot.ts'
import { unsharingArgs } from './unsharing.ts'
import { Upgrading, upgradingArgs } from './upgrading.ts'
import { ok, PAGE, VolumeWorld, type VolumeWorldOptions } from './volume-world.suite.ts'

const PAGES = 12

const SMALL = { blocks: 128, frames: 128 }

/** Pages of a slice, which take as long as one record, and as three. */
const SLICES = [8, 24]

function begin<Args>({ world }: VolumeWorld, verb: Verb<Args>, args: Args): Task<Args> {
  return world.scheduler.spawn(verb, args, { name: verb.name, group: ROOT })
}

/** Begins one. */
type Change = (at: VolumeWorld) => unknown

/** Every page of `path` in an extent of its own. */
function pieces(at: VolumeWorld, path: string) {
  const file = at.create(path, PAGES)
  for (let page = 1; page < PAGES; page += 2)
    assert.equal(at.world.says(at.allocate(file, page * PAGE, PAGE, { how: 'zero' })), 'done')
  at.sync(file)
  at.commit()
  return file
}

/** /a in pieces and /b of a page, open. */
function files(at: VolumeWorld) {
  const [a, b] = [pieces(at, '/a'), at.create('/b', 1)]
  at.commit()
  return { a, b }
}

/** The same, open for DAX. */
function daxFiles(at: VolumeWorld) {
  const { a, b } = files(at)
  for (const file of [a, b]) at.close(file)
  return { a: at.openDax('/a'), b: at.openDax('/b') }
}

/** Directories in one another, a file with two names, and a snapshot that is sealed. */
function tree(at: VolumeWorld): void {
  for (const path of ['/d', '/d/e', '/d/e/f']) ok(at.volume.create(path, 'directory'))
  at.close(pieces(at, '/d/e/a'))
  at.close(at.create('/d/e/f/b', 2))
  ok(at.volume.link('/d/e/a', '/d/e/f/a'))
  assert.equal(
    at.world.says(at.world.spawn(at.volume.snapshot, snapshotArgs(snapshotOf('/d/e', '/d/s', 'r')))),
    'done',
  )
  at.commit()
}

function snapshotOf(from: string, to: string, mode: 'r' | 'r+') {
  return { from, to, mode }
}
const snapshot =
  (from: string, mode: 'r' | 'r+'): Change =>
  at => {
    tree(at)
    ok(at.volume.create('/d/link', { ...planned('symlink'), target: '/d/e' }))
    begin(at, at.volume.snapshot, snapshotArgs(snapshotOf(from, '/s', mode)))
  }

type Truncation = Parameters<typeof truncateArgs>[1]

const truncation =
  (change: Truncation): Change =>
  at =>
    begin(at, at.world.engine.verbs.truncate, truncateArgs(files(at).a.file, change))

const daxChange =
  (change: { how: 'resize'; size: Bytes } | { how: 'punch'; position: Bytes; length: Bytes }): Change =>
  at =>
    begin(at, at.volume.daxChange, daxChangeArgs({ ...change, file: daxFiles(at).a.dax }))

const allocation =
  (plan: Omit<PreallocationPlan, 'file'>): Change =>
  at => {
    const { a } = files(at)
    assert.equal(at.world.says(at.world.punch(a, 3 * PAGE, 2 * PAGE)), 'done')
    begin(at, at.volume.preallocating, preallocatingArgs({ ...plan, file: a.volumeFile }))
  }

const shift =
  (how: 'collapse' | 'insert'): Change =>
  at =>
    begin(at, at.volume.shifting, shiftingArgs({ how, file: files(at).a.volumeFile, ...RANGE }))

/** Of the whole of the source. */
function remap(at: VolumeWorld, how: 'clone' | 'dedupe', source: Claimable, target: Claimable, to: Bytes) {
  const plan = { how, source, from: 0, target, to, length: PAGES * PAGE }
  begin(at, at.volume.remapping, remappingArgs(plan))
}

const RANGE = { position: PAGE, length: 3 * PAGE }

const CHANGES: Readonly<Record<string, Change>> = {
  'a clone that makes its target longer': at => {
    const { a, b } = files(at)
    remap(at, 'clone', a.volumeFile, b.volumeFile, 0)
  },
  'a clone behind the end of its target': at => {
    const { a, b } = files(at)
    remap(at, 'clone', a.volumeFile, b.volumeFile, 5 * PAGE)
  },
  'a clone of DAX files, and a write before it': at => {
    const { a, b } = daxFiles(at)
    remap(at, 'clone', a.dax, b.dax, 5 * PAGE)
    begin(at, at.volume.daxWrite, daxCallArgs(b.dax, 2 * PAGE, new Uint8Array(PAGE)))
  },
  'a dedupe': at => remap(at, 'dedupe', files(at).a.volumeFile, pieces(at, '/c').volumeFile, 0),
  'a copy of a range': at => {
    const { a, b } = files(at)
    const plan = { source: a.volumeFile, from: 0, target: b.volumeFile, to: PAGE, length: PAGES * PAGE }
    begin(at, at.volume.copying, rangeCopyingArgs(plan))
  },
  'an unsharing': at => {
    const { a, b } = files(at)
    assert.equal(at.world.says(at.remap('clone', a, b)), 'done')
    const plan = { file: b.volumeFile, position: 0, length: PAGES * PAGE }
    begin(at, at.volume.unsharing, unsharingArgs(plan))
  },
  'a truncation': truncation({ size: PAGE + 9 }),
  'a truncation that makes it longer': truncation({ size: 2 * PAGES * PAGE + 9 }),
  'a punch': truncation({ position: PAGE / 2, length: 9 * PAGE }),
  'a truncation of a DAX file': daxChange({ how: 'resize', size: PAGE + 9 }),
  'a punch of a DAX file': daxChange({ how: 'punch', position: PAGE / 2, length: 9 * PAGE }),
  'a fallocate': allocation({ position: 0, length: 2 * PAGES * PAGE, how: 'allocate', size: 'grows' }),
  'a fallocate that keeps the size': allocation({
    position: 0,
    length: 2 * PAGES * PAGE,
    how: 'allocate',
    size: 'kept',
  }),
  'a range made zero': allocation({ position: 100, length: 2 * PAGES * PAGE, how: 'zero', size: 'grows' }),
  'a collapse': shift('collapse'),
  'an insert': shift('insert'),
  'an insert into a DAX file': at =>
    begin(at, at.volume.shifting, shiftingArgs({ how: 'insert', file: daxFiles(at).a.dax, ...RANGE })),
  'a file that goes with its last name': at => {
    at.close(files(at).a)
    ok(at.volume.unlink('/a'))
  },
  'a snapshot': snapshot('/d', 'r+'),
  'a snapshot that is sealed': snapshot('/d', 'r'),
  'a snapshot of one that is sealed': snapshot('/d/s', 'r+'),
  'a snapshot that fails when some of it is sealed': at => {
    snapshot('/d', 'r')(at)
    at.volume.parts.names.nameDirectory = () => {
      throw new Failure(errno.EMLINK)
    }
  },
  'a commit that gives blocks back': at => {
    const { a } = files(at)
    assert.equal(at.world.says(at.world.truncate(a, 0)), 'done')
    at.volume.sync()
  },
  'the growth of the volume': at => {
    files(at)
    begin(at, new Growing(), growingArgs(at.volume, 2 * SMALL.blocks))
  },
  'the shrinking of the volume': at => {
    const { a, b } = files(at)
    assert.equal(at.world.says(at.remap('clone', a, b)), 'done')
    for (const file of [a, b]) at.close(file)
    begin(at, new Shrinking(), shrinkingArgs(at.volume, PAGES + 2))
  },
  'an upgrade': at => {
    begin(
      at,
      new Upgrading(),
      upgradingArgs({ volume: at.volume, uid: 7, gid: 8, now: { seconds: 1, nanoseconds: 0 } }),
    )
  },
}

function worldFor(what: string, slicePages: number): VolumeWorld {
  const options: VolumeWorldOptions = { ...SMALL, slicePages, dax: what.includes('DAX') }
  const at = new VolumeWorld(options)
  if (what !== 'an upgrade') return at
  tree(at)
  const image = at.image()
  return new VolumeWorld({ ...options, image: { ...image, store: inFormat1(image.store) } })
}

describe('a check', () => {
  for (const [what, change] of Object.entries(CHANGES))
    it(`finds nothing wrong beside ${what}, whenever it begins`, () => {
      for (const slicePages of SLICES) checkBeside(worldFor(what, slicePages), change)
    })
})

/** A check begins after each attempt, and goes as far as it can in one go. Where it waits, the change goes on. */
function checkBeside(at: VolumeWorld, change: Change): void {
  const { scheduler } = at.world
  change(at)
  const changing = [...scheduler.ready()]
  const checks: Task<CheckingArgs>[] = []
  for (let steps = 0; changing.some(({ state }) => state !== 'ended'); steps++) {
    assert.ok(steps < 1000, 'it ends')
    const next = scheduler.ready()[0]
    if (next === undefined) at.world.settle()
    else scheduler.step(next)
    if (checks.at(-1)?.state === 'waiting') continue
    const check = begin(at, at.volume.checking, checkingArgs('metadata only'))
    checks.push(check)
    while (scheduler.ready().includes(check as never)) scheduler.step(check as never)
  }
  at.world.settle()
  for (const { args } of checks) assert.deepEqual(args.report?.wrong, [])
  assert.ok(checks.length > 1, `${checks.length} checks`)
  at.commit()
  at.recount()
}
