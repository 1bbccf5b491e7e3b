/** Mappings that are all there, in a row or anywhere: the same loads as through the table, and never what was there before. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { Frames } from '../memory/index.ts'
import { entryOf, old, PageTable, readOnly, UndoLog, type View, Views } from './index.ts'

const PAGE = 64
const PAGES = 6
/** Whose pages lie in two leaves, and in one. */
const BASE = 1021
const IN_ONE_LEAF = 1024
const LENGTH = PAGES * PAGE - 10

function world(base = BASE) {
  const frames = new Frames(new ArrayBuffer(20 * PAGE), 20, PAGE)
  for (let at = 0; at < frames.data.length; at++) frames.data[at] = (at * 7 + (at >> 6) * 31) & 0xff
  const table = new PageTable(1024)
  table.plan(base, base + PAGES)
  const place = (page: number, frame: number) => table.set(base + page, entryOf(frame, 'writable'))
  for (let page = 0; page < PAGES; page++) place(page, 3 + page)
  const undo = new UndoLog()
  const views = new Views(table, frames, base, LENGTH, undo)
  const section = <T>(use: (view: View) => T): T => {
    const view = views.choose()
    view.begin()
    try {
      return use(view)
    } finally {
      view.close()
    }
  }
  /** What kind of view a section gets, once the table has been quiet for one. */
  const kind = () => {
    section(() => {})
    return section(view => view.constructor.name)
  }
  return { frames, table, place, section, kind, undo }
}

describe('a mapping', () => {
  it('is read without look-ups when its frames lie in a row, and with them when one doesn’t', () => {
    const { kind, place, table } = world()
    assert.equal(kind(), 'RowView')
    place(2, 15)
    assert.equal(kind(), 'View')
    place(2, 5)
    assert.equal(kind(), 'RowView')
    table.set(BASE + 5, 0)
    assert.equal(kind(), 'View')
    place(5, 8)
    assert.equal(kind(), 'RowView')
  })

  it('is looked up without misses where all of it is there, and lies in one leaf', () => {
    const { kind, place, table } = world(IN_ONE_LEAF)
    assert.equal(kind(), 'RowView')
    place(2, 15)
    assert.equal(kind(), 'PresentView')
    table.set(IN_ONE_LEAF + 4, old(table.get(IN_ONE_LEAF + 4)))
    assert.equal(kind(), 'View')
    place(4, 16)
    assert.equal(kind(), 'PresentView')
    place(2, 5)
    place(4, 7)
    assert.equal(kind(), 'RowView')
    const apart = world()
    apart.place(2, 15)
    assert.equal(apart.kind(), 'View')
  })

  it('isn’t once a page is old, and stays one when a page is write-protected (P6)', () => {
    const { kind, table } = world()
    table.set(BASE, readOnly(table.get(BASE)))
    assert.equal(kind(), 'RowView')
    table.set(BASE, old(table.get(BASE)))
    assert.equal(kind(), 'View')
  })

  it('is looked through only after a section in which nothing changed (RV2)', () => {
    const { section, place, table } = world()
    let looks = 0
    const { rowEnd } = table
    table.rowEnd = (start, from, end) => {
      if (from === start) looks++
      return rowEnd.call(table, start, from, end)
    }
    const { presentEnd } = table
    table.presentEnd = (from, end) => {
      if (from === BASE) looks++
      return presentEnd.call(table, from, end)
    }
    for (let round = 0; round < 5; round++) {
      place(0, 3 + (round % 2) * 10)
      section(() => {})
    }
    assert.equal(looks, 0)
    for (let round = 0; round < 5; round++) section(() => {})
    assert.equal(looks, 1)
  })

  it('is read on from where the row broke, while pages get other frames one after the other (RV2)', () => {
    const { section, place, kind, table } = world()
    section(() => {})
    let read = 0
    const { rowEnd } = table
    table.rowEnd = (start, from, end) => {
      const reached = rowEnd.call(table, start, from, end)
      read += reached - from
      return reached
    }
    for (let page = 0; page < PAGES; page++) {
      place(page, 10 + page)
      assert.equal(kind(), page === PAGES - 1 ? 'RowView' : 'View')
    }
    assert.ok(read <= 3 * PAGES, `${read} entries for ${PAGES} pages`)
  })

  it('moves with its frames', () => {
    const { section, place, kind, frames } = world()
    assert.equal(kind(), 'RowView')
    for (let page = 0; page < PAGES; page++) place(page, 10 + page)
    assert.equal(kind(), 'RowView')
    assert.equal(
      section(view => view.u32(5)),
      frames.words.getUint32(10 * PAGE + 5, true),
    )
  })
})

describe('a load', () => {
  it('finds what the look-up finds, whatever changes between sections (RV1)', () => {
    const step = fc.record({
      page: fc.nat({ max: PAGES - 1 }),
      to: fc.oneof(fc.constant('in place' as const), fc.integer({ min: 1, max: 19 })),
      offsets: fc.array(fc.nat({ max: LENGTH - 8 }), { minLength: 1, maxLength: 4 }),
    })
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 20, size: 'max' }),
        fc.constantFrom(BASE, IN_ONE_LEAF),
        (steps, base) => {
          const { section, place, table, frames } = world(base)
          const byteAt = (offset: number) => {
            const frame = table.get(base + Math.floor(offset / PAGE)) >>> 5
            return frames.data[frame * PAGE + (offset % PAGE)]!
          }
          for (const { page, to, offsets } of steps) {
            place(page, to === 'in place' ? 3 + page : to)
            for (const offset of offsets) {
              const bytes = new DataView(
                Uint8Array.from({ length: 8 }, (_, at) => byteAt(offset + at)).buffer,
              )
              section(view => {
                assert.equal(view.u8(offset), bytes.getUint8(0))
                assert.equal(view.u16(offset), bytes.getUint16(0, true))
                assert.equal(view.u32(offset), bytes.getUint32(0, true))
                assert.equal(view.i32(offset), bytes.getInt32(0, true))
                assert.equal(view.f32(offset), bytes.getFloat32(0, true))
                assert.equal(view.f64(offset), bytes.getFloat64(0, true))
                assert.equal(view.u64(offset), bytes.getBigUint64(0, true))
              })
            }
          }
        },
      ),
    )
  })

  it('outside of the mapping, or of the section, is refused in our words (U1)', () => {
    const scattered = world(IN_ONE_LEAF)
    scattered.place(0, 17)
    for (const [{ section, kind }, expected] of [
      [world(), 'RowView'],
      [scattered, 'PresentView'],
    ] as const) {
      assert.equal(kind(), expected)
      for (const offset of [-1, LENGTH - 3, LENGTH, 2 ** 40])
        assert.throws(
          () => section(view => view.u32(offset)),
          /is outside the mapping: expected 0 <= offset <= 370/,
        )
      const leaked = section(view => view)
      assert.throws(() => leaked.u8(0), /outside of its section/)
      assert.throws(() => leaked.f64(8), /outside of its section/)
    }
  })

  it('sees what the section has stored, and a rollback takes it back (U2)', () => {
    const { section, kind, place, frames, undo } = world(IN_ONE_LEAF)
    place(1, 17)
    assert.equal(kind(), 'PresentView')
    const before = frames.data.slice()
    section(view => {
      view.setU32(PAGE - 2, 0xdeadbeef)
      assert.equal(view.u32(PAGE - 2), 0xdeadbeef)
      undo.rollback(0)
    })
    assert.deepEqual(frames.data, before)
  })
})
