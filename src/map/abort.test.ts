/** AbortSignal: every wait can be ended by its caller, and by its caller alone. */
import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import type { File } from '../files/index.ts'
import { Machine, type Mapping, type Space } from './index.ts'
import { HostCalls, type Kind, numbered, PAGE, refuses, sparse } from './world.suite.ts'

interface World {
  readonly machine: Machine
  readonly file: File
  readonly space: Space
  readonly map: Mapping
  readonly host: HostCalls
}

async function world(t: TestContext, path = numbered(t, 64), discipline = 'restart'): Promise<World> {
  const host = new HostCalls(t)
  const machine = await Machine.start({ memory: 128 * PAGE, discipline })
  t.after(() => {
    host.release()
    return machine.close()
  })
  const file = await machine.open(path, { mode: 'r+' })
  const space = machine.space({ name: 'a' })
  const map = await space.map(file, { prot: 'rw', advice: 'random' })
  return { machine, file, space, map, host }
}

/** Each call, and which of the host's calls it is to wait for. */
const WAITS: readonly {
  readonly title: string
  readonly operation: string
  readonly held: Kind
  readonly sparse?: boolean
  readonly before?: (world: World) => unknown
  readonly call: (world: World, signal: AbortSignal) => unknown
}[] = [
  {
    title: 'a load that waits for its page',
    operation: 'run',
    held: 'read',
    call: ({ map }, signal) => map.run(view => view.u8(0), { signal }),
  },
  {
    title: 'a store that waits for space in a sparse file',
    operation: 'run',
    held: 'write',
    sparse: true,
    call: ({ map }, signal) => map.run(view => view.setU8(0, 1), { signal }),
  },
  {
    title: 'a prefetch',
    operation: 'run',
    held: 'read',
    call: ({ map }, signal) => map.prefetch([{ offset: 0, length: 9 * PAGE }], { signal }),
  },
  {
    title: 'a populate',
    operation: 'advise',
    held: 'read',
    call: ({ map }, signal) => map.populate({ signal }),
  },
  {
    title: 'a lock',
    operation: 'lock',
    held: 'read',
    call: ({ map }, signal) => map.lock({ signal }),
  },
  {
    title: 'a sync of a mapping',
    operation: 'sync',
    held: 'write',
    before: ({ map }) => map.run(view => view.setU8(0, 9)),
    call: ({ map }, signal) => map.sync({ signal }),
  },
  {
    title: 'a sync of a file that waits for the flush',
    operation: 'sync',
    held: 'flush',
    call: ({ file }, signal) => file.sync({ signal }),
  },
  {
    title: 'a read',
    operation: 'read',
    held: 'read',
    call: ({ file }, signal) => file.read(new Uint8Array(10), 0, { signal }),
  },
  {
    title: 'a write that waits for the page it changes a part of',
    operation: 'write',
    held: 'read',
    call: ({ file }, signal) => file.write(new Uint8Array(10), 5, { signal }),
  },
  {
    title: 'a truncation',
    operation: 'truncate',
    held: 'resize',
    call: ({ file }, signal) => file.truncate(PAGE, { signal }),
  },
]

