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
 * 130, 143: stopped by SIGINT, SIGTERM, which end the running tests and take the copy away
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, globSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { text } from 'node:stream/consumers'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { Prng } from '../src/base/index.ts'
import { readPlan } from './rooms.ts'

const ENOUGH = 0.95

/** Times the processor time of a file of tests without a mutant, and at least LEAST_MS. */
const LONGER = 4
const LEAST_MS = 20_000
/** Beside heavy work, and stopped for minutes, tests may take this long. */
const HANGS_MS = 600_000
/** What has slept at so many looks in a row, and used no processor between them, waits for nobody. */
const SLEEPS = 6
const LOOK_MS = 5000

const STOPS = [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const

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

  #running: ChildProcess | undefined

  constructor() {
    for (const [signal, status] of STOPS) process.once(signal, () => void this.#stop(status))
    process.once('exit', () => rmSync(this.#directory, { recursive: true, force: true }))
    for (const each of ['src', 'package.json', 'docs', 'examples'])
      cpSync(join(ROOT, each), join(this.#directory, each), { recursive: true })
    symlinkSync(join(ROOT, 'node_modules'), join(this.#directory, 'node_modules'))
  }

  /** The tests, the quick ones first. Each has to pass as the tree is. */
  async sorted(globs: readonly string[]): Promise<string[]> {
    const tests = globs.flatMap(glob => globSync(glob, { cwd: ROOT }))
    for (const test of tests) if (!this.#took.has(test)) await this.#measure(test)
    return tests.sort((a, b) => this.#took.get(a)!.wall - this.#took.get(b)!.wall)
  }

  /** True if one of the tests notices the mutant. */
  async isKilled({ path, line, after }: Mutant, tests: readonly string[]): Promise<boolean> {
    const place = join(this.#directory, path)
    const original = readFileSync(place, 'utf8')
    const lines = original.split('\n')
    const indent = /^\s*/.exec(lines[line - 1]!)![0]
    writeFileSync(place, lines.with(line - 1, indent + after).join('\n'))
    const own = path.replace(/\.ts$/, '')
    const first = tests.toSorted((a, b) => Number(b.startsWith(own)) - Number(a.startsWith(own)))
    let killed = false
    for (const test of first) {
      const { processor, wall } = this.#took.get(test)!
      const limit = Math.max(LEAST_MS, LONGER * processor)
      killed = (await this.#run(test, limit, HANGS_MS + LONGER * wall)).status !== 0
      if (killed) break
    }
    writeFileSync(place, original)
    return killed
  }

  async #measure(test: string): Promise<void> {
    const began = performance.now()
    const { status, stdout } = await this.#run(test, HANGS_MS, HANGS_MS)
    if (status !== 0) wrong(`${test} fails without a mutant`)
    const processor = Number(stdout.trimEnd().split('\n').at(-1))
    this.#took.set(test, { processor, wall: performance.now() - began })
  }

  /** One file of tests, up to its first failure, for so much time of the processor and of the clock. */
  async #run(test: string, processor: number, wall: number) {
    const node = ['--conditions=faultline-source', '--test', '--test-isolation=none', '--test-force-exit']
    const reporter = `--test-reporter=${pathToFileURL(join(import.meta.dirname, 'first-failure.ts'))}`
    const limited = ['-c', `ulimit -t ${Math.ceil(processor / 1000)}; exec "$0" "$@"`, process.execPath]
    const child = spawn('/bin/sh', [...limited, ...node, reporter, test], {
      cwd: this.#directory,
      env: { ...process.env, NODE_COMPILE_CACHE: join(this.#directory, '.compiled') },
      stdio: ['ignore', 'pipe', 'ignore'],
      detached: true,
    })
    this.#running = child
    const timer = setTimeout(() => endGroup(child), wall)
    const looks = setInterval(endIfAsleep, LOOK_MS, child, [])
    child.once('exit', () => endGroup(child))
    const [stdout] = await Promise.all([text(child.stdout), once(child, 'close')])
    clearTimeout(timer)
    clearInterval(looks)
    this.#running = undefined
    return { status: child.exitCode, stdout }
  }

  async #stop(status: number): Promise<never> {
    const child = this.#running
    if (child !== undefined) {
      endGroup(child)
      await once(child, 'close')
    }
    process.exit(status)
  }
}

/** Looks at tests, and ends those that only sleep. */
function endIfAsleep(child: ChildProcess, looks: (number | undefined)[]): void {
  looks.push(usedAsleep(child.pid!))
  const last = looks.slice(-SLEEPS)
  if (last.length === SLEEPS && last[0] !== undefined && last.every(used => used === last[0])) endGroup(child)
}

/** The processor time of a group of processes in ticks; undefined while one of them runs, waits for a disk or is stopped. */
export function usedAsleep(group: number): number | undefined {
  let used = 0
  for (const path of globSync('/proc/[0-9]*/stat')) {
    const stat = statOf(path)
    if (Number(stat[2]) !== group) continue
    if (stat[0] !== 'S') return undefined
    used += Number(stat[11]) + Number(stat[12])
  }
  return used
}

/** The fields of a process behind its name: state, parent, group, …; none if it has ended (proc_pid_stat(5)). */
function statOf(path: string): string[] {
  try {
    return readFileSync(path, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ')
  } catch {
    return []
  }
}

/** Ends tests, and whatever they have begun and left running. */
function endGroup({ pid }: ChildProcess): void {
  try {
    process.kill(-pid!, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

async function main(): Promise<void> {
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
    const own = await copy.sorted(words.tests ?? [`src/${room}/*.test.ts`])
    const isKernel = plan.order.indexOf(room) < plan.doorsFrom
    const whole = words.tests !== undefined || !isKernel ? [] : await copy.sorted(WHOLE)
    const alive: Mutant[] = []
    let explanations = 0
    for (const [at, mutant] of mutants.entries()) {
      if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${room}: ${at + 1} of ${mutants.length}`)
      const isExplained = known.some(one => isSame(one, mutant))
      const tests = isExplained ? own : [...own, ...whole.filter(test => !own.includes(test))]
      if (await copy.isKilled(mutant, tests)) {
        if (isExplained) console.error(`explained, but a test notices it: ${told(mutant)}`)
      } else if (isExplained) explanations++
      else {
        alive.push(mutant)
        if (!words.json) console.log(`lives: ${told(mutant)}`)
      }
    }
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

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main()
