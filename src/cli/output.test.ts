/** What commands write: never what they read, and whole or not at all. */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { checkOutputs, writeOutput } from './output.ts'

const MAIN = join(import.meta.dirname, 'main.ts')
const TRACE = join(import.meta.dirname, '..', 'observe', 'fixtures', 'page-mkwrite-6.18.txt.gz')
const folder = fs.mkdtempSync(join(tmpdir(), 'faultline-output-'))
after(() => fs.rmSync(folder, { recursive: true }))
const at = (name: string) => join(folder, name)

const faultline = (...args: readonly string[]) => {
  const { status, stderr } = spawnSync(process.execPath, [MAIN, ...args], { encoding: 'utf8', cwd: folder })
  return { status, stderr }
}

test('an output that is an input, by its name or another, is refused with status 2, and the input stays', () => {
  fs.copyFileSync(TRACE, at('trace.gz'))
  fs.linkSync(at('trace.gz'), at('hard.gz'))
  fs.symlinkSync('trace.gz', at('soft.gz'))
  fs.writeFileSync(at('symbols'), 'ffffffff81000000 T _text\n')
  fs.writeFileSync(at('mine.yaml'), 'name: mine\n')
  fs.writeFileSync(at('data'), 'data')
  const names = ['trace.gz', 'symbols', 'mine.yaml', 'data']
  const before = names.map(name => fs.readFileSync(at(name)))
  const refused: readonly (readonly string[])[] = [
    ['observe', 'analyze', 'trace.gz', '--out', 'trace.gz'],
    ['observe', 'analyze', TRACE, 'trace.gz', '--kallsyms', 'symbols', '--perfetto', 'symbols'],
    ['lab', 'replay', 'mine.yaml', 'restart', 'abc', '--output', 'mine.yaml'],
    ['demo', '--file', 'data', '--out', 'data'],
  ]
  for (const words of refused) {
    const { status, stderr } = faultline(...words)
    assert.match(stderr, /is read by this command, and stays; name another file/, words.join(' '))
    assert.equal(status, 2, words.join(' '))
  }
  for (const out of ['trace.gz', 'hard.gz', 'soft.gz'].map(at))
    assert.throws(() => checkOutputs({ '--out': out }, [TRACE, at('trace.gz')]), {
      name: 'WrongWords',
      message: /is read by this command/,
    })
  assert.deepEqual(
    names.map(name => fs.readFileSync(at(name))),
    before,
  )
})

test('two outputs are two files, unless it is a device', () => {
  assert.throws(
    () => checkOutputs({ '--out': at('x'), '--trace': at('./x') }, []),
    /is the file of --out too/,
  )
  const { status } = faultline('lab', 'compare', '--out', 'x', '--trace', 'x')
  assert.equal(status, 2)
  checkOutputs({ '--out': '/dev/null', '--trace': '/dev/null' }, ['/dev/null'])
})

test('a place that cannot be written is told before anything is played', () => {
  for (const [out, sentence] of [
    ['nowhere/x.html', /folder that exists/],
    ['.', /directory/],
  ] as const)
    for (const words of [['demo'], ['lab', 'compare']]) {
      const { status, stderr } = faultline(...words, '--out', out)
      assert.match(stderr, sentence)
      assert.equal(status, 1, stderr)
    }
})

test('what fails or is interrupted leaves what was there, and nothing beside it', async () => {
  fs.mkdirSync(at('empty'))
  fs.writeFileSync(at('played'), Buffer.alloc(2 ** 24))
  const demo = spawn(process.execPath, [MAIN, 'demo', '--seconds', '60', '--file', at('played')], {
    cwd: at('empty'),
  })
  const closed = once(demo, 'close')
  const watcher = fs.watch(at('played'))
  await Promise.race([once(watcher, 'change'), closed])
  watcher.close()
  demo.kill('SIGINT')
  const [status] = await closed
  assert.equal(status, 130)
  assert.deepEqual(fs.readdirSync(at('empty')), [])

  fs.writeFileSync(at('empty/page'), 'before', { mode: 0o640 })
  const broken = function* () {
    yield 'half'
    throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' })
  }
  assert.throws(() => writeOutput(at('empty/page'), broken()), { name: 'FaultlineError', code: 'ENOSPC' })
  assert.equal(fs.readFileSync(at('empty/page'), 'utf8'), 'before')
  fs.symlinkSync('page', at('empty/link'))
  writeOutput(at('empty/link'), ['after', Buffer.from('wards')])
  assert.equal(fs.readFileSync(at('empty/page'), 'utf8'), 'afterwards')
  assert.equal(fs.statSync(at('empty/page')).mode & 0o777, 0o640)
  assert.deepEqual(fs.readdirSync(at('empty')).sort(), ['link', 'page'])
})
