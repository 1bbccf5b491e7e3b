/** Damaged volumes: a short run of the fuzz. A longer one: node src/volume/volume.fuzz.ts --count 1000000 --seed 1 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { judgeMany } from './volume.fuzz.ts'

describe('a damaged volume', () => {
  it('is read as it was, or says where it isn’t; nothing throws, nothing hangs', () => {
    assert.deepEqual(judgeMany(1, 3000), [])
  })

  it('is checked in no time, whatever it says of its size: one sentence for a run without checksums', () => {
    assert.deepEqual(judgeMany(912_092, 1), [])
  })

  it('would be found out if records weren’t compared with their checksums', () => {
    const wrong = judgeMany(1, 600, ({ parts: { overlay } }) =>
      Object.defineProperty(overlay, 'open', {
        value: (_key: string, closed: Uint8Array) => closed.subarray(0, -8),
      }),
    )
    assert.ok(
      wrong.some(says => /wrong bytes|isn’t read-only|throws/.test(says)),
      wrong[0] ?? 'nothing is wrong',
    )
  })
})
