/** What is asked of descriptors: opened for too little, of the wrong kind, of what has no name any more; locks; programs that run. */

import { spawn } from 'node:child_process'
import { copyFileSync, fstatSync, readFileSync, readSync, writeFileSync, writeSync } from 'node:fs'
import { codeOf } from '../base/index.ts'
import {
  FALLOC_FL_COLLAPSE_RANGE,
  FALLOC_FL_KEEP_SIZE,
  O_APPEND,
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_NOFOLLOW,
  O_NONBLOCK,
  O_RDONLY,
  O_RDWR,
  O_TMPFILE,
  O_TRUNC,
  O_WRONLY,
} from './calls.ts'
import { ALICE, BOB, KINDS, type World } from './world.ts'

export function descriptorCases(world: World): void {
  accessModes(world)
  otherKinds(world)
  moreOpens(world)
  nameless(world)
  locks(world)
  programs(world)
}

/** What Node's call says: 'OK', or the name of the errno. */
function said(act: () => unknown): string {
  try {
    act()
    return 'OK'
  } catch (error) {
    return codeOf(error) ?? String(error)
  }
}

function accessModes(world: World): void {
  const { calls } = world
  world.begin('a descriptor')
  const path = world.make(world.fresh(), 'regular')
  writeFileSync(path, 'content')
  const bytes = Buffer.alloc(4)
  const read = calls.open(path, O_RDONLY)
  const written = calls.open(path, O_WRONLY)
  world.is(
    'write to what is open to be read',
    said(() => writeSync(read, 'x')),
    'EBADF',
  )
  world.is(
    'read of what is open to be written',
    said(() => readSync(written, bytes)),
    'EBADF',
  )
  world.is('fallocate of what is open to be read', calls.fallocate(read, 0, 0, 1), 'EBADF')
  world.is('fallocate, KEEP_SIZE, of what is open to be read', calls.fallocate(read, 1, 0, 1), 'EBADF')
  world.is('ftruncate of what is open to be read', calls.ftruncate(read, 1), 'EINVAL')
  world.is('ftruncate of what is open to be written', calls.ftruncate(written, 5), 'OK')
  world.is('ftruncate to -1', calls.ftruncate(written, -1), 'EINVAL')
  world.is('fchmod through what is open to be read', calls.fchmod(read, 0o600), 'OK')
  world.is('its mode', world.mode(path), '600')
  world.is('what is left', readFileSync(path, 'latin1'), 'conte')
  calls.close(read)
  calls.close(written)
  world.is('ftruncate of what is closed', calls.ftruncate(1_000_000, 1), 'EBADF')
  world.is('fchmod of what is closed', calls.fchmod(1_000_000, 0o600), 'EBADF')
  world.is('close of what is closed', calls.close(1_000_000), 'EBADF')
  world.is('lseek of what is closed', calls.lseek(1_000_000, 0, 0), 'EBADF')
  const appends = calls.open(path, O_RDWR | O_APPEND)
  writeSync(appends, 'end', 0)
  world.is('pwrite with O_APPEND writes at the end', readFileSync(path, 'latin1'), 'conteend')
  world.is('ftruncate with O_APPEND', calls.ftruncate(appends, 2), 'OK')
  writeSync(appends, '!')
  world.is('O_APPEND after a truncation', readFileSync(path, 'latin1'), 'co!')
  calls.close(appends)
  const stays = calls.open(path, O_RDWR)
  calls.chmod(path, 0)
  world.is(
    'what is open may be written whatever the mode becomes',
    calls.as(BOB, () => said(() => writeSync(stays, 'X', 0))),
    'OK',
  )
  world.is('and was', readFileSync(path, 'latin1'), 'Xo!')
  calls.close(stays)
}

function otherKinds(world: World): void {
  const { calls } = world
  world.begin('a descriptor of a directory')
  const folder = calls.open(world.make(world.fresh(), 'directory'), O_RDONLY)
  world.is(
    'read',
    said(() => readSync(folder, Buffer.alloc(4))),
    'EISDIR',
  )
  world.is(
    'write',
    said(() => writeSync(folder, 'x')),
    'EBADF',
  )
  world.is('ftruncate', calls.ftruncate(folder, 0), 'EINVAL')
  world.is('fallocate', calls.fallocate(folder, 0, 0, 1), 'EBADF')
  world.is('fchmod', calls.fchmod(folder, 0o700), 'OK')
  world.is('its mode', (fstatSync(folder).mode & 0o7777).toString(8), '700')
  calls.close(folder)
  world.begin('a descriptor of a FIFO')
  const fifo = calls.open(world.make(world.fresh(), 'fifo'), O_RDWR | O_NONBLOCK)
  world.is('open O_RDWR', fifo >= 0, true)
  world.is('lseek', calls.lseek(fifo, 0, 0), 'ESPIPE')
  world.is('ftruncate', calls.ftruncate(fifo, 0), 'EINVAL')
  world.is('fallocate', calls.fallocate(fifo, 0, 0, 1), 'ESPIPE')
  writeSync(fifo, 'through')
  const got = Buffer.alloc(20)
  world.is('what is written comes out', got.toString('latin1', 0, readSync(fifo, got)), 'through')
  world.is(
    'and then nothing',
    said(() => readSync(fifo, got)),
    'EAGAIN',
  )
  calls.close(fifo)
}

