/**
 * Files on servers, against what people use for them today: requests by hand, and the sources of hyparquet and PMTiles with
 * their own caches. The same queries, cold at the beginning of each round, on a server that is 20 ms away and has a tail.
 */
import { asyncBufferFromUrl, cachedAsyncBuffer, parquetReadObjects } from 'hyparquet'
import { parquetWriteBuffer } from 'hyparquet-writer'
import { PMTiles } from 'pmtiles'
import { asyncBuffer, pmtilesSource } from '../adapters/index.ts'
import { type Bytes, Prng } from '../base/index.ts'
import type { File } from '../files/index.ts'
import { Machine } from '../map/index.ts'
import { pmtilesArchive } from './archive.ts'
import { type FarServer, farServer, ROUND_TRIP } from './far-server.ts'
import { type Bench, compareAll, type Figure, MIB, type Plan, sink } from './measure.ts'

const RECORD: Bytes = 200
const IN_FLIGHT = 8
/** Of memory, on our side: less than each of the files. */
const MEMORY: Bytes = 4 * MIB

export const remote: Bench = {
  name: 'remote',
  about: `files on a server ${ROUND_TRIP} ms away with a tail, against fetch by hand and the sources of hyparquet and PMTiles`,
  async run(plan) {
    const records = plan.smoke ? 20 : 400
    const rows = plan.smoke ? 2000 : 200_000
    const zooms = plan.smoke ? 2 : 6
    const files = new Map([
      ['records', random(plan.smoke ? MIB : 32 * MIB)],
      ['table', table(rows)],
      ['tiles', pmtilesArchive(tiles(zooms), zooms)],
    ])
    const server = await farServer(files)
    try {
      return [
        ...(await sides(plan, server, {
          name: `${records} records of ${RECORD} bytes, some again and again`,
          theirs: 'fetch by hand',
          ours: () =>
            withFile(server.address('records'), file =>
              recordsOf(file, files.get('records')!.length, records),
            ),
          others: () => recordsByHand(server.address('records'), files.get('records')!.length, records),
        })),
        ...(await sides(plan, server, {
          name: 'queries of a Parquet table',
          theirs: 'asyncBufferFromUrl in cachedAsyncBuffer of hyparquet',
          ours: () => withFile(server.address('table'), async file => queries(asyncBuffer(file), rows)),
          others: async () =>
            queries(cachedAsyncBuffer(await asyncBufferFromUrl({ url: server.address('table') })), rows),
        })),
        ...(await sides(plan, server, {
          name: 'views of a map of PMTiles',
          theirs: 'FetchSource and SharedPromiseCache of pmtiles',
          ours: () =>
            withFile(server.address('tiles'), file => views(new PMTiles(pmtilesSource(file)), zooms)),
          others: () => views(new PMTiles(server.address('tiles')), zooms),
        })),
      ]
    } finally {
      await server.close()
    }
  },
}

interface Queries {
  readonly name: string
  readonly theirs: string
  readonly ours: () => Promise<unknown>
  readonly others: () => Promise<unknown>
}

/** Time, requests and bytes of the same queries. */
async function sides(
  plan: Plan,
  server: FarServer,
  { name, theirs, ours, others }: Queries,
): Promise<Figure[]> {
  const measured = (queries: () => Promise<unknown>) => async () => {
    await server.counted()
    const began = performance.now()
    await queries()
    const took = performance.now() - began
    const { requests, bytes } = await server.counted()
    return [took, requests, bytes]
  }
  return compareAll(plan, {
    name,
    what: `mapped with ${MEMORY / MIB} MiB of memory, against ${theirs}; ms, requests, bytes`,
    unit: '',
    of: [
      { name: `${name}: time`, target: { atLeast: 1.5 } },
      { name: `${name}: requests`, target: { atLeast: 1 } },
      { name: `${name}: bytes`, target: 'none' },
    ],
    ratio: 'theirs/ours',
    rounds: 5,
    ours: measured(ours),
    theirs: measured(others),
  })
}

