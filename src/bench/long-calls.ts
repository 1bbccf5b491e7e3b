/**
 * How long the event loop stands still in the calls that may last long: a row for each, over 512 MiB and over 2 GiB, and how
 * much longer it stands still over the larger.
 *
 * A stall is the time between two turns of the event loop by the clock. A host stops programs by itself: a virtual machine that
 * has used up its processor time stands still for 20 ms, with nothing of ours in the turn, and its clock of the thread goes on. So
 * a program without Faultline stands beside each row, in the same round: it reads or writes as much by Node's calls, or does
 * nothing. Where that stands still for longer than is asked, no more is asked of us.
 *
 *     longest stall    at most 10 ms, or what that program has
 *     ... served       the same without the time in which the thread could have run, and others had the processors: what is left on
 *                      a busy host. What it waits for threads of its own is in it, the collector's too
 *     grown            the shortest of the larger's rounds over the shortest of the smaller's: what disturbs a round only adds to
 *                      it. 2.5 ms and less are all alike, and so is what that program has over as much
 */
import fs from 'node:fs'
import type { Bytes } from '../base/index.ts'
import type { File } from '../files/index.ts'
import { memoryBuffer } from '../host/index.ts'
import { Machine, type Mapping, type Space } from '../map/index.ts'
import type { Volume } from '../volumes/index.ts'
import { type Figure, MIB, median, type Plan } from './measure.ts'
import { makeFile, scratchPath } from './scratch.ts'
import { ThreadTimes } from './thread-clock.ts'

/** What is asked of each call, in ms. */
const STALL_MAX = 10
const ROUNDS = 3
/** The larger over the smaller is said to have grown if it is so many times as long. */
const GROWN = 1.5
/** Stalls below a fourth of what is asked are all alike. */
const ALIKE = STALL_MAX / 4

interface Stall {
  readonly wall: number
  /** The longest that this thread has run between two turns, which may be two others. */
  readonly own: number
  /** The longest between two turns, again perhaps two others, without what it stood in the host's queue for a processor. */
  readonly served: number
}

/** What a program without Faultline does beside: as much I/O of this kind, or nothing. */
type Beside = 'reads' | 'writes' | 'nothing'

interface Call {
  readonly beside: Beside
  readonly stalls: Stall[]
}

class Stalls {
  readonly calls = new Map<string, Call>()
  readonly beside: Readonly<Record<Beside, Stall[]>> = { reads: [], writes: [], nothing: [] }

  /** Notes the longest stall while the call goes on. */
  async told(name: string, beside: Beside, call: () => Promise<unknown>): Promise<void> {
    const stall = await longestStall(call)
    const known = this.calls.get(name)
    if (known === undefined) this.calls.set(name, { beside, stalls: [stall] })
    else known.stalls.push(stall)
  }

  besides({ beside }: Call): readonly Stall[] {
    return this.beside[beside]
  }
}

export async function longCalls(plan: Plan): Promise<Figure[]> {
  const sizes = plan.smoke ? [4 * MIB, 8 * MIB] : [512 * MIB, 2048 * MIB]
  const found: Stalls[] = []
  for (const size of sizes) {
    const stalls = new Stalls()
    for (let round = 0; round < (plan.smoke ? 1 : ROUNDS); round++) {
      plan.say(`stalls: calls over ${size / MIB} MiB, round ${round + 1}`)
      for (const part of [withoutUs, ofMemory, ofFile, ofVolume]) {
        // What the machine before has left is none of this one's calls' matter.
        globalThis.gc?.()
        await part(plan, size, stalls)
      }
    }
    found.push(stalls)
  }
  const [small, large] = found as [Stalls, Stalls]
  return [...small.calls.keys()].flatMap(call => [
    ...rows(`${call}, ${sizes[0]! / MIB} MiB`, small, small.calls.get(call)!),
    ...rows(`${call}, ${sizes[1]! / MIB} MiB`, large, large.calls.get(call)!),
    grown(call, small.calls.get(call)!, large.calls.get(call)!, large),
  ])
}

