/**
 * Closing beside calls under way, and calls after it, on a hardware machine: each ends well or with one error of ours, and
 * none waits for ever.
 */

import assert from 'node:assert/strict'
import fs from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import type { FileFace, MachineFace, MappingFace, SpaceFace, VolumeFace } from '../api/index.ts'
import { FaultlineError } from '../calls/index.ts'
import { numbered, PAGE, scratch } from '../map/world.suite.ts'
import { unavailable } from './hardware.suite.ts'
import { start } from './index.ts'
import { play } from './play.suite.ts'

interface World {
  readonly path: string
  readonly machine: MachineFace
  readonly file: FileFace
  readonly space: SpaceFace
  readonly map: MappingFace
}

const ENDS: Readonly<Record<string, (world: World) => Promise<void>>> = {
  'map.unmap': ({ map }) => map.unmap(),
  'file.close': ({ file }) => file.close(),
  'space.exit': ({ space }) => space.exit(),
  'machine.close': ({ machine }) => machine.close(),
}

const CALLS: Readonly<Record<string, (world: World) => unknown>> = {
  'run, a load': ({ map }) => map.run(view => view.u8(9 * PAGE)),
  'run, stores': ({ map }) =>
    map.run(view => {
      for (let page = 0; page < 12; page++) view.setU8(page * PAGE, 3)
    }),
  'map.sync': ({ map }) => map.sync(),
  populate: ({ map }) => map.populate({ length: 12 * PAGE }),
  prefetch: ({ map }) => map.prefetch([{ offset: 0, length: 12 * PAGE }]),
  lock: ({ map }) => map.lock({ length: 4 * PAGE }),
  protect: ({ map }) => map.protect('r'),
  advise: ({ map }) => map.advise('willneed'),
  handle: ({ map }) => map.handle,
  write: ({ file }) => file.write(new Uint8Array(12 * PAGE), 5),
  'write past the end': ({ file }) => file.write(new Uint8Array(12 * PAGE), 70 * PAGE),
  read: ({ file }) => file.read(new Uint8Array(12 * PAGE), 5),
  truncate: ({ file }) => file.truncate(3 * PAGE),
  punch: ({ file }) => file.punch(0, 9 * PAGE),
  'file.sync': ({ file }) => file.sync(),
  size: ({ file }) => file.size,
  map: ({ space, file }) => space.map(file),
  fork: ({ space }) => space.fork(),
  proc: ({ space }) => space.proc('maps'),
  status: ({ space }) => space.status(),
  ps: ({ machine }) => machine.ps(),
  open: ({ machine, path }) => machine.open(path),
  group: ({ machine }) => machine.root.read('memory.current'),
  createVolume: ({ machine, path }) => machine.createVolume(`${path}.volume`, { size: '1 MiB' }),
  'map.unmap': ({ map }) => map.unmap(),
  'file.close': ({ file }) => file.close(),
  'space.exit': ({ space }) => space.exit(),
  'machine.close': ({ machine }) => machine.close(),
}

/** How a call ended: 'ok' or the code of an error of ours; anything else is thrown. */
async function ending(call: () => unknown): Promise<string> {
  try {
    await call()
    return 'ok'
  } catch (error) {
    if (error instanceof FaultlineError && error.code !== 'ERR_INTERNAL') return error.code
    throw error
  }
}

async function made(path: string): Promise<World> {
  const machine = await start({ mmu: 'hardware', memory: 64 * PAGE })
  const file = await machine.open(path, { mode: 'r+' })
  const space = machine.space({ name: 'a' })
  const map = await space.map(file, { prot: 'rw', advice: 'random' })
  await map.run(view => view.setU8(5 * PAGE, 77))
  return { path, machine, file, space, map }
}

