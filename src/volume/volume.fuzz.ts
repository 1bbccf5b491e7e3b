/**
 *     node src/volume/volume.fuzz.ts [--seed 1] [--count 1000000] [--workers 2]
 *
 * Damaged volumes: the records and blocks of a few small ones are changed at random, and what is left is opened, checked, read
 * and written to.
 *
 * Invariants checked, of each input
 *   nothing is thrown, and everything ends: no more than STEPS_MAX attempts each, and no answer is waited for longer than HANG_MS
 *   bytes that are read are those that were written, or the read fails and the damage says where
 *   a volume that has found damage is read-only
 *
 * Changes of sort `sealed` have a right checksum, as a bug would write them: what such a record says is believed, so of these only
 * the first and the third hold, and that the check ends.
 */
import { Buffer } from 'node:buffer'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { isMainThread, parentPort, Worker } from 'node:worker_threads'
import { type Bytes, errno, errnoName, type Ns, Prng, ROOT } from '../base/index.ts'
import { type CopyArgs, copyArgs, syncArgs, truncateArgs } from '../cache/index.ts'
import { MemoryDevice } from '../device/index.ts'
import { Engine } from '../engine/index.ts'
import { newReadState } from '../memmap/index.ts'
import type { Task, Verb } from '../sched/index.ts'
import { MIX53 } from './checksum.ts'
import { inFormat1 } from './format-1.ts'
import { EPOCH, planned } from './inode.ts'
import { MemoryStore } from './memory-store.ts'
import { Opening, openArgs } from './mounting.ts'
import { encodeNumbers, hex, putU64, viewOf } from './records.ts'
import { snapshotArgs } from './snapshot.ts'
import { Upgrading, upgradingArgs } from './upgrading.ts'
import type { Volume } from './volume.ts'
import { type Image, PAGE, VolumeWorld } from './volume-world.suite.ts'

const BLOCKS = 24
const FRAMES = 24
const STEPS_MAX = 20_000
const HANG_MS = 300_000
const CHANGES_MAX = 3
/** Inputs that a worker is given at a time. */
const PORTION = 500

/** Numbers that are seldom right. */
const ODD_NUMBERS = [
  0,
  1,
  2,
  3,
  BLOCKS - 1,
  BLOCKS,
  63,
  64,
  2 ** 31,
  2 ** 32,
  2 ** 40 - 1,
  2 ** 40,
  2 ** 53 - 1,
]

/** Where each field of an inode begins, and how many bytes it has (docs/volume-format.md). */
const INODE_FIELDS = [
  ['kind', 0, 1],
  ['flags', 1, 1],
  ['mode', 2, 2],
  ['uid', 4, 4],
  ['gid', 8, 4],
  ['links', 12, 4],
  ['size', 16, 8],
  ['blocks', 24, 8],
  ['parent', 32, 8],
  ['rdev', 40, 4],
  ['generation', 44, 4],
  ['atime', 48, 8],
  ['mtime', 56, 8],
  ['ctime', 64, 8],
  ['btime', 72, 8],
  ['nanoseconds of atime', 80, 4],
  ['nanoseconds of btime', 92, 4],
] as const

interface Base {
  readonly image: Image
  /** What files hold. */
  readonly files: ReadonlyMap<string, Uint8Array>
}

interface Input {
  readonly records: Map<string, Uint8Array>
  readonly device: Uint8Array
  /** What was changed, in words. */
  readonly changes: string[]
  /** Whether a record says something wrong with a right checksum, or is gone. */
  believable: boolean
}

type Plant = (volume: Volume) => void

type Change = (input: Input, prng: Prng) => string

// ---- the volumes

let made: readonly Base[] | undefined

function bases(): readonly Base[] {
  made ??= [small(), shared(), busy(), attributed(), older()]
  return made
}

function small(): Base {
  const at = new VolumeWorld({ blocks: BLOCKS, checked: false })
  at.create('/a', 3)
  at.create('/b', 2, 50)
  return baseOf(at, ['/a', '/b'])
}

