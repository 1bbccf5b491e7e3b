/** What only the kernel has of a file: nobody skips it, and it is durable when what was promised says so. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { CLI, faultline, has, Mounted, runs, unavailable } from './mounting.suite.ts'

const skip = unavailable() ?? (has('python3') ? false : 'no python3 here')
const MIB = 2 ** 20

/** Python in the mount that has done something, and keeps its files open until it is killed. */
async function holds(t: TestContext, mounted: Mounted, script: string): Promise<ChildProcess> {
  const child = spawn(
    'python3',
    ['-c', `import mmap, os, sys\n${script}\nprint('done', flush=True)\nsys.stdin.read()`],
    {
      cwd: mounted.target,
      stdio: ['pipe', 'pipe', 'inherit'],
    },
  )
  const closed = once(child, 'close')
  t.after(async () => {
    child.kill('SIGKILL')
    await closed
  })
  const first = await Promise.race([once(child.stdout!, 'data'), closed.then(() => undefined)])
  assert.ok(first, 'the program ended')
  return child
}

/** A MiB of stores through a shared mapping of a new file, whose descriptor is closed. */
const STORES = (name: string) => `
fd = os.open('${name}', os.O_RDWR | os.O_CREAT)
os.ftruncate(fd, ${MIB})
stored = mmap.mmap(fd, ${MIB})
os.close(fd)
stored[:] = b'A' * ${MIB}`

/** Writes that are kept back with --writeback. */
const WRITES = (name: string, text: string) => `
fd = os.open('${name}', os.O_WRONLY | os.O_CREAT)
os.write(fd, b'${text}')`

for (const how of ['through', 'back'] as const)
  test(`cp, tar and stat skip nothing of what only the kernel has, writing ${how} (MKP1)`, {
    skip,
  }, async t => {
    const mounted = await Mounted.make(
      t,
      '32MiB',
      '--commit',
      '3600',
      ...(how === 'back' ? ['--writeback'] : []),
    )
    // Its attributes are with the kernel before it is opened.
    await mounted.does(`truncate -s ${MIB} old; stat -c %b old`)
    await holds(
      t,
      mounted,
      `${STORES('new')}
fd = os.open('old', os.O_RDWR)
older = mmap.mmap(fd, ${MIB})
older[:] = b'B' * ${MIB}`,
    )
    assert.equal(await mounted.does('stat -c %b new old'), '2048\n2048\n')
    const copied = join(mounted.folder, 'copied')
    await mounted.does(`tar -Scf '${copied}' new; tar -xOf '${copied}' new | tr -d A | wc -c`)
    assert.equal(
      await mounted.does(`tar -Scf '${copied}' new; tar -xOf '${copied}' new | tr -d A | wc -c`),
      '0\n',
    )
    assert.equal(await mounted.does(`cp old '${copied}'; tr -d B < '${copied}' | wc -c`), '0\n')
    // What is a hole is one still, and where data begins is said exactly.
    await holds(
      t,
      mounted,
      `
fd = os.open('sparse', os.O_RDWR | os.O_CREAT)
os.ftruncate(fd, 65536)
part = mmap.mmap(fd, 65536)
part[32768] = 7
assert os.lseek(fd, 0, os.SEEK_DATA) == 32768
assert os.lseek(fd, 32768, os.SEEK_HOLE) == 36864`,
    )
    if (how === 'through') return
    await holds(t, mounted, WRITES('plain', 'C'.repeat(9000)))
    assert.notEqual(await mounted.does('stat -c %b plain'), '0\n')
    assert.equal(await mounted.does(`cp plain '${copied}'; tr -d C < '${copied}' | wc -c`), '0\n')
  })

test('where files can’t be reached by their handles nothing is skipped either', {
  skip: skip || (has('setpriv') ? false : 'no setpriv here'),
}, async t => {
  const mounted = await Mounted.make(t, '16MiB')
  assert.equal(await mounted.unmount(), 0)
  const daemon = [process.execPath, '--conditions=faultline-source', CLI, 'mount']
  const where = [mounted.volume, mounted.target, '--background', '--json']
  const { status, out, err } = await runs('setpriv', ['--bounding-set=-dac_read_search', ...daemon, ...where])
  assert.equal(status, 0, err)
  const { pid } = JSON.parse(out) as { readonly pid: number }
  t.after(() => {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // It has ended, as it should.
    }
  })
  const holder = await holds(t, mounted, STORES('f'))
  const copied = join(mounted.folder, 'copied')
  assert.equal(
    await mounted.does(`cp f '${copied}'; tr -d A < '${copied}' | wc -c; stat -c %s '${copied}'`),
    `0\n${MIB}\n`,
  )
  const gone = once(holder, 'close')
  holder.kill('SIGKILL')
  await gone
  assert.equal((await faultline('umount', mounted.target)).status, 0)
})

