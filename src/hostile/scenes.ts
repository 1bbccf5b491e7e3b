/**
 * Programs on files and volumes, as they are played while the host fails. Each goes on past what fails as far as it can, and
 * closes what it has.
 */

import fs from 'node:fs'
import { join } from 'node:path'
import type { FileFace, MachineFace, MappingFace, VolumeFace } from '../api/index.ts'
import type { Oracle } from './oracle.ts'

const PAGE = 4096
/** Of the file of the host: pages, each a place. */
const PAGES = 24

/** What a scene has to play with. */
export interface Stage {
  readonly directory: string
  readonly oracle: Oracle
  /** Makes a call of the library: its value, or undefined if it failed, which is looked at. */
  call<T>(name: string, act: () => Promise<T> | T): Promise<{ readonly value: T } | undefined>
  start(): Promise<MachineFace>
  /** Adds LMDB's calls to those that fail, once there are some. */
  opened(volume: VolumeFace): void
}

export interface Scene {
  readonly name: string
  /** While the host is well. */
  prepare(directory: string, start: () => Promise<MachineFace>, oracle: Oracle): Promise<void>
  play(stage: Stage): Promise<void>
}

const pathOf = (directory: string): string => join(directory, 'file')
const placeOf = (page: number): string => `page ${page}`

function prepareFile(directory: string, oracle: Oracle, holes: boolean): void {
  const bytes = Buffer.alloc(PAGES * PAGE)
  for (let page = 0; page < PAGES; page++) {
    const value = holes && page % 2 === 1 ? 0 : page + 1
    bytes.writeUInt32LE(value, page * PAGE)
    oracle.begins(placeOf(page), value)
  }
  const fd = fs.openSync(pathOf(directory), 'w')
  for (let page = 0; page < PAGES; page++)
    if (!holes || page % 2 === 0) fs.writeSync(fd, bytes, page * PAGE, PAGE, page * PAGE)
  fs.ftruncateSync(fd, bytes.length)
  fs.closeSync(fd)
}

async function storeTo(
  { call, oracle }: Stage,
  map: MappingFace,
  pages: readonly number[],
  value: number,
): Promise<void> {
  const did = await call('run', () =>
    map.run(view => {
      for (const page of pages) view.setU32(page * PAGE, value + page)
    }),
  )
  for (const page of pages) oracle.stored(placeOf(page), value + page, did ? 'well' : 'perhaps')
}

async function writeTo({ call, oracle }: Stage, file: FileFace, page: number, value: number): Promise<void> {
  const bytes = Buffer.alloc(2 * PAGE)
  bytes.writeUInt32LE(value, 0)
  bytes.writeUInt32LE(value + 1, PAGE)
  const did = await call('write', () => file.write(bytes, page * PAGE))
  for (const at of [0, 1]) oracle.stored(placeOf(page + at), value + at, did ? 'well' : 'perhaps')
}

const ALL = Array.from({ length: PAGES + 4 }, (_, page) => placeOf(page))

