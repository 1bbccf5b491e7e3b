/**
 * Random operations on files of a directory, each answered as a flat model says: bytes in a buffer, names in a map. What a mount is
 * asked by a program, kernel's caches and all.
 *
 *     node src/posix/exercise.ts DIRECTORY [--seed N] [--count N]
 *
 * Ends with 1, and the line that replays it, at the first answer that isn't the model's.
 */
import fs from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Prng } from '../base/index.ts'
import {
  Calls,
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  FALLOC_FL_ZERO_RANGE,
  RENAME_EXCHANGE,
} from './calls.ts'

const FILES = 6
const SIZE_MAX = 300_000
const LENGTH_MAX = 40_000

interface Model {
  /** undefined: no file has the name. Two names may have one file. */
  readonly names: ({ bytes: Uint8Array } | undefined)[]
}

class Exercise {
  private readonly base: string
  private readonly chance: Prng
  private readonly calls = new Calls()
  private readonly model: Model = { names: Array.from({ length: FILES }, () => undefined) }
  private readonly open: (number | undefined)[] = Array.from({ length: FILES }, () => undefined)

  constructor(base: string, seed: number) {
    this.base = base
    this.chance = new Prng(seed)
  }

  /** One operation; says what differs. */
  step(): string | undefined {
    const at = this.chance.below(FILES)
    const file = this.model.names[at]
    if (file === undefined) return this.create(at)
    switch (this.chance.below(14)) {
      case 0:
      case 1:
      case 2:
        return this.write(at, file)
      case 3:
      case 4:
      case 5:
        return this.read(at, file)
      case 6:
        return this.truncate(at, file)
      case 7:
        return this.fallocate(at, file)
      case 8:
        return this.copy(at, file)
      case 9:
        return this.rename(at)
      case 10:
        return this.link(at, file)
      case 11:
        return this.unlink(at)
      case 12:
        this.close(at)
        return undefined
      default:
        fs.fsyncSync(this.descriptor(at))
        return undefined
    }
  }

  /** All that there is. */
  compare(): string | undefined {
    const wanted = this.model.names.flatMap((file, at) => (file === undefined ? [] : [`f${at}`]))
    const found = fs.readdirSync(this.base).sort()
    if (found.join() !== wanted.join()) return `names: wanted ${wanted}, got ${found}`
    for (const [at, file] of this.model.names.entries()) {
      if (file === undefined) continue
      const stat = fs.statSync(this.path(at))
      const links = this.model.names.filter(each => each === file).length
      if (stat.size !== file.bytes.length)
        return `f${at}: wanted ${file.bytes.length} bytes, got ${stat.size}`
      if (stat.nlink !== links) return `f${at}: wanted ${links} links, got ${stat.nlink}`
      const differs = differsAt(fs.readFileSync(this.path(at)), file.bytes)
      if (differs !== undefined) return `f${at}: byte ${differs} differs`
    }
    return undefined
  }

  end(): void {
    for (let at = 0; at < FILES; at++) this.close(at)
  }

  private path(at: number): string {
    return join(this.base, `f${at}`)
  }

  private descriptor(at: number): number {
    this.open[at] ??= fs.openSync(this.path(at), 'r+')
    return this.open[at]
  }

  private close(at: number): void {
    const fd = this.open[at]
    if (fd !== undefined) fs.closeSync(fd)
    this.open[at] = undefined
  }

  private range(most: number): { readonly position: number; readonly length: number } {
    const position = this.chance.below(most)
    return { position, length: 1 + this.chance.below(Math.min(LENGTH_MAX, most - position)) }
  }

  private create(at: number): string | undefined {
    this.open[at] = fs.openSync(this.path(at), 'wx+')
    this.model.names[at] = { bytes: new Uint8Array(0) }
    return undefined
  }

  private write(at: number, file: { bytes: Uint8Array }): string | undefined {
    const { position, length } = this.range(SIZE_MAX)
    const bytes = new Uint8Array(length)
    for (let n = 0, value = this.chance.below(256); n < length; n++) bytes[n] = value = (value * 13 + 7) & 255
    const written = fs.writeSync(this.descriptor(at), bytes, 0, length, position)
    if (written !== length) return `write: wanted ${length}, got ${written}`
    grow(file, position + length).set(bytes, position)
    return undefined
  }

  private read(at: number, file: { bytes: Uint8Array }): string | undefined {
    const { position, length } = this.range(SIZE_MAX)
    const target = new Uint8Array(length)
    const got = fs.readSync(this.descriptor(at), target, 0, length, position)
    const wanted = file.bytes.subarray(position, position + length)
    if (got !== wanted.length)
      return `read of ${position}+${length}: wanted ${wanted.length} bytes, got ${got}`
    const differs = differsAt(target.subarray(0, got), wanted)
    return differs === undefined
      ? undefined
      : `read of ${position}+${length}: byte ${position + differs} differs`
  }

