/**
 * The exerciser of the hardware MMU: loads and stores through plain arrays in two threads at once, while calls read,
 * write, cut, punch, sync, advise, map and unmap the same file; all of it held against a flat model of bytes.
 *
 *     round:  each thread its touches, and the calls, all begun together -> all ended -> what was loaded is compared
 *
 * In a round each party has pages of its own: pages are dealt out before it, so that one order is as good as another. A
 * truncation has a round to itself. Pages past the end of the file are never touched: that ends the process (poison.ts).
 *
 * Invariants
 *   XA1 Each load, each read, and the file of the host at the end show what the model says.
 */

import fs from 'node:fs'
import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { FileFace, MachineFace, MappingFace, SpaceFace } from '../api/index.ts'
import { type Bytes, Prng } from '../base/index.ts'
import { start } from '../uffd/index.ts'
import type { Touch, Turn } from './arrays-worker.ts'
import { Mismatch } from './exerciser.ts'

const PAGE: Bytes = 4096
const THREADS = 2
/** Touches of each thread in a round, and calls beside them. */
const TOUCHES = 24
const CALLS = 6
const MAPPINGS = 3

export interface ArraysPlan {
  readonly seed: number
  /** Of the file at first; it is cut and grown between a third of it and all of it. */
  readonly pages: number
  /** Memory of the machine, in pages. */
  readonly memory: number
  readonly path: string
}

export interface ArraysResult {
  readonly operations: number
  readonly faults: number
  readonly majorFaults: number
}

/** Plays at least so many operations. Throws a Mismatch. `meddle` is called before each round: a test breaks things in it. */
export async function exerciseArrays(
  plan: ArraysPlan,
  operations: number,
  meddle: (round: number, map: MappingFace) => void = () => {},
): Promise<ArraysResult> {
  const content = new Uint8Array(plan.pages * PAGE)
  const prng = new Prng(plan.seed)
  for (let at = 0; at < content.length; at++) content[at] = prng.below(256)
  fs.writeFileSync(plan.path, content)
  const readAhead = prng.pick([PAGE, 128 * 1024, 2 ** 20])
  const machine = await start({ mmu: 'hardware', memory: plan.memory * PAGE, readAhead })
  const file = await machine.open(plan.path, { mode: 'r+' })
  const game = new Game(plan, prng, content, machine, file)
  try {
    return await game.play(operations, meddle)
  } finally {
    await game.end()
  }
}

/** Pages dealt to the parties of a round. */
class Deal {
  private readonly order: number[]

  constructor(prng: Prng, pages: number) {
    this.order = Array.from({ length: pages }, (_, page) => page)
    for (let at = pages - 1; at > 0; at--) {
      const other = prng.below(at + 1)
      ;[this.order[at], this.order[other]] = [this.order[other]!, this.order[at]!]
    }
  }

  next(): number | undefined {
    return this.order.pop()
  }
}

class Game {
  private readonly plan: ArraysPlan
  private readonly prng: Prng
  private readonly machine: MachineFace
  private readonly file: FileFace
  private readonly space: SpaceFace
  private readonly workers: readonly Worker[]
  private readonly maps = new Map<number, MappingFace>()
  /** What the file holds, and zeros beyond it. */
  private readonly model: Uint8Array
  private size: Bytes
  private attached: { readonly map: number; readonly of: MappingFace }[] = []
  private letGo: number[] = []
  private ids = 0
  private operations = 0

  constructor(plan: ArraysPlan, prng: Prng, content: Uint8Array, machine: MachineFace, file: FileFace) {
    this.plan = plan
    this.prng = prng
    this.machine = machine
    this.file = file
    this.model = content.slice()
    this.size = content.length
    this.space = machine.space({ name: 'exerciser' })
    const url = new URL(`./arrays-worker${extname(import.meta.url)}`, import.meta.url)
    this.workers = Array.from({ length: THREADS }, () => new Worker(url))
  }

  async play(operations: number, meddle: (round: number, map: MappingFace) => void): Promise<ArraysResult> {
    await this.map()
    for (let round = 0; this.operations < operations; round++) {
      meddle(round, [...this.maps.values()][0]!)
      if (round % 8 === 7) await this.change()
      else await this.round()
    }
    await this.compareAll()
    const { minorFaults, majorFaults } = this.space.status()
    return { operations: this.operations, faults: minorFaults + majorFaults, majorFaults }
  }

  async end(): Promise<void> {
    await Promise.all(this.workers.map(worker => worker.terminate()))
    await this.machine.close()
  }

  /** Two threads touch, and calls are made, all at once and each on pages of its own. */
  private async round(): Promise<void> {
    const deal = new Deal(this.prng, Math.floor(this.size / PAGE))
    const parties: Promise<void>[] = []
    const detach = this.letGo.splice(0)
    const fresh = this.attached.splice(0)
    const attach = fresh.map(({ map, of }) => ({ map, handle: of.handle }))
    for (const worker of this.workers) {
      const touches: Touch[] = []
      const expected: Uint8Array[] = []
      for (let count = 0; count < TOUCHES; count++) this.touch(deal, touches, expected)
      parties.push(this.turn(worker, { attach, detach, touches }, expected))
    }
    for (let count = 0; count < CALLS; count++) {
      const page = deal.next()
      if (page !== undefined) parties.push(this.call(page))
    }
    this.operations += THREADS * TOUCHES + CALLS
    await Promise.all(parties)
  }

