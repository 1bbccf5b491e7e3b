/** Mutants: what is planted, and that a seed plants it again. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { chosen, explained, mutantsOf, stale } from './mutate.ts'

const TEXT = `/** A file: a < b && c. */
import { x } from './x.ts'

export function least(a: number, b: number): number {
  // a === b
  if (a < b) return a
  log.note(a)
  return Math.min(a, b + 1)
}
`

test('mutants change code, one line at a time, and stay programs', () => {
  const found = mutantsOf('a.ts', TEXT).map(({ line, after }) => `${line}: ${after}`)
  assert.deepEqual(found, [
    '6: if (a <= b) return a',
    '6: if (false && a < b) return a',
    '7: ',
    '8: return Math.min(a, b - 1)',
    '8: return Math.max(a, b + 1)',
  ])
})

test('a seed plants the same mutants again, each once', () => {
  const all = mutantsOf('a.ts', TEXT)
  assert.deepEqual(chosen(all, 3, 7), chosen(all, 3, 7))
  assert.notDeepEqual(chosen(all, 5, 1), chosen(all, 5, 2))
  assert.equal(new Set(chosen(all, 9, 3)).size, all.length)
})

test('what is explained is in its file still, and has a reason', () => {
  assert.deepEqual(stale(), [])
  for (const { why, before } of explained()) assert.ok(why.length > 0, before)
})

test('wrong words are refused with 2, in a sentence', () => {
  const mutate = (...words: string[]) =>
    spawnSync(process.execPath, [join(import.meta.dirname, 'mutate.ts'), ...words], { encoding: 'utf8' })
  for (const [words, says] of [
    [[], /expected a room/],
    [['attic'], /src\/attic has no source/],
    [['lock', '--count', 'many'], /--count: expected a whole number/],
  ] as const) {
    const { status, stderr } = mutate(...words)
    assert.equal(status, 2)
    assert.match(stderr, says)
  }
})
