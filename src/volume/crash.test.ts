/**
 * A crash at every write, flush and commit of every workload of one or two operations, with what was written since the
 * last flush there, not there, or torn, in all combinations.
 *
 * Invariants checked, of what another machine finds
 *   the check is clean, and no file has a byte that doesn't match its checksum
 *   each byte of a file was once promised or stored there since the last sync, and each name was there since
 *   after the last sync: exactly what was synced
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { newVmFault } from '../memmap/index.ts'
import { faultArgs } from '../mm/index.ts'
import { CrashDevice } from './crash-device.ts'
import { type OpenedFile, PAGE, VolumeWorld } from './volume-world.suite.ts'

const BLOCKS = 24
const PAGES = 4

/** What a page of a file may hold: its possible first bytes, 0 for a page that may be zero or absent. */
type Allowed = Map<string, { readonly pages: Set<number>[]; mayBeMissing: boolean }>

interface Stage {
  readonly at: VolumeWorld
  readonly a: OpenedFile
  readonly b: OpenedFile
  readonly may: Allowed
  /** Lets the device end what it was asked, the last first, until nothing is on its way. */
  readonly drain: () => void
}

type Operation = (stage: Stage, step: number) => void

const OPERATIONS: Record<string, Operation> = {
  write({ at, a, may }, step) {
    allow(may, '/a', 1, 100 + step)
    allow(may, '/a', 2, 100 + step)
    at.world.scheduler.spawn(
      at.world.engine.verbs.write,
      {
        file: a.file,
        position: PAGE,
        buffer: new Uint8Array(2 * PAGE).fill(100 + step),
        read: a.open.read,
        copied: 0,
        request: undefined,
      },
      who('write'),
    )
  },
  store({ at, a, may, drain }, step) {
    allow(may, '/a', 0, 110 + step)
    const space = at.world.space('s')
    const start = at.world.map(space, a)
    const fault = newVmFault(start, 'store', 1, 0)
    at.world.spawn(at.world.engine.verbs.fault, faultArgs(space, fault, 'go on'))
    drain()
    for (let offset = 0; offset < PAGE && at.world.rights(space, start) === 'rw'; offset++)
      at.world.store(space, start, 110 + step, offset)
  },
  clone({ at, a, b, may }) {
    for (let page = 0; page < PAGES; page++)
      for (const value of pagesOf(may, '/a')[page]!) allow(may, '/b', page, value)
    at.remap('clone', a, b)
  },
  'clone range'({ at, a, b, may }) {
    for (const value of pagesOf(may, '/a')[0]!) allow(may, '/b', 1, value)
    at.remap('clone', a, b, { from: 0, to: PAGE, length: PAGE })
  },
  dedupe({ at, a, b }) {
    at.remap('dedupe', a, b, { length: PAGE })
  },
  truncate({ at, a, may }) {
    for (const page of [1, 2, 3]) allow(may, '/a', page, 0)
    at.world.truncate(a, PAGE + 100)
  },
  punch({ at, a, may }) {
    for (const page of [0, 1]) allow(may, '/a', page, 0)
    at.world.punch(a, PAGE - 100, PAGE)
  },
  allocate({ at, a }) {
    at.allocate(a, 3 * PAGE, PAGE)
  },
  rename({ at, may }) {
    const names = may.get('/b') ?? may.get('/c')!
    names.mayBeMissing = true
    may.set('/c', names)
    at.volume.rename('/b', '/c')
  },
  unlink({ at, may }) {
    may.get('/b')!.mayBeMissing = true
    at.volume.unlink('/b')
  },
  commit({ at }) {
    at.volume.sync()
  },
  sync({ at, a }) {
    at.world.sync(a)
  },
}

