/** A mounted volume as programs meet it: what they do with it, how it ends, and what becomes of it when its daemon dies. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chownSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { test } from 'node:test'
import { mountinfo, mountsAt, parseMountinfo } from '../fuse/index.ts'
import { FaultlineError } from '../map/index.ts'
import { MountedVolume } from './mounted.ts'
import { CLI, faultline, has, Mounted, runs, unavailable } from './mounting.suite.ts'

const HOLDING = join(import.meta.dirname, 'holding.suite.ts')

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
    head -c 8000000 /dev/urandom > a; sync; df --output=used . | tail -1
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
  await refused(/process \d+/, volume, folderIn(folder, 'other'))
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

test('the tool asks the daemon of a mounted volume: snapshots, dedupe, ranges, growth, check', {
  skip,
}, async t => {
  const mounted = await Mounted.make(t, '16MiB')
  const { target, volume } = mounted
  const tool = async (...words: readonly string[]) => {
    const { status, out, err } = await faultline('volume', ...words, '--json')
    assert.equal(status, 0, `${words.join(' ')}: ${err}`)
    return JSON.parse(out)
  }
  await mounted.does(`
    mkdir d; seq 20000 > d/f; cp --reflink=never d/f d/g; seq 20000 > /dev/null; ls monday 2>/dev/null || true; ls > /dev/null`)
  // What the kernel has of the mount, the name that wasn't there too, is right at once.
  assert.equal((await tool('snapshot', target, '/', '/monday')).snapshot.files, 2)
  assert.equal(
    await mounted.does('ls; ls monday/d; cmp d/f monday/d/f; echo x >> d/f; cmp d/f monday/d/f || true'),
    ['d\nmonday\nf\ng\n', 'cmp: EOF on monday/d/f after byte 108894, line 20000\n'][0],
  )
  assert.equal((await tool('snapshot', volume, '/d', '/monday/sealed', '--read-only')).snapshot.files, 2)
  for (const change of [
    'echo y >> f',
    'echo y > f',
    'truncate -s 5 f',
    'echo y > new',
    'rm f',
    'chmod 600 f',
  ])
    assert.match((await mounted.sh(`cd monday/sealed; ${change}`)).err, /Read-only file system/, change)
  assert.deepEqual((await faultline('volume', 'dedupe', target, '/d/f', '/d/g')).status, 1)
  await mounted.does(
    'cp d/f d/h; dd if=/dev/zero of=zeros bs=4096 count=4 status=none; cp --reflink=never zeros others',
  )
  assert.equal((await tool('dedupe', target, '/zeros', '/others')).dedupe.shared, 4 * 4096)
  assert.equal((await tool('stat', target, '/others')).shared, 4)
  // With the pages in the kernel, and dirty there.
  await mounted.does(`cat d/f > /dev/null; python3 - <<'PYTHON' || true
import mmap
with open('d/g', 'r+b') as f:
    m = mmap.mmap(f.fileno(), 0)
    m[8192:8196] = b'HERE'
PYTHON
`)
  await tool('collapse', target, '/d/g', '4096', '4096')
  const shifted = await mounted.does('stat -c %s d/g; dd if=d/g bs=1 skip=4096 count=4 status=none')
  assert.match(shifted, has('python3') ? /^104798\nHERE$/ : /^104798\n/)
  await tool('insert', volume, '/d/g', '0', '8KiB')
  assert.equal(await mounted.does('stat -c %s d/g; head -c 8192 d/g | tr -d "\\0" | wc -c'), '112990\n0\n')
  const refused = await faultline('volume', 'collapse', target, '/d/g', '1', '4096')
  assert.match(refused.err, /a multiple of the block size/)
  assert.ok((await tool('grow', target, '24MiB')).grow.size > 6000)
  assert.match(await mounted.does('df --output=size -m . | tail -1'), /24/)
  assert.deepEqual((await tool('check', target)).wrong, [])
  const { pid, requests } = await tool('status', volume)
  assert.equal(pid, mounted.pid)
  assert.deepEqual(requests, [])
  assert.match((await faultline('volume', 'status', target)).out, /is mounted at .* by process/)
  const elsewhere = await faultline('volume', 'mkdir', volume, '/new')
  assert.match(elsewhere.err, /is mounted at .*: do it with the files there, or faultline umount/)
  assert.equal(await mounted.unmount(), 0)
  assert.equal(mounted.said, '')
  assert.deepEqual(await mounted.check(), [])
})

test('an ioctl of another kind, or of another user, is refused', {
  skip: skip || (has('lsattr') && has('setpriv') ? false : 'no lsattr or setpriv here'),
}, async t => {
  const mounted = await Mounted.make(t, '4MiB', '--allow-other')
  const { err } = await mounted.sh('lsattr -d . || true')
  assert.match(err, /Inappropriate ioctl|not supported/)
  const other = await runs('setpriv', [
    `--reuid=${USER}`,
    `--regid=${USER}`,
    '--clear-groups',
    process.execPath,
    '--conditions=faultline-source',
    CLI,
    'volume',
    'snapshot',
    mounted.target,
    '/',
    '/s',
  ])
  assert.equal(other.status, 1)
  assert.match(other.err, /only root and who has mounted it may ask/)
  await mounted.does('echo still > f; cat f')
})

/** Where control groups of this host can be made; undefined: nowhere. */
function controlGroups(): string | undefined {
  const target = parseMountinfo(mountinfo()).find(({ type }) => type === 'cgroup2')?.target
  if (target === undefined) return undefined
  try {
    rmdirSync(mkdtempSync(join(target, 'faultline-')))
    return target
  } catch {
    return undefined
  }
}

