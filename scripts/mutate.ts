/**
 * Plants random mutants in rooms and runs their tests: do the tests notice?
 *
 *     npm run mutate -- ROOM... [--count 20] [--seed 1] [--tests GLOB]... [--json]
 *
 * A mutant is one small change of one line (another operator, another branch, a call left out), chosen by the seed. It lies in
 * a copy of the tree, never in the tree itself. It is killed if a test fails, or if one takes LONGER times as long as without
 * it: of the processor, so that a busy computer kills nobody. Those of its own file are asked first, then the room's, the quick
 * before the slow, then, for a room below the doors, those of the whole machine (WHOLE), which count everything again after
 * each attempt. One that lives is told with its line; the same seed and count plant the same mutants. What no test can notice
 * stands in `mutants-explained.json`, with the reason.
 *
 * Exit status   0  ENOUGH were killed or are explained     1  more live     2  wrong words, or tests that fail without a mutant
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

const ENOUGH = 0.95

/** Times the processor time of a file of tests without a mutant, and at least LEAST_MS. */
const LONGER = 4
const LEAST_MS = 20_000
/** What waits for nobody uses no processor; beside heavy work, and stopped for minutes, tests may take this long. */
const HANGS_MS = 600_000

const WHOLE = ['src/engine/{engine,engine.fuzz}.test.ts', 'src/mm/{cases-retry,reclaim}.test.ts']

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

interface Explained extends Omit<Mutant, 'line'> {
  readonly why: string
}

const ROOT = resolve(import.meta.dirname, '..')

/** Mutants that no test can notice, each with the reason: what the function returns is the same, or only its speed differs. */
export function explained(): Explained[] {
  return JSON.parse(readFileSync(join(import.meta.dirname, 'mutants-explained.json'), 'utf8'))
}

const isSame = (a: Omit<Mutant, 'line'>, b: Omit<Mutant, 'line'>) =>
  a.path === b.path && a.before === b.before && a.after === b.after

/** The mutants of a room's sources. */
export function mutantsIn(room: string): Mutant[] {
  const paths = globSync(`src/${room}/*.ts`, { cwd: ROOT }).filter(
    path => !/\.(test|suite|fuzz)\.ts$/.test(path),
  )
  return paths.sort().flatMap(path => mutantsOf(path, readFileSync(join(ROOT, path), 'utf8')))
}

/** Explanations of lines that are not in their file any more, or not as they were. */
export function stale(): Explained[] {
  const rooms = Map.groupBy(explained(), ({ path }) => path.split('/')[1]!)
  return [...rooms].flatMap(([room, each]) => {
    const mutants = mutantsIn(room)
    return each.filter(one => !mutants.some(mutant => isSame(mutant, one)))
  })
}

/** A copy of the tree, in which the tests run. */
class Copy {
  readonly #directory = mkdtempSync(join(tmpdir(), 'faultline-mutants-'))
  /** What each file of tests took without a mutant. */
  readonly #took = new Map<string, { readonly processor: number; readonly wall: number }>()

