/** What files hold: open with each flag, sizes, holes, ranges, and extended attributes. */
import { closeSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs'
import {
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  FALLOC_FL_ZERO_RANGE,
  O_APPEND,
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_NOFOLLOW,
  O_RDONLY,
  O_RDWR,
  O_TRUNC,
  O_WRONLY,
  SEEK_DATA,
  SEEK_HOLE,
} from './calls.ts'
import { ALICE, BOB, KINDS, type World } from './world.ts'

export function dataCases(world: World): void {
  opens(world)
  sizes(world)
  appends(world)
  privileges(world)
  holes(world)
  ranges(world)
  attributes(world)
}

function opens(world: World): void {
  const { calls } = world
  world.begin('open')
  for (const kind of KINDS) {
    const path = world.make(world.fresh(), kind)
    if (kind === 'block' || kind === 'char') continue
    const follows = kind === 'symlink' ? 'ENOENT' : 'OK'
    world.is(`O_RDONLY of a ${kind}`, calls.opens(path, O_RDONLY), kind === 'socket' ? 'ENXIO' : follows)
    const written = { directory: 'EISDIR', socket: 'ENXIO', fifo: 'ENXIO', symlink: 'ENOENT', regular: 'OK' }[
      kind
    ]
    world.is(`O_WRONLY of a ${kind}`, calls.opens(path, O_WRONLY), written)
    world.is(
      `O_DIRECTORY of a ${kind}`,
      calls.opens(path, O_DIRECTORY),
      kind === 'directory' ? 'OK' : kind === 'symlink' ? 'ENOENT' : 'ENOTDIR',
    )
    world.is(
      `O_NOFOLLOW of a ${kind}`,
      calls.opens(path, O_NOFOLLOW),
      kind === 'symlink' ? 'ELOOP' : kind === 'socket' ? 'ENXIO' : 'OK',
    )
    world.is(
      `O_CREAT of a ${kind}`,
      calls.opens(path, O_CREAT),
      { directory: 'EISDIR', socket: 'ENXIO', fifo: 'OK', symlink: 'OK', regular: 'OK' }[kind],
    )
    world.is(`O_CREAT O_EXCL of a ${kind}`, calls.opens(path, O_CREAT | O_EXCL), 'EEXIST')
  }
  world.is('a slash behind a new file', calls.opens(`${world.fresh()}/`, O_CREAT), 'EISDIR')
  world.is(
    'a slash behind a file',
    calls.opens(`${world.make(world.fresh(), 'regular')}/`, O_RDONLY),
    'ENOTDIR',
  )
  world.is(
    'a slash behind a directory',
    calls.opens(`${world.make(world.fresh(), 'directory')}/`, O_RDONLY),
    'OK',
  )
}

function sizes(world: World): void {
  const { calls } = world
  world.begin('truncate')
  for (const length of [0, 1, 511, 512, 4095, 4096, 4097, 65_536, 1_000_003, 2 ** 31, 2 ** 32 + 1, 2 ** 40]) {
    const path = world.make(world.fresh(), 'regular')
    world.is(`to ${length}`, calls.truncate(path, length), 'OK')
    world.is(`has ${length}`, world.stat(path)?.size, length)
  }
  const path = world.fresh()
  writeFileSync(path, Buffer.alloc(10_000, 'x'))
  for (const length of [9_999, 8_192, 4_097, 4_096, 100, 1]) {
    calls.truncate(path, length)
    world.is(`shorter, ${length}: what is left`, readFileSync(path).equals(Buffer.alloc(length, 'x')), true)
    calls.truncate(path, 10_000)
    const wanted = Buffer.concat([Buffer.alloc(length, 'x'), Buffer.alloc(10_000 - length)])
    world.is(`longer again, from ${length}: zeros`, readFileSync(path).equals(wanted), true)
    writeFileSync(path, Buffer.alloc(10_000, 'x'))
  }
  world.is('to -1', calls.truncate(path, -1), 'EINVAL')
  world.is('a directory', calls.truncate(world.make(world.fresh(), 'directory'), 0), 'EISDIR')
  world.is('a FIFO', calls.truncate(world.make(world.fresh(), 'fifo'), 0), 'EINVAL')
  const fd = calls.open(path, O_RDONLY)
  world.is('what is open to be read', calls.ftruncate(fd, 0), 'EINVAL')
  calls.close(fd)
}

function appends(world: World): void {
  world.begin('write')
  const path = world.fresh()
  const one = openSync(path, O_CREAT | O_WRONLY | O_APPEND)
  const two = openSync(path, O_WRONLY | O_APPEND)
  for (let n = 0; n < 50; n++) {
    writeSync(one, `one ${n}\n`)
    writeSync(two, `two ${n}\n`)
  }
  const wanted = Array.from({ length: 50 }, (_, n) => `one ${n}\ntwo ${n}\n`).join('')
  world.is('O_APPEND of two', readFileSync(path, 'utf8') === wanted, true)
  closeSync(one)
  closeSync(two)
  const sparse = openSync(path, O_RDWR | O_TRUNC)
  writeSync(sparse, 'end', 1_000_000)
  world.is('behind the end makes it longer', world.stat(path)?.size, 1_000_003)
  const content = readFileSync(path)
  world.is(
    'behind the end leaves zeros',
    content.subarray(0, 1_000_000).every(byte => byte === 0),
    true,
  )
  writeSync(sparse, 'middle', 500_000)
  world.is(
    'in the middle',
    readFileSync(path).subarray(499_999, 500_007).toString('latin1') === '\0middle\0',
    true,
  )
  closeSync(sparse)
}

/** Who writes to a program takes its rights away. */
function privileges(world: World): void {
  const { calls } = world
  world.begin('set-uid and set-gid')
  const ranged = (path: string, how: number) => {
    const fd = calls.open(path, O_WRONLY)
    calls.fallocate(fd, how, 0, 5)
    calls.close(fd)
  }
  for (const mode of [0o4755, 0o2755, 0o6755]) {
    const ways: Readonly<Record<string, (path: string) => unknown>> = {
      'a write': path => {
        const fd = calls.open(path, O_WRONLY)
        writeSync(fd, 'x')
        calls.close(fd)
      },
      truncate: path => calls.truncate(path, 10),
      O_TRUNC: path => calls.opens(path, O_WRONLY | O_TRUNC),
      fallocate: path => ranged(path, 0),
      PUNCH_HOLE: path => ranged(path, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE),
      ZERO_RANGE: path => ranged(path, FALLOC_FL_ZERO_RANGE),
      copy_file_range: path => {
        const [from, to] = [calls.open(path, O_RDONLY), calls.open(path, O_WRONLY)]
        calls.lseek(to, 100, 0)
        calls.copyFileRange(from, to, 7)
        calls.close(from)
        calls.close(to)
      },
    }
    for (const [name, act] of Object.entries(ways)) {
      for (const [who, user] of [
        ['its owner', ALICE],
        ['another', BOB],
      ] as const) {
        const path = world.make(world.fresh(), 'regular')
        writeFileSync(path, 'content')
        calls.chown(path, ALICE.uid, ALICE.gid)
        calls.chmod(path, mode | 0o022)
        calls.as(user, () => act(path))
        world.is(
          `${name} by ${who} to ${(mode | 0o022).toString(8)}`,
          world.mode(path),
          ((mode | 0o022) & 0o777).toString(8),
        )
      }
      const path = world.make(world.fresh(), 'regular')
      calls.chmod(path, mode)
      act(path)
      world.is(`${name} by root to ${mode.toString(8)}`, world.mode(path), mode.toString(8))
    }
  }
}

const BLOCK = 65_536

function holes(world: World): void {
  const { calls } = world
  world.begin('lseek')
  const path = world.fresh()
  const fd = openSync(path, O_CREAT | O_RDWR)
  writeSync(fd, Buffer.alloc(BLOCK, 1), 0, BLOCK, BLOCK)
  writeSync(fd, Buffer.alloc(BLOCK, 1), 0, BLOCK, 4 * BLOCK)
  calls.ftruncate(fd, 6 * BLOCK)
  for (const how of ['dirty', 'synced'] as const) {
    if (how === 'synced') calls.as({ uid: 0, gid: 0 }, () => void 0)
    for (const [whence, name, answers] of [
      [SEEK_DATA, 'SEEK_DATA', [1, 1, 4, 4, 4, 'ENXIO', 'ENXIO']],
      [SEEK_HOLE, 'SEEK_HOLE', [0, 2, 2, 3, 5, 5, 'ENXIO']],
    ] as const)
      for (const [at, wanted] of answers.entries())
        world.is(
          `${name} from ${at}, ${how}`,
          calls.lseek(fd, at * BLOCK, whence),
          typeof wanted === 'number' ? wanted * BLOCK : wanted,
        )
  }
  world.is('SEEK_DATA before the start', calls.lseek(fd, -1, SEEK_DATA), 'ENXIO')
  world.is('SEEK_HOLE before the start', calls.lseek(fd, -1, SEEK_HOLE), 'ENXIO')
  world.is('SEEK_DATA in the middle', calls.lseek(fd, BLOCK + 5, SEEK_DATA), BLOCK + 5)
  world.is('SEEK_SET', calls.lseek(fd, 77, 0), 77)
  world.is('SEEK_CUR', calls.lseek(fd, 3, 1), 80)
  world.is('SEEK_END', calls.lseek(fd, -1, 2), 6 * BLOCK - 1)
  world.is('before the start', calls.lseek(fd, -1, 0), 'EINVAL')
  closeSync(fd)
}

function ranges(world: World): void {
  const { calls } = world
  world.begin('fallocate')
  const full = () => {
    const path = world.fresh()
    writeFileSync(path, Buffer.alloc(4 * BLOCK, 7))
    return path
  }
  const on = (path: string, act: (fd: number) => string) => {
    const fd = calls.open(path, O_RDWR)
    const said = act(fd)
    calls.close(fd)
    return said
  }
  const isZero = (path: string, from: number, to: number) =>
    readFileSync(path)
      .subarray(from, to)
      .every(byte => byte === 0)
  const isSeven = (path: string, from: number, to: number) =>
    readFileSync(path)
      .subarray(from, to)
      .every(byte => byte === 7)
  for (const [from, length] of [
    [0, BLOCK],
    [BLOCK, BLOCK],
    [100, 1000],
    [BLOCK - 1, 2],
    [3 * BLOCK + 17, 2 * BLOCK],
  ] as const)
    for (const [name, mode] of [
      ['PUNCH_HOLE', FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE],
      ['ZERO_RANGE', FALLOC_FL_ZERO_RANGE],
      ['ZERO_RANGE KEEP_SIZE', FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE],
    ] as const) {
      const path = full()
      const end = Math.min(4 * BLOCK, from + length)
      world.is(
        `${name} of ${from}+${length}`,
        on(path, fd => calls.fallocate(fd, mode, from, length)),
        'OK',
      )
      world.is(`${name} of ${from}+${length}: zeros`, isZero(path, from, end), true)
      world.is(`${name} of ${from}+${length}: before`, isSeven(path, 0, from), true)
      world.is(`${name} of ${from}+${length}: behind`, isSeven(path, end, 4 * BLOCK), true)
      world.is(
        `${name} of ${from}+${length}: size`,
        world.stat(path)?.size,
        name === 'ZERO_RANGE' ? Math.max(4 * BLOCK, from + length) : 4 * BLOCK,
      )
    }
  const path = full()
  world.is(
    'of what is there',
    on(path, fd => calls.fallocate(fd, 0, 0, 4 * BLOCK)),
    'OK',
  )
  world.is('changes nothing', isSeven(path, 0, 4 * BLOCK), true)
  world.is(
    'behind the end',
    on(path, fd => calls.fallocate(fd, 0, 4 * BLOCK, BLOCK)),
    'OK',
  )
  world.is('makes it longer', world.stat(path)?.size, 5 * BLOCK)
  world.is(
    'KEEP_SIZE behind the end',
    on(path, fd => calls.fallocate(fd, FALLOC_FL_KEEP_SIZE, 8 * BLOCK, BLOCK)),
    'OK',
  )
  world.is('KEEP_SIZE leaves its length', world.stat(path)?.size, 5 * BLOCK)
  world.is(
    'of no bytes',
    on(path, fd => calls.fallocate(fd, 0, 0, 0)),
    'EINVAL',
  )
  world.is(
    'from -1',
    on(path, fd => calls.fallocate(fd, 0, -1, 10)),
    'EINVAL',
  )
  world.is(
    'PUNCH_HOLE without KEEP_SIZE',
    on(path, fd => calls.fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, 10)),
    'ENOTSUP',
  )
  const read = calls.open(path, O_RDONLY)
  world.is('of what is open to be read', calls.fallocate(read, 0, 0, 10), 'EBADF')
  calls.close(read)
  world.begin('copy_file_range')
  const [source, target] = [full(), world.fresh()]
  const from = calls.open(source, O_RDONLY)
  const to = calls.open(target, O_CREAT | O_RDWR)
  world.is('all of it', calls.copyFileRange(from, to, 4 * BLOCK), 4 * BLOCK)
  world.is('is the same', readFileSync(target).equals(readFileSync(source)), true)
  world.is('behind the end', calls.copyFileRange(from, to, 10), 0)
  calls.close(to)
  writeFileSync(source, 'changed')
  world.is('what was copied stays', isSeven(target, 0, 4 * BLOCK), true)
  const readOnly = calls.open(target, O_RDONLY)
  world.is('to what is open to be read', calls.copyFileRange(from, readOnly, 10), 'EBADF')
  const appends = calls.open(target, O_WRONLY | O_APPEND)
  world.is('to what is open to be appended to', calls.copyFileRange(from, appends, 10), 'EBADF')
  calls.close(appends)
  const fifo = calls.open(world.make(world.fresh(), 'fifo'), O_RDWR)
  world.is('to a FIFO', calls.copyFileRange(from, fifo, 10), 'EINVAL')
  calls.close(fifo)
  const folder = calls.open(world.make(world.fresh(), 'directory'), O_RDONLY)
  world.is('of a directory', calls.copyFileRange(folder, readOnly, 10), 'EISDIR')
  calls.close(folder)
  calls.close(readOnly)
  calls.close(from)
}

