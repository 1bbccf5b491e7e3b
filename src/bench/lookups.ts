/**
 * Look-ups of records of 200 bytes by Zipf's law, of which memory holds all or a part: sections of a mapping, several at once,
 * against lmdb-js in a child process under the same limit of the host's. What lmdb-js has to wait for, its thread waits for.
 *
 * Our side reads the file past the host's page cache, so the machine's memory is all that it has.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import { open } from 'lmdb'
import type { Bytes } from '../base/index.ts'
import { Machine } from '../map/index.ts'
import { limitMemory } from './cgroup.ts'
import type { Lookups } from './lmdb-lookups.ts'
import { type Bench, compareAll, type Figure, MIB, type Plan, sink } from './measure.ts'
import { Native } from './native.ts'
import { makeFile, scratchPath } from './scratch.ts'
import { measureLookups, type Rates, RECORD, Zipf } from './zipf.ts'

/** What a process has beside pages of the database: it allocates while it looks up. */
const HEAP: Bytes = 16 * MIB
const IN_FLIGHT = 32
const SEED = 15

export const lookups: Bench = {
  name: 'lookups',
  about: 'zipf look-ups of records of 200 bytes, of half to four times the memory, against lmdb-js',
  async run(plan) {
    const memory = (plan.smoke ? 4 : 64) * MIB
    const figures: Figure[] = []
    for (const times of [0.5, 1, 2, 4]) figures.push(...(await lookupsOf(plan, memory, times)))
    return figures
  },
}

async function lookupsOf(plan: Plan, memory: Bytes, times: number): Promise<Figure[]> {
  const records = Math.floor((memory * times) / RECORD)
  const path = makeFile(plan, `lookups-${times}`, records * RECORD)
  const count = plan.smoke ? 500 : times < 1 ? 200_000 : 50_000
  const child = await start(await store(plan, path, records), memory)
  await using machine = await Machine.start({ memory })
  const file = await machine.open(path, { direct: true })
  const map = await machine.space({ name: 'look-ups' }).map(file, { advice: 'random' })
  const zipf = new Zipf(records, SEED)
  const record = new Uint8Array(RECORD)
  const lookUp = () => {
    const offset = zipf.next() * RECORD
    const done = map.run(view => view.read(offset, record))
    sink.value += record[0]!
    return done
  }
  const held = `${times} times the memory`
  try {
    return await compareAll(plan, {
      name: `look-ups, ${held}`,
      what: `view.read of ${RECORD} bytes of ${records} records by Zipf's law, ${IN_FLIGHT} at once, with ${memory / MIB} MiB, against getBinaryFast ${child.what}`,
      unit: '/s',
      of: [
        { name: `look-ups, ${held}`, target: { atLeast: 1.5 } },
        { name: `their p99.9, ${held}`, target: 'none', unit: 'µs' },
        { name: `longest stall, ${held}`, target: 'none', unit: 'ms' },
      ],
      ratio: 'ours/theirs',
      rounds: 5,
      warmUps: 2,
      ours: () => measureLookups(count, IN_FLIGHT, lookUp),
      theirs: () => child.measure(count),
    })
  } finally {
    await child.end()
  }
}

/** Writes the records of a file to a database, by their numbers. */
async function store(plan: Plan, path: string, records: number): Promise<Lookups> {
  const lookups = {
    path: scratchPath(plan, 'lookups.mdb'),
    mapSize: 2 * records * RECORD + 64 * MIB,
    records,
    seed: SEED,
  }
  fs.rmSync(lookups.path, { force: true })
  const database = open({ ...lookups, keyEncoding: 'uint32', noSync: true })
  const bytes = fs.readFileSync(path)
  for (let record = 0; record < records; record++)
    void database.put(record, bytes.subarray(record * RECORD, (record + 1) * RECORD))
  await database.flushed
  await database.close()
  const fd = fs.openSync(lookups.path, 'r+')
  fs.fsyncSync(fd)
  fs.closeSync(fd)
  new Native().dropCache(lookups.path)
  return lookups
}

interface Child {
  readonly what: string
  measure(count: number): Promise<Rates>
  end(): Promise<void>
}

async function start(lookups: Lookups, memory: Bytes): Promise<Child> {
  const child = fork(new URL('./lmdb-lookups.ts', import.meta.url), [JSON.stringify(lookups)], {
    execArgv: [...process.execArgv, '--max-semi-space-size=1'],
  })
  const gone = once(child, 'exit').then(([status, signal]) => {
    throw new Error(
      `the process with lmdb-js ended with ${signal ?? `status ${status}`}; SIGKILL means that its limit of memory is too small for it`,
    )
  })
  gone.catch(() => {})
  await Promise.race([once(child, 'message'), gone])
  const limit = limitMemory(child.pid!, memory + HEAP)
  return {
    what: limit.what,
    async measure(count) {
      child.send(count)
      const [rates] = await Promise.race([once(child, 'message'), gone])
      return rates as Rates
    },
    async end() {
      const exit = once(child, 'exit')
      child.kill()
      await exit
      limit.remove()
    },
  }
}
