/** What every store of a volume's metadata must do: the contract of store.ts, on whatever implements it. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { errno, hang } from '../base/index.ts'
import type { Ticket } from '../sched/index.ts'
import { Absent } from './failure.ts'
import type { Basis, Change, News, Store } from './store.ts'

/** A store, how its commits are seen through, and how it is opened again. */
export interface StoreUnderTest {
  readonly store: Store
  /** Waits for a commit, or for records. */
  settle(ticket: Ticket): Promise<void>
  /** What another process finds. */
  reopen(): Promise<StoreUnderTest>
  close(): Promise<void>
}

export function storeSuite(name: string, make: () => Promise<StoreUnderTest>): void {
  describe(`${name}, a store`, () => {
    test('holds what was committed, in order of key, for whoever opens it next (ST1)', async () => {
      const at = await make()
      assert.deepEqual(await all(at), [])
      assert.equal(await here(at, () => at.store.get('a')), undefined)
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
      assert.deepEqual(await all(at), expected)
      const later = await at.reopen()
      assert.deepEqual(await all(later), expected)
      const value = (await here(later, () => later.store.get('b2')))!
      value.slice()[0] = 9
      assert.deepEqual(await all(later), expected, 'a slice of a value is a copy of it')
      await later.close()
    })

    test('shows nothing of a commit that is on its way (ST2)', async () => {
      const at = await make()
      await commit(at, [{ key: 'a', value: new Uint8Array([1]) }])
      assert.deepEqual(await all(at), [['a', [1]]])
      const ticket = at.store.commit(
        [
          { key: 'a', value: new Uint8Array([2]) },
          { key: 'b', value: new Uint8Array([2]) },
        ],
        basisOf(at.store),
      )
      assert.equal(ticket.complete, false)
      assert.deepEqual(await all(at), [['a', [1]]])
      await at.settle(ticket)
      assert.deepEqual(await all(at), [
        ['a', [2]],
        ['b', [2]],
      ])
      await at.close()
    })

    test('numbers its commits, and tells of each in order, once reads see it (ST7)', async () => {
      const at = await make()
      const { store } = at
      const news: News[] = []
      const seen: (number | undefined)[] = []
      hang(store, 'onCommit', each => {
        news.push(each)
        seen.push(store.at)
      })
      const began = store.at
      await commit(at, [{ key: 'a', value: new Uint8Array([1]) }])
      await commit(at, [
        { key: 'b', value: new Uint8Array([2]) },
        { key: 'a', value: null },
      ])
      assert.deepEqual(news, [
        { kind: 'commit', at: began + 1, keys: ['a'] },
        { kind: 'commit', at: began + 2, keys: ['b', 'a'] },
      ])
      assert.deepEqual(seen, [began + 1, began + 2])
      assert.equal(store.at, began + 2)
      store.advance()
      assert.deepEqual([store.at, news.length], [began + 2, 2], 'nobody else has committed')
      assert.equal(store.horizon, store.at, 'nobody else reads')
      assert.equal(store.lease.lost, false)
      await at.close()
    })

    test('takes as many records behind a long key that is gone as anywhere', async () => {
      const at = await make()
      const long = `b${'%FF'.repeat(255)}`
      const value = (length: number) => new Uint8Array(length).fill(7)
      for (const kept of [1, 2, 3, 4, 5]) {
        await commit(at, [
          { key: 'a', value: value(3000) },
          { key: long, value: value(1000) },
        ])
        const keys = Array.from({ length: kept }, (_, number) => `c${number}`)
        await commit(at, [{ key: long, value: null }, ...keys.map(key => ({ key, value: value(1000) }))])
        assert.deepEqual(
          (await entries(at, '', '~')).map(({ key }) => key),
          ['a', ...keys],
        )
        await commit(
          at,
          keys.map(key => ({ key, value: null })),
        )
      }
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
          for (const each of [at, later]) {
            assert.deepEqual(
              (await entries(each, '', '~')).map(({ key, value }) => [key, value.length]),
              sorted,
            )
            assert.deepEqual(
              (await entries(each, from, end)).map(({ key }) => key),
              sorted.map(([key]) => key).filter(key => key >= from && key < end),
            )
            for (const [start, stop] of [
              [from, end],
              [end, from],
              [from, '~'],
              ['', from],
            ] as const) {
              const first = await here(each, () => each.store.first?.(start, stop)?.key)
              const expected = sorted.find(([key]) => key >= start && key < stop)?.[0]
              assert.equal(each.store.first === undefined ? expected : first, expected)
            }
            for (const [key, length] of sorted)
              assert.equal((await here(each, () => each.store.get(key)))?.length, length)
          }
          await later.close()
        }),
        { numRuns: 12 },
      )
    })
  })
}