const root = skip ? undefined : controlGroups()

test('a control group that is limited waits, and who is in another doesn’t', {
  skip: skip || (root === undefined ? 'no control group can be made here' : false),
}, async t => {
  const folder = mkdtempSync(join(root!, 'faultline-'))
  const limited = basename(folder)
  const mounted = await Mounted.make(t, '32MiB', '--group', `/${limited} wbps=512KiB memory.max=2MiB`)
  const write = (name: string) => `dd if=/dev/zero of=${name} bs=1M count=6 conv=fsync status=none`
  const slow = spawn('sh', ['-c', `echo $$ > ${folder}/cgroup.procs; echo in; ${write('slow')}`], {
    cwd: mounted.target,
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const gone = once(slow, 'close')
  t.after(async () => {
    slow.kill('SIGKILL')
    await gone
    await runs('rmdir', [folder])
  })
  await once(slow.stdout, 'data')
  await mounted.does(`${write('other')}; cat other > /dev/null; ls > /dev/null`)
  assert.equal(slow.exitCode, null, 'six MiB at half a MiB a second take longer')
  const { machine } = JSON.parse((await faultline('volume', 'status', mounted.target, '--json')).out)
  const group = machine.groups.find(({ path }: { readonly path: string }) => path === `/mount/${limited}`)
  assert.ok(group.usage <= 2 * 2 ** 20, `${group.usage} bytes`)
})

test('a file of almost 2^53 bytes: its end is written, found and read, and it takes two blocks', {
  skip,
}, async t => {
  const mounted = await Mounted.make(t, '4MiB')
  const size = Number.MAX_SAFE_INTEGER
  const out = await mounted.does(`
    echo first > f; truncate -s ${size} f; printf LAST | dd of=f bs=1 seek=${size - 4} conv=notrunc status=none
    stat -c '%s %b' f; tail -c 6 f | od -An -c; head -c 5 f; truncate -s ${size + 1} f 2>&1 || true`)
  assert.match(
    out,
    /^9007199254740991 16\n {2}\\0 {2}\\0 {3}L {3}A {3}S {3}T\nfirsttruncate: .*File too large\n/,
  )
  assert.equal(await mounted.unmount(), 0)
  assert.deepEqual(await mounted.check(), [])
})

test('mount(8) and fstab mount a volume by a program of two lines', {
  skip: skip || !has('unshare') ? skip || 'no unshare here' : false,
}, async t => {
  const mounted = await Mounted.make(t, '4MiB')
  await mounted.does('echo kept > f; sync f')
  assert.equal(await mounted.unmount(), 0)
  const { folder, volume, target } = mounted
  // What lies in /sbin is seen in a namespace of its own only.
  const script = `
    mkdir ${folder}/up ${folder}/work; mount -t overlay overlay -o lowerdir=/usr/sbin,upperdir=${folder}/up,workdir=${folder}/work /usr/sbin
    printf '%s\\n' '#!/bin/sh' 'exec ${process.execPath} --conditions=faultline-source ${CLI} mount "$1" "$2" --background "$3" "$4"' > /usr/sbin/mount.faultline
    chmod 755 /usr/sbin/mount.faultline
    echo '${volume} ${target} faultline noauto,nofail,ro,memory=8MiB 0 0' > ${folder}/fstab
    mount --fstab ${folder}/fstab ${target}
    cat ${target}/f; echo x 2>/dev/null > ${target}/g || echo read-only; umount ${target}; ! mountpoint -q ${target}`
  const { status, out, err } = await runs('unshare', ['-m', 'sh', '-ec', script])
  if (/overlay/.test(err)) return t.skip('no overlay filesystem here')
  assert.equal(status, 0, err)
  assert.equal(out, 'kept\nread-only\n')
  const wrong = await faultline('mount', volume, target, '-o', 'ro,memry=8MiB')
  assert.equal(wrong.status, 2)
  assert.match(wrong.err, /no option memry=8MiB here.*did you mean memory/)
})

test('what a request waits for is told by the daemon, while it waits', { skip }, async t => {
  const mounted = await Mounted.make(t, '16MiB')
  await mounted.does('head -c 1000000 /dev/urandom > big')
  await mounted.unmount()
  await mounted.start(HOLDING, ['mount', mounted.volume, mounted.target])
  mounted.signal('SIGUSR2')
  await mounted.says('holding')
  const reader = spawn('cat', ['big'], { cwd: mounted.target, stdio: 'ignore' })
  const ended = once(reader, 'close')
  await mounted.says('held')
  const { out } = await faultline('volume', 'status', mounted.target)
  const { pid } = reader
  for (const line of [
    `READ of inode \\d+, asked by thread ${pid}, isn't answered yet`,
    `read of inode (\\d+) for thread ${pid} has waited [\\d.]+ ms for read of inode \\1 page 0 \\(read\\)`,
    `read of inode \\d+ has waited [\\d.]+ ms for read of ${mounted.volume}/data block \\d+ \\(device\\)`,
    'read of inode \\d+ page 0 was asked for [\\d.]+ ms ago, and is issued',
  ])
    assert.match(out, new RegExp(`^${line}$`, 'm'))
  mounted.signal('SIGUSR2')
  assert.deepEqual(await ended, [0, null])
  assert.equal(await mounted.unmount(), 0)
})

test('a directory that is listed while entries come and go tells each that stays once', { skip }, async t => {
  const mounted = await Mounted.make(t, '16MiB')
  await mounted.does(`
    mkdir d; cd d; seq -f s%05g 3000 | xargs touch
    (while [ ! -e ../stop ]; do for n in $(seq 100); do : > r$n; : > t$n; done; rm -f r* t*; done) &
    for turn in 1 2 3 4 5 6; do
      ls -U > ../told; test "$(grep -c '^s' ../told)" = 3000; test -z "$(sort ../told | uniq -d)"
    done
    touch ../stop; wait`)
  assert.equal(await mounted.unmount(), 0)
  assert.deepEqual(await mounted.check(), [])
})
