/** Sections: they take effect once or not at all, miss pages together, and say what was wrong with them. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { ViewFace as View } from '../api/index.ts'
import { type Mmu, needs } from '../map/conformance.suite.ts'
import { engineOf } from '../map/software.suite.ts'
import { HostCalls, numbered, PAGE, refuses, sparse } from '../map/world.suite.ts'
import { FaultlineError } from './index.ts'

export function sections(mmu: Mmu): void {
  test('the example of the README runs as it stands there', async t => {
    const path = sparse(t, 2 ** 30 + 2 * PAGE)
    await using machine = await mmu.start({ memory: '64 MiB', pageSize: 4096, discipline: 'restart' })
    const batch = machine.group('batch', {
      'io.max': { rbps: '4 MiB', wbps: '4 MiB' },
      'memory.max': '16 MiB',
    })
    const file = await machine.open(path, { mode: 'r+' })
    const space = machine.space({ name: 'importer', group: batch })
    const map = await space.map(file, { offset: 0, length: file.size, prot: 'rw', share: 'shared' })
    const sum = await map.run(view => view.u32(0) + view.u32(2 ** 30))
    assert.equal(sum, 0)
    await map.run(view => view.setU32(4096, 7))
    await map.sync()
    assert.equal(await map.run(view => view.u32(4096)), 7)
    await map.unmap()
    const [row] = await machine.ps()
    assert.equal(row?.name, 'importer')
  })

  /** A machine with one file, mapped for stores, nothing of it in memory. */
  async function mapped(t: Parameters<typeof numbered>[0], pages = 16) {
    const tasks: string[] = []
    const watched = !mmu.lacks.includes('the engine in this thread')
    const watcher = {
      began: (task: { name: string }) => void tasks.push(task.name),
      waits() {},
      resumes() {},
      ended() {},
    }
    const machine = await mmu.start(watched ? { memory: 256 * PAGE, watcher } : { memory: 256 * PAGE })
    t.after(() => machine.close())
    const file = await machine.open(numbered(t, pages), { mode: 'r+' })
    const space = machine.space({ name: 'a' })
    const map = await space.map(file, { prot: 'rw', advice: 'random' })
    return { machine, file, space, map, tasks }
  }

  describe('a section', () => {
    test(
      'that stores to clean pages that are there returns its own value, and what fails at once fails by a promise (MP3, MP4)',
      needs(mmu, 'the engine in this thread'),
      async t => {
        const { map, space, file } = await mapped(t)
        await map.prefetch([{ offset: 0, length: 8 * PAGE }])
        let own = 0
        for (let page = 0; page < 8; page++) {
          const stored = map.run(view => {
            view.setU8(page * PAGE, 7)
            return 'stored'
          })
          if (stored === 'stored') own++
          assert.equal(await stored, 'stored')
        }
        // Where the slice of a turn is used up a store waits for the next turn.
        assert.notEqual(own, 0)
        const read = await space.map(file, { prot: 'r' })
        const failed = read.run(view => view.setU8(0, 9))
        assert.ok(failed instanceof Promise)
        await assert.rejects(failed, { code: 'EACCES' })
        const threw = map.run((view): number => {
          view.setU8(8 * PAGE, 1)
          throw new RangeError('its own')
        })
        await assert.rejects(Promise.resolve(threw), /its own/)
        assert.equal(await map.run(view => view.u8(0)), 7)
      },
    )

    test(
      'whose pages are there returns its own value, and nothing begins',
      needs(mmu, 'the engine in this thread'),
      async t => {
        const { map, tasks } = await mapped(t)
        await map.prefetch([{ offset: 0, length: 2 * PAGE }])
        const before = tasks.length
        const value = { of: 'its own' }
        assert.equal(
          map.run(view => (view.u8(0) + view.u8(PAGE) === 3 ? value : undefined)),
          value,
        )
        assert.equal(tasks.length, before)
      },
    )

    test('takes effect once, however often it is called', async t => {
      const { map } = await mapped(t)
      await map.run(view => view.setU32(0, 100))
      let calls = 0
      await map.run(view => {
        calls++
        view.setU32(0, view.u32(0) + 1)
        view.u8(3 * PAGE)
        view.setU32(4, view.u32(0))
        view.u8(5 * PAGE)
      })
      assert.equal(calls, 3)
      assert.deepEqual(await map.run(view => [view.u32(0), view.u32(4)]), [101, 101])
    })

    test('compares, finds and reads text across pages that are missing', async t => {
      const { file, map } = await mapped(t)
      await file.write(Buffer.from('n\u00e4dle'), 9 * PAGE - 2)
      await map.advise('dontneed')
      const needle = Buffer.from('n\u00e4dle')
      assert.equal(await map.run(view => view.indexOf(needle)), 9 * PAGE - 2)
      assert.equal(await map.run(view => view.indexOf(needle, 9 * PAGE - 1)), -1)
      assert.equal(await map.run(view => view.indexOf(needle, 0, 9 * PAGE)), -1)
      assert.equal(await map.run(view => view.text(9 * PAGE - 2, needle.length)), 'n\u00e4dle')
      assert.equal(await map.run(view => view.compare(PAGE, new Uint8Array(PAGE).fill(2))), 0)
      assert.equal(await map.run(view => view.compare(PAGE, new Uint8Array(2 * PAGE).fill(2))), 1)
      await map.run(view => {
        view.setI8(0, -1)
        view.setI16(PAGE - 1, -2)
        view.setI64(2 * PAGE - 4, -3n)
      })
      assert.deepEqual(
        await map.run(view => [
          view.i8(0),
          view.u8(0),
          view.i16(PAGE - 1),
          view.i64(2 * PAGE - 4),
          view.u64(2 * PAGE - 4),
        ]),
        [-1, 255, -2, -3n, 2n ** 64n - 3n],
      )
    })

    test('loads and stores many at once, and walks a range, across pages that are missing', async t => {
      const { map } = await mapped(t)
      const offsets = [3 * PAGE, 3 * PAGE, 12 * PAGE - 2, 5 * PAGE + 8]
      await map.advise('dontneed')
      await map.run(view => view.scatter(offsets, Float64Array.of(1, 2, 3, 4)))
      const found = new Float64Array(4)
      await map.run(view => view.gather(offsets, found))
      assert.deepEqual([...found], [2, 2, 3, 4])
      await map.advise('dontneed')
      const whole = await map.run(view => Buffer.concat([...view.runs(3 * PAGE - 1, 10 * PAGE)]))
      assert.deepEqual(whole, Buffer.from(await map.run(view => view.bytes(3 * PAGE - 1, 10 * PAGE))))
      assert.equal(whole.readDoubleLE(1), 2)
      await map.advise('dontneed')
      const handed = await map.run(view => {
        const pieces: Uint8Array[] = []
        view.eachRun(3 * PAGE - 1, 10 * PAGE, piece => void pieces.push(piece))
        return Buffer.concat(pieces)
      })
      assert.deepEqual(handed, whole)
    })

    test('that throws leaves nothing behind, whatever kind of store it made', async t => {
      const { map } = await mapped(t)
      const before = await map.run(view => view.bytes(0, 2 * PAGE))
      await map.advise('populate-write', { length: 2 * PAGE })
      const changes: ((view: View) => void)[] = [
        view => view.setU8(1, 255),
        view => view.setU16(PAGE - 1, 0xffff),
        view => view.setU32(8, 0),
        view => view.setU32(PAGE - 2, 0),
        view => view.setF32(16, 1),
        view => view.setF64(PAGE - 4, 2),
        view => view.setU64(24, 3n),
        view => view.write(5, new Uint8Array(PAGE).fill(9)),
        view => {
          for (let at = 0; at < 200; at++) view.setU8(at, at)
          for (let at = 0; at < 200; at += 3) view.setU32(at, at)
        },
      ]
      for (const change of changes)
        assert.throws(
          () =>
            map.run(view => {
              change(view)
              throw new RangeError('mine')
            }),
          { name: 'RangeError', message: 'mine' },
        )
      assert.deepEqual(await map.run(view => view.bytes(0, 2 * PAGE)), before)
    })

    test('that swallows the signal of a missing page is told so', async t => {
      const { map } = await mapped(t)
      const swallow = (view: View) => {
        try {
          return view.u8(9 * PAGE)
        } catch {
          return 0
        }
      }
      await refuses(
        () => map.run(swallow),
        'EINVAL',
        'run',
        /caught the signal of a missing page.*let what `view` throws/,
      )
      const mine = new Error('mine')
      const error = await refuses(
        () =>
          map.run(view => {
            swallow(view)
            throw mine
          }),
        'EINVAL',
        'run',
        /caught the signal/,
      )
      assert.equal(error.cause, mine)
      assert.equal(await map.run(view => view.u8(9 * PAGE)), 10)
    })

    test('may catch the errors of its own, and then goes on', async t => {
      const { map } = await mapped(t)
      const value = await map.run(view => {
        try {
          view.u8(-1)
        } catch (error) {
          assert.ok(error instanceof RangeError)
        }
        return view.u8(0)
      })
      assert.equal(value, 1)
    })

    test('that is async is refused, its stores undone, and its promise harms nobody', async t => {
      const { map } = await mapped(t)
      await map.advise('populate-write', { length: PAGE })
      await refuses(
        () =>
          map.run(async view => {
            view.setU8(0, 77)
            view.u8(8 * PAGE)
          }),
        'EINVAL',
        'run',
        /must be synchronous.*await outside/,
      )
      assert.equal(await map.run(view => view.u8(0)), 1)
    })

    test('may not keep its view', async t => {
      const { map } = await mapped(t)
      const kept = (await map.run(view => {
        view.u8(0)
        return view
      })) as View
      for (const use of [() => kept.u8(0), () => kept.u32(0), () => kept.setU8(0, 1), () => kept.bytes(0, 1)])
        assert.throws(use, /outside of its section/)
    })

    test('can ask for no byte outside of its mapping', async t => {
      const { map } = await mapped(t)
      const wrong: ((view: View) => unknown)[] = [
        view => view.u8(-1),
        view => view.u8(16 * PAGE),
        view => view.u32(16 * PAGE - 3),
        view => view.f64(Number.NaN),
        view => view.u16(Infinity),
        view => view.bytes(0, -1),
        view => view.bytes(0, 16 * PAGE + 1),
        view => view.bytes(0, Number.NaN),
        view => view.setU8(16 * PAGE, 0),
        view => view.write(16 * PAGE - 1, new Uint8Array(2)),
        view => view.want(0, 2 ** 50),
      ]
      for (const access of wrong) await assert.rejects(async () => map.run(access), RangeError)
    })

    test('runs again at most once for each page it touches, in memory that hardly holds them', async t => {
      await using machine = await mmu.start({ memory: 16 * PAGE })
      const file = await machine.open(numbered(t, 64))
      const map = await machine.space({ name: 'a' }).map(file, { advice: 'random' })
      for (let from = 0; from < 64; from += 8) {
        let calls = 0
        await map.run(view => {
          calls++
          for (let page = from; page < from + 8; page++) assert.equal(view.u8(page * PAGE), page + 1)
        })
        assert.ok(calls <= 9, `${calls} calls`)
      }
    })

    test('that stores to more pages than may be dirty gets them all the same', async t => {
      await using machine = await mmu.start({ memory: 64 * PAGE })
      const file = await machine.open(numbered(t, 40), { mode: 'r+' })
      const map = await machine.space({ name: 'a' }).map(file, { prot: 'rw' })
      let calls = 0
      await map.run(view => {
        calls++
        for (let page = 0; page < 40; page++) view.setU8(page * PAGE, 7)
      })
      assert.ok(calls <= 81, `${calls} calls`)
    })

    test('that needs more pages than memory has fails with ENOMEM, and the machine goes on', async t => {
      await using machine = await mmu.start({ memory: 16 * PAGE })
      const file = await machine.open(numbered(t, 64), { mode: 'r+' })
      const map = await machine.space({ name: 'a' }).map(file, { prot: 'rw' })
      const all = (view: View) => view.bytes(0, 64 * PAGE)
      await refuses(() => map.run(all), 'ENOMEM', 'load', /memory is used up.*touch fewer pages/)
      await refuses(
        () => map.run(view => view.write(0, new Uint8Array(64 * PAGE))),
        'ENOMEM',
        'store',
        /memory/,
      )
      assert.equal(await map.run(view => view.u8(63 * PAGE)), 64)
      assert.equal(await map.run(view => view.u8(0)), 1)
    })

    test(
      'can begin other calls, which happen after it',
      needs(mmu, 'private memory', 'the engine in this thread'),
      async t => {
        const { map, space, machine } = await mapped(t)
        const memory = await space.mapAnonymous({ length: PAGE, prot: 'rw' })
        await memory.run(view => view.setU8(0, 1))
        let unmapping: Promise<void> | undefined
        assert.throws(() =>
          memory.run(view => {
            view.setU8(0, 2)
            unmapping = memory.unmap()
            assert.equal(view.u8(0), 2)
            throw new Error('mine')
          }),
        )
        await unmapping
        assert.equal(engineOf(machine).memory.frames.data[0], 0)
        assert.equal(await map.run(view => view.u8(0)), 1)
      },
    )
  })

  describe('a section inside another', () => {
    test('takes effect with it, and once', needs(mmu, 'private memory'), async t => {
      const { map, space } = await mapped(t)
      const memory = await space.mapAnonymous({ length: 2 * PAGE, prot: 'rw' })
      let calls = 0
      const sum = await map.run(view => {
        calls++
        const count = memory.run(inner => {
          inner.setU32(0, inner.u32(0) + 1)
          return inner.u32(0)
        })
        return (count as number) + view.u8(7 * PAGE)
      })
      assert.equal(sum, 1 + 8)
      assert.equal(calls, 4)
      assert.equal(await memory.run(view => view.u32(0)), 1)
    })

    test('of the same mapping is undone in the order of the stores', async t => {
      const { map } = await mapped(t)
      await map.advise('populate-write', { length: PAGE })
      assert.throws(() =>
        map.run(outer => {
          outer.setU8(0, 50)
          map.run(inner => inner.setU8(0, 51))
          outer.setU8(0, 52)
          throw new Error('mine')
        }),
      )
      assert.equal(await map.run(view => view.u8(0)), 1)
    })

    test('of another mapping of the same page too', async t => {
      const { map, space, file } = await mapped(t)
      const other = await space.map(file, { prot: 'rw' })
      await map.advise('populate-write', { length: PAGE })
      await other.advise('populate-write', { length: PAGE })
      assert.throws(() =>
        map.run(outer => {
          outer.setU8(0, 50)
          other.run(inner => inner.setU8(0, 51))
          outer.setU8(0, 52)
          throw new Error('mine')
        }),
      )
      assert.equal(await map.run(view => view.u8(0)), 1)
    })

    test('that throws is undone alone when the outer one catches it', async t => {
      const { map } = await mapped(t)
      await map.advise('populate-write', { length: PAGE })
      map.run(outer => {
        outer.setU8(0, 60)
        assert.throws(() =>
          map.run(inner => {
            inner.setU8(0, 61)
            inner.setU8(1, 61)
            throw new Error('mine')
          }),
        )
      })
      assert.deepEqual(await map.run(view => [view.u8(0), view.u8(1)]), [60, 1])
    })

    test('whose missing page the outer one swallows is found out', async t => {
      const { map, space, file } = await mapped(t)
      const other = await space.map(file)
      await refuses(
        () =>
          map.run(() => {
            try {
              other.run(inner => inner.u8(4 * PAGE))
            } catch {}
          }),
        'EINVAL',
        'run',
        /caught the signal/,
      )
    })

    test('copies from one mapping to another, both cold', needs(mmu, 'private memory'), async t => {
      const { map, space } = await mapped(t)
      const memory = await space.mapAnonymous({ length: 16 * PAGE, prot: 'rw' })
      await map.run(from => memory.run(to => to.write(0, from.bytes(0, 16 * PAGE))))
      assert.equal(await memory.run(view => view.u8(15 * PAGE)), 16)
    })
  })

  describe('pages that are missed together', () => {
    test(
      'come in one round trip when the section says what it wants',
      needs(mmu, 'calls in this thread'),
      async t => {
        const { map } = await mapped(t)
        const host = new HostCalls(t)
        host.hold('read')
        let calls = 0
        const sum = map.run(view => {
          calls++
          view.want(0, 12 * PAGE)
          let total = 0
          for (let page = 0; page < 12; page++) total += view.u8(page * PAGE)
          return total
        })
        await host.heldAre(12)
        host.release()
        assert.equal(await sum, 78)
        assert.equal(calls, 2)
        assert.equal(host.begun.read, 12)
      },
    )

    test('come one after the other when it does not', async t => {
      const { map } = await mapped(t)
      let calls = 0
      await map.run(view => {
        calls++
        for (let page = 0; page < 12; page++) view.u8(page * PAGE)
      })
      assert.equal(calls, 13)
    })

    test(
      'come together for a prefetch, and are there afterwards',
      needs(mmu, 'calls in this thread'),
      async t => {
        const { map } = await mapped(t)
        const host = new HostCalls(t)
        host.hold('read')
        const ranges = [2, 5, 9].map(page => ({ offset: page * PAGE + 100, length: 8 }))
        const fetched = map.prefetch(ranges)
        await host.heldAre(3)
        host.release()
        await fetched
        assert.equal(
          map.run(view => view.u8(2 * PAGE) + view.u8(5 * PAGE) + view.u8(9 * PAGE)),
          3 + 6 + 10,
        )
      },
    )

    test('are no more than half of memory for a hint, however long it is', async t => {
      await using machine = await mmu.start({ memory: 64 * PAGE })
      const file = await machine.open(sparse(t, 2 ** 40))
      const map = await machine.space({ name: 'a' }).map(file)
      const value = await map.run(view => {
        view.want(0, 2 ** 40)
        return view.u8(2 ** 39)
      })
      assert.equal(value, 0)
    })

    test(
      'fail together, and keep no page pinned',
      needs(mmu, 'calls in this thread', 'the engine in this thread'),
      async t => {
        const { map, machine } = await mapped(t)
        const host = new HostCalls(t)
        host.fails('read', { nth: 2 })
        const wanted = (view: View) => {
          view.want(0, 4 * PAGE)
          return view.u8(0)
        }
        await refuses(
          () => map.run(wanted),
          'EIO',
          'load',
          /numbered\.bin at offset \d+ failed with EIO.*a later load/,
        )
        assert.ok(engineOf(machine).memory.frames.pins.every(pins => pins === 0))
        assert.equal(await map.run(wanted), 1)
        assert.ok(new FaultlineError('EIO', 'load', 'x') instanceof Error)
      },
    )
  })
}
