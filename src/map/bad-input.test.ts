/** Bad input at every door: one sentence with what was wrong and what was expected, and nothing half done. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { MachineOptions } from '../api/index.ts'
import type { Group } from '../calls/index.ts'
import type { File } from '../files/index.ts'
import { Machine, type Mapping, type Space } from './index.ts'
import { numbered, PAGE, refuses, sparse } from './world.suite.ts'

/** What a program without types might pass. */
function untyped<T>(value: unknown): T {
  return value as T
}

interface World {
  readonly machine: Machine
  readonly file: File
  readonly space: Space
  readonly map: Mapping
  readonly child: Space
  readonly group: Group
}

async function world(t: Parameters<typeof numbered>[0]): Promise<World> {
  const machine = await Machine.start({ memory: 64 * PAGE })
  const file = await machine.open(numbered(t, 8), { mode: 'r+' })
  const space = machine.space({ name: 'a' })
  const map = await space.map(file, { prot: 'rw' })
  return { machine, file, space, map, child: await space.fork(), group: machine.group('g') }
}

test('null stands for no option, of any call', async t => {
  await using machine = await Machine.start({ memory: 64 * PAGE })
  const path = numbered(t, 8)
  const file = await machine.open(path, { mode: 'r+' })
  const space = machine.space({ name: 'a' })
  const map = await space.map(file, { prot: 'rw' })
  const volume = await machine.createVolume(`${path}.vol`, { size: '1 MiB' })
  await volume.put(path, '/file')
  const inside = await volume.open('/file')
  const bytes = new Uint8Array(8)
  const calls: readonly (readonly [call: (options: never) => unknown, keys: readonly string[]])[] = [
    [
      o => Machine.start(o),
      ['memory', 'pageSize', 'readAhead', 'discipline', 'swap', 'writeback', 'watcher', 'dax'],
    ],
    [o => Machine.start({ writeback: o }), ['ratio', 'backgroundRatio']],
    [o => machine.open(path, o), ['mode', 'direct', 'stablePages']],
    [o => machine.createVolume(`${path}.2`, o), ['size', 'data', 'signal']],
    [o => machine.openVolume(`${path}.vol`, o), ['mode']],
    [o => machine.repairVolume(`${path}.vol`, o), ['signal', 'progress']],
    [o => machine.space(o), ['name', 'group', 'commandLine']],
    [o => machine.ps(o), ['group', 'signal']],
    [o => file.read(bytes, 0, o), ['group', 'signal']],
    [o => file.write(bytes, 0, o), ['group', 'signal']],
    [o => file.append(bytes, o), ['group', 'signal']],
    [o => file.truncate(8, o), ['group', 'signal']],
    [o => file.punch(0, 8, o), ['group', 'signal']],
    [o => file.sync(o), ['group', 'signal']],
    [o => file.refresh(o), ['group', 'signal']],
    [o => file.close(o), ['until']],
    [o => space.map(file, o), ['offset', 'length', 'prot', 'share', 'fixed', 'advice', 'mmu', 'signal']],
    [o => space.mapAnonymous(o), ['length', 'prot', 'share', 'fixed', 'advice', 'mmu', 'signal']],
    [o => space.fork(o), ['name', 'signal']],
    [o => space.proc('maps', o), ['signal']],
    [o => map.run(() => 0, o), ['signal']],
    [o => map.prefetch([], o), ['signal']],
    [o => map.sync(o), ['offset', 'length', 'signal']],
    [o => map.protect('r', o), ['offset', 'length', 'signal']],
    [o => map.advise('normal', o), ['offset', 'length', 'signal']],
    [o => map.populate(o), ['offset', 'length', 'signal']],
    [o => map.remap(o), ['length', 'where', 'fixed', 'old']],
    [o => map.lock(o), ['offset', 'length', 'signal']],
    [o => map.unlock(o), ['offset', 'length', 'signal']],
    [o => map.resident(o), ['offset', 'length', 'signal']],
    [o => volume.open('/file', o), ['mode', 'dax', 'direct', 'create']],
    [o => volume.put(path, '/other', o), ['signal', 'progress', 'existing']],
    [o => volume.getFile('/file', `${path}.out`, o), ['signal', 'progress', 'existing']],
    [o => volume.clone('/file', '/clone', o), ['signal', 'existing']],
    [o => volume.check(o), ['signal', 'progress']],
    [o => volume.remove('/file', o), ['signal', 'recursive']],
    [o => inside.read(bytes, 0, o), ['group', 'signal']],
  ]
  for (const [call, keys] of calls)
    for (const key of keys)
      await assert.rejects(
        async () => call({ [key]: null } as never),
        (error: Error & { code?: string }) => error.code === 'EINVAL' && /null|no option/.test(error.message),
        `${call} with ${key}`,
      )
  await volume.close()
})

