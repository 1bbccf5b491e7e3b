/** What every store of a volume's metadata must do: the contract of store.ts, on whatever implements it. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { Basis, Change, Store } from './store.ts'

/** A store, how its commits are seen through, and how it is opened again. */
export interface StoreUnderTest {
  readonly store: Store
  /** Waits for a commit. */
  settle(ticket: ReturnType<Store['commit']>): Promise<void>
  /** What another process finds. */
  reopen(): Promise<StoreUnderTest>
  close(): Promise<void>
}

export function storeSuite(name: string, make: () => Promise<StoreUnderTest>): void {
  const commit = async (at: StoreUnderTest, changes: readonly Change[]) => {
    const ticket = at.store.commit(changes, basisOf(at.store))
    await at.settle(ticket)
    assert.equal(ticket.errno, 0)
  }
  const all = (store: Store) => [...store.range('', '~')].map(({ key, value }) => [key, [...value]])

  describe(`${name}, a store`, () => {
    test('holds what was committed, in order of key, for whoever opens it next (ST1)', async () => {
      const at = await make()
      assert.deepEqual(all(at.store), [])
      assert.equal(at.store.get('a'), undefined)
      await commit(at, [
        { key: 'b2', value: new Uint8Array([2]) },
        { key: 'a1', value: new Uint8Array([1]) },
        { key: 'c/x', value: new Uint8Array(0) },
      ])
      await commit(at, [
        { key: 'a1', value: null },
        { key: 'never', value: null },
      ])
      const expected = [
        ['b2', [2]],
        ['c/x', []],
      ]
      assert.deepEqual(all(at.store), expected)
      const later = await at.reopen()
      assert.deepEqual(all(later.store), expected)
      const value = later.store.get('b2')!
      value.slice()[0] = 9
      assert.deepEqual(all(later.store), expected, 'a slice of a value is a copy of it')
      await later.close()
    })

    test('shows nothing of a commit that is on its way (ST2)', async () => {
      const at = await make()
      await commit(at, [{ key: 'a', value: new Uint8Array([1]) }])
      const ticket = at.store.commit(
        [
          { key: 'a', value: new Uint8Array([2]) },
          { key: 'b', value: new Uint8Array([2]) },
        ],
        basisOf(at.store),
      )
      assert.equal(ticket.complete, false)
      assert.deepEqual(all(at.store), [['a', [1]]])
      await at.settle(ticket)
      assert.deepEqual(all(at.store), [
        ['a', [2]],
        ['b', [2]],
      ])
      await at.close()
    })

    test('answers as a plain map does, through commits of all sizes', async () => {
      const key = fc.integer({ min: 0, max: 3000 }).map(number => `k${number.toString(36)}`)
      const value = fc.option(fc.integer({ min: 0, max: 400 }))
      const commits = fc.array(fc.array(fc.tuple(key, value), { maxLength: 300 }), { maxLength: 8 })
      await fc.assert(
        fc.asyncProperty(commits, key, key, async (commits, from, end) => {
          const at = await make()
          const model = new Map<string, number>()
          for (const changes of commits) {
            const last = new Map(changes)
            await commit(
              at,
              [...last].map(([key, value]) => ({
                key,
                value: value === null ? null : new Uint8Array(value).fill(7),
              })),
            )
            for (const [key, value] of last)
              if (value === null) model.delete(key)
              else model.set(key, value)
          }
          const sorted = [...model].sort(([a], [b]) => (a < b ? -1 : 1))
          const later = await at.reopen()
          for (const store of [at.store, later.store]) {
            assert.deepEqual(
              [...store.range('', '~')].map(({ key, value }) => [key, value.length]),
              sorted,
            )
            assert.deepEqual(
              [...store.range(from, end)].map(({ key }) => key),
              sorted.map(([key]) => key).filter(key => key >= from && key < end),
            )
            for (const [key, length] of sorted) assert.equal(store.get(key)?.length, length)
          }
          await later.close()
        }),
        { numRuns: 12 },
      )
    })
  })
}

function basisOf({ lease: { epoch }, at }: Store): Basis {
  return { epoch, after: at }
}
