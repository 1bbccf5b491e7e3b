/** A bounded part of what `faultline lab crash` does, and that its book-keeping is right. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Prng } from '../base/index.ts'
import { runCampaign } from './campaign.ts'
import { crashBatch, replayCrash } from './explore.ts'
import { blockOf, tornBlock } from './image.ts'
import { Medium } from './medium.ts'
import { Oracle } from './oracle.ts'
import { batches, randomBatch, wordsOf, workloadFrom, workloadsOf } from './workloads.ts'

const block = (value: number) => blockOf(new Uint8Array(4096).fill(value))
const bytes = (value: number) => new Uint8Array(4096).fill(value)
const firsts = (image: Iterable<readonly { readonly bytes: Uint8Array }[]>) =>
  [...image].map(blocks => blocks.map(each => `${each.bytes[0]}${each.bytes[4095]}`).join(' '))

describe('a crash', () => {
  it('at any write of any one operation leaves a whole volume, with what was promised', async () => {
    const { workloads, states, violations } = await runCampaign({
      seed: 1,
      states: 1,
      kinds: ['make', 'one'],
      workers: 2,
    })
    assert.deepEqual(violations, [])
    assert.ok(workloads > 300 && states > 5_000, `${workloads} workloads, ${states} states`)
  })

  it('is found again for one seed, and workloads are read back as they were written', () => {
    const batch = randomBatch(3, 7)
    assert.deepEqual(crashBatch(batch), crashBatch(batch))
    for (const workload of workloadsOf(batch)) assert.deepEqual(workloadFrom(wordsOf(workload)), workload)
    const pairs = batches(['two'], 1).flatMap(each => [...workloadsOf(each)].map(wordsOf))
    assert.equal(new Set(pairs).size, pairs.length, 'no pair is tried twice')
  })

  it('can’t be replayed from a line that makes no sense', () => {
    for (const line of [
      'x',
      'cache apart oldest-first: fly @ 1.0',
      'cache apart oldest-first: clone @ 999.0',
    ])
      assert.equal(typeof replayCrash(line, 1), 'string')
  })
})

describe('a medium', () => {
  it('leaves of two pending blocks every choice, and each of them torn (ME2)', () => {
    const medium = new Medium([block(1), block(2)])
    medium.written(0, bytes(3))
    medium.written(1, bytes(4))
    const images = firsts(medium.images(new Prng(1)))
    assert.deepEqual(images.slice(0, 4).sort(), ['11 22', '11 44', '33 22', '33 44'])
    assert.deepEqual(
      images.slice(4).sort(),
      ['13 22', '13 44', '31 22', '31 44', '11 24', '33 24', '11 42', '33 42'].sort(),
    )
  })

  it('keeps what a flush covers, and what is newer stays pending (ME1)', () => {
    const medium = new Medium([block(1)])
    medium.written(0, bytes(3))
    const mark = medium.mark(() => true)
    medium.written(0, bytes(5))
    medium.settle(mark)
    assert.deepEqual(firsts(medium.images(new Prng(1))).slice(0, 2), ['33', '55'])
    assert.deepEqual(tornBlock(block(1), block(3), 0, 2048).bytes[2048], 1)
  })

  it('of many pending blocks leaves each prefix, each alone, and all but each', () => {
    const medium = new Medium(Array.from({ length: 6 }, () => block(0)))
    for (let at = 0; at < 6; at++) medium.written(at, bytes(1))
    const images = new Set(firsts(medium.images(new Prng(1))))
    for (const wanted of ['11 11 11 00 00 00', '00 00 00 11 00 00', '11 11 00 11 11 11'])
      assert.ok(images.has(wanted), wanted)
  })
})

describe('an oracle', () => {
  const made = () => new Oracle('cache', new Map([['/a', 'a']]), new Map([['a', bytes(1)]]))
  const allowed = (oracle: Oracle) =>
    oracle.cuts.map(({ files }) => files.get('a')!.pages[0]!.map(sum => oracle.versions.get(sum)!.bytes[0]))

  it('lets a written page be old or new until it is promised (OR2)', () => {
    const oracle = made()
    oracle.write('a', 0, bytes(2))
    assert.deepEqual(allowed(oracle), [[1], [1, 2]])
    oracle.promiseChanges()
    assert.deepEqual(allowed(oracle), [[1, 2]])
    oracle.promise('a')
    assert.deepEqual(allowed(oracle), [[2]])
  })

  it('lets a change be there or not, but not in part', () => {
    const oracle = made()
    oracle.write('a', 0, bytes(2))
    oracle.change(() => oracle.zero('a', { start: 0, end: 4096 }))
    assert.deepEqual(allowed(oracle), [[1], [1, 2], [0]])
  })

  it('lets the last page of a file be zeroed by a punch when it likes', () => {
    const oracle = made()
    oracle.change(() => oracle.punch('a', { start: 0, end: 4096 }))
    assert.deepEqual(allowed(oracle), [[1], [1, 0]])
  })
})
