/** Attempts at sections: what takes effect, what is taken back, and what is found out. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Frames } from '../memory/index.ts'
import { Attempts, Cold, entryOf, PageTable, type Participant, View } from './index.ts'

const PAGE = 4096
const PAGES = 4

/** Two mappings of the same pages but for those that are missing. */
function world(...missing: readonly number[]) {
  const frames = new Frames(new ArrayBuffer((PAGES + 1) * PAGE), PAGES + 1, PAGE)
  const around: string[] = []
  const attempts = new Attempts<Participant>({
    enter: () => around.push('enter'),
    leave: () => around.push('leave'),
    misuse: (rule, cause) => new Error(rule, { cause }),
  })
  const mapping = (): Participant => {
    const table = new PageTable(1024)
    table.plan(0, PAGES)
    for (let page = 0; page < PAGES; page++)
      if (!missing.includes(page)) table.set(page, entryOf(1 + page, 'writable'))
    return { view: new View(table, frames, 0, PAGES * PAGE, attempts.undo), chooseView() {} }
  }
  return { attempts, around, a: mapping(), b: mapping(), byte: (page: number) => frames.bytes(1 + page)[0] }
}

describe('an attempt', () => {
  it('that returns has taken effect, and nothing takes it back', () => {
    const { attempts, a, byte, around } = world()
    assert.equal(
      attempts.attempt(a, view => {
        view.setU8(0, 77)
        return view.u8(0)
      }),
      77,
    )
    assert.throws(
      () =>
        attempts.attempt(a, () => {
          throw new Error('another')
        }),
      /another/,
    )
    assert.equal(byte(0), 77)
    assert.deepEqual(around, ['enter', 'leave', 'enter', 'leave'])
  })

  it('that misses is taken back, and tells each page once, for the store if it is wanted for both', () => {
    const { attempts, a, byte } = world(1, 2)
    const cold = attempts.attempt(a, view => {
      view.setU8(0, 99)
      view.want(PAGE, 1)
      view.want(2 * PAGE, 1)
      view.setU8(PAGE, 1)
    })
    assert.ok(cold instanceof Cold)
    assert.deepEqual(
      cold.misses.map(({ miss }) => miss),
      [
        { vpn: 1, access: 'store' },
        { vpn: 2, access: 'load' },
      ],
    )
    assert.equal(byte(0), 0)
  })

  it('that swallows a miss is found out, and its stores are taken back (U3)', () => {
    const { attempts, a, byte } = world(2)
    const swallows = () =>
      attempts.attempt(a, view => {
        view.setU8(0, 99)
        try {
          view.u8(2 * PAGE)
        } catch {
          view.setU8(1, 98)
        }
      })
    assert.throws(swallows, /swallowed a miss/)
    assert.equal(byte(0), 0)
    const throws = () =>
      attempts.attempt(a, view => {
        try {
          view.u8(2 * PAGE)
        } catch (cause) {
          throw new Error('wrapped', { cause })
        }
      })
    assert.throws(
      throws,
      (error: Error) => /swallowed a miss/.test(error.message) && /wrapped/.test(String(error.cause)),
    )
  })

  it('that returns a promise is refused, and its stores are taken back', () => {
    const { attempts, a, byte } = world()
    assert.throws(
      () =>
        attempts.attempt(a, async view => {
          view.setU8(0, 99)
        }),
      /returned a promise/,
    )
    assert.equal(byte(0), 0)
  })

  it('inside another is a part of it: what it misses the outer one misses, and all is taken back (AT1)', () => {
    const { attempts, a, b, byte } = world(3)
    const cold = attempts.attempt(a, view => {
      view.setU8(0, 5)
      attempts.attempt(b, inner => {
        inner.setU8(PAGE, 6)
        inner.u8(3 * PAGE)
      })
    })
    assert.ok(cold instanceof Cold)
    assert.deepEqual(
      cold.misses.map(({ mapping, miss }) => [mapping === b, miss.vpn]),
      [[true, 3]],
    )
    assert.deepEqual([byte(0), byte(1)], [0, 0])
  })

  it('inside another that throws takes back its own stores, and the outer one may go on', () => {
    const { attempts, a, b, byte } = world()
    attempts.attempt(a, view => {
      view.setU8(0, 5)
      try {
        attempts.attempt(b, inner => {
          inner.setU8(PAGE, 6)
          throw new Error('its own')
        })
      } catch {
        view.setU8(2 * PAGE, 7)
      }
    })
    assert.deepEqual([byte(0), byte(1), byte(2)], [5, 0, 7])
  })
})
