/**
 * A worker thread of the benches that loads from resident pages that lie in one way, and from a raw DataView: in an isolate of its
 * own, since what V8 has compiled for pages that lie in another way serves both, and is slower.
 *
 * Both sides run the same loop over the same array of offsets, in a closure that is handed a view or a DataView, in
 * sections of 65 536 loads. The DataView lies over an ordinary ArrayBuffer.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { type Bytes, Prng } from '../base/index.ts'
import { Machine, type Mapping } from '../map/index.ts'
import type { View } from '../mmu/index.ts'
import { atOnce, compare, type Figure, MIB, nsEach, type Plan, sink } from './measure.ts'
import { shuffled } from './scratch.ts'

const SECTION = 65_536

interface Raw {
  run(section: (data: DataView) => number): number
}

export interface Layout {
  readonly smoke: boolean
  readonly size: Bytes
  readonly pageSize: Bytes
  /** How the pages lie in memory: in the order of the file, in any, or in its order since they were moved (MADV_COLLAPSE). */
  readonly lie: 'in a row' | 'scattered' | 'collapsed'
  /** What is asked of random loads in a row. */
  readonly random: number
}

const layout = workerData as Layout
const data = new DataView(new ArrayBuffer(layout.size))
for (let at = 0; at < layout.size; at += 4) data.setUint32(at, at, true)
const plan: Plan = { smoke: layout.smoke, part: '', directory: '', say: () => {} }
parentPort!.postMessage(await loadsAt(plan, { run: section => section(data) }, layout))

async function loadsAt(plan: Plan, raw: Raw, { size, pageSize, lie, random }: Layout): Promise<Figure[]> {
  const figures: Figure[] = []
  await using machine = await Machine.start({ memory: size + 16 * MIB, pageSize })
  const map = await machine.space({ name: 'loads' }).mapAnonymous({ length: size, prot: 'rw' })
  if (lie === 'in a row') await map.advise('populate-write')
  else
    for (const page of shuffled(size / pageSize, 2))
      await map.advise('populate-write', { offset: page * pageSize, length: pageSize })
  if (lie === 'collapsed') await map.advise('collapse')
  await map.run(view => {
    for (let at = 0; at < size; at += pageSize) view.setU32(at, at)
  })
  const count = plan.smoke ? SECTION : 64 * SECTION
  for (const order of ['random', 'sequential'] as const) {
    const offsets = order === 'random' ? randomOffsets(count, size) : sequentialOffsets(count, size)
    const atMost = order === 'random' ? random : 2.0
    const figure = await compare(plan, {
      name: `${order} loads, ${pageSize / 1024} KiB pages${lie === 'in a row' ? '' : `, ${lie}`}`,
      what: `view.u32 against DataView.getUint32, ${count / SECTION} sections of ${SECTION}, over ${size / MIB} MiB ${lie}`,
      unit: 'ns',
      target: { atMost: lie === 'scattered' ? 2.5 : atMost },
      ratio: 'ours/theirs',
      rounds: 9,
      ours: () =>
        nsEach(count, () => {
          for (let from = 0; from < count; from += SECTION) {
            const end = from + SECTION
            const sum = map.run(view => {
              let total = 0
              for (let at = from; at < end; at++) total = (total + view.u32(offsets[at]!)) | 0
              return total
            })
            sink.value += atOnce(sum)
          }
        }),
      theirs: () =>
        nsEach(count, () => {
          for (let from = 0; from < count; from += SECTION) {
            const end = from + SECTION
            const sum = raw.run(view => {
              let total = 0
              for (let at = from; at < end; at++) total = (total + view.getUint32(offsets[at]!, true)) | 0
              return total
            })
            sink.value += sum
          }
        }),
    })
    const sections = { offsets, name: figure.name }
    figures.push(figure, await gathered(plan, map, raw, sections), await spread(plan, map, raw, sections))
  }
  const name = `whole runs, ${pageSize / 1024} KiB pages, ${lie}`
  figures.push(await walked(plan, map, raw, { name, by: 'eachRun', sumIn: sumOfEachRun }))
  figures.push(await walked(plan, map, raw, { name: `${name}, by for ... of`, by: 'runs', sumIn: sumOfRuns }))
  return figures
}

