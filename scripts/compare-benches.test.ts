/** Two runs of the benches held against each other: what counts as worse. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Measured } from './bench-files.ts'
import { changes } from './compare-benches.ts'

function measured(
  ratios: Record<string, number>,
  target: Measured['benches'][number]['target'] = { atMost: 2 },
): Measured {
  const benches = Object.entries(ratios).map(([name, ratio]) => ({
    bench: 'loads',
    name,
    what: '',
    ratio,
    low: ratio * 0.95,
    high: ratio * 1.05,
    rounds: 5,
    ours: ratio,
    theirs: 1,
    unit: 'ns',
    target,
    meets: null,
  }))
  return { machine: ['one machine', 'Node'], benches, skipped: [] }
}

const verdicts = (before: Measured, after: Measured) =>
  Object.fromEntries(
    changes(before, after).map(({ name, verdict }) => [name.replace('loads: ', ''), verdict]),
  )

test('a cost that rose beyond spread and noise is worse, one that fell is better, one within is the same', () => {
  const before = measured({ rose: 1, fell: 1, within: 1 })
  assert.deepEqual(verdicts(before, measured({ rose: 1.2, fell: 0.8, within: 1.04 })), {
    rose: 'worse',
    fell: 'better',
    within: 'same',
  })
})

test('where more is better, less is worse', () => {
  const target = { atLeast: 1 }
  assert.deepEqual(verdicts(measured({ a: 2, b: 2 }, target), measured({ a: 1, b: 3 }, target)), {
    a: 'worse',
    b: 'better',
  })
})

test('figures that came, went, or aren’t asked for are told and not judged', () => {
  assert.deepEqual(verdicts(measured({ old: 1 }), measured({ young: 1 })), { young: 'new', old: 'gone' })
  assert.deepEqual(verdicts(measured({ a: 1 }, 'none'), measured({ a: 9 }, 'none')), { a: 'not judged' })
})

test('the command ends with 1 if something is worse, 0 if not, 2 for wrong words', t => {
  const directory = mkdtempSync(join(tmpdir(), 'faultline-compare-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const file = (name: string, content: unknown) => {
    const path = join(directory, name)
    writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content))
    return path
  }
  const [fast, slow] = [file('fast.json', measured({ a: 1 })), file('slow.json', measured({ a: 2 }))]
  const status = (...words: string[]) =>
    spawnSync(process.execPath, [join(import.meta.dirname, 'compare-benches.ts'), ...words]).status
  assert.equal(status(fast, slow), 1)
  assert.equal(status(slow, fast), 0)
  assert.equal(status(fast), 2)
  assert.equal(status(fast, file('no.json', 'no')), 2)
  const parts = mkdtempSync(join(directory, 'parts-'))
  assert.equal(status(fast, parts), 2)
  writeFileSync(join(parts, 'one.json'), JSON.stringify(measured({ a: 1 })))
  writeFileSync(join(parts, 'two.json'), JSON.stringify(measured({ b: 1 })))
  assert.equal(status(parts, file('both.json', measured({ a: 1, b: 2 }))), 1)
  assert.equal(status(parts, file('both.json', measured({ a: 2, b: 1 }))), 1)
  assert.equal(status(parts, file('both.json', measured({ a: 1, b: 1 }))), 0)
  assert.equal(status(fast, file('other.json', {})), 2)
})
