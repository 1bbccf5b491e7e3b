/** `faultline observe analyze` as its user meets it: files written, pipes, bad words. Live: observe/live.test.ts. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { Account } from '../analysis/index.ts'
import type { WhatIf } from '../observe/index.ts'

const MAIN = join(import.meta.dirname, 'main.ts')
const FIXTURES = join(import.meta.dirname, '..', 'observe', 'fixtures')
const TRACE = join(FIXTURES, 'page-mkwrite-6.18.txt.gz')
const folder = mkdtempSync(join(tmpdir(), 'faultline-cli-'))
after(() => rmSync(folder, { recursive: true }))

const analyze = (...args: string[]) =>
  spawnSync(process.execPath, [MAIN, 'observe', 'analyze', ...args], { encoding: 'utf8' })

test('analyze --json --what-if prints one account with both answers; --out and --perfetto write files', () => {
  const [page, perfetto] = [join(folder, 'report.html'), join(folder, 'trace.pftrace')]
  const { stdout, status } = analyze(
    TRACE,
    ...['--json', '--what-if', 'restart', '--out', page, '--perfetto', perfetto],
  )
  assert.equal(status, 0)
  const account = JSON.parse(stdout) as Account & { readonly whatIf: WhatIf }
  assert.equal(account.inversions.length, 2)
  assert.equal(account.whatIf.kernelDiscipline, 'linux-6.4')
  assert.match(readFileSync(page, 'utf8'), /^<!doctype html>[\s\S]*batch-forker/)
  assert.ok(readFileSync(perfetto).length > 1000)
})

test('a file without a verb is analyzed', () => {
  const { stdout, status } = spawnSync(process.execPath, [MAIN, 'observe', TRACE], { encoding: 'utf8' })
  assert.equal(status, 0)
  assert.match(stdout, /2 priority inversions/)
})

test('a trace comes through a pipe too, and is refused in a sentence where it must be read twice', () => {
  const shell = (flags: string) =>
    spawnSync(
      'sh',
      ['-c', `cat ${TRACE} | ${process.execPath} ${MAIN} observe analyze /dev/stdin ${flags}`],
      {
        encoding: 'utf8',
      },
    )
  assert.match(shell('').stdout, /2 priority inversions/)
  assert.match(shell('--what-if restart').stderr, /is a pipe, .*expected a file\n$/)
})

test('bad words and places that cannot be written get one sentence, and no stack', () => {
  const cases: readonly (readonly [readonly string[], RegExp, number])[] = [
    [[TRACE, '--what-if', 'linus'], /none of the disciplines/, 2],
    [[TRACE, '--kernel-discipline', 'hold'], /expected --what-if beside it/, 2],
    [[TRACE, '--out', join(folder, 'nowhere', 'x.html')], /can't be written: .*folder that exists/, 1],
    [
      [TRACE, '--mount-status', '/nowhere'],
      /nowhere can't be read: .*expected what faultline volume status/,
      1,
    ],
    [
      [TRACE, '--mount-status', join(FIXTURES, 'anonymous-6.18.txt.gz')],
      /is no status of a mount; expected/,
      1,
    ],
    [[TRACE, '--threshold', 'soon'], /expected a time such as 50ms/, 2],
    [[TRACE, '--jsn'], /Did you mean --json/, 2],
    [[join(FIXTURES, 'anonymous-6.18.txt.gz'), '--perfetto', join(folder, 'x')], /no inversion to show/, 1],
  ]
  for (const [args, sentence, expected] of cases) {
    const { stderr, status } = analyze(...args)
    assert.match(stderr, sentence)
    assert.equal(status, expected, stderr)
    assert.doesNotMatch(stderr, /\n {4}at /)
  }
})
