/** The model's stalls for what the kernel showed, without a kernel: which row of the table a release is, and who waits. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { READERS } from './experiments.ts'
import { disciplineOf, inModel } from './model.ts'

test('a release has the row of the table that its faults and its maps go by', () => {
  assert.deepEqual(disciplineOf('6.18.44-fc'), { faults: 'linux-6.4', maps: 'linux-7.x' })
  assert.deepEqual(disciplineOf('6.1.0-13-amd64'), { faults: 'linux-5.1', maps: 'linux-5.1' })
  assert.deepEqual(disciplineOf('4.19.0'), { faults: 'hold', maps: 'hold' })
})

test('behind a fork that waits for a store to a frozen filesystem every reader waits but stat', () => {
  const [store, fork, ...readers] = inModel('6.18.44', 'fork', 700)
  assert.equal(store, 700)
  assert.equal(fork, 670)
  assert.deepEqual(
    READERS.filter((_, at) => readers[at]! > 10),
    READERS.filter(reader => reader !== 'stat'),
  )
})

test('a call on another mapping makes nobody wait', () => {
  const [store, ...others] = inModel('6.18.44', 'mprotect beside', 700)
  assert.equal(store, 700)
  assert.deepEqual(
    others.filter(time => time > 10),
    [],
  )
})
