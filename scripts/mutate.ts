/**
 * Plants random mutants in a room and runs its tests: do the tests notice?
 *
 *     npm run mutate -- ROOM [--count 20] [--seed 1] [--tests GLOB]... [--json]
 *
 * A mutant is one small change of one line (another operator, another branch, a call left out), chosen by the seed. It lies in
 * a copy of the tree, never in the tree itself. It is killed if a test fails, or if they take LONGER times as long as without
 * it. One that lives is told with its line; the same seed and count plant the same mutants. What the tests of a room below the
 * doors don't notice is shown to those of the whole machine too (WHOLE), which count everything again after each attempt.
 *
 * Exit status   0  all were killed     1  one lives, or the tests fail without any     2  wrong words
 */
import { spawnSync } from 'node:child_process'
import { cpSync, globSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { Prng } from '../src/base/index.ts'
import { readPlan } from './rooms.ts'

/** Times the time that the tests take without a mutant, and at least LEAST_MS: so long they may hang. */
const LONGER = 4
const LEAST_MS = 20_000
const WHOLE_MS = 180_000

const WHOLE = ['src/engine/*.test.ts', 'src/mm/*.test.ts']

export interface Mutant {
  readonly path: string
  /** From 1. */
  readonly line: number
  readonly before: string
  readonly after: string
}

/** What is found in a line of code, and what it becomes. */
const CHANGES: readonly (readonly [RegExp, string])[] = [
  [/===/, '!=='],
  [/!==/, '==='],
  [/&&/, '||'],
  [/\|\|/, '&&'],
  [/\?\?(?!=)/, '&&'],
  [/ < /, ' <= '],
  [/ <= /, ' < '],
  [/ > /, ' >= '],
  [/ >= /, ' > '],
  [/ \+ /, ' - '],
  [/ - /, ' + '],
  [/\+\+/, '--'],
  [/ \+= /, ' -= '],
  [/ -= /, ' += '],
  [/\btrue\b/, 'false'],
  [/\bfalse\b/, 'true'],
  [/Math\.min/, 'Math.max'],
  [/Math\.max/, 'Math.min'],
  [/\bcontinue\b/, 'break'],
  [/\bif \(/, 'if (false && '],
  [/^(\s*)(?:this\.|[a-z]\w*\.)[\w.]+\(.*\)$/, '$1'],
]

/** Every mutant of a file, in order of its lines; those that are no program any more are left out. */
export function mutantsOf(path: string, text: string): Mutant[] {
  const lines = text.split('\n')
  const found: Mutant[] = []
  let comment = false
  lines.forEach((line, at) => {
    const starts = /^\s*\/\*/.test(line)
    const isCode =
      !comment && !starts && !/^\s*(\/\/|import\b|export \{|export type|export interface|\})/.test(line)
    if (starts || comment) comment = !line.includes('*/')
    if (!isCode || /['"`]/.test(line)) return
    for (const [pattern, instead] of CHANGES) {
      const after = line.replace(pattern, instead)
      if (after === line) continue
      const mutated = lines.with(at, after).join('\n')
      if (isProgram(mutated)) found.push({ path, line: at + 1, before: line.trim(), after: after.trim() })
    }
  })
  return found
}

function isProgram(text: string): boolean {
  try {
    stripTypeScriptTypes(text)
    return true
  } catch {
    return false
  }
}

/** `count` of them, each once, the same for the same seed. */
export function chosen(mutants: readonly Mutant[], count: number, seed: number): Mutant[] {
  const prng = new Prng(seed)
  const left = [...mutants]
  const picked: Mutant[] = []
  while (picked.length < count && left.length > 0) picked.push(...left.splice(prng.below(left.length), 1))
  return picked
}

function main(): void {
  const words = wordsOf()
  const root = resolve(import.meta.dirname, '..')
  const paths = globSync(`src/${words.room}/*.ts`, { cwd: root }).filter(
    path => !/\.(test|suite|fuzz)\.ts$/.test(path),
  )
  if (paths.length === 0) wrong(`src/${words.room} has no source; expected the name of a room`)
  const mutants = chosen(
    paths.sort().flatMap(path => mutantsOf(path, readFileSync(join(root, path), 'utf8'))),
    words.count,
    words.seed,
  )
  const copy = mkdtempSync(join(tmpdir(), 'faultline-mutants-'))
  process.once('SIGINT', () => process.exit(130))
  process.once('exit', () => rmSync(copy, { recursive: true, force: true }))
  for (const each of ['src', 'package.json', 'docs', 'examples'])
    cpSync(join(root, each), join(copy, each), { recursive: true })
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'))
  const plan = readPlan(readFileSync(join(root, 'docs/ARCHITECTURE.md'), 'utf8'))
  const whole = words.chosenTests || plan.order.indexOf(words.room) >= plan.doorsFrom ? [] : WHOLE
  const began = performance.now()
  if (!pass(copy, words.tests, 600_000)) wrong(`the tests of ${words.room} fail without a mutant`)
  const limit = Math.ceil(Math.max(LEAST_MS, LONGER * (performance.now() - began)))
  const alive = mutants.filter((mutant, at) => {
    const place = join(copy, mutant.path)
    const text = readFileSync(place, 'utf8')
    const lines = text.split('\n')
    const indent = /^\s*/.exec(lines[mutant.line - 1]!)![0]
    writeFileSync(place, lines.with(mutant.line - 1, indent + mutant.after).join('\n'))
    const lives = pass(copy, words.tests, limit) && (whole.length === 0 || pass(copy, whole, WHOLE_MS))
    writeFileSync(place, text)
    if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${at + 1} of ${mutants.length}`)
    if (lives && !words.json) console.log(told(mutant))
    return lives
  })
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K')
  const killed = mutants.length - alive.length
  if (words.json)
    console.log(
      JSON.stringify({ room: words.room, seed: words.seed, planted: mutants.length, killed, alive }),
    )
  else console.log(`${words.room}: ${killed} of ${mutants.length} mutants killed (seed ${words.seed})`)
  process.exitCode = alive.length === 0 ? 0 : 1
}

function told({ path, line, before, after }: Mutant): string {
  return `lives: ${path}:${line}\n    - ${before}\n    + ${after === '' ? '(left out)' : after}`
}

function pass(directory: string, tests: readonly string[], timeout: number): boolean {
  const args = ['--conditions=faultline-source', '--test', '--test-force-exit', ...tests]
  return spawnSync(process.execPath, args, { cwd: directory, timeout, stdio: 'ignore' }).status === 0
}

function wordsOf() {
  const options = {
    count: { type: 'string', default: '20' },
    seed: { type: 'string', default: '1' },
    tests: { type: 'string', multiple: true },
    json: { type: 'boolean', default: false },
  } as const
  const { values, positionals } = parseArgs({ options, allowPositionals: true })
  const [room] = positionals
  if (room === undefined || positionals.length > 1)
    wrong('expected one room, as in `npm run mutate -- lock --count 20`')
  const number = (name: 'count' | 'seed') => {
    const value = Number(values[name])
    if (!Number.isSafeInteger(value) || value < 0)
      wrong(`--${name}: expected a whole number, got ${values[name]}`)
    return value
  }
  const tests = values.tests ?? [`src/${room}/*.test.ts`]
  const chosenTests = values.tests !== undefined
  return { room, count: number('count'), seed: number('seed'), tests, chosenTests, json: values.json }
}

function wrong(what: string): never {
  console.error(`mutate: ${what}`)
  process.exit(2)
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) main()
