/**
 * Programs for the tests of what ends a process, or a thread: `node scenes.suite.ts NAME FILE`. Each prints what it sees.
 * A scene with a worker posts it a handle; the worker touches one page as soon as it is told to.
 */
import fs from 'node:fs'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { Linux, MADV_DONTNEED } from '../linux/index.ts'
import type { FileFace, GroupFace, MachineFace, MappingFace, MappingHandle } from '../map/index.ts'
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
  readonly act: 'load' | 'store' | 'stale load' | 'load for ever'
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
    watch(signals.buffer)
    await new Promise(resolve => setTimeout(resolve, 10_000))
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

if (isMainThread) await scene(process.argv[2]!, process.argv[3]!)
else act(workerData as Told)
