/** Modes, owners and times: who may change them, what a change takes with it, and which times move with which call. */
import { readdirSync, readlinkSync } from 'node:fs'
import {
  AT_SYMLINK_NOFOLLOW,
  O_CREAT,
  O_EXCL,
  O_RDONLY,
  O_RDWR,
  O_TRUNC,
  O_WRONLY,
  S_IFREG,
  UTIME_NOW,
  UTIME_OMIT,
} from './calls.ts'
import { ALICE, BOB, KINDS, PLAIN, type World } from './world.ts'

export function attributeCases(world: World): void {
  modes(world)
  creation(world)
  owners(world)
  permissions(world)
  utimes(world)
  movingTimes(world)
}

function modes(world: World): void {
  const { calls } = world
  world.begin('chmod')
  for (const kind of [...PLAIN, 'directory'] as const)
    for (const mode of [
      0o000, 0o111, 0o222, 0o444, 0o555, 0o644, 0o755, 0o777, 0o1777, 0o2755, 0o4755, 0o6777, 0o7777,
    ]) {
      const path = world.make(world.fresh(), kind)
      world.is(`of a ${kind} to ${mode.toString(8)}`, calls.chmod(path, mode), 'OK')
      world.is(`a ${kind} has ${mode.toString(8)}`, world.mode(path), mode.toString(8))
    }
  const target = world.make(world.fresh(), 'regular')
  const link = world.fresh()
  calls.symlink(target, link)
  world.is('through a link', calls.chmod(link, 0o600), 'OK')
  world.is('through a link changes the target', world.mode(target), '600')
  world.is('through a link leaves the link', world.mode(link), '777')
  world.is(
    'by another',
    calls.as(BOB, () => calls.chmod(target, 0o777)),
    'EPERM',
  )
  world.is('by another changes nothing', world.mode(target), '600')
  const mine = world.make(world.fresh(), 'regular')
  calls.chown(mine, ALICE.uid, BOB.gid)
  world.is(
    'set-gid by its owner, not in its group',
    calls.as(ALICE, () => calls.chmod(mine, 0o2755)),
    'OK',
  )
  world.is('set-gid by its owner, not in its group, is dropped', world.mode(mine), '755')
  calls.chown(mine, ALICE.uid, ALICE.gid)
  world.is(
    'set-gid by its owner, in its group',
    calls.as(ALICE, () => calls.chmod(mine, 0o2755)),
    'OK',
  )
  world.is('set-gid by its owner, in its group, stays', world.mode(mine), '2755')
  world.is(
    'sticky of a file by its owner',
    calls.as(ALICE, () => calls.chmod(mine, 0o1644)),
    'OK',
  )
  world.is('sticky of a file by its owner stays', world.mode(mine), '1644')
}

function creation(world: World): void {
  const { calls } = world
  const made = {
    open: (path: string, mode: number) => calls.opens(path, O_CREAT | O_WRONLY, mode),
    mkdir: (path: string, mode: number) => calls.mkdir(path, mode),
    mkfifo: (path: string, mode: number) => calls.mkfifo(path, mode),
    mknod: (path: string, mode: number) => calls.mknod(path, S_IFREG | mode),
  }
  for (const [name, make] of Object.entries(made)) {
    world.begin(`${name}, what is made`)
    for (const mask of [0o000, 0o022, 0o077, 0o777])
      for (const mode of [0o777, 0o755, 0o644, 0o600, 0o1777]) {
        const path = world.fresh()
        const before = calls.umask(mask)
        world.is(`mode ${mode.toString(8)} under umask ${mask.toString(8)}`, make(path, mode), 'OK')
        calls.umask(before)
        world.is(
          `has mode ${mode.toString(8)} without umask ${mask.toString(8)}`,
          world.mode(path),
          (mode & ~mask).toString(8),
        )
      }
    const path = world.fresh()
    calls.as(ALICE, () => make(path, 0o644))
    world.is(
      'belongs to who makes it',
      `${world.stat(path)?.uid} ${world.stat(path)?.gid}`,
      `${ALICE.uid} ${ALICE.gid}`,
    )
    const folder = world.make(world.fresh(), 'directory')
    calls.chown(folder, 0, BOB.gid)
    calls.chmod(folder, 0o2777)
    calls.as(ALICE, () => make(`${folder}/x`, 0o755))
    world.is('below a set-gid directory has its group', world.stat(`${folder}/x`)?.gid, BOB.gid)
    world.is(
      'below a set-gid directory has the mode',
      world.mode(`${folder}/x`),
      name === 'mkdir' ? '2755' : '755',
    )
    world.is('has one name, a directory two', world.stat(path)?.nlink, name === 'mkdir' ? 2 : 1)
    world.is('is empty', name === 'mkdir' || world.stat(path)?.size === 0, true)
  }
}

