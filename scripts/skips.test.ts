/** What is said of skipped tests, and that one which nobody meant fails CI. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { readList, summary } from './skips.ts'

test('skips are counted by file and reason; those on the list are meant', () => {
  const meant = readList('# why\nsrc/a.test.ts: it takes root\n\n')
  const a = { file: 'src/a.test.ts', reason: 'it takes root' }
  const b = { file: 'src/b.test.ts', reason: 'it takes root' }
  const { lines, fresh } = summary([a, b, a], meant)
  assert.deepEqual(lines, ['      2  src/a.test.ts: it takes root', '  !   1  src/b.test.ts: it takes root'])
  assert.deepEqual(fresh, [b])
  assert.throws(() => readList('no reason'), /expected FILE: REASON/)
})

test('may a test be skipped in CI that nobody meant to skip?', t => {
  const folder = mkdtempSync(join(tmpdir(), 'faultline-skips-'))
  t.after(() => rmSync(folder, { recursive: true }))
  writeFileSync(
    join(folder, 'some.test.mjs'),
    "import { test } from 'node:test'\ntest('one', () => {})\ntest('two', { skip: 'no reason at all' }, () => {})\n",
  )
  const reporter = join(import.meta.dirname, 'skips.ts')
  for (const [ci, status] of [
    ['1', 1],
    [undefined, 0],
  ] as const) {
    const { CI: _, NODE_TEST_CONTEXT: __, ...rest } = process.env
    const ran = spawnSync(process.execPath, ['--test', `--test-reporter=${reporter}`, 'some.test.mjs'], {
      cwd: folder,
      encoding: 'utf8',
      env: ci === undefined ? rest : { ...rest, CI: ci },
    })
    assert.match(ran.stdout, /1 tests were skipped:\n {2}! {3}1 .*some\.test\.mjs: no reason at all/)
    assert.equal(ran.status, status, ran.stderr)
  }
})
