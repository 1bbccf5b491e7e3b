/** rename of everything onto everything, links, symbolic links, files that lose their last name, names of any bytes. */
import { readdirSync, readlinkSync } from 'node:fs'
import { O_CREAT, O_RDWR, O_TMPFILE, RENAME_EXCHANGE, RENAME_NOREPLACE } from './calls.ts'
import { ALICE, KINDS, type Kind, type World } from './world.ts'

export function nameCases(world: World): void {
  renames(world)
  renamedDirectories(world)
  links(world)
  symlinks(world)
  bytes(world)
  nameless(world)
}

function renamed(from: Kind, to: Kind): string {
  if (from === 'directory') return to === 'directory' ? 'OK' : 'ENOTDIR'
  return to === 'directory' ? 'EISDIR' : 'OK'
}

function renames(world: World): void {
  const { calls } = world
  for (const from of KINDS) {
    world.begin(`rename of a ${from}`)
    const path = world.make(world.fresh(), from)
    const { ino } = world.stat(path)!
    const to = world.fresh()
    world.is('to a new name', calls.rename(path, to), 'OK')
    world.is('it is gone from there', world.stat(path), undefined)
    world.is('it is the same', world.stat(to)?.ino, ino)
    const below = world.make(world.fresh(), 'directory')
    world.is('to another directory', calls.rename(to, `${below}/x`), 'OK')
    world.is('it is the same there', world.stat(`${below}/x`)?.ino, ino)
    world.is('to itself', calls.rename(`${below}/x`, `${below}/x`), 'OK')
    world.is('it is there yet', world.stat(`${below}/x`)?.ino, ino)
    for (const kind of KINDS) {
      const source = world.make(world.fresh(), from)
      const target = world.make(world.fresh(), kind)
      const [sourceIno, targetIno] = [world.stat(source)!.ino, world.stat(target)!.ino]
      const wanted = renamed(from, kind)
      world.is(`onto a ${kind}`, calls.rename(source, target), wanted)
      world.is(
        `onto a ${kind}: what is there`,
        world.stat(target)?.ino,
        wanted === 'OK' ? sourceIno : targetIno,
      )
      world.is(
        `onto a ${kind}: what is left`,
        world.stat(source)?.ino,
        wanted === 'OK' ? undefined : sourceIno,
      )
    }
    for (const kind of KINDS) {
      const source = world.make(world.fresh(), from)
      const target = world.make(world.fresh(), kind)
      const [sourceIno, targetIno] = [world.stat(source)!.ino, world.stat(target)!.ino]
      world.is(`NOREPLACE onto a ${kind}`, calls.rename(source, target, RENAME_NOREPLACE), 'EEXIST')
      world.is(`EXCHANGE with a ${kind}`, calls.rename(source, target, RENAME_EXCHANGE), 'OK')
      world.is(`EXCHANGE with a ${kind}: one`, world.stat(source)?.ino, targetIno)
      world.is(`EXCHANGE with a ${kind}: the other`, world.stat(target)?.ino, sourceIno)
    }
    const source = world.make(world.fresh(), from)
    world.is('NOREPLACE to a new name', calls.rename(source, world.fresh(), RENAME_NOREPLACE), 'OK')
    const alone = world.make(world.fresh(), from)
    world.is('EXCHANGE with nothing', calls.rename(alone, world.fresh(), RENAME_EXCHANGE), 'ENOENT')
    world.is(
      'NOREPLACE and EXCHANGE',
      calls.rename(alone, world.fresh(), RENAME_NOREPLACE | RENAME_EXCHANGE),
      'EINVAL',
    )
  }
}

