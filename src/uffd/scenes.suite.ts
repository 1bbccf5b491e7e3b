/**
 * Programs for the tests of what ends a process, or a thread: `node scenes.suite.ts NAME FILE`. Each prints what it sees.
 * A scene with a worker posts it a handle; the worker touches one page as soon as it is told to.
 */

import fs from 'node:fs'
import { isMainThread, MessageChannel, parentPort, Worker, workerData } from 'node:worker_threads'
import type { FileFace, GroupFace, MachineFace, MappingFace, MappingHandle } from '../api/index.ts'
import { Linux, MADV_DONTNEED } from '../linux/index.ts'
import { attach, start } from './index.ts'
import { PAGER, SERVING, SIGNALS, STATE } from './signals.ts'
import { watch } from './watch.ts'

const PAGE = 4096

interface Stage {
  readonly group: GroupFace
  readonly machine: MachineFace
  readonly file: FileFace
  readonly map: MappingFace
  readonly path: string
}

interface Told {
  readonly handle: MappingHandle
  /** Bytes into the mapping. */
  readonly offset: number
  /** What the worker does to that byte. */
  readonly act: 'load' | 'store' | 'stale load' | 'load after close' | 'load for ever'
}

function say(text: string): void {
  fs.writeSync(1, `${text}\n`)
}

/** A worker that says 'ready' and then does as told; its later messages are what it read. */
async function worker(map: MappingFace, offset: number, act: Told['act']): Promise<Worker> {
  const told: Told = { handle: map.handle, offset, act }
  const made = new Worker(new URL(import.meta.url), { workerData: told })
  await new Promise(resolve => made.once('message', resolve))
  return made
}

const SCENES: Readonly<Record<string, (stage: Stage) => Promise<void>>> = {
  async 'main loads past the end'({ file, map }) {
    await file.truncate(PAGE)
    say(`read ${map.bytes[2 * PAGE]}`)
  },

  async 'main stores to what it may only read'({ map }) {
    map.bytes[3 * PAGE] = 88
    await map.protect('r')
    map.bytes[0] = 9
    say('stored')
  },

  async 'a worker loads past the end'({ file, map }) {
    await file.truncate(PAGE)
    const made = await worker(map, 2 * PAGE, 'load')
    made.on('message', value => say(`read ${value}`))
    made.postMessage('go')
  },

  async 'a worker touches what was unmapped'({ map }) {
    const made = await worker(map, PAGE, 'stale load')
    made.on('message', value => say(`read ${value}`))
    await map.unmap()
    made.postMessage('go')
    await new Promise(resolve => setTimeout(resolve, 10_000))
  },

  async 'the process exits while a worker waits for a page'({ group, map }) {
    group.set('io.max', 'rbps=1')
    const made = await worker(map, 8 * PAGE, 'load')
    made.on('message', value => say(`read ${value}`))
    made.postMessage('go')
    await until(() => group.read('memory.current') !== '0\n')
    process.exit(3)
  },

  async 'the pager is gone'() {
    const signals = new Int32Array(new SharedArrayBuffer(4 * SIGNALS))
    signals[PAGER] = 2 ** 31 - 1
    signals[STATE] = SERVING
    watch({ pager: signals.buffer })
    await new Promise(resolve => setTimeout(resolve, 10_000))
  },

  async 'an array is moved away, and touched after all has ended'({ machine, map }) {
    const once = new Uint8Array(ArrayBuffer.prototype.transfer.call(map.bytes.buffer))
    const { [PAGE]: first } = once
    const twice = structuredClone(once, { transfer: [once.buffer] })
    const { [2 * PAGE]: second } = twice
    const { port1, port2 } = new MessageChannel()
    port1.postMessage(twice, [twice.buffer])
    const moved = await new Promise<Uint8Array>(resolve => port2.once('message', resolve))
    port2.close()
    say(`moved ${first} ${second} ${moved[3 * PAGE]}`)
    await map.unmap()
    await machine.close()
    say(`touched ${moved[2 * PAGE]}`)
  },

  async 'a worker touches an array after close'({ machine, map, path }) {
    const made = await worker(map, PAGE, 'load after close')
    made.on('message', value => say(`read ${value}`))
    await machine.close()
    say('closed')
    fs.writeFileSync(`${path}.closed`, '')
    await new Promise(resolve => setTimeout(resolve, 20_000))
  },

  async 'the worker that started a machine is terminated'({ path }) {
    const starter = new Worker(new URL(import.meta.url), { workerData: { path } })
    const handle = await new Promise<MappingHandle>(resolve => starter.once('message', resolve))
    const { bytes } = attach(handle)
    say(`read ${bytes[PAGE]}`)
    await starter.terminate()
    say(`terminated, ${bytes.length} bytes`)
    say(`read ${bytes[40 * PAGE]}`)
  },

  async 'another mapping is put in its place'({ machine, map, path }) {
    fs.writeFileSync(`${path}.other`, Buffer.alloc(4 * PAGE, 99))
    const other = await machine.open(`${path}.other`)
    await map.space.map(other, { fixed: map.address, length: 4 * PAGE })
    say(`read ${map.bytes[8 * PAGE]}`)
    say(`read ${map.bytes[PAGE]}`)
  },

  async 'a handle outlives its machine'({ path, machine }) {
    await machine.close()
    const starter = new Worker(new URL(import.meta.url), { workerData: { path } })
    const handle = await new Promise<MappingHandle>(resolve => starter.once('message', resolve))
    await starter.terminate()
    try {
      say(`attached ${attach(handle).length}`)
    } catch (error) {
      say(`${(error as { code?: string }).code}: ${(error as Error).message}`)
    }
  },

  async 'the host takes pages out of the hardware'({ path }) {
    // Pages of ours are several of the host's, which takes one at a time.
    await using machine = await start({ mmu: 'hardware', memory: 256 * PAGE, pageSize: 4 * PAGE })
    await using file = await machine.open(path, { mode: 'r+' })
    const map = await machine.space({ name: 'b' }).map(file, { prot: 'rw' })
    const linux = new Linux()
    const address = linux.ffi.addressOf(map.bytes)
    const { bytes } = map
    for (let page = 0; page < 64; page++)
      if (page >= 32) bytes[page * PAGE]! += 100
      else if (bytes[page * PAGE] !== page + 1) say(`page ${page} is wrong`)
    for (let page = 1; page < 64; page += 3) linux.madvise(address + page * PAGE, PAGE, MADV_DONTNEED)
    for (let page = 0; page < 64; page++) {
      const value = page + (page >= 32 ? 101 : 1)
      if (bytes[page * PAGE] !== value) say(`page ${page} is ${bytes[page * PAGE]} afterwards`)
      bytes[page * PAGE + 1] = 7
    }
    await map.sync()
    const stored = fs.readFileSync(path)
    say(
      `stored ${Array.from({ length: 64 }, (_, page) => stored[page * PAGE + 1]).every(byte => byte === 7)}`,
    )
  },

  async 'an answer comes while another is waited for'({ file, group }) {
    const bytes = new Uint8Array(8)
    await file.read(bytes, 0)
    const read = file.read(bytes, 0).then(() => say('read'))
    // The file's page is there, so the pager answers in its turn: one of these calls takes the answer to the read.
    for (let round = 0; round < 1000; round++) group.read('memory.current')
    await read
  },

  async 'the process ends while threads load'({ path }) {
    await until(() => fs.existsSync(`${path}.loading`))
  },

  async 'reads until it is killed'({ map }) {
    const made = await worker(map, 0, 'load for ever')
    made.postMessage('go')
    say('reading')
    for (let page = 0; ; page = (page + 7) % (map.length / PAGE)) {
      map.bytes[page * PAGE]! += 1
      if (page === 0) await map.sync()
    }
  },
}