async function withFile(url: string, use: (file: File) => Promise<unknown>): Promise<void> {
  await using machine = await Machine.start({ memory: MEMORY })
  const file = await machine.open(url)
  await use(file)
  await file.close()
}

/** Half of the records are asked for from a sixteenth of the file. */
function offsets(length: Bytes, count: number): number[] {
  const prng = new Prng(5)
  const below = (end: Bytes) => prng.below(Math.floor(end / RECORD)) * RECORD
  return Array.from({ length: count }, (_, at) => below(at % 2 === 0 ? length / 16 : length - RECORD))
}

async function inTurn(length: Bytes, count: number, read: (offset: Bytes) => Promise<number>): Promise<void> {
  const left = offsets(length, count)
  const reader = async () => {
    for (let offset = left.pop(); offset !== undefined; offset = left.pop()) sink.value += await read(offset)
  }
  await Promise.all(Array.from({ length: IN_FLIGHT }, reader))
}

async function recordsOf(file: File, length: Bytes, count: number): Promise<void> {
  await inTurn(length, count, async offset => {
    const record = new Uint8Array(RECORD)
    await file.read(record, offset)
    return record[0]!
  })
}

async function recordsByHand(url: string, length: Bytes, count: number): Promise<void> {
  await inTurn(length, count, async offset => {
    const answer = await fetch(url, { headers: { range: `bytes=${offset}-${offset + RECORD - 1}` } })
    return new Uint8Array(await answer.arrayBuffer())[0]!
  })
}

type Table = Parameters<typeof parquetReadObjects>[0]['file']

/** Two columns of a few rows here and there, as a page of a report asks for them; what lies near is asked for again. */
async function queries(file: Table, rows: number): Promise<void> {
  const prng = new Prng(6)
  for (let query = 0; query < 12; query++) {
    const rowStart = prng.below(rows - 500)
    const found = await parquetReadObjects({
      file,
      columns: ['id', 'half'],
      rowStart,
      rowEnd: rowStart + 500,
    })
    sink.value += found.length
  }
}

/** A window of three by three tiles that is moved and zoomed into; the tiles of a view are asked for at once. */
async function views(archive: PMTiles, zooms: number): Promise<void> {
  for (let zoom = 0; zoom < zooms; zoom++)
    for (let step = 0; step < 2; step++) {
      const side = 2 ** zoom
      const left = Math.floor((side * (step + 1)) / 3)
      const window = [0, 1, 2].flatMap(x => [0, 1, 2].map(y => [left + x, left + y] as const))
      const inside = window.filter(([x, y]) => x < side && y < side)
      const got = await Promise.all(inside.map(([x, y]) => archive.getZxy(zoom, x, y)))
      sink.value += got.length
    }
}

function random(length: Bytes): Uint8Array {
  const prng = new Prng(7)
  return new Uint8Array(Uint32Array.from({ length: length / 4 }, () => prng.u32()).buffer)
}

function table(rows: number): Uint8Array {
  const prng = new Prng(8)
  const column = <Value>(value: (at: number) => Value) => Array.from({ length: rows }, (_, at) => value(at))
  return new Uint8Array(
    parquetWriteBuffer({
      columnData: [
        { name: 'id', data: Int32Array.from(column(at => at)), type: 'INT32' },
        { name: 'name', data: column(at => `row ${at} ${prng.u32()}`), type: 'STRING' },
        { name: 'half', data: column(() => prng.u32() / 2), type: 'DOUBLE' },
      ],
      rowGroupSize: 10_000,
    }),
  )
}

/** As many as the zooms have, of 1 to 8 KiB. */
function tiles(zooms: number): Uint8Array[] {
  const prng = new Prng(9)
  const count = (4 ** zooms - 1) / 3
  return Array.from({ length: count }, (_, at) => new Uint8Array(1024 + prng.below(7168)).fill(at))
}