/** Clones, a directory, a file with a hole and with blocks set aside. */
function shared(): Base {
  const at = new VolumeWorld({ blocks: BLOCKS, checked: false })
  const a = at.create('/a', 4)
  const b = at.create('/b', 0)
  at.remap('clone', a, b)
  at.volume.create('/d', 'directory')
  at.volume.link('/a', '/d/l')
  at.write(b, PAGE, new Uint8Array(100).fill(99))
  at.world.punch(a, 2 * PAGE, PAGE)
  at.allocate(a, 4 * PAGE, 2 * PAGE)
  for (const file of [a, b]) at.sync(file)
  return baseOf(at, ['/a', '/b', '/d/l'])
}

/** As a crash leaves it: blocks pending free, and an orphan. */
function busy(): Base {
  const at = new VolumeWorld({ blocks: BLOCKS, checked: false })
  at.volume.create('/d', 'directory')
  const a = at.create('/d/a', 3)
  const b = at.create('/b', 3, 70)
  at.volume.unlink('/b')
  at.write(a, 0, new Uint8Array(PAGE).fill(88))
  at.write(b, 0, new Uint8Array(PAGE).fill(89))
  at.sync(b)
  at.sync(a)
  return baseOf(at, ['/d/a'])
}

/** Links, a device, attributes in several pieces, a directory that is sealed; a file with two names. */
function attributed(): Base {
  const at = new VolumeWorld({ blocks: BLOCKS, checked: false })
  const { volume } = at
  volume.create('/d', 'directory')
  const a = at.create('/d/a', 2)
  volume.link('/d/a', '/b')
  volume.create('/l', { ...planned('symlink'), target: 'd/a' })
  volume.create('/null', { ...planned('char device'), rdev: 0x103 })
  const { ino } = a.volumeFile.node
  for (const [name, length] of [
    ['user.a', 2000],
    ['security.capability', 20],
  ] as const)
    volume.inodes.setxattr(ino, name, new Uint8Array(length).fill(length & 255), 'set', EPOCH)
  at.world.spawn(volume.snapshot, snapshotArgs({ from: '/d', to: '/s', mode: 'r' }))
  at.world.settle()
  at.sync(a)
  return baseOf(at, ['/d/a', '/s/a'])
}

/** Of format 1: directories in directories, a clone, two names. */
function older(): Base {
  const at = new VolumeWorld({ blocks: BLOCKS, checked: false })
  for (const path of ['/d', '/d/e']) at.volume.create(path, 'directory')
  const a = at.create('/d/e/a', 3)
  const b = at.create('/b', 0)
  at.remap('clone', a, b)
  at.volume.link('/b', '/d/l')
  for (const file of [a, b]) at.sync(file)
  const { image, files } = baseOf(at, ['/d/e/a', '/b', '/d/l'])
  return { image: { ...image, store: inFormat1(image.store) }, files }
}

function baseOf(at: VolumeWorld, paths: readonly string[]): Base {
  const image = at.image()
  const later = new VolumeWorld({ blocks: BLOCKS, checked: false, image })
  const bytesOf = (path: string) => {
    const file = later.open(path)
    return later.read(file, 0, file.file.size).slice()
  }
  return { image, files: new Map(paths.map(path => [path, bytesOf(path)])) }
}

// ---- the changes

