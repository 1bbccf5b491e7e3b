/**
 * A volume of many machines beside one of this computer's directory: PostgreSQL at a socket, a server that speaks S3 in this process.
 * What is measured is what Faultline and the two servers take; how far away they are comes on top (docs/machines.md).
 */
import fs from 'node:fs'
import { join } from 'node:path'
import { startFauxqs } from 'fauxqs'
import type { File } from '../files/index.ts'
import { NO_POSTGRES, PostgresServer } from '../machines/postgres-server.fixture.ts'
import { Machine, type Mapping } from '../map/index.ts'
import type { Volume } from '../volumes/index.ts'
import { type Bench, compare, compareAll, type Figure, MIB, median, type Plan, Skipped } from './measure.ts'

const PAGE = 4096
const FOLLOWERS = 10
const ROUNDS = 3

interface Place {
  readonly meta: string
  readonly endpoint: string
  readonly fetch: typeof fetch
}

export const machines: Bench = {
  name: 'machines',
  about:
    'a volume of many machines against one in a directory: commits, bytes, readers that follow, opening, requests',
  async run(plan) {
    if (NO_POSTGRES !== false) throw new Skipped(NO_POSTGRES)
    const postgres = await PostgresServer.start()
    const s3 = await startFauxqs({ port: 0, logger: false })
    s3.createBucket('bench')
    let requests = 0
    const counted: typeof fetch = (url, init) => {
      requests++
      return fetch(url, init)
    }
    const place: Place = { meta: postgres.address, endpoint: s3.address, fetch: counted }
    const directory = fs.mkdtempSync(join(plan.directory, 'faultline-machines-'))
    const one = await Machine.start({ memory: '64 MiB' })
    try {
      const shared = await one.createVolume('bench', { ...place, data: 's3://bench/x' })
      const local = await one.createVolume(join(directory, 'v'), { size: '1 GiB' })
      const figures: Figure[] = [
        ...(await writing(plan, shared, local)),
        ...(await following(plan, one, shared, place)),
        ...(await opening(plan, shared, local, place, join(directory, 'v'), () => requests)),
      ]
      await shared.close()
      await local.close()
      return figures
    } finally {
      await one.close()
      await s3.stop()
      await postgres.stop()
      fs.rmSync(directory, { recursive: true, force: true })
    }
  },
}

async function writing(plan: Plan, shared: Volume, local: Volume): Promise<Figure[]> {
  const commits = plan.smoke ? 2 : 100
  const bytes = new Uint8Array((plan.smoke ? 1 : 64) * MIB).fill(7)
  const files = new Map<Volume, File>()
  for (const volume of [shared, local]) {
    await volume.put(new Uint8Array(PAGE), '/page')
    files.set(volume, await volume.open('/page', { mode: 'r+' }))
  }
  const committed = (volume: Volume) => async () => {
    const began = performance.now()
    for (let n = 0; n < commits; n++) {
      await files.get(volume)!.write(new Uint8Array(PAGE).fill(n), 0)
      await volume.sync()
    }
    return (performance.now() - began) / commits
  }
  const put = (volume: Volume) => async () => {
    const began = performance.now()
    await volume.put(bytes, '/bytes', { existing: 'is replaced' })
    return bytes.length / MIB / ((performance.now() - began) / 1000)
  }
  const figures = [
    await compare(plan, {
      name: 'a page written and synced',
      what: 'one writer of a volume of many machines, against one in a directory',
      unit: 'ms',
      target: 'none',
      ratio: 'ours/theirs',
      rounds: ROUNDS,
      ours: committed(shared),
      theirs: committed(local),
    }),
    await compare(plan, {
      name: `${bytes.length / MIB} MiB put`,
      what: 'one writer of a volume of many machines, against one in a directory',
      unit: 'MiB/s',
      target: 'none',
      ratio: 'ours/theirs',
      rounds: ROUNDS,
      ours: put(shared),
      theirs: put(local),
    }),
  ]
  for (const file of files.values()) await file.close()
  return figures
}