function moreOpens(world: World): void {
  const { calls } = world
  world.begin('open, flags together')
  for (const kind of KINDS) {
    const path = world.make(world.fresh(), kind)
    if (kind === 'block' || kind === 'char') continue
    world.is(
      `O_NOFOLLOW O_DIRECTORY of a ${kind}`,
      calls.opens(path, O_NOFOLLOW | O_DIRECTORY),
      kind === 'directory' ? 'OK' : 'ENOTDIR',
    )
    world.is(
      `O_CREAT O_NOFOLLOW of a ${kind}`,
      calls.opens(path, O_CREAT | O_NOFOLLOW),
      { directory: 'EISDIR', socket: 'ENXIO', fifo: 'OK', symlink: 'ELOOP', regular: 'OK' }[kind],
    )
    world.is(
      `O_RDWR O_TRUNC of a ${kind}`,
      calls.opens(path, O_RDWR | O_TRUNC),
      { directory: 'EISDIR', socket: 'ENXIO', fifo: 'OK', symlink: 'ENOENT', regular: 'OK' }[kind],
    )
  }
  const target = world.fresh()
  const link = world.fresh()
  calls.symlink(target, link)
  world.is('O_CREAT O_EXCL of a dangling link', calls.opens(link, O_CREAT | O_EXCL), 'EEXIST')
  world.is('makes nothing', world.stat(target), undefined)
  world.is('O_CREAT of a dangling link', calls.opens(link, O_CREAT | O_WRONLY, 0o640), 'OK')
  world.is('makes what it leads to', world.mode(target), '640')
  world.is('O_CREAT of a link to a directory', calls.opens(world.path('.'), O_CREAT), 'EISDIR')
  const folder = world.make(world.fresh(), 'directory')
  const toFolder = world.fresh()
  calls.symlink(folder, toFolder)
  world.is('O_DIRECTORY of a link to a directory', calls.opens(toFolder, O_DIRECTORY), 'OK')
  world.is('O_NOFOLLOW of a link to a directory', calls.opens(toFolder, O_NOFOLLOW), 'ELOOP')
  world.is('O_NOFOLLOW of what lies behind a link', calls.opens(`${toFolder}/n`, O_CREAT | O_NOFOLLOW), 'OK')
  const kept = world.make(world.fresh(), 'regular')
  writeFileSync(kept, 'kept')
  calls.chmod(kept, 0o444)
  world.is(
    'O_WRONLY O_TRUNC of what may not be written',
    calls.as(ALICE, () => calls.opens(kept, O_WRONLY | O_TRUNC)),
    'EACCES',
  )
  world.is(
    'O_CREAT O_TRUNC of what may not be written',
    calls.as(ALICE, () => calls.opens(kept, O_CREAT | O_RDWR | O_TRUNC)),
    'EACCES',
  )
  world.is(
    'O_EXCL O_TRUNC of what is there',
    calls.opens(kept, O_CREAT | O_EXCL | O_RDWR | O_TRUNC),
    'EEXIST',
  )
  world.is('leaves what it holds', readFileSync(kept, 'latin1'), 'kept')
}

/** What has no name has no links, and doesn't get one again but by O_TMPFILE. */
function nameless(world: World): void {
  const { calls } = world
  const nlink = (fd: number) => fstatSync(fd).nlink
  world.begin('links of what is open')
  const path = world.make(world.fresh(), 'regular')
  const fd = calls.open(path, O_RDWR)
  calls.link(path, world.path('second'))
  world.is('of two names', nlink(fd), 2)
  calls.unlink(path)
  world.is('of one', nlink(fd), 1)
  calls.unlink(world.path('second'))
  world.is('of none', nlink(fd), 0)
  world.is('a name again', calls.linkDescriptor(fd, world.fresh()), 'ENOENT')
  world.is('its owner can be changed', calls.chown(`/proc/self/fd/${fd}`, 5, 6), 'OK')
  world.is('and is', `${fstatSync(fd).uid} ${fstatSync(fd).gid}`, '5 6')
  calls.close(fd)
  const over = world.make(world.fresh(), 'regular')
  const replaced = calls.open(over, O_RDWR)
  calls.rename(world.make(world.fresh(), 'regular'), over)
  world.is('of what was renamed over', nlink(replaced), 0)
  calls.close(replaced)
  const temporary = calls.open(world.path(), O_TMPFILE | O_RDWR)
  world.is('of O_TMPFILE', nlink(temporary), 0)
  calls.close(temporary)
  const exclusive = calls.open(world.path(), O_TMPFILE | O_RDWR | O_EXCL)
  world.is('O_TMPFILE O_EXCL gets no name', calls.linkDescriptor(exclusive, world.fresh()), 'ENOENT')
  calls.close(exclusive)
  world.is('O_TMPFILE to be read', calls.opens(world.path(), O_TMPFILE | O_RDONLY), 'EINVAL')
  world.is('O_TMPFILE in what is no directory', calls.opens(over, O_TMPFILE | O_RDWR), 'ENOTDIR')
  const folder = world.make(world.fresh(), 'directory')
  const held = calls.open(folder, O_RDONLY)
  calls.rmdir(folder)
  world.is('of a directory that was removed', nlink(held), 0)
  for (const [name, act] of Object.entries({
    mkdir: (at: string) => calls.mkdir(at),
    mknod: (at: string) => calls.mkfifo(at),
    symlink: (at: string) => calls.symlink('t', at),
    link: (at: string) => calls.link(over, at),
    'rename to': (at: string) => calls.rename(over, at),
    unlink: (at: string) => calls.unlink(at),
  }))
    world.is(`${name} in a directory that was removed`, act(`/proc/self/fd/${held}/x`), 'ENOENT')
  calls.close(held)
}

