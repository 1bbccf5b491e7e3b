/** The page table against a Map, and the sizes of its leaves. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { entryOf, frameOf, old, PageTable, readOnly, swapEntry, VPN_END, young } from './page-table.ts'

const LEAF = 1024

type Step =
  | { readonly do: 'set'; readonly vpn: number; readonly entry: number }
  | { readonly do: 'plan' | 'prune'; readonly start: number; readonly length: number }

const vpn = fc.oneof(
  fc.integer({ min: 0, max: 20 * LEAF }),
  fc.constantFrom(0, LEAF - 1, LEAF, 8 * LEAF - 1, 8 * LEAF),
)
const length = fc.oneof(fc.integer({ min: 1, max: 10 * LEAF }), fc.constantFrom(1, LEAF, 2 * LEAF, 8 * LEAF))
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant('set' as const), vpn, entry: fc.constantFrom(0, 1, 37, 101) }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('plan' as const), start: vpn, length }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('prune' as const), start: vpn, length }) },
)

describe('a page table', () => {
  it('holds what a Map holds, whatever is planned and pruned', () => {
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 60, size: 'max' }),
        fc.constantFrom(LEAF, 4 * LEAF, 16 * LEAF),
        (steps, leafMax) => {
          const table = new PageTable(leafMax)
          const model = new Map<number, number>()
          for (const each of steps)
            if (each.do === 'set') {
              table.set(each.vpn, each.entry)
              if (each.entry === 0) model.delete(each.vpn)
              else model.set(each.vpn, each.entry)
            } else if (each.do === 'plan') table.plan(each.start, each.start + each.length)
            else {
              for (const used of table.used(each.start, each.start + each.length)) {
                table.set(used, 0)
                model.delete(used)
              }
              table.prune(each.start, each.start + each.length)
            }
          const expected = [...model.keys()].sort((a, b) => a - b)
          assert.deepEqual([...table.used(0, VPN_END)], expected)
          for (const key of expected) assert.equal(table.get(key), model.get(key))
          for (let slot = 0; slot < table.directory.length; slot++) {
            const leaf = table.directory[slot]!
            const first = slot & ~(leaf.length / LEAF - 1)
            for (let covered = 0; covered < leaf.length / LEAF; covered++)
              assert.equal(table.directory[first + covered], leaf, 'P4: every slot of a leaf holds it')
          }
          assert.ok(
            table.leafOf(2 ** 30).every(entry => entry === 0),
            'P3: the shared empty leaf is empty',
          )
        },
      ),
      { numRuns: 200 },
    )
  })

  it('gives a large mapping one large leaf, wherever its first touch falls', () => {
    for (const first of [0, 5, LEAF, 3 * LEAF + 7, 8 * LEAF - 1]) {
      const table = new PageTable(64 * LEAF)
      table.plan(0, 8 * LEAF)
      table.set(first, 37)
      assert.equal(table.leafOf(0).length, 8 * LEAF, `touched at ${first}`)
      assert.equal(table.leafOf(8 * LEAF - 1), table.leafOf(0))
    }
  })

  it('never makes a leaf larger than it may, nor smaller than 1024 entries', () => {
    const table = new PageTable(4 * LEAF)
    table.plan(0, 16 * LEAF)
    table.set(9 * LEAF, 37)
    assert.equal(table.leafOf(9 * LEAF).length, 4 * LEAF)
    const small = new PageTable(1)
    small.set(3, 37)
    assert.equal(small.leafOf(3).length, LEAF)
  })

  it('gives leaves back that lie wholly in what is pruned, and no other', () => {
    const table = new PageTable(LEAF)
    table.plan(0, 4 * LEAF)
    for (const vpn of [0, LEAF, 2 * LEAF]) table.set(vpn, 37)
    const before = table.bytes
    table.set(LEAF, 0)
    table.prune(LEAF - 5, 2 * LEAF + 5)
    assert.equal(table.bytes, before - 4 * LEAF)
    assert.deepEqual([...table.used(0, VPN_END)], [0, 2 * LEAF])
  })

  it('is not confused by the last pages of a space', () => {
    const table = new PageTable(LEAF)
    table.set(VPN_END - 1, 37)
    assert.equal(table.get(VPN_END - 1), 37)
    assert.deepEqual([...table.used(VPN_END - LEAF, VPN_END)], [VPN_END - 1])
  })

  it('says where a range stops being present, wherever its leaves begin', () => {
    const table = new PageTable(LEAF)
    const [from, gap, end] = [5, 2 * LEAF + 9, 3 * LEAF - 1]
    for (let vpn = from; vpn < end; vpn++) if (vpn !== gap) table.set(vpn, entryOf(vpn, 'read only'))
    assert.equal(table.presentEnd(from, end), gap)
    assert.equal(table.presentEnd(from, gap), gap)
    assert.equal(table.presentEnd(from, LEAF), LEAF)
    assert.equal(table.presentEnd(gap + 1, end), end)
    assert.equal(table.presentEnd(gap + 1, end + 1), end)
  })

  it('shows the entries of a range in one leaf, up to the last of the leaf, and of no other', () => {
    const table = new PageTable(LEAF)
    for (let vpn = 0; vpn < 2 * LEAF; vpn++) table.set(vpn, vpn + 1)
    const shown = table.entriesOf(LEAF - 3, LEAF)
    assert.deepEqual([...shown!], [LEAF - 2, LEAF - 1, LEAF])
    assert.equal(table.entriesOf(LEAF, 2 * LEAF)!.length, LEAF)
    assert.equal(table.entriesOf(LEAF - 3, LEAF + 1), undefined)
  })
})

describe('an entry', () => {
  it('keeps its rights and its age apart (P1)', () => {
    const entry = entryOf(1234, 'writable')
    assert.equal(frameOf(entry), 1234)
    assert.equal(young(old(entry)), entry)
    assert.equal(frameOf(old(entry)), 1234)
    assert.equal(young(old(readOnly(entry))), entryOf(1234, 'read only'))
  })

  it('names frames and slots up to 27 bits', () => {
    const last = 2 ** 27 - 1
    assert.equal(frameOf(entryOf(last, 'writable')), last)
    assert.equal(frameOf(swapEntry(last)), last)
    const table = new PageTable(LEAF)
    table.set(1, entryOf(last, 'read only'))
    assert.equal(frameOf(table.get(1)), last)
  })
})