/** Asks again whenever something isn't here (ST6). */
async function here<T>(at: StoreUnderTest, ask: () => T): Promise<T> {
  for (;;)
    try {
      return ask()
    } catch (error) {
      if (!(error instanceof Absent)) throw error
      await at.settle(error.ticket)
    }
}

const entries = (at: StoreUnderTest, start: string, end: string) =>
  here(at, () => [...at.store.range(start, end)])

const all = async (at: StoreUnderTest) =>
  (await entries(at, '', '~')).map(({ key, value }) => [key, [...value]])

async function commit(at: StoreUnderTest, changes: readonly Change[]): Promise<void> {
  assert.equal(await outcome(at, changes), 0)
}

async function outcome(at: StoreUnderTest, changes: readonly Change[]): Promise<number> {
  const ticket = at.store.commit(changes, basisOf(at.store))
  await at.settle(ticket)
  return ticket.errno
}

function basisOf({ lease: { epoch }, at }: Store): Basis {
  return { epoch, after: at }
}

/** Machines that share a store: one writes, any number read. */
export interface SharedStores {
  /** Takes over from the writer before, whose time has run out. */
  writer(): Promise<StoreUnderTest>
  reader(): Promise<StoreUnderTest>
  /** What becomes of the next commit that is sent. */
  lose(what: 'the commit' | 'its answer'): void
  /** The writer lets go of it only now: it reaches the store after all. */
  deliverLate(): Promise<void>
  /** Each hears what there is to hear. */
  news(): Promise<void>
  /** Who hasn't heard of the commits until now is to begin anew. */
  cutLog(): void | Promise<void>
  /** The time of one of them runs out. */
  expire(at: StoreUnderTest): void | Promise<void>
}

