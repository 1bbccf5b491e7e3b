/** Linux refuses the nth call of each kind to the hardware MMU, once or from then on: errors of ours, and nobody hangs. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { describe, test } from 'node:test'
import { errno } from '../base/index.ts'
import { numbered } from '../map/world.suite.ts'
import { unavailable } from './hardware.suite.ts'
import { play } from './play.suite.ts'
import { breaking, type Plan } from './refusals.suite.ts'

const SCENE = new URL('./refusals.suite.ts', import.meta.url)
/** So many places are tried of each kind. */
const PLACES = 8

const { EPERM, ENOMEM, EIO, ENOSPC } = errno
const PLANS: readonly Plan[] = [
  { call: 'mmap', thread: 'main', errno: ENOMEM, times: 'once' },
  { call: 'mmap', thread: 'pager-thread', errno: ENOMEM, times: 'once' },
  { call: 'mmap', thread: 'pager-thread', errno: ENOMEM, times: 'for ever' },
  { call: 'memfd_create', thread: 'pager-thread', errno: ENOMEM, times: 'once' },
  { call: 'ftruncate', thread: 'pager-thread', errno: ENOMEM, times: 'once' },
  { call: 'madvise', thread: 'pager-thread', errno: ENOMEM, times: 'once' },
  { call: 'munmap', thread: 'pager-thread', errno: ENOMEM, times: 'for ever' },
  { call: 'fallocate', thread: 'pager-thread', errno: ENOMEM, times: 'once' },
  { call: 'syscall', thread: 'pager-thread', errno: ENOMEM, times: 'once' },
  { call: 'pread', thread: 'io-thread', errno: EIO, times: 'once' },
  { call: 'pwrite', thread: 'io-thread', errno: ENOSPC, times: 'once' },
  { call: 'fsync', thread: 'io-thread', errno: EIO, times: 'once' },
]

describe('a host that refuses', { skip: unavailable, timeout: 600_000 }, () => {
  for (const plan of PLANS)
    test(`${plan.call} in ${plan.thread}, ${plan.times}`, async t => {
      const path = numbered(t, 64)
      const control = `${path}.control`
      fs.writeFileSync(control, JSON.stringify({ ...plan, nth: 0 }))
      const words = [path, JSON.stringify(plan), '1', String(PLACES)]
      const { status, signal, out, err } = await play(t, SCENE, words, breaking(control))
      assert.deepEqual([status, signal, err], [0, null, ''], out)
      const lines = out.trim().split('\n')
      // All but the last, where nothing is left to fail, have met the refusal.
      assert.ok(lines.length > 1, out)
      for (const line of lines) assert.match(line, /^\d+: (well|[a-z]+ E[A-Z]+(, [a-z]+ E[A-Z]+)*)$/)
    })

  test('io_uring: to set it up, to tell of ends by it, or to submit to it; threads make the calls', async t => {
    const path = numbered(t, 64)
    const control = `${path}.control`
    const plan: Plan = { call: 'syscall', thread: 'pager-thread', errno: EPERM, times: 'for ever' }
    fs.writeFileSync(control, JSON.stringify({ ...plan, nth: 0 }))
    const words = [path, JSON.stringify(plan), '1', '3']
    const { status, out, err } = await play(t, SCENE, words, breaking(control))
    assert.deepEqual([status, err], [0, ''])
    assert.equal(out, '1: well\n2: well\n3: well\n')
  })

  test('what must not be refused for ever: the process ends with a sentence', async t => {
    const path = numbered(t, 64)
    const control = `${path}.control`
    const plan: Plan = { call: 'fallocate', thread: 'pager-thread', errno: ENOMEM, times: 'for ever' }
    fs.writeFileSync(control, JSON.stringify({ ...plan, nth: 0 }))
    const { signal, err } = await play(t, SCENE, [path, JSON.stringify(plan), '3', '3'], breaking(control))
    assert.equal(signal, 'SIGABRT')
    assert.match(
      err,
      /^faultline: the hardware MMU can't go on: fallocate failed with ENOMEM; the process ends\.\n$/,
    )
  })
})
