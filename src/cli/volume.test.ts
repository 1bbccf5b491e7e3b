/** `faultline volume` as its user meets it: pipes, JSON, bad words, a flipped bit, Ctrl-C. */
import assert from 'node:assert/strict'
import { type SpawnSyncOptions, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'

const MAIN = join(import.meta.dirname, 'main.ts')
const folder = fs.mkdtempSync(join(tmpdir(), 'faultline-cli-volume-'))
after(() => fs.rmSync(folder, { recursive: true }))
const VOLUME = join(folder, 'v')
const PAGE = 4096

function volume(words: readonly string[], options: SpawnSyncOptions = {}) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, 'volume', ...words], options)
  return { status, out: stdout as Buffer, text: String(stdout), err: String(stderr) }
}

function does(...words: readonly string[]): string {
  const { status, text, err } = volume(words)
  assert.equal(status, 0, err)
  return text
}

test('a volume is made, filled, cloned, listed and read, with figures as JSON and bytes through pipes', () => {
  const bytes = Buffer.from(Array.from({ length: 3 * PAGE + 9 }, (_, at) => (at * 31) & 255))
  const host = join(folder, 'host')
  fs.writeFileSync(host, bytes)
  assert.match(does('create', VOLUME, '--size', '4MiB'), /a volume of 1023 blocks of 4096 bytes/)
  assert.equal(JSON.parse(does('put', VOLUME, host, '/a', '--json')).put.bytes, bytes.length)
  assert.equal(volume(['put', VOLUME, '-', '/b'], { input: bytes.subarray(5) }).status, 0)
  does('mkdir', VOLUME, '/d')
  does('clone', VOLUME, '/a', '/d/c')
  does('mv', VOLUME, '/b', '/d/b')
  assert.equal(JSON.parse(does('snapshot', VOLUME, '/', '/snap', '--json')).snapshot.files, 3)
  does('rm', VOLUME, '/d/b')
  assert.deepEqual(
    JSON.parse(does('ls', VOLUME, '/snap/d', '--json')).map(({ name }: { name: string }) => name),
    ['b', 'c'],
  )
  assert.equal(JSON.parse(does('stat', VOLUME, '/d/c', '--json')).shared, 4)
  assert.deepEqual(volume(['get', VOLUME, '/snap/d/b', '-']).out, bytes.subarray(5))
  const out = join(folder, 'out')
  fs.writeFileSync(out, 'old')
  does('get', VOLUME, '/d/c', out, '--force')
  assert.deepEqual(fs.readFileSync(out), bytes)
  does('clone', VOLUME, '/snap/d/b', '/d/c', '--force')
  does('clone', VOLUME, '/a', '/d/c', '-f')
  does('snapshot', VOLUME, '/', '/sealed', '--read-only')
  assert.match(volume(['rm', VOLUME, '/sealed/a']).err, /EROFS.*snapshot that was made to be read/)
  does('rm', VOLUME, '/sealed', '-r')
  does('mkdir', VOLUME, '/two\nlines')
  assert.match(does('ls', VOLUME), /two\\nlines\/$/m)
  assert.deepEqual(JSON.parse(does('check', VOLUME, '--json')).wrong, [])
  assert.match(does('dump', VOLUME), /"a" in directory 1: inode \d+, file/)
})

