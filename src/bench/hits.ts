/**
 * What a load of a resident page costs: the software MMU against a raw DataView, and against what else an application
 * would read records with.
 *
 * Both sides run the same loop over the same array of offsets, in a closure that is handed a view or a DataView, in
 * sections of 65 536 loads. The DataView lies over an ordinary ArrayBuffer.
 */
import fs from 'node:fs'
import { open } from 'lmdb'
import { type Bytes, Prng } from '../base/index.ts'
import { Machine, type Mapping } from '../map/index.ts'
import { type Bench, compare, type Figure, MIB, nsEach, type Plan, sink } from './measure.ts'
import { makeFile, scratchPath, shuffled } from './scratch.ts'

const SECTION = 65_536
const RECORD: Bytes = 4096
/** Where in a record the field lies that is read. */
const FIELD: Bytes = 128

interface Raw {
  run(section: (data: DataView) => number): number
}

export const loads: Bench = {
  name: 'loads',
  about: 'resident u32 loads, random and sequential, against a raw DataView',
  async run(plan) {
    const figures: Figure[] = []
    const size = (plan.smoke ? 4 : 256) * MIB
    const data = new DataView(new ArrayBuffer(size))
    for (let at = 0; at < size; at += 4) data.setUint32(at, at, true)
    const raw: Raw = { run: section => section(data) }
    // Scattered ones last: once V8 has seen both views at one place in a program, its code there serves both.
    for (const lie of ['in a row', 'scattered'] as const)
      for (const [pageSize, random] of [
        [4096, 2.0],
        [65_536, 1.5],
      ] as const)
        figures.push(...(await loadsAt(plan, raw, { size, pageSize, lie, random })))
    return figures
  },
}

interface Layout {
  readonly size: Bytes
  readonly pageSize: Bytes
  /** How the pages lie in memory: in the order of the file, or in any. */
  readonly lie: 'in a row' | 'scattered'
  /** What is asked of random loads in a row. */
  readonly random: number
}