describe('on a hardware machine', { skip: unavailable, timeout: 300_000 }, () => {
  for (const [what, end] of Object.entries(ENDS))
    test(`${what} beside every other call, and every call after it`, async t => {
      const path = numbered(t, 64)
      const whole = fs.readFileSync(path)
      for (const [name, call] of Object.entries(CALLS)) {
        fs.writeFileSync(path, whole)
        const world = await made(path)
        const beside = ending(() => call(world))
        assert.match(await ending(() => end(world)), /^(ok|EBADF)$/, `${what} beside ${name}`)
        const ended = await beside
        const after = await ending(() => call(world))
        if (what === 'machine.close' && !/close|exit/.test(name)) assert.equal(after, 'EBADF', name)
        assert.equal(await ending(() => world.machine.close()), 'ok', name)
        fs.rmSync(`${path}.volume`, { recursive: true, force: true })
        // The store is in the file, but where the call has cut or overwritten it.
        const stored = fs.readFileSync(path)[5 * PAGE]
        const overwritten = name === 'run, stores' && [ended, after].includes('ok')
        if (!/truncate|punch|write/.test(name)) assert.equal(stored, overwritten ? 3 : 77, name)
      }
    })

  test('a volume closes, alone or with its machine, beside every call of it, and is sound', async t => {
    const folder = scratch(t)
    const at = (name: string) => join(folder, name)
    const bytes = new Uint8Array(2 ** 20 + 5).fill(7)
    fs.writeFileSync(at('host'), bytes)
    const calls: Readonly<Record<string, (volume: VolumeFace) => unknown>> = {
      'put of a path': volume => volume.put(at('host'), '/new'),
      'put of bytes': volume => volume.put(bytes, '/new'),
      'put that replaces': volume => volume.put(at('host'), '/old', { existing: 'is replaced' }),
      getFile: volume => volume.getFile('/old', at('out')),
      async get(volume) {
        for await (const part of volume.get('/old')) assert.equal(part[0], 7)
      },
      clone: volume => volume.clone('/old', '/new'),
      snapshot: volume => volume.snapshot('/', '/new'),
      check: volume => volume.check(),
      sync: volume => volume.sync(),
      open: volume => volume.open('/old'),
      remove: volume => volume.remove('/old'),
    }
    let machine = await start({ mmu: 'hardware', memory: 64 * PAGE })
    for (const what of ['volume.close', 'machine.close'])
      for (const [name, call] of Object.entries(calls)) {
        for (const left of ['volume', 'out']) fs.rmSync(at(left), { recursive: true, force: true })
        const volume = await machine.createVolume(at('volume'), { size: '8 MiB' })
        await volume.put(bytes, '/old')
        const beside = ending(() => call(volume))
        const close = what === 'volume.close' ? volume.close() : machine.close()
        assert.equal(await ending(() => close), 'ok', `${what} beside ${name}`)
        const ended = await beside
        assert.match(ended, /^(ok|EBADF|EINTR|ABORT_ERR)$/, name)
        assert.equal(await ending(() => call(volume)), 'EBADF', `${name} after ${what}`)
        if (what === 'machine.close') machine = await start({ mmu: 'hardware', memory: 64 * PAGE })
        const again = await machine.openVolume(at('volume'))
        assert.deepEqual((await again.check()).wrong, [], `${what} beside ${name}`)
        if (name !== 'remove') assert.equal((await again.stat('/old')).size, bytes.length)
        if (/put of/.test(name)) assert.equal(await again.exists('/new'), ended === 'ok', name)
        assert.deepEqual(fs.existsSync(at('out')), name === 'getFile' && ended === 'ok')
        assert.deepEqual(
          fs.readdirSync(folder).filter(left => left.endsWith('.part')),
          [],
        )
        await again.close()
      }
    await machine.close()
  })

  test('everything closes beside workers that go on touching an array', async t => {
    const scenes = new URL('./ending-scenes.suite.ts', import.meta.url)
    const path = numbered(t, 64)
    const { status, signal, out, err } = await play(t, scenes, [
      'main that closes beside readers',
      'exits',
      path,
    ])
    assert.deepEqual([status, signal, err], [7, null, ''], out)
    assert.match(out, /^grown, synced, unmapped, closed\nexit 7\nthe last listener\n$/)
  })
})
