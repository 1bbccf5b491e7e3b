/** Slashes behind names, dots, other filesystems; who may make devices, set one time alone, and attributes in sticky directories; what stays when a call is refused. */
import { readdirSync, readFileSync, writeFileSync, writeSync } from 'node:fs'
import {
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  O_CREAT,
  O_RDONLY,
  O_RDWR,
  O_TRUNC,
  O_WRONLY,
  RENAME_EXCHANGE,
  RENAME_NOREPLACE,
  S_IFBLK,
  S_IFCHR,
  S_IFIFO,
  S_IFREG,
  S_IFSOCK,
  UTIME_NOW,
  UTIME_OMIT,
} from './calls.ts'
import { ALICE, BOB, KINDS, type World } from './world.ts'

const ELSEWHERE = '/dev/shm'
const S_IFDIR = 0o040000

export function edgeCases(world: World): void {
  slashes(world)
  dots(world)
  otherFilesystems(world)
  nodes(world)
  singleTimes(world)
  attributesOfOthers(world)
  listings(world)
  refusedTimes(world)
  movedTimes(world)
}

function slashes(world: World): void {
  const { calls } = world
  world.begin('a slash behind')
  const file = () => world.make(world.fresh(), 'regular')
  const folder = () => world.make(world.fresh(), 'directory')
  const toFolder = () => {
    const path = world.fresh()
    calls.symlink(folder(), path)
    return path
  }
  world.is('mkdir of a new name', calls.mkdir(`${world.fresh()}/`), 'OK')
  world.is('mkdir of a file', calls.mkdir(`${file()}/`), 'EEXIST')
  world.is('mkdir of a dangling link', calls.mkdir(`${world.make(world.fresh(), 'symlink')}/`), 'EEXIST')
  world.is('rmdir of a file', calls.rmdir(`${file()}/`), 'ENOTDIR')
  world.is('rmdir of a link to a directory', calls.rmdir(toFolder()), 'ENOTDIR')
  world.is('rmdir of a link to a directory, and a slash', calls.rmdir(`${toFolder()}/`), 'ENOTDIR')
  world.is('unlink of a file', calls.unlink(`${file()}/`), 'ENOTDIR')
  world.is('unlink of a directory', calls.unlink(`${folder()}/`), 'EISDIR')
  world.is('unlink of a link to a directory', calls.unlink(`${toFolder()}/`), 'ENOTDIR')
  world.is('unlink of nothing', calls.unlink(`${world.fresh()}/`), 'ENOENT')
  world.is('rename of a file', calls.rename(`${file()}/`, world.fresh()), 'ENOTDIR')
  world.is('rename of a file to a new name', calls.rename(file(), `${world.fresh()}/`), 'ENOTDIR')
  world.is('rename of a file onto a directory', calls.rename(file(), `${folder()}/`), 'ENOTDIR')
  world.is('rename of a directory', calls.rename(`${folder()}/`, world.fresh()), 'OK')
  world.is('rename of a directory to a new name', calls.rename(folder(), `${world.fresh()}/`), 'OK')
  world.is('rename of a directory onto one', calls.rename(`${folder()}/`, `${folder()}/`), 'OK')
  world.is('rename of a directory onto a file', calls.rename(folder(), `${file()}/`), 'ENOTDIR')
  world.is('rename of a link to a directory', calls.rename(`${toFolder()}/`, world.fresh()), 'ENOTDIR')
  world.is('link of a file', calls.link(`${file()}/`, world.fresh()), 'ENOTDIR')
  world.is('link to a new name', calls.link(file(), `${world.fresh()}/`), 'ENOENT')
  world.is('symlink to a new name', calls.symlink('t', `${world.fresh()}/`), 'ENOENT')
  world.is('mknod of a new name', calls.mkfifo(`${world.fresh()}/`), 'ENOENT')
  world.is('mknod of a directory', calls.mkfifo(`${folder()}/`), 'EEXIST')
  world.is('open of a link to a directory', calls.opens(`${toFolder()}/`, O_RDONLY), 'OK')
  world.is('open of nothing', calls.opens(`${world.fresh()}/`, O_RDONLY), 'ENOENT')
  world.is('chmod of a file', calls.chmod(`${file()}/`, 0o600), 'ENOTDIR')
  world.is('truncate of a file', calls.truncate(`${file()}/`, 0), 'ENOTDIR')
  world.is('lchown of a link to a directory', calls.lchown(`${toFolder()}/`, 1, 1), 'OK')
  world.is('many slashes', calls.mkdir(`${world.path()}///many////`), 'OK')
}

