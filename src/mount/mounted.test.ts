/** A mounted volume as programs meet it: what they do with it, how it ends, and what becomes of it when its daemon dies. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chownSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { FaultlineError } from '../calls/index.ts'
import { mountsAt } from '../fuse/index.ts'
import { MountedVolume } from './mounted.ts'
import { CLI, faultline, has, Mounted, runs, unavailable } from './mounting.suite.ts'

const skip = unavailable() ?? false

test('what programs do with a mounted volume stays in it', { skip }, async t => {
  const mounted = await Mounted.make(t, '32MiB')
  const out = await mounted.does(`
    echo hello > f; cat f; mkdir -p d/e; mv f d/g; ln -s d/g l; cat l; ln d/g d/h
    printf 'a\\nb\\n' >> d/g; cat d/h; rm d/h; chmod 640 d/g; touch -d '2001-02-03 04:05:06.789' d/g
    stat -c '%a %s %h %y' d/g; head -c 3000000 /dev/urandom > big; cp big copy; cmp big copy; ls`)
  assert.deepEqual(out.split('\n'), [
    'hello',
    'hello',
    'hello',
    'a',
    'b',
    '640 10 1 2001-02-03 04:05:06.789000000 +0000',
    'big',
    'copy',
    'd',
    'l',
    '',
  ])
  assert.equal(await mounted.unmount(), 0)
  assert.equal(mounted.said, '')
  assert.deepEqual(await mounted.check(), [])
  await mounted.mount('--read-only')
  assert.equal(await mounted.does('cat l; cmp big copy'), 'hello\na\nb\n')
  const refused = await mounted.sh('echo x > new')
  assert.match(refused.err, /Read-only file system/)
  assert.equal(await mounted.unmount(), 0)
})

test('cp clones: a copy takes no block of its own', { skip }, async t => {
  const mounted = await Mounted.make(t, '32MiB')
  const out = await mounted.does(`
    (printf y; head -c 8000000 /dev/urandom) > a; sync; df --output=used . | tail -1
    cp a b; sync; df --output=used . | tail -1; cmp a b
    printf x | dd of=b conv=notrunc status=none; cmp -n 1 a b >/dev/null || echo differs`)
  const [before, after, differs] = out.split('\n')
  assert.equal(before, after)
  assert.equal(differs, 'differs')
})

test('a volume that is full says so to the write, and takes more when there is room', { skip }, async t => {
  const mounted = await Mounted.make(t, '4MiB')
  const { err, out } = await mounted.sh(`
    dd if=/dev/zero of=big bs=64k || true; stat -c %s big; echo more > small || true; rm big; sync; echo now > small; cat small`)
  assert.match(err, /dd: error writing 'big': No space left on device/)
  assert.match(out, /^\d{7}\nnow\n$/)
  const { err: allocated } = await mounted.sh('fallocate -l 10M f')
  assert.match(allocated, /No space left on device/)
  assert.equal(await mounted.unmount(), 0)
  assert.deepEqual(await mounted.check(), [])
})

test('a daemon that is killed leaves ENOTCONN and nobody waiting; the next mount cleans up', {
  skip,
}, async t => {
  const mounted = await Mounted.make(t, '16MiB')
  await mounted.does('echo kept > f; sync f; mkdir d')
  const writing = mounted.sh('while :; do echo more >> g; done')
  const waiting = spawn('sh', ['-c', 'cd d; while [ -e . ]; do ls >/dev/null 2>&1 || exit 7; done; exit 7'], {
    cwd: mounted.target,
  })
  const left = once(waiting, 'close')
  await mounted.does('ls > /dev/null')
  await mounted.kill()
  assert.notEqual((await writing).status, 0)
  assert.deepEqual(await left, [7, null])
  assert.match((await runs('ls', [mounted.target])).err, /Transport endpoint is not connected/)
  assert.equal(mountsAt(mounted.target).length, 1)
  await mounted.mount()
  assert.equal(mountsAt(mounted.target).length, 1)
  assert.equal(await mounted.does('cat f'), 'kept\n')
  assert.equal(await mounted.unmount(), 0)
  assert.deepEqual(await mounted.check(), [])
  await mounted.mount()
  await mounted.kill()
  assert.equal((await faultline('umount', mounted.target)).status, 0, 'umount cleans up as well')
  assert.equal(mountsAt(mounted.target).length, 0)
})

test('a mount that is used says by whom, and stays; Ctrl-C unmounts, twice takes it out of sight', {
  skip,
}, async t => {
  const mounted = await Mounted.make(t, '16MiB')
  const user = spawn('sleep', ['60'], { cwd: mounted.target })
  const gone = once(user, 'close')
  const refused = await faultline('umount', mounted.target)
  assert.equal(refused.status, 1)
  assert.match(
    refused.err,
    new RegExp(`busy and stays mounted: sleep \\(${user.pid}\\) has ${mounted.target}`),
  )
  const told = JSON.parse((await faultline('umount', mounted.target, '--json')).out)
  assert.equal(told.users[0].pid, user.pid)
  mounted.signal('SIGINT')
  while (!mounted.said.includes('busy and stays mounted'))
    await new Promise(resolve => setTimeout(resolve, 5))
  assert.equal(mountsAt(mounted.target).length, 1)
  mounted.signal('SIGINT')
  while (mountsAt(mounted.target).length > 0) await new Promise(resolve => setTimeout(resolve, 5))
  user.kill('SIGKILL')
  await gone
  assert.equal(await mounted.ended(), 0)
  await mounted.mount()
  await mounted.does('echo x > f')
  mounted.signal('SIGTERM')
  assert.equal(await mounted.ended(), 0)
  await mounted.mount()
  assert.equal(await mounted.does('cat f'), 'x\n')
})

test('what it may not mount, and where, it says in a sentence', { skip }, async t => {
  const mounted = await Mounted.make(t, '4MiB')
  const { folder, target, volume } = mounted
  // What is refused is refused before anything is mounted, so this process may ask.
  const refused = (pattern: RegExp, ...[from, to]: readonly [string, string]) =>
    assert.rejects(MountedVolume.mount(from, to), (error: Error) => {
      assert.ok(error instanceof FaultlineError, error.stack)
      assert.match(error.message, pattern)
      return true
    })
  await refused(/a filesystem of FUSE is mounted there; faultline umount/, volume, target)
  symlinkSync(target, join(folder, 'link'))
  await refused(/a filesystem of FUSE is mounted there/, volume, join(folder, 'link'))
  await refused(/it is mounted at .* already; faultline umount/, volume, folderIn(folder, 'other'))
  await refused(/there is no such directory; make it first/, volume, join(folder, 'nowhere'))
  await refused(/it is not a directory; expected one to mount at/, volume, join(volume, 'data.mdb'))
  await refused(/lies below that directory, and would be hidden by its own mount/, volume, folder)
  await refused(/no volume|not a volume|holds no/i, folderIn(folder, 'empty'), folderIn(folder, 'other'))
  assert.equal((await faultline('umount', join(folder, 'link'))).status, 0)
  assert.equal(await mounted.ended(), 0)
  const none = await faultline('umount', target)
  assert.equal(none.status, 1)
  assert.match(none.err, /no volume is mounted there/)
})

function folderIn(folder: string, name: string): string {
  const path = join(folder, name)
  mkdirSync(path, { recursive: true })
  return path
}

test('a mount with limits keeps to them, and its memory is its own', { skip }, async t => {
  const mounted = await Mounted.make(t, '16MiB', '--memory', '8MiB', '--io-max', 'wbps=4MiB,rbps=max')
  const out = await mounted.does(`
    start=$(date +%s%N); dd if=/dev/zero of=f bs=1M count=8 status=none; sync f; end=$(date +%s%N)
    echo $(((end - start) / 1000000))`)
  // Eight MiB at four a second: less than half of that time would be no limit.
  assert.ok(Number(out) > 1000, `${out.trim()} ms`)
  await mounted.unmount()
  const wrong = await faultline('mount', mounted.volume, mounted.target, '--io-max', 'rbsp=1')
  assert.match(wrong.err, /did you mean rbps/)
})

test('limits that can’t be are wrong words: nothing is mounted, and nothing is left', { skip }, async t => {
  const mounted = await Mounted.make(t, '4MiB')
  assert.equal(await mounted.unmount(), 0)
  const { volume, target } = mounted
  for (const [words, why] of [
    [['--io-max', 'x=1'], /x/],
    [['--io-max', 'rbps=-5'], /rbps/],
    [['--io-max', 'disk=/nope rbps=1MiB'], /nope/],
    [['--io-max', 'rbps=-5', '--background'], /rbps/],
    [['--group', '/batch memory.max=much'], /memory.max/],
  ] as const) {
    const { status, err } = await faultline('mount', volume, target, ...words)
    assert.equal(status, 2, `${words.join(' ')}: ${err}`)
    assert.match(err, why)
    assert.equal(mountsAt(target).length, 0)
  }
  assert.deepEqual(await mounted.check(), [])
})

test('blocks of what was removed are free to statfs at once', { skip }, async t => {
  const mounted = await Mounted.make(t, '32MiB', '--commit', '3600')
  const free = async () => Number(await mounted.does('stat -f -c %f .'))
  const before = await free()
  await mounted.does('dd if=/dev/zero of=f bs=1M count=10 status=none; sync .')
  assert.ok(before - (await free()) >= 2560)
  await mounted.does('rm f')
  // The kernel tells of what it has forgotten a moment later.
  const patience = performance.now() + 10_000
  while ((await free()) < before - 100) assert.ok(performance.now() < patience, 'they never are')
})

test('what is missing behind the end of a data file that is too short is EIO where it is read', {
  skip,
}, async t => {
  const mounted = await Mounted.make(t, '16MiB')
  await mounted.does('for n in 1 2 3 4; do head -c 1048576 /dev/urandom > f$n; done')
  assert.equal(await mounted.unmount(), 0)
  truncateSync(join(mounted.volume, 'data'), 2 * 2 ** 20)
  await mounted.mount()
  const { err } = await mounted.sh('for n in 1 2 3 4; do cat f$n > /dev/null || true; done')
  assert.match(err, /Input\/output error/)
  assert.doesNotMatch(err, /clean/)
})

test('umount from inside says that you are in it, and doesn’t name itself', { skip }, async t => {
  const mounted = await Mounted.make(t, '4MiB')
  const umount = ['--conditions=faultline-source', CLI, 'umount', mounted.target]
  const inside = await mounted.run(process.execPath, ...umount)
  assert.equal(inside.status, 1)
  assert.match(inside.err, /busy and stays mounted: you are in it/)
  const user = spawn('sleep', ['60'], { cwd: mounted.target })
  const gone = once(user, 'close')
  const told = JSON.parse((await mounted.run(process.execPath, ...umount, '--json')).out)
  user.kill('SIGKILL')
  await gone
  assert.equal(told.unmounted, false)
  assert.deepEqual(
    told.users.map(({ pid }: { readonly pid: number }) => pid),
    [user.pid],
  )
})

test('a block that is damaged is EIO where it is read, and the volume is read-only from then on', {
  skip,
}, async t => {
  const mounted = await Mounted.make(t, '16MiB')
  await mounted.does(`for n in 1 2 3; do head -c 65536 /dev/zero | tr '\\0' $n > f$n; done`)
  await mounted.unmount()
  const data = join(mounted.volume, 'data')
  const bytes = readFileSync(data)
  const at = bytes.indexOf(Buffer.alloc(4096, '2')) + 100
  bytes[at] = bytes[at]! ^ 1
  writeFileSync(data, bytes)
  await mounted.mount()
  const { err, out } = await mounted.sh('cat f2 > /dev/null || true; cat f1 | wc -c; echo x > new')
  assert.match(err, /cat: f2: Input\/output error/)
  assert.match(out, /65536/)
  assert.match(err, /new: Read-only file system/)
  assert.equal(await mounted.unmount(), 0)
})

test('in the background the command returns when it is mounted', { skip }, async t => {
  const mounted = await Mounted.make(t, '4MiB')
  assert.equal(await mounted.unmount(), 0)
  const { volume, target } = mounted
  const { status, out } = await faultline('mount', volume, target, '--background', '--json')
  assert.equal(status, 0)
  const { pid } = JSON.parse(out) as { readonly pid: number }
  t.after(() => {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // It has ended, as it should.
    }
  })
  await mounted.does('echo x > f')
  assert.equal((await faultline('umount', target)).status, 0)
  assert.deepEqual(await mounted.check(), [])
})

/** proc(5): what this process may do; bit 24 is CAP_SYS_RESOURCE. */
const mayFlush = /^CapEff:\s*[0-9a-f]+[13579bdf][0-9a-f]{6}$/m.test(
  readFileSync('/proc/self/status', 'latin1'),
)
const noFlusher = skip || (mayFlush ? false : 'this root has no CAP_SYS_RESOURCE')