function owners(world: World): void {
  const { calls } = world
  world.begin('chown')
  for (const kind of KINDS) {
    const path = world.make(world.fresh(), kind)
    world.is(`of a ${kind}`, calls.lchown(path, 123, 456), 'OK')
    world.is(`a ${kind} has it`, `${world.stat(path)?.uid} ${world.stat(path)?.gid}`, '123 456')
    world.is(`of a ${kind}, the user only`, calls.lchown(path, 7, -1), 'OK')
    world.is(`a ${kind} has the user`, `${world.stat(path)?.uid} ${world.stat(path)?.gid}`, '7 456')
    world.is(`of a ${kind}, the group only`, calls.lchown(path, -1, 8), 'OK')
    world.is(`a ${kind} has the group`, `${world.stat(path)?.uid} ${world.stat(path)?.gid}`, '7 8')
  }
  for (const kind of ['regular', 'directory'] as const) {
    const own = () => {
      const path = world.make(world.fresh(), kind)
      calls.chown(path, ALICE.uid, ALICE.gid)
      return path
    }
    const inBoth = { ...ALICE, groups: [ALICE.gid, BOB.gid] }
    world.is(
      `of a ${kind} to another, by its owner`,
      calls.as(ALICE, () => calls.chown(own(), BOB.uid, -1)),
      'EPERM',
    )
    const paths = [own(), own(), own(), own()] as const
    world.is(
      `of a ${kind} to a group of one's own`,
      calls.as(inBoth, () => calls.chown(paths[0], -1, BOB.gid)),
      'OK',
    )
    world.is(
      `of a ${kind} to a group of others`,
      calls.as(ALICE, () => calls.chown(paths[1], -1, BOB.gid)),
      'EPERM',
    )
    world.is(
      `of a ${kind} to what it has, by its owner`,
      calls.as(ALICE, () => calls.chown(paths[2], ALICE.uid, ALICE.gid)),
      'OK',
    )
    world.is(
      `of a ${kind} by another`,
      calls.as(BOB, () => calls.chown(paths[3], BOB.uid, BOB.gid)),
      'EPERM',
    )
    world.is(
      `of a ${kind} by another, to nothing else`,
      calls.as(BOB, () => calls.chown(paths[3], -1, -1)),
      'OK',
    )
  }
  for (const mode of [0o4755, 0o2755, 0o6755, 0o6711]) {
    const path = world.make(world.fresh(), 'regular')
    calls.chown(path, ALICE.uid, ALICE.gid)
    calls.chmod(path, mode)
    calls.as(ALICE, () => calls.chown(path, -1, ALICE.gid))
    world.is(
      `of a program ${mode.toString(8)} by its owner drops set-uid and set-gid`,
      world.mode(path),
      (mode & 0o777).toString(8),
    )
    calls.chmod(path, mode)
    calls.as(ALICE, () => calls.chown(path, -1, -1))
    world.is(
      `of a program ${mode.toString(8)} to nobody else drops set-uid and set-gid`,
      world.mode(path),
      (mode & 0o777).toString(8),
    )
    const folder = world.make(world.fresh(), 'directory')
    calls.chmod(folder, mode)
    calls.chown(folder, 1, 1)
    world.is(`of a directory ${mode.toString(8)} keeps it`, world.mode(folder), mode.toString(8))
  }
}

