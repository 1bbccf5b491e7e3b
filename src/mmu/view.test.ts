/** The software MMU: every accessor against a DataView, misses, undone stores, bounds. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { FaultlineError } from '../base/index.ts'
import { Frames } from '../memory/index.ts'
import { entryOf, MISS, type Miss, old, PageTable, readOnly, UndoLog, View } from './index.ts'

const PAGE = 4096
const PAGES = 8
const BASE = 1020

/**
 * A mapping of some pages from BASE on (the fifth lies in the next leaf), whose frames lie in another order, next to a
 * flat copy of its bytes.
 */
function world(length = PAGES * PAGE, present: (page: number) => boolean = () => true) {
  const frames = new Frames(new ArrayBuffer((PAGES + 1) * PAGE), PAGES + 1, PAGE)
  const table = new PageTable(1024)
  const flat = new DataView(new ArrayBuffer(PAGES * PAGE))
  const frameAt = (page: number) => 1 + ((page * 3 + 5) % PAGES)
  table.plan(BASE, BASE + PAGES)
  for (let page = 0; page < PAGES; page++) {
    if (present(page)) table.set(BASE + page, entryOf(frameAt(page), 'writable'))
    for (let at = 0; at < PAGE; at++) {
      const byte = (page * 31 + at * 7) & 0xff
      frames.bytes(frameAt(page))[at] = byte
      flat.setUint8(page * PAGE + at, byte)
    }
  }
  const undo = new UndoLog()
  const view = new View(table, frames, BASE, length, undo)
  view.begin()
  const content = () => {
    const bytes = new Uint8Array(PAGES * PAGE)
    for (let page = 0; page < PAGES; page++) bytes.set(frames.bytes(frameAt(page)), page * PAGE)
    return bytes
  }
  const rollback = () => {
    undo.rollback(0)
    view.close()
  }
  return { view, rollback, table, flat, frames, frameAt, content }
}

const ours = (error: unknown) => error instanceof FaultlineError && error.code === 'EINVAL'

const LOADS: readonly (readonly [
  string,
  number,
  (v: View, at: number) => unknown,
  (d: DataView, at: number) => unknown,
])[] = [
  ['u8', 1, (v, at) => v.u8(at), (d, at) => d.getUint8(at)],
  ['i8', 1, (v, at) => v.i8(at), (d, at) => d.getInt8(at)],
  ['i16', 2, (v, at) => v.i16(at), (d, at) => d.getInt16(at, true)],
  ['i64', 8, (v, at) => v.i64(at), (d, at) => d.getBigInt64(at, true)],
  ['u16', 2, (v, at) => v.u16(at), (d, at) => d.getUint16(at, true)],
  ['u32', 4, (v, at) => v.u32(at), (d, at) => d.getUint32(at, true)],
  ['i32', 4, (v, at) => v.i32(at), (d, at) => d.getInt32(at, true)],
  ['f32', 4, (v, at) => v.f32(at), (d, at) => d.getFloat32(at, true)],
  ['f64', 8, (v, at) => v.f64(at), (d, at) => d.getFloat64(at, true)],
  ['u64', 8, (v, at) => v.u64(at), (d, at) => d.getBigUint64(at, true)],
]

type Store = readonly [string, number, (v: View, at: number) => void, (d: DataView, at: number) => void]
const STORES: readonly Store[] = [
  ['setU8', 1, (v, at) => v.setU8(at, 200), (d, at) => d.setUint8(at, 200)],
  ['setI8', 1, (v, at) => v.setI8(at, -7), (d, at) => d.setInt8(at, -7)],
  ['setI16', 2, (v, at) => v.setI16(at, -30000), (d, at) => d.setInt16(at, -30000, true)],
  [
    'setI64',
    8,
    (v, at) => v.setI64(at, -(2n ** 62n) - 1n),
    (d, at) => d.setBigInt64(at, -(2n ** 62n) - 1n, true),
  ],
  ['setU16', 2, (v, at) => v.setU16(at, 60000), (d, at) => d.setUint16(at, 60000, true)],
  ['setU32', 4, (v, at) => v.setU32(at, 4e9), (d, at) => d.setUint32(at, 4e9, true)],
  ['setI32', 4, (v, at) => v.setI32(at, -5), (d, at) => d.setInt32(at, -5, true)],
  ['setF32', 4, (v, at) => v.setF32(at, 1.5), (d, at) => d.setFloat32(at, 1.5, true)],
  ['setF64', 8, (v, at) => v.setF64(at, Math.PI), (d, at) => d.setFloat64(at, Math.PI, true)],
  ['setU64', 8, (v, at) => v.setU64(at, 2n ** 63n + 1n), (d, at) => d.setBigUint64(at, 2n ** 63n + 1n, true)],
]

