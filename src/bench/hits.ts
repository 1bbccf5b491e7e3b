/**
 * What a load of a resident page costs: the software MMU against a raw DataView, and against what else an application
 * would read records with.
 */
import { once } from 'node:events'
import fs from 'node:fs'
import { Worker } from 'node:worker_threads'
import { open } from 'lmdb'
import { type Bytes, Prng } from '../base/index.ts'
import { Machine } from '../map/index.ts'
import { atOnce, type Bench, compare, type Figure, MIB, nsEach, sink } from './measure.ts'
import type { Layout } from './resident-loads.ts'
import { makeFile, scratchPath } from './scratch.ts'

const RECORD: Bytes = 4096
/** Where in a record the field lies that is read. */
const FIELD: Bytes = 128

export const loads: Bench = {
  name: 'loads',
  about: 'resident u32 loads, random and sequential, against a raw DataView',
  async run({ smoke, say }) {
    const figures: Figure[] = []
    for (const lie of ['in a row', 'scattered', 'collapsed'] as const)
      for (const [pageSize, random] of [
        [4096, 2.0],
        [65_536, 1.5],
      ] as const) {
        say(`loads of pages of ${pageSize / 1024} KiB, ${lie}`)
        const workerData: Layout = { smoke, size: (smoke ? 4 : 256) * MIB, pageSize, lie, random }
        const worker = new Worker(new URL('./resident-loads.ts', import.meta.url), { workerData })
        const [found] = await once(worker, 'message')
        figures.push(...(found as Figure[]))
      }
    return figures
  },
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
        sink.value += atOnce(sum)
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
        sink.value += atOnce(sum)
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
