/**
 * Volumes to be damaged, of many shapes, as bytes: as they are, as they were some time before, and another volume beside them;
 * and what their files hold.
 */
import fs from 'node:fs'
import { join } from 'node:path'
import type { Prng } from '../base/index.ts'
import type { Machine } from '../map/index.ts'
import type { Volume } from './index.ts'

const PAGE = 4096

/** What there is, by path. */
export interface Contents {
  /** What the files hold. */
  readonly files: ReadonlyMap<string, Buffer>
  /** What else each thing is, of whatever kind, in words (wordsOf). */
  readonly words: ReadonlyMap<string, string>
}

/** The two files of a volume. */
export interface Files {
  readonly data: Buffer
  readonly store: Buffer
}

export interface Image extends Files {
  readonly shape: string
  readonly holds: Contents
  readonly inodes: ReadonlyMap<string, number>
  /** The same volume earlier, and what it held then. */
  readonly earlier: Files & { readonly holds: Contents }
  readonly other: Files
}

/** A volume that is being filled, and what it is to hold. */
class Filled {
  readonly volume: Volume
  readonly prng: Prng
  readonly holds = new Map<string, Buffer>()
  /** Names of one file. */
  private readonly linked: Set<string>[] = []

  constructor(volume: Volume, prng: Prng) {
    this.volume = volume
    this.prng = prng
  }

  /** The same volume, opened anew. */
  in(volume: Volume): Filled {
    const again = new Filled(volume, this.prng)
    for (const [name, bytes] of this.holds) again.holds.set(name, bytes)
    again.linked.push(...this.linked)
    return again
  }

  bytes(length: number): Buffer {
    const bytes = Buffer.alloc(length, this.prng.below(255) + 1)
    for (let at = 0; at + 4 < length; at += 512) bytes.writeUInt32LE(this.prng.u32(), at)
    return bytes
  }

  async put(path: string, bytes: Buffer): Promise<void> {
    await this.volume.create(path)
    if (bytes.length > 0) await this.write(path, bytes, 0)
    else this.holds.set(path, bytes)
  }

  async write(path: string, bytes: Buffer, position: number): Promise<void> {
    const file = await this.volume.open(path, { mode: 'r+' })
    await file.write(bytes, position)
    await file.close()
    const before = this.holds.get(path) ?? Buffer.alloc(0)
    const now = Buffer.alloc(Math.max(before.length, position + bytes.length))
    before.copy(now)
    bytes.copy(now, position)
    this.set(path, now)
  }

  async link(from: string, to: string): Promise<void> {
    await this.volume.link(from, to)
    this.linked.push(new Set([from, to]))
    this.set(from, this.holds.get(from)!)
  }

  /** All names of the file hold the same. */
  private set(path: string, bytes: Buffer): void {
    for (const name of this.linked.find(names => names.has(path)) ?? [path]) this.holds.set(name, bytes)
  }

  async remove(path: string): Promise<void> {
    await this.volume.unlink(path)
    this.holds.delete(path)
    for (const names of this.linked) names.delete(path)
  }

  async clone(from: string, to: string): Promise<void> {
    await this.volume.clone(from, to)
    this.holds.set(to, this.holds.get(from)!)
  }

  async truncate(path: string, size: number): Promise<void> {
    const file = await this.volume.open(path, { mode: 'r+' })
    await file.truncate(size)
    await file.close()
    const now = Buffer.alloc(size)
    this.holds.get(path)!.copy(now)
    this.set(path, now)
  }

  async punch(path: string, position: number, length: number): Promise<void> {
    const file = await this.volume.open(path, { mode: 'r+' })
    await file.punch(position, length)
    await file.close()
    const now = Buffer.from(this.holds.get(path)!)
    now.fill(0, position, position + length)
    this.set(path, now)
  }

  /** Whole pages are taken out of a file, or put in. */
  async shift(path: string, how: 'collapse' | 'insert', page: number, pages: number): Promise<void> {
    const file = await this.volume.open(path, { mode: 'r+' })
    await this.volume[how](file, page * PAGE, pages * PAGE)
    await file.close()
    const old = this.holds.get(path)!
    const [at, length] = [page * PAGE, pages * PAGE]
    const behind = how === 'collapse' ? [old.subarray(at + length)] : [Buffer.alloc(length), old.subarray(at)]
    this.set(path, Buffer.concat([old.subarray(0, at), ...behind]))
  }