/** Offsets of interest for an access of `size` bytes: the ends, and every way to lie across the edge of a page. */
function offsets(size: number): number[] {
  const found = [0, 1, PAGES * PAGE - size]
  for (const edge of [PAGE, 4 * PAGE]) for (let back = 0; back <= size; back++) found.push(edge - back)
  return found
}

describe('a view', () => {
  for (const [name, size, load, expected] of LOADS)
    it(`loads by ${name} what a DataView does, across pages and leaves too`, () => {
      const { view, flat } = world()
      for (const at of offsets(size)) assert.deepEqual(load(view, at), expected(flat, at), `at ${at}`)
    })

  for (const [name, size, store, expected] of STORES)
    it(`stores by ${name} what a DataView does, and takes it back`, () => {
      for (const at of offsets(size)) {
        const { view, rollback, flat, content } = world()
        const before = content()
        store(view, at)
        expected(flat, at)
        assert.deepEqual(content(), new Uint8Array(flat.buffer), `at ${at}`)
        rollback()
        assert.deepEqual(content(), before, `U2: at ${at}`)
      }
    })

  it('looks for bytes no further than it is told', () => {
    const { view, flat } = world(PAGES * PAGE, page => page !== 1)
    for (const end of [PAGE, PAGES * PAGE]) {
      const byte = (flat.getUint8(end - 1) + 1) & 0xff
      assert.equal(view.indexOf(new Uint8Array([byte]), end - 8, end), -1)
    }
  })

  it('copies in and out, over any range', () => {
    fc.assert(
      fc.property(fc.nat({ max: PAGES * PAGE }), fc.nat({ max: PAGES * PAGE }), (a, b) => {
        const [from, to] = a < b ? [a, b] : [b, a]
        const { view, rollback, flat, content } = world()
        const before = content()
        assert.deepEqual(view.bytes(from, to - from), new Uint8Array(flat.buffer, from, to - from))
        view.write(from, new Uint8Array(to - from).fill(9))
        new Uint8Array(flat.buffer).fill(9, from, to)
        assert.deepEqual(content(), new Uint8Array(flat.buffer))
        rollback()
        assert.deepEqual(content(), before)
      }),
      { numRuns: 50 },
    )
  })

  it('compares as Buffer does, and finds what Buffer finds', () => {
    const offset = fc.nat({ max: PAGES * PAGE })
    fc.assert(
      fc.property(offset, offset, fc.nat({ max: 2 * PAGE }), fc.nat({ max: 255 }), (a, b, size, change) => {
        const { view, flat } = world()
        const all = Buffer.from(flat.buffer)
        const [from, to] = a < b ? [a, b] : [b, a]
        const wanted = Buffer.from(all.subarray(to - Math.min(size, to), to))
        const place = all.subarray(0, to).indexOf(wanted, from)
        assert.equal(view.indexOf(wanted, from, to), place === -1 && wanted.length === 0 ? from : place)
        if (wanted.length > 0) wanted[change % wanted.length]! ^= change & 1
        assert.equal(
          view.compare(to - wanted.length, wanted),
          all.compare(wanted, 0, wanted.length, to - wanted.length, to),
        )
      }),
      { numRuns: 100 },
    )
  })

  it('reads text as UTF-8', () => {
    const { view } = world()
    const bytes = Buffer.from('\uFEFFcaf\u00e9 \u20ac \u{1F600}')
    view.write(PAGE - 5, bytes)
    assert.equal(view.text(PAGE - 5, bytes.length), bytes.toString())
    view.write(0, Uint8Array.of(0x61, 0xff, 0x62))
    assert.equal(view.text(0, 3), 'a\uFFFDb')
    assert.equal(view.text(7, 0), '')
  })

  it('undoes stores one over the other, last first (U2)', () => {
    const at = fc.nat({ max: 60 })
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat({ max: STORES.length }), at), { maxLength: 200, size: 'max' }),
        stores => {
          const { view, rollback, content } = world()
          const before = content()
          for (const [which, place] of stores) {
            const store = STORES[which]
            if (store === undefined) view.write(PAGE - 30 + place, new Uint8Array(50).fill(place))
            else store[2](view, PAGE - 30 + place)
          }
          rollback()
          assert.deepEqual(content(), before)
        },
      ),
      { numRuns: 50 },
    )
  })
})

