/** What is asked of a mounted volume beside its files: by the tool, by control groups, by mount(8); and what is large. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import { test } from 'node:test'
import { mountinfo, parseMountinfo } from '../fuse/index.ts'
import { CLI, faultline, has, Mounted, runs, unavailable } from './mounting.suite.ts'

const HOLDING = join(import.meta.dirname, 'holding.suite.ts')
/** nobody. */
const USER = 65_534

const skip = unavailable() ?? false

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
  const shrunk = await faultline('volume', 'shrink', target, '8MiB')
  assert.equal(shrunk.status, 1)
  assert.match(shrunk.err, /shrink of .* can't become smaller while it is; faultline umount .* first/)
  mkdirSync(join(mounted.folder, 'other'))
  const twice = await faultline('mount', volume, join(mounted.folder, 'other'))
  assert.equal(twice.status, 1)
  assert.match(twice.err, /mount of .*: it is mounted at .* already; faultline umount .* first/)
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
  // Asking took longer than what is slow; what it has waited for is still known.
  const { slow } = JSON.parse((await faultline('volume', 'status', mounted.target, '--json')).out)
  const [longest] = slow.toSorted((a: { readonly ms: number }, b: { readonly ms: number }) => b.ms - a.ms)
  assert.deepEqual([longest.name, longest.thread], ['READ', pid])
  const [own, behind] = longest.waits
  assert.match(own.waitsFor, /^read of inode \d+ page 0$/)
  assert.match(behind.waitsFor, /data block \d+$/)
  assert.ok(longest.ms >= own.ms && own.ms >= behind.ms && behind.ms >= 50)
  const { out: after } = await faultline('volume', 'status', mounted.volume)
  assert.match(
    after,
    new RegExp(
      `^READ of inode \\d+, asked by thread ${pid}, took [\\d.]+ ms; read of inode \\d+ for thread ${pid} waited [\\d.]+ ms for read of inode \\d+ page 0 \\(read\\); read of inode \\d+ waited`,
      'm',
    ),
  )
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

test('a range is taken out of no file whose size the kernel keeps to itself, and it is said why', {
  skip,
}, async t => {
  const mounted = await Mounted.make(t, '16MiB', '--writeback')
  await mounted.does('seq 20000 > f')
  for (const how of ['collapse', 'insert']) {
    const { status, err } = await faultline('volume', how, mounted.target, '/f', '4096', '4096')
    assert.equal(status, 1)
    assert.match(
      err,
      /of \/f: with --writeback the kernel keeps the sizes of files to itself; mount without it/,
    )
  }
  await mounted.does('seq 20000 | cmp - f')
  assert.equal(await mounted.unmount(), 0)
})
