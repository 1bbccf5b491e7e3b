/**
 *     node src/volumes/damage.fuzz.ts [--seed 1] [--count 10000] [--from 0] [--shape S]
 *
 * Volumes on this computer, damaged at random, read, repaired and read again. A failure is printed with the line that plays it
 * again.
 *
 * Invariants checked, of each damage
 *   DF1 Whatever is read, before and after, is what the file holds, or a FaultlineError; and everything ends. So it is with what else a
 *       thing is: kind, mode, owner, times, where it leads, extended attributes.
 *   DF2 What could be read before the repair can be read after it.
 *   DF3 After a repair the check finds nothing, and the volume takes changes; a second repair has nothing to do.
 *   DF4 Each file that isn't there or can't be read any more, and each thing that is another than it was, is told of by path or inode;
 *       where nothing is given up, all is there.
 *   DF5 A repair that is refused has changed neither file.
 */
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { Prng } from '../base/index.ts'
import { FaultlineError } from '../calls/index.ts'
import { Machine } from '../map/index.ts'
import { damaged } from './damage-kinds.suite.ts'
import { type Contents, type Image, imageOf, SHAPE_NAMES, wordsOf } from './damaged-shapes.suite.ts'
import type { Volume } from './index.ts'

/** No call takes longer. */
const HANG_MS = 120_000
/** Damages of one image, until another is made. */
const PER_IMAGE = 250
/** Files that are looked at, of more. */
const LOOKED_AT = 120

export interface Counts {
  damages: number
  readonly: number
  mended: number
  refused: number
  sound: number
  readonly givenUp: number
}

/** How what was looked at is found: 'ok', or the code of the error, or how it differs. */
interface Sight {
  readonly files: Map<string, string>
  readonly words: Map<string, string>
}
/** Of what is another thing than it was before: that is allowed after a repair, which tells of it. */
const OTHER = 'another'

class Broken extends Error {}

function broke(rule: string, what: string): never {
  throw new Broken(`${rule}: ${what}`)
}

/** The value, or the error if it is one of ours. */
async function typed<T>(rule: string, what: string, call: () => Promise<T>): Promise<T | FaultlineError> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Broken(`${rule}: ${what} hangs`)), HANG_MS)
  })
  try {
    return await Promise.race([call(), late])
  } catch (error) {
    if (error instanceof FaultlineError) return error
    if (error instanceof Broken) throw error
    return broke(rule, `${what}: ${error instanceof Error ? error.stack : error}`)
  } finally {
    clearTimeout(timer)
  }
}

async function held(volume: Volume, path: string): Promise<Buffer> {
  const parts: Buffer[] = []
  for await (const part of volume.get(path)) parts.push(Buffer.from(part))
  return Buffer.concat(parts)
}

/** One damage of an image: throws Broken if a rule is. */
export async function playDamage(
  image: Image,
  path: string,
  seed: number,
): Promise<'mended' | 'refused' | 'sound'> {
  const prng = new Prng(seed)
  const damage = damaged(image, prng)
  try {
    return await new Play(image, path, damage.holds, prng).run(damage)
  } catch (error) {
    if (!(error instanceof Broken)) throw error
    throw new Broken(`${error.message}\n  ${image.shape}; ${damage.what.join('; ')}`)
  }
}

class Play {
  private readonly image: Image
  private readonly path: string
  private readonly holds: readonly Contents[]
  private readonly prng: Prng
  private readonly looked: readonly string[]
  private readonly lookedAt: readonly string[]

  constructor(image: Image, path: string, holds: readonly Contents[], prng: Prng) {
    this.image = image
    this.path = path
    this.holds = holds
    this.prng = prng
    const some = (names: readonly string[]) =>
      names.length <= LOOKED_AT ? names : Array.from({ length: LOOKED_AT }, () => prng.pick(names))
    this.looked = some([...holds[0]!.files.keys()])
    this.lookedAt = some([...holds[0]!.words.keys()])
  }

