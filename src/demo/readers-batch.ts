/**
 * The batch job, a process of its own: a writer and a forker on one shared mapping, and a sync every 0.2 s. The mapping is
 * shown by Faultline's hardware MMU, whose group may write so many bytes a second, or by the kernel, on a disk that may.
 */
import fs from 'node:fs'
import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import { Linux } from '../linux/index.ts'
import { start } from '../uffd/index.ts'
import type { Done, Part, Shown } from './readers-thread.ts'

export interface BatchPlan {
  readonly shownBy: 'faultline' | 'the kernel'
  readonly path: string
  readonly length: number
  /** Bytes a second that Faultline lets the job write; the disk has its own limit. */
  readonly rate: number
  readonly seconds: number
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

function play(part: Part): Promise<Done> {
  const url = new URL(`./readers-thread${extname(import.meta.url)}`, import.meta.url)
  const thread = new Worker(url, { workerData: part })
  return new Promise((resolve, reject) => {
    thread.once('message', resolve)
    thread.once('error', reject)
  })
}

const plan = JSON.parse(process.argv[2]!) as BatchPlan
const stage = await (plan.shownBy === 'faultline' ? faultline(plan) : kernel(plan))
fs.writeSync(1, 'ready\n')
const until = Date.now() + plan.seconds * 1000
const parts = [play({ part: 'writer', shown: stage.shown, until }), play({ part: 'forker', until })]
const syncing = setInterval(() => void stage.sync(), SYNC_EVERY_MS)
const [writer, forker] = await Promise.all(parts)
clearInterval(syncing)
fs.writeSync(1, `${JSON.stringify({ writer, forker } as BatchDone)}\n`)
await stage.end()
