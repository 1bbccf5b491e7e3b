/** The published schema of the account against every fixture: nothing is printed that it doesn't say, and it says nothing that isn't. */
import assert from 'node:assert/strict'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { TraceError } from '../trace/index.ts'
import { type AnalysisJson, analyze as analyzeFiles, FaultlineError, type Inversion } from './door.ts'
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

test('arguments that make no sense, and files that are none, are errors of the library with a code', async () => {
  const path = fixtures[0]!
  const good = { thresholdMs: 50 }
  const gone = new AbortController()
  gone.abort()
  const cases: readonly (readonly [readonly unknown[], string, RegExp])[] = [
    [[[], good], 'EINVAL', /at least one trace file, got an empty list/],
    [[null, good], 'EINVAL', /a list of the paths of trace files, got null/],
    [[undefined, good], 'EINVAL', /a list of the paths/],
    [['tr.txt', good], 'EINVAL', /a list of the paths of trace files, got "tr.txt"/],
    [[[5], good], 'EINVAL', /as element 0, got 5/],
    [[[path, null], good], 'EINVAL', /as element 1, got null/],
    [[[''], good], 'EINVAL', /as element 0/],
    [[['a\0b'], good], 'EINVAL', /as element 0/],
    [[[path]], 'EINVAL', /an object of options/],
    [[[path], null], 'EINVAL', /an object of options, got null/],
    [[[path], 50], 'EINVAL', /an object of options, got 50/],
    [[[path], {}], 'EINVAL', /thresholdMs: expected milliseconds/],
    [[[path], { thresholdMs: NaN }], 'EINVAL', /thresholdMs: expected milliseconds.*; got NaN/],
    [[[path], { thresholdMs: -1 }], 'EINVAL', /thresholdMs: .*; got -1/],
    [[[path], { thresholdMs: Infinity }], 'EINVAL', /thresholdMs: .*; got Infinity/],
    [[[path], { thresholdMs: '50' }], 'EINVAL', /thresholdMs: .*; got "50"/],
    [[[path], { ...good, foo: 1 }], 'EINVAL', /no option "foo"; expected thresholdMs, concerns/],
    [[[path], { ...good, tresholdMs: 1 }], 'EINVAL', /did you mean thresholdMs\?/],
    [[[path], { ...good, onInversion: 1 }], 'EINVAL', /onInversion: expected a function; got 1/],
    [[[path], good, null], 'EINVAL', /an object of options, got null/],
    [[[path], good, { clockHz: 0 }], 'EINVAL', /clockHz: .*; got 0/],
    [[[path], good, { signal: null }], 'EINVAL', /signal: expected an AbortSignal; got null/],
    [[[path], good, { signal: gone.signal }], 'ABORT_ERR', /was aborted by its caller/],
    [[['/nowhere/at/all'], good], 'ENOENT', /does not exist/],
    [[['/'], good], 'EISDIR', /is a folder/],
    [[[`${path}/x`], good], 'ENOTDIR', /can't be read/],
    [[[join(ROOT, 'package.json')], good], 'EBADMSG', /expected/],
  ]
  for (const [given, code, sentence] of cases)
    await assert.rejects(
      async () => (analyzeFiles as (...given: readonly unknown[]) => Promise<unknown>)(...given),
      error => {
        assert.ok(error instanceof FaultlineError, `${JSON.stringify(given)}: ${error}`)
        assert.equal(error.code, code, error.message)
        assert.match(error.message, sentence)
        return true
      },
    )
})
