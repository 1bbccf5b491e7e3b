/** Tables by name. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { byName, namesOf } from './named.ts'

test('a table has its names, in order, and is made of them again', () => {
  const table = { small: 1, large: 1000 }
  assert.deepEqual(namesOf(table), ['small', 'large'])
  assert.deepEqual(
    byName(namesOf(table), name => 2 * table[name]),
    { small: 2, large: 2000 },
  )
})
