/** Files on servers over the hardware MMU: touched, read, changed behind our back, and never stood in anybody's way. */

import assert from 'node:assert/strict'
import fs from 'node:fs'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import type { MachineFace } from '../api/index.ts'
import { refuses, scratch } from '../map/world.suite.ts'
import { unavailable } from './hardware.suite.ts'
import { start } from './index.ts'
import { BODY, type Manner, serve } from './remote-files.suite.ts'

const MIB = 2 ** 20
const PAGE = 4096

async function served(t: TestContext, manner: Manner): Promise<Awaited<ReturnType<typeof serve>>> {
  const server = await serve(manner)
  t.after(() => server.close())
  return server
}

async function machineOf(t: TestContext): Promise<MachineFace> {
  const machine = await start({ mmu: 'hardware', memory: '1 MiB' })
  t.after(() => machine.close())
  return machine
}

describe('a file on a server, on a hardware machine', { skip: unavailable }, () => {
  it('is an array that is longer than memory, and brings its pages at a touch', async t => {
    const { url } = await served(t, 'well')
    const machine = await machineOf(t)
    const file = await machine.open(url)
    assert.deepEqual([file.size, file.readOnly, file.name], [BODY.length, true, url])
    const { bytes } = await machine.space({ name: 'reader' }).map(file)
    assert.ok(Buffer.from(bytes).equals(BODY))
    const tail = new Uint8Array(500)
    assert.equal(await file.read(tail, BODY.length - 100), 100)
    assert.deepEqual(tail.subarray(0, 100), BODY.subarray(-100))
    assert.deepEqual(machine.check(), [])
  })

  it('that never answers stops who asked for it, and nobody else', async t => {
    const { url, asked } = await served(t, 'never from 2 MiB on')
    const machine = await machineOf(t)
    const path = join(scratch(t), 'near')
    fs.writeFileSync(path, Buffer.alloc(4 * MIB, 7))
    const far = await machine.open(url)
    const near = await machine.open(path)
    const controller = new AbortController()
    const { signal } = controller
    const reading = refuses(
      () => far.read(new Uint8Array(PAGE), 3 * MIB, { signal }),
      'ABORT_ERR',
      'read',
      /./,
    )
    while ((await asked()) < 2);
    const { bytes } = await machine.space({ name: 'near' }).map(near)
    for (let at = 0; at < bytes.length; at += PAGE) assert.equal(bytes[at], 7)
    assert.deepEqual(machine.check(), [])
    const start = new Uint8Array(PAGE)
    await far.read(start, 0)
    assert.ok(Buffer.from(start).equals(BODY.subarray(0, PAGE)))
    controller.abort()
    await reading
  })

  it('that changed is ESTALE, in calls and in sections', async t => {
    const { url } = await served(t, 'another ETag in the middle')
    const machine = await machineOf(t)
    const file = await machine.open(new URL(`${url}?X-Amz-Signature=secret`))
    const error = await refuses(
      () => file.read(new Uint8Array(10), MIB),
      'ESTALE',
      'read',
      /file\.bin.*changed/,
    )
    assert.doesNotMatch(error.message, /secret/)
    const map = await machine.space({ name: 'reader' }).map(file)
    await refuses(() => map.run(view => view.u8(2 * MIB)), 'ESTALE', 'load', /./)
  })

  it('is kept in a volume, from which the next machine has it at a touch', async t => {
    const { url, asked } = await served(t, 'well')
    const directory = join(scratch(t), 'cache.vol')
    {
      await using machine = await start({ mmu: 'hardware', memory: '1 MiB' })
      const cache = await machine.createVolume(directory, { size: '16 MiB' })
      const { bytes } = await machine.space({ name: 'reader' }).map(await machine.open(url, { cache }))
      assert.ok(Buffer.from(bytes).equals(BODY))
    }
    const before = await asked()
    const machine = await machineOf(t)
    const cache = await machine.openVolume(directory)
    const { bytes } = await machine.space({ name: 'reader' }).map(await machine.open(url, { cache }))
    assert.ok(Buffer.from(bytes).equals(BODY))
    assert.equal((await asked()) - before, 1)
    await refuses(
      () => machine.open(url, { cache: {} as never }),
      'EINVAL',
      'open',
      /cache: expected a volume/,
    )
  })

  it('is closed while ranges are under way', async t => {
    const { url, asked } = await served(t, 'never from 2 MiB on')
    const machine = await start({ mmu: 'hardware', memory: '1 MiB' })
    const file = await machine.open(url, { deadline: 500 })
    const reading = refuses(() => file.read(new Uint8Array(PAGE), 3 * MIB), 'ETIMEDOUT', 'read', /./)
    while ((await asked()) < 2);
    await machine.close()
    await reading
  })

  it('takes no function, which can’t be sent to the thread of the machine', async t => {
    const { url } = await served(t, 'well')
    const machine = await machineOf(t)
    await refuses(() => machine.open(url, { fetch }), 'ENOTSUP', 'call', /function.*mmu 'software'/)
    await refuses(() => machine.open(url, { mode: 'r+' }), 'EROFS', 'open', /only be read/)
  })
})