  constructor() {
    process.once('SIGINT', () => process.exit(130))
    process.once('SIGTERM', () => process.exit(143))
    process.once('exit', () => rmSync(this.#directory, { recursive: true, force: true }))
    for (const each of ['src', 'package.json', 'docs', 'examples'])
      cpSync(join(ROOT, each), join(this.#directory, each), { recursive: true })
    symlinkSync(join(ROOT, 'node_modules'), join(this.#directory, 'node_modules'))
  }

  /** The tests, the quick ones first. Each has to pass as the tree is. */
  sorted(globs: readonly string[]): string[] {
    const tests = globs.flatMap(glob => globSync(glob, { cwd: ROOT }))
    for (const test of tests) if (!this.#took.has(test)) this.#measure(test)
    return tests.sort((a, b) => this.#took.get(a)!.wall - this.#took.get(b)!.wall)
  }

  /** True if one of the tests notices the mutant. */
  isKilled({ path, line, after }: Mutant, tests: readonly string[]): boolean {
    const place = join(this.#directory, path)
    const text = readFileSync(place, 'utf8')
    const lines = text.split('\n')
    const indent = /^\s*/.exec(lines[line - 1]!)![0]
    writeFileSync(place, lines.with(line - 1, indent + after).join('\n'))
    const own = path.replace(/\.ts$/, '')
    const first = tests.toSorted((a, b) => Number(b.startsWith(own)) - Number(a.startsWith(own)))
    const killed = first.some(test => {
      const { processor, wall } = this.#took.get(test)!
      return this.#run(test, Math.max(LEAST_MS, LONGER * processor), HANGS_MS + LONGER * wall).status !== 0
    })
    writeFileSync(place, text)
    return killed
  }

  #measure(test: string): void {
    const began = performance.now()
    const { status, stdout } = this.#run(test, HANGS_MS, HANGS_MS)
    if (status !== 0) wrong(`${test} fails without a mutant`)
    const processor = Number(stdout.trimEnd().split('\n').at(-1))
    this.#took.set(test, { processor, wall: performance.now() - began })
  }

  /** One file of tests, up to its first failure, for so much time of the processor and of the clock. */
  #run(test: string, processor: number, wall: number) {
    const node = ['--conditions=faultline-source', '--test', '--test-isolation=none', '--test-force-exit']
    const reporter = `--test-reporter=${pathToFileURL(join(import.meta.dirname, 'first-failure.ts'))}`
    const limited = ['-c', `ulimit -t ${Math.ceil(processor / 1000)}; exec "$0" "$@"`, process.execPath]
    return spawnSync('/bin/sh', [...limited, ...node, reporter, test], {
      cwd: this.#directory,
      env: { ...process.env, NODE_COMPILE_CACHE: join(this.#directory, '.compiled') },
      encoding: 'utf8',
      killSignal: 'SIGKILL',
      timeout: Math.ceil(wall),
    })
  }
}

function main(): void {
  const words = wordsOf()
  const planted = words.rooms.map(room => ({
    room,
    mutants: chosen(mutantsIn(room), words.count, words.seed),
  }))
  for (const { room, mutants } of planted)
    if (mutants.length === 0 && words.count > 0)
      wrong(`src/${room} has no source; expected the names of rooms`)
  for (const { path, before } of stale())
    wrong(`scripts/mutants-explained.json explains a line that is not in ${path} any more: ${before}`)
  const plan = readPlan(readFileSync(join(ROOT, 'docs/ARCHITECTURE.md'), 'utf8'))
  const known = explained()
  const copy = new Copy()
  const all = { planted: 0, killed: 0, explained: 0 }
  for (const { room, mutants } of planted) {
    const own = copy.sorted(words.tests ?? [`src/${room}/*.test.ts`])
    const isKernel = plan.order.indexOf(room) < plan.doorsFrom
    const whole = words.tests !== undefined || !isKernel ? [] : copy.sorted(WHOLE)
    const alive: Mutant[] = []
    let explanations = 0
    mutants.forEach((mutant, at) => {
      if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${room}: ${at + 1} of ${mutants.length}`)
      const isExplained = known.some(one => isSame(one, mutant))
      if (copy.isKilled(mutant, isExplained ? own : [...own, ...whole.filter(test => !own.includes(test))])) {
        if (isExplained) console.error(`explained, but a test notices it: ${told(mutant)}`)
      } else if (isExplained) explanations++
      else {
        alive.push(mutant)
        if (!words.json) console.log(`lives: ${told(mutant)}`)
      }
    })
    if (process.stderr.isTTY) process.stderr.write('\r\x1b[K')
    const sum = {
      planted: mutants.length,
      killed: mutants.length - alive.length - explanations,
      explained: explanations,
    }
    for (const key of ['planted', 'killed', 'explained'] as const) all[key] += sum[key]
    if (words.json) console.log(JSON.stringify({ room, seed: words.seed, ...sum, alive }))
    else console.log(summary(room, sum, words.seed))
  }
  if (planted.length > 1 && !words.json) console.log(summary('all', all, words.seed))
  process.exitCode = all.killed + all.explained >= ENOUGH * all.planted ? 0 : 1
}

function summary(name: string, sum: { planted: number; killed: number; explained: number }, seed: number) {
  const lived = sum.planted - sum.killed - sum.explained
  return `${name}: of ${sum.planted} mutants ${sum.killed} killed, ${sum.explained} explained, ${lived} lived (seed ${seed})`
}

function told({ path, line, before, after }: Mutant): string {
  return `${path}:${line}\n    - ${before}\n    + ${after === '' ? '(left out)' : after}`
}

function wordsOf() {
  const options = {
    count: { type: 'string', default: '20' },
    seed: { type: 'string', default: '1' },
    tests: { type: 'string', multiple: true },
    json: { type: 'boolean', default: false },
  } as const
  const { values, positionals } = parseArgs({ options, allowPositionals: true })
  if (positionals.length === 0)
    wrong('expected a room or several, as in `npm run mutate -- lock mm --count 20`')
  const number = (name: 'count' | 'seed') => {
    const value = Number(values[name])
    if (!Number.isSafeInteger(value) || value < 0)
      wrong(`--${name}: expected a whole number, got ${values[name]}`)
    return value
  }
  return {
    rooms: positionals,
    count: number('count'),
    seed: number('seed'),
    tests: values.tests,
    json: values.json,
  }
}

function wrong(what: string): never {
  console.error(`mutate: ${what}`)
  process.exit(2)
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) main()