  async snapshot(from: string, to: string): Promise<void> {
    await this.volume.snapshot(from, to)
    for (const [path, bytes] of [...this.holds])
      if (path.startsWith(`${from}/`)) this.holds.set(to + path.slice(from.length), bytes)
  }

  /** What comes after the moment that `earlier` shows: some of everything changes. */
  async goOn(): Promise<void> {
    const paths = [...this.holds.keys()]
    for (let n = 0; n < 8; n++) {
      const path = this.prng.pick(paths)
      const { length } = this.holds.get(path)!
      await this.write(path, this.bytes(1 + this.prng.below(2 * PAGE)), this.prng.below(length + 1))
      if (n % 2 === 0) await this.volume.sync()
    }
    const gone = this.prng.pick(paths)
    await this.remove(gone)
    await this.put('/late', this.bytes(3 * PAGE + 7))
    await this.volume.sync()
  }
}

type Fill = (at: Filled) => Promise<void>

const SHAPES: Readonly<Record<string, { readonly size: string; readonly fill: Fill }>> = {
  'many small files': {
    size: '4 MiB',
    fill: async at => {
      await at.volume.mkdir('/d')
      for (let n = 0; n < 150; n++)
        await at.put(n % 3 === 0 ? `/d/${n}` : `/${n}`, at.bytes(at.prng.below(2 * PAGE)))
    },
  },
  'deep directories': {
    size: '2 MiB',
    fill: async at => {
      let path = ''
      for (let n = 0; n < 40; n++) {
        path += `/directory ${n} ü`
        await at.volume.mkdir(path)
        await at.put(`${path}/a`, at.bytes(at.prng.below(PAGE)))
        if (n % 4 === 0) await at.put(`${path}/b`, at.bytes(PAGE + n))
      }
      await at.link(`${path}/a`, '/another name')
    },
  },
  'large files of many extents': {
    size: '8 MiB',
    fill: async at => {
      for (const name of ['/one', '/two', '/three']) await at.put(name, at.bytes(300 * PAGE + 11))
      for (let n = 0; n < 150; n++)
        await at.write(
          at.prng.pick(['/one', '/two']),
          at.bytes(1 + at.prng.below(PAGE)),
          at.prng.below(300 * PAGE),
        )
    },
  },
  'clones and snapshots': {
    size: '4 MiB',
    fill: async at => {
      await at.volume.mkdir('/live')
      for (let n = 0; n < 12; n++) await at.put(`/live/${n}`, at.bytes(at.prng.below(20 * PAGE)))
      for (let n = 0; n < 4; n++) {
        await at.snapshot('/live', `/snapshot ${n}`)
        for (let m = 0; m < 4; m++) {
          const path = `/live/${at.prng.below(12)}`
          await at.write(
            path,
            at.bytes(1 + at.prng.below(3 * PAGE)),
            at.prng.below(at.holds.get(path)!.length + 1),
          )
        }
      }
      await at.clone('/live/3', '/clone')
    },
  },
  'sparse files': {
    size: '4 MiB',
    fill: async at => {
      for (let n = 0; n < 12; n++) {
        const path = `/sparse ${n}`
        await at.put(path, at.bytes(1 + at.prng.below(PAGE)))
        for (let m = 0; m < 8; m++) await at.write(path, at.bytes(PAGE), PAGE * at.prng.below(400))
        if (n % 3 === 0) await at.truncate(path, 500 * PAGE + 5)
        await at.punch(path, at.prng.below(PAGE), 30 * PAGE)
      }
      await at.put('/empty', Buffer.alloc(0))
      await at.put('/hole', Buffer.alloc(0))
      await at.truncate('/hole', 5 * PAGE + 1)
      const reserved = await at.volume.open('/empty', { mode: 'r+' })
      await at.volume.fallocate(reserved, 0, 10 * PAGE)
      await reserved.close()
      at.holds.set('/empty', Buffer.alloc(10 * PAGE))
    },
  },
  'everything but files': {
    size: '4 MiB',
    fill: async at => {
      const { volume, prng } = at
      const kinds = ['fifo', 'socket', 'block device', 'char device'] as const
      for (let d = 0; d < 6; d++) {
        const below = `/d${d} \udcff${'%'.repeat(10 * d)}`
        await volume.mkdir(below, { mode: prng.pick([0o700, 0o2775, 0o1755]), uid: prng.below(9), gid: d })
        for (let n = 0; n < 8; n++) {
          await volume.symlink(
            prng.pick(['a', '../b', 't/'.repeat(1 + prng.below(2000))]),
            `${below}/link ${n}`,
          )
          const kind = kinds[n % 4]!
          const rdev = n % 4 < 2 ? {} : { major: prng.below(4096), minor: prng.below(2 ** 20) }
          await volume.mknod(`${below}/node ${n}`, { kind, mode: prng.below(0o10000), ...rdev })
          const file = `${below}/file ${n}`
          await at.put(file, at.bytes(prng.below(4 * PAGE)))
          await volume.chmod(file, prng.below(0o10000))
          await volume.chown(file, prng.below(2 ** 32), prng.below(2 ** 32))
          for (let m = 0; m < prng.below(5); m++)
            await volume.setxattr(file, `user.${m}${'n'.repeat(prng.below(200))}`, at.bytes(prng.below(5000)))
          await volume.setxattr(`${below}/node ${n}`, 'trusted.t', at.bytes(prng.below(300)))
          await volume.utimes(file, { atime: new Date(1000 * prng.below(2 ** 33)), mtime: new Date(-n) })
        }
        await at.put(`${below}/shifted`, at.bytes(20 * PAGE + 5))
        await at.shift(
          `${below}/shifted`,
          prng.pick(['collapse', 'insert']),
          prng.below(10),
          1 + prng.below(5),
        )
      }
      await at.snapshot('/d1 \udcff%%%%%%%%%%', '/snapshot')
    },
  },
  'thousands of files': {
    size: '24 MiB',
    fill: async at => {
      for (let d = 0; d < 10; d++) await at.volume.mkdir(`/${d}`)
      for (let n = 0; n < 3000; n++)
        await at.put(`/${n % 10}/file number ${n}`, at.bytes(n % 40 === 0 ? PAGE + n : n % 9))
    },
  },
}