function locks(world: World): void {
  const { calls } = world
  world.begin('locks')
  const path = world.make(world.fresh(), 'regular')
  const [one, two] = [calls.open(path, O_RDWR), calls.open(path, O_RDWR)]
  world.is('flock, shared', calls.flock(one, 'shared'), 'OK')
  world.is('flock, shared, of another', calls.flock(two, 'shared'), 'OK')
  world.is('flock, alone, beside a shared one', calls.flock(two, 'exclusive'), 'EAGAIN')
  calls.flock(one, 'unlock')
  world.is('flock, alone', calls.flock(two, 'exclusive'), 'OK')
  world.is('flock beside one alone', calls.flock(one, 'shared'), 'EAGAIN')
  calls.close(two)
  world.is('flock after the other has closed', calls.flock(one, 'exclusive'), 'OK')
  const three = calls.open(path, O_RDWR)
  world.is('a range, to write', calls.lockRange(one, 'write', 0, 100), 'OK')
  world.is('what overlaps it', calls.lockRange(three, 'write', 50, 100), 'EAGAIN')
  world.is('what overlaps it, to read', calls.lockRange(three, 'read', 99, 1), 'EAGAIN')
  world.is('what lies behind it', calls.lockRange(three, 'write', 100, 100), 'OK')
  world.is('a part of it is let go', calls.lockRange(one, 'unlock', 50, 50), 'OK')
  world.is('and taken', calls.lockRange(three, 'read', 50, 50), 'OK')
  world.is('shared by two', calls.lockRange(one, 'read', 60, 10), 'OK')
  calls.close(three)
  world.is('all of it after the other has closed', calls.lockRange(one, 'write', 0, 0), 'OK')
  calls.close(one)
  const readOnly = calls.open(path, O_RDONLY)
  world.is('a range to write, open to be read', calls.lockRange(readOnly, 'write', 0, 1), 'EBADF')
  world.is('a range to read, open to be read', calls.lockRange(readOnly, 'read', 0, 1), 'OK')
  calls.close(readOnly)
}

/** A program that runs isn't written to. */
function programs(world: World): void {
  const { calls } = world
  world.begin('a program that runs')
  const path = world.fresh()
  copyFileSync('/bin/sleep', path)
  calls.chmod(path, 0o755)
  const child = spawn(path, ['60'], { stdio: 'ignore' })
  world.is('open to be written', calls.opens(path, O_WRONLY), 'ETXTBSY')
  world.is('open O_TRUNC', calls.opens(path, O_RDWR | O_TRUNC), 'ETXTBSY')
  world.is('truncate', calls.truncate(path, 0), 'ETXTBSY')
  world.is('open to be read', calls.opens(path, O_RDONLY), 'OK')
  world.is('chmod', calls.chmod(path, 0o700), 'OK')
  world.is('rename', calls.rename(path, `${path} renamed`), 'OK')
  world.is('unlink', calls.unlink(`${path} renamed`), 'OK')
  child.kill('SIGKILL')
  world.begin('fallocate, modes')
  const file = world.make(world.fresh(), 'regular')
  const fd = calls.open(file, O_RDWR)
  world.is('a mode that is none', calls.fallocate(fd, 0x80, 0, 4096), 'ENOTSUP')
  world.is(
    'COLLAPSE with KEEP_SIZE',
    calls.fallocate(fd, FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_KEEP_SIZE, 0, 4096),
    'ENOTSUP',
  )
  world.is('of a length below 0', calls.fallocate(fd, 0, 0, -1), 'EINVAL')
  world.is('beyond what a number holds', calls.fallocate(fd, 0, 2 ** 62, 2 ** 62), 'EFBIG')
  world.is('KEEP_SIZE of an empty file', calls.fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 100_000), 'OK')
  world.is('leaves it empty', fstatSync(fd).size, 0)
  world.is('and gives it blocks', fstatSync(fd).blocks >= 100_000 / 512, true)
  calls.ftruncate(fd, 0)
  calls.close(fd)
  world.is('of no descriptor', calls.fallocate(-1, 0, 0, 1), 'EBADF')
}