function attributes(world: World): void {
  const { calls } = world
  const value = (text: string) => Buffer.from(text, 'latin1')
  for (const kind of ['regular', 'directory'] as const) {
    world.begin(`xattrs of a ${kind}`)
    const path = world.make(world.fresh(), kind)
    world.is('none', calls.getxattr(path, 'user.x'), 'ENODATA')
    world.is('none to remove', calls.removexattr(path, 'user.x'), 'ENODATA')
    world.is('REPLACE of none', calls.setxattr(path, 'user.x', value('1'), 2), 'ENODATA')
    world.is('set', calls.setxattr(path, 'user.x', value('one')), 'OK')
    world.is('get', calls.getxattr(path, 'user.x'), 'one')
    world.is('length', calls.getxattr(path, 'user.x', 0), 3)
    world.is('room for less', calls.getxattr(path, 'user.x', 2), 'ERANGE')
    world.is('CREATE of one', calls.setxattr(path, 'user.x', value('two'), 1), 'EEXIST')
    world.is('REPLACE of one', calls.setxattr(path, 'user.x', value('two'), 2), 'OK')
    world.is('get again', calls.getxattr(path, 'user.x'), 'two')
    world.is('empty', calls.setxattr(path, 'user.empty', value('')), 'OK')
    world.is('get empty', calls.getxattr(path, 'user.empty', 10), '')
    world.is('bytes', calls.setxattr(path, 'user.bytes', value('\0\xff\0')), 'OK')
    world.is('get bytes', calls.getxattr(path, 'user.bytes'), '\0\xff\0')
    world.is('of 1000 bytes', calls.setxattr(path, 'user.long', value('l'.repeat(1000))), 'OK')
    world.is('get 1000 bytes', String(calls.getxattr(path, 'user.long')).length, 1000)
    world.is('trusted', calls.setxattr(path, 'trusted.t', value('t')), 'OK')
    world.is('list', calls.listxattr(path), 'trusted.t,user.bytes,user.empty,user.long,user.x')
    world.is(
      'list of another, who may not read what is trusted',
      calls.as(BOB, () => calls.listxattr(path)),
      'user.bytes,user.empty,user.long,user.x',
    )
    world.is('remove', calls.removexattr(path, 'user.x'), 'OK')
    world.is('removed', calls.getxattr(path, 'user.x'), 'ENODATA')
    world.is('a namespace that is none', calls.setxattr(path, 'nowhere.x', value('1')), 'ENOTSUP')
    world.is('a name of 255 bytes', calls.setxattr(path, `user.${'n'.repeat(250)}`, value('1')), 'OK')
    world.is('a name of 256 bytes', calls.setxattr(path, `user.${'n'.repeat(251)}`, value('1')), 'ERANGE')
    world.is('more than 64 KiB', calls.setxattr(path, 'user.more', value('m'.repeat(65_537))), 'E2BIG')
    calls.chown(path, ALICE.uid, ALICE.gid)
    world.is(
      'by its owner',
      calls.as(ALICE, () => calls.setxattr(path, 'user.mine', value('1'))),
      'OK',
    )
    world.is(
      'by another',
      calls.as(BOB, () => calls.setxattr(path, 'user.his', value('1'))),
      'EACCES',
    )
    world.is(
      'trusted by its owner',
      calls.as(ALICE, () => calls.setxattr(path, 'trusted.x', value('1'))),
      'EPERM',
    )
    world.is(
      'read by another',
      calls.as(BOB, () => calls.getxattr(path, 'user.mine')),
      '1',
    )
    calls.chmod(path, 0o700)
    world.is(
      'read by another who may not',
      calls.as(BOB, () => calls.getxattr(path, 'user.mine')),
      'EACCES',
    )
  }
  for (const kind of ['fifo', 'symlink', 'socket', 'char'] as const) {
    world.begin(`xattrs of a ${kind}`)
    const path = world.make(world.fresh(), kind)
    world.is('user', calls.setxattr(path, 'user.x', value('1')), 'EPERM')
    world.is('trusted', calls.setxattr(path, 'trusted.x', value('1')), 'OK')
    world.is('get trusted', calls.getxattr(path, 'trusted.x'), '1')
  }
}