  async run({
    data,
    store,
  }: {
    readonly data: Buffer
    readonly store: Buffer
  }): Promise<'mended' | 'refused' | 'sound'> {
    fs.rmSync(this.path, { recursive: true, force: true })
    fs.mkdirSync(this.path)
    fs.writeFileSync(join(this.path, 'data'), data)
    fs.writeFileSync(join(this.path, 'data.mdb'), store)
    const before = await this.look()
    for (const [name, saw] of before.words)
      if (saw === OTHER) broke('DF1', `${name} isn't what it was made as`)
    const repaired = await this.machine(machine =>
      typed('DF1', 'repair', () => machine.repairVolume(this.path)),
    )
    if (repaired instanceof FaultlineError) {
      const same =
        fs.readFileSync(join(this.path, 'data')).equals(data) &&
        fs.readFileSync(join(this.path, 'data.mdb')).equals(store)
      if (!same) broke('DF5', `${repaired.message}, and something was changed`)
      if (!/nothing was changed/.test(repaired.message)) broke('DF5', repaired.message)
      return 'refused'
    }
    const { givenUp, wrong } = repaired
    const after = await this.look()
    for (const what of ['files', 'words'] as const) {
      for (const [name, saw] of before[what])
        if (saw === 'ok' && after[what].get(name) !== 'ok')
          broke('DF2', `${name}: its ${what} are ${after[what].get(name)}`)
      for (const [name, saw] of after[what]) if (saw !== 'ok') this.isTold(name, saw, givenUp)
    }
    await this.goOn()
    return wrong.length === 0 ? 'sound' : 'mended'
  }

  private async machine<T>(act: (machine: Machine) => Promise<T>): Promise<T> {
    const machine = await Machine.start({ memory: '2 MiB' })
    try {
      return await act(machine)
    } finally {
      await machine.close()
    }
  }

  /** Reads files in every way that there is (DF1). */
  private async look(): Promise<Sight> {
    const sight: Sight = { files: new Map(), words: new Map() }
    await this.machine(async machine => {
      const volume = await typed('DF1', 'open', () => machine.openVolume(this.path))
      if (volume instanceof FaultlineError) {
        for (const name of this.looked) sight.files.set(name, volume.code)
        for (const name of this.lookedAt) sight.words.set(name, volume.code)
        return
      }
      for (const name of this.looked) {
        const found = await typed('DF1', `get of ${name}`, () => held(volume, name))
        if (found instanceof FaultlineError) sight.files.set(name, found.code)
        else if (this.isRight(name, found)) sight.files.set(name, 'ok')
        else broke('DF1', `${name} has ${found.length} bytes, and not those that were put`)
      }
      for (const name of this.lookedAt) {
        const found = await typed('DF1', `stat of ${name}`, () => wordsOf(volume, name))
        if (found instanceof FaultlineError) sight.words.set(name, found.code)
        else sight.words.set(name, this.holds.some(({ words }) => words.get(name) === found) ? 'ok' : OTHER)
      }
      for (let n = 0; n < 4; n++) await this.readPart(machine, volume, this.prng.pick(this.looked))
      await typed('DF1', 'list', () => this.walk(volume, '/', 0))
      await typed('DF1', 'usage', async () => volume.usage)
      await volume.close()
    })
    return sight
  }

  private isRight(name: string, found: Buffer): boolean {
    return this.holds.some(({ files }) => files.get(name)?.equals(found) === true)
  }

  private async walk(volume: Volume, path: string, depth: number): Promise<void> {
    if (depth > 100) broke('DF1', 'the tree of names has no end')
    for (const { name, kind } of await volume.list(path)) {
      const below = path === '/' ? `/${name}` : `${path}/${name}`
      if (kind === 'directory') await this.walk(volume, below, depth + 1)
      else if (this.prng.below(10) === 0) await volume.stat(below)
    }
  }

  /** A range by a call and by a mapping. */
  private async readPart(machine: Machine, volume: Volume, name: string): Promise<void> {
    const file = await typed('DF1', `open of ${name}`, () => volume.open(name))
    if (file instanceof FaultlineError) return
    const position = this.prng.below(file.size + 1)
    const target = Buffer.alloc(1 + this.prng.below(9000))
    const read = await typed('DF1', `read of ${name}`, () => file.read(target, position))
    const same = (bytes: Buffer, at: number) =>
      this.holds.some(
        ({ files }) =>
          files
            .get(name)
            ?.subarray(at, at + bytes.length)
            .equals(bytes) === true,
      )
    if (typeof read === 'number' && !same(target.subarray(0, read), position))
      broke('DF1', `bytes ${position} to ${position + read - 1} of ${name} aren't those that were put`)
    if (file.size > 0) {
      const at = this.prng.below(file.size)
      const byte = await typed('DF1', `a load of ${name}`, async () => {
        const map = await machine.space({ name: 'looker' }).map(file)
        try {
          return await map.run(view => view.u8(at))
        } finally {
          await map.unmap()
        }
      })
      if (typeof byte === 'number' && !same(Buffer.from([byte]), at))
        broke('DF1', `byte ${at} of ${name} is ${byte}`)
    }
    await typed('DF1', `close of ${name}`, () => file.close())
  }