const walls = (stalls: readonly Stall[]): number[] => stalls.map(({ wall }) => wall)
const owns = (stalls: readonly Stall[]): number[] => stalls.map(({ own }) => own)

function rows(name: string, stalls: Stalls, call: Call): Figure[] {
  const besides = stalls.besides(call)
  const shares = call.stalls.map(({ wall }, round) => wall / Math.max(STALL_MAX, besides[round]!.wall))
  const served = call.stalls.map((stall, round) => stall.served / Math.max(STALL_MAX, besides[round]!.served))
  const common = { unit: 'ms', rounds: call.stalls.length } as const
  const does = call.beside === 'nothing' ? 'does nothing' : `${call.beside} as much by Node's calls`
  const own = owns(call.stalls).map(each => each / STALL_MAX)
  return [
    {
      ...common,
      name: `longest stall: ${name}`,
      what: `the longest time between two turns of the event loop, of ${STALL_MAX} ms, or of what a program has that ${does} (theirs)`,
      ours: median(walls(call.stalls)),
      theirs: median(walls(besides)),
      ratio: median(shares),
      target: { atMost: 1 },
      spread: [Math.min(...shares), Math.max(...shares)],
    },
    {
      ...common,
      name: `longest stall, served: ${name}`,
      what: `the same without the time in which the thread stood in the host's queue for a processor (theirs: that program, without that too)`,
      ours: median(call.stalls.map(stall => stall.served)),
      theirs: median(besides.map(stall => stall.served)),
      ratio: median(served),
      target: { atMost: 1 },
      spread: [Math.min(...served), Math.max(...served)],
    },
    {
      ...common,
      name: `longest run: ${name}`,
      what: `the longest that the thread itself ran between two turns, by its own clock, of ${STALL_MAX} ms; theirs: that program`,
      ours: median(owns(call.stalls)),
      theirs: median(owns(besides)),
      ratio: median(own),
      target: 'none',
      spread: [Math.min(...own), Math.max(...own)],
    },
  ]
}

function grown(name: string, small: Call, large: Call, stalls: Stalls): Figure {
  const least = (of: readonly Stall[]) => Math.max(ALIKE, Math.min(...walls(of)))
  const ratio = least(large.stalls) / Math.max(least(small.stalls), least(stalls.besides(large)))
  return {
    name: `longest stall, grown: ${name}`,
    what: `over four times as much, against over a fourth: the shortest of the rounds, where ${ALIKE} ms and less are alike, and what a program without Faultline has over as much`,
    ours: Math.min(...walls(large.stalls)),
    theirs: Math.min(...walls(small.stalls)),
    unit: 'ms',
    ratio,
    target: { atMost: GROWN },
    rounds: large.stalls.length,
    spread: [ratio, ratio],
  }
}

const PIECE = MIB
const IN_FLIGHT = 64

/** As much memory read into and written from, by Node's calls, and a second of nothing. */
async function withoutUs(plan: Plan, size: Bytes, { beside }: Stalls): Promise<void> {
  const { O_DIRECT = 0, O_RDWR } = fs.constants
  const fd = fs.openSync(makeFile(plan, `stalls-${size / MIB}`, size), O_RDWR | O_DIRECT)
  const memory = new Uint8Array(memoryBuffer(size))
  type Io = (at: Bytes, ended: (error: Error | null) => void) => void
  const inPieces = (io: Io) =>
    new Promise<void>((resolve, reject) => {
      let [next, done] = [0, 0]
      const begin = () => {
        if (next >= size) return
        const at = next
        next += PIECE
        io(at, error => {
          if (error !== null) return reject(error)
          done += PIECE
          if (done >= size) resolve()
          else begin()
        })
      }
      for (let lane = 0; lane < IN_FLIGHT; lane++) begin()
    })
  const nap = () => new Promise(resolve => setTimeout(resolve, plan.smoke ? 10 : 1000))
  beside.nothing.push(await longestStall(nap))
  beside.reads.push(
    await longestStall(() => inPieces((at, ended) => fs.read(fd, memory, at, PIECE, at, ended))),
  )
  beside.writes.push(
    await longestStall(async () => {
      await inPieces((at, ended) => fs.write(fd, memory, at, PIECE, at, ended))
      await new Promise<void>((resolve, reject) => {
        fs.fsync(fd, error => (error === null ? resolve() : reject(error)))
      })
    }),
  )
  fs.closeSync(fd)
}