describe('a miss', () => {
  it('throws the one signal, and says which page and what for', () => {
    const { view } = world(PAGES * PAGE, page => page !== 2)
    assert.throws(
      () => view.u32(2 * PAGE + 8),
      thrown => thrown === MISS,
    )
    assert.deepEqual(view.misses, [{ vpn: BASE + 2, access: 'load' }])
  })

  it('asks for both pages that an access lies across, at once', () => {
    const { view } = world(PAGES * PAGE, page => page < 2)
    assert.throws(
      () => view.f64(3 * PAGE - 4),
      thrown => thrown === MISS,
    )
    assert.deepEqual([...new Set(view.misses.map(miss => miss.vpn))], [BASE + 2, BASE + 3])
  })

  it('of a store to a page that may only be read is a miss to store', () => {
    const { view, table } = world()
    table.set(BASE + 1, readOnly(table.get(BASE + 1)))
    assert.equal(view.u8(PAGE), 31)
    assert.throws(
      () => view.setU8(PAGE, 1),
      thrown => thrown === MISS,
    )
    assert.deepEqual(view.misses, [{ vpn: BASE + 1, access: 'store' }])
  })

  it('of a page that is old is how its use is noticed', () => {
    const { view, table } = world()
    table.set(BASE, old(table.get(BASE)))
    assert.throws(
      () => view.u8(0),
      thrown => thrown === MISS,
    )
  })

  it('before the first byte of a store across pages changes anything', () => {
    const { view, content } = world(PAGES * PAGE, page => page !== 1)
    const before = content()
    assert.throws(() => view.setF64(PAGE - 4, 1))
    assert.throws(() => view.write(PAGE - 100, new Uint8Array(300).fill(9)))
    assert.deepEqual(content(), before)
  })

  it('of what is compared or searched comes with the rest of the range, and not before it is needed', () => {
    const { view, flat } = world(PAGES * PAGE, page => page < 2)
    const all = new Uint8Array(flat.buffer)
    const different = all.slice()
    different[PAGE + 3]! ^= 1
    assert.equal(Math.abs(view.compare(0, different)), 1)
    assert.equal(view.misses.length, 0)
    assert.equal(view.indexOf(all.subarray(10, 5000), 0), 10)
    assert.equal(view.misses.length, 0)
    assert.throws(() => view.compare(PAGE, all.subarray(PAGE, 4 * PAGE)))
    const asked: readonly Miss[] = view.misses
    assert.deepEqual(
      asked.map(miss => miss.vpn),
      [2, 3].map(page => BASE + page),
    )
  })

  it('that was only wanted unwinds nothing, and comes with the next', () => {
    const { view } = world(PAGES * PAGE, page => page < 2)
    view.want(0, 6 * PAGE)
    assert.equal(view.u8(0), 0)
    assert.throws(() => view.u8(7 * PAGE))
    assert.deepEqual(
      view.misses.map(miss => miss.vpn),
      [2, 3, 4, 5, 7].map(page => BASE + page),
    )
  })
})