describe('a crash', () => {
  it('at any write leaves a whole volume, with what was promised', () => {
    const base = new VolumeWorld({ blocks: BLOCKS })
    base.create('/a', 3)
    base.create('/b', 2, 50)
    const image = base.image()
    const names = Object.keys(OPERATIONS)
    let states = 0
    for (const first of names)
      for (const second of [undefined, ...names])
        states += explore(image, [first, ...(second ? [second] : [])])
    assert.ok(states > 1_000, `${states} states`)
  })
})

/** Plays the operations, then syncs, and looks at what each moment's crash may leave. Returns how many images. */
function explore(image: ReturnType<VolumeWorld['image']>, names: readonly string[]): number {
  let device: CrashDevice | undefined
  const at = new VolumeWorld({
    blocks: BLOCKS,
    image,
    checked: false,
    deviceOf: world => {
      device = new CrashDevice(world.scheduler, image.device)
      return device
    },
  })
  const may: Allowed = new Map()
  const drain = () => {
    at.world.settle()
    for (let last = at.device.held.at(-1); last !== undefined; last = at.device.held.at(-1)) {
      at.device.release(last)
      at.world.settle()
    }
  }
  const stage: Stage = { at, a: at.open('/a'), b: at.open('/b'), may, drain }
  at.device.holding = true
  for (const [name, first, pages] of [
    ['/a', 1, 3],
    ['/b', 50, 2],
  ] as const)
    may.set(name, {
      pages: Array.from({ length: PAGES }, (_, page) => new Set([page < pages ? first + page : 0])),
      mayBeMissing: false,
    })
  let seen = 0
  let states = 0
  const look = () => {
    const version = device!.version * 1000 + at.store.commits
    if (version === seen) return
    seen = version
    for (const content of device!.images()) {
      states++
      judge(
        new VolumeWorld({
          blocks: BLOCKS,
          checked: false,
          image: { store: at.store.image(), device: content },
        }),
        may,
        names,
      )
    }
  }
  const original = at.world.step.bind(at.world)
  at.world.step = () => {
    const stepped = original()
    look()
    return stepped
  }
  names.forEach((name, step) => {
    OPERATIONS[name]!(stage, step)
    drain()
  })
  for (const file of [stage.a, stage.b]) {
    const sync = at.world.sync(file)
    drain()
    assert.equal(at.world.says(sync), 'done')
  }
  at.device.releaseAll()
  const [one, other] = [at.pages(stage.a), at.pages(stage.b)]
  const later = new VolumeWorld({
    blocks: BLOCKS,
    checked: false,
    image: { store: at.store.image(), device: [...device!.images()][0]! },
  })
  assert.deepEqual(later.pages(later.open('/a')), one, `${names}: /a is as it was synced`)
  const named = ['/b', '/c'].find(name => later.volume.stat(name).errno === 0)
  if (named !== undefined)
    assert.deepEqual(later.pages(later.open(named)), other, `${names}: ${named} is as it was synced`)
  at.recount()
  return states
}

function judge(later: VolumeWorld, may: Allowed, names: readonly string[]): void {
  assert.deepEqual(later.volume.check().wrong, [], `${names}`)
  assert.deepEqual(later.volume.damage, [], `${names}`)
  for (const [name, { pages, mayBeMissing }] of may) {
    if (later.volume.stat(name).errno !== 0) {
      assert.ok(mayBeMissing, `${names}: ${name} is missing`)
      continue
    }
    const file = later.open(name)
    const bytes = later.read(file, 0, file.file.size)
    for (let position = 0; position < bytes.length; position += 97) {
      const page = Math.floor(position / PAGE)
      const value = bytes[position]!
      assert.ok(
        pages[page]!.has(value),
        `${names}: ${name} has ${value} at ${position}, expected ${[...pages[page]!]}`,
      )
    }
  }
}

function allow(may: Allowed, name: string, page: number, value: number): void {
  pagesOf(may, name)[page]!.add(value)
}

function pagesOf(may: Allowed, name: string): Set<number>[] {
  return (may.get(name) ?? may.get('/c')!).pages
}

function who(name: string) {
  return { name, group: 1 }
}