  private isTold(name: string, saw: string, givenUp: readonly string[]): void {
    const ino = this.image.inodes.get(name)
    // A name below a directory that is found elsewhere now is told of by that directory.
    const told = givenUp.some(
      what =>
        what.includes(name) ||
        new RegExp(`inode ${ino}\\b`).test(what) ||
        what.startsWith('the names from') ||
        (saw === OTHER && what.startsWith('extended attributes, from')) ||
        (saw === 'ENOENT' && what.startsWith('the name of inode')),
    )
    if (!told)
      broke(
        'DF4',
        `${name} reads as ${saw}, and of ${givenUp.length} things given up none is it: ${givenUp[0]}`,
      )
  }

  /** DF3. */
  private async goOn(): Promise<void> {
    await this.machine(async machine => {
      const again = await typed('DF3', 'a second repair', () => machine.repairVolume(this.path))
      if (again instanceof FaultlineError) broke('DF3', again.message)
      if (again.wrong.length > 0) broke('DF3', `after it: ${again.wrong[0]}`)
      const volume = await typed('DF3', 'open', () => machine.openVolume(this.path, { mode: 'r+' }))
      if (volume instanceof FaultlineError) broke('DF3', volume.message)
      const done = await typed('DF3', 'changes', async () => {
        await volume.mkdir('/new directory')
        await volume.create('/new directory/file')
        const file = await volume.open('/new directory/file', { mode: 'r+' })
        if (volume.usage.free > 0) await file.write(Buffer.alloc(10, 5), 0)
        await file.close()
        const { wrong } = await volume.check()
        if (wrong.length > 0) broke('DF3', `after changes: ${wrong[0]}`)
        await volume.close()
      })
      if (done instanceof FaultlineError) broke('DF3', done.message)
    })
  }
}

/** Plays `count` damages from the `from`th on. `told` hears of each that broke a rule; `tick` of each. */
export async function campaign(
  {
    seed,
    from,
    count,
    shape,
  }: { readonly seed: number; readonly from: number; readonly count: number; readonly shape?: string },
  told: (round: number, message: string) => void,
  tick: (counts: Readonly<Record<string, number>>) => void = () => {},
): Promise<Record<'damages' | 'mended' | 'refused' | 'sound' | 'broken', number>> {
  const root = fs.mkdtempSync(
    join(process.env['SCRATCH'] ?? (fs.existsSync('/dev/shm') ? '/dev/shm' : tmpdir()), 'faultline-damage-'),
  )
  const counts = { damages: 0, mended: 0, refused: 0, sound: 0, broken: 0 }
  try {
    let image: Image | undefined
    let made = -1
    for (let round = from; round < from + count; round++) {
      const number = Math.floor(round / PER_IMAGE)
      if (number !== made) {
        made = number
        const name = shape ?? SHAPE_NAMES[number % SHAPE_NAMES.length]!
        const machine = await Machine.start({ memory: '4 MiB' })
        image = await imageOf(machine, join(root, 'sound'), name, new Prng(seed * 1000 + number))
        await machine.close()
      }
      counts.damages++
      try {
        counts[await playDamage(image!, join(root, 'damaged'), seed * 1_000_000 + round)]++
      } catch (error) {
        if (!(error instanceof Broken)) throw error
        counts.broken++
        told(round, error.message)
      }
      tick(counts)
    }
  } finally {
    fs.rmSync(root, { recursive: true, force: true })
  }
  return counts
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string', default: '1' },
      count: { type: 'string', default: '10000' },
      from: { type: 'string', default: '0' },
      shape: { type: 'string' },
    },
  })
  const { shape } = values
  if (shape !== undefined && !SHAPE_NAMES.includes(shape)) {
    console.error(`--shape: expected one of ${SHAPE_NAMES.join(', ')}, got ${shape}`)
    return 2
  }
  const seed = Number(values.seed)
  const plan = {
    seed,
    from: Number(values.from),
    count: Number(values.count),
    ...(shape !== undefined && { shape }),
  }
  const replay = (round: number) =>
    `node src/volumes/damage.fuzz.ts --seed ${seed} --from ${round} --count 1${shape === undefined ? '' : ` --shape '${shape}'`}`
  const counts = await campaign(
    plan,
    (round, message) => console.log(`${message}\n  ${replay(round)}`),
    ({ damages, mended, refused, broken }) => {
      if (process.stderr.isTTY && damages! % 10 === 0)
        process.stderr.write(
          `\r${damages} damages: ${mended} mended, ${refused} refused, ${broken} broke a rule `,
        )
    },
  )
  const { damages, mended, refused, sound, broken } = counts
  console.log(
    `seed ${seed}: ${damages} damages; ${mended} mended, ${refused} refused, ${sound} hit nothing; ${broken} broke a rule`,
  )
  return broken === 0 ? 0 : 1
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href)
  process.exitCode = await main()
