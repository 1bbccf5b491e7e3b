/**
 * The batch job, a process of its own: a writer and a forker on one shared mapping, and a sync every 0.2 s. The mapping is
 * shown by Faultline's hardware MMU, whose group may write so many bytes a second, or by the kernel, on a disk that may.
 */
import fs from 'node:fs'
import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import { Linux } from '../linux/index.ts'
import { start } from '../uffd/index.ts'
import { takePrecedence } from './readers-monitor.ts'
import type { Done, Part, Shown } from './readers-thread.ts'

export interface BatchPlan {
  readonly shownBy: 'faultline' | 'the kernel'
  readonly path: string
  readonly length: number
  /** Bytes a second that Faultline lets the job write; the disk has its own limit. */
  readonly rate: number
}

export interface BatchDone {
  readonly writer: Done
  readonly forker: Done
}

const SYNC_EVERY_MS = 200

interface Stage {
  readonly shown: Shown
  sync(): Promise<void>
  end(): Promise<void>
}

async function faultline({ path, length, rate }: BatchPlan): Promise<Stage> {
  const machine = await start({ mmu: 'hardware', memory: 8 * length })
  const group = machine.group('batch')
  const file = await machine.open(path, { mode: 'r+', direct: true, stablePages: true })
  const map = await machine.space({ name: 'batch', group }).map(file, { prot: 'rw', length })
  await map.populate()
  group.set('io.max', { wbps: rate })
  return {
    shown: { handle: map.handle },
    sync: () => file.sync({ group }),
    end: () => {
      group.set('io.max', { wbps: 'max' })
      return machine.close()
    },
  }
}

async function kernel({ path, length }: BatchPlan): Promise<Stage> {
  const linux = new Linux()
  const fd = fs.openSync(path, 'r+')
  const address = linux.mmap(fd, 0, length)
  return {
    shown: { address, length },
    sync: () =>
      new Promise((resolve, reject) => fs.fsync(fd, error => (error === null ? resolve() : reject(error)))),
    end: async () => {
      linux.munmap(address, length)
      fs.closeSync(fd)
    },
  }
}

/** Starts a thread; it says when it is ready, and later what it did. */
async function play(part: Part): Promise<{ readonly done: Promise<Done> }> {
  const url = new URL(`./readers-thread${extname(import.meta.url)}`, import.meta.url)
  const thread = new Worker(url, { workerData: part })
  const message = () => new Promise<Done>(resolve => thread.once('message', resolve))
  await message()
  return { done: message() }
}

const plan = JSON.parse(process.argv[2]!) as BatchPlan
takePrecedence()
const stage = await (plan.shownBy === 'faultline' ? faultline(plan) : kernel(plan))
const over = new SharedArrayBuffer(4)
const forker = await play({ part: 'forker', over })
const writer = await play({ part: 'writer', shown: stage.shown, over })
const syncing = setInterval(() => void stage.sync(), SYNC_EVERY_MS)
fs.writeSync(1, 'ready\n')
await new Promise(resolve => process.stdin.once('end', resolve).resume())
Atomics.store(new Int32Array(over), 0, 1)
clearInterval(syncing)
const done: BatchDone = { writer: await writer.done, forker: await forker.done }
fs.writeSync(1, `${JSON.stringify(done)}\n`)
await stage.end()
