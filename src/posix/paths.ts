/** What every call that takes a path says of the path: too long, no directory on the way, nothing there, links in a circle. */
import { O_CREAT, O_RDONLY, S_IFIFO, S_IFREG } from './calls.ts'
import { ALICE, KINDS, type Kind, PLAIN, type World } from './world.ts'

type Act = (world: World, path: string) => string

/** Calls on something that must be there. */
export const ON_EXISTING: Readonly<Record<string, Act>> = {
  'open O_RDONLY': ({ calls }, path) => calls.opens(path, O_RDONLY),
  chmod: ({ calls }, path) => calls.chmod(path, 0o644),
  chown: ({ calls }, path) => calls.chown(path, 0, 0),
  lchown: ({ calls }, path) => calls.lchown(path, 0, 0),
  truncate: ({ calls }, path) => calls.truncate(path, 0),
  access: ({ calls }, path) => calls.access(path, 4),
  utimensat: ({ calls }, path) => calls.utimens(path, undefined),
  unlink: ({ calls }, path) => calls.unlink(path),
  rmdir: ({ calls }, path) => calls.rmdir(path),
  'link from': (world, path) => world.calls.link(path, world.fresh()),
  'rename from': (world, path) => world.calls.rename(path, world.fresh()),
}

/** Calls that make something. */
export const MAKING: Readonly<Record<string, Act>> = {
  'open O_CREAT': ({ calls }, path) => calls.opens(path, O_CREAT),
  mkdir: ({ calls }, path) => calls.mkdir(path),
  mkfifo: ({ calls }, path) => calls.mkfifo(path),
  'mknod fifo': ({ calls }, path) => calls.mknod(path, S_IFIFO | 0o644),
  'mknod file': ({ calls }, path) => calls.mknod(path, S_IFREG | 0o644),
  symlink: ({ calls }, path) => calls.symlink('anywhere', path),
  'link to': (world, path) => world.calls.link(world.make(world.fresh(), 'regular'), path),
  'rename to': (world, path) => world.calls.rename(world.make(world.fresh(), 'regular'), path),
}

const ALL = { ...ON_EXISTING, ...MAKING }
const SAYS_ITSELF: ReadonlySet<string> = new Set(['unlink', 'rmdir', 'lchown', 'rename from', 'link from'])

export function pathCases(world: World): void {
  tooLong(world)
  notDirectory(world)
  nothingThere(world)
  circles(world)
  closed(world)
  badAddresses(world)
}

function tooLong(world: World): void {
  for (const [name, act] of Object.entries(ALL)) {
    world.begin(`${name}, ENAMETOOLONG`)
    const makes = name in MAKING
    world.is('a name of 255 bytes', act(world, world.path('x'.repeat(255))), makes ? 'OK' : 'ENOENT')
    world.is('a name of 256 bytes', act(world, world.path('x'.repeat(256))), 'ENAMETOOLONG')
    world.is('a component of 256 bytes', act(world, world.path('y'.repeat(256), 'z')), 'ENAMETOOLONG')
    const long = `${world.path()}/${'./'.repeat(2100)}x`
    world.is('a path of more than 4096 bytes', act(world, long), 'ENAMETOOLONG')
    const close = `${world.path()}/`
    const fits = `${close}${'./'.repeat(Math.floor((4090 - close.length) / 2))}q`
    world.is('a path of just below 4096 bytes', act(world, fits), makes ? 'OK' : 'ENOENT')
    const wide = 'ü'.repeat(128)
    world.is(
      'a name of 256 bytes in 128 characters',
      act(world, world.path(Buffer.from(wide).toString('latin1'))),
      'ENAMETOOLONG',
    )
  }
}

function notDirectory(world: World): void {
  for (const [name, act] of Object.entries(ALL)) {
    world.begin(`${name}, ENOTDIR`)
    for (const kind of PLAIN) {
      const file = world.make(world.fresh(), kind)
      world.is(`a component is a ${kind}`, act(world, `${file}/below`), 'ENOTDIR')
      world.is(`a component above is a ${kind}`, act(world, `${file}/below/further`), 'ENOTDIR')
    }
    const target = world.make(world.fresh(), 'regular')
    const link = world.fresh()
    world.calls.symlink(target, link)
    world.is('a component is a link to a file', act(world, `${link}/below`), 'ENOTDIR')
  }
}