/** Changes that a checksum tells. */
const RAW: readonly Change[] = [
  ({ records }, prng) => {
    const [key, value] = prng.pick([...records])
    const flipped = value.slice()
    const bit = prng.below(8 * flipped.length)
    flipped[bit >>> 3]! ^= 1 << (bit & 7)
    records.set(key, flipped)
    return `bit ${bit} of ${key} flipped`
  },
  ({ records }, prng) => {
    const [key, value] = prng.pick([...records])
    const length = prng.below(value.length)
    records.set(key, value.slice(0, length))
    return `${key} cut to ${length} bytes`
  },
  ({ records }, prng) => {
    const [key, value] = prng.pick([...records])
    const longer = new Uint8Array(value.length + 1 + prng.below(64))
    longer.set(value)
    records.set(key, longer)
    return `${key} made ${longer.length} bytes long`
  },
  ({ records }, prng) => {
    const [key, value] = prng.pick([...records])
    const noise = Uint8Array.from(value, () => prng.below(256))
    records.set(key, noise)
    return `${key} is noise`
  },
  ({ records }, prng) => {
    const [from, to] = [prng.pick([...records.keys()]), prng.pick([...records.keys()])]
    if (from === to) return 'nothing'
    records.set(to, records.get(from)!)
    return `${from} also under ${to}`
  },
  ({ records }, prng) => {
    const [key, value] = prng.pick([...records])
    const other = oddKey(key, prng)
    if (records.has(other)) return 'nothing'
    records.set(other, value)
    return `${key} also under ${other}`
  },
  ({ device }, prng) => {
    const bit = prng.below(8 * PAGE)
    device[bit >>> 3]! ^= 1 << (bit & 7)
    return `bit ${bit} of the first block flipped`
  },
  ({ device }, prng) => {
    const bit = prng.below(8 * device.length)
    device[bit >>> 3]! ^= 1 << (bit & 7)
    return `bit ${bit} of the device flipped`
  },
  ({ device }, prng) => {
    const [from, to] = [prng.below(BLOCKS), prng.below(BLOCKS)]
    device.copyWithin(to * PAGE, from * PAGE, (from + 1) * PAGE)
    return `block ${from} also at ${to}`
  },
  ({ device }, prng) => {
    const length = prng.below(PAGE)
    const block = prng.below(BLOCKS)
    device.fill(0, block * PAGE + length, (block + 1) * PAGE)
    return `block ${block} zero from ${length}`
  },
]

/** Changes that no checksum tells. */
const SEALED: readonly Change[] = [
  ({ records }, prng) => {
    const key = prng.pick([...records.keys()])
    records.delete(key)
    return `${key} gone`
  },
  (input, prng) => {
    const key = prng.pick([...input.records.keys()])
    const value = payload(input, key)
    if (value.length < 8) return 'nothing'
    const at = 8 * prng.below(Math.floor(value.length / 8))
    const number = oddNumber(prng)
    putU64(viewOf(value), at, number)
    seal(input, key, value)
    return `number ${at / 8} of ${key} is ${number}`
  },
  (input, prng) => {
    const key = prng.pick([...input.records.keys()])
    const value = payload(input, key).slice(0, prng.below(40))
    seal(input, key, value)
    return `${key} is sealed with ${value.length} bytes`
  },
  (input, prng) => {
    const key = prng.pick([...input.records.keys()])
    const other = oddKey(key, prng)
    seal(input, other, payload(input, key))
    return `${key} is sealed under ${other} too`
  },
  (input, prng) => {
    const table = prng.pick(['f', 'r', 'l', 'p', `e${hex(2)}`, `e${hex(3)}`])
    const last = oddNumber(prng)
    const run = [oddNumber(prng), oddNumber(prng), prng.below(4)]
    const key = table + hex(Math.min(last, 2 ** 40 - 1))
    seal(input, key, encodeNumbers(...run))
    return `run ${key}: ${run}`
  },
  (input, prng) => {
    const [directory, ino, kind] = [1 + prng.below(5), 1 + prng.below(6), prng.below(4)]
    const key = `d${hex(directory)}/${prng.pick(['a', 'b', 'd', 'x', '%', '%ff', ''])}`
    seal(input, key, encodeNumbers(ino, kind))
    return `entry ${key} leads to ${ino}`
  },
  (input, prng) => {
    const ino = 1 + prng.below(6)
    const inode = [prng.below(4), prng.below(3), oddNumber(prng)]
    seal(input, `i${hex(ino)}`, encodeNumbers(...inode))
    return `inode ${ino} of format 1: ${inode}`
  },
  (input, prng) => {
    const keys = [...input.records.keys()].filter(key => /^[aiy]/.test(key))
    const key = prng.pick(keys)
    const value = payload(input, key)
    const at = prng.below(value.length)
    const byte = prng.pick([0, 1, 2, 0x7f, 0x80, 0xff])
    value[at] = byte
    seal(input, key, value)
    return `byte ${at} of ${key} is ${byte}`
  },
  (input, prng) => {
    const key = prng.pick([...input.records.keys()].filter(each => each.startsWith('i')))
    const value = payload(input, key)
    const [field, offset, bytes] = prng.pick(INODE_FIELDS)
    if (offset + bytes > value.length) return 'nothing'
    const number = oddNumber(prng)
    for (let at = 0; at < bytes; at++) value[offset + at] = Math.floor(number / 256 ** at) % 256
    seal(input, key, value)
    return `${field} of ${key} is ${number}`
  },
  (input, prng) => {
    const [ino, parent] = [1 + prng.below(9), 1 + prng.below(9)]
    const key = `i${hex(ino)}`
    if (!input.records.has(key)) return 'nothing'
    const value = payload(input, key)
    if (value.length < 40) return 'nothing'
    putU64(viewOf(value), 32, parent)
    seal(input, key, value)
    return `inode ${ino} lies in ${parent}`
  },
  (input, prng) => {
    const keys = [...input.records.keys()].filter(key => /^[ay]/.test(key))
    if (keys.length === 0) return 'nothing'
    const key = prng.pick(keys)
    const other = key.slice(0, -2) + prng.pick(['00', '01', '02', '3f', 'ff', 'zz'])
    seal(input, other, payload(input, key))
    return `${key} is sealed under ${other} too`
  },
]

