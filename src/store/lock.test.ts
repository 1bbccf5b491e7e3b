/** Locks of volumes: who keeps whom out, by whatever way he comes, and what becomes of the lock of a process that is gone. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, type TestContext, test } from 'node:test'
import { FileLock, Locked, placeOf, Taken, VolumeLock } from './index.ts'

const scratch = fs.mkdtempSync(join(tmpdir(), 'faultline-lock-'))
after(() => fs.rmSync(scratch, { recursive: true }))
const HOLDER = join(import.meta.dirname, 'lock-holder.suite.ts')
const NODE = [process.execPath, '--disable-warning=ExperimentalWarning']
const isRoot = process.getuid?.() === 0
const needsRoot = { skip: isRoot ? false : 'it takes root' }
let volumes = 0

/** A place with something in it that can be locked. */
function fresh(): string {
  const directory = join(scratch, `volume ${++volumes}`)
  fs.mkdirSync(directory)
  for (const name of ['data', 'data.mdb']) fs.writeFileSync(join(directory, name), 'x')
  return directory
}

const take = (directory: string, mode: 'r' | 'r+') => VolumeLock.take(placeOf(directory), mode)
const notes = (directory: string) => fs.readdirSync(join(directory, 'locks'))

/** Another process that has, or hasn't, got the lock. */
async function holder(
  t: TestContext,
  words: readonly string[],
  through: readonly string[] = [],
): Promise<{ child: ChildProcess; said: string; gone: Promise<unknown> }> {
  const [program, ...rest] = [...through, ...NODE, HOLDER, ...words]
  const child = spawn(program!, rest, { stdio: ['pipe', 'pipe', 'inherit'] })
  t.after(() => child.kill('SIGKILL'))
  const gone = once(child, 'exit')
  const [said] = await once(child.stdout, 'data')
  return { child, said: String(said), gone }
}

/** Whether programs can be run so here. */
function runs(...words: readonly string[]): boolean {
  return spawnSync(words[0]!, words.slice(1)).status === 0
}

test('a writer keeps everybody out, readers keep writers out, and each says who it is (LK1)', async () => {
  const directory = fresh()
  const writer = await take(directory, 'r+')
  for (const mode of ['r', 'r+'] as const)
    await assert.rejects(
      () => take(directory, mode),
      (error: unknown) =>
        error instanceof Locked &&
        error.owner?.pid === process.pid &&
        /^process \d+ of \S+ has it open to write since 20\d\d-.*; wait until it has closed it$/.test(
          error.message,
        ),
    )
  writer.release()
  const readers = [await take(directory, 'r'), await take(directory, 'r')]
  await assert.rejects(() => take(directory, 'r+'), /has it open to read/)
  for (const reader of readers) reader.release()
  const last = await take(directory, 'r+')
  last.release()
  assert.deepEqual(notes(directory), [])
})

for (const without of [[], ['koffi'], ['koffi', 'flock']]) {
  const name = without.length === 0 ? 'with all there is' : `without ${without.join(' and ')}`
  test(`${name}: a killed writer’s lock is nobody’s at once, and is kept by whom it says (LK2)`, async t => {
    const directory = fresh()
    const { child, said, gone } = await holder(t, [directory, 'r+', ...without])
    assert.equal(said, `taken, kept ${without.includes('flock') ? 'by nobody' : 'by the kernel'}\n`)
    await assert.rejects(() => take(directory, 'r'), new RegExp(`process ${child.pid} of`))
    const second = await holder(t, [directory, 'r', ...without])
    assert.match(second.said, new RegExp(`process ${child.pid} of .* wait until`))
    child.kill('SIGKILL')
    await gone
    const lock = await take(directory, 'r+')
    assert.equal(notes(directory).length, 1)
    const third = await holder(t, [directory, 'r+', ...without])
    assert.match(third.said, new RegExp(`process ${process.pid} of`))
    lock.release()
  })
}

