/** Files of a volume as arrays: a clone shares blocks, and a store below a live mapping copies what it must. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { PAGE, scratch } from '../map/world.suite.ts'
import { unavailable } from './hardware.suite.ts'
import { start } from './index.ts'

describe('over the hardware MMU', { skip: unavailable, timeout: 60_000 }, () => {
  test('a clone and its source are stored to apart, while both are mapped', async t => {
    const path = join(scratch(t), 'volume')
    await using machine = await start({ mmu: 'hardware', memory: 32 * PAGE })
    const space = machine.space({ name: 'a' })
    const volume = await machine.createVolume(path, { size: '4 MiB' })
    await volume.create('/source')
    const source = await volume.open('/source', { mode: 'r+' })
    await source.write(new Uint8Array(64 * PAGE).fill(1), 0)
    const map = await space.map(source, { prot: 'rw' })
    map.bytes[5 * PAGE] = 2
    await volume.clone('/source', '/clone')
    const clone = await volume.open('/clone', { mode: 'r+' })
    const copy = await space.map(clone, { prot: 'rw' })
    assert.deepEqual([copy.bytes[5 * PAGE], copy.bytes[6 * PAGE]], [2, 1])
    map.bytes[5 * PAGE] = 3
    copy.bytes[6 * PAGE] = 4
    assert.deepEqual([copy.bytes[5 * PAGE], map.bytes[6 * PAGE]], [2, 1])
    await map.unmap()
    await copy.unmap()
    await volume.close()
    const again = await machine.openVolume(path)
    const [first, second] = [await again.open('/source'), await again.open('/clone')]
    const bytes = async (file: typeof first) => {
      const target = new Uint8Array(2 * PAGE)
      await file.read(target, 5 * PAGE)
      return [target[0], target[PAGE]]
    }
    assert.deepEqual(
      [await bytes(first), await bytes(second)],
      [
        [3, 1],
        [2, 4],
      ],
    )
    assert.deepEqual((await again.check()).wrong, [])
    await again.close()
  })
})
