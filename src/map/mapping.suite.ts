/** Mappings: of files and of memory, shared and private, where they are put, what they allow, and what becomes of them. */

import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import type { FileFace, MachineFace, MachineOptions, SpaceFace } from '../api/index.ts'
import { type Mmu, needs } from './conformance.suite.ts'
import { engineOf } from './software.suite.ts'
import { byteOf, HostCalls, numbered, PAGE, refuses } from './world.suite.ts'

export function mappings(mmu: Mmu): void {
  interface World {
    readonly machine: MachineFace
    readonly path: string
    readonly file: FileFace
    readonly space: SpaceFace
  }

  async function world(t: TestContext, pages = 16, options: MachineOptions = {}): Promise<World> {
    const machine = await mmu.start({ memory: 256 * PAGE, ...options })
    t.after(() => machine.close())
    const path = numbered(t, pages)
    const file = await machine.open(path, { mode: 'r+' })
    return { machine, path, file, space: machine.space({ name: 'a' }) }
  }

  describe('a shared mapping', () => {
    test('shows its stores to every other, to read, and after sync to the host', async t => {
      const { machine, file, space, path } = await world(t)
      const map = await space.map(file, { prot: 'rw' })
      const other = await machine.space({ name: 'b' }).map(file)
      await map.run(view => view.setU8(PAGE, 200))
      assert.equal(await other.run(view => view.u8(PAGE)), 200)
      const byte = new Uint8Array(1)
      await file.read(byte, PAGE)
      assert.equal(byte[0], 200)
      assert.equal(byteOf(path, PAGE), 2)
      await map.sync()
      assert.equal(byteOf(path, PAGE), 200)
    })

    test('leaves a machine that adds up, and says what it is doing', async t => {
      const { machine, file, space } = await world(t)
      const map = await space.map(file, { prot: 'rw' })
      machine.group('batch')
      const section = map.run(view => view.setU8(2 * PAGE, 1))
      assert.deepEqual(machine.check(), [])
      await section
      const { discipline, pages, groups, hanging, broken } = machine.dump()
      assert.deepEqual([discipline, hanging, broken], ['restart', [], []])
      assert.ok(pages.dirty >= 1 && pages.size === PAGE, JSON.stringify(pages))
      assert.deepEqual(
        groups.map(({ path }) => path),
        ['/', '/batch'],
      )
    })

    test('tells which of its pages are in memory, whoever brought them', async t => {
      const { file, space } = await world(t)
      const map = await space.map(file, { offset: PAGE, length: 15 * PAGE, advice: 'random' })
      assert.deepEqual([...(await map.resident())], new Array(15).fill(0))
      await map.run(view => view.u8(2 * PAGE))
      const other = await space.map(file, { advice: 'random' })
      await other.run(view => view.u8(5 * PAGE))
      const expected = new Array(15).fill(0)
      expected[2] = 1
      expected[4] = 1
      assert.deepEqual([...(await map.resident())], expected)
      assert.deepEqual([...(await map.resident({ offset: 4 * PAGE, length: 100 }))], [1])
      await map.populate()
      assert.deepEqual([...(await map.resident())], new Array(15).fill(1))
      await refuses(() => map.resident({ offset: 1 }), 'EINVAL', 'resident', /multiple of the page size/)
    })

    test('is made longer and shorter, or says why not', async t => {
      const { file, space, machine } = await world(t)
      const map = await space.map(file, { length: 4 * PAGE, prot: 'rw' })
      await map.run(view => view.setU8(3 * PAGE, 99))
      if (machine.mmu === 'hardware') {
        await refuses(() => map.resize(PAGE), 'ENOTSUP', 'resize', /map the file again as it is to be/)
        assert.equal(await map.run(view => view.u8(3 * PAGE)), 99)
        return
      }
      await map.resize(16 * PAGE)
      assert.equal(map.length, 16 * PAGE)
      assert.deepEqual(await map.run(view => [view.u8(3 * PAGE), view.u8(15 * PAGE)]), [99, 16])
      const { address } = map
      await space.map(file, { fixed: map.address + 16 * PAGE })
      await map.resize('72 KiB')
      assert.notEqual(map.address, address)
      assert.deepEqual(await map.run(view => [view.length, view.u8(3 * PAGE), view.u8(15 * PAGE)]), [
        18 * PAGE,
        99,
        16,
      ])
      await refuses(() => map.run(view => view.u8(17 * PAGE)), 'ENXIO', 'load', /past the end of the file/)
      await file.truncate(18 * PAGE)
      assert.equal(await map.run(view => view.u8(17 * PAGE)), 0)
      await map.resize(2 * PAGE + 1)
      assert.equal(await map.run(view => view.u8(2 * PAGE)), 3)
      await assert.rejects(async () => map.run(view => view.u8(2 * PAGE + 1)), RangeError)
      await refuses(() => map.resize(0), 'EINVAL', 'resize', /at least 1 byte/)
      await map.protect('r', { length: PAGE })
      await refuses(() => map.resize(8 * PAGE), 'EFAULT', 'resize', /only what is of one kind grows/)
      assert.equal(map.length, 2 * PAGE + 1)
      await map.unmap()
      await refuses(() => map.resize(PAGE), 'EBADF', 'resize', /was unmapped/)
      assert.deepEqual(machine.check(), [])
    })

    test(
      'that is resized beside sections, resizes and unmap loses nothing',
      needs(mmu, 'private memory'),
      async t => {
        const { file, space, machine } = await world(t, 64)
        const map = await space.map(file, { length: 8 * PAGE, prot: 'rw', advice: 'random' })
        for (let round = 0; round < 20; round++) {
          await map.advise('dontneed')
          const blocker = await space.map(file, { fixed: map.address + map.length, length: PAGE })
          const sections = Array.from({ length: 8 }, (_, page) =>
            map.run(view => {
              view.setU32(page * PAGE, view.u32(page * PAGE) + 1)
            }),
          )
          const resizes = [map.resize((9 + (round % 5)) * PAGE), map.resize(8 * PAGE)]
          await Promise.all([...sections, ...resizes])
          await blocker.unmap()
        }
        const counts = await map.run(view => Array.from({ length: 8 }, (_, page) => view.u32(page * PAGE)))
        assert.deepEqual(
          counts,
          Array.from({ length: 8 }, (_, page) => (page + 1) * 0x01010101 + 20),
        )
        await Promise.all([map.resize(20 * PAGE), map.unmap()])
        assert.equal(space.status().vmSize, 0)
        assert.deepEqual(machine.check(), [])
      },
    )

    test('moves to where it is told, and stays where it is told to stay', async t => {
      const { file, space, machine } = await world(t)
      const map = await space.map(file, { length: 4 * PAGE, prot: 'rw' })
      await map.run(view => view.setU8(3 * PAGE, 99))
      if (machine.mmu === 'hardware') {
        await refuses(() => map.remap(), 'ENOTSUP', 'remap', /map the file again as it is to be/)
        assert.equal(await map.run(view => view.u8(3 * PAGE)), 99)
        return
      }
      const { address } = map
      assert.equal(await map.remap(), map)
      assert.equal(map.address, address, 'nothing was asked for')
      const fixed = address + 64 * PAGE
      const replaced = await space.map(file, { fixed: fixed + PAGE, length: PAGE })
      assert.equal(await map.remap({ fixed }), map)
      assert.equal(map.address, fixed)
      assert.deepEqual(await map.run(view => [view.u8(PAGE), view.u8(3 * PAGE)]), [2, 99])
      assert.equal(await replaced.run(view => view.u8(0)), 2, 'it was replaced, as by map')
      await refuses(() => map.remap({ fixed: fixed + PAGE }), 'EINVAL', 'remap', /overlaps the old one/)
      await map.remap({ length: 5 * PAGE, where: 'stays' })
      await space.map(file, { fixed: fixed + 5 * PAGE, length: PAGE })
      await refuses(
        () => map.remap({ length: 6 * PAGE, where: 'stays' }),
        'ENOMEM',
        'remap',
        /mapped behind it/,
      )
      await refuses(() => map.remap({ length: 2 ** 52 }), 'ENOMEM', 'remap', /the space has no room for it/)
      assert.equal(map.length, 5 * PAGE)
      await map.remap({ length: PAGE, where: 'stays' })
      assert.deepEqual([map.address, map.length], [fixed, PAGE])
      const room = address + 128 * PAGE
      await map.remap({ length: 3 * PAGE, fixed: room })
      assert.deepEqual([map.address, await map.run(view => view.u8(2 * PAGE))], [room, 3])
      await map.protect('r', { length: PAGE })
      await refuses(() => map.remap({ length: 8 * PAGE, fixed: address }), 'EFAULT', 'remap', /of one kind/)
      await map.unmap()
      await refuses(() => map.remap(), 'EBADF', 'remap', /was unmapped/)
      assert.deepEqual(machine.check(), [])
    })

    test('moves its pages and stays, with nothing in it', needs(mmu, 'private memory'), async t => {
      const { space, machine } = await world(t)
      const heap = await space.mapAnonymous({ length: 4 * PAGE })
      await heap.run(view => view.setU8(PAGE, 7))
      const before = await space.fork()
      const { address } = heap
      const moved = await heap.remap({ old: 'stays mapped' })
      assert.notEqual(moved, heap)
      assert.equal(heap.address, address)
      assert.notEqual(moved.address, address)
      assert.equal(moved.length, heap.length)
      assert.equal(await moved.run(view => view.u8(PAGE)), 7)
      assert.equal(await heap.run(view => view.u8(PAGE)), 0, 'memory comes anew')
      await heap.run(view => view.setU8(PAGE, 8))
      assert.equal(await moved.run(view => view.u8(PAGE)), 7)
      assert.equal(await heap.inFork(before).run(view => view.u8(PAGE)), 7)
      await refuses(() => moved.inFork(before), 'EINVAL', 'inFork', /was resized or moved/)
      const again = await moved.remap({ old: 'stays mapped', fixed: address + 256 * PAGE })
      assert.equal(again.address, address + 256 * PAGE)
      assert.equal(await again.run(view => view.u8(PAGE)), 7)
      await Promise.all([heap.unmap(), moved.unmap(), again.unmap()])
      assert.equal(space.status().vmSize, 0)
      assert.deepEqual(machine.check(), [])
    })

    test('moves beside sections, and loses no store', needs(mmu, 'private memory'), async t => {
      const { space, machine } = await world(t)
      const heap = await space.mapAnonymous({ length: 8 * PAGE })
      const { address } = heap
      for (let round = 0; round < 20; round++) {
        const sections = Array.from({ length: 8 }, (_, page) =>
          heap.run(view => {
            view.setU32(page * PAGE, view.u32(page * PAGE) + 1)
          }),
        )
        await Promise.all([
          heap.remap({ fixed: address + (round % 2 === 0 ? 64 : 0) * PAGE }),
          ...sections,
          heap.remap({ length: (8 + (round % 3)) * PAGE }),
        ])
      }
      const counts = await heap.run(view => Array.from({ length: 8 }, (_, page) => view.u32(page * PAGE)))
      assert.deepEqual(
        counts,
        Array.from({ length: 8 }, () => 20),
      )
      assert.deepEqual(machine.check(), [])
    })

    test('was forked where it was', needs(mmu, 'private memory'), async t => {
      const { file, space } = await world(t)
      const map = await space.map(file, { length: 4 * PAGE })
      const before = await space.fork()
      await space.map(file, { fixed: map.address + 4 * PAGE })
      await map.resize(8 * PAGE)
      const after = await space.fork()
      assert.equal(await map.inFork(after).run(view => view.u8(7 * PAGE)), 8)
      await refuses(() => map.inFork(before), 'EINVAL', 'inFork', /was resized or moved since a was forked/)
    })

    test('of a part of a file begins there', async t => {
      const { file, space } = await world(t)
      const map = await space.map(file, { offset: 3 * PAGE, length: 2 * PAGE })
      assert.equal(map.length, 2 * PAGE)
      assert.deepEqual(await map.run(view => [view.u8(0), view.u8(PAGE)]), [4, 5])
      await refuses(
        () => map.run(view => view.setU8(0, 1)),
        'EACCES',
        'store',
        /at offset 12288 .*does not allow/,
      )
    })

    test('that is a part of a page sees no more than its length', async t => {
      const { file, space } = await world(t)
      const map = await space.map(file, { length: 100, prot: 'rw' })
      await map.run(view => view.setU8(99, 1))
      await assert.rejects(async () => map.run(view => view.u8(100)), RangeError)
      await map.sync()
      await map.protect('r')
    })
  })

  describe('a private mapping', () => {
    test('keeps its stores to itself', needs(mmu, 'private memory'), async t => {
      const { machine, file, space, path } = await world(t)
      const map = await space.map(file, { prot: 'rw', share: 'private' })
      const other = await machine.space({ name: 'b' }).map(file, { prot: 'rw' })
      await map.run(view => view.setU8(0, 200))
      assert.equal(await other.run(view => view.u8(0)), 1)
      await other.run(view => view.setU8(PAGE, 201))
      assert.equal(await map.run(view => view.u8(PAGE)), 201)
      await map.sync()
      await machine.close()
      assert.deepEqual([byteOf(path, 0), byteOf(path, PAGE)], [1, 201])
    })

    test('may be stored to even where the file may only be read', needs(mmu, 'private memory'), async t => {
      const { machine, path, space } = await world(t)
      const readable = await machine.open(path)
      const map = await space.map(readable, { prot: 'rw', share: 'private' })
      await map.run(view => view.setU8(0, 9))
      assert.equal(await map.run(view => view.u8(0)), 9)
    })
  })

  describe('memory', () => {
    test(
      'is zero until it is stored to, and ends with its space',
      needs(mmu, 'private memory', 'the engine in this thread'),
      async t => {
        const { machine, space } = await world(t)
        const map = await space.mapAnonymous({ length: '1 MiB', prot: 'rw' })
        assert.equal(await map.run(view => view.u32(2 ** 20 - 4)), 0)
        await map.run(view => view.setF64(8192, Math.PI))
        assert.equal(await map.run(view => view.f64(8192)), Math.PI)
        await space.exit()
        assert.equal(engineOf(machine).memory.free, engineOf(machine).memory.total)
      },
    )

    test(
      'that is shared is one for a space and its forks',
      needs(mmu, 'private memory', 'the engine in this thread'),
      async t => {
        const { machine, space } = await world(t)
        const map = await space.mapAnonymous({ length: 4 * PAGE, prot: 'rw', share: 'shared' })
        const child = await space.fork({ name: 'child' })
        const same = map.inFork(child)
        await same.run(view => view.setU32(PAGE, 7))
        assert.equal(await map.run(view => view.u32(PAGE)), 7)
        await space.exit()
        assert.equal(await same.run(view => view.u32(PAGE)), 7)
        await child.exit()
        assert.equal(engineOf(machine).memory.free, engineOf(machine).memory.total)
      },
    )

    test(
      'that is private is copied when one side stores after a fork',
      needs(mmu, 'private memory'),
      async t => {
        const { space } = await world(t)
        const map = await space.mapAnonymous({ length: 4 * PAGE, prot: 'rw' })
        await map.run(view => view.setU32(0, 1))
        const child = await space.fork()
        const same = map.inFork(child)
        assert.equal(await same.run(view => view.u32(0)), 1)
        await map.run(view => view.setU32(0, 2))
        await same.run(view => view.setU32(4, 3))
        assert.deepEqual(await map.run(view => [view.u32(0), view.u32(4)]), [2, 0])
        assert.deepEqual(await same.run(view => [view.u32(0), view.u32(4)]), [1, 3])
        await child.exit()
        assert.equal(await map.run(view => view.u32(0)), 2)
      },
    )
  })

  describe('a place', () => {
    test('is kept when it is free, and replaces what is there', needs(mmu, 'private memory'), async t => {
      const { file, space } = await world(t)
      const low = await space.map(file, { prot: 'rw' })
      const at = low.address + 4 * PAGE
      const memory = await space.mapAnonymous({ length: 2 * PAGE, prot: 'rw', fixed: at })
      assert.equal(memory.address, at)
      assert.deepEqual(
        await low.run(view => [view.u8(3 * PAGE), view.u8(4 * PAGE), view.u8(6 * PAGE)]),
        [4, 0, 7],
      )
      await memory.unmap()
      await refuses(() => low.run(view => view.u8(4 * PAGE)), 'EFAULT', 'load', /nothing is mapped there/)
      await refuses(() => low.protect('r'), 'ENOMEM', 'protect', /part of the range is mapped no more/)
      await refuses(() => low.sync(), 'ENOMEM', 'sync', /part of the range is mapped no more/)
      await low.sync({ length: 4 * PAGE })
    })

    test('past the end of the space is refused', async t => {
      const { file, space } = await world(t)
      const end = 2 ** 31 * PAGE
      await refuses(() => space.map(file, { fixed: end }), 'EINVAL', 'map', /don't fit/)
      const last = await space.map(file, { fixed: end - 16 * PAGE })
      assert.equal(await last.run(view => view.u8(15 * PAGE)), 16)
    })

    test('for more than a space holds is refused', needs(mmu, 'private memory'), async t => {
      const { space } = await world(t)
      await refuses(
        () => space.mapAnonymous({ length: 2 ** 31 * PAGE }),
        'ENOMEM',
        'map',
        /no room for it.*unmap something/,
      )
    })
  })

  describe('a protection', () => {
    test('takes at once and gives back by the next fault', async t => {
      const { file, space } = await world(t)
      const map = await space.map(file, { prot: 'rw' })
      await map.run(view => view.setU8(0, 5))
      await map.protect('r', { length: PAGE })
      await refuses(
        () => map.run(view => view.setU8(0, 6)),
        'EACCES',
        'store',
        /numbered\.bin at offset 0 .*EACCES/,
      )
      await map.run(view => view.setU8(PAGE, 6))
      await map.protect('none')
      await refuses(() => map.run(view => view.u8(0)), 'EACCES', 'load', /does not allow/)
      await map.protect('rw')
      assert.equal(await map.run(view => view.u8(0)), 5)
    })

    test('for stores is refused where the file may only be read', async t => {
      const { machine, path, space } = await world(t)
      const map = await space.map(await machine.open(path))
      await refuses(
        () => map.protect('rw'),
        'EACCES',
        'protect',
        /open for reading; expected one .* mode 'r\+'/,
      )
    })
  })

  describe('advice', () => {
    test(
      'to populate brings every page, and for stores makes each its own',
      needs(mmu, 'the engine in this thread'),
      async t => {
        const { space, file, machine } = await world(t)
        const map = await space.map(file, { prot: 'rw' })
        await map.populate()
        assert.equal(space.status().vmRss, 16 * PAGE)
        assert.equal(
          map.run(view => view.u8(15 * PAGE)),
          16,
        )
        await map.advise('populate-write', { length: 4 * PAGE })
        assert.equal(engineOf(machine).cache.dirtyPages, 4)
        assert.equal(
          map.run(view => view.setU8(3 * PAGE, 1)),
          undefined,
        )
      },
    )

    test(
      'that a range is needed starts its reading and waits for nothing',
      needs(mmu, 'calls in this thread'),
      async t => {
        const { space, file } = await world(t)
        const host = new HostCalls(t)
        const map = await space.map(file)
        host.hold('read')
        await map.advise('willneed')
        await host.heldAre(1)
        host.release()
        assert.equal(await map.run(view => view.u8(0)), 1)
        assert.equal(host.begun.read, 1)
      },
    )

    test(
      'that a range is not needed drops private copies, and nothing of a file',
      needs(mmu, 'private memory'),
      async t => {
        const { space, file } = await world(t)
        const shared = await space.map(file, { prot: 'rw' })
        const copies = await space.map(file, { prot: 'rw', share: 'private' })
        await shared.run(view => view.setU8(0, 50))
        await copies.run(view => view.setU8(0, 60))
        await shared.advise('dontneed')
        await copies.advise('dontneed')
        assert.equal(await shared.run(view => view.u8(0)), 50)
        assert.equal(await copies.run(view => view.u8(0)), 50)
      },
    )

    test('to drop what is locked is refused', async t => {
      const { space, file } = await world(t)
      const map = await space.map(file)
      await map.lock({ length: PAGE })
      await refuses(() => map.advise('dontneed'), 'EINVAL', 'advise', /locked in memory; unlock it first/)
      await map.unlock()
      await map.advise('dontneed')
    })

    test('takes advice of what it will do with its pages', async t => {
      const { file, space, machine } = await world(t)
      const map = await space.map(file, { prot: 'rw' })
      await map.run(view => view.setU8(0, 42))
      await map.sync()
      await map.advise('cold')
      await map.advise('pageout', { length: 2 * PAGE })
      assert.equal(await map.run(view => view.u8(0)), 42)
      await refuses(
        () => map.advise('free'),
        'EINVAL',
        'advise',
        /'free' is for private memory that isn’t locked/,
      )
      await refuses(
        () => map.advise('wipeonfork'),
        'EINVAL',
        'advise',
        /'wipeonfork' is for private memory, as/,
      )
      for (const advice of ['dontfork', 'dofork', 'keeponfork'] as const) await map.advise(advice)
      assert.equal(await map.run(view => view.u8(0)), 42)
      await map.lock()
      for (const advice of ['cold', 'pageout'] as const)
        await refuses(() => map.advise(advice), 'EINVAL', 'advise', /locked in memory; unlock it first/)
      assert.deepEqual(machine.check(), [])
    })

    test('lies in a row when it says so, and shows what it did', async t => {
      const { file, space, machine } = await world(t)
      const map = await space.map(file, { prot: 'rw', advice: 'random' })
      for (const page of [5, 0, 3, 1, 4, 2]) await map.run(view => view.setU8(page * PAGE + 1, 40 + page))
      await map.advise('collapse')
      for (let page = 0; page < 6; page++)
        assert.deepEqual(await map.run(view => [view.u8(page * PAGE), view.u8(page * PAGE + 1)]), [
          page + 1,
          40 + page,
        ])
      if (machine.mmu === 'software')
        assert.equal(await map.run(view => [...view.runs(0, 6 * PAGE)].length), 1)
      await map.sync()
      assert.deepEqual(machine.check(), [])
    })

    test(
      'refuses to move shared memory, which is known by its frames',
      needs(mmu, 'private memory'),
      async t => {
        const { space } = await world(t)
        const map = await space.mapAnonymous({ length: 4 * PAGE, share: 'shared' })
        await refuses(() => map.advise('collapse'), 'EINVAL', 'advise', /'collapse' is for memory of its own/)
      },
    )

    test('that may not be touched can’t be brought either, and it is said what would let it', async t => {
      const { file, space } = await world(t)
      const map = await space.map(file, { prot: 'rw' })
      await map.protect('none')
      for (const act of [() => map.lock(), () => map.advise('populate-write'), () => map.populate()])
        await refuses(
          act,
          'EACCES',
          act.toString().includes('lock') ? 'lock' : 'advise',
          /the mapping does not allow it/,
        )
    })

    test('is paged out when it says so, and comes back', async t => {
      const { file, space } = await world(t)
      const map = await space.map(file, { prot: 'r' })
      await map.populate()
      assert.equal((await map.resident()).indexOf(0), -1)
      await map.advise('pageout', { offset: PAGE, length: PAGE })
      assert.equal((await map.resident())[1], 0)
      assert.equal(await map.run(view => view.u8(PAGE)), 2)
    })

    test('is left out of a fork, or wiped in it', needs(mmu, 'private memory'), async t => {
      const { space } = await world(t)
      const map = await space.mapAnonymous({ length: 4 * PAGE })
      await map.run(view => {
        for (let page = 0; page < 4; page++) view.setU8(page * PAGE, page + 1)
      })
      await map.advise('dontfork', { length: PAGE })
      await map.advise('wipeonfork', { offset: PAGE, length: 2 * PAGE })
      await map.advise('keeponfork', { offset: 2 * PAGE, length: PAGE })
      const child = map.inFork(await space.fork())
      await refuses(() => child.run(view => view.u8(0)), 'EFAULT', 'load', /./)
      const values = await child.run(view => [1, 2, 3].map(page => view.u8(page * PAGE)))
      assert.deepEqual(values, [0, 3, 4])
      await map.advise('dofork')
      assert.equal(await map.inFork(await space.fork()).run(view => view.u8(0)), 1)
      assert.equal(await map.run(view => view.u8(PAGE)), 2)
    })

    test('frees pages that it doesn’t store to again', needs(mmu, 'private memory'), async t => {
      const { space, machine } = await world(t)
      const map = await space.mapAnonymous({ length: 2 * PAGE })
      await map.run(view => {
        view.setU8(0, 1)
        view.setU8(PAGE, 2)
      })
      await map.advise('free')
      assert.deepEqual(await map.run(view => [view.u8(0), view.u8(PAGE)]), [1, 2], 'memory isn’t wanted yet')
      await map.run(view => view.setU8(0, 3))
      await map.advise('pageout')
      assert.deepEqual(await map.run(view => [view.u8(0), view.u8(PAGE)]), [3, 0])
      assert.deepEqual(machine.check(), [])
    })
  })

  test('what is locked stays in memory while everything else goes', async t => {
    const { space, file } = await world(t, 64, { memory: 32 * PAGE })
    const map = await space.map(file, { advice: 'random' })
    await map.lock({ offset: 8 * PAGE, length: 4 * PAGE })
    for (let page = 0; page < 64; page++) await map.run(view => view.u8(page * PAGE))
    const sum = map.run(view => {
      let total = 0
      for (let page = 8; page < 12; page++) total += view.u8(page * PAGE)
      return total
    })
    assert.equal(sum, 9 + 10 + 11 + 12)
    assert.match(await space.proc('smaps'), /Locked: +16 kB/)
    await map.unlock()
    for (let page = 12; page < 64; page++) await map.run(view => view.u8(page * PAGE))
    const again = map.run(view => view.u8(8 * PAGE))
    assert.ok(again instanceof Promise)
    assert.equal(await again, 9)
  })

  test('a mapping that was unmapped, or whose space has ended, says so', async t => {
    const { space, file } = await world(t)
    const gone = await space.map(file)
    await gone.unmap()
    await refuses(() => gone.run(view => view.u8(0)), 'EBADF', 'run', /was unmapped; map the file again/)
    await refuses(() => gone.unmap(), 'EBADF', 'unmap', /was unmapped/)
    await refuses(() => gone.sync(), 'EBADF', 'sync', /was unmapped/)
    const orphan = await space.map(file)
    await Promise.all([space.exit(), space.exit()])
    await refuses(() => orphan.run(view => view.u8(0)), 'EFAULT', 'load', /nothing is mapped there/)
    for (const [operation, call] of [
      ['sync', () => orphan.sync()],
      ['protect', () => orphan.protect('r')],
      ['map', () => space.map(file)],
      ['fork', () => space.fork()],
      ['proc', () => space.proc('maps')],
    ] as const)
      await refuses(call, 'EBADF', operation, /has ended/)
    await orphan.unmap()
  })
}
