/**
 * How long the event loop stands still in the calls that may last long: a row for each, over 512 MiB and over 2 GiB, and how
 * much longer it stands still over the larger.
 *
 * A stall is the time between two turns of the event loop by the clock. On a busy host part of it is other processes' turn:
 * the longest that this thread itself has run between two turns stands beside it.
 */
import fs from 'node:fs'
import type { Bytes } from '../base/index.ts'
import { type File, Machine, type Mapping, type Space, type Volume } from '../map/index.ts'
import { type Figure, MIB, median, type Plan } from './measure.ts'
import { makeFile, scratchPath } from './scratch.ts'
import { threadClock } from './thread-clock.ts'

/** What is asked of each call, in ms. */
const STALL_MAX = 10
const ROUNDS = 3
/** The larger over the smaller is said to have grown if it is so many times as long. */
const GROWN = 1.5

interface Stall {
  readonly wall: number
  /** The longest that this thread has run between two turns, which may be two others. */
  readonly own: number
}

type Stalls = Map<string, Stall[]>

export async function longCalls(plan: Plan): Promise<Figure[]> {
  const sizes = plan.smoke ? [4 * MIB, 8 * MIB] : [512 * MIB, 2048 * MIB]
  const found: Stalls[] = []
  for (const size of sizes) {
    const stalls: Stalls = new Map()
    for (let round = 0; round < (plan.smoke ? 1 : ROUNDS); round++) {
      plan.say(`stalls: calls over ${size / MIB} MiB, round ${round + 1}`)
      for (const part of [ofMemory, ofFile, ofVolume]) {
        // What the machine before has left is none of this one's calls' matter.
        globalThis.gc?.()
        await part(plan, size, stalls)
      }
    }
    found.push(stalls)
  }
  const [small, large] = found as [Stalls, Stalls]
  return [...small.keys()].flatMap(call => [
    row(`${call}, ${sizes[0]! / MIB} MiB`, small.get(call)!),
    row(`${call}, ${sizes[1]! / MIB} MiB`, large.get(call)!),
    grown(call, small.get(call)!, large.get(call)!),
  ])
}

function row(name: string, stalls: readonly Stall[]): Figure {
  const shares = stalls.map(({ wall }) => wall / STALL_MAX)
  return {
    name: `longest stall: ${name}`,
    what: `the longest time between two turns of the event loop, of ${STALL_MAX} ms; theirs: the longest that the thread itself ran between two`,
    ours: median(stalls.map(({ wall }) => wall)),
    theirs: median(stalls.map(({ own }) => own)),
    unit: 'ms',
    ratio: median(shares),
    target: { atMost: 1 },
    rounds: stalls.length,
    spread: [Math.min(...shares), Math.max(...shares)],
  }
}

/** Stalls below a fourth of what is asked are all alike. */
function grown(call: string, small: readonly Stall[], large: readonly Stall[]): Figure {
  const least = STALL_MAX / 4
  const of = (stalls: readonly Stall[]) => Math.max(least, median(stalls.map(({ wall }) => wall)))
  const ratio = of(large) / of(small)
  return {
    name: `longest stall, grown: ${call}`,
    what: 'over four times as much, against over a fourth',
    ours: median(large.map(({ wall }) => wall)),
    theirs: median(small.map(({ wall }) => wall)),
    unit: 'ms',
    ratio,
    target: { atMost: GROWN },
    rounds: large.length,
    spread: [ratio, ratio],
  }
}

async function ofMemory(_plan: Plan, size: Bytes, stalls: Stalls): Promise<void> {
  await using machine = await Machine.start({ memory: size + 64 * MIB })
  const space = machine.space({ name: 'memory' })
  const memory = await space.mapAnonymous({ length: size })
  await told(stalls, 'populate-write of memory', () => memory.advise('populate-write'))
  let child: Space | undefined
  await told(stalls, 'fork', async () => {
    child = await space.fork({ name: 'child' })
  })
  await told(stalls, 'exit', async () => child!.exit())
  await told(stalls, 'dontneed', () => memory.advise('dontneed'))
}