  private truncate(at: number, file: { bytes: Uint8Array }): undefined {
    const size = this.chance.below(SIZE_MAX)
    fs.ftruncateSync(this.descriptor(at), size)
    if (size < file.bytes.length) file.bytes = file.bytes.slice(0, size)
    else grow(file, size)
  }

  private fallocate(at: number, file: { bytes: Uint8Array }): string | undefined {
    const { position, length } = this.range(SIZE_MAX)
    const mode = [
      0,
      FALLOC_FL_KEEP_SIZE,
      FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
      FALLOC_FL_ZERO_RANGE,
      FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
    ][this.chance.below(5)]!
    const said = this.calls.fallocate(this.descriptor(at), mode, position, length)
    if (said !== 'OK') return `fallocate ${mode} of ${position}+${length}: ${said}`
    if ((mode & FALLOC_FL_KEEP_SIZE) === 0) grow(file, position + length)
    if ((mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) !== 0)
      file.bytes.fill(0, position, position + length)
    return undefined
  }

  private copy(at: number, file: { bytes: Uint8Array }): string | undefined {
    const to = this.chance.below(FILES)
    const target = this.model.names[to]
    if (target === undefined || target === file || file.bytes.length === 0) return undefined
    const aligned = this.chance.below(2) === 0
    const place = (most: number) => {
      const position = this.chance.below(most)
      return aligned ? position - (position % 4096) : position
    }
    const [from, position] = [place(file.bytes.length), place(SIZE_MAX - LENGTH_MAX)]
    const length = Math.min(1 + this.chance.below(LENGTH_MAX), file.bytes.length - from)
    const [source, goal] = [this.descriptor(at), this.descriptor(to)]
    this.calls.lseek(source, from, 0)
    this.calls.lseek(goal, position, 0)
    for (let copied = 0; copied < length; ) {
      const got = this.calls.copyFileRange(source, goal, length - copied)
      if (typeof got === 'string' || got === 0) return `copy_file_range of ${from}+${length}: ${got}`
      copied += got
    }
    grow(target, position + length).set(file.bytes.subarray(from, from + length), position)
    return undefined
  }

  private rename(at: number): undefined {
    const to = this.chance.below(FILES)
    const { names } = this.model
    // Two names of one file: nothing happens.
    if (names[to] === names[at]) return
    const exchanges = names[to] !== undefined && this.chance.below(2) === 0
    this.calls.rename(this.path(at), this.path(to), exchanges ? RENAME_EXCHANGE : 0)
    this.close(at)
    this.close(to)
    const before = names[to]
    names[to] = names[at]
    names[at] = exchanges ? before : undefined
  }

  private link(at: number, file: { bytes: Uint8Array }): undefined {
    const to = this.chance.below(FILES)
    if (this.model.names[to] !== undefined) return
    fs.linkSync(this.path(at), this.path(to))
    this.model.names[to] = file
  }

  private unlink(at: number): undefined {
    fs.unlinkSync(this.path(at))
    this.close(at)
    this.model.names[at] = undefined
  }
}

function grow(file: { bytes: Uint8Array }, size: number): Uint8Array {
  if (size > file.bytes.length) {
    const longer = new Uint8Array(size)
    longer.set(file.bytes)
    file.bytes = longer
  }
  return file.bytes
}

function differsAt(got: Uint8Array, wanted: Uint8Array): number | undefined {
  if (Buffer.compare(got, wanted) === 0) return undefined
  const at = wanted.findIndex((byte, place) => got[place] !== byte)
  return at === -1 ? wanted.length : at
}

const COMPARE_EVERY = 500

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { seed: { type: 'string', default: '1' }, count: { type: 'string', default: '100000' } },
})
const [seed, count] = [Number(values.seed), Number(values.count)]
const base = fs.mkdtempSync(join(positionals[0]!, 'exercise-'))
const exercise = new Exercise(base, seed)
let differs: string | undefined
let done = 0
for (; done < count && differs === undefined; done++) {
  differs = exercise.step()
  if (differs === undefined && done % COMPARE_EVERY === 0) differs = exercise.compare()
}
differs ??= exercise.compare()
exercise.end()
fs.rmSync(base, { recursive: true, force: true })
if (differs === undefined) console.log(`${done} operations from seed ${seed}: as the model says`)
else {
  console.log(
    `operation ${done}: ${differs}; node src/posix/exercise.ts DIRECTORY --seed ${seed} --count ${done}`,
  )
  process.exitCode = 1
}