test('the daemon asks for memory without waiting for filesystems', { skip: noFlusher }, async t => {
  const mounted = await Mounted.make(t, '4MiB')
  await mounted.does('head -c 100000 /dev/zero > f; sync f; cat f > /dev/null')
  const PF_MEMALLOC_NOIO = 0x80000
  const stat = readFileSync(`/proc/${mounted.pid}/stat`, 'latin1')
  // proc(5): field 9.
  const flags = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[6])
  assert.notEqual(flags & PF_MEMALLOC_NOIO, 0)
})

test('a user who is not root mounts and unmounts by fusermount3', { skip: noFusermount() }, async t => {
  const folder = mkdtempSync(join(tmpdir(), 'faultline-user-'))
  t.after(async () => {
    await runs('umount', ['-l', join(folder, 'mnt')])
    rmSync(folder, { recursive: true, force: true })
  })
  chownSync(folder, USER, USER)
  // Where /dev/fuse is root's alone, they see one that is everybody's, and nobody else does.
  const script = `
    mknod '${folder}/fuse' c 10 229; chmod 666 '${folder}/fuse'; mount --bind '${folder}/fuse' /dev/fuse
    user() { setpriv --reuid=${USER} --regid=${USER} --clear-groups "$@"; }
    own() { user '${process.execPath}' --conditions=faultline-source '${CLI}' "$@"; }
    cd '${folder}'; user mkdir mnt; own volume create 'volume, its own' --size 4MiB > /dev/null
    own mount 'volume, its own' mnt --background
    grep -o '${folder}/mnt fuse[^ ]*' /proc/mounts | sed 's/.*\\///'
    user sh -ec 'cd mnt; echo mine > f; cat f; stat -c %u f'
    ls mnt 2>&1 || true
    own umount mnt; grep '${folder}/mnt' /proc/mounts || echo unmounted`
  const { status, out, err } = await runs('unshare', ['-m', 'sh', '-ec', script])
  assert.equal(status, 0, err)
  assert.match(out, /^mnt fuse.faultline\nmine\n65534\nls: .*Permission denied\nunmounted\n$/)
})