describe('the bounds of a view', () => {
  const length = 2 * PAGE + 100

  it('are its length, to the byte, for every accessor (U1)', () => {
    const { view } = world(length)
    for (const [name, size, access] of [...LOADS, ...STORES]) {
      access(view, length - size)
      for (const at of [length - size + 1, length, -1, -size, 2 ** 40, Number.NaN, Infinity])
        assert.throws(() => access(view, at), RangeError, `${name} at ${at}`)
    }
    view.bytes(length, 0)
    for (const [at, size] of [
      [length, 1],
      [0, length + 1],
      [-1, 1],
    ] as const) {
      assert.throws(() => view.bytes(at, size), RangeError)
      assert.throws(() => view.want(at, size), RangeError)
      assert.throws(() => view.write(at, new Uint8Array(size)), RangeError)
      assert.throws(() => view.text(at, size), RangeError)
      assert.throws(() => view.compare(at, new Uint8Array(size)), RangeError)
      assert.throws(() => view.indexOf(new Uint8Array(1), at, at + size), RangeError)
    }
    assert.throws(() => view.indexOf(new Uint8Array(1), 10, 9), RangeError)
    assert.throws(
      () => view.compare(0, 'text' as unknown as Uint8Array),
      /expected a Uint8Array or Buffer, got string/,
    )
  })

  it('refuse what is of another kind than a method takes, with an error of ours (U5)', () => {
    const { view, content } = world(length)
    const before = content()
    // Once before anything is touched, and once when its leaf is known.
    for (const leaf of ['not seen', 'seen']) {
      const wrong: unknown[] = [undefined, null, '8', 8n, {}, [8], true, Symbol('eight')]
      for (const given of wrong) {
        const offset = given as number
        const ranges = [
          () => view.bytes(offset, 1),
          () => view.bytes(0, offset),
          () => view.text(offset, 1),
          () => view.text(0, offset),
          () => view.read(offset, new Uint8Array(1)),
          () => view.write(offset, new Uint8Array(1)),
          () => view.want(offset, 1),
          () => view.want(0, offset),
          () => view.compare(offset, new Uint8Array(1)),
          ...(given === undefined ? [] : [() => view.indexOf(new Uint8Array(1), offset)]),
          ...(given === undefined ? [] : [() => view.indexOf(new Uint8Array(1), 0, offset)]),
          ...[...LOADS, ...STORES].map(
            ([, , access]) =>
              () =>
                access(view, offset),
          ),
        ]
        for (const call of ranges) assert.throws(call, ours, `${leaf}: ${call} of ${String(given)}`)
        const value = given as never
        for (const call of [
          () => view.read(0, value),
          () => view.write(0, value),
          () => view.compare(0, value),
          () => view.indexOf(value),
          () => view.setU8(0, value),
          () => view.setI8(0, value),
          () => view.setU16(0, value),
          () => view.setI16(0, value),
          () => view.setU32(0, value),
          () => view.setI32(0, value),
          () => view.setF32(0, value),
          () => view.setF64(0, value),
        ])
          assert.throws(call, ours, `${leaf}: ${call} of ${String(given)}`)
        if (typeof given !== 'bigint')
          for (const call of [() => view.setU64(0, value), () => view.setI64(0, value)])
            assert.throws(call, ours, `${leaf}: ${call} of ${String(given)}`)
      }
      for (const value of [new DataView(new ArrayBuffer(8)), new Uint16Array(4), new ArrayBuffer(8), 'text'])
        for (const call of [view.read, view.write, view.compare])
          assert.throws(() => call.call(view, 0, value as unknown as Uint8Array), ours)
      assert.throws(() => view.setU64(0, 5 as unknown as bigint), ours)
      assert.deepEqual(content(), before)
      view.u8(0)
    }
  })

  it('refuse an offset between two bytes at the first touch of a leaf, and for ranges always', () => {
    for (const [name, , access] of [...LOADS, ...STORES]) {
      const { view } = world(length)
      assert.throws(() => access(view, 1.5), RangeError, name)
    }
    const { view } = world(length)
    view.u8(0)
    assert.throws(() => view.bytes(1.5, 4), RangeError)
    assert.throws(() => view.write(1.5, new Uint8Array(4)), RangeError)
  })

  it('say what was expected', () => {
    const { view } = world(length)
    assert.throws(() => view.u32(length), /expected 0 <= offset <= 8288/)
    for (const access of [
      () => view.bytes(0, 1e12),
      () => view.bytes(8, length + 1),
      () => view.want(0, 1e15),
    ])
      assert.throws(access, /length \d+ is longer than the mapping: expected at most its 8292 bytes/)
  })
})

