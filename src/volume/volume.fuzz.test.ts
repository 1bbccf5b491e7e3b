/**
 * Random operations on a volume against files that are plain arrays.
 *
 * Invariants checked
 *   after each operation    every file reads as its model, from the cache and from the device; the check finds nothing
 *   after each sync         what a crash leaves reads as the models did at that sync, and has no block too many or too few
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { SECOND } from '../base/index.ts'
import { type OpenedFile, PAGE, VolumeWorld } from './volume-world.suite.ts'

const FILES = 3
const PAGES = 6

const file = fc.nat(FILES - 1)
const page = fc.nat(PAGES - 1)
const pages = fc.integer({ min: 1, max: 3 })
const offset = fc.constantFrom(0, 0, 1, PAGE / 2)
const step = fc.oneof(
  fc.record({
    kind: fc.constant('write' as const),
    file,
    page,
    offset,
    pages,
    value: fc.integer({ min: 1, max: 255 }),
  }),
  fc.record({
    kind: fc.constantFrom('clone' as const, 'dedupe' as const),
    file,
    page,
    pages,
    source: file,
    from: page,
  }),
  fc.record({
    kind: fc.constantFrom('punch' as const, 'truncate' as const, 'allocate' as const),
    file,
    page,
    offset,
    pages,
  }),
  fc.record({ kind: fc.constantFrom('sync' as const, 'evict' as const, 'renew' as const), file }),
)

describe('a volume', () => {
  it('does to its files what happens to plain arrays, and a crash after a sync changes nothing', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 12, max: 40 }),
        fc.array(step, { maxLength: 40, size: 'max' }),
        (blocks, steps) => {
          const at = new VolumeWorld({ blocks, checked: false })
          const names = Array.from({ length: FILES }, (_, number) => `/${number}`)
          const files: OpenedFile[] = names.map(name => at.create(name, 0))
          const models: Uint8Array[] = names.map(() => new Uint8Array(0))
          for (const each of steps) {
            const target = files[each.file]!
            const model = models[each.file]!
            switch (each.kind) {
              case 'write': {
                const position = each.page * PAGE + each.offset
                const bytes = new Uint8Array(each.pages * PAGE).fill(each.value)
                const task = at.world.write(target, position, bytes)
                // Few blocks, and many of them dirty: the writer pauses until some are written.
                while (at.world.says(task) === 'waits: throttle') at.world.later(SECOND)
                if (at.world.says(task) === 'done') models[each.file] = over(model, position, bytes)
                else {
                  assert.equal(at.world.says(task), 'ENOSPC')
                  if (task.args.copied > 0)
                    models[each.file] = over(model, position, bytes.subarray(0, task.args.copied))
                }
                break
              }
              case 'clone':
              case 'dedupe': {
                const source = models[each.source]!
                const from = each.from * PAGE
                const to = each.page * PAGE
                const length = each.pages * PAGE
                const task = at.remap(each.kind, files[each.source]!, target, { from, to, length })
                const bytes = source.slice(from, from + length)
                if (each.kind === 'clone' && at.world.says(task) === 'done')
                  models[each.file] = over(model, to, bytes)
                if (each.kind === 'dedupe' && at.world.says(task) === 'done')
                  assert.equal(task.args.differs, !same(bytes, model.subarray(to, to + length)))
                break
              }
              case 'punch': {
                const position = each.page * PAGE + each.offset
                const length = Math.min(model.length - position, each.pages * PAGE)
                if (length <= 0) break
                if (at.world.says(at.world.punch(target, position, length)) === 'done')
                  model.fill(0, position, position + length)
                break
              }
              case 'truncate': {
                const size = each.page * PAGE + each.offset
                if (at.world.says(at.world.truncate(target, size)) === 'done')
                  models[each.file] = over(model.slice(0, size), size, new Uint8Array(0))
                break
              }
              case 'allocate': {
                const end = (each.page + each.pages) * PAGE
                if (at.world.says(at.allocate(target, each.page * PAGE, each.pages * PAGE)) === 'done')
                  models[each.file] = over(model, end, new Uint8Array(0))
                break
              }
              case 'sync':
                for (const one of files) at.sync(one)
                compare(at.crash(), names, models)
                break
              case 'evict':
                at.sync(target)
                at.evict(target)
                break
              case 'renew':
                assert.equal(at.volume.unlink(names[each.file]!).errno, 0)
                at.close(target)
                files[each.file] = at.create(names[each.file]!, 0)
                models[each.file] = new Uint8Array(0)
                break
            }
            at.recount()
            files.forEach((one, number) => {
              assert.deepEqual(at.read(one, 0, PAGE * 20), models[number])
            })
          }
          for (const one of files) at.sync(one)
          compare(at.crash(), names, models)
          assert.equal(at.volume.usage.reserved, 0)
        },
      ),
      { numRuns: 60 },
    )
  })
})

function compare(later: VolumeWorld, names: readonly string[], models: readonly Uint8Array[]): void {
  later.recount()
  names.forEach((name, number) => {
    assert.deepEqual(later.read(later.open(name), 0, PAGE * 20), models[number])
  })
}

/** What the model is after `bytes` were written at `position`. */
function over(model: Uint8Array, position: number, bytes: Uint8Array): Uint8Array {
  const next = new Uint8Array(Math.max(model.length, position + bytes.length))
  next.set(model)
  next.set(bytes, position)
  return next
}

function same(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, at) => byte === other[at])
}
