/** A child process that looks records up with lmdb-js as it is told by messages; its parent limits its memory meanwhile. */
import { open } from 'lmdb'
import type { Bytes } from '../base/index.ts'
import { sink } from './measure.ts'
import { measureLookups, Zipf } from './zipf.ts'

export interface Lookups {
  readonly path: string
  readonly mapSize: Bytes
  readonly records: number
  readonly seed: number
}

const [lookups] = process.argv.slice(2).map(text => JSON.parse(text) as Lookups)
const { path, mapSize, records, seed } = lookups!
// MDB_NORDAHEAD, which its types don't have: what random look-ups of more than the memory are better with.
const options = { path, mapSize, readOnly: true, keyEncoding: 'uint32', noReadAhead: true } as const
const database = open(options)
const zipf = new Zipf(records, seed)
const lookUp = () => {
  sink.value += database.getBinaryFast(zipf.next())![0]!
}

process.on('message', async (count: number) => process.send!(await measureLookups(count, 1, lookUp)))
process.send!('ready')