  private touch(deal: Deal, touches: Touch[], expected: Uint8Array[]): void {
    const page = deal.next()
    if (page === undefined) return
    const at = page * PAGE + this.prng.below(PAGE)
    const length = 1 + this.prng.below(PAGE - (at % PAGE))
    const map = this.prng.pick([...this.maps.keys()])
    if (this.prng.below(2) === 0) {
      const byte = this.prng.below(256)
      touches.push({ kind: 'store', map, at, length, byte })
      this.model.fill(byte, at, at + length)
      // It is loaded again by the same thread, through another mapping perhaps.
      touches.push({ kind: 'load', map: this.prng.pick([...this.maps.keys()]), at, length })
    } else touches.push({ kind: 'load', map, at, length })
    expected.push(this.model.slice(at, at + length))
  }

  private async turn(worker: Worker, turn: Turn, expected: readonly Uint8Array[]): Promise<void> {
    worker.postMessage(turn)
    const loaded = await new Promise<Uint8Array[]>((resolve, reject) => {
      worker.once('message', resolve)
      worker.once('error', reject)
    })
    worker.removeAllListeners('error')
    const loads = turn.touches.filter(touch => touch.kind === 'load')
    loads.forEach((load, at) => {
      this.same(loaded[at]!, expected[at]!, `a load of ${load.length} bytes at ${load.at}`)
    })
  }

  /** A call about one page. */
  private async call(page: number): Promise<void> {
    const at = page * PAGE
    const range = { offset: at, length: PAGE }
    const map = this.prng.pick([...this.maps.values()])
    const inside = this.prng.below(PAGE)
    switch (this.prng.below(8)) {
      case 0: {
        const source = new Uint8Array(PAGE - inside).fill(this.prng.below(256))
        this.model.set(source, at + inside)
        return this.file.write(source, at + inside)
      }
      case 1: {
        const target = new Uint8Array(PAGE)
        const expected = this.model.slice(at, at + PAGE)
        await this.file.read(target, at)
        return this.same(target, expected, `a read of page ${page}`)
      }
      case 2:
        this.model.fill(0, at + inside, at + PAGE)
        return this.file.punch(at + inside, PAGE - inside)
      case 3:
        return map.sync(range)
      case 4:
        return map.advise(this.prng.pick(['dontneed', 'willneed', 'populate-read', 'populate-write']), range)
      case 5: {
        const value = this.prng.below(256)
        const expected = this.model[at + inside]!
        this.model[at + inside] = value
        const before = await map.run(view => {
          const old = view.u8(at + inside)
          view.setU8(at + inside, value)
          return old
        })
        return this.same(Uint8Array.of(before), Uint8Array.of(expected), `a section at ${at + inside}`)
      }
      case 6:
        // The group of everything is never limited; this makes reclaim run beside the touches.
        return this.machine.ps().then(() => {})
      case 7:
        return map.lock(range).then(() => map.unlock(range))
    }
  }

  /** What can't be done beside touches: the length of the file, and mappings. */
  private async change(): Promise<void> {
    this.operations++
    switch (this.prng.below(3)) {
      case 0: {
        const pages = this.plan.pages
        const size = Math.ceil(pages / 3) * PAGE + this.prng.below(Math.floor((2 * pages) / 3) * PAGE)
        this.model.fill(0, size)
        this.size = size
        return this.file.truncate(size)
      }
      case 1:
        return this.map()
      case 2:
        return this.unmap()
    }
  }

  private async map(): Promise<void> {
    if (this.maps.size === MAPPINGS) return
    const prot = 'rw'
    const advice = this.prng.pick(['normal', 'random', 'sequential'] as const)
    const of = await this.space.map(this.file, { prot, advice, length: this.plan.pages * PAGE })
    const map = this.ids++
    this.maps.set(map, of)
    this.attached.push({ map, of })
  }

  private async unmap(): Promise<void> {
    const [oldest] = this.maps
    if (this.maps.size < 2 || oldest === undefined) return
    const [map, of] = oldest
    this.maps.delete(map)
    const waiting = this.attached.findIndex(each => each.map === map)
    if (waiting === -1) this.letGo.push(map)
    else this.attached.splice(waiting, 1)
    await of.unmap()
  }

  private async compareAll(): Promise<void> {
    await this.file.sync()
    const host = fs.readFileSync(this.plan.path)
    if (host.length !== this.size)
      throw new Mismatch(`the file has ${host.length} bytes on the host, expected ${this.size}`)
    this.same(host, this.model.subarray(0, this.size), 'the file of the host')
  }

  private same(found: Uint8Array, expected: Uint8Array, what: string): void {
    const at = expected.findIndex((byte, place) => byte !== found[place])
    if (at !== -1)
      throw new Mismatch(
        `${what}: byte ${at} is ${found[at]}, expected ${expected[at]}, after ${this.operations} operations; play it again with --backend hardware --seed ${this.plan.seed}`,
      )
  }
}