interface Sections {
  readonly offsets: Float64Array
  readonly name: string
}

/** The same loads, by a call for each section. */
function gathered(plan: Plan, map: Mapping, raw: Raw, { offsets, name }: Sections): Promise<Figure> {
  const into = new Uint32Array(SECTION)
  const count = offsets.length
  const eachSection = (load: (part: Float64Array) => unknown) => () =>
    nsEach(count, () => {
      for (let from = 0; from < count; from += SECTION) load(offsets.subarray(from, from + SECTION))
      sink.value += into[0]!
    })
  return compare(plan, {
    name: `gathered: ${name}`,
    what: `view.gather against DataView.getUint32 into an array, ${count / SECTION} sections of ${SECTION}`,
    unit: 'ns',
    target: { atMost: 2.5 },
    ratio: 'ours/theirs',
    rounds: 9,
    ours: eachSection(part => map.run(view => view.gather(part, into))),
    theirs: eachSection(part =>
      raw.run(view => {
        for (let at = 0; at < part.length; at++) into[at] = view.getUint32(part[at]!, true)
        return 0
      }),
    ),
  })
}

/** Stores to the same places, by a call for each section: ours can be taken back. */
function spread(plan: Plan, map: Mapping, raw: Raw, { offsets, name }: Sections): Promise<Figure> {
  const from = Uint32Array.from({ length: SECTION }, (_, at) => at)
  const count = offsets.length
  const eachSection = (store: (part: Float64Array) => unknown) => () =>
    nsEach(count, () => {
      for (let at = 0; at < count; at += SECTION) store(offsets.subarray(at, at + SECTION))
    })
  return compare(plan, {
    name: `scatter: ${name}`,
    what: `view.scatter against DataView.setUint32 from an array, ${count / SECTION} sections of ${SECTION}`,
    unit: 'ns',
    target: 'none',
    ratio: 'ours/theirs',
    rounds: 9,
    ours: eachSection(part => map.run(view => view.scatter(part, from))),
    theirs: eachSection(part =>
      raw.run(view => {
        for (let at = 0; at < part.length; at++) view.setUint32(part[at]!, from[at]!, true)
        return 0
      }),
    ),
  })
}

interface Walk {
  readonly name: string
  readonly by: 'runs' | 'eachRun'
  readonly sumIn: (view: View, from: Bytes, length: Bytes) => number
}

function sum(bytes: Uint8Array): number {
  let total = 0
  for (let at = 0; at < bytes.length; at++) total = (total + bytes[at]!) | 0
  return total
}

function sumOfRuns(view: View, from: Bytes, length: Bytes): number {
  let total = 0
  for (const bytes of view.runs(from, length)) total = (total + sum(bytes)) | 0
  return total
}

function sumOfEachRun(view: View, from: Bytes, length: Bytes): number {
  let total = 0
  view.eachRun(from, length, bytes => {
    total = (total + sum(bytes)) | 0
  })
  return total
}

/** Every byte in order, in sections of 16 MiB at most. */
function walked(plan: Plan, map: Mapping, raw: Raw, { name, by, sumIn }: Walk): Promise<Figure> {
  const { length } = map
  const part = Math.min(length, 16 * MIB)
  return compare(plan, {
    name,
    what: `every byte of view.${by} against every byte of an Uint8Array, ${length / MIB} MiB`,
    unit: 'ns',
    target: { atMost: 1.1 },
    ratio: 'ours/theirs',
    rounds: 9,
    ours: () =>
      nsEach(length, () => {
        for (let from = 0; from < length; from += part)
          sink.value += atOnce(map.run(view => sumIn(view, from, part)))
      }),
    theirs: () =>
      nsEach(length, () => {
        for (let from = 0; from < length; from += part)
          sink.value += raw.run(({ buffer }) => sum(new Uint8Array(buffer, from, part)))
      }),
  })
}

function randomOffsets(count: number, size: Bytes): Float64Array {
  const prng = new Prng(1)
  return Float64Array.from({ length: count }, () => prng.below(size / 4) * 4)
}

/** Every word from the start on, around again at the end. */
function sequentialOffsets(count: number, size: Bytes): Float64Array {
  return Float64Array.from({ length: count }, (_, at) => (at * 4) % size)
}
