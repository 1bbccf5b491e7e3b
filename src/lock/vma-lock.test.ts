/** The locks of VMAs: tried by readers, stamped by writers, ended together by one number. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { AssertionError } from '../base/index.ts'
import { done, Scheduler, TimedDriver } from '../sched/index.ts'
import { RANK, SpaceLock, VmaLock } from './index.ts'

function world() {
  const scheduler = new Scheduler(new TimedDriver())
  const idle = { name: 'idle', attempt: () => done }
  const task = (name: string) => scheduler.spawn(idle, undefined, { name, group: 1 })
  return {
    scheduler,
    space: new SpaceLock(scheduler, 'a'),
    vmas: [new VmaLock(scheduler, 'first'), new VmaLock(scheduler, 'second')] as const,
    task,
  }
}

describe('the lock of a VMA', () => {
  it('lets readers in together', () => {
    const { space, vmas, task } = world()
    assert.equal(space.tryReadVma(vmas[0], task('a')), true)
    assert.equal(space.tryReadVma(vmas[0], task('b')), true)
    assert.equal(vmas[0].holders().length, 2)
  })

  it('lets no reader in once it is write-locked, and every VMA’s lock ends with the space’s (V1, V2)', () => {
    const { space, vmas, task } = world()
    const writer = task('writer')
    space.mmap.write(writer)
    for (const vma of vmas) assert.equal(space.writeVma(vma, writer), undefined)
    for (const vma of vmas) assert.equal(space.tryReadVma(vma, task('reader')), false)
    space.mmap.release(writer)
    for (const vma of vmas) assert.equal(space.tryReadVma(vma, task('reader')), true)
  })

  it('ends with a downgrade too', () => {
    const { space, vmas, task } = world()
    const writer = task('writer')
    space.mmap.write(writer)
    space.writeVma(vmas[0], writer)
    space.mmap.downgrade(writer)
    assert.equal(space.tryReadVma(vmas[0], task('reader')), true)
  })

  it('that ended stays so through whatever becomes of the space’s lock later (V2)', () => {
    const { space, vmas, task } = world()
    const writer = task('writer')
    space.mmap.write(writer)
    space.writeVma(vmas[0], writer)
    space.mmap.release(writer)
    space.mmap.write(writer)
    space.mmap.downgrade(writer)
    assert.equal(space.tryReadVma(vmas[0], task('reader')), true)
  })

  it('leaves VMAs that the writer doesn’t change to their readers', () => {
    const { space, vmas, task } = world()
    const writer = task('writer')
    space.mmap.write(writer)
    space.writeVma(vmas[0], writer)
    assert.equal(space.tryReadVma(vmas[1], task('reader')), true)
  })

  it('ends its write locks when the writer of the space becomes a reader, and others read beside it', () => {
    const { space, vmas, task } = world()
    const [writer, reader] = [task('writer'), task('reader')]
    space.mmap.write(writer)
    space.writeVma(vmas[0], writer)
    space.mmap.downgrade(writer)
    assert.equal(space.mmap.isWriter(writer), false)
    assert.equal(space.mmap.read(reader), undefined)
    assert.deepEqual(
      space.mmap.holders().map(({ name }) => name),
      ['writer', 'reader'],
    )
    assert.equal(space.tryReadVma(vmas[0], task('late')), true)
  })

  it('makes the writer wait for the readers inside, and for no more of them', () => {
    const { space, vmas, task } = world()
    const [a, b, writer] = [task('a'), task('b'), task('writer')]
    space.tryReadVma(vmas[0], a)
    space.tryReadVma(vmas[0], b)
    space.mmap.write(writer)
    const drained = space.writeVma(vmas[0], writer)
    assert.equal(drained?.ticket.complete, false)
    assert.equal(space.tryReadVma(vmas[0], task('late')), false)
    vmas[0].release(a)
    assert.equal(drained?.ticket.complete, false)
    vmas[0].release(b)
    assert.equal(drained?.ticket.complete, true)
    assert.equal(space.writeVma(vmas[0], writer), undefined)
  })

  it('isn’t held up by a writer that gave up: the next one has a ticket of its own', () => {
    const { space, vmas, task } = world()
    const [reader, first, second] = [task('reader'), task('first'), task('second')]
    space.tryReadVma(vmas[0], reader)
    space.mmap.write(first)
    space.writeVma(vmas[0], first)
    space.mmap.release(first)
    assert.equal(space.tryReadVma(vmas[0], task('another')), true, 'the lock of who gave up has ended')
    space.mmap.write(second)
    const drained = space.writeVma(vmas[0], second)
    assert.equal(drained?.ticket.complete, false)
    for (const holder of [...vmas[0].holders()]) vmas[0].release(holder)
    assert.equal(drained?.ticket.complete, true)
  })

  it('is write-locked only by who writes the space (V1)', () => {
    const { space, vmas, task } = world()
    const reader = task('reader')
    space.mmap.read(reader)
    assert.throws(() => space.writeVma(vmas[0], reader), AssertionError)
  })

  it('is below the space’s in order: who reads a VMA never takes the space (V3, L1)', () => {
    const { space, vmas, task } = world()
    const reader = task('reader')
    space.tryReadVma(vmas[0], reader)
    assert.throws(() => space.mmap.read(reader), AssertionError)
    assert.ok(RANK.mmap < RANK.vma)
  })

  it('is read once by one task (L2)', () => {
    const { space, vmas, task } = world()
    const reader = task('reader')
    space.tryReadVma(vmas[0], reader)
    assert.throws(() => space.tryReadVma(vmas[0], reader), AssertionError)
  })
})
