/**
 * The packed package in a project of its own: what is in it, what its tools say of it, and every block of code and every
 * command line of the papers, compiled and run by each Node that the package is for.
 */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { accessSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { unavailable } from '../src/uffd/hardware.suite.ts'
import { type Block, programOf, readPaper, startsOf } from './papers.ts'
import {
  build,
  environment,
  install,
  NODES,
  nodes,
  OLD_NODE,
  oldNode,
  pack,
  papers,
  ROOT,
  versionOf,
} from './project.ts'

const folder = mkdtempSync(join(tmpdir(), 'faultline-package-'))
after(() => rmSync(folder, { recursive: true, force: true }))
const project = join(folder, 'project')
const all = papers().map(paper => readPaper(ROOT, paper))
/** A block of a paper is seconds at most; a machine that others use is slow. */
const BLOCK_MS = 120_000
let packed: ReturnType<typeof pack>

before(
  () => {
    build()
    packed = pack(folder)
    const { status, stderr } = install(
      project,
      packed.tarball,
      versionOf('koffi'),
      versionOf('lmdb'),
      versionOf('@types/node'),
    )
    assert.equal(status, 0, stderr)
    // Of a tarball npm counts `prepare` among the scripts of an installation; of a registry's package it does not.
    const warnings = stderr
      .split('\n')
      .filter(line => line !== '' && !line.startsWith('npm warn install-scripts'))
    assert.deepEqual(warnings, [])
  },
  { timeout: 180_000 },
)

test('the package holds what users need, and no more', () => {
  const strange = packed.files.filter(
    path => !/^(dist|docs)\/|^(package\.json|README\.md|LICENSE|CHANGELOG\.md)$/.test(path),
  )
  assert.deepEqual(strange, [])
  const inside = packed.files.filter(path =>
    /\.(test|suite|fuzz|fixture)\.|\/(exerciser|kill|bench|fixtures|xfstests|rig\/suites)\//.test(path),
  )
  assert.deepEqual(inside, [])
  for (const path of packed.files.filter(each => each.endsWith('.js')))
    assert.ok(packed.files.includes(`${path}.map`), `${path} has no map`)
})

test('every door of the package opens, and those without Node import nothing of it', () => {
  const { exports } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
  for (const door of Object.keys(exports)) {
    if (door.endsWith('.json')) continue
    const name = `faultline${door.slice(1)}`
    const code = `const door = await import('${name}'); if (Object.keys(door).length === 0) process.exit(1)`
    const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', code], {
      cwd: project,
      encoding: 'utf8',
    })
    assert.equal(status, 0, `${name}: ${stderr}`)
  }
})

test('the library loads neither commander nor yaml, nor what is optional', () => {
  const code = `
    import { registerHooks } from 'node:module'
    const loaded = []
    registerHooks({ resolve(name, context, next) { loaded.push(name); return next(name, context) } })
    const { Machine } = await import('faultline')
    await (await Machine.start({ memory: '4 MiB' })).close()
    console.log(JSON.stringify(loaded.filter(name => !/^(\\.|node:|file:|faultline$)/.test(name))))`
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', code], {
    cwd: project,
    encoding: 'utf8',
  })
  assert.equal(stdout, '[]\n', stderr)
})

test(`Node ${OLD_NODE} is told which Node it takes`, {
  skip: oldNode() === undefined && 'npm run nodes',
}, () => {
  const bin = join(project, 'node_modules/faultline/dist/cli/bin.js')
  const { status, stderr } = spawnSync(oldNode()!, [bin, '--version'], { encoding: 'utf8' })
  assert.equal(status, 1)
  const { engines } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
  const [wanted] = /\d+\.\d+/.exec(engines.node)!
  assert.match(
    stderr,
    new RegExp(`^faultline: this is Node ${OLD_NODE}\\.\\S+; faultline needs Node ${wanted} or later`),
  )
  assert.doesNotMatch(stderr, /\n {4}at /)
})

test('publint and are-the-types-wrong have nothing to say', { timeout: 120_000 }, () => {
  for (const [tool, ...words] of [
    ['publint', packed.tarball, '--strict'],
    // ESM alone is on purpose: every Node of `engines` can require() it.
    ['attw', packed.tarball, '--profile', 'esm-only', '--no-emoji', '--format', 'ascii'],
  ] as const) {
    const { status, stdout, stderr } = spawnSync(join(ROOT, 'node_modules/.bin', tool), words, {
      encoding: 'utf8',
      env: { ...process.env, NO_COLOR: '1' },
    })
    assert.equal(status, 0, `${tool}: ${stdout}${stderr}`)
    assert.doesNotMatch(stdout, /Suggestion|Warning/, tool)
  }
})

