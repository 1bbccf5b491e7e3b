/** The command line as clig.dev has it: help with examples, versions, wrong words, JSON, pipes; for every command. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { type Command, CommanderError } from 'commander'
import { program } from './program.ts'
import { several, WrongWords } from './words.ts'

const MAIN = join(import.meta.dirname, 'main.ts')
const BIN = join(import.meta.dirname, 'bin.ts')

function say(...words: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, ...words], {
    encoding: 'utf8',
    env: { ...process.env, COLUMNS: '80' },
  })
  return { status, out: stdout, err: stderr }
}

function leaves(
  command: Command,
  words: readonly string[] = [],
): { words: readonly string[]; command: Command }[] {
  if (command.commands.length === 0) return [{ words, command }]
  return command.commands.flatMap(each => leaves(each, [...words, each.name()]))
}

function withAll(command: Command): Command[] {
  return [command, ...command.commands.flatMap(withAll)]
}

/** What they print is a program: no figure comes out. */
const SCRIPTS: ReadonlySet<string> = new Set(['observe recorder', 'observe schema'])

const all = leaves(await program([]))

test('every command has a description, examples that begin with it, and JSON', () => {
  assert.ok(all.length >= 20, `${all.length} commands`)
  for (const { words, command } of all) {
    let help = ''
    command.configureOutput({ writeOut: text => (help += text) })
    command.outputHelp()
    const name = words.join(' ')
    assert.notEqual(command.description(), '', name)
    assert.match(help, new RegExp(`Examples:\\n  \\$ faultline ${name}( |\\n)`), name)
    if (!SCRIPTS.has(name)) assert.match(help, / --json /, name)
    assert.doesNotMatch(help, /default: (\d{4,}\b(?!,)|\[)/, `${name}: a default that nobody reads`)
  }
})

test('every example of a help is made of words that the command knows', async () => {
  for (const { words, command } of all) {
    let help = ''
    command.configureOutput({ writeOut: text => (help += text) })
    command.outputHelp()
    for (const [, example] of help.matchAll(/^ {2}\$ faultline (.*)$/gm)) {
      const said = [...example!.replace(/ [|<>] .*/, '').matchAll(/'([^']*)'|(\S+)/g)].map(
        ([, a, b]) => a ?? b!,
      )
      assert.deepEqual(said.slice(0, words.length), words, example)
      const fresh = leaves(await program(said)).find(each => each.words.join() === words.join())!
      fresh.command.action(() => {})
      fresh.command.configureOutput({ writeErr: () => {}, outputError: () => {} })
      await assert.doesNotReject(
        fresh.command.parseAsync(said.slice(words.length), { from: 'user' }),
        example,
      )
    }
  }
})

test('--version says what package.json says', () => {
  const { version } = JSON.parse(readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8'))
  assert.deepEqual(say('--version'), { status: 0, out: `${version}\n`, err: '' })
})

test('help is to be had before a command, behind the program, and as an option', () => {
  const asked = say('volume', 'create', '--help')
  assert.equal(asked.status, 0)
  assert.match(asked.out, /^Usage: faultline volume create/)
  assert.deepEqual(say('help', 'volume', 'create'), asked)
  assert.deepEqual(say('volume', 'help', 'create'), asked)
  assert.match(say('volume', 'help').out, /^Usage: faultline volume /)
})

test('wrong words end with 2 and name the nearest right ones', async () => {
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [[], /Usage: faultline/],
    [['lab'], /Usage: faultline lab/],
    [['volum'], /unknown command 'volum'\n\(Did you mean volume\?\)/],
    [['demo', '--sedconds', '3'], /Did you mean --seconds/],
    [['demo', 'now'], /too many arguments/],
    [['lab', 'explore', 'mkwrite-fork-prok'], /did you mean mkwrite-fork-proc/],
    [['lab', 'explore', '--all', 'extra'], /leave extra out/],
    [['lab', 'explore'], /name a scenario, or say --all/],
    [['lab', 'run', 'threds'], /did you mean threads/],
    [
      ['lab', 'run', 'threads', '--without', 'preemption'],
      /--without preemption: threads has none; leave out --without/,
    ],
    [
      ['lab', 'run', 'dax-copy', '--without', 'preemption'],
      /--without preemption: dax-copy has none; what can be left out there: dax-copy/,
    ],
    [['lab', 'crash', '--canary', 'none'], /"none" is none of the canaries/],
    [['lab', 'explore', 'mkwrite-fork-proc', '--workers', '0'], /expected a whole number from 1 to 256/],
    [['volume', 'create', 'x', '--size', 'much'], /expected whole bytes/],
    [['volume', 'ls'], /missing required argument 'volume'/],
    [['observe', 'analyze', 'x', '--what-if', 'restert'], /did you mean restart/],
    [['observe', 'live', '--seconds', 'x'], /expected 0.001 to/],
  ]
  for (const [words, sentence] of cases) {
    const command = await program(words)
    let said = ''
    for (const each of withAll(command)) each.configureOutput({ writeErr: text => (said += text) })
    const error = await command.parseAsync(words, { from: 'user' }).then(
      () => assert.fail(`${words.join(' ')} went through`),
      (refused: unknown) => refused,
    )
    assert.ok(error instanceof CommanderError || error instanceof WrongWords, String(error))
    assert.match(`${said}${error.message}`, sentence)
  }
  const { status, out, err } = say('volum')
  assert.deepEqual({ status, out }, { status: 2, out: '' })
  assert.match(
    err,
    /^faultline: unknown command 'volum'\n\(Did you mean volume\?\)\nSee: faultline --help\n$/,
  )
  assert.equal(say('lab', 'explore', '--all', 'extra').status, 2)
  assert.equal(say().status, 2)
})

