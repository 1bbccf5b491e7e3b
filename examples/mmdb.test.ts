/** The writer of databases, against a model that knows each network: what mmdb-lib reads is what was written. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import os from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import fc from 'fast-check'
import { Reader, type Response } from 'mmdb-lib'
import { type Network, type Value, writeMmdb } from './mmdb.ts'

let directory = ''
before(() => {
  directory = fs.mkdtempSync(join(os.tmpdir(), 'faultline-mmdb-'))
})
after(() => fs.rmSync(directory, { recursive: true }))

function read(networks: readonly Network[]): (address: number) => unknown {
  const path = join(directory, 'written.mmdb')
  writeMmdb(path, networks)
  const reader = new Reader<Response>(fs.readFileSync(path))
  return address => reader.get([24, 16, 8, 0].map(shift => (address >>> shift) & 255).join('.'))
}

/** The value of the longest prefix that the address begins with; of two the same, the later one's. */
function expected(networks: readonly Network[], address: number): Value | null {
  let best: Network | undefined
  for (const network of networks) {
    const { prefix } = network
    if (Math.floor(address / 2 ** (32 - prefix)) !== Math.floor(network.address / 2 ** (32 - prefix)))
      continue
    if (best === undefined || prefix >= best.prefix) best = network
  }
  return best === undefined ? null : best.value
}

const address = fc.oneof(
  fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  fc.integer({ min: 0, max: 15 }).map(low => 0x0a00_0000 + low),
)
const network = fc
  .record({ address, prefix: fc.integer({ min: 1, max: 32 }), value: fc.string() })
  .map(({ address, prefix, value }) => ({
    address: Math.floor(address / 2 ** (32 - prefix)) * 2 ** (32 - prefix),
    prefix,
    value,
  }))

test('MM1: an address is answered by the narrowest network that it lies in', () => {
  fc.assert(
    fc.property(
      fc.array(network, { maxLength: 12 }),
      fc.array(address, { maxLength: 20 }),
      (networks, asked) => {
        const get = read(networks)
        const edges = networks.flatMap(each => [each.address, each.address + 2 ** (32 - each.prefix) - 1])
        for (const each of [...asked, ...edges]) assert.deepEqual(get(each), expected(networks, each))
      },
    ),
    { numRuns: 100 },
  )
})

test('a value of each kind and of each length of size and of pointer comes back', () => {
  const texts = [0, 28, 29, 284, 285, 65_820, 65_821, 600_000].map(length => 'x'.repeat(length))
  const value: Value = {
    // Each text twice: the second time it is a pointer, of 1, 2 and 3 bytes.
    texts: [...texts, ...texts],
    numbers: [0, 1, 2 ** 32 - 1, 0.5, -1],
    large: [2 ** 32, 2 ** 40],
    none: [],
    nested: { map: { of: 'maps' } },
  }
  const { large, ...same } = value as { large: number[] }
  const found = read([{ address: 0, prefix: 1, value }])(1)
  assert.deepEqual(found, { ...same, large: large.map(BigInt) })
})