/** From the moment when a sync is promised to when a section elsewhere sees it. */
async function following(plan: Plan, one: Machine, shared: Volume, place: Place): Promise<Figure[]> {
  const commits = plan.smoke ? 2 : 60
  const file = await shared.open('/page', { mode: 'r+' })
  const space = one.space({ name: 'writer' })
  const other = await Machine.start({ memory: '64 MiB' })
  const readers: { readonly volume: Volume; readonly map: Mapping }[] = []
  for (let n = 0; n < FOLLOWERS; n++) {
    const volume = await other.openVolume('bench', { ...place, follow: 'commits' })
    readers.push({ volume, map: await other.space({ name: `reader ${n}` }).map(await volume.open('/page')) })
  }
  let round = 0
  const sights = async (): Promise<readonly number[]> => {
    const took: number[] = []
    for (let n = 0; n < commits; n++) {
      const now = ++round % 251
      await file.write(new Uint8Array(PAGE).fill(now), 0)
      await shared.sync()
      const promised = performance.now()
      await Promise.all(
        readers.map(async ({ map }) => {
          while ((await map.run(view => view.u8(77))) !== now)
            await new Promise(resolve => setTimeout(resolve, 1))
          took.push(performance.now() - promised)
        }),
      )
    }
    took.sort((a, b) => a - b)
    return [took[Math.floor(took.length / 2)]!, took[Math.floor(took.length * 0.99)]!]
  }
  const commit = async (): Promise<readonly number[]> => {
    const took: number[] = []
    for (let n = 0; n < commits; n++) {
      const began = performance.now()
      await file.write(new Uint8Array(PAGE).fill(++round % 251), 0)
      await shared.sync()
      took.push(performance.now() - began)
    }
    return [median(took), median(took)]
  }
  const figures = await compareAll(plan, {
    name: 'sight of a commit elsewhere',
    what: `from a sync's promise to a section of each of ${FOLLOWERS} readers that follow, against writing and syncing the page`,
    unit: 'ms',
    of: [
      { name: 'sight of a commit elsewhere, half of them within', target: 'none' },
      { name: 'sight of a commit elsewhere, 99 % within', target: 'none' },
    ],
    ratio: 'ours/theirs',
    rounds: ROUNDS,
    ours: sights,
    theirs: commit,
  })
  await other.close()
  await file.close()
  await space.exit()
  return figures
}

async function opening(
  plan: Plan,
  shared: Volume,
  local: Volume,
  place: Place,
  path: string,
  requests: () => number,
): Promise<Figure[]> {
  const files = plan.smoke ? 5 : 1000
  for (const volume of [shared, local]) {
    await volume.mkdir('/many')
    for (let n = 0; n < files; n++)
      await volume.put(new Uint8Array([n & 255]), `/many/${n}`, { until: 'written' })
    await volume.sync()
  }
  await local.close()
  const opened = (open: (machine: Machine) => Promise<Volume>) => async () => {
    const machine = await Machine.start({ memory: '8 MiB' })
    const began = performance.now()
    const volume = await open(machine)
    const file = await volume.open(`/many/${files - 1}`)
    await file.read(new Uint8Array(1), 0)
    const took = performance.now() - began
    await machine.close()
    return took
  }
  const cold = await compare(plan, {
    name: `opening a volume of ${files} files, and a byte of one`,
    what: 'of many machines, nothing of it here, against one in a directory',
    unit: 'ms',
    target: 'none',
    ratio: 'ours/theirs',
    rounds: ROUNDS,
    ours: opened(machine => machine.openVolume('bench', place)),
    theirs: opened(machine => machine.openVolume(path)),
  })
  const size = plan.smoke ? MIB : 64 * MIB
  const gib = size / (1024 * MIB)
  const puts = await compare(plan, {
    name: 'requests for a GiB that is put',
    what: 'against one for each 8 MiB',
    unit: '',
    target: 'none',
    ratio: 'ours/theirs',
    rounds: 1,
    ours: async () => {
      const before = requests()
      await shared.put(new Uint8Array(size).fill(9), '/gib', { existing: 'is replaced' })
      return (requests() - before) / gib
    },
    theirs: () => 128,
  })
  const gets = await compare(plan, {
    name: 'requests for a GiB that is read in order, cold',
    what: 'against one for each 8 MiB',
    unit: '',
    target: 'none',
    ratio: 'ours/theirs',
    rounds: 1,
    ours: async () => {
      await using machine = await Machine.start({ memory: '8 MiB' })
      const volume = await machine.openVolume('bench', place)
      const before = requests()
      for await (const _ of volume.get('/gib'));
      return (requests() - before) / gib
    },
    theirs: () => 128,
  })
  return [cold, puts, gets]
}