async function playFile(stage: Stage, direct: boolean): Promise<void> {
  const { call, oracle, directory } = stage
  const machine = (await call('start', () => stage.start()))?.value
  if (machine === undefined) return
  const file = (await call('open', () => machine.open(pathOf(directory), { mode: 'r+', direct })))?.value
  const space = machine.space({ name: 'scene' })
  if (file !== undefined) {
    // Page for page, or with what lies around it: short calls of the host and longer ones.
    const advice = direct ? 'random' : 'normal'
    const map = (await call('map', () => space.map(file, { prot: 'rw', advice })))?.value
    if (map !== undefined) {
      await storeTo(stage, map, [0, 3, 7, 12], 100)
      if (await call('sync', () => map.sync())) oracle.synced(...ALL.slice(0, PAGES))
      await call('load', () => map.run(view => view.u32(20 * PAGE)))
      await storeTo(stage, map, [3, 21], 200)
    }
    await writeTo(stage, file, 8, 300)
    await writeTo(stage, file, PAGES, 400)
    if (await call('sync', () => file.sync())) oracle.synced(...ALL)
    await call('read', () => file.read(new Uint8Array(PAGE), 16 * PAGE))
    const cut = await call('truncate', () => file.truncate((PAGES + 1) * PAGE))
    oracle.stored(placeOf(PAGES + 1), undefined, cut ? 'well' : 'perhaps')
    // It makes the file longer, too, if the write before it didn't.
    oracle.stored(placeOf(PAGES), 0, 'perhaps')
    const punched = await call('punch', () => file.punch(8 * PAGE, 2 * PAGE))
    for (const page of [8, 9]) oracle.stored(placeOf(page), 0, punched ? 'well' : 'perhaps')
    if (map !== undefined) await storeTo(stage, map, [5, 12], 500)
    if (await call('sync', () => file.sync())) oracle.synced(...ALL)
    if (map !== undefined) await call('unmap', () => map.unmap())
    if (await call('close of a file', () => file.close())) oracle.synced(...ALL)
  }
  const again = (await call('open', () => machine.open(pathOf(directory), { mode: 'r+' })))?.value
  if (again !== undefined) {
    await writeTo(stage, again, 14, 600)
    if (await call('sync', () => again.sync())) oracle.synced(placeOf(14), placeOf(15))
  }
  if ((await call('close', () => machine.close())) && again !== undefined)
    oracle.synced(placeOf(14), placeOf(15))
}

/** A name of a volume is a place too: the first number of its content. */
async function playVolume(stage: Stage): Promise<void> {
  const { call, oracle, directory } = stage
  const machine = (await call('start', () => stage.start()))?.value
  if (machine === undefined) return
  const volume = (
    await call('openVolume', () => machine.openVolume(join(directory, 'volume'), { mode: 'r+' }))
  )?.value
  if (volume !== undefined) {
    stage.opened(volume)
    await playNames(stage, volume)
    const file = (await call('open', () => volume.open('/old', { mode: 'r+' })))?.value
    if (file !== undefined) await playContent(stage, machine, volume, file)
    for await (const _ of partsOf(stage, volume, '/kept'));
    await call('check', () => volume.check())
    if (await call('close of a volume', () => volume.close())) oracle.synced(...oracle.all)
  }
  await call('close', () => machine.close())
}

async function playNames({ call, oracle }: Stage, volume: VolumeFace): Promise<void> {
  const names = ['/old', '/kept', '/gone', '/moved', '/made', '/copy', '/put', '/snap/kept']
  const did = async (
    name: string,
    act: () => Promise<unknown>,
    ...places: [string, number | undefined][]
  ) => {
    const how = (await call(name, act)) ? 'well' : 'perhaps'
    for (const [place, value] of places) oracle.stored(place, value, how)
  }
  await did('create', () => volume.create('/made'), ['/made', 0])
  await did('rename', () => volume.rename('/gone', '/moved'), ['/gone', undefined], ['/moved', 3])
  if (await call('sync', () => volume.sync())) oracle.synced(...names)
  await did('clone', () => volume.clone('/kept', '/copy'), ['/copy', 2])
  await did('snapshot', () => volume.snapshot('/', '/snap'), ['/snap/kept', 2])
  await did('unlink', () => volume.unlink('/moved'), ['/moved', undefined])
  if (await call('sync', () => volume.sync())) oracle.synced(...names)
}

