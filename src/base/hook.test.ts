/** A hook is hung once. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AssertionError, hang } from './index.ts'

test('HK1: a hook that is hung twice is an assertion that names it, and the first hearer keeps hearing', () => {
  class Bell {
    readonly onRing: (times: number) => void = () => {}
  }
  const bell = new Bell()
  const heard: string[] = []
  hang(bell, 'onRing', times => heard.push(`first ${times}`))
  assert.throws(
    () => hang(bell, 'onRing', times => heard.push(`second ${times}`)),
    (error: Error) =>
      error instanceof AssertionError && /HK1: onRing of Bell is hung once/.test(error.message),
  )
  bell.onRing(3)
  assert.deepEqual(heard, ['first 3'])
})
