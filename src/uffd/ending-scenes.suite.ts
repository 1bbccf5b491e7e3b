/**
 * Programs that end without closing their machine: `node ending-scenes.suite.ts WHO END FILE`. WHO stores to pages 0 and 1
 * of the file and to nothing else, then comes END. `WHO`: main; main with a worker that waits for a page, or reads on;
 * a worker that has started the machine itself; main that has lost a worker.
 */

import fs from 'node:fs'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import type { MachineFace, MappingFace, MappingHandle } from '../api/index.ts'
import { attach, start } from './index.ts'

const PAGE = 4096

type Role = { readonly reads: MappingHandle } | { readonly touches: MappingHandle } | { readonly end: string }

function say(text: string): void {
  fs.writeSync(1, `${text}\n`)
}

function spawned(role: Role): Worker {
  return new Worker(new URL(import.meta.url), { workerData: role, argv: process.argv.slice(2) })
}

function heard(worker: Worker): Promise<unknown> {
  return new Promise(resolve => worker.once('message', resolve))
}

async function stored(path: string): Promise<{
  readonly machine: MachineFace
  readonly map: MappingFace
  readonly lost: Promise<string>
}> {
  let tell: (code: string) => void = () => {}
  const lost = new Promise<string>(resolve => {
    tell = resolve
  })
  const machine = await start({
    mmu: 'hardware',
    memory: 64 * PAGE,
    onError: 'terminate-worker',
    onWorkerLost: (_, error) => tell(error.code),
  })
  // After the machine's own.
  if (isMainThread) process.once('exit', () => say('the last listener'))
  // What is stored may not be written slowly, as this group's writes are.
  const group = machine.group('slow', { 'io.max': { wbps: 4096 } })
  const file = await machine.open(path, { mode: 'r+' })
  map = await machine.space({ name: 'a', group }).map(file, { prot: 'rw' })
  await map.run(view => view.setU32(8, 0x11223344))
  map.bytes[PAGE + 1] = 77
  return { machine, map, lost }
}

const ENDS: Readonly<Record<string, () => unknown>> = {
  returns() {},
  exits: () => process.exit(7),
  'exits in a section': () => inSection(),
  throws: () =>
    setImmediate(() => {
      throw new Error('boom')
    }),
  rejects: () => void Promise.reject(new Error('boom')),
  async 'stores in a listener'() {
    touchInListener()
    await undefined
    process.exit(7)
  },
  'stores in a listener that nobody knew of'() {
    touchInListener()
    process.exit(7)
  },
  'throws in a listener': () =>
    process.on('exit', () => {
      store()
      throw new Error('boom')
    }),
  'exits in a listener': () => process.once('beforeExit', () => process.exit(7)),
  'handles what is thrown'() {
    process.once('uncaughtException', error => {
      say(`handled ${error.message}`)
      process.exit(7)
    })
    setImmediate(() => {
      throw new Error('boom')
    })
  },
}

let map: MappingFace

/** Pages that come and go meanwhile, and a store. */
function store(): void {
  for (let page = 2; page < 64; page++) void map.bytes[page * PAGE]
  map.bytes[PAGE + 1] = 77
}

function touchInListener(): void {
  map.bytes[PAGE + 1] = 1
  process.on('exit', store)
}

/** What a section has stored when it doesn't end is undone. */
function inSection(): void {
  map.run(view => {
    view.setU8(PAGE + 1, 99)
    process.exit(7)
  })
}

const WHO: Readonly<Record<string, (path: string, end: string) => Promise<void>>> = {
  async main(path, end) {
    await stored(path)
    ENDS[end]!()
  },

  async 'main with a volume'(path, end) {
    const machine = await start({ mmu: 'hardware', memory: 64 * PAGE })
    const volume = await machine.createVolume(`${path}.volume`, { size: '1 MiB' })
    await volume.create('/a')
    const file = await volume.open('/a', { mode: 'r+' })
    await file.write(new Uint8Array(3 * PAGE).fill(9), 0)
    const inVolume = await machine.space({ name: 'b' }).map(file, { prot: 'rw' })
    inVolume.bytes[PAGE] = 55
    await stored(path)
    ENDS[end]!()
  },

  async 'main beside a reader'(path, end) {
    const { map } = await stored(path)
    const reader = spawned({ reads: map.handle })
    await heard(reader)
    reader.unref()
    ENDS[end]!()
  },

  async 'main that has lost a worker'(path, end) {
    const { map, machine, lost } = await stored(path)
    const file = await machine.open(path, { mode: 'r+' })
    await file.truncate(8 * PAGE)
    const worker = spawned({ touches: map.handle })
    say(`lost ${await lost}`)
    worker.unref()
    ENDS[end]!()
  },

  async 'main that goes on without a worker'(path, end) {
    const { map, machine, lost } = await stored(path)
    const file = await machine.open(path, { mode: 'r+' })
    await file.truncate(8 * PAGE)
    const worker = spawned({ touches: map.handle })
    await lost
    worker.unref()
    try {
      fs.writeSync(1, map.bytes.subarray(9 * PAGE, 9 * PAGE + 1))
    } catch (error) {
      say(`call ${(error as NodeJS.ErrnoException).code}`)
    }
    await file.truncate(64 * PAGE)
    await file.write(new Uint8Array(PAGE).fill(66), 9 * PAGE)
    say(`main reads ${map.bytes[9 * PAGE]}`)
    await map.unmap()
    await machine.close()
    ENDS[end]!()
  },

  async 'main that closes beside readers'(path, end) {
    const { map, machine } = await stored(path)
    const file = await machine.open(path, { mode: 'r+' })
    const readers = [spawned({ reads: map.handle }), spawned({ reads: map.handle })]
    await Promise.all(readers.map(heard))
    for (const reader of readers) reader.unref()
    await file.truncate(128 * PAGE)
    await map.sync()
    await file.write(new Uint8Array(PAGE).fill(66), 100 * PAGE)
    // The readers' event loops never turn, so they touch what is gone, and are stopped.
    await map.unmap()
    await machine.close()
    say('grown, synced, unmapped, closed')
    ENDS[end]!()
  },

  async 'a worker'(_, end) {
    const worker = spawned({ end })
    worker.on('error', error => say(`worker failed with ${error.message}`))
    worker.on('exit', status => say(`worker ended with ${status}`))
  },
}

async function inWorker(role: Role): Promise<void> {
  if ('end' in role) {
    await stored(process.argv[4]!)
    ENDS[role.end]!()
    return
  }
  const { bytes } = attach('reads' in role ? role.reads : role.touches)
  parentPort!.postMessage('attached')
  if ('touches' in role) say(`read ${bytes[9 * PAGE]}`)
  for (let page = 2; ; page = 2 + ((page + 5) % 60)) void bytes[page * PAGE]
}

if (isMainThread) {
  const [who, end, path] = process.argv.slice(2) as [string, string, string]
  process.once('exit', status => say(`exit ${status}`))
  await WHO[who]!(path, end)
} else await inWorker(workerData as Role)
