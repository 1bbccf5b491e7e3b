/** What is made is whole or absent: on hosts that are full, by processes that are killed, beside what is there already. */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { Prng } from '../base/index.ts'
import { Machine } from '../map/index.ts'
import { PAGE, refuses, scratch } from '../map/world.suite.ts'
import type { Volume } from './index.ts'

const needsRoot = { skip: process.getuid?.() === 0 ? false : 'it takes root' }
const MIB = 2 ** 20

async function started(t: TestContext): Promise<Machine> {
  const machine = await Machine.start({ memory: '4 MiB' })
  t.after(() => machine.close())
  return machine
}

/** Acts on a small filesystem in memory, where one can be mounted. */
async function onSmall(t: TestContext, mib: number, act: (place: string) => Promise<void>): Promise<void> {
  const place = join(scratch(t), 'small')
  fs.mkdirSync(place)
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${mib}m`, 'tmpfs', place]).status !== 0)
    return t.skip('nothing can be mounted here')
  try {
    await act(place)
  } finally {
    spawnSync('umount', ['-l', place])
  }
}

/** Fills the filesystem but for some bytes. */
function fill(place: string, free: number): string {
  const filler = join(place, 'filler')
  const { bavail, bsize } = fs.statfsSync(place)
  try {
    fs.writeFileSync(filler, Buffer.alloc(Math.max(0, bavail * bsize - free)))
  } catch {}
  return filler
}

function startOf(path: string): Buffer {
  const bytes = Buffer.alloc(MIB)
  const fd = fs.openSync(path, 'r')
  fs.readSync(fd, bytes, 0, MIB, 0)
  fs.closeSync(fd)
  return bytes
}

async function held(volume: Volume, path: string): Promise<Buffer> {
  const found: Buffer[] = []
  for await (const part of volume.get(path)) found.push(Buffer.from(part))
  return Buffer.concat(found)
}

describe('a volume is made', () => {
  test(
    'in no more than the host has; what is refused leaves nothing, whichever page is the last',
    needsRoot,
    async t => {
      const machine = await started(t)
      await onSmall(t, 8, async place => {
        const path = join(place, 'deep', 'er', 'v')
        await refuses(
          () => machine.createVolume(path, { size: '1 GiB' }),
          'ENOSPC',
          'createVolume',
          /its filesystem has 8\.0 MiB free, which is less than is asked for/,
        )
        assert.deepEqual(fs.readdirSync(place), [])
        const size = 4 * MIB
        const made = { yes: 0, no: 0 }
        for (let free = size - 2 * PAGE; free < size + 110 * PAGE; free += 5 * PAGE) {
          const filler = fill(place, free)
          const before = fs.statfsSync(place).bavail
          try {
            await (await machine.createVolume(path, { size })).close()
            made.yes++
            const again = await machine.openVolume(path)
            assert.deepEqual((await again.check()).wrong, [])
            await again.close()
            fs.rmSync(join(place, 'deep'), { recursive: true })
          } catch (error) {
            made.no++
            assert.equal((error as { code?: string }).code, 'ENOSPC', String(error))
            assert.deepEqual(fs.readdirSync(place), ['filler'])
          }
          assert.equal(fs.statfsSync(place).bavail, before)
          fs.rmSync(filler)
        }
        assert.ok(made.yes > 3 && made.no > 3, JSON.stringify(made))
      })
    },
  )

  test('of two blocks at least, and beside nothing that is there', async t => {
    const machine = await started(t)
    const folder = scratch(t)
    const path = join(folder, 'v')
    for (const size of [0, 1, 100, PAGE, 2 * PAGE - 1])
      await refuses(
        () => machine.createVolume(path, { size }),
        'EINVAL',
        'createVolume',
        /at least 2 blocks of 4096/,
      )
    for (const size of [-1, 1.5, 'much', {}, 2 ** 60])
      await refuses(
        () => machine.createVolume(path, { size: size as never }),
        'EINVAL',
        'createVolume',
        /size/,
      )
    for (const data of [7, Buffer.from('/tmp/x'), '', 'a\0'])
      await refuses(
        () => machine.createVolume(path, { size: MIB, data: data as never }),
        'EINVAL',
        'createVolume',
        /^data: expected a path/,
      )
    await refuses(
      () => machine.createVolume(path, { data: join(folder, 'none') }),
      'EINVAL',
      'createVolume',
      /size/,
    )
    await refuses(() => machine.createVolume(path, { data: folder }), 'EISDIR', 'createVolume', /./)
    assert.deepEqual(fs.readdirSync(folder), [])
    await (await machine.createVolume(path, { size: 2 * PAGE })).close()
    const tiny = await machine.openVolume(path, { mode: 'r+' })
    await refuses(
      () => tiny.put(new Uint8Array(2 * PAGE), '/a'),
      'ENOSPC',
      'put',
      /the volume is full, and nothing/,
    )
    assert.deepEqual(await tiny.list('/'), [])
    await tiny.close()
    const there = join(folder, 'there')
    fs.mkdirSync(there)
    fs.writeFileSync(join(there, 'data'), 'mine')
    await refuses(
      () => machine.createVolume(there, { size: MIB }),
      'EEXIST',
      'createVolume',
      /data exists already/,
    )
    assert.deepEqual(fs.readdirSync(there), ['data'])
    assert.equal(fs.readFileSync(join(there, 'data'), 'utf8'), 'mine')
    fs.renameSync(join(there, 'data'), join(there, 'other'))
    await (await machine.createVolume(there, { size: MIB })).close()
    assert.equal(fs.readFileSync(join(there, 'other'), 'utf8'), 'mine')
    assert.equal(fs.existsSync(join(there, 'creating')), false)
  })

  test('not over something that a file or a device holds, which is said by its name', needsRoot, async t => {
    const machine = await started(t)
    const folder = scratch(t)
    const path = join(folder, 'v')
    const image = join(folder, 'image')
    const makers: readonly (readonly [readonly string[], RegExp])[] = [
      [['mkfs.ext4', '-q', '-F', image], /ext/],
      [['mkfs.xfs', '-q', '-f', image], /XFS|xfs/],
      [['mkfs.btrfs', '-q', '-f', image], /btrfs/],
      [['mkfs.minix', image], /minix/],
      [['mkfs.cramfs', folder, image], /cramfs/],
      [['mkswap', '-q', image], /swap/],
    ]
    const marks: readonly (readonly [number, string, RegExp])[] = [
      [0, 'LUKS\xba\xbe', /LUKS/],
      [512, 'LABELONE', /LVM/],
      [512, 'EFI PART', /partitions/],
      [510, '\x55\xaa', /partitions, or a boot sector/],
      [82, 'FAT32   ', /FAT/],
      [32_769, 'CD001', /ISO 9660/],
      [132_096, '\x0c\xb1\xba\0\0\0\0\0', /ZFS/],
      [4096, '\xfc\x4e\x2b\xa9', /RAID/],
      [700_000, 'x', /something already/],
    ]
    const blank = () => {
      fs.writeFileSync(image, '')
      fs.truncateSync(image, 320 * MIB)
    }
    const refusedFor = async (words: RegExp) => {
      const before = startOf(image)
      await refuses(() => machine.createVolume(path, { data: image }), 'EEXIST', 'createVolume', words)
      assert.ok(startOf(image).equals(before))
      assert.equal(fs.existsSync(path), false)
    }
    for (const [[program, ...words], name] of makers) {
      blank()
      const { status } = spawnSync(program!, words)
      if (status === 0) await refusedFor(new RegExp(`holds .*(${name.source}).*not overwritten`))
    }
    for (const [at, bytes, name] of marks) {
      blank()
      const fd = fs.openSync(image, 'r+')
      fs.writeSync(fd, Buffer.from(bytes, 'latin1'), 0, bytes.length, at)
      fs.closeSync(fd)
      await refusedFor(name)
    }
    blank()
    fs.truncateSync(image, 4 * MIB)
    const loop = spawnSync('losetup', ['--find', '--show', image], { encoding: 'utf8' })
    if (loop.status !== 0) return t.skip('there are no loop devices here')
    const device = loop.stdout.trim()
    try {
      spawnSync('mkfs.ext4', ['-q', device])
      await refuses(
        () => machine.createVolume(path, { data: device }),
        'EEXIST',
        'createVolume',
        /ext.*wipefs --all/,
      )
      spawnSync('wipefs', ['--all', '--quiet', device])
      const volume = await machine.createVolume(path, { data: device })
      await volume.put(Buffer.from('on a device'), '/a')
      await refuses(
        () => machine.createVolume(`${path}2`, { data: device }),
        'EEXIST',
        'createVolume',
        /a volume/,
      )
      await volume.close()
      const again = await machine.openVolume(path)
      assert.equal(String(await held(again, '/a')), 'on a device')
      await again.close()
    } finally {
      spawnSync('losetup', ['--detach', device])
    }
  })

  test('or isn’t, when it is aborted', async t => {
    const machine = await started(t)
    const path = join(scratch(t), 'v')
    const aborted = AbortSignal.abort()
    await refuses(
      () => machine.createVolume(path, { size: MIB, signal: aborted }),
      'ABORT_ERR',
      'createVolume',
      /./,
    )
    const controller = new AbortController()
    const making = machine.createVolume(path, { size: 64 * MIB, signal: controller.signal })
    controller.abort()
    await refuses(() => making, 'ABORT_ERR', 'createVolume', /was aborted by its caller/)
    assert.equal(fs.existsSync(path), false)
  })
})

test('what a killed process makes is whole, or isn’t there and can be made', async t => {
  const machine = await started(t)
  const folder = scratch(t)
  const prng = new Prng(3)
  const kill = async (...words: readonly string[]) => {
    const program = join(import.meta.dirname, 'volume-making.suite.ts')
    const node = ['--disable-warning=ExperimentalWarning', program, ...words]
    const child = spawn(process.execPath, node, { stdio: ['ignore', 'pipe', 'inherit'] })
    // It may end by itself before it is killed.
    const closed = once(child, 'close')
    await once(child.stdout, 'data')
    await setTimeout(prng.below(40))
    child.kill('SIGKILL')
    await closed
  }
  for (let round = 0; round < 2; round++) {
    const path = join(folder, `v${round}`)
    await kill('create', path)
    const there = fs.existsSync(join(path, 'data.mdb'))
    const volume = there
      ? await machine.openVolume(path, { mode: 'r+' })
      : await machine.createVolume(path, { size: 8 * MIB })
    assert.deepEqual((await volume.check()).wrong, [])
    await volume.put(new Uint8Array(2 * MIB).fill(7), '/a')
    await volume.close()
    await kill('put', path)
    const target = join(folder, `target${round}`)
    await kill('get', path, target)
    if (fs.existsSync(target)) assert.ok(fs.readFileSync(target).equals(Buffer.alloc(2 * MIB, 7)))
    const again = await machine.openVolume(path)
    assert.deepEqual((await again.check()).wrong, [])
    const names = (await again.list('/')).map(({ name }) => name)
    if (names.includes('new')) assert.ok((await held(again, '/new')).equals(Buffer.alloc(2 * MIB, 9)))
    await again.close()
  }
})

test(
  'a host without space for metadata: each call says so, nothing is lost, and all goes on when there is some',
  needsRoot,
  async t => {
    const machine = await started(t)
    await onSmall(t, 16, async place => {
      const path = join(place, 'v')
      const volume = await machine.createVolume(path, { size: '4 MiB' })
      await volume.put(Buffer.from('before'), '/before')
      const filler = fill(place, 0)
      for (let n = 0; n < 500; n++) await volume.create(`/file-number-${n}`)
      const names = (await volume.list('/')).length
      const full = /the host's filesystem has no space left for the volume's metadata/
      for (let n = 0; n < 3; n++)
        await refuses(
          () => volume.sync(),
          'ENOSPC',
          'sync',
          new RegExp(`${path} failed.*${full.source}.*sync again`),
        )
      await refuses(
        () => volume.put(Buffer.from('x'), '/x'),
        'ENOSPC',
        'put',
        /metadata; nothing is left of it/,
      )
      assert.equal((await volume.list('/')).length, names)
      fs.rmSync(filler)
      await volume.sync()
      await volume.put(Buffer.from('x'), '/x')
      assert.deepEqual((await volume.check()).wrong, [])
      fill(place, 0)
      for (let n = 0; n < 2000; n++) await volume.create(`/more-files-${n}`)
      await refuses(() => volume.close(), 'ENOSPC', 'close', /what was not durable yet is lost/)
      for (const mode of ['r', 'r+'] as const) {
        const again = await machine.openVolume(path, { mode })
        assert.equal((await again.list('/')).length, names + 1)
        assert.equal(String(await held(again, '/before')), 'before')
        assert.deepEqual((await again.check()).wrong, [])
        await again.close()
      }
    })
  },
)
