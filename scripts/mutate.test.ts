/** Mutants: what is planted, and that a seed plants it again. */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { watch } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { chosen, explained, mutantsOf, stale, usedAsleep } from './mutate.ts'

const TEXT = `/** A file: a < b && c. */
import { x } from './x.ts'

export function least(a: number, b: number): number {
  // a === b
  if (a < b) return a
  log.note(a)
  return Math.min(a, b + 1)
}
`

test('mutants change code, one line at a time, and stay programs', () => {
  const found = mutantsOf('a.ts', TEXT).map(({ line, after }) => `${line}: ${after}`)
  assert.deepEqual(found, [
    '6: if (a <= b) return a',
    '6: if (false && a < b) return a',
    '7: ',
    '8: return Math.min(a, b - 1)',
    '8: return Math.max(a, b + 1)',
  ])
})

test('a seed plants the same mutants again, each once', () => {
  const all = mutantsOf('a.ts', TEXT)
  assert.deepEqual(chosen(all, 3, 7), chosen(all, 3, 7))
  assert.notDeepEqual(chosen(all, 5, 1), chosen(all, 5, 2))
  assert.equal(new Set(chosen(all, 9, 3)).size, all.length)
})

test('what is explained is in its file still, and has a reason', () => {
  assert.deepEqual(stale(), [])
  for (const { why, before } of explained()) assert.ok(why.length > 0, before)
})

test('wrong words are refused with 2, in a sentence', () => {
  const mutate = (...words: string[]) =>
    spawnSync(process.execPath, [join(import.meta.dirname, 'mutate.ts'), ...words], { encoding: 'utf8' })
  for (const [words, says] of [
    [[], /expected a room/],
    [['attic'], /src\/attic has no source/],
    [['lock', '--count', 'many'], /--count: expected a whole number/],
  ] as const) {
    const { status, stderr } = mutate(...words)
    assert.equal(status, 2)
    assert.match(stderr, says)
  }
})

test('who only sleeps is told from who runs and who is stopped', async () => {
  const asleep = spawn('sleep', ['600'], { detached: true })
  const busy = spawn('/bin/sh', ['-c', 'while :; do :; done'], { detached: true })
  const used = async (child: typeof asleep, wanted: (used: number | undefined) => boolean) => {
    for (;;) {
      const found = usedAsleep(child.pid!)
      if (wanted(found)) return found
      await turn()
    }
  }
  try {
    assert.equal(await used(asleep, found => found !== undefined), usedAsleep(asleep.pid!))
    assert.equal(await used(busy, found => found === undefined), undefined)
    asleep.kill('SIGSTOP')
    assert.equal(await used(asleep, found => found === undefined), undefined)
  } finally {
    for (const child of [asleep, busy]) child.kill('SIGKILL')
  }
})

/** Tests that never end, and have begun a process that keeps their output open: the command ends only after both. */
const ENDLESS = `
import { spawn } from 'node:child_process'
import { renameSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
test('never ends', () => new Promise(() => {
  spawn('sleep', ['600'], { stdio: 'inherit' })
  writeFileSync('PLACE/begins', String(process.pid))
  renameSync('PLACE/begins', 'PLACE/runs')
}))
`

for (const [signal, expected] of [
  ['SIGTERM', 143],
  ['SIGINT', 130],
] as const)
  test(`${signal} ends the command with ${expected}, and nothing of it is left`, {
    timeout: 120_000,
  }, async () => {
    const place = mkdtempSync(join(tmpdir(), 'faultline-stopped-'))
    const endless = join(place, 'endless.test.mjs')
    writeFileSync(endless, ENDLESS.replaceAll('PLACE', place))
    const gone = new AbortController()
    const events = watch(place, { signal: gone.signal })
    const words = [join(import.meta.dirname, 'mutate.ts'), 'lock', '--count', '1', '--tests', endless]
    const env = { ...process.env, TMPDIR: place }
    const command = spawn(process.execPath, words, { env, stdio: 'ignore' })
    const ended = once(command, 'exit')
    // If it ends by itself there is nothing to wait for.
    command.once('exit', () => gone.abort())
    for await (const { filename } of events) if (filename === 'runs') break
    assert.ok(readdirSync(place).some(name => name.startsWith('faultline-mutants-')))
    command.kill(signal)
    const [status] = await ended
    assert.equal(status, expected)
    assert.deepEqual(readdirSync(place).toSorted(), ['endless.test.mjs', 'runs'])
    const tests = Number(readFileSync(join(place, 'runs'), 'utf8'))
    assert.throws(() => process.kill(tests, 0), { code: 'ESRCH' })
    rmSync(place, { recursive: true })
  })