async function playContent(
  { call, oracle }: Stage,
  machine: MachineFace,
  volume: VolumeFace,
  file: FileFace,
): Promise<void> {
  const write = async (value: number) => {
    const bytes = Buffer.alloc(3 * PAGE)
    bytes.writeUInt32LE(value, 0)
    const did = await call('write', () => file.write(bytes, 0))
    oracle.stored('/old', value, did ? 'well' : 'perhaps')
  }
  await write(100)
  if (await call('sync', () => file.sync())) oracle.synced('/old')
  const map = (await call('map', () => machine.space({ name: 'scene' }).map(file, { prot: 'rw' })))?.value
  if (map !== undefined) {
    const did = await call('run', () => map.run(view => view.setU32(0, 200)))
    oracle.stored('/old', 200, did ? 'well' : 'perhaps')
    if (await call('sync', () => map.sync())) oracle.synced('/old')
    await call('unmap', () => map.unmap())
  }
  await call('fallocate', () => volume.fallocate(file, 4 * PAGE, 4 * PAGE))
  await write(300)
  await call('truncate', () => file.truncate(PAGE + 1))
  if (await call('close of a file', () => file.close())) oracle.synced('/old')
  else oracle.doubted('/old')
}

/** The streams of a volume: of the software machine's only. */
interface Streams {
  put(source: string, to: string): Promise<number>
  getFile(from: string, to: string): Promise<number>
  get(from: string): AsyncGenerator<Uint8Array>
}

async function* partsOf({ call, directory, oracle }: Stage, volume: VolumeFace, path: string) {
  if (!('put' in volume)) return
  const streams = volume as unknown as Streams
  const put = await call('put', () => streams.put(join(directory, 'source'), '/put'))
  oracle.stored('/put', 9, put ? 'well' : 'perhaps')
  if (put) oracle.synced('/put')
  const out = join(directory, 'out')
  const got = await call('getFile', () => streams.getFile(path, out))
  oracle.stored('out', 2, got ? 'well' : 'perhaps')
  if (got) oracle.synced('out')
  const parts = streams.get(path)
  for (;;) {
    const step = (await call('get', () => parts.next()))?.value
    if (step === undefined || step.done === true) return
    yield step.value
  }
}

async function prepareVolume(
  directory: string,
  start: () => Promise<MachineFace>,
  oracle: Oracle,
): Promise<void> {
  const machine = await start()
  const volume = await machine.createVolume(join(directory, 'volume'), { size: '2 MiB' })
  for (const [path, value] of [
    ['/old', 1],
    ['/kept', 2],
    ['/gone', 3],
  ] as const) {
    await volume.create(path)
    const file = await volume.open(path, { mode: 'r+' })
    const bytes = Buffer.alloc(5 * PAGE, value)
    bytes.writeUInt32LE(value, 0)
    await file.write(bytes, 0)
    await file.close()
    oracle.begins(path, value)
  }
  await machine.close()
  const source = Buffer.alloc(70_000, 9)
  source.writeUInt32LE(9, 0)
  fs.writeFileSync(join(directory, 'source'), source)
}

/** Makes a volume where there is none: afterwards it is there, sound, or there is none and it can be made. */
async function playMaking(stage: Stage): Promise<void> {
  const { call, oracle, directory } = stage
  const machine = (await call('start', () => stage.start()))?.value
  if (machine === undefined) return
  const volume = (
    await call('createVolume', () => machine.createVolume(join(directory, 'volume'), { size: '1 MiB' }))
  )?.value
  if (volume !== undefined) {
    stage.opened(volume)
    const did = await call('create', () => volume.create('/first'))
    oracle.stored('/first', 0, did ? 'well' : 'perhaps')
    if (await call('sync', () => volume.sync())) oracle.synced('/first')
  }
  if (await call('close', () => machine.close())) oracle.synced('/first')
}

export const SCENES: readonly Scene[] = [
  {
    name: 'a file',
    prepare: async (directory, _, oracle) => prepareFile(directory, oracle, false),
    play: stage => playFile(stage, false),
  },
  {
    name: 'a file with holes, past the host’s cache',
    prepare: async (directory, _, oracle) => prepareFile(directory, oracle, true),
    play: stage => playFile(stage, true),
  },
  { name: 'a volume', prepare: prepareVolume, play: playVolume },
  { name: 'a new volume', prepare: async () => {}, play: playMaking },
]