function permissions(world: World): void {
  const { calls } = world
  world.begin('open, by mode')
  const flags = { read: O_RDONLY, write: O_WRONLY, both: O_RDWR } as const
  const needs = { read: 4, write: 2, both: 6 } as const
  for (const who of ['owner', 'group', 'other', 'root'] as const)
    for (let bits = 0; bits < 8; bits++)
      for (const how of ['read', 'write', 'both'] as const) {
        const shift = { owner: 6, group: 3, other: 0, root: 0 }[who]
        const path = world.make(world.fresh(), 'regular')
        calls.chown(path, ALICE.uid, ALICE.gid)
        calls.chmod(path, bits << shift)
        const user = {
          owner: ALICE,
          group: { uid: 1234, gid: ALICE.gid },
          other: BOB,
          root: { uid: 0, gid: 0 },
        }[who]
        const may = who === 'root' || (bits & needs[how]) === needs[how]
        const got = calls.as(user, () => calls.opens(path, flags[how]))
        world.is(`to ${how} by ${who}, mode ${(bits << shift).toString(8)}`, got, may ? 'OK' : 'EACCES')
        const asked = calls.as(user, () => calls.access(path, needs[how]))
        world.is(
          `access to ${how} by ${who}, mode ${(bits << shift).toString(8)}`,
          asked,
          may ? 'OK' : 'EACCES',
        )
      }
  world.begin('access, to execute')
  for (const mode of [0o000, 0o100, 0o010, 0o001, 0o644, 0o755]) {
    const path = world.make(world.fresh(), 'regular')
    calls.chmod(path, mode)
    world.is(
      `by root, mode ${mode.toString(8)}`,
      calls.access(path, 1),
      (mode & 0o111) === 0 ? 'EACCES' : 'OK',
    )
  }
  world.begin('open, O_TRUNC and O_CREAT by mode')
  const path = world.make(world.fresh(), 'regular')
  calls.chmod(path, 0o444)
  world.is(
    'O_TRUNC of what may not be written',
    calls.as(BOB, () => calls.opens(path, O_RDONLY | O_TRUNC)),
    'EACCES',
  )
  world.is(
    'O_CREAT of what is there and may be read',
    calls.as(BOB, () => calls.opens(path, O_RDONLY | O_CREAT)),
    'OK',
  )
  world.is(
    'truncate of what may not be written',
    calls.as(BOB, () => calls.truncate(path, 0)),
    'EACCES',
  )
  const fresh = world.fresh()
  const fd = calls.as(BOB, () => calls.open(fresh, O_CREAT | O_EXCL | O_RDWR, 0o000))
  world.is('a new file of mode 0 is open to be written', fd >= 0 && calls.ftruncate(fd, 10), 'OK')
  world.is('it was written', world.stat(fresh)?.size, 10)
  calls.close(fd)
  world.is(
    'it may not be opened again',
    calls.as(BOB, () => calls.opens(fresh, O_RDONLY)),
    'EACCES',
  )
}

function utimes(world: World): void {
  const { calls } = world
  const past = [1_000_000_000n, 123_456_789n, 1_100_000_000n, 987_654_321n] as const
  world.begin('utimensat')
  for (const kind of KINDS) {
    const path = world.make(world.fresh(), kind)
    world.is(`of a ${kind}`, calls.utimens(path, past, AT_SYMLINK_NOFOLLOW), 'OK')
    const stat = world.stat(path)!
    world.is(`a ${kind} has the time of reading`, stat.atime, 1_000_000_000_123_456_789n)
    world.is(`a ${kind} has the time of writing`, stat.mtime, 1_100_000_000_987_654_321n)
    calls.utimens(path, [5n, 0n, 0n, UTIME_OMIT], AT_SYMLINK_NOFOLLOW)
    world.is(
      `UTIME_OMIT leaves a ${kind}'s time of writing`,
      world.stat(path)!.mtime,
      1_100_000_000_987_654_321n,
    )
    world.is(`and a ${kind} has the time of reading`, world.stat(path)!.atime, 5_000_000_000n)
    calls.utimens(path, [0n, UTIME_OMIT, 6n, 7n], AT_SYMLINK_NOFOLLOW)
    world.is(`UTIME_OMIT leaves a ${kind}'s time of reading`, world.stat(path)!.atime, 5_000_000_000n)
    world.is(`and a ${kind} has the time of writing`, world.stat(path)!.mtime, 6_000_000_007n)
    calls.utimens(path, [0n, UTIME_NOW, 0n, UTIME_NOW], AT_SYMLINK_NOFOLLOW)
    world.is(`UTIME_NOW of a ${kind}`, world.stat(path)!.mtime > 1_600_000_000_000_000_000n, true)
  }
  for (const [name, seconds] of [
    ['before 1970', -1n],
    ['long before 1970', -1_000_000n],
    ['after 2038', 2n ** 31n],
    ['after 2106', 2n ** 32n + 5n],
  ] as const) {
    const path = world.make(world.fresh(), 'regular')
    world.is(`a time ${name}`, calls.utimens(path, [seconds, 0n, seconds, 1n]), 'OK')
    world.is(`a time ${name} is kept`, world.stat(path)!.mtime, seconds * 1_000_000_000n + 1n)
  }
  for (const [name, nanoseconds] of [
    ['-1', -1n],
    ['10^9', 1_000_000_000n],
  ] as const)
    world.is(
      `${name} nanoseconds`,
      calls.utimens(world.make(world.fresh(), 'regular'), [0n, nanoseconds, 0n, 0n]),
      'EINVAL',
    )
  const owned = world.make(world.fresh(), 'regular')
  calls.chown(owned, ALICE.uid, ALICE.gid)
  world.is(
    'a time, by the owner',
    calls.as(ALICE, () => calls.utimens(owned, past)),
    'OK',
  )
  world.is(
    'a time, by another',
    calls.as(BOB, () => calls.utimens(owned, past)),
    'EPERM',
  )
  world.is(
    'now, by another',
    calls.as(BOB, () => calls.utimens(owned, undefined)),
    'EACCES',
  )
  calls.chmod(owned, 0o666)
  world.is(
    'now, by another who may write',
    calls.as(BOB, () => calls.utimens(owned, undefined)),
    'OK',
  )
  world.is(
    'a time, by another who may write',
    calls.as(BOB, () => calls.utimens(owned, past)),
    'EPERM',
  )
}

