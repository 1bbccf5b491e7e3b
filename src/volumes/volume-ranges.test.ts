/** Ranges of a volume's files, by whatever numbers, cached and DAX: what a file holds is what a plain array of bytes holds. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import fc from 'fast-check'
import { FaultlineError } from '../calls/index.ts'
import type { File } from '../files/index.ts'
import { Machine } from '../map/index.ts'
import { PAGE, refuses, scratch } from '../map/world.suite.ts'
import type { Volume } from './index.ts'

type How = 'cached' | 'dax'

const FILES = 3
const BYTES_MAX = 6 * PAGE

interface Call {
  readonly name:
    | 'write'
    | 'read'
    | 'punch'
    | 'truncate'
    | 'fallocate'
    | 'collapse'
    | 'insert'
    | 'cloneRange'
    | 'dedupe'
  readonly file: number
  readonly other: number
  readonly at: number
  readonly to: number
  /** undefined: left out. */
  readonly length: number | undefined
  readonly fill: number
}

/** Offsets where something can go wrong: edges of blocks, and beside them. */
const offset = fc.oneof(
  fc.integer({ min: 0, max: 6 }).map(page => page * PAGE),
  fc.integer({ min: 0, max: BYTES_MAX }),
  fc
    .tuple(fc.integer({ min: 0, max: 6 }), fc.constantFrom(-1, 1))
    .map(([page, by]) => Math.max(0, page * PAGE + by)),
)

const call: fc.Arbitrary<Call> = fc.record({
  name: fc.constantFrom(
    'write',
    'read',
    'punch',
    'truncate',
    'fallocate',
    'collapse',
    'insert',
    'cloneRange',
    'cloneRange',
    'dedupe',
    'dedupe',
  ),
  file: fc.integer({ min: 0, max: FILES - 1 }),
  other: fc.integer({ min: 0, max: FILES - 1 }),
  at: offset,
  to: offset,
  length: fc.option(offset, { nil: undefined }),
  fill: fc.integer({ min: 1, max: 2 }),
})

/** What each file holds, in the plainest way. */
class Model {
  readonly files: Buffer[] = Array.from({ length: FILES }, () => Buffer.alloc(0))

  private grow(file: number, size: number): Buffer {
    const old = this.files[file]!
    if (size > old.length) this.files[file] = Buffer.concat([old, Buffer.alloc(size - old.length)])
    return this.files[file]!
  }

  write({ file, at, length = 0, fill }: Call): void {
    if (length > 0) this.grow(file, at + length).fill(fill, at, at + length)
  }

  punch({ file, at, length = 0 }: Call): void {
    this.files[file]!.subarray(at, at + length).fill(0)
  }

  truncate({ file, at }: Call): void {
    this.files[file] = Buffer.from(this.grow(file, at).subarray(0, at))
  }

  fallocate({ file, at, length = 0 }: Call): void {
    this.grow(file, at + length)
  }

  /** Whether a range may be taken out or put in. */
  mayShift({ name, file, at, length = 0 }: Call): boolean {
    const { length: size } = this.files[file]!
    if (at % PAGE !== 0 || length % PAGE !== 0 || length === 0) return false
    return name === 'collapse' ? at + length < size : at < size
  }

  shift({ name, file, at, length = 0 }: Call): void {
    const old = this.files[file]!
    const [kept, hole] = name === 'collapse' ? [at + length, 0] : [at, length]
    this.files[file] = Buffer.concat([old.subarray(0, at), Buffer.alloc(hole), old.subarray(kept)])
  }

  /** Bytes that a range call is about; undefined: a rule forbids it. */
  range({ name, file, other, at, to, length }: Call): number | undefined {
    const [source, target] = [this.files[file]!, this.files[other]!]
    const bytes = length ?? Math.max(0, source.length - at)
    const ends = at + bytes === source.length && to + bytes >= target.length
    const span = Math.ceil(bytes / PAGE) * PAGE
    if (at % PAGE !== 0 || to % PAGE !== 0 || at + bytes > source.length) return undefined
    if (name === 'cloneRange' && bytes % PAGE !== 0 && !ends) return undefined
    if (name === 'dedupe' && to + bytes > target.length) return undefined
    return file === other && at < to + span && to < at + span ? undefined : bytes
  }

