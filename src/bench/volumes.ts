/**
 * Volumes against what the host has: clones against XFS's reflinks and plain copies, first stores to a cloned mapping against
 * the kernel's copy-on-write, files in and out against cp.
 */
import fs from 'node:fs'
import { join } from 'node:path'
import type { Bytes } from '../base/index.ts'
import { Machine } from '../map/index.ts'
import type { Volume } from '../volumes/index.ts'
import { type Bench, compare, type Figure, MIB, type Plan } from './measure.ts'
import { Native } from './native.ts'
import { makeFile, scratchPath } from './scratch.ts'
import { run, syncFile, XfsMount } from './xfs.ts'

const PAGE: Bytes = 4096
const GIB: Bytes = 2 ** 30
const CLONE_BYTES: Bytes = 8 * GIB

/** A new volume, in a machine of its own. */
async function newVolume(plan: Plan, name: string, size: Bytes) {
  const path = scratchPath(plan, `volume-${name}`)
  fs.rmSync(path, { recursive: true, force: true })
  const machine = await Machine.start({ memory: plan.smoke ? 8 * MIB : 256 * MIB })
  return { machine, path, volume: await machine.createVolume(path, { size }) }
}

/** As much of what was asked for as the disk has room for `copies` times, in powers of two. */
function fitting(plan: Plan, wanted: Bytes, copies: number): Bytes {
  if (plan.smoke) return 4 * MIB
  const { bavail, bsize } = fs.statfsSync(plan.directory)
  let size = wanted
  while (size > 64 * MIB && size * copies > bavail * bsize * 0.9) size /= 2
  return size
}

const seconds = async (work: () => unknown) => {
  const start = performance.now()
  await work()
  return (performance.now() - start) / 1000
}

export const volumeClone: Bench = {
  name: 'volume-clone',
  about: 'clone of a large file, durable, against cp --reflink=always on XFS and against a plain copy',
  async run(plan) {
    const size = fitting(plan, CLONE_BYTES, 4)
    const xfs = XfsMount.make(plan, size + GIB)
    const { machine, path, volume } = await newVolume(plan, 'clone', size + 64 * MIB)
    try {
      const source = makeFile({ ...plan, directory: xfs.directory }, 'clone', size)
      plan.say(`putting ${size / MIB} MiB into a volume`)
      await volume.put(source, '/a')
      const clone = () => timedClone(volume)
      const reflink = `${source}.clone`
      const plain = scratchPath(plan, 'plain')
      const { extents } = await volume.check({ data: 'metadata only' })
      const what = `a file of ${size / MIB} MiB in ${extents} extents; both sides synced`
      return [
        await compare(plan, {
          name: 'clone against a reflink',
          what: `volume.clone against cp --reflink=always on XFS: ${what}`,
          unit: 's',
          target: 'none',
          ratio: 'ours/theirs',
          rounds: 15,
          ours: clone,
          theirs: () => timedCopy(['--reflink=always', source, reflink], reflink),
        }),
        await compare(plan, {
          name: 'clone against a copy',
          what: `volume.clone against cp --reflink=never on the host's filesystem: ${what}`,
          unit: 's',
          target: 'none',
          ratio: 'theirs/ours',
          rounds: 1,
          ours: clone,
          theirs: () => timedCopy(['--reflink=never', source, plain], plain),
        }),
      ]
    } finally {
      await machine.close()
      fs.rmSync(path, { recursive: true })
      xfs.unmount()
    }
  },
}

async function timedClone(volume: Volume): Promise<number> {
  const time = await seconds(async () => {
    await volume.clone('/a', '/clone')
    await volume.sync()
  })
  await volume.unlink('/clone')
  await volume.sync()
  return time
}

/** The directory of the target is on the same filesystem: what it syncs is what cp made. */
async function timedCopy(words: readonly string[], target: string): Promise<number> {
  const time = await seconds(() => {
    run('cp', words)
    syncFile(target)
  })
  fs.rmSync(target)
  return time
}

