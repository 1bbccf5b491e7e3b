/**
 * The check of the rooms: a folder of src/ imports only from rooms below its own, and only through their door.
 *
 * The order is read from the fenced block marked `rooms` in docs/ARCHITECTURE.md, so the drawing and the rule cannot
 * differ. `import type` and `export … from` count like any import.
 *
 * Invariants
 *   R1  A room imports only rooms named above it in the block (the block is written from the ground up).
 *   R2  Another room is entered through its index.ts alone.
 *   R3  Rooms below the doors import nothing of Node and no package.
 *   R4  Every folder of src/ is in the block, and every room of the block is a folder.
 *   R5  No circle of files inside a room; two files of one room may know each other's types.
 *   R6  No file that is shipped imports one that isn't: a test, a suite or a fixture.
 */
import { globSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'

const IMPORT =
  /^\s*(?:import|export)\b[^'"]*?from\s*['"]([^'"]+)['"]|^\s*import\s*['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]\s*\)/gm

const TYPES_ONLY = /^\s*import type\b[^'"]*?from\s*['"]([^'"]+)['"]/gm

export interface Plan {
  readonly order: readonly string[]
  /** Rooms at or above this place in `order` are doors, and may import Node and packages. */
  readonly doorsFrom: number
}

/** Reads the plan out of ARCHITECTURE.md: one room a line, ground first; a line of dashes begins the doors. */
export function readPlan(markdown: string): Plan {
  const block = /```rooms\n([\s\S]*?)```/.exec(markdown)
  if (block === null) throw new Error('docs/ARCHITECTURE.md has no fenced block marked `rooms`')
  const lines = block[1]!.split('\n').filter(line => line.trim() !== '')
  const cut = lines.findIndex(line => line.startsWith('---'))
  const rooms = lines.filter(line => !line.startsWith('---')).map(line => line.trim().split(/\s+/)[0]!)
  return { order: rooms, doorsFrom: cut === -1 ? rooms.length : cut }
}

export function importsOf(source: string): string[] {
  return [...source.matchAll(IMPORT)].map(match => (match[1] ?? match[2] ?? match[3])!)
}

/** Every breach of R1 to R6 in the tree `files` (path from src/ -> text), one sentence each. */
export function breaches(plan: Plan, files: ReadonlyMap<string, string>): string[] {
  const found: string[] = []
  const roomOf = (path: string) => (path.includes('/') ? path.slice(0, path.indexOf('/')) : 'index.ts')
  const inside = new Map<string, string[]>()
  for (const [path, text] of files) {
    const room = roomOf(path)
    const place = plan.order.indexOf(room)
    if (place === -1) {
      found.push(
        `R4 src/${path}: the room ${room} is not in docs/ARCHITECTURE.md; add it to the block of rooms`,
      )
      continue
    }
    const isTest = /\.(test|suite|fuzz|bench)\.ts$/.test(path)
    const ships = !/\.(test|suite|fuzz|bench|fixture)\.ts$/.test(path)
    const typesOnly = new Set([...text.matchAll(TYPES_ONLY)].map(match => match[1]!))
    for (const target of importsOf(text)) {
      if (!target.startsWith('.')) {
        if (place < plan.doorsFrom && !isTest)
          found.push(
            `R3 src/${path}: imports ${target}; below the doors nothing of Node or npm may be imported`,
          )
        continue
      }
      const to = relative('/src', resolve('/src', dirname(path), target))
      if (ships && /\.(test|suite|fixture)\.ts$/.test(to))
        found.push(
          `R6 src/${path}: imports ${to}, which isn't shipped; move what it needs into a file that is`,
        )
      const toRoom = roomOf(to)
      if (toRoom === room) {
        if (!isTest && !typesOnly.has(target)) inside.set(path, [...(inside.get(path) ?? []), to])
        continue
      }
      const toPlace = plan.order.indexOf(toRoom)
      if (toPlace === -1) continue
      if (toPlace > place && !isTest)
        found.push(`R1 src/${path}: imports ${to}, a room above its own; let ${toRoom} hang a hook instead`)
      if (toRoom !== 'index.ts' && to !== `${toRoom}/index.ts` && !isTest)
        found.push(`R2 src/${path}: enters ${toRoom} by ${to}; import it from ${toRoom}/index.ts`)
    }
  }
  return [...found, ...circles(inside)]
}

function circles(arrows: ReadonlyMap<string, readonly string[]>): string[] {
  const found: string[] = []
  const done = new Set<string>()
  const walk = (path: string, trail: readonly string[]) => {
    const at = trail.indexOf(path)
    if (at !== -1) {
      found.push(`R5 a circle of imports: ${[...trail.slice(at), path].join(' -> ')}`)
      return
    }
    if (done.has(path)) return
    for (const next of arrows.get(path) ?? []) walk(next, [...trail, path])
    done.add(path)
  }
  for (const path of arrows.keys()) walk(path, [])
  return found
}

function main(): void {
  const root = resolve(import.meta.dirname, '..')
  const plan = readPlan(readFileSync(join(root, 'docs/ARCHITECTURE.md'), 'utf8'))
  const files = new Map(
    globSync('**/*.ts', { cwd: join(root, 'src') }).map(path => [
      path,
      readFileSync(join(root, 'src', path), 'utf8'),
    ]),
  )
  const found = breaches(plan, files)
  const folders = readdirSync(join(root, 'src'), { withFileTypes: true }).filter(entry => entry.isDirectory())
  for (const room of plan.order)
    if (room !== 'index.ts' && !folders.some(folder => folder.name === room))
      found.push(`R4 docs/ARCHITECTURE.md names the room ${room}, and src/ has no such folder`)
  for (const line of found) console.error(line)
  console.log(`rooms: ${files.size} files, ${plan.order.length} rooms, ${found.length} breaches`)
  process.exitCode = found.length === 0 ? 0 : 1
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) main()
