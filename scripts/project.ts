/**
 * The packed package, installed in a project of its own, and the Nodes to run it with.
 *
 * Nodes are fetched by `npm run nodes` into the user's cache, which `npm ci` leaves alone; CI does so. Without them the Node at hand is used,
 * and the others are skipped, with that reason.
 */
import { execFileSync, type SpawnSyncReturns, spawnSync } from 'node:child_process'
import { existsSync, globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'

export const ROOT = join(import.meta.dirname, '..')
const CACHE = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'faultline/nodes')

/** The first is the oldest that `engines` allows; the last two are what people have. */
export const NODES = ['22.18.0', '24', '26'] as const

/** One that is told that it is too old. */
export const OLD_NODE = '14'

export interface NodeOf {
  readonly wanted: string
  /** Its program, or undefined if it isn't here. */
  readonly program: string | undefined
}

function fetched(wanted: string): string | undefined {
  const program = join(CACHE, 'node_modules', `node-${wanted}`, 'bin/node')
  return existsSync(program) ? program : undefined
}

export function oldNode(): string | undefined {
  return fetched(OLD_NODE)
}

export function nodes(): NodeOf[] {
  const hand = { wanted: process.versions.node.split('.')[0]!, program: process.execPath }
  return NODES.map(wanted => ({
    wanted,
    program: fetched(wanted) ?? (hand.wanted === wanted ? hand.program : undefined),
  }))
}

/** Fetches them: packages with nothing in them but the program. */
export function fetchNodes(): void {
  mkdirSync(CACHE, { recursive: true })
  const platform = `node-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`
  const dependencies = Object.fromEntries(
    [...NODES, OLD_NODE].map(wanted => [`node-${wanted}`, `npm:${platform}@${wanted}`]),
  )
  writeFileSync(join(CACHE, 'package.json'), JSON.stringify({ private: true, dependencies }))
  execFileSync('npm', ['install', '--no-audit', '--no-fund', '--prefer-offline'], {
    cwd: CACHE,
    stdio: 'inherit',
  })
}

/** What the package is made of: the tarball that `npm publish` would send. */
export function pack(to: string): { readonly tarball: string; readonly files: readonly string[] } {
  const out = execFileSync('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', to], {
    cwd: ROOT,
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
  })
  const said = JSON.parse(out) as unknown
  // npm 11 prints a list, npm 12 an object by name.
  const [packed] = (Array.isArray(said) ? said : Object.values(said as object)) as {
    readonly filename: string
    readonly files: readonly { readonly path: string }[]
  }[]
  return { tarball: join(to, packed!.filename), files: packed!.files.map(({ path }) => path) }
}

/** Builds dist/ anew. */
export function build(): void {
  execFileSync('npm', ['run', '--silent', 'build'], { cwd: ROOT, stdio: 'inherit' })
}

/** A project that has the package, and beside it what the papers tell a user to install. */
export function install(
  folder: string,
  tarball: string,
  ...beside: readonly string[]
): SpawnSyncReturns<string> {
  mkdirSync(folder, { recursive: true })
  const { allowScripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true, type: 'module', allowScripts }))
  const words = ['install', '--no-audit', '--no-fund', '--prefer-offline', tarball, ...beside]
  return spawnSync('npm', words, { cwd: folder, encoding: 'utf8' })
}

/** The exact version that this checkout has of a package. */
export function versionOf(name: string): string {
  return `${name}@${JSON.parse(readFileSync(join(ROOT, 'node_modules', name, 'package.json'), 'utf8')).version}`
}

/** The environment of somebody who has that Node, and the project's programs. */
export function environment(node: string, project: string): NodeJS.ProcessEnv {
  const path = [dirname(node), join(project, 'node_modules/.bin'), process.env['PATH'] ?? '']
  const { NODE_OPTIONS: _, NODE_TEST_CONTEXT: __, ...rest } = process.env
  return { ...rest, PATH: path.join(delimiter), npm_config_update_notifier: 'false' }
}

/** Papers for users: README and what docs/ has in the package. */
export function papers(): string[] {
  // api.md is generated: its blocks are signatures.
  const docs = globSync('docs/**/*.md', { cwd: ROOT, exclude: path => path.endsWith('api.md') }).sort()
  return ['README.md', ...docs, 'examples/README.md']
}

if (process.argv[2] === 'fetch') fetchNodes()