function inputOf(seed: number): { readonly input: Input; readonly base: Base } {
  const prng = new Prng(seed)
  const base = prng.pick(bases())
  const records = new Map(base.image.store)
  const input: Input = { records, device: base.image.device.slice(), changes: [], believable: false }
  for (let left = 1 + prng.below(CHANGES_MAX); left > 0; left--) {
    const isSealed = prng.below(2) === 0
    if (isSealed) input.believable = true
    input.changes.push(prng.pick(isSealed ? SEALED : RAW)(input, prng))
  }
  return { input, base }
}

function payload({ records }: Input, key: string): Uint8Array {
  const value = records.get(key)!
  return value.slice(0, Math.max(0, value.length - 8))
}

/** Puts a record in with its checksum, as the overlay does. */
function seal({ records }: Input, key: string, value: Uint8Array): void {
  const sealed = new Uint8Array(value.length + 8)
  sealed.set(value)
  putU64(viewOf(sealed), value.length, MIX53.of(Buffer.concat([value, Buffer.from(key, 'latin1')])))
  records.set(key, sealed)
}

function oddNumber(prng: Prng): number {
  return prng.below(3) === 0 ? prng.below(8) : prng.pick(ODD_NUMBERS)
}

function oddKey(key: string, prng: Prng): string {
  return key.length < 11 ? `i${hex(oddNumber(prng) % 2 ** 40)}` : key.slice(0, -10) + hex(prng.below(BLOCKS))
}

// ---- what becomes of them

/** Opens a damaged volume and uses it. Returns what is wrong with that, if something is. `plant` puts a bug into it. */
export function judgeDamage(seed: number, plant: Plant = () => {}): string | undefined {
  const { input, base } = inputOf(seed)
  const wrong = new Trial(input, plant).run(base.files)
  return wrong === undefined ? undefined : `--seed ${seed} --count 1: ${wrong}  [${input.changes.join('; ')}]`
}

class Trial {
  private readonly input: Input
  private readonly plant: Plant
  private readonly engine: Engine
  private volume: Volume | undefined

  constructor(input: Input, plant: Plant) {
    this.input = input
    this.plant = plant
    const driver = { now: (): Ns => 0, wake() {} }
    this.engine = new Engine({ driver, buffer: new ArrayBuffer((FRAMES + 1) * PAGE), pageSize: PAGE })
  }

  run(files: Base['files']): string | undefined {
    try {
      return this.attempt(files)
    } catch (error) {
      return `throws ${error instanceof Error ? error.stack : error}`
    }
  }

