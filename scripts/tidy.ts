/**
 * What the formatter and the linter cannot say about this code, as a check.
 *
 * Invariants
 *   TD1  Time and chance come only from sched/ and base/ below the doors; each banned name tells its replacement.
 *   TD2  Below the doors nothing is async: an attempt never waits.
 *   TD3  No file is called utils, common, misc or helpers.
 *   TD4  No file is longer than LINES_MAX lines. (The linter keeps functions below 100 lines under the doors, and 150 elsewhere: biome.json.)
 *   TD5  A source file opens with a header comment that says what it is.
 *   TD6  Nothing unfinished is left in the tree.
 *   TD7  A number names one decision.
 */
import { globSync, readFileSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { mislabeled } from './labels.ts'
import { type Plan, readPlan } from './rooms.ts'

const LINES_MAX = 700

const BANNED: readonly {
  readonly pattern: RegExp
  readonly instead: string
  readonly rooms: readonly string[]
}[] = [
  {
    pattern: /\bDate\b\s*[.(]|\bperformance\.now\b|\bhrtime\b/,
    instead: 'Scheduler.now()',
    rooms: ['sched'],
  },
  {
    pattern: /\bsetTimeout\b|\bsetInterval\b|\bsetImmediate\b|\bqueueMicrotask\b/,
    instead: 'Scheduler.after()',
    rooms: ['sched'],
  },
  { pattern: /\bMath\.random\b/, instead: 'Prng of base/', rooms: [] },
]

/** Every breach of TD1 to TD6 in one file, one sentence each. `path` is from src/. */
export function untidy(plan: Plan, path: string, text: string): string[] {
  const found: string[] = []
  const room = path.includes('/') ? path.slice(0, path.indexOf('/')) : 'index.ts'
  const isTest = /\.(test|suite|fuzz|bench)\.ts$/.test(path)
  const belowDoors = plan.order.indexOf(room) < plan.doorsFrom && !isTest
  const lines = text.split('\n')
  const code = lines.map(line => line.replace(/\/\/.*$/, '').replace(/^\s*\*.*$/, ''))
  code.forEach((line, at) => {
    const place = `src/${path}:${at + 1}`
    if (belowDoors) {
      for (const ban of BANNED)
        if (!ban.rooms.includes(room) && ban.pattern.test(line))
          found.push(`TD1 ${place}: use ${ban.instead} instead`)
      if (/\basync\b|\bawait\b|\bPromise\b/.test(line) && room !== 'sched')
        found.push(`TD2 ${place}: an attempt never waits; return wait(ticket) instead`)
    }
  })
  if (/(^|\/)(utils|common|misc|helpers)\b/.test(path))
    found.push(`TD3 src/${path}: name the file for what it does`)
  if (lines.length > LINES_MAX)
    found.push(`TD4 src/${path}: ${lines.length} lines, at most ${LINES_MAX}; find the second idea in it`)
  if (!/^(#!.*\n)?\/\*\*/.test(text))
    found.push(`TD5 src/${path}: begin with a comment that says what this file is`)
  lines.forEach((line, at) => {
    if (/\b(TODO|FIXME|XXX)\b/.test(line))
      found.push(`TD6 src/${path}:${at + 1}: finish it, or write it down elsewhere`)
  })
  return found
}

/** Every breach of TD7, one sentence each. */
export function numberedTwice(names: readonly string[]): string[] {
  const first = new Map<string, string>()
  return [...names].sort().flatMap(name => {
    const number = name.slice(0, 4)
    const other = first.get(number)
    if (other === undefined) first.set(number, name)
    return other === undefined
      ? []
      : [`TD7 docs/decisions/${name}: ${number} is ${other}'s; take a number that is free`]
  })
}

function main(): void {
  const root = resolve(import.meta.dirname, '..')
  const plan = readPlan(readFileSync(join(root, 'docs/ARCHITECTURE.md'), 'utf8'))
  const paths = globSync('**/*.ts', { cwd: join(root, 'src') })
  const text = (path: string) => readFileSync(join(root, path), 'utf8')
  const labeled = [...paths.map(path => `src/${path}`), ...globSync('scripts/*.ts', { cwd: root })]
  const found = [
    ...numberedTwice(globSync('docs/decisions/*.md', { cwd: root }).map(path => basename(path))),
    ...paths.flatMap(path => untidy(plan, path, text(`src/${path}`))),
    ...mislabeled(new Map(labeled.map(path => [path, text(path)]))),
  ]
  for (const line of found) console.error(line)
  console.log(`tidy: ${paths.length} files, ${found.length} breaches`)
  process.exitCode = found.length === 0 ? 0 : 1
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) main()