function dots(world: World): void {
  const { calls } = world
  world.begin('dots')
  const folder = world.make(world.fresh(), 'directory')
  const inside = world.make(`${folder}/inside`, 'directory')
  const file = world.make(world.fresh(), 'regular')
  for (const dot of ['.', '..']) {
    const path = `${inside}/${dot}`
    world.is(`mkdir of ${dot}`, calls.mkdir(path), 'EEXIST')
    world.is(`mknod of ${dot}`, calls.mkfifo(path), 'EEXIST')
    world.is(`symlink of ${dot}`, calls.symlink('t', path), 'EEXIST')
    world.is(`link to ${dot}`, calls.link(file, path), 'EEXIST')
    world.is(`unlink of ${dot}`, calls.unlink(path), 'EISDIR')
    world.is(`rename of ${dot}`, calls.rename(path, world.fresh()), 'EBUSY')
    world.is(`rename to ${dot}`, calls.rename(file, path), 'EBUSY')
    world.is(`rename of a directory to ${dot}`, calls.rename(folder, path), 'EBUSY')
    world.is(`open O_CREAT of ${dot}`, calls.opens(path, O_CREAT), 'EISDIR')
    world.is(`open of ${dot}`, calls.opens(path, O_RDONLY), 'OK')
    world.is(`chmod of ${dot}`, calls.chmod(path, 0o755), 'OK')
  }
  world.is('.. of a file', calls.opens(`${file}/..`, O_RDONLY), 'ENOTDIR')
  world.is('. of a file', calls.opens(`${file}/.`, O_RDONLY), 'ENOTDIR')
  world.is('.. of nothing', calls.opens(`${world.fresh()}/..`, O_RDONLY), 'ENOENT')
  world.is('what .. is', world.stat(`${inside}/..`)?.ino, world.stat(folder)?.ino)
  const other = world.make(world.fresh(), 'directory')
  calls.rename(inside, `${other}/moved`)
  world.is('what .. is after a rename', world.stat(`${other}/moved/..`)?.ino, world.stat(other)?.ino)
}

function otherFilesystems(world: World): void {
  const { calls } = world
  world.begin('another filesystem')
  for (const kind of KINDS) {
    const path = world.make(world.fresh(), kind)
    world.is(`rename of a ${kind}`, calls.rename(path, `${ELSEWHERE}/faultline-posix`), 'EXDEV')
    world.is(`link of a ${kind}`, calls.link(path, `${ELSEWHERE}/faultline-posix`), 'EXDEV')
    world.is(`the ${kind} stays`, world.stat(path) !== undefined, true)
  }
}

function nodes(world: World): void {
  const { calls } = world
  world.begin('mknod')
  calls.chmod(world.path(), 0o777)
  for (const [name, type, byUser] of [
    ['a file', S_IFREG, 'OK'],
    ['a file, without a type', 0, 'OK'],
    ['a FIFO', S_IFIFO, 'OK'],
    ['a socket', S_IFSOCK, 'OK'],
    ['a character device', S_IFCHR, 'EPERM'],
    ['a block device', S_IFBLK, 'EPERM'],
    ['a directory', S_IFDIR, 'EPERM'],
    ['no type that there is', 0o130000, 'EINVAL'],
  ] as const) {
    const path = world.fresh()
    world.is(
      `${name}, by a user`,
      calls.as(ALICE, () => calls.mknod(path, type | 0o644, 0x103)),
      byUser,
    )
    world.is(`${name}, by a user: is it there`, world.stat(path) !== undefined, byUser === 'OK')
    const byRoot = byUser === 'EPERM' && type !== S_IFDIR ? 'OK' : byUser
    world.is(`${name}, by root`, calls.mknod(world.fresh(), type | 0o644, 0x103), byRoot)
  }
  const folder = world.make(world.fresh(), 'directory')
  world.is(
    'link of a directory, by a user',
    calls.as(ALICE, () => calls.link(folder, world.fresh())),
    'EPERM',
  )
}

/** utimensat of one time alone, of both now, and of neither, by whom. */
function singleTimes(world: World): void {
  const { calls } = world
  world.begin('utimensat, by whom')
  const now = [0n, UTIME_NOW] as const
  const omit = [0n, UTIME_OMIT] as const
  const set = [5n, 6n] as const
  const owned = (mode: number) => {
    const path = world.make(world.fresh(), 'regular')
    calls.chown(path, ALICE.uid, ALICE.gid)
    calls.chmod(path, mode)
    return path
  }
  for (const [name, atime, mtime, writer, reader] of [
    ['both now', now, now, 'OK', 'EACCES'],
    ['now and nothing', now, omit, 'EPERM', 'EPERM'],
    ['nothing and now', omit, now, 'EPERM', 'EPERM'],
    ['neither', omit, omit, 'OK', 'OK'],
    ['a time and now', set, now, 'EPERM', 'EPERM'],
    ['a time and nothing', set, omit, 'EPERM', 'EPERM'],
    ['both', set, set, 'EPERM', 'EPERM'],
  ] as const) {
    const times = [...atime, ...mtime] as [bigint, bigint, bigint, bigint]
    for (const [who, mode, user, wanted] of [
      ['the owner', 0o000, ALICE, 'OK'],
      ['another who may write', 0o666, BOB, writer],
      ['another who may read', 0o644, BOB, reader],
      ['root', 0o000, { uid: 0, gid: 0 }, 'OK'],
    ] as const) {
      const path = owned(mode)
      world.is(
        `${name}, by ${who}`,
        calls.as(user, () => calls.utimens(path, times)),
        wanted,
      )
      if (wanted === 'OK' && atime === set)
        world.is(`${name}, by ${who}: it is`, world.stat(path)?.atime, 5_000_000_006n)
    }
  }
}

