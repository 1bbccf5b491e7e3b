/** A program that stores and never closes, and ends in one of several ways: run by process-end.test.ts. */
import fs from 'node:fs'
import { join } from 'node:path'
import type { Volume } from '../volumes/index.ts'
import { Machine } from './index.ts'

const [, , end, directory] = process.argv as [string, string, string, string]
const PAGE = 4096

const machine = await Machine.start({ memory: '8 MiB' })
const file = await machine.open(join(directory, 'file'), { mode: 'r+' })
const map = await machine.space({ name: 'program' }).map(file, { prot: 'rw' })
await map.run(view => view.setU32(8, 0x11223344))
await map.run(view => view.setU32(63 * PAGE + 8, 0x55667788))
await file.write(Buffer.from('longer'), 64 * PAGE)

async function storeInVolume(): Promise<Volume> {
  const volume = await machine.createVolume(join(directory, 'volume'), { size: '4 MiB' })
  await volume.create('/stored')
  const stored = await volume.open('/stored', { mode: 'r+' })
  await stored.write(Buffer.alloc(PAGE), 0)
  const mapped = await machine.space({ name: 'volume' }).map(stored, { prot: 'rw' })
  await mapped.run(view => view.setU32(8, 0x11223344))
  await stored.close()
  await mapped.run(view => view.setU32(12, 0x55667788))
  return volume
}

const ENDS: Readonly<Record<string, () => unknown>> = {
  returns() {},
  'exits with 7': () => process.exit(7),
  throws() {
    throw new Error('boom')
  },
  rejects: () => Promise.reject(new Error('boom')),
  'exits in a section': () =>
    map.run(view => {
      view.setU32(8, 1)
      process.exit(0)
    }),
  async 'exits, and stores in a listener'() {
    await map.run(view => view.setU32(8, 1))
    // After the machine's own.
    process.on('exit', () => map.run(view => view.setU32(8, 0x11223344)))
    await undefined
    process.exit(0)
  },
  'exits beside calls': () => {
    // The pool of threads is busy until the end: nothing that was asked is done.
    Object.assign(fs, { writev: () => setTimeout(() => {}, 1e6) })
    void file.sync()
    setImmediate(() => process.exit(0))
  },
  'exits beside a truncation': async () => {
    Object.assign(fs, { ftruncate: (fd: number, length: number) => fs.ftruncateSync(fd, length) })
    void file.truncate(PAGE + 1)
    setImmediate(() => process.exit(0))
  },
  'exits where the file can’t be written': () => {
    fs.writeSync = new Proxy(fs.writeSync, {
      apply(real, that, args) {
        if (args[0] > 2) throw Object.assign(new Error('EIO: i/o error'), { code: 'EIO', errno: -5 })
        return Reflect.apply(real, that, args)
      },
    })
    process.exit(0)
  },
  'returns with a volume': () => storeInVolume(),
  'exits with a volume': async () => {
    await storeInVolume()
    process.exit(0)
  },
  'throws with a volume': async () => {
    await storeInVolume()
    throw new Error('boom')
  },
  'exits as a commit begins, with a volume': async () => {
    const volume = await storeInVolume()
    void volume.sync()
    process.exit(0)
  },
  'exits while LMDB commits, with a volume': async () => {
    const volume = await storeInVolume()
    void volume.sync()
    for (let turn = 0; turn < 4; turn++) await new Promise(resolve => setImmediate(resolve))
    await volume.create('/later')
    process.exit(0)
  },
  'exits beside a busy volume': async () => {
    const volume = await storeInVolume()
    for (let n = 0; n < 60; n++) {
      await volume.create(`/busy ${n}`)
      const file = await volume.open(`/busy ${n}`, { mode: 'r+' })
      void file.write(Buffer.alloc(3 * PAGE, n), 0).then(() => file.sync())
      if (n % 7 === 0) await new Promise(resolve => setImmediate(resolve))
    }
    process.exit(0)
  },
}
await ENDS[end]!()