export const SHAPE_NAMES = Object.keys(SHAPES)

/** A volume of the shape, made at `path`, which is free again afterwards. */
export async function imageOf(machine: Machine, path: string, shape: string, prng: Prng): Promise<Image> {
  const { size, fill } = SHAPES[shape]!
  const other = await machine.createVolume(path, { size })
  const others = new Filled(other, prng)
  for (let n = 0; n < 20; n++) await others.put(`/${n}`, others.bytes(2 * PAGE))
  await other.close()
  const otherFiles = taken(path)
  let volume = await machine.createVolume(path, { size })
  const begun = new Filled(volume, prng)
  await fill(begun)
  await volume.close()
  const before = { ...read(path), files: new Map(begun.holds) }
  volume = await machine.openVolume(path, { mode: 'r+' })
  const earlier = { ...before, holds: { files: before.files, words: (await everything(volume)).words } }
  const at = begun.in(volume)
  await at.goOn()
  const { words, inodes } = await everything(volume)
  await volume.close()
  return { shape, ...taken(path), holds: { files: at.holds, words }, inodes, earlier, other: otherFiles }
}

/** Of each thing in a volume what it is, and its inode. */
async function everything(volume: Volume) {
  const words = new Map<string, string>()
  const inodes = new Map<string, number>()
  const directories = ['/']
  for (const directory of directories)
    for (const { name, kind } of await volume.list(directory)) {
      const path = directory === '/' ? `/${name}` : `${directory}/${name}`
      if (kind === 'directory') directories.push(path)
      words.set(path, await wordsOf(volume, path))
      inodes.set(path, (await volume.lstat(path)).ino)
    }
  return { words, inodes }
}

/** Kind, mode, owner, device and time of writing; where a link leads; extended attributes. */
export async function wordsOf(volume: Volume, path: string): Promise<string> {
  const { kind, mode, uid, gid, rdev, mtime } = await volume.lstat(path)
  const words = [kind, mode.toString(8), uid, gid, rdev, JSON.stringify(mtime)]
  if (kind === 'symlink') words.push(await volume.readlink(path))
  for (const name of await volume.listxattr(path, { link: 'itself' })) {
    const value = await volume.getxattr(path, name, { link: 'itself' })
    words.push(`${name}=${Buffer.from(value).toString('base64')}`)
  }
  return words.join(' ')
}

function read(path: string): Files {
  return { data: fs.readFileSync(join(path, 'data')), store: fs.readFileSync(join(path, 'data.mdb')) }
}

function taken(path: string): Files {
  const files = read(path)
  fs.rmSync(path, { recursive: true })
  return files
}
