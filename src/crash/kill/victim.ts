/**
 * The process that is killed: opens the volume, and does one operation after the other until it is. It tells of each, on
 * descriptor 3, before it begins it and when it has ended: what it has told of a sync is a promise.
 *
 *     node victim.ts VOLUME SEED STAMP        b<n> … d<n> lines on descriptor 3; operation n stamps pages with STAMP + n
 */
import fs from 'node:fs'
import { MS, Prng } from '../../base/index.ts'
import type { File } from '../../files/index.ts'
import { Machine, type Mapping, type Space } from '../../map/index.ts'
import type { Volume } from '../../volumes/index.ts'
import { apply, nextOperation, type Operation } from './operations.ts'
import { filesOf, NOTE, note, PAGE } from './volume-files.ts'

const [, , path, seed, stamp] = process.argv
const PROMISES = 3

/** A file that is open, and mapped as far as it reached when it was. */
interface Open {
  readonly file: File
  map: Mapping | undefined
}

class Victim {
  private readonly volume: Volume
  private readonly space: Space
  private readonly opened = new Map<string, Open>()

  constructor(volume: Volume, space: Space) {
    this.volume = volume
    this.space = space
  }

  async perform(operation: Operation, stamp: number): Promise<void> {
    const { name } = operation
    switch (operation.kind) {
      case 'create':
        await this.volume.create(name)
        break
      case 'write': {
        const { file } = await this.open(name)
        await file.write(full(stamp, operation.count), operation.page * PAGE)
        break
      }
      case 'store':
        await this.store(name, operation.page, operation.count, stamp)
        break
      case 'punch': {
        const { file } = await this.open(name)
        await file.punch(operation.page * PAGE, operation.count * PAGE)
        break
      }
      case 'fallocate': {
        const { file } = await this.open(name)
        await this.volume.fallocate(file, operation.page * PAGE, operation.count * PAGE)
        break
      }
      case 'truncate': {
        const { file } = await this.open(name)
        await file.truncate(operation.pages * PAGE)
        break
      }
      case 'sync': {
        const { file } = await this.open(name)
        await file.sync()
        break
      }
      case 'unlink':
        await this.close(name)
        await this.volume.unlink(name)
        break
      case 'clone':
        await this.volume.clone(name, operation.to)
        break
      case 'rename':
        await this.close(operation.to)
        await this.close(name)
        await this.volume.rename(name, operation.to)
        break
      case 'exchange':
        await this.close(operation.to)
        await this.close(name)
        await this.volume.rename(name, operation.to, { existing: 'is exchanged' })
        break
      case 'collapse':
      case 'insert': {
        const { file } = await this.open(name)
        await this.volume[operation.kind](file, operation.page * PAGE, operation.count * PAGE)
        break
      }
      case 'own':
        await this.volume.chown(name, stamp, stamp)
        break
      case 'note':
        await this.volume.setxattr(name, NOTE, note(stamp))
        break
      case 'clone-range': {
        const { file: source } = await this.open(name)
        const { file: target } = await this.open(operation.to)
        const at = operation.page * PAGE
        await this.volume.cloneRange({ source, target, from: at, to: at, length: operation.count * PAGE })
        break
      }
    }
  }

  private async store(name: string, page: number, count: number, stamp: number): Promise<void> {
    const open = await this.open(name)
    if (open.map !== undefined && open.map.length < (page + count) * PAGE) {
      await open.map.unmap()
      open.map = undefined
    }
    open.map ??= await this.space.map(open.file, { prot: 'rw' })
    const bytes = full(stamp, 1)
    for (let at = page; at < page + count; at++) await open.map.run(view => view.write(at * PAGE, bytes))
  }

  private async open(name: string): Promise<Open> {
    let open = this.opened.get(name)
    if (open === undefined) {
      open = { file: await this.volume.open(name, { mode: 'r+' }), map: undefined }
      this.opened.set(name, open)
    }
    return open
  }

  private async close(name: string): Promise<void> {
    const open = this.opened.get(name)
    this.opened.delete(name)
    await open?.map?.unmap()
    await open?.file.close()
  }
}

function full(stamp: number, pages: number): Uint8Array {
  return new Uint8Array(new Uint32Array((pages * PAGE) / 4).fill(stamp).buffer)
}

// Little memory and hasty writeback: pages go out and come back all the time.
const machine = await Machine.start({
  memory: 256 * PAGE,
  writeback: { interval: 2 * MS, expire: 3 * MS, backgroundRatio: 0.02, ratio: 0.9 },
})
const volume = await machine.openVolume(path!, { mode: 'r+' })
const victim = new Victim(volume, machine.space({ name: 'victim' }))
const files = await filesOf(volume)
const prng = new Prng(Number(seed))
for (let n = 1; ; n++) {
  const operation = nextOperation(prng, files)
  fs.writeSync(PROMISES, `b${n}\n`)
  await victim.perform(operation, Number(stamp) + n)
  apply(files, operation, Number(stamp) + n)
  fs.writeSync(PROMISES, `d${n}\n`)
}