function renamedDirectories(world: World): void {
  const { calls } = world
  world.begin('rename of a directory')
  const folder = world.make(world.fresh(), 'directory')
  const inside = world.make(`${folder}/inside`, 'directory')
  world.is('into itself', calls.rename(folder, `${folder}/x`), 'EINVAL')
  world.is('into one in itself', calls.rename(folder, `${inside}/x`), 'EINVAL')
  world.is('onto one in itself', calls.rename(folder, inside), 'EINVAL')
  world.is('onto one above itself', calls.rename(inside, folder), 'ENOTEMPTY')
  const full = world.make(world.fresh(), 'directory')
  world.make(`${full}/x`, 'regular')
  const empty = world.make(world.fresh(), 'directory')
  world.is('onto one that is not empty', calls.rename(empty, full), 'ENOTEMPTY')
  world.is('that is not empty, onto an empty one', calls.rename(full, empty), 'OK')
  world.is('with what is in it', world.stat(`${empty}/x`) !== undefined, true)
  world.is('. ', calls.rename(`${empty}/.`, world.fresh()), 'EBUSY')
  world.is('..', calls.rename(`${inside}/..`, world.fresh()), 'EBUSY')
  for (const how of ['mkdir', 'rename', 'rmdir'] as const) {
    const [one, two] = [world.make(world.fresh(), 'directory'), world.make(world.fresh(), 'directory')]
    world.is(`links before ${how}`, world.stat(one)?.nlink, 2)
    calls.mkdir(`${one}/sub`)
    world.is(`links after mkdir, ${how}`, world.stat(one)?.nlink, 3)
    if (how === 'rename') calls.rename(`${one}/sub`, `${two}/sub`)
    if (how === 'rmdir') calls.rmdir(`${one}/sub`)
    world.is(`links after ${how}`, world.stat(one)?.nlink, how === 'mkdir' ? 3 : 2)
    world.is(`links of the other after ${how}`, world.stat(two)?.nlink, how === 'rename' ? 3 : 2)
  }
  const swapped = world.make(world.fresh(), 'directory')
  const [one, two] = [world.make(`${swapped}/one`, 'directory'), world.make(`${swapped}/two`, 'directory')]
  world.make(`${one}/folder`, 'directory')
  world.make(`${two}/file`, 'regular')
  calls.rename(`${one}/folder`, `${two}/file`, RENAME_EXCHANGE)
  world.is('links of one after an exchange', world.stat(one)?.nlink, 2)
  world.is('links of the other after an exchange', world.stat(two)?.nlink, 3)
  const foreign = world.make(world.fresh(), 'directory')
  const target = world.make(world.fresh(), 'directory')
  calls.chmod(target, 0o777)
  const parent = world.make(world.fresh(), 'directory')
  calls.chmod(parent, 0o777)
  calls.rename(foreign, `${parent}/d`)
  world.is(
    "of another's to another directory: .. would change",
    calls.as(ALICE, () => calls.rename(`${parent}/d`, `${target}/d`)),
    'EACCES',
  )
  world.is(
    "of another's in the same directory",
    calls.as(ALICE, () => calls.rename(`${parent}/d`, `${parent}/e`)),
    'OK',
  )
}

function links(world: World): void {
  const { calls } = world
  for (const kind of KINDS) {
    world.begin(`link of a ${kind}`)
    const path = world.make(world.fresh(), kind)
    const to = world.fresh()
    const wanted = kind === 'directory' ? 'EPERM' : 'OK'
    world.is('a second name', calls.link(path, to), wanted)
    if (wanted !== 'OK') continue
    const { ino } = world.stat(path)!
    world.is('is the same', world.stat(to)?.ino, ino)
    world.is('two names', world.stat(path)?.nlink, 2)
    world.is('a third name', calls.link(to, world.path('third')), 'OK')
    world.is('three names', world.stat(to)?.nlink, 3)
    calls.lchown(to, 77, 88)
    world.is(
      'an owner is seen by each name',
      `${world.stat(path)?.uid} ${world.stat(world.path('third'))?.gid}`,
      '77 88',
    )
    calls.unlink(path)
    world.is('two names again', world.stat(to)?.nlink, 2)
    world.is('onto one of its own names', calls.rename(to, world.path('third')), 'OK')
    world.is(
      'both are there',
      `${world.stat(to)?.ino} ${world.stat(world.path('third'))?.ino}`,
      `${ino} ${ino}`,
    )
    calls.unlink(to)
    calls.unlink(world.path('third'))
    world.is('gone with the last', world.stat(to), undefined)
  }
}

