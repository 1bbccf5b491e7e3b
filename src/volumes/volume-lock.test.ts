/** One writer of a volume's bytes: by the volume, by its data as a file, by swap; in one machine, in two, in threads. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import fs from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { Machine } from '../map/index.ts'
import { PAGE, refuses, scratch } from '../map/world.suite.ts'

async function worldOf(t: Parameters<typeof scratch>[0]) {
  const path = join(scratch(t), 'volume')
  const [machine, other] = [
    await Machine.start({ memory: '1 MiB' }),
    await Machine.start({ memory: '1 MiB' }),
  ]
  t.after(async () => {
    await machine.close()
    await other.close()
  })
  return { machine, other, path, volume: await machine.createVolume(path, { size: '4 MiB' }) }
}

test('the data of an open volume aren’t opened to be written, by this machine or another; to be read they are', async t => {
  const { machine, other, path, volume } = await worldOf(t)
  const data = join(path, 'data')
  const link = join(path, 'link')
  fs.linkSync(data, link)
  for (const each of [machine, other])
    for (const name of [data, link])
      await refuses(
        () => each.open(name, { mode: 'r+' }),
        'EBUSY',
        'open',
        /the data of a volume that somebody has/,
      )
  const reader = await other.open(data)
  await refuses(() => other.open(data, { mode: 'r+' }), 'EBUSY', 'open', /somebody has open/)
  assert.equal(
    (await reader.read(new Uint8Array(PAGE), 0)) > 0,
    true,
    'what was refused took nothing with it',
  )
  await reader.close()
  await volume.close()
  const writers = [await other.open(data, { mode: 'r+' }), await other.open(link, { mode: 'r+' })]
  for (const mode of ['r', 'r+'] as const)
    await refuses(
      () => machine.openVolume(path, { mode }),
      'EBUSY',
      'openVolume',
      /somebody else has it open/,
    )
  for (const writer of writers) await writer.close()
  await (await machine.openVolume(path, { mode: 'r+' })).close()
})

test('a file that programs store to isn’t made a volume under them, nor is a volume swapped to', async t => {
  const { machine, other, path, volume } = await worldOf(t)
  const plain = `${path}.plain`
  fs.writeFileSync(plain, new Uint8Array(2 ** 20))
  const file = await machine.open(plain, { mode: 'r+' })
  await refuses(
    () => machine.createVolume(`${path}2`, { data: plain }),
    'EBUSY',
    'createVolume',
    /this machine has that file open/,
  )
  assert.equal(fs.existsSync(`${path}2`), false)
  await file.close()
  await volume.close()
  await refuses(
    () => Machine.start({ swap: join(path, 'data') }),
    'EEXIST',
    'start',
    /holds the data of a volume/,
  )
  const swapping = await Machine.start({ memory: '1 MiB', swap: plain })
  await refuses(() => Machine.start({ swap: plain }), 'EBUSY', 'start', /give each machine a file of its own/)
  await refuses(
    () => other.createVolume(`${path}2`, { data: plain }),
    'EBUSY',
    'createVolume',
    /somebody else/,
  )
  await swapping.close()
  await (await Machine.start({ memory: '1 MiB', swap: plain })).close()
})

test('threads of one process keep each other out, and a thread that is ended lets go', async t => {
  const { machine, path, volume } = await worldOf(t)
  await volume.close()
  const code = `
    const { parentPort } = require('node:worker_threads')
    import(${JSON.stringify(join(import.meta.dirname, '../map/index.ts'))}).then(async ({ Machine }) => {
      const machine = await Machine.start({ memory: '1 MiB' })
      await machine.openVolume(${JSON.stringify(path)}, { mode: 'r+' })
      parentPort.postMessage('open')
      setInterval(() => {}, 1e6)
    })`
  const worker = new Worker(code, { eval: true })
  assert.deepEqual(await once(worker, 'message'), ['open'])
  await refuses(
    () => machine.openVolume(path),
    'EBUSY',
    'openVolume',
    /process \d+ of .* has it open to write/,
  )
  await worker.terminate()
  await (await machine.openVolume(path, { mode: 'r+' })).close()
})