function nothingThere(world: World): void {
  for (const [name, act] of Object.entries(ALL)) {
    world.begin(`${name}, ENOENT`)
    world.is('a component is missing', act(world, world.path('missing', 'below')), 'ENOENT')
    world.is('the path is empty', act(world, ''), 'ENOENT')
    const dangling = world.make(world.fresh(), 'symlink')
    world.is('a component is a dangling link', act(world, `${dangling}/below`), 'ENOENT')
    if (name in MAKING) continue
    world.is('nothing is there', act(world, world.path('missing')), 'ENOENT')
    if (SAYS_ITSELF.has(name)) continue
    world.is('a dangling link is there', act(world, world.make(world.fresh(), 'symlink')), 'ENOENT')
  }
}

function circles(world: World): void {
  for (const [name, act] of Object.entries(ALL)) {
    world.begin(`${name}, ELOOP`)
    const [one, two] = [world.fresh(), world.fresh()]
    world.calls.symlink(one, two)
    world.calls.symlink(two, one)
    world.is('a circle on the way', act(world, `${one}/below`), 'ELOOP')
    const self = world.fresh()
    world.calls.symlink(self, self)
    world.is('a link to itself on the way', act(world, `${self}/below`), 'ELOOP')
    let chain = world.make(world.fresh(), 'directory')
    for (let n = 0; n < 41; n++) {
      const next = world.fresh('c')
      world.calls.symlink(chain, next)
      chain = next
    }
    world.is('41 links on the way', act(world, `${chain}/below`), 'ELOOP')
    if (name in MAKING || SAYS_ITSELF.has(name)) continue
    world.is('a circle at the end', act(world, one), 'ELOOP')
  }
}

/** Directories that may not be searched, or written. */
function closed(world: World): void {
  const { calls } = world
  for (const [name, act] of Object.entries(ALL)) {
    world.begin(`${name}, EACCES`)
    const makes = name in MAKING
    const folder = (mode: number) => {
      const path = world.make(world.fresh(), 'directory')
      calls.chown(path, ALICE.uid, ALICE.gid)
      const inside = `${path}/inside`
      if (!makes) {
        world.make(inside, name === 'rmdir' ? 'directory' : 'regular')
        calls.chown(inside, ALICE.uid, ALICE.gid)
      }
      calls.chmod(path, mode)
      return inside
    }
    const byAlice = (path: string) => {
      if (name === 'link to' || name === 'rename to') {
        const from = world.make(world.fresh(), 'regular')
        calls.chown(from, ALICE.uid, ALICE.gid)
        return calls.as(ALICE, () => (name === 'link to' ? calls.link(from, path) : calls.rename(from, path)))
      }
      // Only root gives a file to root.
      if (name === 'chown' || name === 'lchown')
        return calls.as(ALICE, () => calls[name](path, ALICE.uid, ALICE.gid))
      return calls.as(ALICE, () => act(world, path))
    }
    for (const mode of [0o600, 0o400, 0o200, 0o000, 0o677])
      world.is(`the directory ${mode.toString(8)} can't be searched`, byAlice(folder(mode)), 'EACCES')
    const changesDirectory = makes || name === 'unlink' || name === 'rmdir' || name === 'rename from'
    for (const mode of [0o500, 0o100, 0o577])
      world.is(
        `the directory ${mode.toString(8)} can't be written`,
        byAlice(folder(mode)),
        changesDirectory ? 'EACCES' : 'OK',
      )
    for (const mode of [0o700, 0o300])
      world.is(`the directory ${mode.toString(8)} can be searched and written`, byAlice(folder(mode)), 'OK')
  }
}

function badAddresses(world: World): void {
  world.begin('EFAULT')
  for (const name of ['mkdir', 'rmdir', 'unlink', 'chmod', 'open', 'mkfifo', 'truncate'] as const)
    world.is(`${name} with a bad address`, world.calls.withBadAddress(name), 'EFAULT')
}