function symlinks(world: World): void {
  const { calls } = world
  world.begin('symlink')
  for (const target of [
    'a',
    'x'.repeat(255),
    `${'y/'.repeat(400)}z`,
    'z'.repeat(1023),
    '../..',
    '/',
    'with blanks',
    'caf\u00c3\u00a9',
  ]) {
    const path = world.fresh()
    world.is(`to ${target.length} bytes`, calls.symlink(target, path), 'OK')
    world.is(`of ${target.length} bytes leads there`, readlinkSync(path, 'latin1') === target, true)
    world.is(`of ${target.length} bytes is as long`, world.stat(path)?.size, target.length)
  }
  const long = world.fresh()
  world.is('to 4095 bytes', calls.symlink('z'.repeat(4095), long), 'OK')
  world.is('to 4095 bytes is as long', world.stat(long)?.size, 4095)
  world.is('to 4096 bytes', calls.symlink('z'.repeat(4096), world.fresh()), 'ENAMETOOLONG')
  world.is('to nothing', calls.symlink('', world.fresh()), 'ENOENT')
  const path = world.fresh()
  calls.as(ALICE, () => calls.symlink('t', path))
  world.is(
    'belongs to who makes it',
    `${world.stat(path)?.uid} ${world.stat(path)?.gid}`,
    `${ALICE.uid} ${ALICE.gid}`,
  )
  world.is('mode', world.mode(path), '777')
}

/** A name is bytes, whatever they are but / and NUL. */
function bytes(world: World): void {
  const { calls } = world
  world.begin('names')
  for (let byte = 1; byte < 256; byte++) {
    if (byte === 0x2f || byte === 0x2e) continue
    const path = world.path(`b${String.fromCharCode(byte)}`)
    world.is(`with byte ${byte}`, calls.mknod(path, 0o100644), 'OK')
  }
  const found = new Set(readdirSync(world.path(), { encoding: 'buffer' }).map(name => name[1]))
  for (let byte = 1; byte < 256; byte++)
    if (byte !== 0x2f && byte !== 0x2e) world.is(`byte ${byte} is listed`, found.has(byte), true)
  world.is('of dots', calls.mkdir(world.path('...')), 'OK')
  world.is('.', calls.mkdir(world.path('.')), 'EEXIST')
  world.is(
    'that differ in case only',
    `${calls.mkdir(world.path('Aa'))} ${calls.mkdir(world.path('aA'))}`,
    'OK OK',
  )
}

/** What loses its last name while it is open. */
function nameless(world: World): void {
  const { calls } = world
  world.begin('no name')
  const path = world.fresh()
  const fd = calls.open(path, O_CREAT | O_RDWR)
  world.is('unlink of an open file', calls.unlink(path), 'OK')
  world.is('it can be written yet', calls.ftruncate(fd, 5000), 'OK')
  world.is('its mode can be changed', calls.fchmod(fd, 0o600), 'OK')
  world.is('its name is free', calls.mkdir(path), 'OK')
  world.is('it is closed', calls.close(fd), 'OK')
  const replaced = world.make(world.fresh(), 'regular')
  const open = calls.open(replaced, O_RDWR)
  calls.rename(world.make(world.fresh(), 'regular'), replaced)
  world.is('an open file is replaced and can be written yet', calls.ftruncate(open, 10), 'OK')
  calls.close(open)
  const folder = world.make(world.fresh(), 'directory')
  const held = calls.open(folder, 0o200000)
  world.is('rmdir of an open directory', calls.rmdir(folder), 'OK')
  world.is('nothing can be made in it', calls.opens(`/proc/self/fd/${held}/x`, O_CREAT), 'ENOENT')
  calls.close(held)
  const temporary = calls.open(world.path(), O_TMPFILE | O_RDWR, 0o640)
  world.is('O_TMPFILE', temporary >= 0, true)
  world.is('O_TMPFILE is written', calls.ftruncate(temporary, 123), 'OK')
  const named = world.fresh()
  world.is('O_TMPFILE gets a name', calls.linkDescriptor(temporary, named), 'OK')
  world.is('O_TMPFILE has its size', world.stat(named)?.size, 123)
  world.is('O_TMPFILE has its mode', world.mode(named), '640')
  world.is('O_TMPFILE has one name', world.stat(named)?.nlink, 1)
  world.is('onto a name that is there', calls.linkDescriptor(temporary, named), 'EEXIST')
  calls.close(temporary)
}
