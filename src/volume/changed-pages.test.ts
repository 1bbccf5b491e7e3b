/** Pages that are others than before, against a flat model: each page's block, before and after. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { changedPages } from './changed-pages.ts'
import type { Run } from './runs.ts'

const PAGES = 40

const extents = fc
  .array(
    fc.record({ hole: fc.nat(3), pages: fc.integer({ min: 1, max: 6 }), block: fc.nat(30), tag: fc.nat(1) }),
  )
  .map(parts => {
    const runs: Run[] = []
    let at = 0
    for (const { hole, pages, block, tag } of parts) {
      const start = at + hole
      at = start + pages
      if (at <= PAGES) runs.push({ start, end: at, value: block, tag })
    }
    return runs
  })

function flat(runs: readonly Run[]): string[] {
  const pages = new Array<string>(PAGES).fill('hole')
  for (const { start, end, value, tag } of runs)
    for (let page = start; page < end; page++) pages[page] = `${value + page - start} ${tag}`
  return pages
}

test('are those whose block is another, in ranges that do not touch', () =>
  fc.assert(
    fc.property(extents, extents, (before, after) => {
      const [was, is] = [flat(before), flat(after)]
      const changed = changedPages(before, after)
      const told = new Array<boolean>(PAGES).fill(false)
      for (const { start, end } of changed) told.fill(true, start, end)
      assert.deepEqual(
        told,
        was.map((block, page) => block !== is[page]),
      )
      for (const [at, { start }] of changed.entries()) assert.ok(at === 0 || changed[at - 1]!.end < start)
    }),
  ))

test('of a page that was written in place in a large extent is that page', () => {
  const before = [{ start: 0, end: 100, value: 1, tag: 0 }]
  const after = [
    { start: 0, end: 50, value: 1, tag: 0 },
    { start: 50, end: 51, value: 500, tag: 0 },
    { start: 51, end: 100, value: 52, tag: 0 },
  ]
  assert.deepEqual(changedPages(before, after), [{ start: 50, end: 51 }])
})
