/**
 * Blocks and extents against plain arrays: claims, shares, drops, zeroed ranges, commits and edits that fail, in any order.
 *
 * Invariants checked after each step
 *   VS1 VS2   every block is free, pending free, or referenced, and the counts say so
 *   VS3      no block that the durable state refers to was allocated
 *   VS4 E1   references are how many pages lie in a block
 *   DX1     (dax-file.ts) a block that is exclusive is one page's alone, now and in the durable state
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { errno } from '../base/index.ts'
import { Scheduler, TimedDriver } from '../sched/index.ts'
import { MIX53 } from './checksum.ts'
import { Extents, PLAIN, UNWRITTEN, WRITTEN } from './extents.ts'
import { Failure } from './failure.ts'
import { EPOCH, encodeInode, newInode, planned } from './inode.ts'
import { MemoryStore } from './memory-store.ts'
import { Overlay } from './overlay.ts'
import { inodeKey } from './records.ts'
import { type Blocks, Space } from './space.ts'
import type { Change } from './store.ts'

const FILES = 3
const PAGES = 8
const BLOCKS = 24
const FILE = newInode(planned('file'), { generation: 0, links: 1, now: EPOCH })

interface Page {
  readonly block: number
  readonly tag: number
}

const file = fc.nat(FILES - 1)
const page = fc.nat(PAGES - 1)
const count = fc.integer({ min: 1, max: 4 })
const step = fc.oneof(
  fc.record({ kind: fc.constantFrom('claim' as const, 'cancel' as const), count }),
  fc.record({
    kind: fc.constant('place' as const),
    file,
    page,
    tag: fc.constantFrom(WRITTEN, UNWRITTEN, PLAIN),
  }),
  fc.record({ kind: fc.constantFrom('remove' as const, 'use' as const), file, page, count }),
  fc.record({ kind: fc.constant('share' as const), file, page, count, source: file, from: page }),
  fc.record({ kind: fc.constantFrom('seal' as const, 'durable' as const, 'lost' as const, 'fail' as const) }),
)
type Step = typeof step extends fc.Arbitrary<infer Each> ? Each : never

class Played {
  readonly store = new MemoryStore(new Scheduler(new TimedDriver()))
  readonly overlay = new Overlay(this.store, MIX53)
  readonly space = new Space(this.overlay, BLOCKS, 0)
  readonly extents = Array.from({ length: FILES }, (_, ino) => new Extents(this.overlay, this.space, ino))
  readonly files: (Page | undefined)[][] = Array.from({ length: FILES }, () =>
    new Array(PAGES).fill(undefined),
  )
  /** Claimed and not placed yet. */
  claims: Blocks[] = []
  /** How many pages the last durable commit has in each block. */
  durable: number[] = new Array(BLOCKS).fill(0)
  private sealed: { readonly changes: readonly Change[]; readonly references: number[] } | undefined

  constructor() {
    this.edit(() => {
      this.space.format()
      for (let ino = 0; ino < FILES; ino++) this.overlay.put(inodeKey(ino), encodeInode(FILE))
    })
    this.seal()
    this.settle('durable')
  }

  play(each: Step): void {
    switch (each.kind) {
      case 'claim': {
        if (this.space.available < 1) break
        const allocated = this.ask(() => this.space.allocate(each.count, this.space.available))
        for (let block = allocated.start; block < allocated.end; block++)
          assert.equal(this.durable[block], 0, `VS3: block ${block} is durably somebody's`)
        this.claims.push(allocated)
        break
      }
      case 'cancel': {
        const claim = this.claims.pop()
        if (claim !== undefined) this.edit(() => this.space.cancel(claim))
        break
      }
      case 'place': {
        const claim = this.claims.pop()
        if (claim === undefined) break
        this.edit(() => {
          this.space.settle(claim)
          this.extents[each.file]!.place(each.page, claim, each.tag)
        })
        for (let at = 0; at < claim.end - claim.start; at++)
          this.files[each.file]![each.page + at] = { block: claim.start + at, tag: each.tag }
        break
      }
      case 'remove':
        this.edit(() => this.extents[each.file]!.remove(each.page, each.page + each.count))
        this.files[each.file]!.fill(undefined, each.page, each.page + each.count)
        break
      case 'use': {
        const parts = this.ask(() => [
          ...this.extents[each.file]!.inside(each.page, each.page + each.count),
        ]).filter(({ tag }) => tag === UNWRITTEN)
        this.edit(() => {
          for (const part of parts) this.extents[each.file]!.retag(part, WRITTEN)
        })
        for (const { start, end, value } of parts)
          for (let at = start; at < end; at++)
            this.files[each.file]![at] = { block: value + at - start, tag: WRITTEN }
        break
      }
      case 'share': {
        const { from, source, count: length } = each
        if (source === each.file && from < each.page + length && each.page < from + length) break
        this.edit(() =>
          this.extents[each.file]!.shareFrom(this.extents[source]!, from, each.page, length, Infinity),
        )
        const pages = this.files[source]!.slice(from, from + length)
        for (let at = 0; at < length; at++)
          this.files[each.file]![each.page + at] = pages[at]?.tag === UNWRITTEN ? undefined : pages[at]
        break
      }
      case 'seal':
        this.seal()
        break
      case 'durable':
      case 'lost':
        this.settle(each.kind)
        break
      case 'fail': {
        const failed = this.overlay.ask(() => {
          for (const extents of this.extents) extents.remove(0, PAGES * 2)
          throw new Failure(errno.ENOSPC)
        })
        assert.equal(failed.errno, errno.ENOSPC)
        break
      }
    }
  }

  check(): void {
    const { space } = this
    const refs = this.references()
    const allocated = this.claims.reduce((sum, { start, end }) => sum + end - start, 0)
    assert.equal(space.allocated, allocated)
    assert.equal(space.available + space.used + space.reserved, space.size, 'VS1')
    assert.equal(space.used, refs.filter(each => each > 0).length + allocated + space.deferred, 'VS1, VS2')
    for (let block = 1; block < BLOCKS; block++) {
      const isFree = this.ask(() => space['freeRuns'].at(block) !== undefined)
      assert.ok(
        !isFree || (refs[block] === 0 && this.durable[block] === 0),
        `VS2, VS3: block ${block} is free`,
      )
      const counted = this.ask(() => space.references({ start: block, end: block + 1 })).count
      if (refs[block]! > 0) assert.equal(counted, refs[block], `VS4: block ${block}`)
      if (refs[block]! > 0 && this.ask(() => space.exclusiveEnd({ start: block, end: block + 1 }) > block))
        assert.ok(refs[block] === 1 && this.durable[block]! <= 1, `DX1: block ${block}`)
    }
    this.files.forEach((pages, at) => {
      const found = new Array<Page | undefined>(pages.length).fill(undefined)
      for (const { start, end, value, tag } of this.ask(() => [...this.extents[at]!.inside(0, pages.length)]))
        for (let page = start; page < end; page++) found[page] = { block: value + page - start, tag }
      assert.deepEqual(found, pages)
    })
  }

  /** A commit begins, unless one is on its way. */
  private seal(): void {
    if (this.sealed !== undefined) return
    this.overlay.seal()
    this.sealed = { changes: this.overlay.changes('', Infinity), references: this.references() }
    this.space.seal(this.store.at + 1)
  }

  /** And ends. */
  private settle(how: 'durable' | 'lost'): void {
    const { sealed } = this
    if (sealed === undefined) return
    this.sealed = undefined
    if (how === 'durable') {
      const ticket = this.store.commit(sealed.changes)
      this.store.release()
      assert.equal(ticket.complete && ticket.errno, 0)
      this.durable = sealed.references
    }
    this.overlay.settled(how)
    if (how === 'durable') this.edit(() => this.space.giveBack(this.store, 'freed', 0, Infinity))
  }

  private references(): number[] {
    const refs: number[] = new Array(BLOCKS).fill(0)
    for (const pages of this.files) for (const each of pages) if (each !== undefined) refs[each.block]!++
    return refs
  }

  private edit(change: () => void): void {
    assert.equal(this.overlay.ask(change).errno, 0)
  }

  private ask<T>(question: () => T): T {
    const { value } = this.overlay.ask(question)
    assert.ok(value !== undefined)
    return value
  }
}

describe('the blocks of a volume', () => {
  it('are free, allocated, shared or pending free as plain arrays say, whatever is done with them', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60, size: 'max' }), steps => {
        const played = new Played()
        for (const each of steps) {
          played.play(each)
          played.check()
        }
      }),
      { numRuns: 300 },
    )
  })
})