describe('two ways to one volume', () => {
  test('copies of the metadata, with links of both kinds to the data', async t => {
    for (const link of [fs.symlinkSync, fs.linkSync]) {
      const [one, two] = [fresh(), fresh()]
      fs.rmSync(join(two, 'data'))
      link(join(one, 'data'), join(two, 'data'))
      const lock = await take(one, 'r+')
      await assert.rejects(() => take(two, 'r'), /^Error: somebody else has it open; wait/)
      assert.match((await holder(t, [two, 'r+'])).said, /somebody else has it open/)
      lock.release()
      ;(await take(two, 'r+')).release()
    }
  })

  test('a copy of the data, with hard links to the metadata', async () => {
    const [one, two] = [fresh(), fresh()]
    fs.rmSync(join(two, 'data.mdb'))
    fs.linkSync(join(one, 'data.mdb'), join(two, 'data.mdb'))
    const lock = await take(one, 'r+')
    await assert.rejects(() => take(two, 'r+'), Locked)
    lock.release()
  })

  test('another mount of the same files', needsRoot, async t => {
    const [one, two] = [fresh(), fresh()]
    if (!runs('mount', '--bind', one, two)) return t.skip('nothing can be mounted here')
    t.after(() => spawnSync('umount', ['-l', two]))
    const lock = await take(one, 'r+')
    await assert.rejects(() => take(two, 'r'), Locked)
    lock.release()
  })

  test('another namespace of processes, where nobody’s number means anything', needsRoot, async t => {
    const unshare = ['unshare', '-p', '--fork', '--mount-proc']
    if (!runs(...unshare, 'true')) return t.skip('there are no PID namespaces here')
    for (const without of [[], ['koffi'], ['koffi', 'flock']]) {
      const directory = fresh()
      const inside = await holder(t, [directory, 'r+', ...without], unshare)
      assert.match(inside.said, /^taken/)
      const isProven = !without.includes('flock')
      const remedy = isProven ? 'wait until it has closed it' : 'if that process is gone, remove'
      const outside = await holder(t, [directory, 'r+', ...without])
      assert.match(outside.said, new RegExp(`process \\d+ of .* has it open to write.*${remedy}`))
      inside.child.stdin!.end()
      await inside.gone
      if (isProven) (await take(directory, 'r+')).release()
    }
  })

  test('a block device, by all of its nodes; and one that is mounted', needsRoot, async t => {
    const image = join(scratch, 'image')
    fs.writeFileSync(image, new Uint8Array(2 ** 20))
    const { status, stdout } = spawnSync('losetup', ['--find', '--show', image], { encoding: 'utf8' })
    if (status !== 0) return t.skip('there are no loop devices here')
    const device = stdout.trim()
    t.after(() => spawnSync('losetup', ['--detach', device]))
    const node = join(scratch, 'node')
    const [major, minor] = String(
      spawnSync('stat', ['-c', '%Hr %Lr', device], { encoding: 'utf8' }).stdout,
    ).split(' ')
    assert.ok(runs('mknod', node, 'b', major!, minor!.trim()))
    const lock = await FileLock.take(device, 'exclusive')
    assert.equal(lock.kept, 'by the kernel')
    await assert.rejects(() => FileLock.take(node, 'exclusive'), Taken)
    await assert.rejects(() => FileLock.take(device, 'shared'), Taken)
    lock.release()
    ;(await FileLock.take(node, 'exclusive')).release()
    if (!runs('mkfs.ext4', '-q', device)) return
    const mounted = join(scratch, 'mounted')
    fs.mkdirSync(mounted)
    if (!runs('mount', device, mounted)) return
    t.after(() => spawnSync('umount', [mounted]))
    await assert.rejects(() => FileLock.take(device, 'exclusive'), Taken)
  })
})

describe('notes', () => {
  test('that are torn, empty or no notes at all keep nobody out (LK3)', async () => {
    for (const torn of ['', '{"pid":', '\0\0\0\0', 'null', '[]', '{"pid":"x"}', '7'])
      for (const mode of ['r', 'r+'] as const) {
        const directory = fresh()
        fs.mkdirSync(join(directory, 'locks'))
        for (const name of ['w.1.2.3', 'r.1.2.3', 'w']) fs.writeFileSync(join(directory, 'locks', name), torn)
        const lock = await take(directory, mode)
        assert.equal(notes(directory).length, 1)
        lock.release()
      }
  })

  test('of a process whose number has been given again, or of a start of the host before, are nobody’s', async () => {
    const directory = fresh()
    const lock = await take(directory, 'r+')
    const path = join(directory, 'locks', notes(directory)[0]!)
    const owner = JSON.parse(fs.readFileSync(path, 'utf8'))
    lock.release()
    const leave = (other: object) =>
      fs.writeFileSync(path, JSON.stringify({ ...owner, kept: 'by nobody', ...other }))
    for (const other of [{ begun: '1' }, { boot: 'another' }]) {
      leave(other)
      ;(await take(directory, 'r+')).release()
      assert.deepEqual(notes(directory), [])
    }
    leave({})
    await assert.rejects(() => take(directory, 'r+'), /wait until it has closed it/)
    for (const other of [
      { host: 'elsewhere', boot: 'another' },
      { machine: 'its twin', boot: 'another' },
      { namespace: 'pid:[1]' },
    ]) {
      leave(other)
      await assert.rejects(() => take(directory, 'r+'), /process \d+ of .*if that process is gone, remove /)
    }
  })

  test('of version 0.1 are understood', async () => {
    const directory = fresh()
    const lock = await take(directory, 'r')
    const path = join(directory, 'locks', notes(directory)[0]!)
    const { pid, host, boot, begun, since } = JSON.parse(fs.readFileSync(path, 'utf8'))
    lock.release()
    fs.writeFileSync(path, JSON.stringify({ pid, host, boot, begun, since, mode: 'r+' }))
    await assert.rejects(() => take(directory, 'r'), new RegExp(`process ${pid} of`))
  })

  test(
    'that can’t be left keep nobody from reading, nor, where the kernel keeps the lock, from writing',
    needsRoot,
    async t => {
      const directory = fresh()
      fs.chmodSync(scratch, 0o755)
      for (const name of ['.', 'data', 'data.mdb']) fs.chmodSync(join(directory, name), 0o755)
      for (const without of [['root'], ['root', 'koffi'], ['root', 'koffi', 'flock']]) {
        const reader = await holder(t, [directory, 'r', ...without])
        assert.match(reader.said, /^taken/)
        reader.child.kill('SIGKILL')
        await reader.gone
      }
      assert.equal(fs.existsSync(join(directory, 'locks')), false)
      const full = join(scratch, 'full')
      fs.mkdirSync(full)
      if (!runs('mount', '-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', full))
        return t.skip('nothing can be mounted')
      t.after(() => spawnSync('umount', ['-l', full]))
      for (const name of ['data', 'data.mdb']) fs.writeFileSync(join(full, name), 'x')
      assert.throws(() => fs.writeFileSync(join(full, 'filler'), new Uint8Array(65_536)), { code: 'ENOSPC' })
      for (const mode of ['r', 'r+'] as const) (await take(full, mode)).release()
      assert.match((await holder(t, [full, 'r', 'koffi', 'flock'])).said, /^taken/)
      assert.ok(runs('mount', '-o', 'remount,ro', full))
      ;(await take(full, 'r')).release()
    },
  )
})
