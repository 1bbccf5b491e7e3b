/** The check of the rooms, seen to fail: each rule is broken on purpose. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { breaches, importsOf, readPlan } from './rooms.ts'

const PLAN = readPlan('```rooms\nbase   ground\nmm     middle\n--- doors\ncli    words\n```\n')

function found(files: Record<string, string>): string[] {
  return breaches(PLAN, new Map(Object.entries(files)))
}

test('the plan is read from the ground up, with the doors above the line', () => {
  assert.deepEqual(PLAN.order, ['base', 'mm', 'cli'])
  assert.equal(PLAN.doorsFrom, 2)
  assert.throws(() => readPlan('no block'), /no fenced block/)
})

test('imports of every form are seen, types too', () => {
  const source = `
    import a from './a.ts'
    import type { B } from './b.ts'
    export { c } from './c.ts'
    export type { D } from './d.ts'
    import './e.ts'
    const f = await import('./f.ts')
    import {
      g,
    } from './g.ts'`
  assert.deepEqual(importsOf(source), ['./a.ts', './b.ts', './c.ts', './d.ts', './e.ts', './f.ts', './g.ts'])
})

test('a house in order has no breach', () => {
  const files = { 'base/index.ts': '', 'mm/index.ts': "import { x } from '../base/index.ts'\n" }
  assert.deepEqual(found(files), [])
})

test('R1: may a room import one above it, for its types?', () => {
  assert.match(found({ 'base/x.ts': "import type { M } from '../mm/index.ts'\n" })[0]!, /^R1 .*above its own/)
})

test('R2: may another room be entered by a window?', () => {
  assert.match(found({ 'mm/x.ts': "import { y } from '../base/y.ts'\n" })[0]!, /^R2 .*base\/index\.ts/)
})

test('R3: may Node be imported below the doors?', () => {
  assert.match(found({ 'mm/x.ts': "import fs from 'node:fs'\n" })[0]!, /^R3/)
  assert.deepEqual(found({ 'cli/x.ts': "import fs from 'node:fs'\n" }), [])
})

test('R4: may a room be built that is not on the plan?', () => {
  assert.match(found({ 'attic/x.ts': '' })[0]!, /^R4 .*attic/)
})

test('R5: may two files of a room need each other to run?', () => {
  const a = "import { b } from './b.ts'\n"
  assert.match(found({ 'mm/a.ts': a, 'mm/b.ts': "import { a } from './a.ts'\n" })[0]!, /^R5/)
  assert.deepEqual(found({ 'mm/a.ts': a, 'mm/b.ts': "import type { A } from './a.ts'\n" }), [])
})

test('R6: may a file that is shipped import a suite?', () => {
  assert.match(found({ 'mm/a.ts': "import { world } from './world.suite.ts'\n" })[0]!, /^R6/)
  assert.deepEqual(found({ 'mm/a.test.ts': "import { world } from './world.suite.ts'\n" }), [])
})