/** Which times of what is changed, and of the directory that it is in, move with a call. */
function movingTimes(world: World): void {
  const { calls } = world
  world.begin('times')
  const folder = () => world.make(world.fresh(), 'directory')
  for (const [name, act] of Object.entries({
    'open O_CREAT': (at: string) => calls.opens(`${at}/n`, O_CREAT),
    mkdir: (at: string) => calls.mkdir(`${at}/n`),
    mkfifo: (at: string) => calls.mkfifo(`${at}/n`),
    symlink: (at: string) => calls.symlink('t', `${at}/n`),
    link: (at: string) => calls.link(`${world.path()}/linked`, `${at}/n`),
    unlink: (at: string) => calls.unlink(`${at}/file`),
    rmdir: (at: string) => calls.rmdir(`${at}/folder`),
    'rename in it': (at: string) => calls.rename(`${at}/file`, `${at}/n`),
    'rename out of it': (at: string) => calls.rename(`${at}/file`, world.fresh()),
    'rename into it': (at: string) => calls.rename(world.make(world.fresh(), 'regular'), `${at}/n`),
  })) {
    world.begin(`times of the directory, ${name}`)
    world.make(world.path('linked'), 'regular')
    const at = folder()
    world.make(`${at}/file`, 'regular')
    world.make(`${at}/folder`, 'directory')
    world.is(
      'move',
      world.moves(at, () => void act(at)),
      'mtime ctime',
    )
  }
  for (const [name, act] of Object.entries({
    mkdir: (at: string) => calls.mkdir(`${at}/file`),
    symlink: (at: string) => calls.symlink('t', `${at}/file`),
    'unlink of nothing': (at: string) => calls.unlink(`${at}/nothing`),
    rmdir: (at: string) => calls.rmdir(`${at}/file`),
    'rename of nothing': (at: string) => calls.rename(`${at}/nothing`, `${at}/n`),
  })) {
    world.begin(`times of the directory, ${name} that fails`)
    const at = folder()
    world.make(`${at}/file`, 'regular')
    world.is(
      'stay',
      world.moves(at, () => void act(at)),
      '',
    )
  }
  const onFile: Readonly<Record<string, readonly [(path: string) => unknown, string]>> = {
    chmod: [path => calls.chmod(path, 0o600), 'ctime'],
    chown: [path => calls.chown(path, 1, 1), 'ctime'],
    'link, a name more': [path => calls.link(path, world.fresh()), 'ctime'],
    rename: [path => calls.rename(path, world.fresh()) && calls.rename(path, path), 'gone'],
    'truncate to longer': [path => calls.truncate(path, 100), 'mtime ctime'],
    'truncate to as long': [path => calls.truncate(path, 0), 'mtime ctime'],
    'open O_TRUNC': [path => calls.opens(path, O_WRONLY | O_TRUNC), 'mtime ctime'],
    'open to be read': [path => calls.opens(path, O_RDONLY), ''],
    'open to be written': [path => calls.opens(path, O_WRONLY), ''],
    stat: [path => world.stat(path), ''],
    setxattr: [path => calls.setxattr(path, 'user.x', Uint8Array.of(1)), 'ctime'],
    'chmod that fails': [path => calls.as(BOB, () => calls.chmod(path, 0o600)), ''],
  }
  for (const [name, [act, wanted]] of Object.entries(onFile)) {
    world.begin(`times of a file, ${name}`)
    const path = world.make(world.fresh(), 'regular')
    world.is(
      'move',
      world.moves(path, () => void act(path)),
      wanted,
    )
  }
  world.begin('times of what is read')
  const listed = world.make(world.fresh(), 'directory')
  world.make(`${listed}/f`, 'regular')
  world.is(
    'a directory that is listed moves',
    world.moves(listed, () => void readdirSync(listed)),
    'atime',
  )
  const link = world.make(world.fresh(), 'symlink')
  world.is(
    'a symbolic link that is read moves',
    world.moves(link, () => void readlinkSync(link)),
    'atime',
  )
  world.begin('times of a file, unlink of one of two names')
  const [one, two] = [world.make(world.fresh(), 'regular'), world.fresh()]
  calls.link(one, two)
  world.is(
    'move',
    world.moves(one, () => void calls.unlink(two)),
    'ctime',
  )
}
