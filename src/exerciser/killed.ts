/** A program to be killed: one thread loads a file larger than memory for ever, another stores to it and syncs. */
import { writeSync } from 'node:fs'
import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import { start } from '../uffd/index.ts'
import type { Turn } from './arrays-worker.ts'

const PAGE = 4096

const machine = await start({ mmu: 'hardware', memory: 64 * PAGE })
const file = await machine.open(process.argv[2]!, { mode: 'r+' })
const map = await machine.space({ name: 'killed' }).map(file, { prot: 'rw' })
const worker = new Worker(new URL(`./arrays-worker${extname(import.meta.url)}`, import.meta.url))
const touches = Array.from(
  { length: 256 },
  (_, page) => ({ kind: 'load', map: 0, at: page * PAGE, length: 100 }) as const,
)
const again: Turn = { attach: [], detach: [], touches }
worker.on('message', () => worker.postMessage(again))
worker.postMessage({ ...again, attach: [{ map: 0, handle: map.handle }] } satisfies Turn)
writeSync(1, 'ready\n')
for (let round = 0; ; round++) {
  for (let page = 0; page < 256; page++) map.bytes[page * PAGE] = round
  await map.sync()
}