describe('many at once', () => {
  const KINDS = [
    Uint8Array,
    Int8Array,
    Uint16Array,
    Int16Array,
    Uint32Array,
    Int32Array,
    Float32Array,
    Float64Array,
    BigUint64Array,
    BigInt64Array,
  ] as const
  const anyOffsets = fc.array(fc.integer({ min: 0, max: PAGES * PAGE - 8 }), { maxLength: 40 })

  it('gathers what single loads find, of every kind, wherever pages and windows end', () => {
    fc.assert(
      fc.property(anyOffsets, fc.constantFrom(...KINDS), (offsets, Kind) => {
        const { view, flat } = world()
        const target = new Kind(offsets.length)
        view.gather(offsets, target)
        const bytes = new Uint8Array(target.buffer)
        const size = Kind.BYTES_PER_ELEMENT
        for (const [each, offset] of offsets.entries())
          for (let byte = 0; byte < size; byte++)
            assert.equal(bytes[each * size + byte], flat.getUint8(offset + byte))
      }),
    )
  })

  it('scatters what single stores do, one after the other, and is undone as they are', () => {
    fc.assert(
      fc.property(anyOffsets, fc.constantFrom(...KINDS), fc.uint8Array(), (offsets, Kind, noise) => {
        const { view, flat, content, rollback } = world()
        const source = new Kind(offsets.length)
        const bytes = new Uint8Array(source.buffer)
        for (const at of bytes.keys()) bytes[at] = noise[at % Math.max(1, noise.length)] ?? at
        const before = content()
        view.scatter(Float64Array.from(offsets), source)
        const size = Kind.BYTES_PER_ELEMENT
        for (const [each, offset] of offsets.entries())
          for (let byte = 0; byte < size; byte++) flat.setUint8(offset + byte, bytes[each * size + byte]!)
        assert.deepEqual(content(), new Uint8Array(flat.buffer))
        rollback()
        assert.deepEqual(content(), before)
      }),
    )
  })

  it('asks for all that is missing at once, each page once, and stores nothing before', () => {
    for (const Kind of [Uint32Array, Float64Array]) {
      const { view, content } = world(PAGES * PAGE, page => page % 2 === 0)
      const offsets = [0, PAGE, PAGE + 8, 3 * PAGE, 5 * PAGE - 2, PAGE]
      const before = content()
      assert.throws(
        () => view.gather(offsets, new Kind(6)),
        (error: unknown) => error === MISS,
      )
      assert.deepEqual(
        view.misses.map(({ vpn }) => vpn - BASE),
        [1, 3, 5],
      )
      view.misses = []
      assert.throws(
        () => view.scatter(offsets, new Kind(6).fill(1 as never)),
        (error: unknown) => error === MISS,
      )
      assert.deepEqual(
        view.misses.map(({ vpn, access }) => [vpn - BASE, access]),
        [1, 3, 5].map(page => [page, 'store']),
      )
      assert.deepEqual(content(), before)
    }
  })

  it('walks a range as it lies in memory, in pieces that copy nothing', () => {
    fc.assert(
      fc.property(fc.nat(PAGES * PAGE), fc.nat(PAGES * PAGE), (a, b) => {
        const { view, flat, frames } = world()
        const [from, to] = a < b ? [a, b] : [b, a]
        const pieces = [...view.runs(from, to - from)]
        assert.deepEqual(Buffer.concat(pieces), Buffer.from(flat.buffer.slice(from, to)))
        for (const { buffer } of pieces) assert.equal(buffer, frames.data.buffer)
        const handed: Uint8Array[] = []
        view.eachRun(from, to - from, piece => void handed.push(piece))
        assert.deepEqual(
          handed.map(({ byteOffset, length }) => [byteOffset, length]),
          pieces.map(({ byteOffset, length }) => [byteOffset, length]),
        )
      }),
    )
  })

  it('walks frames in a row as one piece', () => {
    const frames = new Frames(new ArrayBuffer((PAGES + 1) * PAGE), PAGES + 1, PAGE)
    const table = new PageTable(1024)
    table.plan(0, PAGES)
    for (let page = 0; page < PAGES; page++) table.set(page, entryOf(page + 1, 'writable'))
    const view = new View(table, frames, 0, PAGES * PAGE - 5, new UndoLog())
    view.begin()
    assert.deepEqual(
      [...view.runs(7, 5 * PAGE)].map(({ length }) => length),
      [5 * PAGE],
    )
    assert.equal([...view.runs(0, PAGES * PAGE - 5)].length, 1)
  })

  it('refuses what is no list, no elements, or not as many', () => {
    const { view } = world()
    const wrong = [null, undefined, 7, 'text', {}, new DataView(new ArrayBuffer(4)), new ArrayBuffer(4)]
    for (const given of wrong as never[])
      for (const call of [
        () => view.gather(given, new Uint32Array(1)),
        () => view.gather([0], given),
        () => view.scatter(given, new Uint32Array(1)),
        () => view.scatter([0], given),
      ])
        assert.throws(call, ours, `${call} of ${String(given)}`)
    assert.throws(() => view.gather([0, 4], new Uint32Array(1)), /as many offsets as elements, got 2 and 1/)
    for (const offset of [1.5, -1, NaN, PAGES * PAGE - 3, Infinity]) {
      assert.throws(() => view.gather([offset], new Uint32Array(1)), RangeError)
      assert.throws(() => view.scatter([offset], new Uint32Array(1)), RangeError)
      assert.throws(() => [...view.runs(offset, 4)], RangeError)
      assert.throws(() => view.eachRun(offset, 4, () => {}), RangeError)
    }
    assert.throws(() => view.eachRun(0, 4, undefined as never), ours)
    for (const offsets of [['0'], [1n], [Symbol('one')], [null], new BigInt64Array(1), new BigUint64Array(1)])
      for (const call of [
        () => view.gather(offsets as never, new Uint32Array(1)),
        () => view.scatter(offsets as never, new Float64Array(1)),
      ])
        assert.throws(call, ours)
  })
})
