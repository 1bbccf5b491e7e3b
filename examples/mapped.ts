/**
 * A file as one array in a worker thread, with little of it in memory: the part that all examples share.
 *
 *     main thread: map the file, start the worker, go on turning --handle--> worker: attach, let a library read the array
 *
 * The worker stops at each page that is missing until it is there; the main thread does not. What `inWorker` counts
 * meanwhile shows both: how much of the file was in memory at most, and that the event loop went on.
 */
import fs from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import { parentPort, Worker, workerData } from 'node:worker_threads'
import { attach, type Group, type MapOptions, type MappingHandle, start } from 'faultline'

/** How much of a file may be in memory. */
const MEMORY_MAX = 4 * 2 ** 20

export interface Facts {
  readonly fileBytes: number
  readonly memoryMax: number
  /** The most that memory files of this process held, as the host counts it. */
  readonly residentMost: number
  /** Turns of the main thread's event loop while the worker read. */
  readonly turns: number
  /** Faults of the worker; and the most of them between two turns. */
  readonly faults: number
  readonly faultsInOneTurn: number
}

/** The arguments of the command; without them it ends with a sentence that names them. */
export function argumentsFor<Names extends readonly string[]>(
  ...names: Names
): { readonly [At in keyof Names]: string } {
  const given = process.argv.slice(2)
  if (given.length === names.length) return given as { [At in keyof Names]: string }
  console.error(`usage: node ${process.argv[1]} ${names.join(' ')}`)
  process.exit(2)
}

interface Given {
  readonly handle: MappingHandle
  readonly fileBytes: number
  readonly question: unknown
}

/**
 * Maps a file and has `program`, which calls `answer`, read it in a worker thread. `advice` says how it will read it.
 * `question` is posted to it; what it answers comes back.
 */
export async function inWorker<Answer>(
  program: string,
  path: string,
  advice: NonNullable<MapOptions['advice']>,
  question: unknown,
): Promise<{ readonly answer: Answer; readonly facts: Facts }> {
  await using machine = await start({ mmu: 'hardware', memory: 4 * MEMORY_MAX })
  const group = machine.group('readers', { 'memory.max': MEMORY_MAX })
  await using file = await machine.open(path)
  const space = machine.space({ name: 'reader', group })
  const map = await space.map(file, { mmu: 'hardware', advice })

  const given: Given = { handle: map.handle, fileBytes: file.size, question }
  const worker = new Worker(new URL(program), { workerData: given })
  const answered = new Promise<Answer>((resolve, reject) => {
    worker.once('message', resolve)
    worker.once('error', reject)
  })
  const { answer, ...seen } = await watched(answered, group)
  await worker.terminate()
  await map.unmap()
  return { answer, facts: { fileBytes: given.fileBytes, memoryMax: MEMORY_MAX, ...seen } }
}

/** In the worker: what a library makes of the file's bytes. They are no copy, and go when it has answered. */
export function answer<Question>(read: (bytes: Uint8Array, question: Question) => unknown): void {
  const { handle, fileBytes, question } = workerData as Given
  using attached = attach(handle)
  // The mapping has whole pages; behind the end of the file they are zeros.
  parentPort!.postMessage(read(attached.bytes.subarray(0, fileBytes), question as Question))
}

async function watched<Answer>(answered: Promise<Answer>, group: Group) {
  let over = false
  const end = () => {
    over = true
  }
  answered.then(end, end)
  const seen = { residentMost: 0, turns: 0, faults: 0, faultsInOneTurn: 0 }
  while (!over) {
    await setTimeout(1)
    const faults = Number(/^pgfault (\d+)$/m.exec(group.read('memory.stat'))![1])
    seen.turns++
    seen.faultsInOneTurn = Math.max(seen.faultsInOneTurn, faults - seen.faults)
    seen.faults = faults
    seen.residentMost = Math.max(seen.residentMost, memoryFiles())
  }
  return { answer: await answered, ...seen }
}

/** What the memory files of this process hold: the pages of mapped files are there and nowhere else. */
function memoryFiles(): number {
  const mine = '/proc/self/fd'
  let bytes = 0
  for (const fd of fs.readdirSync(mine))
    if (linkOf(`${mine}/${fd}`).startsWith('/memfd:')) bytes += fs.statSync(`${mine}/${fd}`).blocks * 512
  return bytes
}

/** Where a link leads; the descriptor that the directory was read by is gone by now. */
function linkOf(path: string): string {
  try {
    return fs.readlinkSync(path)
  } catch {
    return ''
  }
}