  clone({ file, other, at, to }: Call, bytes: number): void {
    const part = Buffer.from(this.files[file]!.subarray(at, at + bytes))
    if (bytes > 0) part.copy(this.grow(other, to + bytes), to)
  }

  same({ file, other, at, to }: Call, bytes: number): boolean {
    return this.files[file]!.subarray(at, at + bytes).equals(this.files[other]!.subarray(to, to + bytes))
  }
}

class Story {
  readonly volume: Volume
  readonly files: readonly File[]
  readonly model = new Model()

  constructor(volume: Volume, files: readonly File[]) {
    this.volume = volume
    this.files = files
  }

  async play(each: Call): Promise<void> {
    const { volume, model } = this
    const file = this.files[each.file]!
    const { at, to, length, fill } = each
    switch (each.name) {
      case 'write':
        await file.write(Buffer.alloc(length ?? 0, fill), at)
        return model.write(each)
      case 'punch':
        await file.punch(at, length ?? 0)
        return model.punch(each)
      case 'truncate':
        await file.truncate(at)
        return model.truncate(each)
      case 'read': {
        const target = Buffer.alloc(length ?? PAGE)
        const got = await file.read(target, at)
        assert.deepEqual(target.subarray(0, got), model.files[each.file]!.subarray(at, at + target.length))
        return
      }
      case 'fallocate':
        if (length === undefined || length === 0)
          await refuses(
            () => volume.fallocate(file, at, length ?? 0),
            'EINVAL',
            'fallocate',
            /at least one byte/,
          )
        else {
          await volume.fallocate(file, at, length)
          model.fallocate(each)
        }
        return
      case 'collapse':
      case 'insert': {
        const ask = () => volume[each.name as 'collapse' | 'insert'](file, at, length ?? 0)
        if (model.mayShift(each)) {
          await ask()
          model.shift(each)
        } else
          await refuses(ask, 'EINVAL', each.name, /multiple of the block size|one block at least|by truncate/)
        return
      }
      default:
        return this.range(each, {
          source: file,
          target: this.files[each.other]!,
          from: at,
          to,
          ...(length !== undefined && { length }),
        })
    }
  }

  private async range(each: Call, range: Parameters<Volume['dedupe']>[0]): Promise<void> {
    const { volume, model } = this
    const bytes = model.range(each)
    const how = each.name === 'dedupe' ? 'dedupe' : 'clone'
    const ask = () => (each.name === 'dedupe' ? volume.dedupe(range) : volume.cloneRange(range))
    if (bytes === undefined) {
      await refuses(ask, 'EINVAL', how, /multiple of the block size|past the end|overlap/)
      return
    }
    const said = await ask()
    if (each.name === 'dedupe') assert.equal(said, model.same(each, bytes))
    else model.clone(each, bytes)
  }

  async compare(): Promise<void> {
    for (const [number, file] of this.files.entries()) {
      const expected = this.model.files[number]!
      assert.equal(file.size, expected.length)
      const found = Buffer.alloc(expected.length + 1)
      assert.equal(await file.read(found, 0), expected.length)
      const differs = expected.findIndex((byte, at) => byte !== found[at])
      assert.equal(
        differs,
        -1,
        `byte ${differs} of /${number} is ${found[differs]}, expected ${expected[differs]}`,
      )
    }
  }
}