async function until(truth: () => boolean): Promise<void> {
  while (!truth()) await new Promise(resolve => setTimeout(resolve, 5))
}

async function scene(name: string, path: string): Promise<void> {
  const onError = name.startsWith('stopped: ') ? 'terminate-worker' : 'abort'
  const machine = await start({
    mmu: 'hardware',
    memory: 64 * PAGE,
    onError,
    onWorkerLost: (threadId, error) => {
      say(`lost ${threadId > 0} ${error.code}`)
      process.exit(4)
    },
  })
  const file = await machine.open(path, { mode: 'r+' })
  const group = machine.group('batch')
  const map = await machine.space({ name: 'a', group }).map(file, { prot: 'rw', advice: 'random' })
  const play = SCENES[name.replace('stopped: ', '')]
  if (play === undefined) throw new Error(`no scene ${name}`)
  await play({ machine, group, file, map, path })
}

function act({ handle, offset, act }: Told): void {
  const { bytes } = attach(handle)
  parentPort!.postMessage('ready')
  if (act === 'load after close') {
    const word = new Int32Array(new SharedArrayBuffer(4))
    while (!fs.existsSync(`${handle.name}.closed`)) Atomics.wait(word, 0, 0, 10)
    fs.writeSync(1, `read ${bytes[offset]}\n`)
  }
  if (act === 'stale load') {
    // Its event loop does not turn, so it does not hear of the unmap.
    const word = new Int32Array(handle.control)
    Atomics.wait(word, 0, 0)
    fs.writeSync(1, `read ${bytes[offset]}\n`)
  }
  parentPort!.once('message', () => {
    if (act === 'store') bytes[offset] = 1
    for (let at = offset; act === 'load for ever'; at = (at + 5 * PAGE) % bytes.length) void bytes[at]
    parentPort!.postMessage(bytes[offset])
  })
}

/** Starts a machine in a worker, for others. */
async function serve(path: string): Promise<void> {
  const machine = await start({ mmu: 'hardware', memory: 64 * PAGE })
  const file = await machine.open(path)
  const map = await machine.space({ name: 'b' }).map(file, { advice: 'random' })
  parentPort!.postMessage(map.handle)
  parentPort!.on('message', () => {})
}

if (isMainThread) await scene(process.argv[2]!, process.argv[3]!)
else if ('path' in workerData) await serve(workerData.path)
else act(workerData as Told)
