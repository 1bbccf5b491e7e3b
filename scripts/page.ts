/**
 * Builds `faultline.html`, the page that needs nothing: the programs of src/web/browser and the rooms below them, bundled into one
 * file with its examples. Node's modules are stood in for by src/web/browser/stand-ins.
 *
 *     node scripts/page.ts     -> dist/faultline.html
 */
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { gzipSync } from 'node:zlib'
import { build, type Plugin } from 'esbuild'
import { DISCIPLINES } from '../src/mm/index.ts'
import { style } from '../src/report/index.ts'
import { scriptHash, scriptText } from '../src/report/script.ts'
import { SCENARIOS, writeScenario } from '../src/scenarios/index.ts'
import { WORKLOADS } from '../src/timed/index.ts'
import { closed, shell } from '../src/web/shell.ts'

const ROOT = resolve(import.meta.dirname, '..')
const BROWSER = join(ROOT, 'src/web/browser')
const FIXTURES = join(ROOT, 'src/observe/fixtures')
const TARGET = ['chrome123', 'firefox125', 'safari17.5']

const EXAMPLES = [
  {
    name: 'fork behind a store',
    about:
      'Linux 6.18, btrfs on a slow device: a monitor waits four seconds for a fork, and that for a store',
    file: 'page-mkwrite-6.18.txt.gz',
  },
  {
    name: 'a frozen file system',
    about: 'Linux 6.18: munmap waits for a store that waits for fsfreeze',
    file: 'frozen-munmap-6.18.txt.gz',
  },
  {
    name: 'a fork that was preempted',
    about: 'Linux 6.18: the holder could have run, and a FIFO task had its CPU',
    file: 'bigfork-preempted-6.18.txt.gz',
  },
  {
    name: 'stacks of a hung machine',
    about: 'no trace at all: /proc/*/task/*/stack in the middle of it',
    file: 'btrfs-munmap-stacks.txt',
  },
] as const

const STAND_INS: Readonly<Record<string, string>> = {
  'node:fs': 'fs',
  'node:fs/promises': 'fs',
  'node:path': 'path',
  'node:os': 'os',
  'node:timers/promises': 'timers',
}

/** Who asks Node for something and runs in the page. */
const RUNS_IN_PAGE = /src\/(trace\/[\w-]+|unpack\/(open|apart)|observe\/scene|timed\/(run|cost))\.ts$/

const PACKAGES: ReadonlySet<string> = new Set(['buffer', 'fflate', 'fzstd', 'yaml'])

const standIns: Plugin = {
  name: 'stand-ins for Node',
  setup(setup) {
    const standIn = (name: string) => ({ path: join(BROWSER, 'stand-ins', `${name}.ts`) })
    setup.onResolve({ filter: /^[a-z@]/ }, ({ path, importer }) => {
      if (PACKAGES.has(path) || importer.includes('/node_modules/')) return undefined
      const name = RUNS_IN_PAGE.test(importer) ? STAND_INS[path] : undefined
      return name === undefined ? { path, namespace: 'absent' } : standIn(name)
    })
    // Of the rest only names are asked, by functions that the page has no use for and that don't stay in it.
    setup.onLoad({ filter: /./, namespace: 'absent' }, () => ({ contents: 'module.exports = {}' }))
    setup.onResolve({ filter: /^\.\/unpackers\.ts$/ }, ({ importer }) =>
      standIn(importer.includes('/trace/') ? 'trace-unpackers' : 'unpack-unpackers'),
    )
    // A report's script is the text of its functions, which a bundle may name otherwise; its hash is in its policy.
    setup.onLoad({ filter: /report\/script\.ts$/ }, () => ({
      contents: `export const scriptText = () => ${JSON.stringify(scriptText())}
export const scriptHash = () => ${JSON.stringify(scriptHash())}`,
    }))
  },
}

async function bundled(entry: string): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [join(BROWSER, entry)],
    bundle: true,
    write: false,
    format: 'iife',
    platform: 'browser',
    target: TARGET,
    minifyWhitespace: true,
    minifySyntax: true,
    charset: 'utf8',
    legalComments: 'none',
    define: { 'process.platform': '"browser"', global: 'globalThis' },
    logLevel: 'error',
    tsconfigRaw: '{}',
    plugins: [standIns],
  })
  return outputFiles[0]!.text
}

export async function pageText(): Promise<string> {
  const [main, worker] = await Promise.all([bundled('main.ts').then(closed), bundled('worker.ts')])
  const examples = EXAMPLES.map(({ name, about, file }) => {
    const bytes = readFileSync(join(FIXTURES, file))
    return { name, about, data: (file.endsWith('.gz') ? bytes : gzipSync(bytes)).toString('base64') }
  })
  const catalogue = {
    scenarios: SCENARIOS.map(each => ({ name: each.name, about: each.about, yaml: writeScenario(each) })),
    disciplines: DISCIPLINES.map(({ name }) => name),
    workloads: WORKLOADS.map(({ name, about }) => ({ name, about })),
  }
  return shell({
    main,
    worker,
    mainHash: `sha256-${createHash('sha256').update(main).digest('base64')}`,
    style: style.text,
    data: { catalogue, examples },
  })
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  mkdirSync(join(ROOT, 'dist'), { recursive: true })
  writeFileSync(join(ROOT, 'dist/faultline.html'), await pageText())
}