test('a count of blocks that was guessed is forgotten when nobody writes the file any more (MKP2)', {
  skip,
}, async t => {
  const mounted = await Mounted.make(t, '16MiB')
  const open = await holds(t, mounted, `fd = os.open('f', os.O_RDWR | os.O_CREAT)\nos.ftruncate(fd, ${MIB})`)
  assert.equal(await mounted.does('stat -c %b f'), '2048\n')
  const closed = once(open, 'close')
  open.stdin!.end()
  await closed
  for (let said = ''; said !== '0\n'; said = await mounted.does('stat -c %b f'));
})

test('a sync of the mount makes durable what only the kernel had', { skip }, async t => {
  const mounted = await Mounted.make(t, '32MiB', '--writeback', '--commit', '3600')
  await holds(t, mounted, STORES('stored'))
  await holds(t, mounted, WRITES('written', 'D'.repeat(100_000)))
  await mounted.does('sync .')
  await mounted.kill()
  await mounted.mount()
  assert.equal(
    await mounted.does('tr -d A < stored | wc -c; tr -d D < written | wc -c; stat -c %s stored written'),
    `0\n0\n${MIB}\n100000\n`,
  )
})

test('a snapshot has what only the kernel had', { skip }, async t => {
  const mounted = await Mounted.make(t, '32MiB', '--writeback', '--commit', '3600')
  await holds(t, mounted, STORES('stored'))
  const { status, err } = await faultline('volume', 'snapshot', mounted.target, '/', '/monday')
  assert.equal(status, 0, err)
  assert.equal(mounted.said, '')
  assert.equal(await mounted.does('tr -d A < monday/stored | wc -c; stat -c %s monday/stored'), `0\n${MIB}\n`)
})

test('a file that is renamed or linked while it is open has its bytes before its name is durable', {
  skip,
}, async t => {
  const mounted = await Mounted.make(t, '32MiB', '--writeback', '--commit', '3600')
  await mounted.does('mkdir d; echo old > d/doc; echo old > d/mapped; echo x > other; sync .')
  await holds(t, mounted, `${WRITES('new', 'new')}\nos.rename('new', 'd/doc')`)
  await holds(t, mounted, `${STORES('m')}\nos.rename('m', 'd/mapped')`)
  await holds(t, mounted, `${WRITES('l', 'linked')}\nos.link('l', 'd/l')`)
  await mounted.does('sync d')
  await mounted.kill()
  await mounted.mount()
  assert.equal(
    await mounted.does('cat d/doc d/l; tr -d A < d/mapped | wc -c; stat -c %s d/mapped'),
    `newlinked0\n${MIB}\n`,
  )
})

test('what only the kernel has is written when the time of --commit has passed', { skip }, async t => {
  const mounted = await Mounted.make(t, '32MiB', '--commit', '0.1')
  const free = async () => Number(await mounted.does('stat -f -c %f .'))
  await mounted.does('truncate -s 1M f; sync .')
  const before = await free()
  await holds(
    t,
    mounted,
    `fd = os.open('f', os.O_RDWR)
stored = mmap.mmap(fd, ${MIB})
stored[:] = b'A' * ${MIB}`,
  )
  // The kernel by itself lets dirty pages grow old: half a minute (vm.dirty_expire_centisecs).
  const patience = performance.now() + 15_000
  while (before - (await free()) < 256) {
    assert.ok(performance.now() < patience, 'nothing was written')
    await setTimeout(50)
  }
})

test('a daemon that is killed while the kernel writes for it leaves nobody waiting (FPW2)', {
  skip,
}, async t => {
  const mounted = await Mounted.make(t, '128MiB', '--writeback', '--commit', '3600')
  await holds(
    t,
    mounted,
    `
fd = os.open('big', os.O_RDWR | os.O_CREAT)
os.ftruncate(fd, 64 * ${MIB})
stored = mmap.mmap(fd, 64 * ${MIB})
for at in range(0, 64 * ${MIB}, 4096): stored[at] = 1`,
  )
  const syncing = mounted.sh('sync .')
  const before = await mounted.does('stat -f -c %f .')
  while ((await mounted.does('stat -f -c %f .')) === before);
  const ended = await Promise.race([mounted.kill().then(() => 'gone'), setTimeout(20_000, 'waiting')])
  // By force the kernel gives up what waits, so that the test ends.
  if (ended === 'waiting') await runs('umount', ['-f', mounted.target])
  assert.equal(ended, 'gone')
  assert.equal(mounted.said, '')
  assert.notEqual((await syncing).status, null, 'it hung')
  assert.match((await runs('ls', [mounted.target], { patience: 10_000 })).err, /not connected|abort/)
})