  private attempt(files: Base['files']): string | undefined {
    const { scheduler, cache, io, verbs } = this.engine
    const device = new MemoryDevice(scheduler, { name: 'disk', length: BLOCKS * PAGE })
    device.poke(0, this.input.device)
    const store = new MemoryStore(scheduler, this.input.records)
    const opening = this.spawn(new Opening(), openArgs({ cache, io, calls: verbs, device, store }))
    if (opening.errno !== 0) {
      const { why } = opening.args
      return why === '' ? `doesn’t open with ${errnoName(opening.errno)}, and doesn’t say why` : undefined
    }
    this.volume = opening.args.volume!
    this.plant(this.volume)
    this.volume.check()
    for (const [path, bytes] of files) {
      const wrong = this.readFile(path, bytes)
      if (wrong !== undefined) return wrong
    }
    return this.use(files) ?? this.finish(files)
  }

  private readFile(path: string, expected: Uint8Array): string | undefined {
    const volume = this.volume!
    volume.stat(path)
    const opened = volume.open(path)
    if (opened.value === undefined)
      return opened.errno === errno.EUCLEAN && volume.damageCount === 0
        ? `${path}: EUCLEAN, and no word of it`
        : undefined
    const { cached } = opened.value
    const damages = volume.damageCount
    for (const position of [0, PAGE, 2 * PAGE, Math.max(0, cached.size - PAGE)]) {
      const task = this.copy(this.engine.verbs.read, cached, position, new Uint8Array(PAGE))
      if (task.errno !== 0) {
        if (volume.damageCount === damages && !this.input.believable)
          return `a read of ${path} fails with ${errnoName(task.errno)}, and nobody says where`
        continue
      }
      const read = task.args.buffer.subarray(0, task.args.copied)
      if (this.input.believable) continue
      if (Buffer.compare(read, expected.subarray(position, position + PAGE)) !== 0)
        return `${path} has wrong bytes from ${position} on`
    }
    return undefined
  }

  /** Writes, makes durable, cuts, names: each does what it should, or fails. */
  private use(files: Base['files']): string | undefined {
    const volume = this.volume!
    const [path] = files.keys()
    const wasFormat1 = volume.header.format === 1
    const upgrade = this.spawn(new Upgrading(), upgradingArgs({ volume, uid: 0, gid: 0, now: EPOCH }))
    if (wasFormat1 && upgrade.errno === 0 && volume.header.format === 1)
      return 'an upgrade that upgrades nothing'
    if (wasFormat1 && volume.damageCount > 0 && upgrade.errno === 0) return 'a damaged volume is upgraded'
    const opened = volume.open(path!)
    if (opened.value === undefined) return undefined
    const { cached } = opened.value
    const wasReadOnly = volume.isReadOnly
    const write = this.copy(this.engine.verbs.write, cached, 100, new Uint8Array(PAGE).fill(7))
    if (wasReadOnly && write.errno === 0) return 'a volume that is damaged takes a write'
    this.spawn(this.engine.verbs.sync, syncArgs(cached, 0, Infinity, { seen: 0 }))
    this.spawn(this.engine.verbs.truncate, truncateArgs(cached, { size: PAGE + 10 }))
    this.useAttributes()
    volume.list('/')
    volume.create('/new', 'file')
    volume.rename('/new', '/newer')
    volume.unlink(path!)
    volume.sync()
    this.settle()
    return undefined
  }

  /** What is asked by number, and changed. */
  private useAttributes(): void {
    const { inodes } = this.volume!
    for (const ino of [1, 2, 5]) {
      const found = inodes.getattr(ino)
      inodes.readlink(ino)
      for (const name of inodes.listxattr(ino).value ?? []) inodes.getxattr(ino, name)
      inodes.readdir(ino, 'a', 5)
      inodes.setattr(ino, { mode: 0o600, uid: 3 }, EPOCH)
      inodes.setxattr(ino, 'user.b', new Uint8Array(1500), 'set', EPOCH)
      inodes.removexattr(ino, 'user.a', EPOCH)
      if (found.value?.kind !== 'directory') continue
      const place = { directory: ino, name: 'new' }
      inodes.make(place, planned('directory'), EPOCH)
      inodes.rename(place, { directory: 1 + (ino % 4), name: 'moved' }, 'replace', EPOCH)
      inodes.rmdir({ directory: 1 + (ino % 4), name: 'moved' }, EPOCH)
    }
    for (const path of ['/l', '/s/a', '/l/x']) this.volume!.stat(path)
  }