/** What is there already, and what is made of it. */
export function existingCases(world: World): void {
  for (const [name, act] of Object.entries(MAKING)) {
    if (name === 'rename to' || name === 'open O_CREAT') continue
    world.begin(`${name}, EEXIST`)
    for (const kind of KINDS) {
      const path = world.make(world.fresh(), kind)
      const before = JSON.stringify(world.stat(path)?.ino)
      world.is(`a ${kind} is there`, act(world, path), 'EEXIST')
      world.is(`the ${kind} stays`, JSON.stringify(world.stat(path)?.ino), before)
    }
  }
  world.begin('open O_CREAT O_EXCL, EEXIST')
  for (const kind of KINDS)
    world.is(
      `a ${kind} is there`,
      world.calls.opens(world.make(world.fresh(), kind), O_CREAT | 0o200),
      'EEXIST',
    )
  removals(world)
}

function removals(world: World): void {
  const { calls } = world
  world.begin('unlink')
  for (const kind of KINDS) {
    const path = world.make(world.fresh(), kind)
    const wanted = kind === 'directory' ? 'EISDIR' : 'OK'
    world.is(`of a ${kind}`, calls.unlink(path), wanted)
    world.is(
      `a ${kind} is ${kind === 'directory' ? 'there' : 'gone'}`,
      world.stat(path) !== undefined,
      kind === 'directory',
    )
    world.is(`of a ${kind} again`, calls.unlink(path), kind === 'directory' ? 'EISDIR' : 'ENOENT')
  }
  world.begin('rmdir')
  for (const kind of KINDS) {
    const path = world.make(world.fresh(), kind)
    world.is(`of a ${kind}`, calls.rmdir(path), kind === 'directory' ? 'OK' : 'ENOTDIR')
  }
  for (const kind of KINDS) {
    const path = world.make(world.fresh(), 'directory')
    world.make(`${path}/inside`, kind)
    world.is(`with a ${kind} in it`, calls.rmdir(path), 'ENOTEMPTY')
    if (kind === 'directory') calls.rmdir(`${path}/inside`)
    else calls.unlink(`${path}/inside`)
    world.is(`when the ${kind} is gone`, calls.rmdir(path), 'OK')
  }
  const folder = world.make(world.fresh(), 'directory')
  world.is('of .', calls.rmdir(`${folder}/.`), 'EINVAL')
  world.is('of ..', calls.rmdir(`${folder}/..`), 'ENOTEMPTY')
  world.is('with a slash behind', calls.rmdir(`${folder}/`), 'OK')
}

/** Directories with the sticky bit: who may take away and rename what. */
export function stickyCases(world: World): void {
  const { calls } = world
  for (const kind of KINDS satisfies readonly Kind[])
    for (const act of ['unlink', 'rename from', 'rename to'] as const) {
      world.begin(`${act} of a ${kind} in a sticky directory`)
      for (const [folderOwner, fileOwner, wanted] of [
        ['alice', 'alice', 'OK'],
        ['alice', 'bob', 'OK'],
        ['bob', 'alice', 'OK'],
        ['bob', 'bob', 'EPERM'],
        ['root', 'bob', 'EPERM'],
      ] as const) {
        const id = { alice: ALICE.uid, bob: ALICE.uid + 1, root: 0 }
        const folder = world.make(world.fresh(), 'directory')
        calls.chmod(folder, 0o1777)
        calls.chown(folder, id[folderOwner], id[folderOwner])
        const path = world.make(`${folder}/x`, kind)
        calls.lchown(path, id[fileOwner], id[fileOwner])
        const other = world.make(`${folder}/y`, kind === 'directory' ? 'directory' : 'regular')
        calls.lchown(other, ALICE.uid, ALICE.gid)
        const got = calls.as(ALICE, () => {
          if (act === 'rename from') return calls.rename(path, `${folder}/z`)
          if (act === 'rename to') return calls.rename(other, path)
          return kind === 'directory' ? calls.rmdir(path) : calls.unlink(path)
        })
        world.is(`directory of ${folderOwner}, file of ${fileOwner}`, got, wanted)
      }
    }
}
