/** The campaign of damages, a few of each shape; and that it sees it when what a volume hands out is wrong. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { Prng } from '../base/index.ts'
import { Machine } from '../map/index.ts'
import { scratch } from '../map/world.suite.ts'
import { campaign, playDamage } from './damage.fuzz.ts'
import { imageOf } from './damaged-shapes.suite.ts'

describe('a volume damaged at random and repaired', () => {
  for (const shape of [
    'many small files',
    'large files of many extents',
    'clones and snapshots',
    'everything but files',
  ])
    test(`${shape}: the rules DF1 to DF5 hold`, async () => {
      const broken: string[] = []
      const counts = await campaign({ seed: 7, from: 0, count: 12, shape }, (round, message) => {
        broken.push(
          `${message}: node src/volumes/damage.fuzz.ts --seed 7 --from ${round} --count 1 --shape '${shape}'`,
        )
      })
      assert.deepEqual(broken, [])
      assert.ok(counts.mended > 0)
    })

  test('what is handed out and was never put is seen', async t => {
    const path = join(scratch(t), 'volume')
    const machine = await Machine.start({ memory: '4 MiB' })
    const image = await imageOf(machine, path, 'deep directories', new Prng(1))
    await machine.close()
    const { files, words } = image.holds
    const longer = new Map([...files].map(([name, bytes]) => [name, Buffer.alloc(bytes.length + 1)]))
    await assert.rejects(
      () => playDamage({ ...image, holds: { files: longer, words } }, path, 1),
      /DF1: .* not those that were put/,
    )
    const others = new Map([...words].map(([name, was]) => [name, `${was} and more`]))
    await assert.rejects(
      () => playDamage({ ...image, holds: { files, words: others } }, path, 1),
      /DF1: .* isn't what it was made as/,
    )
  })
})
