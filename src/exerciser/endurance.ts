/**
 * Endurance of the hardware MMU: what is made and ended many times leaves nothing behind, and nothing hangs. Each trial
 * warms up, counts what /proc says of this process, goes on, and counts again.
 *
 * Invariants
 *   ED1 Descriptors, threads and mappings of memory files are as many after a trial as before it.
 *   ED2 Other mappings, and resident memory by a page a repetition, grow by no more than what V8 and koffi keep.
 */
import { spawn } from 'node:child_process'
import fs from 'node:fs'
import { extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { Prng } from '../base/index.ts'
import { start } from '../uffd/index.ts'
import type { Turn } from './arrays-worker.ts'

const PAGE = 4096
const MIB = 2 ** 20
const WARM_UP = 10
const TERMINATIONS = 'workers terminated while they fault'
/** What V8 and malloc keep, more or less: a heap is hundreds of mappings, and grows to some size whatever is done. */
const SLACK = { mappings: 600, resident: 96 * MIB }

export interface Census {
  readonly descriptors: number
  readonly threads: number
  readonly memoryFiles: number
  readonly mappings: number
  readonly resident: number
}

export interface Trial {
  readonly name: string
  readonly count: number
  readonly seconds: number
  readonly before: Census
  readonly after: Census
}

/** Mappings that koffi 3.3 keeps of each thread that loaded it and ended: a stack, a heap, and a guard. */
const KOFFI_KEEPS = 3

/** Something was left behind, or hung. */
export class Leak extends Error {}

export interface Trials {
  readonly directory: string
  readonly seed: number
  /** Shows how far it is. */
  readonly progress: (done: number) => void
}

export async function mapsAndUnmaps(count: number, trials: Trials): Promise<Trial> {
  const path = file(trials, 16)
  await using machine = await start({ mmu: 'hardware', memory: 64 * PAGE })
  const opened = await machine.open(path, { mode: 'r+' })
  const space = machine.space({ name: 'endurance' })
  return await trial('maps and unmaps', count, trials, async at => {
    const map = await space.map(opened, { prot: 'rw' })
    map.bytes[(at % 16) * PAGE] = at
    await map.unmap()
  })
}

export async function pagers(count: number, trials: Trials): Promise<Trial> {
  const path = file(trials, 16)
  return await trial('pagers started and stopped', count, trials, async at => {
    await using machine = await start({ mmu: 'hardware', memory: 64 * PAGE })
    const opened = await machine.open(path, { mode: 'r+' })
    const map = await machine.space({ name: 'endurance' }).map(opened, { prot: 'rw' })
    map.bytes[0] = at
  })
}

/** Workers that are terminated while they wait for a page that comes slowly. */
export async function terminations(count: number, trials: Trials): Promise<Trial> {
  const path = file(trials, 4096)
  await using machine = await start({ mmu: 'hardware', memory: 64 * PAGE })
  const opened = await machine.open(path)
  const group = machine.group('slow', { 'io.max': { riops: 200 } })
  const space = machine.space({ name: 'endurance', group })
  const url = new URL(`./arrays-worker${extname(import.meta.url)}`, import.meta.url)
  return await trial(TERMINATIONS, count, trials, async () => {
    const map = await space.map(opened, { advice: 'random' })
    const worker = new Worker(url)
    const touches = Array.from(
      { length: 4096 },
      (_, page) => ({ kind: 'load', map: 0, at: page * PAGE, length: 1 }) as const,
    )
    const { majorFaults } = space.status()
    worker.postMessage({ attach: [{ map: 0, handle: map.handle }], detach: [], touches } satisfies Turn)
    while (space.status().majorFaults === majorFaults) await new Promise(resolve => setTimeout(resolve, 1))
    await worker.terminate()
    await map.unmap()
  })
}

/** Processes that are killed with SIGKILL at any moment: they end at once, whoever waits for a page. */
export async function kills(count: number, trials: Trials): Promise<Trial> {
  const path = file(trials, 256)
  const prng = new Prng(trials.seed)
  const scene = fileURLToPath(new URL(`./killed${extname(import.meta.url)}`, import.meta.url))
  return await trial('processes killed', count, trials, async () => {
    const child = spawn(process.execPath, [scene, path], { stdio: ['ignore', 'pipe', 'inherit'] })
    await new Promise(resolve => child.stdout.once('data', resolve))
    await new Promise(resolve => setTimeout(resolve, prng.below(50)))
    const ended = new Promise(resolve => child.once('exit', (_, signal) => resolve(signal)))
    child.kill('SIGKILL')
    const signal = await ended
    if (signal !== 'SIGKILL') throw new Leak(`a process ended with ${signal} before it was killed`)
  })
}

async function trial(
  name: string,
  count: number,
  { progress }: Trials,
  once: (at: number) => Promise<void>,
): Promise<Trial> {
  for (let at = 0; at < Math.min(WARM_UP, count); at++) await once(at)
  const before = await census()
  const began = performance.now()
  for (let at = 0; at < count; at++) {
    await once(at)
    progress(at + 1)
  }
  const seconds = (performance.now() - began) / 1000
  const after = await census()
  const ended = name === TERMINATIONS ? count : 0
  for (const what of ['descriptors', 'threads', 'memoryFiles'] as const)
    if (after[what] > before[what])
      throw new Leak(`${name}: ${what} were ${before[what]} and are ${after[what]} after ${count}`)
  if (after.mappings > before.mappings + SLACK.mappings + ended * KOFFI_KEEPS)
    throw new Leak(`${name}: mappings were ${before.mappings} and are ${after.mappings} after ${count}`)
  if (after.resident > before.resident + SLACK.resident + count * PAGE)
    throw new Leak(`${name}: ${before.resident} bytes were resident and ${after.resident} are after ${count}`)
  return { name, count, seconds, before, after }
}

/** Threads and descriptors go a moment after who had them says so: looks until two looks are alike. */
async function census(): Promise<Census> {
  for (let last = look(); ; ) {
    ;(globalThis as { gc?: () => void }).gc?.()
    await new Promise(resolve => setTimeout(resolve, 100))
    const now = look()
    if (now.descriptors === last.descriptors && now.threads === last.threads) return now
    last = now
  }
}

function look(): Census {
  const maps = fs.readFileSync('/proc/self/maps', 'utf8').split('\n')
  return {
    descriptors: fs.readdirSync('/proc/self/fd').length,
    threads: fs.readdirSync('/proc/self/task').length,
    memoryFiles: maps.filter(line => line.includes('/memfd:faultline')).length,
    mappings: maps.length,
    resident: process.memoryUsage.rss(),
  }
}

function file({ directory }: Trials, pages: number): string {
  const path = join(directory, `${pages}.bin`)
  fs.writeFileSync(path, Buffer.alloc(pages * PAGE, 1))
  return path
}
