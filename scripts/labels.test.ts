/** The check of the labels, seen to fail: each rule is broken on purpose. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mislabeled } from './labels.ts'

const GOOD = '/**\n * A file.\n *\n * Invariants\n *   LB1  One thing.\n *   LB2  Another.\n */\n'

function found(files: Record<string, string>): string[] {
  return mislabeled(new Map(Object.entries(files)))
}

test('labels in order are no breach', () => {
  const files = {
    'src/a/one.ts': `${GOOD}assert(true, 'LB1: it holds')\n`,
    'src/b/two.ts':
      '/**\n * Another.\n *\n * Invariants\n *   LB1 and LB2 (a/one.ts)\n *   LB3  Its own.\n */\n',
  }
  assert.deepEqual(found(files), [])
})

test('LB1: may a label be defined twice?', () => {
  assert.match(
    found({ 'src/a/one.ts': GOOD, 'src/b/two.ts': GOOD })[0]!,
    /^LB1 src\/b\/two\.ts: LB1 is src\/a\/one\.ts's/,
  )
})

test('LB2: may a message begin with a label that nobody defines?', () => {
  assert.match(found({ 'src/a/one.ts': `${GOOD}broken('LB9: it holds')\n` })[0]!, /^LB2 .*LB9/)
})

test('LB3: may a header say that a label is another file’s, where it isn’t?', () => {
  const wrong = '/**\n * Another.\n *\n * Invariants   LB1 to LB2 (three.ts)\n */\n'
  assert.match(
    found({ 'src/a/one.ts': GOOD, 'src/b/two.ts': wrong })[0]!,
    /^LB3 .*LB1 is said to be three\.ts's, and is src\/a\/one\.ts's/,
  )
})
