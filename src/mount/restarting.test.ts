/** Requests whose records aren't here: restarted when these have come, ended when their caller is killed, answered where nothing is missed. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { errno, ROOT } from '../base/index.ts'
import { Performer } from '../calls/index.ts'
import { type Answered, Request, wire } from '../fuse/index.ts'
import { RealDriver, Scheduler, type Ticket } from '../sched/index.ts'
import type { Parts } from './parts.ts'
import { restarting } from './restarting.ts'

const { Opcode, InHeader } = wire
const NAME = Buffer.from('name\0')

/** A mount that misses `missing`, and what its look-up says, one after the other. */
function mounted(answers: readonly (Answered | Promise<Answered>)[]) {
  const driver = new RealDriver()
  const scheduler = new Scheduler(driver)
  driver.attach(scheduler)
  const overlay: { missing: Ticket | undefined } = { missing: undefined }
  const performer = new Performer(driver, scheduler)
  const slow = { works: () => {} }
  const parts = { performer, groupOf: () => ROOT, slow, core: { parts: { overlay } } } as unknown as Parts
  const names: string[] = []
  const { [Opcode.LOOKUP]: lookup } = restarting(parts, {
    [Opcode.LOOKUP](request) {
      names.push(Buffer.from(request.name()).toString())
      return answers[names.length - 1]!
    },
  })
  const bytes = new Uint8Array(InHeader.size + NAME.length)
  bytes.set(NAME, InHeader.size)
  const request = new Request(bytes, { size: 0 } as never)
  const miss = () => {
    overlay.missing = scheduler.ticket('a record')
    return overlay.missing
  }
  return {
    names,
    request,
    miss,
    overlay,
    ask: () => lookup!(request),
    come: (t: Ticket) => scheduler.complete(t),
  }
}

test('what misses a record is asked once more from its begin, when that has come, as often as it takes (RSR1)', async () => {
  const { names, ask, miss, come } = mounted([errno.EAGAIN, Promise.resolve(errno.EAGAIN), errno.ENOENT])
  const first = miss()
  const answered = ask()
  assert.ok(answered instanceof Promise)
  assert.equal(names.length, 1)
  const second = miss()
  come(first)
  while (names.length < 2) await new Promise(resolve => setImmediate(resolve))
  await new Promise(resolve => setImmediate(resolve))
  assert.equal(names.length, 2, 'it waits for the second')
  come(second)
  assert.equal(await answered, errno.ENOENT)
  assert.deepEqual(names, ['name', 'name', 'name'])
})

test('a caller that is killed meanwhile is answered EINTR, and nothing is asked again', async () => {
  const { names, request, ask, miss, come } = mounted([errno.EAGAIN])
  const ticket = miss()
  const answered = ask()
  request.kill!()
  assert.equal(await answered, errno.EINTR)
  assert.equal(request.kill, undefined)
  come(ticket)
  await new Promise(resolve => setImmediate(resolve))
  assert.equal(names.length, 1)
})

test('EAGAIN for another reason is the answer: nothing was missed, or nothing new', async () => {
  const never = mounted([errno.EAGAIN])
  assert.equal(never.ask(), errno.EAGAIN)
  const before = mounted([errno.EAGAIN, errno.EAGAIN])
  before.come(before.miss())
  assert.equal(await before.ask(), errno.EAGAIN)
  assert.equal(before.names.length, 2)
})