test('a file whose bytes the kernel makes as they are read is refused, and one that is empty is not', {
  skip: process.platform !== 'linux' && 'only Linux has /proc',
}, async t => {
  await using machine = await Machine.start({ memory: 64 * PAGE })
  for (const path of ['/proc/cpuinfo', '/proc/self/maps'])
    await refuses(() => machine.open(path), 'EINVAL', 'open', /the kernel makes its bytes as they are read/)
  const empty = await machine.open(sparse(t, 0))
  assert.equal(empty.size, 0)
})

test('a group takes names and objects, and nothing else is taken for one', async () => {
  await using machine = await Machine.start({ memory: 64 * PAGE })
  const group = machine.group('g')
  for (const key of [Symbol('k'), 5, null, undefined, {}, ['memory.max']]) {
    await refuses(() => group.set(untyped(key), 1), 'ENOENT', 'group', /isn't a key of a group/)
    await refuses(() => group.read(untyped(key)), 'ENOENT', 'group', /isn't a key of a group/)
  }
  for (const settings of [null, 5, 'memory.max=1', ['memory.max']])
    await refuses(
      () => machine.group('h', untyped(settings)),
      'EINVAL',
      'group',
      /^group: expected an object of settings, got /,
    )
  await refuses(
    () => machine.group('h', untyped({ foo: 1 })),
    'ENOENT',
    'group',
    /one of io.max, .*memory.max/,
  )
})

test('a group is not asked or set after its machine was closed, as on the other MMU', async () => {
  const machine = await Machine.start()
  const group = machine.group('g', { 'memory.max': '1 MiB' })
  await machine.close()
  await refuses(() => group.set('memory.max', '2 MiB'), 'EBADF', 'set', /the machine is closed/)
  await refuses(() => group.read('memory.max'), 'EBADF', 'read', /the machine is closed/)
  await refuses(() => group.group('h'), 'EBADF', 'group', /the machine is closed/)
  await refuses(() => machine.root.read('io.stat'), 'EBADF', 'read', /the machine is closed/)
})

describe('a machine is not started', () => {
  const refused: readonly (readonly [title: string, options: unknown, words: RegExp])[] = [
    ['with options that are none', 5, /expected an object of options, got 5/],
    ['with null', null, /expected an object of options, got null/],
    ['with an unknown option', { memroy: 1 }, /no option "memroy"; did you mean memory\?/],
    ['with one that is like none', { zzzzzz: 1 }, /no option "zzzzzz"; expected memory, pageSize, /],
    [
      'with too little memory',
      { memory: 7 * PAGE },
      /memory: expected 8 to \d+ pages of 4096 bytes, got 28672 bytes/,
    ],
    ['with negative memory', { memory: -1 }, /memory: expected whole bytes from 0/],
    ['with memory that is no number', { memory: Number.NaN }, /memory: expected whole bytes.*NaN/],
    ['with a unit that is none', { memory: '4 MiX' }, /"MiX" isn't a unit.*did you mean MiB\?/],
    ['with more memory than frames can be counted', { memory: '1024 TiB' }, /memory: expected 8 to/],
    ['with a page size that is no power of two', { pageSize: 5000 }, /power of two from 4096.*got 5000/],
    ['with readahead that is no size', { readAhead: 'far' }, /readAhead: .*"far"/],
    ['with a small page size', { pageSize: 2048 }, /power of two from 4096.*got 2048/],
    ['with a page size in words', { pageSize: '4096' }, /power of two from 4096.*got "4096"/],
    [
      'with a misspelt discipline',
      { discipline: 'restrat' },
      /expected one of hold, .*did you mean restart\?/,
    ],
    [
      'with a ratio above 1',
      { writeback: { ratio: 2 } },
      /writeback\.ratio: expected a share of memory, 0 to 1; got 2/,
    ],
    [
      'with a background above the ratio',
      { writeback: { ratio: 0.05 } },
      /backgroundRatio: expected at most ratio/,
    ],
    [
      'with an interval that is no number',
      { writeback: { interval: 'soon' } },
      /writeback\.interval: expected nanoseconds/,
    ],
    [
      'with half a watcher',
      { watcher: { began() {} } },
      /watcher: expected an object with the methods began, waits/,
    ],
  ]
  for (const [title, options, words] of refused)
    test(title, async () => {
      await refuses(() => Machine.start(untyped<MachineOptions>(options)), 'EINVAL', 'start', words)
    })

  test('with new', async () => {
    const make = untyped<new () => Machine>(Machine)
    await refuses(() => new make(), 'EINVAL', 'start', /made by: await Machine\.start\(\)/)
  })

  test('with more memory than this process can get', async () => {
    await refuses(
      () => Machine.start({ memory: '511 GiB' }),
      'ENOMEM',
      'start',
      /could not get \d+ bytes; ask for less/,
    )
  })

  test('with a swap file that is short, has holes, or is not there', async t => {
    await refuses(
      () => Machine.start({ swap: sparse(t, 100) }),
      'EINVAL',
      'start',
      /100 bytes; expected at least 2 pages/,
    )
    await refuses(
      () => Machine.start({ swap: sparse(t, 64 * PAGE) }),
      'EINVAL',
      'start',
      /has holes; fill it with zeros/,
    )
    await refuses(() => Machine.start({ swap: '/none/such' }), 'ENOENT', 'open', /no such file/)
  })
})

type Case = readonly [
  title: string,
  operation: string,
  call: (world: World, other: World) => unknown,
  words: RegExp,
  code?: string,
]

const CASES: readonly Case[] = [
  [
    'open of no path',
    'open',
    ({ machine }) => machine.open(untyped(7)),
    /expected the path of a file, got 7/,
  ],
  ['open of an empty path', 'open', ({ machine }) => machine.open(''), /expected the path of a file, got ""/],
  [
    'open with an unknown mode',
    'open',
    ({ machine }) => machine.open('/x', { mode: untyped('w') }),
    /mode: expected one of r, r\+, w\+, wx\+, a\+; got "w"/,
  ],
  [
    'open with a misspelt option',
    'open',
    ({ machine }) => machine.open('/x', untyped({ dirct: true })),
    /did you mean direct\?/,
  ],
  [
    'open with a flag that is none',
    'open',
    ({ machine }) => machine.open('/x', { direct: untyped(1) }),
    /direct: expected true or false, got 1/,
  ],
  [
    'space without options',
    'space',
    ({ machine }) => machine.space(untyped(undefined)),
    /expected an object of options/,
  ],
  [
    'space without a name',
    'space',
    ({ machine }) => machine.space(untyped({})),
    /name: expected a line of text, got undefined/,
  ],
  [
    'space with a name of two lines',
    'space',
    ({ machine }) => machine.space({ name: 'a\nb' }),
    /a line of text/,
  ],
  [
    'space in no group',
    'space',
    ({ machine }) => machine.space({ name: 'x', group: untyped('g') }),
    /group: expected a group of machine\.group/,
  ],
  [
    "space in another machine's group",
    'space',
    ({ machine }, other) => machine.space({ name: 'x', group: other.group }),
    /belongs to another machine/,
  ],
  [
    "ps in another machine's group",
    'ps',
    ({ machine }, other) => machine.ps({ group: other.group }),
    /belongs to another machine/,
  ],
  [
    'a group with a misspelt key',
    'group',
    ({ machine }) => machine.group('h', untyped({ 'memory.mx': 1 })),
    /memory\.mx.*did you mean memory\.max\?/,
    'ENOENT',
  ],
  ['a second group of a name', 'group', ({ machine }) => machine.group('g'), /called "g" already/, 'EEXIST'],
  [
    'map of no file',
    'map',
    ({ space }) => space.map(untyped({})),
    /expected a file of machine\.open; for memory use mapAnonymous/,
  ],
  [
    "map of another machine's file",
    'map',
    ({ space }, other) => space.map(other.file),
    /was opened by another machine/,
  ],
  [
    'map from an offset within a page',
    'map',
    ({ space, file }) => space.map(file, { offset: 100 }),
    /offset: expected a multiple of the page size 4096, from 0; got 100/,
  ],
  [
    'map from a negative offset',
    'map',
    ({ space, file }) => space.map(file, { offset: -PAGE }),
    /offset: expected a multiple/,
  ],
  [
    'map from past the end, to the end',
    'map',
    ({ space, file }) => space.map(file, { offset: 8 * PAGE }),
    /has 32768 bytes, from offset 32768 on there is nothing/,
  ],
  [
    'map of no length',
    'map',
    ({ space, file }) => space.map(file, { length: 0 }),
    /length: expected at least 1 byte/,
  ],
  [
    'map of a length that is no number',
    'map',
    ({ space, file }) => space.map(file, { length: Number.NaN }),
    /length: expected whole bytes/,
  ],
  [
    'map of more than a file can have',
    'map',
    ({ space, file }) => space.map(file, { length: 2 ** 53 - 1, offset: 4096 }),
    /at most 9007199254740991/,
    'EFBIG',
  ],
  [
    'map with an unknown protection',
    'map',
    ({ space, file }) => space.map(file, { prot: untyped('rwx') }),
    /prot: expected one of none, r, w, rw; got "rwx"/,
  ],
  [
    'map with an unknown share',
    'map',
    ({ space, file }) => space.map(file, { share: untyped('privat') }),
    /share: expected .*did you mean private\?/,
  ],
  [
    'map with advice that is none',
    'map',
    ({ space, file }) => space.map(file, { advice: untyped('populate') }),
    /advice: expected one of normal, random, sequential/,
  ],
  [
    'map at a place within a page',
    'map',
    ({ space, file }) => space.map(file, { fixed: 5 }),
    /fixed: expected a multiple/,
  ],
  [
    'map with a misspelt option',
    'map',
    ({ space, file }) => space.map(file, untyped({ lenght: 5 })),
    /did you mean length\?/,
  ],
  [
    'map with a signal that is none',
    'map',
    ({ space, file }) => space.map(file, { signal: untyped('stop') }),
    /signal: expected an AbortSignal, got "stop"/,
  ],
  [
    'memory without a length',
    'map',
    ({ space }) => space.mapAnonymous(untyped({})),
    /length: expected whole bytes.*got undefined/,
  ],
  [
    'memory with an offset',
    'map',
    ({ space }) => space.mapAnonymous(untyped({ length: PAGE, offset: 0 })),
    /no option "offset"/,
  ],
  [
    'fork with a name that is none',
    'fork',
    ({ space }) => space.fork({ name: untyped(5) }),
    /name: expected a line of text, got 5/,
  ],
  [
    'proc of an unknown file',
    'proc',
    ({ space }) => space.proc(untyped('map')),
    /file: expected one of cmdline, maps, smaps; got "map"; did you mean maps\?/,
  ],
  [
    'run of no function',
    'run',
    ({ map }) => map.run(untyped('view.u8(0)')),
    /expected a function of a view, got "view\.u8/,
  ],
  [
    'run with a misspelt option',
    'run',
    ({ map }) => map.run(() => 0, untyped({ singal: 0 })),
    /did you mean signal\?/,
  ],
  [
    'prefetch of no ranges',
    'prefetch',
    ({ map }) => map.prefetch(untyped({ offset: 0, length: 1 })),
    /expected an array of \{ offset, length \}/,
  ],
  [
    'prefetch of null',
    'prefetch',
    ({ map }) => map.prefetch([{ offset: 0, length: 1 }, untyped(null)]),
    /expected \{ offset, length \} as element 1, got null/,
  ],
  [
    'prefetch past the end',
    'prefetch',
    ({ map }) => map.prefetch([{ offset: 7 * PAGE, length: 2 * PAGE }]),
    /length: expected at most 4096 bytes from offset 28672, got 8192/,
  ],
  [
    'prefetch of more than memory',
    'prefetch',
    ({ map }) => map.prefetch(Array(9).fill({ offset: 0, length: 8 * PAGE })),
    /72 pages were asked for at once and memory has 64; ask for fewer/,
    'ENOMEM',
  ],
  [
    'protect with an unknown word',
    'protect',
    ({ map }) => map.protect(untyped('x')),
    /prot: expected one of/,
  ],
  [
    'protect from within a page',
    'protect',
    ({ map }) => map.protect('r', { offset: 1 }),
    /offset: expected a multiple/,
  ],
  [
    'protect past the end',
    'protect',
    ({ map }) => map.protect('r', { length: 9 * PAGE }),
    /length: expected at most 32768 bytes from offset 0/,
  ],
  [
    'protect from past the end',
    'protect',
    ({ map }) => map.protect('r', { offset: 9 * PAGE }),
    /offset: expected at most 32768, got 36864/,
  ],
  [
    'advise with an unknown word',
    'advise',
    ({ map }) => map.advise(untyped('dont-need')),
    /advice: expected one of normal.*did you mean dontneed\?/,
  ],
  [
    'remap to a place that is no page',
    'remap',
    ({ map }) => map.remap({ fixed: 100 }),
    /fixed: expected a multiple of/,
  ],
  [
    'remap to past the end of a space',
    'remap',
    ({ map }) => map.remap({ fixed: 2 ** 43 }),
    /fixed: .* a space ends at/,
  ],
  [
    'remap with an unknown word',
    'remap',
    ({ map }) => map.remap(untyped({ old: 'stays' })),
    /old: expected one of is unmapped, stays mapped/,
  ],
  [
    'remap that stays and moves',
    'remap',
    ({ map }) => map.remap({ where: 'stays', fixed: 0 }),
    /where: 'stays' goes with no fixed place/,
  ],
  [
    'remap that leaves a mapping of another length behind',
    'remap',
    ({ map }) => map.remap({ length: PAGE, old: 'stays mapped' }),
    /length: pages that leave a mapping behind keep its length, 32768 bytes/,
  ],
  ['sync of a negative length', 'sync', ({ map }) => map.sync({ length: -1 }), /length: expected at most/],
  [
    'sync with a misspelt option',
    'sync',
    ({ map }) => map.sync(untyped({ ofset: 0 })),
    /did you mean offset\?/,
  ],
  ['lock with null', 'lock', ({ map }) => map.lock(untyped(null)), /expected an object of options, got null/],
  [
    'inFork of no space',
    'inFork',
    ({ map }) => map.inFork(untyped(undefined)),
    /expected a space that was forked from a/,
  ],
  ["inFork of a stranger's space", 'inFork', ({ map }, other) => map.inFork(other.child), /forked from a/],
  [
    'read into nothing',
    'read',
    ({ file }) => file.read(untyped(undefined), 0),
    /expected a Uint8Array or Buffer, got undefined/,
  ],
  [
    'read from a negative position',
    'read',
    ({ file }) => file.read(new Uint8Array(1), -1),
    /position: expected whole bytes from 0, got -1/,
  ],
  [
    'read from a half',
    'read',
    ({ file }) => file.read(new Uint8Array(1), 0.5),
    /position: expected whole bytes from 0, got 0\.5/,
  ],
  [
    'read with a misspelt option',
    'read',
    ({ file }) => file.read(new Uint8Array(1), 0, untyped({ gruop: 1 })),
    /did you mean group\?/,
  ],
  [
    "read in another machine's group",
    'read',
    ({ file }, other) => file.read(new Uint8Array(1), 0, { group: other.group }),
    /belongs to another machine/,
  ],
  [
    'write of text',
    'write',
    ({ file }) => file.write(untyped('text'), 0),
    /expected a Uint8Array or Buffer, got "text"/,
  ],
  [
    'write at no number',
    'write',
    ({ file }) => file.write(new Uint8Array(1), Number.NaN),
    /position: expected whole bytes from 0, got NaN/,
  ],
  [
    'write past what pages can be counted',
    'write',
    ({ file }) => file.write(new Uint8Array(1), 2 ** 53 - 1),
    /9007199254740992 bytes are too many/,
    'EFBIG',
  ],
  [
    'truncate to no number',
    'truncate',
    ({ file }) => file.truncate(untyped('0')),
    /size: expected whole bytes from 0, got "0"/,
  ],
  [
    'punch of a negative length',
    'punch',
    ({ file }) => file.punch(0, -5),
    /length: expected whole bytes from 0, got -5/,
  ],
]

test('a call is refused:', async t => {
  const w = await world(t)
  const other = await world(t)
  for (const [title, operation, call, words, code = 'EINVAL'] of CASES)
    await t.test(title, async () => {
      await refuses(() => call(w, other), code, operation, words)
      assert.equal(await w.map.run(view => view.u8(0)), 1)
      assert.equal((await w.space.proc('maps')).split('\n').length, 2)
      assert.equal(w.file.size, 8 * PAGE)
    })
  await w.machine.close()
  await other.machine.close()
})

test('after the end of the machine every call says so', async t => {
  const { machine, file, space, map, child, group } = await world(t)
  await Promise.all([machine.close(), machine.close()])
  await machine.close()
  await file.close()
  await space.exit()
  for (const [operation, call, words] of [
    ['open', () => machine.open('/x'), /machine is closed; start another one/],
    ['space', () => machine.space({ name: 'x' }), /machine is closed/],
    ['group', () => machine.group('x'), /machine is closed/],
    ['ps', () => machine.ps(), /machine is closed/],
    ['read', () => file.read(new Uint8Array(1), 0), /is closed; open it again/],
    ['sync', () => file.sync(), /is closed/],
    ['map', () => space.mapAnonymous({ length: PAGE }), /space a has ended/],
    ['fork', () => child.fork(), /has ended/],
    ['sync', () => map.sync(), /has ended/],
    ['fault', () => map.run(view => view.u8(0)), /machine is closed/],
  ] as const)
    await refuses(call, 'EBADF', operation, words)
  await map.unmap()
  assert.equal(group.path, '/g')
})

test('the path of a volume is a string, and what is none is told as what it is', async () => {
  const machine = await Machine.start({ memory: 64 * PAGE })
  const calls = {
    createVolume: (path: string) => machine.createVolume(path, { size: '1 MiB' }),
    openVolume: (path: string) => machine.openVolume(path),
    repairVolume: (path: string) => machine.repairVolume(path),
  }
  const bad = [
    [undefined, 'undefined'],
    [null, 'null'],
    [Number.NaN, 'NaN'],
    [10n, '10n'],
    [true, 'true'],
    [{}, '{}'],
    [Symbol('path'), 'symbol'],
    ['', '""'],
    ['a\0b', String.raw`"a\u0000b"`],
  ] as const
  for (const [operation, call] of Object.entries(calls))
    for (const [path, told] of bad)
      await assert.rejects(call(untyped<string>(path)), {
        name: 'FaultlineError',
        code: 'EINVAL',
        operation,
        message: `expected the path of a volume, got ${told}`,
      })
  await machine.close()
})
