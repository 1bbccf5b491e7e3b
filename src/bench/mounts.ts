/**
 * A mounted volume against ext4 on the same device, and against filesystems of FUSE over that: bindfs, which hands everything on,
 * and gocryptfs, which encrypts and authenticates. Each round has all of them do the same, in turns.
 */
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import { join } from 'node:path'
import type { Bytes } from '../base/index.ts'
import { memoryBuffer } from '../host/index.ts'
import { loadFfi } from '../linux/index.ts'
import { Filesystems } from './filesystems.ts'
import { type Bench, compareWith, type Figure, MIB, median, type Plan, type Target } from './measure.ts'
import { shuffled } from './scratch.ts'
import { run } from './xfs.ts'

const GIB: Bytes = 2 ** 30
const BLOCK: Bytes = 4096
const ROUNDS = 7

/** What the ratio to each of the others should be; `none` of those that aren't named. */
type Asked = Readonly<Record<string, number>>

interface Work {
  readonly name: string
  readonly what: string
  readonly unit: string
  readonly asked: Asked
  /** Does the work in a directory, and returns its measure. More is better. */
  readonly in: (directory: string) => number
}

export const mountData: Bench = {
  name: 'mount-data',
  about: 'bytes of a mounted volume, against ext4 on the same device, bindfs and gocryptfs over it',
  run: plan => withAll(plan, dataWorks(plan)),
}

export const mountNames: Bench = {
  name: 'mount-names',
  about:
    'names of a mounted volume, cp and git, against ext4 on the same device, bindfs and gocryptfs over it',
  run: plan => withAll(plan, namesWorks(plan)),
}

export const mountCalls: Bench = {
  name: 'mount-calls',
  about: 'single calls on a mounted volume, one over the median of their times, against the same filesystems',
  run: plan => withAll(plan, callsWorks(plan)),
}

async function withAll(plan: Plan, works: readonly Work[]): Promise<Figure[]> {
  const filesystems = await Filesystems.make(plan, plan.smoke ? 128 * MIB : GIB)
  const figures: Figure[] = []
  try {
    const { ours, others } = filesystems
    for (const { name, what, unit, asked, in: work } of works) {
      if (!name.includes(plan.part)) continue
      const side = (directory: string) => () => work(directory)
      const found = await compareWith(plan, {
        name,
        what,
        unit,
        ratio: 'ours/theirs',
        rounds: ROUNDS,
        ours: side(ours.directory),
        others: others.map(({ name: other, directory }) => ({
          name: other,
          target: targetOf(asked[other]),
          side: side(directory),
        })),
      })
      figures.push(...found)
    }
  } finally {
    await filesystems.end()
  }
  return figures
}

function targetOf(atLeast: number | undefined): Target {
  return atLeast === undefined ? 'none' : { atLeast }
}

// ---- bytes

function dataWorks({ smoke }: Plan): Work[] {
  const size = (smoke ? 4 : 128) * MIB
  const reads = smoke ? 16 : 4000
  const sequential = { unit: 'MiB/s', asked: { ext4: 0.5, gocryptfs: 1 } }
  const random = { unit: 'reads/s', asked: { bindfs: 0.5 } }
  const made = (directory: string) => existing(join(directory, 'data'), size)
  return [
    {
      name: 'sequential write',
      what: `${size / MIB} MiB to a new file, 1 MiB each, and fsync`,
      ...sequential,
      in: directory => size / MIB / seconds(() => writeFile(join(directory, 'written'), size)),
    },
    {
      name: 'sequential read',
      what: `${size / MIB} MiB, 1 MiB each, which the kernel doesn't have in its cache for the mount's own file`,
      ...sequential,
      in: directory => sequentialRead(made(directory), size),
    },
    {
      name: 'random reads at depth 1',
      what: `${reads} reads of 4 KiB of a file of ${size / MIB} MiB, O_DIRECT: each is asked of the filesystem`,
      ...random,
      in: directory => randomReads(made(directory), reads, 1),
    },
    {
      name: 'random reads at depth 16',
      what: `${reads} reads of 4 KiB of a file of ${size / MIB} MiB, O_DIRECT, 16 at a time by fio's libaio`,
      ...random,
      in: directory => randomReads(made(directory), reads, 16),
    },
    {
      name: 'random writes at depth 1',
      what: `${reads} writes of 4 KiB to a file of ${size / MIB} MiB, and fsync`,
      unit: 'writes/s',
      asked: {},
      in: directory => randomWrites(made(directory), reads, size),
    },
  ]
}

function existing(path: string, size: Bytes): string {
  if (!fs.existsSync(path)) writeFile(path, size)
  return path
}

function writeFile(path: string, size: Bytes): void {
  const piece = new Uint8Array(MIB).fill(0x5a)
  fs.rmSync(path, { force: true })
  const fd = fs.openSync(path, 'w')
  for (let at = 0; at < size; at += MIB) {
    piece[0] = at / MIB
    fs.writeSync(fd, piece, 0, MIB, at)
  }
  fs.fsyncSync(fd)
  fs.closeSync(fd)
}

