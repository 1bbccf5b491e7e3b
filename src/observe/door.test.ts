/** The published schema of the account against every fixture: nothing is printed that it doesn't say, and it says nothing that isn't. */
import assert from 'node:assert/strict'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { TraceError } from '../trace/index.ts'
import type { AnalysisJson, Inversion } from './door.ts'
import { analyze, momentsOf, readScenes, whatIf } from './index.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const SHARED = join(ROOT, '..', 'shared', 'traces')
const schema = JSON.parse(readFileSync(join(ROOT, 'docs/observe.schema.json'), 'utf8'))
const ajv = new Ajv2020({ allErrors: true, allowUnionTypes: true })
ajv.addSchema(schema, 'observe')
const conforms = (to: string, value: unknown) => {
  const validate = ajv.getSchema(`observe#/$defs/${to}`)!
  assert.ok(validate(JSON.parse(JSON.stringify(value))), ajv.errorsText(validate.errors, { separator: '\n' }))
}

const fixtures = globSync('*.txt.gz', { cwd: join(import.meta.dirname, 'fixtures') }).map(name =>
  join(import.meta.dirname, 'fixtures', name),
)
const dumps = existsSync(SHARED) ? globSync(join(SHARED, 'dumps/*/*.{txt,log}')) : []
const accounts: AnalysisJson[] = []

test('the account of every fixture is what the schema says', { timeout: 120_000 }, async () => {
  assert.ok(fixtures.length >= 7)
  for (const path of [...fixtures, ...dumps]) {
    const account = await analyze([path], { thresholdMs: 5 }).catch(error => {
      assert.ok(error instanceof TraceError, String(error))
    })
    if (account === undefined) continue
    accounts.push(account)
    conforms('analysis', account)
    const { doubts, conclusive, files, ...live } = account
    assert.ok(doubts.length === 0 || typeof conclusive === 'boolean')
    assert.ok(files.length === 1)
    conforms('account', live)
    for (const each of account.inversions) conforms('inversion', each)
  }
})

test('an answer of --what-if is what the schema says', async () => {
  const [path] = fixtures.filter(each => each.includes('frozen-munmap-6'))
  const account = await analyze([path!], { thresholdMs: 50 })
  const scenes = await readScenes([path!], momentsOf(account, 50), {})
  const answer = whatIf(scenes, { discipline: 'restart', kernelDiscipline: null, thresholdMs: 50 })
  conforms('analysis', { ...account, whatIf: answer })
})

test('a field too many, one that is missing, and one of another type are each seen', () => {
  const [inversion] = accounts.flatMap(each => each.inversions as Inversion[])
  assert.ok(inversion !== undefined)
  conforms('inversion', inversion)
  const { cause, ...less } = inversion
  for (const wrong of [less, { ...inversion, more: 1 }, { ...inversion, cause: { ...cause, kind: null } }])
    assert.throws(() => conforms('inversion', wrong))
})