  private finish(files: Base['files']): string | undefined {
    const volume = this.volume!
    volume.check()
    if (volume.damageCount > 0 && !volume.isReadOnly) return 'damage was found, and it isn’t read-only'
    if (this.input.believable || volume.damageCount > 0) return undefined
    // Nothing was found: what no operation has touched reads as before.
    for (const [path, bytes] of [...files].slice(1)) {
      const wrong = this.readFile(path, bytes)
      if (wrong !== undefined && path !== '/d/l') return `afterwards ${wrong}`
    }
    return undefined
  }

  private copy(
    verb: Verb<CopyArgs>,
    file: CopyArgs['file'],
    position: Bytes,
    bytes: Uint8Array,
  ): Task<CopyArgs> {
    return this.spawn(verb, copyArgs(file, position, bytes, newReadState('normal')))
  }

  private spawn<Args>(verb: Verb<Args>, args: Args): Task<Args> {
    const task = this.engine.scheduler.spawn(verb, args, { name: verb.name, group: ROOT })
    this.settle()
    if (task.state !== 'ended') throw new Error(`${verb.name} doesn’t end`)
    return task
  }

  private settle(): void {
    const { scheduler } = this.engine
    for (let steps = 0; ; steps++) {
      if (steps > STEPS_MAX) throw new Error(`after ${STEPS_MAX} attempts it still runs`)
      scheduler.fireTimers()
      const task = scheduler.ready()[0]
      if (task === undefined) return
      scheduler.step(task)
    }
  }
}

// ---- many of them

/** Judges `count` inputs from `seed` on. Returns what is wrong. */
export function judgeMany(seed: number, count: number, plant?: Plant): string[] {
  const wrong: string[] = []
  for (let at = seed; at < seed + count; at++) {
    const says = judgeDamage(at, plant)
    if (says !== undefined) wrong.push(says)
  }
  return wrong
}

interface Portion {
  readonly seed: number
  readonly count: number
}

/** Workers take a portion each until none is left. One that doesn't answer in time hangs, and another takes its place. */
async function campaign(seed: number, count: number, workers: number): Promise<string[]> {
  const wrong: string[] = []
  let next = seed
  const end = seed + count
  const show = process.stderr.isTTY === true
  const one = () =>
    new Promise<void>((resolve, reject) => {
      const worker = new Worker(new URL(import.meta.url))
      let watch: NodeJS.Timeout | undefined
      let portion: Portion
      const stop = () => {
        clearTimeout(watch)
        void worker.terminate().then(() => resolve())
      }
      const give = () => {
        clearTimeout(watch)
        if (next >= end) return stop()
        portion = { seed: next, count: Math.min(PORTION, end - next) }
        next += portion.count
        if (show) process.stderr.write(`\r\u001b[2K${(next - seed).toLocaleString('en')} inputs`)
        watch = setTimeout(() => {
          wrong.push(`--seed ${portion.seed} --count ${portion.count}: no answer for ${HANG_MS / 1000} s`)
          stop()
        }, HANG_MS)
        worker.postMessage(portion)
      }
      worker.on('message', (found: string[]) => {
        wrong.push(...found)
        give()
      })
      worker.on('error', reject)
      give()
    })
  const lane = async () => {
    while (next < end) await one()
  }
  await Promise.all(Array.from({ length: workers }, lane))
  if (show) process.stderr.write('\r\u001b[2K')
  return wrong
}

if (!isMainThread)
  parentPort?.on('message', ({ seed, count }: Portion) => parentPort!.postMessage(judgeMany(seed, count)))
else if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string', default: '1' },
      count: { type: 'string', default: '1000000' },
      workers: { type: 'string', default: '2' },
    },
  })
  const began = performance.now()
  const [seed, count] = [Number(values.seed), Number(values.count)]
  const wrong = await campaign(seed, count, Number(values.workers))
  for (const says of wrong.slice(0, 20)) console.log(says)
  const seconds = ((performance.now() - began) / 1000).toFixed(1)
  console.log(`${count} inputs from seed ${seed} in ${seconds} s: ${wrong.length} wrong`)
  process.exitCode = wrong.length === 0 ? 0 : 1
}
