/** Everything that is true of volumes is true of one whose store has no record here when it is asked (ST6). */
import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { ROOT } from '../base/index.ts'
import { PAGE } from '../engine/world.suite.ts'
import type { Outcome, Task, Verb } from '../sched/index.ts'
import { checkingArgs } from './checking.ts'
import { Growing, growingArgs } from './growing.ts'
import { LateStore } from './late-store.suite.ts'
import type { Answer } from './overlay.ts'
import { snapshotArgs } from './snapshot.ts'
import { layMetadataIn, VolumeWorld } from './volume-world.suite.ts'

let absences = 0

layMetadataIn(
  class extends LateStore {
    override release(error?: number): void {
      absences += this.absences
      this.absences = 0
      super.release(error)
    }
  },
)
after(() => assert.ok(absences > 2000, `${absences} reads waited for their records`))

for (const suite of ['dax', 'inodes', 'ranges', 'reflink', 'volume']) await import(`./${suite}.test.ts`)

/** What a volume is asked at once, as a task. */
class Asking implements Verb<{ readonly question: () => Answer<unknown> }> {
  readonly name = 'question'

  attempt({ args }: Task<{ readonly question: () => Answer<unknown> }>): Outcome {
    return args.question().outcome
  }
}

describe('a volume whose store has no record here', () => {
  test('takes names and files as a task, each whole or not yet', () => {
    const at = new VolumeWorld()
    const { volume, world } = at
    const asking = new Asking()
    const says = (question: () => Answer<unknown>) => {
      const before = at.store as LateStore
      const { absences } = before
      const said = world.says(world.spawn(asking, { question }))
      assert.ok(before.absences > absences, 'it waited')
      at.commit()
      return said
    }
    assert.equal(
      says(() => volume.create('/a', 'file')),
      'done',
    )
    assert.equal(
      says(() => volume.create('/d', 'directory')),
      'done',
    )
    assert.equal(
      says(() => volume.link('/a', '/d/b')),
      'done',
    )
    assert.equal(
      says(() => volume.rename('/a', '/d/a')),
      'done',
    )
    assert.equal(
      says(() => volume.unlink('/d')),
      'ENOTEMPTY',
    )
    assert.deepEqual(
      volume
        .list('/d')
        .value!.map(({ name }) => name)
        .sort(),
      ['a', 'b'],
    )
    const file = at.open('/d/a')
    at.write(file, 0, new Uint8Array(PAGE).fill(7))
    at.sync(file)
    assert.equal(
      says(() => volume.unlink('/d/a')),
      'done',
    )
    assert.equal(
      says(() => volume.unlink('/d/b')),
      'done',
    )
    const { used } = volume.usage
    assert.equal(volume.close(file.volumeFile), 'closed')
    assert.equal(world.says(world.spawn(world.engine.verbs.forget, { file: file.file })), 'done')
    assert.equal(
      says(() => volume.forget(file.volumeFile)),
      'done',
    )
    assert.equal(volume.usage.used, used - 1, 'nobody had it open, and no name led to it')
    at.recount()
  })

  test('counts the files of a snapshot once', () => {
    const at = new VolumeWorld()
    for (const name of ['/a', '/b', '/c']) at.create(name, 2)
    const args = snapshotArgs({ from: '/', to: '/s', mode: 'r' })
    assert.equal(at.world.says(at.world.spawn(at.volume.snapshot, args)), 'done')
    assert.equal(args.files, 3)
    assert.deepEqual(at.durable('/a'), [1, 2])
  })

  test('is checked as it was when the check began, whatever it has become meanwhile', () => {
    const at = new VolumeWorld()
    at.create('/a', 2)
    const { scheduler } = at.world
    const args = checkingArgs('metadata only')
    const check = scheduler.spawn(at.volume.checking, args, { name: 'check', group: ROOT })
    scheduler.step(check as never)
    assert.equal(check.state, 'waiting')
    scheduler.spawn(new Growing(), growingArgs(at.volume, 100), { name: 'growth', group: ROOT })
    at.world.settle()
    assert.equal(at.volume.header.blocks, 100)
    assert.deepEqual(args.report!.wrong, [])
    at.recount()
  })
})
