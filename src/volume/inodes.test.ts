/** A volume by numbers, by its contract: what POSIX says of attributes, names and times, and what a crash leaves of them. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { errno } from '../base/index.ts'
import type { InodePlan, Kind, Time } from './inode.ts'
import { ROOT_INO } from './records.ts'
import { seekingArgs } from './seeking.ts'
import { bytesOf, textOf } from './spelling.ts'
import { ok, VolumeWorld } from './volume-world.suite.ts'

const at = (seconds: number, nanoseconds = 0): Time => ({ seconds, nanoseconds })
const plan = (kind: Kind, more: Partial<InodePlan> = {}): InodePlan => ({
  kind,
  mode: kind === 'directory' ? 0o755 : 0o644,
  uid: 1000,
  gid: 1000,
  ...more,
})
const inRoot = (name: string) => ({ directory: ROOT_INO, name })

describe('an inode', () => {
  it('of each kind is as it was made, after a crash too', () => {
    const world = new VolumeWorld()
    const { inodes } = world.volume
    const kinds: readonly InodePlan[] = [
      plan('file', { mode: 0o4751 }),
      plan('directory', { mode: 0o1777 }),
      plan('symlink', { mode: 0o777, target: '../ü/\udcff' }),
      plan('fifo'),
      plan('socket'),
      plan('block device', { rdev: 0x801 }),
      plan('char device', { rdev: 0xffff_ffff }),
    ]
    const made = kinds.map((each, index) => ok(inodes.make(inRoot(`n${index}`), each, at(-5, 999_999_999))))
    world.commit()
    const later = world.crash()
    for (const [index, found] of made.entries()) {
      const now = ok(later.volume.inodes.lookup(inRoot(`n${index}`)))
      assert.deepEqual(now, found)
      const { target: _, ...attributes } = kinds[index]!
      assert.partialDeepStrictEqual(now, { rdev: 0, ...attributes })
    }
    assert.deepEqual(made[0]!.btime, at(-5, 999_999_999))
    assert.equal(ok(later.volume.inodes.readlink(made[2]!.ino)), '../ü/\udcff')
    assert.equal(made[2]!.size, bytesOf('../ü/\udcff').length)
    later.recount()
  })

  it('takes chmod, chown and utimes; a new owner takes set-uid away, as a write of somebody else does', () => {
    const world = new VolumeWorld()
    const { inodes } = world.volume
    const { ino } = ok(inodes.make(inRoot('a'), plan('file', { mode: 0o6755 }), at(1)))
    assert.partialDeepStrictEqual(ok(inodes.setattr(ino, { mode: 0o6711 }, at(2))), {
      mode: 0o6711,
      ctime: at(2),
      mtime: at(1),
    })
    assert.partialDeepStrictEqual(ok(inodes.setattr(ino, { atime: at(7, 8), mtime: at(9) }, at(3))), {
      atime: at(7, 8),
      mtime: at(9),
      ctime: at(3),
    })
    ok(inodes.wrote(ino, 'privileged', at(4)))
    assert.partialDeepStrictEqual(ok(inodes.getattr(ino)), {
      mode: 0o6711,
      mtime: at(4),
      ctime: at(4),
      atime: at(7, 8),
    })
    ok(inodes.wrote(ino, 'unprivileged', at(5)))
    assert.equal(ok(inodes.getattr(ino)).mode, 0o711)
    ok(inodes.setattr(ino, { mode: 0o6745 }, at(6)))
    const chowned = ok(inodes.setattr(ino, { uid: 5 }, at(6)))
    assert.partialDeepStrictEqual(
      chowned,
      { uid: 5, gid: 1000, mode: 0o2745 },
      'no group executes it: set-gid stays',
    )
    assert.equal(inodes.setattr(ino, { mode: 0o10000 }, at(6)).errno, errno.EINVAL)
    assert.equal(inodes.setattr(ino, { atime: at(0, 1e9) }, at(6)).errno, errno.EINVAL)
    ok(inodes.accessed(ino, at(8)))
    assert.partialDeepStrictEqual(ok(inodes.getattr(ino)), { atime: at(8), ctime: at(6) })
  })

  it('of a set-gid directory hands its group on', () => {
    const { inodes } = new VolumeWorld().volume
    const d = ok(inodes.make(inRoot('d'), plan('directory', { mode: 0o2775, gid: 7 }), at(1)))
    const f = ok(inodes.make({ directory: d.ino, name: 'f' }, plan('file'), at(1)))
    const e = ok(inodes.make({ directory: d.ino, name: 'e' }, plan('directory'), at(1)))
    assert.deepEqual([f.gid, f.mode, e.gid, e.mode], [7, 0o644, 7, 0o2755])
  })

  it('counts its blocks: written, promised, shared, and not those of holes (E3)', () => {
    const world = new VolumeWorld()
    const a = world.create('/a', 3)
    const { ino } = a.volumeFile.node
    assert.equal(ok(world.volume.inodes.getattr(ino)).blocks, 3)
    world.write(a, 5 * 4096, new Uint8Array(10))
    assert.equal(ok(world.volume.inodes.getattr(ino)).blocks, 4)
    world.sync(a)
    assert.equal(ok(world.volume.inodes.getattr(ino)).blocks, 4)
    assert.equal(world.world.says(world.world.punch(a, 0, 2 * 4096)), 'done')
    assert.equal(ok(world.volume.inodes.getattr(ino)).blocks, 2)
    world.recount()
  })
})

describe('names by number', () => {
  it('leave the times and links that POSIX asks for', () => {
    const world = new VolumeWorld()
    const { inodes } = world.volume
    const root = () => ok(inodes.getattr(ROOT_INO))
    const d = ok(inodes.make(inRoot('d'), plan('directory'), at(10)))
    assert.partialDeepStrictEqual(root(), { links: 3, mtime: at(10), ctime: at(10) })
    assert.partialDeepStrictEqual(d, { links: 2, parent: ROOT_INO })
    const f = ok(inodes.make({ directory: d.ino, name: 'f' }, plan('file'), at(11)))
    assert.partialDeepStrictEqual(ok(inodes.getattr(d.ino)), { links: 2, mtime: at(11) })
    assert.partialDeepStrictEqual(ok(inodes.link(f.ino, inRoot('g'), at(12))), {
      links: 2,
      ctime: at(12),
      mtime: at(11),
    })
    ok(inodes.unlink(inRoot('g'), at(13)))
    assert.partialDeepStrictEqual(ok(inodes.getattr(f.ino)), { links: 1, ctime: at(13) })
    ok(inodes.rename({ directory: d.ino, name: 'f' }, inRoot('h'), 'replace', at(14)))
    assert.partialDeepStrictEqual(ok(inodes.getattr(f.ino)), { ctime: at(14), mtime: at(11) })
    for (const ino of [d.ino, ROOT_INO]) assert.deepEqual(ok(inodes.getattr(ino)).mtime, at(14))
    const e = ok(inodes.make({ directory: d.ino, name: 'e' }, plan('directory'), at(15)))
    ok(inodes.rename({ directory: d.ino, name: 'e' }, inRoot('e'), 'replace', at(16)))
    assert.deepEqual([root().links, ok(inodes.getattr(d.ino)).links], [4, 2])
    assert.equal(ok(inodes.getattr(e.ino)).parent, ROOT_INO)
    ok(inodes.rmdir(inRoot('e'), at(17)))
    assert.equal(root().links, 3)
    world.recount()
  })

  it('are refused as POSIX refuses them', () => {
    const world = new VolumeWorld()
    const { inodes } = world.volume
    const d = ok(inodes.make(inRoot('d'), plan('directory'), at(1)))
    const e = ok(inodes.make({ directory: d.ino, name: 'e' }, plan('directory'), at(1)))
    const f = ok(inodes.make(inRoot('f'), plan('file'), at(1)))
    const inD = (name: string) => ({ directory: d.ino, name })
    const refused = [
      [inodes.lookup(inRoot('x')), errno.ENOENT],
      [inodes.lookup({ directory: f.ino, name: 'x' }), errno.ENOTDIR],
      [inodes.lookup({ directory: 999, name: 'x' }), errno.ESTALE],
      [inodes.getattr(999), errno.ESTALE],
      [inodes.lookup(inRoot('x'.repeat(256))), errno.ENAMETOOLONG],
      [inodes.lookup(inRoot('\udcff'.repeat(256))), errno.ENAMETOOLONG],
      [inodes.make(inRoot('f'), plan('file'), at(2)), errno.EEXIST],
      [inodes.make(inRoot('l'), plan('symlink', { target: '' }), at(2)), errno.ENOENT],
      [inodes.make(inRoot('l'), plan('symlink', { target: 'x'.repeat(4096) }), at(2)), errno.ENAMETOOLONG],
      [inodes.make({ directory: f.ino, name: 'x' }, plan('file'), at(2)), errno.ENOTDIR],
      [inodes.link(d.ino, inRoot('x'), at(2)), errno.EPERM],
      [inodes.link(f.ino, inRoot('d'), at(2)), errno.EEXIST],
      [inodes.unlink(inRoot('d'), at(2)), errno.EISDIR],
      [inodes.rmdir(inRoot('f'), at(2)), errno.ENOTDIR],
      [inodes.rmdir(inRoot('d'), at(2)), errno.ENOTEMPTY],
      [inodes.rename(inRoot('d'), { directory: e.ino, name: 'x' }, 'replace', at(2)), errno.EINVAL],
      [inodes.rename(inD('e'), inRoot('d'), 'replace', at(2)), errno.ENOTEMPTY],
      [inodes.rename(inRoot('f'), inRoot('d'), 'replace', at(2)), errno.EISDIR],
      [inodes.rename(inRoot('d'), inRoot('f'), 'replace', at(2)), errno.ENOTDIR],
      [inodes.rename(inRoot('f'), inRoot('d'), 'noreplace', at(2)), errno.EEXIST],
      [inodes.rename(inRoot('f'), inRoot('x'), 'exchange', at(2)), errno.ENOENT],
      [inodes.rename(inRoot('d'), inD('e'), 'exchange', at(2)), errno.EINVAL],
      [inodes.readlink(f.ino), errno.EINVAL],
      [inodes.readdir(f.ino, undefined, 9), errno.ENOTDIR],
    ] as const
    for (const [index, [answer, expected]] of refused.entries())
      assert.equal(answer.errno, expected, `refusal ${index}`)
    world.recount()
  })

  it('are exchanged, directories and files too', () => {
    const world = new VolumeWorld()
    const { inodes } = world.volume
    const d = ok(inodes.make(inRoot('d'), plan('directory'), at(1)))
    const e = ok(inodes.make({ directory: d.ino, name: 'e' }, plan('directory'), at(1)))
    const f = ok(inodes.make(inRoot('f'), plan('file'), at(1)))
    ok(inodes.rename(inRoot('f'), { directory: d.ino, name: 'e' }, 'exchange', at(2)))
    assert.equal(ok(inodes.lookup(inRoot('f'))).ino, e.ino)
    assert.equal(ok(inodes.lookup({ directory: d.ino, name: 'e' })).ino, f.ino)
    assert.deepEqual([ok(inodes.getattr(ROOT_INO)).links, ok(inodes.getattr(d.ino)).links], [4, 2])
    world.recount()
  })

  it('are listed from a cursor that survives what comes and goes (VI2)', () => {
    const { inodes } = new VolumeWorld().volume
    const names = Array.from({ length: 30 }, (_, index) => `n${String(index).padStart(2, '0')}`)
    for (const name of names) ok(inodes.make(inRoot(name), plan('file'), at(1)))
    const seen: string[] = []
    for (let behind: string | undefined; ; ) {
      const { entries, isLast } = ok(inodes.readdir(ROOT_INO, behind, 7))
      seen.push(...entries.map(({ name }) => name))
      if (isLast) break
      behind = entries.at(-1)!.name
      ok(inodes.unlink(inRoot(behind), at(2)))
      ok(inodes.make(inRoot(`a${behind}`), plan('file'), at(2)))
    }
    assert.deepEqual(seen, names)
  })

  it('may be any bytes but / and 0; bytes that are no UTF-8 come back as they were', () => {
    const { volume } = new VolumeWorld()
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 255 }), bytes => {
        const name = textOf(bytes)
        assert.deepEqual(bytesOf(name), bytes)
        const made = volume.inodes.make(inRoot(name), plan('file'), at(1))
        if (name === '.' || name === '..' || bytes.includes(0) || bytes.includes(0x2f)) {
          assert.equal(made.errno, errno.EINVAL)
          return
        }
        assert.equal(ok(volume.inodes.lookup(inRoot(name))).ino, ok(made).ino)
        const [entry] = ok(volume.inodes.readdir(ROOT_INO, undefined, 9)).entries
        assert.deepEqual(bytesOf(entry!.name), bytes)
        ok(volume.inodes.unlink(inRoot(name), at(1)))
      }),
      { numRuns: 300 },
    )
    assert.throws(() => bytesOf('\ud800'))
  })
})

describe('what is held', () => {
  it('outlives its last name until it is released; of a removed directory nothing is made in it (VI1)', () => {
    const world = new VolumeWorld()
    const { inodes } = world.volume
    const d = ok(inodes.make(inRoot('d'), plan('directory'), at(1)))
    const l = ok(inodes.make(inRoot('l'), plan('symlink', { target: '/x' }), at(1)))
    for (const { ino } of [d, l]) inodes.hold(ino)
    inodes.hold(d.ino)
    ok(inodes.rmdir(inRoot('d'), at(2)))
    ok(inodes.unlink(inRoot('l'), at(2)))
    assert.deepEqual([ok(inodes.getattr(d.ino)).links, ok(inodes.readlink(l.ino))], [0, '/x'])
    assert.equal(inodes.make({ directory: d.ino, name: 'x' }, plan('file'), at(3)).errno, errno.ENOENT)
    world.recount()
    ok(inodes.release(d.ino, 1))
    ok(inodes.getattr(d.ino))
    ok(inodes.release(d.ino, 1))
    ok(inodes.release(l.ino))
    for (const { ino } of [d, l]) assert.equal(inodes.getattr(ino).errno, errno.ESTALE)
    world.recount()
  })

  it('is gone when the volume is opened after a crash', () => {
    const world = new VolumeWorld()
    const { inodes } = world.volume
    const { ino } = ok(inodes.makeUnnamed(ROOT_INO, plan('file'), at(1)))
    world.commit()
    const later = world.crash()
    assert.equal(later.volume.inodes.getattr(ino).errno, errno.ESTALE)
    later.recount()
  })

  it('without a name gets one by link, and stays', () => {
    const world = new VolumeWorld()
    const { inodes } = world.volume
    const { ino } = ok(inodes.makeUnnamed(ROOT_INO, plan('file'), at(1)))
    assert.equal(ok(inodes.link(ino, inRoot('f'), at(2))).links, 1)
    ok(inodes.release(ino))
    assert.equal(ok(inodes.lookup(inRoot('f'))).ino, ino)
    world.recount()
  })
})

describe('paths', () => {
  it('lead through symbolic links, round and round and nowhere', () => {
    const { volume } = new VolumeWorld()
    ok(volume.create('/d', 'directory'))
    ok(volume.create('/d/e', 'directory'))
    ok(volume.create('/d/f', 'file'))
    const link = (path: string, target: string) => ok(volume.create(path, plan('symlink', { target })))
    link('/up', 'd/e/../f')
    link('/abs', '/d')
    link('/loop', 'loop')
    link('/none', 'x/y')
    link('/root', '/')
    assert.equal(ok(volume.stat('/up')).ino, ok(volume.stat('/d/f')).ino)
    assert.equal(ok(volume.stat('/up', 'itself')).kind, 'symlink')
    assert.equal(ok(volume.stat('/abs/e')).kind, 'directory')
    assert.equal(ok(volume.stat('/root/abs/f')).kind, 'file')
    assert.equal(volume.stat('/loop').errno, errno.ELOOP)
    assert.equal(volume.stat('/none').errno, errno.ENOENT)
    assert.equal(volume.stat('/up/x').errno, errno.ENOTDIR)
    assert.equal(ok(volume.readlink('/up')), 'd/e/../f')
    link('/longest', 'x'.repeat(4095))
    assert.equal(ok(volume.readlink('/longest')).length, 4095)
    ok(volume.unlink('/abs'))
    assert.equal(ok(volume.stat('/d')).kind, 'directory')
  })
})

describe('extended attributes', () => {
  const bytes = (text: string) => new TextEncoder().encode(text)

  it('are set, listed, replaced and removed; they last, and go with their inode', () => {
    const world = new VolumeWorld()
    const { inodes } = world.volume
    const { ino } = ok(inodes.make(inRoot('a'), plan('file'), at(1)))
    const long = Uint8Array.from({ length: 64 * 1024 }, (_, index) => index % 251)
    ok(inodes.setxattr(ino, 'user.a', bytes('1'), 'create', at(2)))
    ok(inodes.setxattr(ino, 'user.a.b', long, 'set', at(3)))
    ok(inodes.setxattr(ino, 'trusted.\udcfe', new Uint8Array(0), 'set', at(4)))
    assert.deepEqual(ok(inodes.getattr(ino)).ctime, at(4))
    assert.deepEqual(ok(inodes.getattr(ino)).mtime, at(1))
    world.commit()
    const later = world.crash()
    const again = later.volume.inodes
    assert.deepEqual([...ok(again.listxattr(ino))].sort(), ['trusted.\udcfe', 'user.a', 'user.a.b'])
    assert.deepEqual(ok(again.getxattr(ino, 'user.a.b')), long)
    assert.equal(ok(again.getxattr(ino, 'trusted.\udcfe')).length, 0)
    ok(again.setxattr(ino, 'user.a.b', bytes('short'), 'replace', at(5)))
    assert.deepEqual(ok(again.getxattr(ino, 'user.a.b')), bytes('short'))
    ok(again.removexattr(ino, 'user.a', at(6)))
    assert.equal(again.getxattr(ino, 'user.a').errno, errno.ENODATA)
    later.recount()
    ok(again.unlink(inRoot('a'), at(7)))
    assert.deepEqual([...later.volume.parts.overlay.range('a', 'b')], [])
    later.recount()
  })

  it('are refused as xattr(7) says', () => {
    const { inodes } = new VolumeWorld().volume
    const { ino } = ok(inodes.make(inRoot('a'), plan('file'), at(1)))
    const link = ok(inodes.make(inRoot('l'), plan('symlink', { target: 'a' }), at(1)))
    const set = (name: string, value = bytes('x'), how: 'set' | 'create' | 'replace' = 'set', of = ino) =>
      inodes.setxattr(of, name, value, how, at(2)).errno
    assert.equal(set('user.a'), 0)
    assert.equal(set('user.a', bytes(''), 'create'), errno.EEXIST)
    assert.equal(set('user.b', bytes(''), 'replace'), errno.ENODATA)
    assert.equal(set('other.b'), errno.ENOTSUP)
    assert.equal(set('user.'), errno.EINVAL)
    assert.equal(set(`user.${'x'.repeat(251)}`), errno.ERANGE)
    assert.equal(set('user.b', new Uint8Array(64 * 1024 + 1)), errno.E2BIG)
    assert.equal(set('user.b', bytes(''), 'set', link.ino), errno.EPERM)
    assert.equal(set('trusted.b', bytes(''), 'set', link.ino), 0)
    assert.equal(inodes.removexattr(ino, 'user.b', at(2)).errno, errno.ENODATA)
    assert.equal(inodes.getxattr(ino, 'other.b').errno, errno.ENOTSUP)
    let left = 0
    for (; set(`user.${String(left).padStart(250, '0')}`) === 0; left++);
    assert.equal(left, Math.floor((64 * 1024 - 'user.a '.length) / 256), 'as many as a list can name (XT1)')
  })

  it('with access lists change the mode and follow it (XT2)', () => {
    const world = new VolumeWorld()
    const { inodes } = world.volume
    const list = (...entries: readonly (readonly [tag: number, rights: number, id?: number])[]) => {
      const value = new Uint8Array(4 + 8 * entries.length)
      const view = new DataView(value.buffer)
      view.setUint32(0, 2, true)
      for (const [index, [tag, rights, id = 0xffff_ffff]] of entries.entries()) {
        view.setUint16(4 + 8 * index, tag, true)
        view.setUint16(6 + 8 * index, rights, true)
        view.setUint32(8 + 8 * index, id, true)
      }
      return value
    }
    const [access, byDefault] = ['system.posix_acl_access', 'system.posix_acl_default']
    const { ino } = ok(inodes.make(inRoot('a'), plan('file', { mode: 0o4644 }), at(1)))
    const named = list([1, 6], [2, 7, 500], [4, 5], [16, 4], [32, 0])
    ok(inodes.setxattr(ino, access, named, 'set', at(2)))
    assert.equal(ok(inodes.getattr(ino)).mode, 0o4640)
    ok(inodes.setattr(ino, { mode: 0o751 }, at(3)))
    assert.deepEqual(ok(inodes.getxattr(ino, access)), list([1, 7], [2, 7, 500], [4, 5], [16, 5], [32, 1]))
    ok(inodes.setxattr(ino, access, list([1, 6], [4, 4], [32, 4]), 'set', at(4)))
    assert.equal(ok(inodes.getattr(ino)).mode, 0o644)
    assert.equal(inodes.getxattr(ino, access).errno, errno.ENODATA, 'a mode says it all')
    for (const wrong of [
      list([1, 6]),
      list([1, 6], [2, 7, 5], [4, 5], [32, 0]),
      list([4, 4], [1, 6], [32, 4]),
      new Uint8Array(3),
    ])
      assert.equal(inodes.setxattr(ino, access, wrong, 'set', at(4)).errno, errno.EINVAL)
    assert.equal(inodes.setxattr(ino, byDefault, named, 'set', at(4)).errno, errno.EACCES)
    const d = ok(inodes.make(inRoot('d'), plan('directory', { mode: 0o777, umask: 0o027 }), at(5)))
    assert.equal(d.mode, 0o750)
    ok(inodes.setxattr(d.ino, byDefault, named, 'set', at(6)))
    const f = ok(
      inodes.make({ directory: d.ino, name: 'f' }, plan('file', { mode: 0o666, umask: 0o077 }), at(7)),
    )
    assert.equal(f.mode, 0o640, 'the list counts, not the umask')
    assert.deepEqual(ok(inodes.getxattr(f.ino, access)), list([1, 6], [2, 7, 500], [4, 5], [16, 4], [32, 0]))
    const e = ok(inodes.make({ directory: d.ino, name: 'e' }, plan('directory', { mode: 0o777 }), at(7)))
    assert.deepEqual(ok(inodes.getxattr(e.ino, byDefault)), named)
    world.recount()
  })

  it('of capabilities go when somebody writes to the file', () => {
    const { inodes } = new VolumeWorld().volume
    const { ino } = ok(inodes.make(inRoot('a'), plan('file'), at(1)))
    ok(inodes.setxattr(ino, 'security.capability', bytes('x'), 'set', at(1)))
    ok(inodes.wrote(ino, 'privileged', at(2)))
    ok(inodes.getxattr(ino, 'security.capability'))
    ok(inodes.wrote(ino, 'unprivileged', at(3)))
    assert.equal(inodes.getxattr(ino, 'security.capability').errno, errno.ENODATA)
  })
})

describe('data and holes', () => {
  it('are found in what is written, dirty, set aside and not there', () => {
    const PAGE = 4096
    const world = new VolumeWorld()
    const a = world.create('/a', 2)
    world.allocate(a, 3 * PAGE, 2 * PAGE)
    world.write(a, 6 * PAGE + 5, new Uint8Array(10).fill(1))
    const ask = (position: number, what: 'data' | 'hole') => {
      const args = seekingArgs(a.volumeFile, position, what)
      const task = world.world.spawn(world.volume.seeking, args)
      world.world.settle()
      return task.errno === errno.OK ? args.found : task.errno
    }
    const see = () => {
      assert.deepEqual([ask(0, 'data'), ask(100, 'data'), ask(2 * PAGE, 'data')], [0, 100, 6 * PAGE])
      assert.deepEqual(
        [ask(0, 'hole'), ask(3 * PAGE + 1, 'hole'), ask(6 * PAGE, 'hole')],
        [2 * PAGE, 3 * PAGE + 1, 6 * PAGE + 15],
      )
      assert.deepEqual([ask(6 * PAGE + 15, 'data'), ask(7 * PAGE, 'hole')], [errno.ENXIO, errno.ENXIO])
    }
    see()
    world.sync(a)
    see()
    world.evict(a)
    see()
  })

  it('say where a naive walk says, whatever was written, set aside and punched', () => {
    const PAGE = 4096
    const pages = 8
    const step = fc.record({
      what: fc.constantFrom('write' as const, 'allocate' as const, 'punch' as const, 'sync' as const),
      page: fc.nat(pages - 1),
      count: fc.integer({ min: 1, max: 3 }),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 12 }), steps => {
        const world = new VolumeWorld()
        const a = world.create('/a', 0)
        // One page more than is touched: a punch that reaches the end leaves the last page there, zero and stored (X4).
        const size = (pages + 1) * PAGE
        assert.equal(world.world.says(world.world.truncate(a, size)), 'done')
        const data = new Array<boolean>(pages).fill(false)
        for (const { what, page, count } of steps) {
          const end = Math.min(pages, page + count)
          if (what === 'write') world.write(a, page * PAGE, new Uint8Array((end - page) * PAGE).fill(1))
          else if (what === 'allocate') world.allocate(a, page * PAGE, (end - page) * PAGE)
          else if (what === 'punch')
            assert.equal(world.world.says(world.world.punch(a, page * PAGE, (end - page) * PAGE)), 'done')
          else world.sync(a)
          if (what === 'write' || what === 'punch') data.fill(what === 'write', page, end)
        }
        for (let page = 0; page < pages; page++)
          for (const what of ['data', 'hole'] as const) {
            const next = data.findIndex((is, at) => at >= page && is === (what === 'data'))
            const none = what === 'hole' ? pages * PAGE : undefined
            const expected = next === -1 ? none : next * PAGE
            const args = seekingArgs(a.volumeFile, page * PAGE, what)
            const task = world.world.spawn(world.volume.seeking, args)
            world.world.settle()
            assert.equal(task.errno === errno.OK ? args.found : undefined, expected)
          }
      }),
      { numRuns: 60 },
    )
  })
})