describe('an abort ends', () => {
  for (const wait of WAITS)
    test(`${wait.title}, and the machine goes on`, async t => {
      const w = await world(t, wait.sparse === true ? sparse(t, 64 * PAGE) : undefined)
      await wait.before?.(w)
      w.host.hold(wait.held)
      const abort = new AbortController()
      const reason = new Error('no patience')
      const ended = refuses(
        () => wait.call(w, abort.signal),
        'ABORT_ERR',
        wait.operation,
        /aborted by its caller/,
      )
      await w.host.heldAre(1)
      abort.abort(reason)
      assert.equal((await ended).cause, reason)
      w.host.release()
      await w.file.sync()
      await wait.call(w, new AbortController().signal)
      assert.ok(w.machine.engine.memory.frames.pins.every(pins => pins === 0))
    })

  test('nothing but its own call: others get the page they wait for', async t => {
    const { map, host, space, file } = await world(t)
    const other = await space.map(file)
    host.hold('read')
    const abort = new AbortController()
    const ended = refuses(
      () => map.run(view => view.u8(0), { signal: abort.signal }),
      'ABORT_ERR',
      'run',
      /./,
    )
    const loads = [
      map.run(view => view.u8(0)),
      other.run(view => view.u8(0)),
      file.read(new Uint8Array(1), 0),
    ]
    await host.heldAre(1)
    abort.abort()
    await ended
    host.release()
    assert.deepEqual(await Promise.all(loads), [1, 1, 1])
    assert.equal(host.begun.read, 1)
  })

  test('a call before it begins, if its signal has been aborted', async t => {
    const { map, file, space, machine, host } = await world(t)
    const signal = AbortSignal.abort()
    const calls: [string, () => unknown][] = [
      ['run', () => map.run(view => view.u8(0), { signal })],
      ['sync', () => map.sync({ signal })],
      ['protect', () => map.protect('r', { signal })],
      ['read', () => file.read(new Uint8Array(1), 0, { signal })],
      ['write', () => file.write(new Uint8Array(1), 0, { signal })],
      ['map', () => space.map(file, { signal })],
      ['fork', () => space.fork({ signal })],
      ['proc', () => space.proc('maps', { signal })],
      ['ps', () => machine.ps({ signal })],
    ]
    for (const [operation, call] of calls)
      await refuses(call, 'ABORT_ERR', operation, /aborted by its caller/)
    assert.equal(host.begun.read, 0)
  })

  test('what waits for the mmap lock, where a discipline keeps it over I/O', async t => {
    const { map, space, file, machine, host } = await world(t, undefined, 'hold')
    host.hold('read')
    const load = map.run(view => view.u8(0))
    await host.heldAre(1)
    const waiting: [string, (signal: AbortSignal) => unknown][] = [
      ['map', signal => space.map(file, { signal })],
      ['fork', signal => space.fork({ signal })],
      ['protect', signal => map.protect('r', { signal })],
      ['advise', signal => map.advise('sequential', { signal })],
      ['proc', signal => space.proc('smaps', { signal })],
      ['ps', signal => machine.ps({ signal })],
    ]
    const ended = waiting.map(([operation, call]) => {
      const abort = new AbortController()
      return { abort, refused: refuses(() => call(abort.signal), 'ABORT_ERR', operation, /aborted/) }
    })
    // The readers first: without a writer before them they would go on.
    for (const { abort, refused } of ended.reverse()) {
      abort.abort()
      await refused
    }
    host.release()
    assert.equal(await load, 1)
    await map.protect('rw')
    assert.equal(await map.run(view => view.u8(PAGE)), 2)
  })

  test('a writer that pays for what it dirtied', async t => {
    await using machine = await Machine.start({ memory: 64 * PAGE })
    const file = await machine.open(numbered(t, 256), { mode: 'r+' })
    const host = new HostCalls(t)
    host.hold('write')
    const abort = new AbortController()
    const ended = refuses(
      () => file.write(new Uint8Array(256 * PAGE), 0, { signal: abort.signal }),
      'ABORT_ERR',
      'write',
      /aborted/,
    )
    await host.heldAre(1)
    abort.abort()
    await ended
    host.release()
    assert.ok((await file.read(new Uint8Array(1), 0)) === 1)
  })
})

test('the end of a space ends its waits, and no others', async t => {
  const { machine, map, space, file, host } = await world(t)
  const survivor = await machine.space({ name: 'b' }).map(file)
  host.hold('read')
  const load = refuses(() => map.run(view => view.u8(0)), 'EINTR', 'load', /its space ended while it waited/)
  const other = survivor.run(view => view.u8(0))
  await host.heldAre(1)
  await space.exit()
  await load
  host.release()
  assert.equal(await other, 1)
})

test('the end of a machine waits for what is under way, and takes nothing new', async t => {
  const { machine, file, host } = await world(t)
  host.hold('read')
  const target = new Uint8Array(1)
  const read = file.read(target, PAGE)
  await host.heldAre(1)
  const closed = machine.close()
  await refuses(() => machine.open('/tmp'), 'EBADF', 'open', /machine is closed/)
  host.release()
  assert.equal(await read, 1)
  assert.equal(target[0], 2)
  await closed
  await refuses(() => file.read(target, 0), 'EBADF', 'read', /closed; open it again/)
})