async function ofFile(plan: Plan, size: Bytes, stalls: Stalls): Promise<void> {
  const path = makeFile(plan, `stalls-${size / MIB}`, size)
  const machine = await Machine.start({
    memory: size + 64 * MIB,
    writeback: { backgroundRatio: 0.98, ratio: 0.99 },
  })
  const file = await machine.open(path, { mode: 'r+', direct: true })
  const map = await machine.space({ name: 'file' }).map(file, { prot: 'rw' })
  await told(stalls, 'willneed', () => map.advise('willneed'))
  await told(stalls, 'populate', () => map.populate())
  await told(stalls, 'populate-write', () => map.advise('populate-write'))
  await told(stalls, 'sync', () => map.sync())
  await map.advise('populate-write')
  await told(stalls, 'unmap of dirty pages', () => map.unmap())
  await told(stalls, 'close with dirty pages', () => machine.close())
}

/** Of a file that lies in pieces: every other run of pages was stored to after it was cloned. */
async function ofVolume(plan: Plan, size: Bytes, stalls: Stalls): Promise<void> {
  const path = scratchPath(plan, 'stalls-volume')
  fs.rmSync(path, { recursive: true, force: true })
  const source = makeFile(plan, `stalls-${size / MIB}`, size)
  await using machine = await Machine.start({ memory: 64 * MIB })
  const volume = await machine.createVolume(path, { size: 2.5 * size })
  await volume.put(source, '/a')
  await volume.clone('/a', '/before')
  const file = await volume.open('/a', { mode: 'r+' })
  const map = await machine.space({ name: 'volume' }).map(file, { prot: 'rw' })
  await storeHere(map, plan.smoke ? 64 : PIECES)
  await map.sync()
  await ofPieces(volume, file, map, stalls)
  await volume.close()
  fs.rmSync(path, { recursive: true, force: true })
}

const PIECES = 8192

async function storeHere(map: Mapping, pieces: number): Promise<void> {
  const step = Math.floor(map.length / pieces / 4096) * 4096
  for (let piece = 0; piece < pieces; piece++) await map.run(view => view.setU32(piece * step, piece))
}

async function ofPieces(volume: Volume, file: File, map: Mapping, stalls: Stalls): Promise<void> {
  await told(stalls, 'clone of a file in pieces', () => volume.clone('/a', '/b'))
  await told(stalls, 'sync of a volume', () => volume.sync())
  await volume.mkdir('/all')
  await told(stalls, 'snapshot of a volume', () => volume.snapshot('/', '/snapshot'))
  await told(stalls, 'check of the metadata', () => volume.check({ data: 'metadata only' }))
  await told(stalls, 'check of a volume', () => volume.check())
  await told(stalls, 'stat of a file in pieces', () => volume.stat('/a'))
  await told(stalls, 'removal of a snapshot', () => volume.remove('/snapshot'))
  const clone = await volume.open('/b', { mode: 'r+' })
  await told(stalls, 'punch of a file in pieces', () => clone.punch(4096, clone.size / 2))
  await told(stalls, 'fallocate of its holes', () => volume.fallocate(clone, 0, clone.size))
  await told(stalls, 'truncation of a file in pieces', () => clone.truncate(4096))
  await clone.close()
  await map.unmap()
  await file.close()
}

/** Notes the longest stall while the call goes on. */
async function told(stalls: Stalls, name: string, call: () => Promise<unknown>): Promise<void> {
  const all = stalls.get(name) ?? []
  stalls.set(name, all)
  all.push(await longestStall(call))
}

export async function longestStall(work: () => Promise<unknown>): Promise<Stall> {
  const ownClock = threadClock()
  const longest = { wall: 0, own: 0 }
  let over = false
  let last = performance.now()
  let ran = ownClock()
  const watch = () => {
    const now = performance.now()
    const own = ownClock()
    longest.wall = Math.max(longest.wall, now - last)
    longest.own = Math.max(longest.own, own - ran)
    last = now
    ran = own
    if (!over) setImmediate(watch)
  }
  setImmediate(watch)
  await work()
  over = true
  watch()
  // The last turn that was asked for is still to come.
  return { ...longest }
}