async function ofMemory(_plan: Plan, size: Bytes, stalls: Stalls): Promise<void> {
  await using machine = await Machine.start({ memory: size + 64 * MIB })
  const space = machine.space({ name: 'memory' })
  const memory = await space.mapAnonymous({ length: size })
  await stalls.told('populate-write of memory', 'nothing', () => memory.advise('populate-write'))
  let child: Space | undefined
  await stalls.told('fork', 'nothing', async () => {
    child = await space.fork({ name: 'child' })
  })
  await stalls.told('exit', 'nothing', async () => child!.exit())
  await stalls.told('dontneed', 'nothing', () => memory.advise('dontneed'))
}

async function ofFile(plan: Plan, size: Bytes, stalls: Stalls): Promise<void> {
  const path = makeFile(plan, `stalls-${size / MIB}`, size)
  const machine = await Machine.start({
    memory: size + 64 * MIB,
    writeback: { backgroundRatio: 0.98, ratio: 0.99 },
  })
  const file = await machine.open(path, { mode: 'r+', direct: true })
  const map = await machine.space({ name: 'file' }).map(file, { prot: 'rw' })
  await stalls.told('willneed', 'reads', () => map.advise('willneed'))
  await stalls.told('populate', 'reads', () => map.populate())
  await stalls.told('populate-write', 'nothing', () => map.advise('populate-write'))
  await stalls.told('sync', 'writes', () => map.sync())
  await map.advise('populate-write')
  await stalls.told('unmap of dirty pages', 'writes', () => map.unmap())
  await stalls.told('close with dirty pages', 'writes', () => machine.close())
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
  await stalls.told('clone of a file in pieces', 'nothing', () => volume.clone('/a', '/b'))
  await stalls.told('sync of a volume', 'writes', () => volume.sync())
  await volume.mkdir('/all')
  await stalls.told('snapshot of a volume', 'nothing', () => volume.snapshot('/', '/snapshot'))
  await stalls.told('check of the metadata', 'nothing', () => volume.check({ data: 'metadata only' }))
  await stalls.told('check of a volume', 'reads', () => volume.check())
  await stalls.told('stat of a file in pieces', 'nothing', () => volume.stat('/a'))
  await stalls.told('removal of a snapshot', 'nothing', () => volume.remove('/snapshot'))
  const clone = await volume.open('/b', { mode: 'r+' })
  await stalls.told('punch of a file in pieces', 'nothing', () => clone.punch(4096, clone.size / 2))
  await stalls.told('fallocate of its holes', 'nothing', () => volume.fallocate(clone, 0, clone.size))
  await stalls.told('truncation of a file in pieces', 'nothing', () => clone.truncate(4096))
  await clone.close()
  await map.unmap()
  await file.close()
}

/** The watch leaves as little as it can to the collector: it is there in each turn, and what collects then isn't the call's matter. */
export async function longestStall(work: () => Promise<unknown>): Promise<Stall> {
  const times = new ThreadTimes()
  /** Wall, own and served, in ms; and when the last turn was, by the three clocks. */
  const longest = new Float64Array(3)
  const last = new Float64Array(3)
  let over = false
  const turn = () => {
    times.read()
    last[0] = times.at
    last[1] = times.ran
    last[2] = times.at - times.queued
  }
  const watch = () => {
    const wall = last[0]!
    const own = last[1]!
    const served = last[2]!
    turn()
    if (last[0]! - wall > longest[0]!) longest[0] = last[0]! - wall
    if (last[1]! - own > longest[1]!) longest[1] = last[1]! - own
    if (last[2]! - served > longest[2]!) longest[2] = last[2]! - served
    if (!over) setImmediate(watch)
  }
  turn()
  setImmediate(watch)
  await work()
  over = true
  watch()
  // The last turn that was asked for is still to come.
  setImmediate(() => times.close())
  const [wall, own, served] = longest
  return { wall: wall!, own: own!, served: served! }
}
