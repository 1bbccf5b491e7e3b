/** What is told of anything that was thrown. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { test } from 'node:test'
import { getSystemErrorName } from 'node:util'
import * as errno from './errno.ts'
import { codeOf, messageOf, numberOf } from './thrown.ts'

test('an error of the host has a code, a number and a message', () => {
  let thrown: unknown
  try {
    fs.readFileSync('/nowhere')
  } catch (error) {
    thrown = error
  }
  assert.equal(codeOf(thrown), 'ENOENT')
  assert.equal(numberOf(thrown), -2)
  assert.match(messageOf(thrown), /^ENOENT: no such file/)
})

test('an error that libuv has no name for has the name that Linux gives it', () => {
  const code = getSystemErrorName(-errno.EDQUOT)
  assert.equal(codeOf({ code, errno: -errno.EDQUOT }), 'EDQUOT')
  assert.equal(codeOf({ code: getSystemErrorName(-4000), errno: -4000 }), 'errno 4000')
})

test('what is no error, or has no code, is taken as it is', () => {
  for (const thrown of [undefined, null, 7, 'ENOENT', {}, { code: 2 }, new Error('no code')])
    assert.deepEqual([codeOf(thrown), numberOf(thrown)], [undefined, undefined])
  assert.equal(messageOf('in words'), 'in words')
  assert.equal(messageOf(undefined), 'undefined')
  assert.equal(messageOf(new Error('of an error')), 'of an error')
})