export const volumeStores: Bench = {
  name: 'volume-stores',
  about: 'first stores to the pages of a cloned mapping, page cache and DAX, against the same on XFS',
  async run(plan) {
    const size = (plan.smoke ? 1 : 32) * MIB
    const native = new Native()
    const xfs = XfsMount.make(plan, 8 * size)
    const { machine: first, path, volume: made } = await newVolume(plan, 'stores', 4 * size + 16 * MIB)
    const source = makeFile({ ...plan, directory: xfs.directory }, 'stores', size)
    await made.put(source, '/a')
    await first.close()
    const machine = await Machine.start({ memory: plan.smoke ? 16 * MIB : 512 * MIB, dax: path })
    const volume = await machine.openVolume(path, { mode: 'r+' })
    const pages = size / PAGE
    const clone = join(xfs.directory, 'cloned')
    const theirs = () => {
      run('cp', ['--reflink=always', source, clone])
      syncFile(clone)
      const map = native.map(clone, size, { stores: true })
      let sum = 0
      for (let page = 0; page < pages; page++) sum += map.bytes[page * PAGE]!
      const start = performance.now()
      for (let page = 0; page < pages; page++) map.bytes[page * PAGE] = sum & 255
      const rate = (pages * 1000) / (performance.now() - start)
      map.unmap()
      fs.rmSync(clone)
      return rate
    }
    const figures: Figure[] = []
    try {
      for (const dax of [false, true])
        figures.push(
          await compare(plan, {
            name: dax ? 'first stores, DAX' : 'first stores, page cache',
            what: `a store to each of ${pages} pages of a clone, read before, a section each, against an mmap of a reflinked file on XFS`,
            unit: 'stores/s',
            target: { atLeast: dax ? 0.15 : 0.4 },
            ratio: 'ours/theirs',
            // V8 has compiled the loop by then.
            warmUps: 8,
            rounds: 9,
            ours: () => storesToClone(machine, volume, { dax, pages }),
            theirs,
          }),
        )
      return figures
    } finally {
      await machine.close()
      fs.rmSync(path, { recursive: true })
      xfs.unmount()
    }
  },
}

async function storesToClone(
  machine: Machine,
  volume: Volume,
  { dax, pages }: { readonly dax: boolean; readonly pages: number },
): Promise<number> {
  await volume.clone('/a', '/clone')
  await volume.sync()
  const file = await volume.open('/clone', { mode: 'r+', dax })
  const space = machine.space({ name: 'stores' })
  const map = await space.map(file, { prot: 'rw' })
  await map.populate()
  const start = performance.now()
  for (let page = 0; page < pages; page++) await map.run(view => view.setU8(page * PAGE, 1))
  const rate = (pages * 1000) / (performance.now() - start)
  await map.unmap()
  await space.exit()
  await volume.unlink('/clone')
  await file.close()
  await volume.sync()
  await volume.sync()
  return rate
}

export const volumeCopies: Bench = {
  name: 'volume-copies',
  about: 'a file into a volume and out of it again, against cp',
  async run(plan) {
    const size = fitting(plan, GIB, 6)
    const { machine, path, volume } = await newVolume(plan, 'copies', size + 64 * MIB)
    const source = makeFile(plan, 'copies', size)
    const target = scratchPath(plan, 'copied')
    const rate = async (work: () => unknown) => size / MIB / (await seconds(work))
    try {
      const put = await compare(plan, {
        name: 'put',
        what: `volume.put of ${size / MIB} MiB against cp and fsync: durable on both sides`,
        unit: 'MiB/s',
        target: { atLeast: 0.7 },
        ratio: 'ours/theirs',
        rounds: 7,
        ours: async () => {
          const found = await rate(() => volume.put(source, '/a'))
          await volume.unlink('/a')
          await volume.sync()
          await volume.sync()
          return found
        },
        theirs: async () => size / MIB / (await timedCopy([source, target], target)),
      })
      await volume.put(source, '/a')
      const get = await compare(plan, {
        name: 'get',
        what: `volume.getFile of ${size / MIB} MiB against cp and fsync: durable on both sides`,
        unit: 'MiB/s',
        target: { atLeast: 0.9 },
        ratio: 'ours/theirs',
        rounds: 7,
        ours: async () => {
          const found = await rate(() => volume.getFile('/a', target, { existing: 'is replaced' }))
          fs.rmSync(target)
          return found
        },
        theirs: async () => size / MIB / (await timedCopy([source, target], target)),
      })
      return [put, get]
    } finally {
      await machine.close()
      fs.rmSync(path, { recursive: true })
    }
  },
}