/** nobody: fusermount3 wants one that has a name. */
const USER = 65_534

function noFusermount(): string | false {
  return (
    skip ||
    (has('fusermount3') && has('setpriv') && has('unshare')
      ? false
      : 'no fusermount3, setpriv or unshare here')
  )
}

test('what a daemon that was killed had promised is there: a file that was renamed, everything after a sync of the mount', {
  skip,
}, async t => {
  const mounted = await Mounted.make(t, '16MiB')
  await mounted.does(`
    mkdir d
    printf AAAA > d/new; mv d/new d/doc; sync d
    printf BBBB > other; ln other linked; printf x > synced; sync synced`)
  await mounted.kill()
  await mounted.mount()
  assert.equal(await mounted.does('cat d/doc linked synced'), 'AAAABBBBx')
  await mounted.does('printf CCCC > loose; mkdir -p deep; printf DDDD > deep/er; sync .')
  await mounted.kill()
  await mounted.mount()
  assert.equal(await mounted.does('cat loose deep/er'), 'CCCCDDDD')
})

test('what a file that is removed held can be written again at once', { skip }, async t => {
  const mounted = await Mounted.make(t, '24MiB')
  await mounted.does(`
    for turn in 1 2 3 4 5 6 7 8; do
      dd if=/dev/zero of=full bs=1M status=none 2>/dev/null || true
      rm full; echo now > small && cat small > /dev/null && rm small
    done`)
})
