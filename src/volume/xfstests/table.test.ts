/** docs/xfstests.md and the tests say the same: who is in the table has a test, and who has a test is in the table. */
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { it } from 'node:test'
import { listen } from './story.suite.ts'

const PAGE = readFileSync(join(import.meta.dirname, '../../../docs/xfstests.md'), 'utf8')
const ROWS = [...PAGE.matchAll(/^\| (\d{3}) \| (.+?) \| (.+?) \|$/gm)].map(([, number, , here]) => ({
  number: Number(number),
  file: /^\[.*\]\(.*\/(.*)\)$/.exec(here!)?.[1],
}))

it('the table of xfstests tells the truth', async () => {
  const told = new Map<number, string>()
  for (const file of globSync('*.test.ts', { cwd: import.meta.dirname })) {
    if (file === 'table.test.ts') continue
    listen(number => {
      assert.ok(!told.has(number) || told.get(number) === file, `generic/${number} is told in one file`)
      told.set(number, file)
    })
    await import(`./${file}`)
  }
  const listed = ROWS.flatMap(({ number, file }) => (file === undefined ? [] : [[number, file] as const]))
  const byNumber = (a: readonly [number, string], b: readonly [number, string]) => a[0] - b[0]
  assert.deepEqual([...listed].sort(byNumber), [...told].sort(byNumber))
})

it('the table of xfstests has each number once, and counts right', () => {
  const numbers = ROWS.map(({ number }) => number)
  assert.equal(new Set(numbers).size, numbers.length)
  const have = ROWS.filter(({ file }) => file !== undefined).length
  assert.ok(PAGE.includes(`**${have} of ${numbers.length} have a test here`), `${have} of ${numbers.length}`)
  assert.ok(PAGE.includes(`the ${numbers.length} of its generic tests`))
})
