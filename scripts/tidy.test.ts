/** The check of tidiness, seen to fail: each rule is broken on purpose. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readPlan } from './rooms.ts'
import { numberedTwice, untidy } from './tidy.ts'

const PLAN = readPlan('```rooms\nbase   ground\nsched  time\nmm     middle\n--- doors\ncli    words\n```\n')
const HEADER = '/** What it is. */\n'

function rules(path: string, text: string): string[] {
  return untidy(PLAN, path, text).map(line => line.slice(0, 3))
}

test('a tidy file has no breach', () => {
  assert.deepEqual(rules('mm/x.ts', `${HEADER}export const x = 1\n`), [])
})

test('TD1: may a room below the doors look at the clock, set timers, or throw dice?', () => {
  assert.deepEqual(rules('mm/x.ts', `${HEADER}const t = Date.now()\n`), ['TD1'])
  assert.deepEqual(rules('mm/x.ts', `${HEADER}setTimeout(f, 1)\n`), ['TD1'])
  assert.deepEqual(rules('mm/x.ts', `${HEADER}const r = Math.random()\n`), ['TD1'])
  assert.deepEqual(rules('sched/x.ts', `${HEADER}const t = performance.now()\n`), [])
  assert.deepEqual(rules('cli/x.ts', `${HEADER}const t = Date.now()\n`), [])
})

test('TD2: may an attempt wait?', () => {
  assert.deepEqual(rules('mm/x.ts', `${HEADER}async function f() {}\n`), ['TD2'])
  assert.deepEqual(rules('cli/x.ts', `${HEADER}async function f() {}\n`), [])
})

test('TD3: may a file be called after nothing?', () => {
  assert.deepEqual(rules('mm/utils.ts', HEADER), ['TD3'])
})

test('TD4: may a file have no end?', () => {
  assert.deepEqual(rules('mm/x.ts', HEADER + '\n'.repeat(800)), ['TD4'])
})

test('TD5: may a file begin without a word?', () => {
  assert.deepEqual(rules('mm/x.ts', 'export const x = 1\n'), ['TD5'])
})

test('TD6: may something be left unfinished?', () => {
  assert.deepEqual(rules('mm/x.ts', `${HEADER}// ${'TO'}${'DO'} later\n`), ['TD6'])
})

test('TD7: may two decisions have one number?', () => {
  assert.match(
    numberedTwice(['0001-a.md', '0002-b.md', '0001-c.md'])[0]!,
    /^TD7 .*0001-c\.md: 0001 is 0001-a\.md's/,
  )
  assert.deepEqual(numberedTwice(['0001-a.md', '0002-b.md']), [])
})