test('words that make no sense, and what cannot be done, get one sentence', () => {
  const cases: readonly (readonly [readonly string[], RegExp, number])[] = [
    [['ls', join(folder, 'none')], /is no volume: .* doesn't exist/, 1],
    [['put', VOLUME, join(folder, 'none'), '/x'], /ENOENT/, 1],
    [['put', VOLUME, '/etc/hostname/below', '/x'], /put of .* failed with ENOTDIR: a part of the path/, 1],
    [
      ['put', VOLUME, '/etc/hostname', '/a'],
      /EEXIST: something has that name already; --force replaces it/,
      1,
    ],
    [['get', VOLUME, '/a', '/etc/hostname'], /EEXIST: .*and it stays; --force replaces it/, 1],
    [['get', VOLUME, '/a', '/dev/null'], /it is a character device, and only a regular file/, 1],
    [['create', join(folder, 'x'), '--size', '0'], /expected at least 8 KiB, which is 2 blocks/, 2],
    [['create', join(folder, 'x'), '--size', '7PiB'], /size/, 2],
    [['create', join(folder, 'x'), '--block-size', '3000'], /--block-size.*a power of two from 4 KiB/, 2],
    [['create', join(folder, 'x'), '--block-size', '2KiB'], /--block-size.*a power of two from 4 KiB/, 2],
    [['create', join(folder, 'x'), '--block-size', '32MiB'], /--block-size.*to 16 MiB/, 2],
    [['put', VOLUME, '/etc/hostname', '/d'], /EEXIST: .*--force replaces it, if it is a file/, 1],
    [['put', VOLUME, '/etc/hostname', '/d', '--force'], /EISDIR: it is a directory/, 1],
    [['ls', VOLUME, '/a'], /ENOTDIR: it is not a directory/, 1],
    [['mv', VOLUME, '/d', '/a'], /ENOTDIR: a directory does not take the place of a file/, 1],
    [
      ['get', VOLUME, '/a', join(folder, 'x'.repeat(300))],
      /ENAMETOOLONG: a name in the path is longer than its filesystem takes/,
      1,
    ],
    [
      ['put', VOLUME, join(folder, 'x'.repeat(300)), '/x'],
      /ENAMETOOLONG: a name in the path is longer than its filesystem takes/,
      1,
    ],
    [['create', join(folder, 'x'), '--size', '900TiB'], /MiB free, which is less than is asked for/, 1],
    [
      ['create', join(folder, 'x'), '--data', join(folder, 'host')],
      /holds something already.*not overwritten/,
      1,
    ],
    [['put', VOLUME, '/etc/hostname', 'x'], /expected a path of the volume, from \//, 2],
    [['rm', VOLUME, '/d'], /ENOTEMPTY: .*; --recursive removes it with all that is below it/, 1],
    [['rm', VOLUME, '/', '-r'], /the root of a volume/, 1],
    [['clone', VOLUME, '/a', '/d/c'], /EEXIST: .*--force replaces it/, 1],
    [['create', VOLUME], /is a volume already/, 1],
    [['create', join(folder, 'x'), '--size', 'much'], /size/, 2],
    [['create', join(folder, 'x'), '--size', '4097'], /expected at least 8 KiB, which is 2 blocks/, 2],
    [['create', join(folder, 'x'), '--size', '64KiB', '--block-size', '64KiB'], /at least 128 KiB/, 2],
    [['ls', VOLUME, 'd'], /expected a path of the volume, from \//, 2],
    [['mv', VOLUME, '/a', 'b'], /expected a path of the volume, from \//, 2],
    [['ls', join(folder, 'host'), '/'], /is a file, and a volume is a directory/, 1],
    [['chek', VOLUME], /Did you mean check/, 2],
  ]
  for (const [words, sentence, expected] of cases) {
    const { status, err } = volume(words)
    assert.match(err, sentence)
    assert.equal(status, expected, err)
    assert.doesNotMatch(err, /\n {4}at /)
    assert.equal(fs.existsSync(join(folder, 'x')), false)
  }
})

test('a flipped bit is told by file and offset; the volume is read-only until it is repaired', () => {
  const data = join(VOLUME, 'data')
  const { wrong: none } = JSON.parse(does('check', VOLUME, '--json'))
  assert.deepEqual(none, [])
  const fd = fs.openSync(data, 'r+')
  const byte = Buffer.alloc(1)
  fs.readSync(fd, byte, 0, 1, PAGE + 77)
  fs.writeSync(fd, Buffer.from([byte[0]! ^ 2]), 0, 1, PAGE + 77)
  fs.closeSync(fd)
  const { status, text } = volume(['check', VOLUME])
  assert.equal(status, 1)
  assert.match(text, /\/a, bytes 0 to 4095: block 1 doesn't match its checksum \(.*data, offset 4096\)/)
  assert.match(volume(['rm', VOLUME, '/a']).err, /EROFS.*found damaged: \/a, bytes 0 to 4095/)
  assert.match(
    does('check', VOLUME, '--repair'),
    /given up: \/a \(inode \d+\), bytes 0 to 4095: its data is lost/,
  )
  does('check', VOLUME)
  assert.match(volume(['get', VOLUME, '/a', '-']).err, /EIO: a part of it is lost or damaged/)
  does('rm', VOLUME, '/a')
})

const needsRoot = { skip: process.getuid?.() === 0 ? false : 'it takes root' }

test(
  'where the host has no space for the metadata a change names itself, and nothing is changed',
  needsRoot,
  t => {
    const small = join(folder, 'small')
    fs.mkdirSync(small)
    if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=12m', 'tmpfs', small]).status !== 0)
      return t.skip('nothing can be mounted here')
    try {
      const path = join(small, 'v')
      does('create', path, '--size', '8MiB')
      const filler = fs.openSync(join(small, 'filler'), 'w')
      assert.throws(() => {
        for (;;) fs.writeSync(filler, Buffer.alloc(4096))
      }, /ENOSPC/)
      fs.closeSync(filler)
      for (const [words, what] of [
        [['mkdir', path, '/d'], 'mkdir of /d'],
        [['snapshot', path, '/', '/s'], 'snapshot of / to /s'],
        [['put', path, MAIN, '/main'], 'put of /main'],
      ] as const) {
        const { status, err } = volume(words)
        assert.equal(status, 1)
        assert.match(
          err,
          new RegExp(`^faultline: ${what} failed with ENOSPC: the host's filesystem has no space`),
        )
        assert.match(err, /^[^;]*; nothing (was changed|is left of it): free some space there first\n$/)
      }
      fs.rmSync(join(small, 'filler'))
      assert.equal(does('ls', path), '')
      does('check', path)
    } finally {
      spawnSync('umount', ['-l', small])
    }
  },
)

for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
] as const)
  test(`what if ${signal} interrupts it? Neither the volume nor the host has half a file`, async () => {
    const before = does('ls', VOLUME)
    const child = spawn(process.execPath, [MAIN, 'volume', 'put', VOLUME, '-', '/half'], {
      stdio: ['pipe', 'ignore', 'pipe'],
    })
    child.stdin.on('error', () => {})
    const ended = once(child, 'exit')
    // More than a pipe holds: it has begun to copy. Then its source says nothing more.
    for (let chunk = 0; chunk < 24; chunk++)
      await new Promise<void>(taken => child.stdin.write(Buffer.alloc(65_536), () => taken()))
    let said = ''
    child.stderr!.on('data', part => (said += part))
    child.kill(signal)
    const [status] = await ended
    assert.equal(status, code)
    assert.equal(said, '')
    assert.equal(does('ls', VOLUME), before)
    does('check', VOLUME)
  })

test('a tree goes in and comes out as it was: modes, times, links, holes, names of any bytes', () => {
  const at = (...names: readonly string[]) => join(folder, ...names)
  const tree = at('tree')
  fs.mkdirSync(join(tree, 'd', 'e'), { recursive: true })
  fs.writeFileSync(join(tree, 'd', 'a'), 'some text', { mode: 0o640 })
  fs.linkSync(join(tree, 'd', 'a'), join(tree, 'd', 'e', 'b'))
  fs.symlinkSync('../a', join(tree, 'd', 'e', 'link'))
  fs.writeFileSync(Buffer.concat([Buffer.from(`${tree}/`), Buffer.from([0x66, 0xff])]), 'no UTF-8')
  const strange = Buffer.concat([Buffer.from(`${tree}/d/`), Buffer.from([0xfe])])
  fs.mkdirSync(strange)
  fs.writeFileSync(Buffer.concat([strange, Buffer.from([0x2f, 0xff])]), 'no UTF-8 below none')
  spawnSync('mkfifo', [at('a fifo')])
  fs.renameSync(at('a fifo'), Buffer.concat([strange, Buffer.from('/fifo')]))
  fs.writeFileSync(join(tree, 'd', 'é'.repeat(127)), 'the longest name')
  const sparse = fs.openSync(join(tree, 'sparse'), 'w')
  fs.writeSync(sparse, Buffer.alloc(PAGE, 7), 0, PAGE, 2 * 2 ** 20)
  fs.ftruncateSync(sparse, 5 * 2 ** 20 + 123)
  fs.closeSync(sparse)
  spawnSync('mkfifo', [join(tree, 'fifo')])
  fs.chmodSync(join(tree, 'd'), 0o750)
  for (const name of ['d/e', 'd/a', 'd', 'sparse']) fs.utimesSync(join(tree, name), 1000, 2000.5)
  const vol = at('tree.vol')
  does('create', vol, '--size', '8MiB')
  const { put } = JSON.parse(does('put', vol, tree, '/t', '-r', '--json'))
  assert.partialDeepStrictEqual(put, { files: 5, directories: 4, others: 3, left: [] })
  assert.match(does('ls', vol, '/t', '-l'), /^drwxr-x--- 4 .* 1970-01-01 00:33:20 d$/m)
  assert.match(does('ls', vol, '/t/d/e', '-l'), /^lrwxrwxrwx 1 .* link -> \.\.\/a$/m)
  assert.ok(
    JSON.parse(does('du', vol, '/t/sparse', '--json')).taken <= 2 * 64 * 1024 + PAGE,
    'holes stay holes',
  )
  assert.match(volume(['put', vol, tree, '/t', '-r']).err, /EEXIST.*--force replaces it/)
  does('put', vol, tree, '/t', '-r', '--force')
  const out = at('out tree')
  assert.partialDeepStrictEqual(JSON.parse(does('get', vol, '/t', out, '-r', '--json')).get, {
    files: 5,
    left: [],
  })
  const { status, stdout } = spawnSync('diff', ['-r', '-x', 'fifo', '--no-dereference', tree, out])
  assert.equal(status, 0, String(stdout))
  const [a, b] = [fs.statSync(join(out, 'd', 'a')), fs.statSync(join(out, 'd', 'e', 'b'))]
  assert.deepEqual([a.ino, a.mode & 0o7777, a.mtimeMs], [b.ino, 0o640, 2_000_500])
  assert.equal(fs.statSync(join(out, 'd')).mtimeMs, 2_000_500)
  assert.ok(fs.statSync(join(out, 'sparse')).blocks * 512 < 2 ** 20)
  assert.ok(fs.lstatSync(join(out, 'fifo')).isFIFO())
  assert.deepEqual(JSON.parse(does('check', vol, '--json')).wrong, [])
  does('rm', vol, '/t', '-r')
  assert.equal(JSON.parse(does('stat', vol, '--json')).used, 0)
})

test('modes, owners, times, links, devices and attributes are set by commands of their own', () => {
  const vol = join(folder, 'attributes.vol')
  does('create', vol, '--size', '1MiB')
  assert.equal(volume(['put', vol, '-', '/a'], { input: 'x' }).status, 0)
  does('chmod', vol, '4711', '/a')
  does('chown', vol, '7:8', '/a')
  does('chmod', vol, '4711', '/a')
  does('touch', vol, '/a', '--date', '2001-02-03T04:05:06Z')
  does('ln', vol, '/a', '/b')
  does('ln', vol, 'a', '/l', '--symbolic')
  assert.equal(does('readlink', vol, '/l'), 'a\n')
  does('mknod', vol, '/null', 'char', '1', '3', '--mode', '0666')
  const lines = does('ls', vol, '-l').trimEnd().split('\n')
  assert.match(lines[0]!, /^-rws--x--x 2 7 8 +1 2001-02-03 04:05:06 a$/)
  assert.match(lines.at(-1)!, /^crw-rw-rw- 1 .* 1, 3 .* null$/)
  does('attr', vol, '/a', 'user.note', '--set', 'hello')
  assert.equal(does('attr', vol, '/a'), 'user.note=hello\n')
  assert.deepEqual(JSON.parse(does('attr', vol, '/a', '--json')), {
    'user.note': Buffer.from('hello').toString('base64'),
  })
  does('attr', vol, '/a', 'user.note', '--remove')
  does('mkdir', vol, '/d')
  assert.match(volume(['mv', vol, '/a', '/d', '--no-clobber']).err, /EEXIST/)
  does('mv', vol, '/a', '/d', '--exchange')
  assert.equal(JSON.parse(does('stat', vol, '/a', '--json')).kind, 'directory')
  assert.deepEqual(JSON.parse(does('upgrade', vol, '--json')).upgrade, { volume: vol, from: 2, to: 2 })
  for (const [words, sentence] of [
    [['chmod', vol, '9', '/d'], /octal digits from 0 to 7777/],
    [['chown', vol, 'me', '/d'], /numbers of a user and a group/],
    [['touch', vol, '/d', '-d', 'soon'], /expected a time such as/],
    [['mknod', vol, '/x', 'pipe'], /is none of the kinds/],
  ] as const) {
    const { status, err } = volume(words)
    assert.match(err, sentence)
    assert.equal(status, 2, err)
  }
})

test('a volume whose data is cut short is listed, and what can be read comes out', () => {
  const at = (name: string) => join(folder, name)
  const vol = at('cut.vol')
  does('create', vol, '--size', '2MiB')
  fs.mkdirSync(at('cut'))
  fs.writeFileSync(join(at('cut'), 'a'), 'it lies first')
  fs.writeFileSync(join(at('cut'), 'b'), Buffer.alloc(2 ** 20, 7))
  does('put', vol, join(at('cut'), 'a'), '/a')
  does('put', vol, join(at('cut'), 'b'), '/b')
  fs.truncateSync(join(vol, 'data'), 2 ** 19)
  assert.match(does('ls', vol), /^ +13 {2}a\n +1048576 {2}b\n$/)
  assert.deepEqual(JSON.parse(does('du', vol, '--json')).bytes, 13 + 2 ** 20)
  const out = volume(['get', vol, '/', at('rescued'), '-r'])
  assert.equal(out.status, 1)
  assert.match(out.err, /left behind: getFile of \/b failed with E(IO|UCLEAN)/)
  assert.equal(fs.readFileSync(join(at('rescued'), 'a'), 'utf8'), 'it lies first')
  assert.deepEqual(fs.readdirSync(at('rescued')), ['a'])
})
