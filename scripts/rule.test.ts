/** From a label to its rule. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ruleOf } from './rule.ts'

const FILES = new Map([
  [
    'a/one.ts',
    '/**\n * A file.\n *\n * Invariants\n *   QQ1 One thing, which\n *       goes on.\n *   QQ2 Another.\n */\n',
  ],
  [
    'b/two.ts',
    "/**\n * Another.\n *\n * Invariants\n *   QQ1, QQ2 (one.ts)\n */\nassert(true, 'QQ1: it holds')\n",
  ],
])

test('a label leads to its sentence, all of it, and to who tells it', () => {
  assert.deepEqual(ruleOf('QQ1', FILES), {
    place: 'a/one.ts:5',
    sentence: 'One thing, which goes on.',
    messages: ['b/two.ts:7'],
  })
  assert.deepEqual(ruleOf('QQ2', FILES)?.messages, [])
})

test('what nobody defines isn’t found, nor what is only named', () => {
  assert.equal(ruleOf('QQ3', FILES), undefined)
})
