/** Groups of the machine for control groups of the host: who gets which, and with what limits. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Settings } from '../group/index.ts'
import { Machine } from '../map/index.ts'
import { Callers } from './callers.ts'

async function world(t: TestContext, told: Readonly<Record<string, Settings>> = {}) {
  const machine = await Machine.start({ memory: '4 MiB' })
  t.after(() => machine.close())
  const threads = new Map<number, string>()
  const files = new Map<string, string>()
  const at = { now: 0, asked: 0 }
  const host = {
    groupsOf(thread: number) {
      at.asked++
      return threads.get(thread)
    },
    limitOf: (path: string, key: string) => files.get(`${path}/${key}`),
  }
  const mount = machine.group('mount')
  const callers = new Callers(mount, new Map(Object.entries(told)), host, () => at.now)
  return { mount, threads, files, at, callers }
}

test('a caller is charged as its control group, nested as that is, with the limits of its files', async t => {
  const { threads, files, callers } = await world(t)
  threads.set(7, '4:memory:/old\n0::/batch/import\n')
  threads.set(8, '0::/batch\n')
  files.set('/batch/memory.max', '1048576\n')
  files.set('/batch/import/io.max', '9999:7 rbps=1 wbps=max\nnonsense\n')
  files.set('/batch/import/memory.high', 'max\n')
  const group = callers.groupOf(7)
  assert.equal(group.path, '/mount/batch/import')
  assert.equal(callers.groupOf(8).path, '/mount/batch')
  assert.equal(callers.groupOf(8).read('memory.max'), '1048576\n')
  assert.equal(group.read('memory.max'), 'max\n')
})

test('limits that were told hold, whatever the files say', async t => {
  const { threads, files, callers } = await world(t, { '/batch': { 'memory.max': '2 MiB' } })
  threads.set(8, '0::/batch\n')
  files.set('/batch/memory.max', '1048576\n')
  assert.equal(callers.groupOf(8).read('memory.max'), '2097152\n')
})

test('what if a limit that is told is none? It is said before anybody asks', async t => {
  await assert.rejects(world(t, { '/batch': { 'memory.maxx': 1 } as Settings }), /did you mean memory.max/)
  await assert.rejects(world(t, { '/batch': { 'io.max': { rbps: 'fast' } } }), /rbps/)
})

test('what if nobody knows the caller? It is the mount’s (CW1)', async t => {
  const { mount, threads, callers } = await world(t)
  threads.set(5, '4:memory:/old\n')
  threads.set(6, '0::/\n')
  for (const thread of [0, 5, 6, 99]) assert.equal(callers.groupOf(thread).path, mount.path)
  for (let number = 0; number < 300; number++) {
    threads.set(1000 + number, `0::/g${number}\n`)
    const { path } = callers.groupOf(1000 + number)
    assert.equal(path, number < 256 ? `/mount/g${number}` : '/mount')
  }
})

test('what is known of a thread, and of limits, is looked at again after a second (CW2)', async t => {
  const { threads, files, at, callers } = await world(t)
  threads.set(7, '0::/one\n')
  files.set('/one/memory.max', '1048576\n')
  const group = callers.groupOf(7)
  threads.set(7, '0::/other\n')
  files.set('/one/memory.max', 'max\n')
  assert.equal(callers.groupOf(7), group)
  assert.equal(at.asked, 1)
  at.now = 1000
  assert.equal(callers.groupOf(7).path, '/mount/other')
  threads.set(8, '0::/one\n')
  assert.equal(callers.groupOf(8), group)
  assert.equal(group.read('memory.max'), 'max\n')
})