/** The pages of the file itself are dropped before; what lies below it may have some. */
function sequentialRead(path: string, size: Bytes): number {
  forgetPages(path)
  const piece = new Uint8Array(MIB)
  const fd = fs.openSync(path, 'r')
  const time = seconds(() => {
    for (let at = 0; at < size; at += MIB) fs.readSync(fd, piece, 0, MIB, at)
  })
  fs.closeSync(fd)
  return size / MIB / time
}

function forgetPages(path: string): void {
  run('dd', [`if=${path}`, 'iflag=nocache', 'count=0', 'status=none'])
}

function randomReads(path: string, count: number, depth: number): number {
  const { status, stdout, stderr } = spawnSync(
    'fio',
    [
      '--name=reads',
      '--rw=randread',
      '--bs=4k',
      '--direct=1',
      '--norandommap',
      `--filename=${path}`,
      `--ioengine=${depth === 1 ? 'psync' : 'libaio'}`,
      `--iodepth=${depth}`,
      `--number_ios=${count}`,
      '--output-format=json',
    ],
    { encoding: 'utf8' },
  )
  if (status !== 0) throw new Error(`fio ended with ${status}: ${stderr}`)
  const told: { jobs: { read: { iops: number } }[] } = JSON.parse(stdout.slice(stdout.indexOf('{')))
  return told.jobs[0]!.read.iops
}

function randomWrites(path: string, count: number, size: Bytes): number {
  const order = shuffled(size / BLOCK, count)
  const piece = new Uint8Array(BLOCK).fill(0xa5)
  const fd = fs.openSync(path, 'r+')
  const time = seconds(() => {
    for (let n = 0; n < count; n++) fs.writeSync(fd, piece, 0, BLOCK, order[n % order.length]! * BLOCK)
    fs.fsyncSync(fd)
  })
  fs.closeSync(fd)
  return count / time
}

// ---- names

function namesWorks({ smoke }: Plan): Work[] {
  const count = smoke ? 20 : 2000
  const files = smoke ? 20 : 10_000
  const copied = (smoke ? 1 : 64) * MIB
  const asked = { bindfs: 0.5 }
  const lstat = lstatOf()
  const named = (directory: string, act: (path: string) => void) => {
    for (let n = 0; n < count; n++) act(join(directory, 'names', `f${n}`))
  }
  const make = (directory: string) => {
    fs.mkdirSync(join(directory, 'names'), { recursive: true })
    named(directory, path => fs.closeSync(fs.openSync(path, 'w')))
  }
  const remove = (directory: string) => fs.rmSync(join(directory, 'names'), { recursive: true, force: true })
  return [
    {
      name: 'creates',
      what: `${count} new files in a directory: open and close`,
      unit: 'files/s',
      asked,
      in: directory => {
        remove(directory)
        return count / seconds(() => make(directory))
      },
    },
    {
      name: 'stats',
      what: `lstat(2) of ${count} names that the kernel has forgotten; Node's own asks for the time of birth as well`,
      unit: 'files/s',
      asked,
      in: directory => {
        make(directory)
        forgetNames()
        return count / seconds(() => named(directory, lstat))
      },
    },
    {
      name: 'unlinks',
      what: `unlink of ${count} files`,
      unit: 'files/s',
      asked,
      in: directory => {
        make(directory)
        return count / seconds(() => named(directory, path => fs.unlinkSync(path)))
      },
    },
    {
      name: 'cp',
      what: `cp of ${copied / MIB} MiB, which a volume does by sharing blocks`,
      unit: 'MiB/s',
      asked: { ext4: 1 },
      in: directory => {
        const source = existing(join(directory, 'copied'), copied)
        fs.rmSync(`${source}.copy`, { force: true })
        return copied / MIB / seconds(() => run('cp', [source, `${source}.copy`]))
      },
    },
    {
      name: 'git status',
      what: `git status of ${files} files, after another`,
      unit: 'times/s',
      asked,
      in: directory => {
        const repository = repositoryOf(directory, files)
        gitStatus(repository)
        return 1 / seconds(() => gitStatus(repository))
      },
    },
    {
      name: 'git status, cold',
      what: `the same of names that the kernel has forgotten`,
      unit: 'times/s',
      asked,
      in: directory => {
        const repository = repositoryOf(directory, files)
        forgetNames()
        return 1 / seconds(() => gitStatus(repository))
      },
    },
  ]
}

/** As C programs call it: without what statx(2) may be asked for beyond. */
function lstatOf(): (path: string) => void {
  const call = loadFfi().open('libc.so.6').call('lstat', 'int', ['pointer', 'pointer'])
  const stat = new Uint8Array(256)
  return path => {
    if (call(Buffer.from(`${path}\0`), stat) !== 0) throw new Error(`lstat of ${path} failed`)
  }
}

