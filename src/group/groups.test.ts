/** Groups by name: keys, values in the kernel's forms, and what bad input gets. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { GroupTree, hang, MS, ROOT } from '../base/index.ts'
import { MemoryDevice } from '../device/index.ts'
import { Io } from '../io/index.ts'
import { Ledger } from '../memory/index.ts'
import { Scheduler, TimedDriver } from '../sched/index.ts'
import { Groups } from './groups.ts'
import { Pressure } from './pressure.ts'
import { SettingError } from './setting-error.ts'
import { parseBytes } from './size.ts'

const PAGE = 4096

function world() {
  const driver = new TimedDriver()
  const scheduler = new Scheduler(driver)
  const tree = new GroupTree()
  const io = new Io(scheduler, { bytes: () => new Uint8Array(PAGE), follows: () => false }, tree)
  const ledger = new Ledger(tree)
  const groups = new Groups({
    tree,
    io,
    ledger,
    pressure: new Pressure(tree),
    clock: scheduler,
    pageSize: PAGE,
  })
  const device = new MemoryDevice(scheduler, { disk: '8:0' })
  const use = (group: number, operation: 'read' | 'write' | 'zero' | 'flush', length: number) => {
    io.submit({
      device,
      operation,
      position: 0,
      length,
      frames: [],
      group,
      purpose: 'operation',
      file: 1,
      index: 0,
      what: 'a test',
    })
    driver.runUntil(scheduler, driver.now())
  }
  return { tree, io, ledger, groups, use, driver, scheduler }
}

function refused(code: SettingError['code'], words: RegExp, what: () => unknown): void {
  assert.throws(what, (error: unknown) => {
    assert.ok(error instanceof SettingError, `${error}`)
    assert.equal(error.code, code)
    assert.match(error.message, words)
    return true
  })
}

describe('groups', () => {
  it('have paths, and are found by them (GN1)', () => {
    const { groups } = world()
    const batch = groups.create('batch', ROOT)
    const inner = groups.create('import', batch)
    groups.create('import', ROOT)
    assert.equal(groups.path(inner), '/batch/import')
    assert.equal(groups.path(ROOT), '/')
    assert.equal(groups.find('/batch/import'), inner)
    assert.equal(groups.find('/'), ROOT)
    refused('EEXIST', /^\/batch has a group called "import" already$/, () => groups.create('import', batch))
    refused('ENOENT', /^\/batch has no group called "inport"; did you mean import\?$/, () =>
      groups.find('/batch/inport'),
    )
    for (const name of ['', '.', '..', 'a/b', 'a\nb', 'x'.repeat(256)])
      refused('EINVAL', /^expected a name/, () => groups.create(name, ROOT))
    for (const name of [5, null, undefined, ['a']])
      refused('EINVAL', /^expected a name/, () => groups.create(name as unknown as string, ROOT))
    for (const what of [
      () => groups.create('a', 99),
      () => groups.path(99),
      () => groups.read(99, 'io.max'),
      () => groups.set(99, 'io.max', 'rbps=4'),
    ])
      refused('ENOENT', /isn't the number of a group/, what)
  })

  it('take limits as objects, as the kernel’s words, and in units', () => {
    const { groups, io } = world()
    const group = groups.create('batch', ROOT, { 'io.max': { rbps: '4 MiB', wiops: 120 } })
    const every = '* rbps=4194304 wbps=max riops=max wiops=120\n'
    assert.equal(groups.read(group, 'io.max'), every)
    groups.set(group, 'io.max', '8:0 wbps=1M rbps=max')
    assert.equal(groups.read(group, 'io.max'), `${every}8:0 rbps=max wbps=1048576 riops=max wiops=120\n`)
    assert.equal(io.max('8:0', group).wbps, 2 ** 20)
    assert.equal(io.max('8:16', group).rbps, 4 * 2 ** 20, 'a disk to come')
    groups.set(group, 'io.latency', { target: 75 })
    groups.set(group, 'io.latency', '8:0 target=2000')
    assert.equal(groups.read(group, 'io.latency'), '* target=75\n8:0 target=2000\n')
    groups.set(group, 'io.latency', { target: 'max', disk: '8:0' })
    assert.equal(groups.read(group, 'io.latency'), '* target=75\n')
    assert.equal(io.latency('8:16', group).target, 75_000)
  })

  it('refuse a disk that is not there, and nothing is set (N2)', () => {
    const { groups, io } = world()
    hang(groups, 'isThere', disk => disk === '8:0')
    const group = groups.create('batch', ROOT)
    for (const key of ['io.latency', 'io.max']) {
      const value = key === 'io.max' ? '8:99 rbps=1M' : '8:99 target=2000'
      refused('ENODEV', /^io\.\w+: there is no disk 8:99 here; expected/, () => groups.set(group, key, value))
    }
    groups.set(group, 'io.max', 'rbps=4096')
    assert.match(groups.read(group, 'io.max'), /rbps=4096/, 'every disk is there')
    groups.set(group, 'io.latency', '8:0 target=2000')
    assert.deepEqual(io.diskNames, ['8:0'])
  })

  it('take a protection and a weight in cgroup2’s words', () => {
    const { groups, io } = world()
    const group = groups.create('app', ROOT, { 'io.protect': { target: 500 }, 'io.weight': 300 })
    assert.equal(io.protection('8:16', group).target, 500_000)
    assert.equal(groups.read(group, 'io.protect'), '* target=500\n')
    assert.equal(groups.read(group, 'io.weight'), 'default 300\n')
    groups.set(group, 'io.protect', '8:0 target=2000')
    groups.set(group, 'io.weight', '8:0 50')
    assert.equal(groups.read(group, 'io.weight'), 'default 300\n8:0 50\n')
    groups.set(group, 'io.weight', 'default 200')
    groups.set(group, 'io.protect', 'target=max')
    assert.equal(io.weight('8:16', group), 200)
    assert.equal(io.protection('8:16', group).target, 0)
    for (const bad of [0, 10_001, 1.5, 'much', '8:0 0', { weight: -1 }])
      refused('EINVAL', /^io.weight: expected a whole number from 1 to 10000/, () =>
        groups.set(group, 'io.weight', bad),
      )
    refused('EINVAL', /^io.protect: expected target in microseconds/, () =>
      groups.set(group, 'io.protect', '8:0'),
    )
  })

  it('show io.stat of a group with those below it', () => {
    const { groups, use } = world()
    const batch = groups.create('batch', ROOT)
    const inner = groups.create('inner', batch)
    use(batch, 'read', 8192)
    use(inner, 'write', 4096)
    use(inner, 'zero', 1 << 20)
    use(inner, 'flush', 0)
    const line = (text: string) => `8:0 ${text}\n`
    assert.equal(
      groups.read(inner, 'io.stat'),
      line('rbytes=0 wbytes=4096 rios=0 wios=2 dbytes=1048576 dios=1'),
    )
    const all = line('rbytes=8192 wbytes=4096 rios=1 wios=2 dbytes=1048576 dios=1')
    assert.equal(groups.read(batch, 'io.stat'), all)
    assert.equal(groups.read(ROOT, 'io.stat'), all)
    assert.equal(groups.read(groups.create('idle', ROOT), 'io.stat'), '')
  })

  it('show memory in bytes and round limits down to pages, and tell who reclaims', () => {
    const { groups, ledger } = world()
    const told: number[] = []
    hang(groups, 'limited', group => told.push(group))
    const batch = groups.create('batch', ROOT, { 'memory.max': '1 MiB', 'memory.high': 10_000 })
    const inner = groups.create('inner', batch)
    assert.deepEqual(ledger.limits(batch), { max: 256, high: 2, low: 0, min: 0 })
    assert.deepEqual(told, [batch, batch])
    assert.equal(groups.read(batch, 'memory.max'), '1048576\n')
    assert.equal(groups.read(batch, 'memory.high'), '8192\n')
    assert.equal(groups.read(batch, 'memory.min'), '0\n')
    assert.equal(groups.read(inner, 'memory.max'), 'max\n')
    for (const group of [batch, inner, inner]) ledger.charge(group)
    ledger.stat(inner).file = 2
    ledger.stat(batch).dirty = 1
    ledger.stat(batch).pgfault = 5
    ledger.stat(inner).pgfault = 6
    ledger.events(batch).max = 1
    ledger.events(inner).max = 2
    ledger.events(inner).high = 3
    assert.equal(groups.read(batch, 'memory.current'), `${3 * PAGE}\n`)
    assert.equal(groups.read(inner, 'memory.current'), `${2 * PAGE}\n`)
    assert.equal(groups.read(batch, 'memory.events'), 'low 0\nhigh 3\nmax 3\noom 0\n')
    assert.match(
      groups.read(batch, 'memory.stat'),
      /^anon 0\nfile 8192\nfile_dirty 4096\n(.*\n)*pgfault 11\n/,
    )
  })

  it('show pressure', () => {
    const { groups } = world()
    for (const key of ['io.pressure', 'memory.pressure'])
      assert.match(groups.read(ROOT, key), /^some avg10=.*\nfull avg10=.*total=0\n$/)
  })

  it('say in one sentence what was wrong, and change nothing (GN2)', () => {
    const { groups, ledger, tree } = world()
    const group = groups.create('batch', ROOT)
    const last = tree.last
    refused('ENOENT', /^"io.latancy" isn't a key of a group; did you mean io.latency\?$/, () =>
      groups.set(group, 'io.latancy', { target: 1 }),
    )
    refused('ENOENT', /isn't a key/, () => groups.read(group, 'constructor'))
    refused('EACCES', /^io.stat is a counter and can only be read; what can be set is io.max, /, () =>
      groups.set(group, 'io.stat', 1),
    )
    refused('EACCES', /^memory.max can't be set for the root/, () => groups.set(ROOT, 'memory.max', 1))
    refused('EINVAL', /^memory.max: "MIX" isn't a unit .*; did you mean MiB\?$/, () =>
      groups.set(group, 'memory.max', '4 MIX'),
    )
    refused('EINVAL', /^memory.max: expected whole bytes from 0, .* got -1$/, () =>
      groups.set(group, 'memory.max', -1),
    )
    refused('EINVAL', /^io.max: "rpbs" isn't one of disk, .*; did you mean rbps\?$/, () =>
      groups.set(group, 'io.max', 'rpbs=4'),
    )
    refused('EINVAL', /^io.max rbps: expected at least 1 a second/, () =>
      groups.set(group, 'io.max', { rbps: 0 }),
    )
    refused('EINVAL', /^io.max riops: expected a whole number from 0, or 'max', got 1.5$/, () =>
      groups.set(group, 'io.max', { riops: 1.5 }),
    )
    refused(
      'EINVAL',
      /^io.max: expected a disk as major:minor, or a server as https:\/\/host, got "sda"$/,
      () => groups.set(group, 'io.max', 'sda rbps=4'),
    )
    refused('EINVAL', /^io.max: rbps is given twice/, () => groups.set(group, 'io.max', 'rbps=4 rbps=5'))
    for (const value of [undefined, null, 4, [], {}])
      refused('EINVAL', /^io.max: expected an object/, () => groups.set(group, 'io.max', value))
    refused('EINVAL', /^io.latency: expected target in microseconds/, () =>
      groups.set(group, 'io.latency', '8:0'),
    )
    refused('EINVAL', /memory.high/, () =>
      groups.create('other', ROOT, { 'memory.max': 8192, 'memory.high': '?' }),
    )
    assert.equal(tree.last, last)
    assert.deepEqual(ledger.limits(group), { max: Infinity, high: Infinity, low: 0, min: 0 })
    assert.equal(groups.read(group, 'io.max'), '')
  })

  it('bind: a limit set by name holds bios back', () => {
    const { groups, use, driver, scheduler, io } = world()
    const group = groups.create('batch', ROOT, { 'io.max': { rbps: 8192 } })
    const ends: number[] = []
    hang(io, 'onEnd', () => ends.push(driver.now()))
    for (let count = 0; count < 3; count++) use(group, 'read', 4096)
    driver.runUntil(scheduler, 10_000 * MS)
    assert.equal(ends.length, 3)
    assert.ok(ends[2]! >= 1300 * MS && ends[2]! <= 1700 * MS, `${ends}`)
  })
})

describe('sizes', () => {
  it('are read as the kernel and as shops write them', () => {
    const sizes = {
      '4 MiB': 2 ** 22,
      '4MiB': 2 ** 22,
      '4m': 2 ** 22,
      '1.5G': 1.5 * 2 ** 30,
      '2 MB': 2e6,
      ' 77 ': 77,
    }
    for (const [text, bytes] of Object.entries(sizes)) assert.equal(parseBytes(text), bytes, text)
    assert.equal(parseBytes(4096), 4096)
    for (const bad of [
      '',
      'MiB',
      '-1',
      '1e3',
      '0.3 K',
      '4 MiB 2',
      Number.NaN,
      0.5,
      -1,
      2 ** 60,
      {},
      null,
      true,
    ])
      refused('EINVAL', /^the size: /, () => parseBytes(bad))
  })
})