function attributesOfOthers(world: World): void {
  const { calls } = world
  const one = Uint8Array.of(1)
  world.begin('xattrs, by whom')
  for (const mode of [0o777, 0o1777]) {
    const folder = world.make(world.fresh(), 'directory')
    calls.chmod(folder, mode)
    const isSticky = mode === 0o1777
    world.is(
      `of a directory ${mode.toString(8)}, by another`,
      calls.as(BOB, () => calls.setxattr(folder, 'user.x', one)),
      isSticky ? 'EPERM' : 'OK',
    )
    calls.chown(folder, BOB.uid, BOB.gid)
    world.is(
      `of a directory ${mode.toString(8)}, by its owner`,
      calls.as(BOB, () => calls.setxattr(folder, 'user.x', one)),
      'OK',
    )
  }
  const path = world.make(world.fresh(), 'regular')
  world.is('security by root', calls.setxattr(path, 'security.faultline', one), 'OK')
  world.is(
    'security by its owner',
    calls.as(ALICE, () => calls.setxattr(path, 'security.other', one)),
    'EPERM',
  )
  world.is('system', calls.setxattr(path, 'system.faultline', one), 'ENOTSUP')
  world.is('no namespace', calls.setxattr(path, 'x', one), 'ENOTSUP')
  world.is('a namespace alone', calls.setxattr(path, 'user.', one), 'EINVAL')
  world.is('no name', calls.setxattr(path, '', one), 'ERANGE')
  world.is('flags that there are not', calls.setxattr(path, 'user.x', one, 8), 'EINVAL')
  calls.chown(path, ALICE.uid, ALICE.gid)
  calls.chmod(path, 0o444)
  world.is(
    'by its owner, who may not write',
    calls.as(ALICE, () => calls.setxattr(path, 'user.x', one)),
    'EACCES',
  )
  world.is(
    'removed by another',
    calls.as(BOB, () => calls.removexattr(path, 'security.faultline')),
    'EPERM',
  )
  const link = world.fresh()
  calls.link(path, link)
  calls.setxattr(path, 'user.seen', one)
  world.is('seen by each name', calls.getxattr(link, 'user.seen'), '\u0001')
  calls.rename(path, `${path} renamed`)
  world.is('kept by a rename', calls.getxattr(`${path} renamed`, 'user.seen'), '\u0001')
  const most = world.make(world.fresh(), 'regular')
  for (let n = 0; n < 50; n++) calls.setxattr(most, `user.${n}`, new Uint8Array(n))
  world.is('fifty of them', calls.listxattr(most).length, 50)
  world.is('each as long as it was', calls.getxattr(most, 'user.49', 0), 49)
}

function listings(world: World): void {
  const { calls } = world
  world.begin('listing')
  const folder = world.make(world.fresh(), 'directory')
  for (const kind of KINDS) world.make(`${folder}/${kind}`, kind)
  const is = {
    regular: 'isFile',
    directory: 'isDirectory',
    fifo: 'isFIFO',
    block: 'isBlockDevice',
    char: 'isCharacterDevice',
    socket: 'isSocket',
    symlink: 'isSymbolicLink',
  } as const
  const entries = readdirSync(folder, { withFileTypes: true })
  world.is('entries', entries.length, KINDS.length)
  for (const kind of KINDS) {
    const entry = entries.find(({ name }) => name === kind)
    world.is(`a ${kind} is said to be one`, entry?.[is[kind]](), true)
  }
  const many = world.make(world.fresh(), 'directory')
  for (let n = 0; n < 3000; n++) calls.mknod(`${many}/entry ${n}`, S_IFREG | 0o644)
  const names = () => new Set(readdirSync(many))
  world.is('of 3000 entries', names().size, 3000)
  for (let n = 0; n < 3000; n += 2) calls.unlink(`${many}/entry ${n}`)
  const left = names()
  world.is('of half of them', `${left.size} ${left.has('entry 1')} ${left.has('entry 2')}`, '1500 true false')
}

