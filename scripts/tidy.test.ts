/** The check of tidiness, seen to fail: each rule is broken on purpose. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readPlan } from './rooms.ts'
import { untidy } from './tidy.ts'

const PLAN = readPlan('```rooms\nbase   ground\nsched  time\nmm     middle\n--- doors\ncli    words\n```\n')
const HEADER = '/** What it is. */\n'

function rules(path: string, text: string): string[] {
  return untidy(PLAN, path, text).map(line => line.slice(0, 2))
}

test('a tidy file has no breach', () => {
  assert.deepEqual(rules('mm/x.ts', `${HEADER}export const x = 1\n`), [])
})

test('T1: may a room below the doors look at the clock, set timers, or throw dice?', () => {
  assert.deepEqual(rules('mm/x.ts', `${HEADER}const t = Date.now()\n`), ['T1'])
  assert.deepEqual(rules('mm/x.ts', `${HEADER}setTimeout(f, 1)\n`), ['T1'])
  assert.deepEqual(rules('mm/x.ts', `${HEADER}const r = Math.random()\n`), ['T1'])
  assert.deepEqual(rules('sched/x.ts', `${HEADER}const t = performance.now()\n`), [])
  assert.deepEqual(rules('cli/x.ts', `${HEADER}const t = Date.now()\n`), [])
})

test('T2: may an attempt wait?', () => {
  assert.deepEqual(rules('mm/x.ts', `${HEADER}async function f() {}\n`), ['T2'])
  assert.deepEqual(rules('cli/x.ts', `${HEADER}async function f() {}\n`), [])
})

test('T3: may a file be called after nothing?', () => {
  assert.deepEqual(rules('mm/utils.ts', HEADER), ['T3'])
})

test('T4: may a file have no end?', () => {
  assert.deepEqual(rules('mm/x.ts', HEADER + '\n'.repeat(800)), ['T4'])
})

test('T5: may a file begin without a word?', () => {
  assert.deepEqual(rules('mm/x.ts', 'export const x = 1\n'), ['T5'])
})

test('T6: may something be left unfinished?', () => {
  assert.deepEqual(rules('mm/x.ts', `${HEADER}// ${'TO'}${'DO'} later\n`), ['T6'])
})
