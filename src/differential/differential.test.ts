/**
 * The engine and this kernel agree: a short campaign on each filesystem. And the campaign can fail: a planted mistake of
 * ours is seen, and its line plays it again.
 */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { test } from 'node:test'
import { Prng } from '../base/index.ts'
import {
  Coverage,
  campaign,
  DIFFERENCES,
  FILESYSTEMS,
  Filesystem,
  KINDS,
  kindsOf,
  NotHere,
  replay,
  type Stage,
  Tracer,
} from './index.ts'
import { randomOperation } from './operations.ts'
import { Ours } from './ours.ts'

const OPERATIONS = Number(process.env['DIFFERENTIAL_OPERATIONS'] ?? 1000)

function on(
  t: { skip(reason: string): void },
  name: (typeof FILESYSTEMS)[number],
  act: (stage: Stage) => void,
) {
  let made: Filesystem
  try {
    made = Filesystem.make(name)
  } catch (error) {
    if (!(error instanceof NotHere)) throw error
    t.skip('needs root, loop devices, and processes that may be traced')
    return
  }
  try {
    act({ tracer: new Tracer(), filesystem: name, directory: made.directory, coverage: new Coverage() })
  } finally {
    made.remove()
  }
}

for (const name of FILESYSTEMS)
  test(`the engine and the kernel agree on ${name}`, t => {
    on(t, name, stage => {
      const plan = { operations: OPERATIONS, seed: 1, from: 0, onProgress: () => {} }
      const { operations, failure } = campaign(stage, plan)
      assert.equal(failure?.message, undefined)
      assert.equal(operations, OPERATIONS)
      assert.ok(Object.values(stage.coverage.counts).some(({ failed }) => failed > 0))
    })
  })

test('a planted mistake is found, made small, and played again', t => {
  on(t, 'tmpfs', stage => {
    const { perform } = Ours.prototype
    t.mock.method(Ours.prototype, 'perform', function (this: Ours, operation: Parameters<typeof perform>[0]) {
      // munmap forgets the last page.
      if (operation.name === 'unmap' && operation.pages > 1)
        return perform.call(this, { ...operation, pages: operation.pages - 1 })
      return perform.call(this, operation)
    })
    const { failure } = campaign(stage, { operations: 2000, seed: 1, from: 0, onProgress: () => {} })
    assert.ok(failure !== undefined && failure.kept.length <= 4, JSON.stringify(failure))
    assert.match(failure.message, /"name":"unmap"/)
    assert.notEqual(replay(stage, 1, failure.story, failure.kept), undefined)
    t.mock.restoreAll()
    assert.equal(replay(stage, 1, failure.story, failure.kept), undefined)
  })
})

test('chance makes every kind of operation, and no other', () => {
  const prng = new Prng(1)
  const seen = new Set(Array.from({ length: 20_000 }, () => randomOperation(prng)).flatMap(kindsOf))
  assert.deepEqual([...seen].sort(), [...KINDS].sort())
})

test('docs/differential.md has the table of differences', () => {
  const text = fs.readFileSync(new URL('../../docs/differential.md', import.meta.url), 'utf8')
  for (const { name, kernel, ours, follows } of DIFFERENCES)
    assert.ok(text.includes(`| ${name} | ${kernel} | ${ours} | ${follows} |`), `the row "${name}"`)
})
