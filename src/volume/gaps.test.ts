/** Look-ups past what was emptied, against a plain map: through puts, failed edits, commits of one's own and of others. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import fc from 'fast-check'
import { Scheduler, TimedDriver } from '../sched/index.ts'
import { MIX53 } from './checksum.ts'
import { Gaps } from './gaps.ts'
import { MemoryStore } from './memory-store.ts'
import { Overlay } from './overlay.ts'

const KEYS = 40
const name = (number: number) => number.toString(36).padStart(3, '0')
const number = fc.nat(KEYS - 1)
const step = fc.record({
  what: fc.constantFrom(
    'empty',
    'empty',
    'empty',
    'put',
    'put',
    'delete',
    'failed edit',
    'commit',
    'lost',
    'other',
  ),
  start: number,
  end: number,
})

/** Deletes all that lies in [start, end), and says so. */
function empty(overlay: Overlay, start: number, end: number): void {
  for (let key = start; key < end; key++) overlay.delete(name(key))
  overlay.emptied(name(start), name(end))
}

it('what comes next is found behind what was emptied, whatever has come there since (GP1)', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30, size: 'max' }), steps => {
      const store = new MemoryStore(new Scheduler(new TimedDriver()))
      store.holding = true
      const overlay = new Overlay(store, MIX53)
      const commit = (of: Overlay, how: 'durable' | 'lost') => {
        of.seal()
        store.commit(of.changes('', Infinity))
        store.release(how === 'durable' ? 0 : 5)
        of.settled(how)
      }
      const model = new Set<number>()
      const put = (to: Overlay, key: number) => to.edit(() => to.put(name(key), new Uint8Array([key])))
      for (let key = 0; key < KEYS; key++) {
        put(overlay, key)
        model.add(key)
      }
      commit(overlay, 'durable')
      for (const { what, start, end } of steps) {
        if (what === 'put') {
          put(overlay, start)
          model.add(start)
        } else if (what === 'delete') {
          overlay.edit(() => overlay.delete(name(start)))
          model.delete(start)
        } else if (what === 'empty') {
          overlay.edit(() => empty(overlay, start, end))
          for (let key = start; key < end; key++) model.delete(key)
        } else if (what === 'failed edit') {
          const failing = () => {
            empty(overlay, start, end)
            throw new Error('not done')
          }
          assert.throws(() => overlay.edit(failing), /not done/)
        } else if (what === 'other') {
          commit(overlay, 'durable')
          const other = new Overlay(store, MIX53)
          put(other, start)
          commit(other, 'durable')
          model.add(start)
        } else commit(overlay, what === 'lost' ? 'lost' : 'durable')
        for (let key = 0; key < KEYS; key++) {
          const next = [...model].filter(each => each >= key).sort((a, b) => a - b)[0]
          assert.equal(overlay.first(name(key), '~')?.key, next === undefined ? undefined : name(next))
        }
      }
    }),
    { numRuns: 150 },
  )
})

it('gaps that touch are one, and those that are cut end (GP2)', () => {
  const gaps = new Gaps()
  gaps.add('a', 'c')
  gaps.add('e', 'g')
  assert.deepEqual([gaps.behind('b'), gaps.behind('c'), gaps.behind('f')], ['c', 'c', 'g'])
  gaps.add('c', 'e')
  assert.equal(gaps.behind('a'), 'g')
  gaps.cut('d')
  assert.deepEqual([gaps.behind('b'), gaps.behind('d'), gaps.behind('e')], ['d', 'd', 'g'])
  gaps.join('d')
  assert.equal(gaps.behind('b'), 'g')
  for (let at = 0; at < 100; at++) gaps.add(`h${name(2 * at)}`, `h${name(2 * at + 1)}`)
  assert.deepEqual([gaps.behind('e'), gaps.behind(`h${name(198)}`)], ['e', `h${name(199)}`])
  assert.equal(gaps['gaps'].length, 16)
})