/** What stays when a call is refused: times of what it was about. */
function refusedTimes(world: World): void {
  const { calls } = world
  const one = Uint8Array.of(1)
  const refused: Readonly<Record<string, readonly [(path: string) => string, string]>> = {
    'chown by another': [path => calls.as(BOB, () => calls.chown(path, 1, 1)), 'EPERM'],
    'truncate by another': [path => calls.as(BOB, () => calls.truncate(path, 0)), 'EACCES'],
    'open O_TRUNC by another': [path => calls.as(BOB, () => calls.opens(path, O_WRONLY | O_TRUNC)), 'EACCES'],
    'utimensat by another': [path => calls.as(BOB, () => calls.utimens(path, undefined)), 'EACCES'],
    'truncate to -1': [path => calls.truncate(path, -1), 'EINVAL'],
    'link that is there': [path => calls.link(path, path), 'EEXIST'],
    'link to nowhere': [path => calls.link(path, `${path} no/where`), 'ENOENT'],
    'rename to nowhere': [path => calls.rename(path, `${path} no/where`), 'ENOENT'],
    'rename onto a directory': [path => calls.rename(path, world.make(world.fresh(), 'directory')), 'EISDIR'],
    'rename NOREPLACE': [
      path => calls.rename(path, world.make(world.fresh(), 'regular'), RENAME_NOREPLACE),
      'EEXIST',
    ],
    'rename EXCHANGE with nothing': [path => calls.rename(path, world.fresh(), RENAME_EXCHANGE), 'ENOENT'],
    'setxattr REPLACE of none': [path => calls.setxattr(path, 'user.no', one, 2), 'ENODATA'],
    'removexattr of none': [path => calls.removexattr(path, 'user.no'), 'ENODATA'],
    'open O_EXCL': [path => calls.opens(path, O_CREAT | 0o200), 'EEXIST'],
    rmdir: [path => calls.rmdir(path), 'ENOTDIR'],
    'utimensat of neither': [path => calls.utimens(path, [0n, UTIME_OMIT, 0n, UTIME_OMIT]), 'OK'],
  }
  for (const [name, [act, wanted]] of Object.entries(refused)) {
    world.begin(`times of a file, ${name}`)
    const path = world.make(world.fresh(), 'regular')
    writeFileSync(path, 'content')
    let said = ''
    const moved = world.moves(path, () => {
      said = act(path)
    })
    world.is('is said', said, wanted)
    world.is('move', moved, '')
    world.is('what it holds', readFileSync(path, 'latin1'), 'content')
  }
}

function movedTimes(world: World): void {
  const { calls } = world
  const on = (path: string, act: (fd: number) => unknown) => {
    const fd = calls.open(path, O_RDWR)
    act(fd)
    calls.close(fd)
  }
  const moving: Readonly<Record<string, readonly [(path: string) => unknown, string]>> = {
    'a write': [path => on(path, fd => writeSync(fd, 'x')), 'mtime ctime'],
    'a write of nothing': [path => on(path, fd => writeSync(fd, '')), ''],
    'ftruncate to longer': [path => on(path, fd => calls.ftruncate(fd, 5000)), 'mtime ctime'],
    'ftruncate to shorter': [path => on(path, fd => calls.ftruncate(fd, 1)), 'mtime ctime'],
    'fallocate to longer': [path => on(path, fd => calls.fallocate(fd, 0, 0, 9000)), 'mtime ctime'],
    'fallocate PUNCH_HOLE': [
      path => on(path, fd => calls.fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 3)),
      'mtime ctime',
    ],
    'a read': [path => readFileSync(path), 'atime'],
    'chmod to what it is': [path => calls.chmod(path, 0o644), 'ctime'],
    'chown to what it is': [path => calls.chown(path, 0, 0), 'ctime'],
    fchmod: [path => on(path, fd => calls.fchmod(fd, 0o640)), 'ctime'],
    removexattr: [path => calls.removexattr(path, 'user.is'), 'ctime'],
    'utimensat of the time of reading': [
      path => calls.utimens(path, [7n, 0n, 0n, UTIME_OMIT]),
      'atime ctime',
    ],
    'utimensat of the time of writing': [
      path => calls.utimens(path, [0n, UTIME_OMIT, 7n, 0n]),
      'mtime ctime',
    ],
    'another name goes': [path => calls.unlink(`${path} too`), 'ctime'],
    'its other name is renamed over': [
      path => calls.rename(world.make(world.fresh(), 'regular'), `${path} too`),
      'ctime',
    ],
  }
  for (const [name, [act, wanted]] of Object.entries(moving)) {
    world.begin(`times of a file, ${name}`)
    const path = world.make(world.fresh(), 'regular')
    writeFileSync(path, 'content')
    calls.setxattr(path, 'user.is', Uint8Array.of(1))
    calls.link(path, `${path} too`)
    world.is(
      'move',
      world.moves(path, () => void act(path)),
      wanted,
    )
  }
}
