/**
 * What a miss costs: random pages that are in nobody's cache, through sections and through raw reads, and how long the
 * event loop stands still meanwhile.
 */
import fs from 'node:fs'
import type { MappingFace } from '../api/index.ts'
import type { Bytes } from '../base/index.ts'
import { memoryBuffer } from '../host/index.ts'
import { Machine } from '../map/index.ts'
import { start } from '../uffd/index.ts'
import { longCalls, longestStall } from './long-calls.ts'
import { type Bench, compare, type Figure, MIB, perSecond, Skipped, sink } from './measure.ts'
import { Native } from './native.ts'
import { makeFile, shuffled } from './scratch.ts'

const PAGE: Bytes = 4096

/** Hands out the pages of a file in random order, each once before any comes again. */
class Pages {
  private readonly order: Uint32Array
  private next = 0

  constructor(file: Bytes, seed: number) {
    this.order = shuffled(file / PAGE, seed)
  }

  take(): Bytes {
    if (this.next === this.order.length) this.next = 0
    return this.order[this.next++]! * PAGE
  }
}

export const coldReads: Bench = {
  name: 'cold-reads',
  about: 'cold random 4 KiB reads, 1 to 32 in flight, against fs.read with O_DIRECT into aligned memory',
  async run(plan) {
    const { O_DIRECT, O_RDONLY } = fs.constants
    if (O_DIRECT === undefined) throw new Skipped('this host has no O_DIRECT')
    const size = (plan.smoke ? 4 : 512) * MIB
    const path = makeFile(plan, 'cold', size)
    const held = plan.smoke ? MIB : 16 * MIB
    await using machine = await start({ memory: held })
    const file = await machine.open(path, { direct: true })
    const map = await machine.space({ name: 'cold reads' }).map(file, { advice: 'random' })
    const fd = fs.openSync(path, O_RDONLY | O_DIRECT)
    const memory = new Uint8Array(memoryBuffer(held))
    const pages = new Pages(size, 3)
    const figures: Figure[] = []
    for (const depth of [1, 4, 16, 32]) {
      const count = plan.smoke ? 64 : Math.min(4000, 1000 * depth)
      figures.push(
        await compare(plan, {
          name: `cold reads, ${depth} in flight`,
          what: `map.run of a load against fs.read on an O_DIRECT descriptor, as many in flight, into ${held / MIB} MiB on either side`,
          unit: 'reads/s',
          target: { atLeast: 1 },
          ratio: 'ours/theirs',
          rounds: 25,
          warmUps: depth === 1 ? 20 : 5,
          ours: () => perSecond(count, () => loadAll(map, pages, count, depth)),
          theirs: () => perSecond(count, () => readAll(fd, memory, pages, count, depth)),
        }),
      )
    }
    fs.closeSync(fd)
    await file.close()
    return figures
  },
}

async function loadAll(map: MappingFace, pages: Pages, count: number, depth: number): Promise<void> {
  let left = count
  const reader = async () => {
    while (left-- > 0) {
      const offset = pages.take()
      sink.value += await map.run(view => view.u32(offset))
    }
  }
  await Promise.all(Array.from({ length: depth }, reader))
}

function readAll(fd: number, memory: Uint8Array, pages: Pages, count: number, depth: number): Promise<void> {
  const words = new DataView(memory.buffer)
  return new Promise((resolve, reject) => {
    let left = count
    let ended = 0
    let next = 0
    const read = () => {
      if (left-- <= 0) return
      const slot = next
      next = (next + PAGE) % memory.length
      fs.read(fd, memory, slot, PAGE, pages.take(), error => {
        if (error !== null) return reject(error)
        sink.value += words.getUint32(slot, true)
        if (++ended === count) resolve()
        else read()
      })
    }
    for (let reader = 0; reader < depth; reader++) read()
  })
}

/** Loads of cold pages that one section, or one turn of the event loop, does. */
const BATCH = 256

export const stalls: Bench = {
  name: 'stalls',
  about:
    'the longest stall of the event loop while a cold file is read at random, against a native mmap, and in each long call',
  async run(plan) {
    const native = new Native()
    const size = (plan.smoke ? 4 : 256) * MIB
    const path = makeFile(plan, 'stalls', size)
    const pages = new Pages(size, 4)
    const batches = plan.smoke ? 2 : 40
    const figure = await compare(plan, {
      name: 'longest stall',
      what: `sections of ${BATCH} cold loads against as many loads of an mmap (MADV_RANDOM), a turn of the event loop between`,
      unit: 'ms',
      target: 'none',
      ratio: 'theirs/ours',
      rounds: 7,
      ours: async () => {
        await using machine = await Machine.start({ memory: plan.smoke ? 2 * MIB : 64 * MIB })
        const file = await machine.open(path, { direct: true })
        const map = await machine.space({ name: 'stalls' }).map(file, { advice: 'random' })
        const { wall } = await longestStall(async () => {
          for (let batch = 0; batch < batches; batch++) {
            const offsets = Array.from({ length: BATCH }, () => pages.take())
            sink.value += await map.run(view => {
              for (const offset of offsets) view.want(offset, 4)
              let total = 0
              for (const offset of offsets) total = (total + view.u32(offset)) | 0
              return total
            })
            await turn()
          }
        })
        return wall
      },
      theirs: async () => {
        native.dropCache(path)
        const map = native.map(path, size)
        const { wall } = await longestStall(async () => {
          for (let batch = 0; batch < batches; batch++) {
            for (let load = 0; load < BATCH; load++) sink.value += map.bytes[pages.take()]!
            await turn()
          }
        })
        map.unmap()
        return wall
      },
    })
    return [figure, ...(await longCalls(plan))]
  },
}

function turn(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve))
}