/** A machine and a volume for many stories, each with new files. */
async function stage(t: TestContext, how: How) {
  const path = join(scratch(t), 'volume')
  const maker = await Machine.start({ memory: '1 MiB' })
  await (await maker.createVolume(path, { size: '4 MiB' })).close()
  await maker.close()
  const machine = await Machine.start({ memory: '2 MiB', ...(how === 'dax' && { dax: path }) })
  t.after(() => machine.close())
  const volume = await machine.openVolume(path, { mode: 'r+' })
  const story = async (): Promise<Story> => {
    const files: File[] = []
    for (let number = 0; number < FILES; number++) {
      await volume.create(`/${number}`)
      files.push(await volume.open(`/${number}`, { mode: 'r+', dax: how === 'dax' }))
    }
    return new Story(volume, files)
  }
  const over = async ({ files }: Story): Promise<void> => {
    for (const [number, file] of files.entries()) {
      await file.close()
      await volume.unlink(`/${number}`)
    }
  }
  return { volume, story, over }
}

for (const how of ['cached', 'dax'] as const)
  describe(`ranges of ${how} files`, () => {
    test('hold what a plain array of bytes holds, and each refusal names a rule', async t => {
      if (how === 'dax' && process.platform !== 'linux') return t.skip('DAX takes Linux')
      const { volume, story, over } = await stage(t, how)
      await fc.assert(
        fc.asyncProperty(fc.array(call, { minLength: 4, maxLength: 14 }), async calls => {
          const at = await story()
          try {
            for (const [file, pages] of [
              [0, 4],
              [1, 4],
              [2, 1],
            ] as const)
              await at.play({
                name: 'write',
                file,
                other: 0,
                at: 0,
                to: 0,
                length: pages * PAGE + 100 * file,
                fill: 1,
              })
            for (const each of calls) {
              await at.play(each)
              await at.compare()
            }
          } finally {
            await over(at)
          }
        }),
        { numRuns: 40 },
      )
      assert.deepEqual((await volume.check()).wrong, [])
    })

    test('are refused for hostile numbers, by name', async t => {
      if (how === 'dax' && process.platform !== 'linux') return t.skip('DAX takes Linux')
      const { volume, story, over } = await stage(t, how)
      const at = await story()
      const [a, b] = at.files
      await a!.write(Buffer.alloc(PAGE, 1), 0)
      const hostile: readonly unknown[] = [
        -1,
        0.5,
        Number.NaN,
        Number.POSITIVE_INFINITY,
        2 ** 53,
        '1',
        null,
        {},
        [],
        true,
      ]
      for (const number of hostile) {
        const calls = [
          () => volume.cloneRange({ source: a!, target: b!, from: number as number }),
          () => volume.cloneRange({ source: a!, target: b!, to: number as number }),
          () => volume.dedupe({ source: a!, target: b!, length: number as number }),
          () => volume.fallocate(b!, number as number, 1),
          () => volume.fallocate(b!, 0, number as number),
          () => volume.collapse(a!, number as number, PAGE),
          () => volume.insert(a!, 0, number as number),
          () => a!.read(Buffer.alloc(1), number as number),
          () => a!.write(Buffer.alloc(1), number as number),
          () => a!.truncate(number as number),
          () => a!.punch(number as number, 1),
          () => a!.punch(0, number as number),
        ]
        for (const [place, ask] of calls.entries())
          await assert.rejects(
            ask,
            error => error instanceof FaultlineError && ['EINVAL', 'EFBIG'].includes(error.code),
            `${String(number)} to call ${place}`,
          )
      }
      const far = Number.MAX_SAFE_INTEGER - (Number.MAX_SAFE_INTEGER % PAGE)
      for (const ask of [
        () => volume.cloneRange({ source: a!, target: b!, to: far }),
        () => volume.fallocate(b!, far, PAGE),
        () => b!.write(Buffer.alloc(PAGE), far),
      ])
        await assert.rejects(
          ask,
          error => error instanceof FaultlineError && error.code === 'EFBIG',
          `${far}`,
        )
      assert.equal(b!.size, 0)
      await over(at)
    })
  })