/** The kernel drops names and inodes that nobody uses, and keeps pages. */
function forgetNames(): void {
  fs.writeFileSync('/proc/sys/vm/drop_caches', '2')
}

function gitStatus(repository: string): void {
  run('git', ['-C', repository, 'status', '--porcelain'])
}

function repositoryOf(directory: string, files: number): string {
  const repository = join(directory, 'repository')
  if (fs.existsSync(repository)) return repository
  for (let n = 0; n < files; n++) {
    const folder = join(repository, `folder${Math.floor(n / 100)}`)
    if (n % 100 === 0) fs.mkdirSync(folder, { recursive: true })
    fs.writeFileSync(join(folder, `file${n}`), `the ${n}th\n`)
  }
  const git = (...words: string[]) => run('git', ['-C', repository, ...words])
  git('init', '-q')
  git('add', '.')
  git('-c', 'user.name=bench', '-c', 'user.email=bench@localhost', 'commit', '-qm', 'all')
  return repository
}

// ---- single calls: what else runs on the host has little part in their medians

function callsWorks({ smoke }: Plan): Work[] {
  const count = smoke ? 10 : 500
  const size = (smoke ? 4 : 64) * MIB
  const reads = shuffled(size / BLOCK, count)
  const piece = new Uint8Array(MIB).fill(0x5a)
  // It begins at a page, as O_DIRECT wants it.
  const block = new Uint8Array(memoryBuffer(MIB), 0, BLOCK)
  const asked = { bindfs: 0.5 }
  const path = (directory: string, n: number) => join(directory, 'calls', `f${n}`)
  const make = (directory: string) => {
    fs.rmSync(join(directory, 'calls'), { recursive: true, force: true })
    fs.mkdirSync(join(directory, 'calls'))
    return rate(
      count,
      n => fs.openSync(path(directory, n), 'w'),
      fd => fs.closeSync(fd),
    )
  }
  const withOpen = (directory: string, flags: number, act: (fd: number) => number) => {
    const fd = fs.openSync(existing(join(directory, 'called'), size), flags)
    try {
      return act(fd)
    } finally {
      fs.closeSync(fd)
    }
  }
  const { O_RDONLY, O_RDWR, O_DIRECT } = fs.constants
  const works: Omit<Work, 'unit' | 'asked'>[] = [
    { name: 'open of a new file', what: `open(O_CREAT) of ${count} names`, in: make },
    {
      name: 'access',
      what: `access(2) of ${count} names that the kernel has forgotten`,
      in: directory => {
        make(directory)
        forgetNames()
        return rate(count, n => fs.accessSync(path(directory, n)))
      },
    },
    {
      name: 'unlink',
      what: `unlink of ${count} empty files`,
      in: directory => {
        make(directory)
        return rate(count, n => fs.unlinkSync(path(directory, n)))
      },
    },
    {
      name: 'a new small file',
      what: `open, write of 5 bytes and close, ${count} times`,
      in: directory => {
        make(directory)
        return rate(count, n => fs.writeFileSync(`${path(directory, n)}s`, 'small'))
      },
    },
    {
      name: 'read of 4 KiB',
      what: `${count} reads at random, O_DIRECT`,
      in: directory =>
        withOpen(directory, O_RDONLY | O_DIRECT, fd =>
          rate(count, n => fs.readSync(fd, block, 0, BLOCK, reads[n % reads.length]! * BLOCK)),
        ),
    },
    {
      name: 'read of 1 MiB',
      what: `${size / MIB} reads in a row, which the kernel doesn't have in its cache for the mount's own file`,
      in: directory =>
        withOpen(directory, O_RDONLY, fd => {
          forgetPages(join(directory, 'called'))
          return rate(size / MIB, n => fs.readSync(fd, piece, 0, MIB, n * MIB))
        }),
    },
    {
      name: 'write of 1 MiB',
      what: `${size / MIB} writes in a row, over what was there, before fsync`,
      in: directory =>
        withOpen(directory, O_RDWR, fd => {
          const found = rate(size / MIB, n => fs.writeSync(fd, piece, 0, MIB, n * MIB))
          fs.fsyncSync(fd)
          return found
        }),
    },
  ]
  return works.map(work => ({ ...work, unit: 'calls/s', asked }))
}

/** Calls a second, by the median of their times. */
function rate<T>(count: number, call: (n: number) => T, after: (result: T) => void = () => {}): number {
  const times: number[] = []
  for (let n = 0; n < count; n++) {
    const start = performance.now()
    const result = call(n)
    times.push(performance.now() - start)
    after(result)
  }
  return 1000 / median(times)
}

function seconds(work: () => void): number {
  const start = performance.now()
  work()
  return (performance.now() - start) / 1000
}