export function sharedStoreSuite(name: string, make: () => Promise<SharedStores>): void {
  const put = (key: string, value: number): Change => ({ key, value: new Uint8Array([value]) })
  const value = async (at: StoreUnderTest, key: string) => (await here(at, () => at.store.get(key)))?.[0]

  describe(`${name}, shared by machines`, () => {
    test('fences a writer that lost its lease: ESTALE, and nothing of it is there (ST8)', async () => {
      const stores = await make()
      const first = await stores.writer()
      await commit(first, [put('a', 1)])
      assert.equal(await value(first, 'a'), 1)
      const second = await stores.writer()
      assert.ok(second.store.lease.epoch > first.store.lease.epoch)
      assert.equal(await outcome(first, [put('a', 9)]), errno.ESTALE)
      assert.equal(first.store.lease.lost, true)
      assert.equal(await outcome(first, [put('a', 9)]), errno.ESTALE)
      assert.equal(await value(first, 'a'), 1, 'what was here shows as it did')
      await assert.rejects(value(first, 'A'), { errno: errno.ESTALE })
      assert.equal(await value(second, 'a'), 1)
      await commit(second, [put('b', 2)])
      assert.equal(await value(await stores.reader(), 'a'), 1)
    })

    test('refuses a commit that stands on another than the last (ST8)', async () => {
      const stores = await make()
      const at = await stores.writer()
      await commit(at, [put('a', 1)])
      const ticket = at.store.commit([put('a', 9)], { epoch: at.store.lease.epoch, after: at.store.at - 1 })
      await at.settle(ticket)
      assert.equal(ticket.errno, errno.ESTALE)
      assert.equal(await value(at, 'a'), 1)
    })

    for (const what of ['the commit', 'its answer'] as const)
      test(`finds out what became of a commit when ${what} is lost (ST5)`, async () => {
        const stores = await make()
        const at = await stores.writer()
        await commit(at, [put('a', 1)])
        stores.lose(what)
        const failed = await outcome(at, [put('a', 2), put('b', 2)])
        const reader = await stores.reader()
        if (what === 'its answer') {
          assert.equal(failed, 0)
          assert.deepEqual([await value(at, 'a'), await value(reader, 'b')], [2, 2])
        } else {
          assert.equal(failed, errno.ETIMEDOUT, 'it is known never to have happened')
          await stores.deliverLate()
          assert.deepEqual([await value(at, 'a'), await value(reader, 'b')], [1, undefined])
        }
        await commit(at, [put('a', 3)])
        await stores.news()
        reader.store.advance()
        assert.equal(await value(reader, 'a'), 3)
        assert.equal(await value(reader, 'b'), what === 'its answer' ? 2 : undefined, 'tried once, or never')
      })

    test('shows a reader one commit until it goes on, and then each in order (ST7)', async () => {
      const stores = await make()
      const at = await stores.writer()
      await commit(at, [put('a', 1), put('k', 1)])
      const reader = await stores.reader()
      assert.equal(await value(reader, 'a'), 1)
      const heard: News[] = []
      hang(reader.store, 'onCommit', news => heard.push(news))
      await commit(at, [put('a', 2), put('b', 2)])
      await commit(at, [put('a', 3)])
      await stores.news()
      const { at: number } = reader.store
      assert.deepEqual([await value(reader, 'a'), await value(reader, 'b')], [1, undefined])
      reader.store.advance()
      assert.deepEqual(heard, [
        { kind: 'commit', at: number + 1, keys: ['a', 'b'] },
        { kind: 'commit', at: number + 2, keys: ['a'] },
      ])
      assert.deepEqual(
        [await value(reader, 'a'), await value(reader, 'b'), await value(reader, 'k')],
        [3, 2, 1],
      )
      assert.equal(reader.store.at, at.store.at)
    })

    test('goes on with what is here of a commit, and past what isn’t (ST6, ST7)', async () => {
      const stores = await make()
      const at = await stores.writer()
      await commit(
        at,
        Array.from({ length: 40 }, (_, n) => put(`k${10 + n}`, 1)),
      )
      const reader = await stores.reader()
      assert.equal(await value(reader, 'k49'), 1)
      await commit(at, [put('k10', 2), put('k49', 2), { key: 'k48', value: null }])
      await stores.news()
      reader.store.advance()
      assert.deepEqual([await value(reader, 'k49'), await value(reader, 'k10')], [2, 2])
      assert.equal(await value(reader, 'k48'), undefined)
      assert.equal((await all(reader)).length, 39)
    })

    test('commits nothing for a writer whose time has run out, though nobody else has come (ST8)', async () => {
      const stores = await make()
      const at = await stores.writer()
      await commit(at, [put('a', 1)])
      await stores.expire(at)
      assert.equal(await outcome(at, [put('a', 2)]), errno.ESTALE)
      assert.equal(await value(await stores.reader(), 'a'), 1)
    })

    test('tells a reader that missed too much to begin anew (ST7)', async () => {
      const stores = await make()
      const at = await stores.writer()
      await commit(at, [put('a', 1), put('gone', 1)])
      const reader = await stores.reader()
      assert.equal(await value(reader, 'gone'), 1)
      await commit(at, [put('a', 2), { key: 'gone', value: null }])
      await stores.cutLog()
      await stores.news()
      const heard: News[] = []
      hang(reader.store, 'onCommit', news => heard.push(news))
      reader.store.advance()
      assert.deepEqual(heard, [{ kind: 'reset', at: at.store.at }])
      assert.deepEqual([await value(reader, 'a'), await value(reader, 'gone')], [2, undefined])
    })

    test('looks no further back than its oldest reader, and lets nobody in below that (ST9)', async () => {
      const stores = await make()
      const at = await stores.writer()
      await commit(at, [put('a', 1)])
      const reader = await stores.reader()
      const pinned = reader.store.at
      await commit(at, [put('a', 2)])
      await commit(at, [put('a', 3)])
      assert.equal(at.store.horizon, pinned)
      assert.equal(await value(reader, 'a'), 1)
      await stores.news()
      reader.store.advance()
      await stores.news()
      assert.equal(at.store.horizon, at.store.at, 'it has gone on')
      await commit(at, [put('a', 4)])
      await stores.expire(reader)
      await commit(at, [put('a', 5)])
      assert.equal(at.store.horizon, at.store.at)
      await assert.rejects(value(reader, 'a'), { errno: errno.ESTALE })
    })
  })
}
