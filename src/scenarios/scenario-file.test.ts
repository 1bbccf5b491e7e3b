/** A scenario of a user's own: what is read, and what is said of what can't be. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { explore } from '../explore/index.ts'
import { RESTART } from '../mm/index.ts'
import { SCENARIOS } from './catalogue.ts'
import { readScenario, ScenarioError, writeScenario } from './scenario-file.ts'

const GOOD = `name: two-stores
about: two stores on a page whose writes must be stable
files:
  data: { pages: 2, stable: true }
mappings:
  data: { file: data, pages: 2 }
before: [store data 0]
tasks:
  - sync data
  - store data 0
fails:
  - operation: write
kills: [1]
`

describe('a scenario file', () => {
  test('is read into the same plain data as the catalogue, and can be explored', () => {
    const scenario = readScenario('own.yaml', GOOD)
    assert.deepEqual(scenario.files.data, { pages: 2, stable: true, free: undefined })
    assert.deepEqual(scenario.fails, [{ operation: 'write', times: 1 }])
    assert.deepEqual(scenario.kills, [1])
    assert.equal(scenario.frames, 12)
    const { complete, violations } = explore(scenario, RESTART)
    assert.equal(complete, true)
    assert.deepEqual(violations, [])
  })

  test('is written from any scenario of the catalogue, and read back the same', () => {
    for (const scenario of SCENARIOS)
      assert.deepEqual(readScenario('own.yaml', writeScenario(scenario)), scenario)
  })

  const refused = (from: string, to: string, says: RegExp) => () =>
    assert.throws(
      () => readScenario('own.yaml', GOOD.replace(from, to)),
      (error: unknown) => error instanceof ScenarioError && says.test(error.message),
    )

  test(
    'names the line of an unknown key, and the one that was meant',
    refused(
      'stable: true',
      'stabel: true',
      /^own\.yaml:4:21: `stabel` is no key of a file; did you mean stable\?$/,
    ),
  )
  test(
    'names the line of a verb that isn’t one',
    refused(
      '- store data 0',
      '- stroe data 0',
      /^own\.yaml:10:5: `stroe` is no verb; the verbs are load, store,/,
    ),
  )
  test(
    'knows the mappings that a phrase may name',
    refused(
      '- store data 0',
      '- store heap 0',
      /^own\.yaml:10:5: .*there is no mapping `heap`; there is data$/,
    ),
  )
  test(
    'says what a number may be',
    refused(
      '{ pages: 2, stable',
      '{ pages: 17, stable',
      /^own\.yaml:4:18: expected a whole number from 0 to 16, got `17`$/,
    ),
  )
  test(
    'says which words it expected',
    refused(
      'operation: write',
      'operation: erase',
      /^own\.yaml:12:16: expected read or write or flush .*got `erase`$/,
    ),
  )
  test('says that it isn’t YAML', refused('tasks:', 'tasks: [', /^own\.yaml:\d+:\d+: this isn't YAML: /))
  test(
    'refuses a kill of nobody',
    refused('kills: [1]', 'kills: [1, 5]', /^own\.yaml:13:12: `kills` names task 5; the last is 1$/),
  )
  for (const [phrase, space] of [
    ['load child/data 0', 'child'],
    ['proc maps child', 'child'],
    ['exit other', 'other'],
    ['fork constructor', 'constructor'],
  ])
    test(
      `knows the spaces that \`${phrase}\` may name`,
      refused(
        '- store data 0',
        `- ${phrase}`,
        new RegExp(`^own\\.yaml:10:5: \`${phrase}\`: there is no space \`${space}\`, only app; `),
      ),
    )
  test(
    'knows no child before the fork that makes it',
    refused('before: [store data 0]', 'before: [load child/data 0, fork]', /^own\.yaml:7:10: .*`child`/),
  )
  test('knows the child that `before` has forked, and the spaces of mappings', () => {
    const forked = GOOD.replace('before: [store data 0]', 'before: [fork, load child/data 0]')
    const named = forked.replace('pages: 2 }\nbefore', 'pages: 2, space: other }\nbefore')
    const text = named.replace('- store data 0', '- proc maps child\n  - exit other')
    assert.deepEqual(explore(readScenario('own.yaml', text), RESTART).violations, [])
  })
  test('tells phrases by their words, however they are spaced', () => {
    const text = GOOD.replace('- store data 0', "- '  store   data 0 '")
    assert.deepEqual(readScenario('own.yaml', text), readScenario('own.yaml', GOOD))
  })
  test('has private memory where a mapping names no file, and refuses what would be shared', () => {
    const own = 'name: own\nmappings:\n  heap: {}\ntasks: [store heap 0, store heap 0]\n'
    const scenario = readScenario('own.yaml', own)
    assert.equal(scenario.mappings.heap!.share, 'private')
    assert.deepEqual(explore(scenario, RESTART).violations, [])
    assert.throws(
      () => readScenario('own.yaml', own.replace('{}', '{ share: shared }')),
      /^ScenarioError: own\.yaml:3:18: memory without a file is private here; /,
    )
  })
  for (const before of [
    'write data 0',
    'truncate data 1',
    'store heap 0, dontneed heap',
    'store heap 0, mremap heap away',
    'store heap 0, remap heap',
    'store heap 0, munmap heap',
    'store heap 0, fork',
  ])
    test(`goes by what \`${before}\` left before it began`, () => {
      const text = GOOD.replace('mappings:', 'mappings:\n  heap: { pages: 2 }').replace(
        'store data 0]',
        `${before}]`,
      )
      assert.deepEqual(explore(readScenario('own.yaml', text), RESTART).violations, [])
    })
  test('wants tasks', refused('tasks:', 'about:', /^own\.yaml:/))
  test('wants something', () => {
    assert.throws(
      () => readScenario('own.yaml', ''),
      /^ScenarioError: own\.yaml:1:1: expected a scenario, got an empty file$/,
    )
  })
})

describe('a scenario file of a volume', () => {
  const OWN = `name: own
volume: { open: dax }
files:
  a: {}
  b: { pages: 0 }
mappings:
  a: { file: a }
before: [clone a b]
tasks: [store a 0, proc maps]
`
  test('has files that share blocks, and can be explored', () => {
    const scenario = readScenario('own.yaml', OWN)
    assert.deepEqual(scenario.volume, { blocks: 16, open: 'dax' })
    const { complete, violations } = explore(scenario, RESTART)
    assert.deepEqual([complete, violations], [true, []])
  })

  test('is needed for what only its files know', () => {
    assert.throws(
      () => readScenario('own.yaml', OWN.replace('volume: { open: dax }\n', '')),
      /^ScenarioError: own\.yaml:7:10: `clone a b` is for files of a volume; say `volume: \{ open: cached \}` or dax$/,
    )
  })

  test('says when the volume is too small for them', () => {
    const blocks = (count: number) =>
      readScenario(
        'own.yaml',
        OWN.replace('open: dax', `open: dax, blocks: ${count}`).replace('pages: 0', 'pages: 2'),
      )
    assert.throws(
      () => blocks(3),
      /^ScenarioError: own\.yaml:2:30: a volume of 3 blocks is too small: its first and the pages of its files are 4$/,
    )
    assert.deepEqual(explore(blocks(4), RESTART).violations, [])
  })
})