async function loadsAt(plan: Plan, raw: Raw, { size, pageSize, lie, random }: Layout): Promise<Figure[]> {
  const figures: Figure[] = []
  await using machine = await Machine.start({ memory: size + 16 * MIB, pageSize })
  const map = await machine.space({ name: 'loads' }).mapAnonymous({ length: size, prot: 'rw' })
  if (lie === 'in a row') await map.advise('populate-write')
  else
    for (const page of shuffled(size / pageSize, 2))
      await map.advise('populate-write', { offset: page * pageSize, length: pageSize })
  await map.run(view => {
    for (let at = 0; at < size; at += pageSize) view.setU32(at, at)
  })
  const count = plan.smoke ? SECTION : 64 * SECTION
  for (const order of ['random', 'sequential'] as const) {
    const offsets = order === 'random' ? randomOffsets(count, size) : sequentialOffsets(count, size)
    const atMost = order === 'random' ? random : 2.0
    const figure = await compare(plan, {
      name: `${order} loads, ${pageSize / 1024} KiB pages${lie === 'scattered' ? ', scattered' : ''}`,
      what: `view.u32 against DataView.getUint32, ${count / SECTION} sections of ${SECTION}, over ${size / MIB} MiB ${lie}`,
      unit: 'ns',
      target: { atMost: lie === 'in a row' ? atMost : 2.5 },
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
            sink.value += sum as number
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
    figures.push(figure, await gathered(plan, map, raw, { offsets, name: figure.name }))
  }
  figures.push(await walked(plan, map, raw, `whole runs, ${pageSize / 1024} KiB pages, ${lie}`))
  return figures
}

/** The same loads, by a call for each section. */
function gathered(
  plan: Plan,
  map: Mapping,
  raw: Raw,
  { offsets, name }: { readonly offsets: Float64Array; readonly name: string },
): Promise<Figure> {
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

/** Every byte in order, in sections of 16 MiB at most. */
function walked(plan: Plan, map: Mapping, raw: Raw, name: string): Promise<Figure> {
  const { length } = map
  const part = Math.min(length, 16 * MIB)
  const sum = (bytes: Uint8Array) => {
    let total = 0
    for (let at = 0; at < bytes.length; at++) total = (total + bytes[at]!) | 0
    return total
  }
  return compare(plan, {
    name,
    what: `every byte of view.runs against every byte of an Uint8Array, ${length / MIB} MiB`,
    unit: 'ns',
    target: { atMost: 1.1 },
    ratio: 'ours/theirs',
    rounds: 9,
    ours: () =>
      nsEach(length, () => {
        for (let from = 0; from < length; from += part)
          sink.value += map.run(view => {
            let total = 0
            for (const bytes of view.runs(from, part)) total = (total + sum(bytes)) | 0
            return total
          }) as number
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

export const records: Bench = {
  name: 'records',
  about: 'random records of 4 KiB, all resident, against fs.readSync and against lmdb-js getBinaryFast',
  async run(plan) {
    const size = (plan.smoke ? 4 : 128) * MIB
    const path = makeFile(plan, 'records', size)
    await using machine = await Machine.start({ memory: size + 16 * MIB })
    const file = await machine.open(path)
    const map = await machine.space({ name: 'records' }).map(file)
    await map.populate()

    const fd = fs.openSync(path, 'r')
    const count = plan.smoke ? 500 : 50_000
    const prng = new Prng(2)
    const order = Uint32Array.from({ length: count }, () => prng.below(size / RECORD))
    const database = open({ path: scratchPath(plan, 'lmdb'), noSync: true, mapSize: 2 * size + 64 * MIB })
    const record = new Uint8Array(RECORD)
    for (let key = 0; key < size / RECORD; key++) {
      fs.readSync(fd, record, 0, RECORD, key * RECORD)
      void database.put(key, Buffer.from(record))
    }
    await database.flushed

    const fields = () =>
      nsEach(count, () => {
        const sum = map.run(view => {
          let total = 0
          for (const index of order) total = (total + view.u32(index * RECORD + FIELD)) | 0
          return total
        })
        sink.value += sum as number
      })
    const copies = () =>
      nsEach(count, () => {
        const sum = map.run(view => {
          let total = 0
          for (const index of order) {
            view.read(index * RECORD, record)
            total += record[FIELD]!
          }
          return total
        })
        sink.value += sum as number
      })
    const readSync = (length: Bytes, skip: Bytes) => () =>
      nsEach(count, () => {
        for (const index of order) {
          fs.readSync(fd, record, 0, length, index * RECORD + skip)
          sink.value += record[0]!
        }
      })
    const lmdb = () =>
      nsEach(count, () => {
        for (const index of order) sink.value += database.getBinaryFast(index)!.readUInt32LE(FIELD)
      })
    const common = { unit: 'ns', target: 'none', ratio: 'theirs/ours', rounds: 7 } as const
    const figures = [
      await compare(plan, {
        ...common,
        name: 'a field, fs.readSync',
        what: 'view.u32 of a random record against fs.readSync of those 4 bytes (host page cache)',
        ours: fields,
        theirs: readSync(4, FIELD),
      }),
      await compare(plan, {
        ...common,
        name: 'a record, fs.readSync',
        what: 'view.read of 4 KiB against fs.readSync of 4 KiB (host page cache), each into a buffer',
        ours: copies,
        theirs: readSync(RECORD, 0),
      }),
      await compare(plan, {
        ...common,
        name: 'a field, lmdb-js',
        what: 'view.u32 of a random record against getBinaryFast of the record and readUInt32LE',
        ours: fields,
        theirs: lmdb,
      }),
      await compare(plan, {
        ...common,
        name: 'a record, lmdb-js',
        what: 'view.read of 4 KiB into a buffer against getBinaryFast of the record',
        ours: copies,
        theirs: lmdb,
      }),
    ]
    await database.close()
    fs.closeSync(fd)
    await file.close()
    return figures
  },
}
