/**
 * mmdb-lib on a MaxMind-format database that is bigger than the memory it may have: who is behind each address of a list?
 *
 *     node examples/addresses.ts DATABASE.mmdb ADDRESSES.txt
 *
 * mmdb-lib takes a Buffer and no other Uint8Array, so it gets one over the same memory: Buffer.from of an ArrayBuffer
 * copies nothing.
 */
import fs from 'node:fs'
import { isMainThread } from 'node:worker_threads'
import { Reader, type Response } from 'mmdb-lib'
import { answer, argumentsFor, inWorker } from './mapped.ts'

if (isMainThread) {
  const [database, list] = argumentsFor('DATABASE', 'ADDRESSES')
  const addresses = fs.readFileSync(list, 'utf8').trimEnd().split('\n')
  const { answer: found, facts } = await inWorker<(Response | null)[]>(
    import.meta.url,
    database,
    'random',
    addresses,
  )
  for (const [at, each] of found.entries()) console.log(`${addresses[at]} ${JSON.stringify(each)}`)
  console.error(JSON.stringify(facts))
} else {
  answer((bytes, addresses: readonly string[]) => {
    const reader = new Reader<Response>(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length))
    return addresses.map(address => reader.get(address))
  })
}