test('every block of TypeScript compiles, strictly, with the types of the package', {
  timeout: 120_000,
}, () => {
  const at = join(project, 'compiled')
  mkdirSync(at)
  for (const blocks of all)
    for (const block of blocks)
      if (block.language === 'ts') writeFileSync(join(at, `${nameOf(block)}.ts`), programOf(block, blocks))
  const compilerOptions = {
    target: 'esnext',
    lib: ['esnext'],
    types: ['node'],
    module: 'nodenext',
    strict: true,
    exactOptionalPropertyTypes: true,
    noEmit: true,
  }
  writeFileSync(join(at, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.ts'] }))
  const { status, stdout } = spawnSync(join(ROOT, 'node_modules/.bin/tsc'), ['-p', at], { encoding: 'utf8' })
  assert.equal(status, 0, stdout)
})

test('the commands of the checkout exist', () => {
  const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
  for (const block of all.flat())
    if (block.place === 'checkout')
      for (const { kind, name } of startsOf(block)) {
        if (kind === 'script') assert.ok(name in scripts, `${placeOf(block)}: npm run ${name}`)
        else assert.ok(existsSync(join(ROOT, name)) || name.includes('*'), `${placeOf(block)}: ${name}`)
      }
})

describe('what the papers show runs', { concurrency: 2 }, () => {
  for (const { wanted, program } of nodes())
    describe(`by Node ${wanted}`, {
      concurrency: 1,
      skip: program === undefined && 'it is not here: npm run nodes',
    }, () => {
      for (const blocks of all.filter(each => isRunBy(wanted, each)))
        for (const block of blocks)
          if (block.place === 'package')
            test(placeOf(block), { skip: reasonOf(block, wanted), timeout: BLOCK_MS }, () =>
              play(block, blocks, wanted, program!),
            )
    })
})

/** Papers with programs are run by each Node; those that show the tool alone by the Node that the tests run on. */
function isRunBy(node: string, blocks: readonly Block[]): boolean {
  const isOurs = process.versions.node.split('.')[0] === node.split('.')[0]
  return isOurs || blocks.some(({ language, place }) => language === 'ts' && place === 'package')
}

function placeOf({ paper, line, language }: Block): string {
  return `${paper}:${line} ${language}`
}

function nameOf({ paper, line }: Block): string {
  return `${paper.replace(/\W+/g, '-')}-${line}`
}

/** Why a block isn't run. */
function reasonOf(block: Block, node: string): string | false {
  if (block.notRun !== undefined) return block.notRun
  if (/^\s*(await )?using /m.test(block.text) && Number.parseInt(node, 10) < 24)
    return `Node ${node} does not have \`using\``
  if (block.needs.includes('hardware') && unavailable !== false) return unavailable
  if (block.needs.includes('root') && process.getuid?.() !== 0) return 'it needs root'
  if (block.needs.includes('tracefs') && !canTrace()) return 'it needs root, and a kernel that may be traced'
  return false
}

function canTrace(): boolean {
  try {
    accessSync('/sys/kernel/tracing/events/mmap_lock')
    return process.getuid?.() === 0
  } catch {
    return false
  }
}

/** A paper's blocks share a folder, so that one can go on with what another made. */
async function play(block: Block, blocks: readonly Block[], node: string, program: string): Promise<void> {
  const at = join(project, `node-${node}`, dirname(nameOf(block)), block.paper.replace(/\W+/g, '-'))
  mkdirSync(at, { recursive: true })
  for (const command of block.before) await shell(command, at, program)
  if (block.language === 'yaml') writeFileSync(join(at, block.info), block.text)
  else if (block.language === 'sh') await shell(block.runsAs ?? block.text, at, program)
  else {
    const file = `${nameOf(block)}.ts`
    writeFileSync(join(at, file), programOf(block, blocks))
    await shell(`node --disable-warning=ExperimentalWarning ${file}`, at, program)
  }
}

async function shell(command: string, cwd: string, node: string): Promise<void> {
  const child = spawn('bash', ['-eu', '-o', 'pipefail', '-c', command], {
    cwd,
    env: { ...environment(node, project), FAULTLINE_CHECKOUT: ROOT },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let said = ''
  child.stdout.on('data', part => (said += part))
  child.stderr.on('data', part => (said += part))
  const status = await new Promise((resolve, reject) => child.on('close', resolve).on('error', reject))
  assert.equal(status, 0, `${command}\n${said.slice(-4000)}`)
}

test('the nodes that are run are those that the package is for', () => {
  const { engines } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
  assert.equal(`>=${NODES[0].replace(/\.0$/, '')}`, engines.node)
})