test('a --meta that is no address ends every command that takes one, and shows no password', async () => {
  const taking = all.filter(({ command }) => command.options.some(({ long }) => long === '--meta'))
  assert.ok(taking.length > 20)
  for (const { words } of taking)
    for (const address of ['', 'host/db', 'http://me:secret@host/db', 'postgres://me:secret@host:port/db']) {
      const fresh = leaves(await program(words)).find(each => each.words.join() === words.join())!
      fresh.command.action(() => assert.fail('went through'))
      const refused = await fresh.command
        .parseAsync(['--meta', address], { from: 'user' })
        .catch(error => error)
      assert.ok(refused instanceof WrongWords, `${words.join(' ')}: ${refused}`)
      assert.match(
        refused.message,
        /^--meta: expected an address like postgres:\/\/user@host\/database, got "/,
      )
      assert.doesNotMatch(refused.message, /secret/)
    }
  assert.equal(say('volume', 'who', 'photos', '--meta', 'nonsense').status, 2)
})

test('with --json an error is JSON, whatever is wrong', () => {
  for (const [code, status, ...words] of [
    ['ERR_WORDS', 2, 'volume', 'ls', '--json'],
    ['ERR_WORDS', 2, 'lab', 'explore', 'none', '--json'],
    ['ENOENT', 1, 'volume', 'ls', '/nowhere', '--json'],
    ['ENOENT', 1, 'lab', 'explore', '/nowhere.yaml', '--json'],
    ['ENOENT', 1, 'observe', 'analyze', '/nowhere', '--json'],
  ] as const) {
    const said = say(...words)
    assert.equal(said.status, status, said.err)
    assert.equal(said.out, '')
    const { error } = JSON.parse(said.err)
    assert.equal(error.code, code)
    assert.ok(error.message.length > 10)
  }
})

test('a reader that has seen enough ends the program quietly', () => {
  const { status, stderr } = spawnSync(
    'bash',
    ['-c', `set -o pipefail; ${process.execPath} ${MAIN} lab list | head -n 1 >/dev/null`],
    { encoding: 'utf8' },
  )
  assert.equal(stderr, '')
  assert.ok(status === 0 || status === 141, `${status}`)
})

test('a command that waits for what keeps no process alive does not end like one that did its work', () => {
  const commander = import.meta.resolve('commander')
  const preload = `
    import { createRequire } from 'node:module'
    const { Command } = createRequire('${commander}')('${commander.replace('file://', '')}')
    Command.prototype.parseAsync = () => new Promise(() => {})`
  const words = ['--import', `data:text/javascript,${encodeURIComponent(preload)}`, BIN, 'lab', 'list']
  const { status, stderr } = spawnSync(process.execPath, words, { encoding: 'utf8' })
  assert.match(stderr, /^faultline: the process ended before the command had done its work/)
  assert.equal(status, 1)
})

test('a word that is said twice counts once', () => {
  const take = several(text => text)
  assert.deepEqual(take('xfs', take('ext4', take('xfs'))), ['xfs', 'ext4'])
})

test('lab validate shows the traces that it can read beside one that it can’t, and takes the rate of their clocks', () => {
  const fixture = (name: string) => join(import.meta.dirname, '../observe/fixtures', name)
  const both = ['/nonexistent', fixture('page-mkwrite-6.18.txt.gz')]
  const { status, out, err } = say('lab', 'validate', '--json', '--trace', ...both)
  assert.equal(status, 1)
  assert.equal(JSON.parse(out).length, 1)
  assert.match(JSON.parse(err).error.message, /^\/nonexistent does not exist/)
  const rate = say('lab', 'validate', '--clock-hz', '1000', '--trace', fixture('anonymous-6.18.txt.gz'))
  assert.equal(rate.status, 0)
  const alone = say('lab', 'validate', '--clock-hz', '1000')
  assert.equal(alone.status, 2)
  assert.match(
    alone.err,
    /^faultline: --clock-hz is the rate of a trace’s clock; name the trace with --trace/,
  )
})
