/**
 * Files for the examples to read, of random content that is the same each time, and each bigger than what the examples
 * keep in memory.
 *
 *     node examples/samples.ts DIRECTORY
 */
import fs from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { RecordBatchFileWriter, tableFromArrays } from 'apache-arrow'
import { Builder } from 'flatbuffers'
import { Prng } from '../src/base/index.ts'
import { argumentsFor } from './mapped.ts'
import { type Network, writeMmdb } from './mmdb.ts'

const COUNTRIES = ['AT', 'BR', 'CA', 'DE', 'FI', 'GR', 'JP', 'KE', 'NO', 'NZ', 'PE', 'SG'] as const
const CITIES = 5000
const LOCATIONS = 360 * 180

export interface Sample {
  readonly path: string
  /** What the example is asked beside the file. */
  readonly question: string
}

/** A database of `count` networks of 16 to 24 bits; the question is a list of addresses, one a line. */
export function sampleAddresses(directory: string, count = 150_000, asked = 1500): Sample {
  const prng = new Prng(1)
  const networks = Array.from({ length: count }, () => networkAt(prng))
  const path = join(directory, 'networks.mmdb')
  writeMmdb(path, networks)
  const addresses = Array.from({ length: asked }, () => {
    const { address } = prng.pick(networks)
    return dotted(prng.below(8) === 0 ? prng.u32() : address + prng.below(256))
  })
  const question = join(directory, 'addresses.txt')
  fs.writeFileSync(question, `${addresses.join('\n')}\n`)
  return { path, question }
}

function networkAt(prng: Prng): Network {
  const prefix = 16 + prng.below(9)
  const shift = 2 ** (32 - prefix)
  const city = prng.below(CITIES)
  return {
    address: Math.floor(prng.u32() / shift) * shift,
    prefix,
    value: {
      city: { geoname_id: city, names: { en: `City ${city}` } },
      country: { iso_code: prng.pick(COUNTRIES), geoname_id: prng.below(1000) },
      location: { latitude: prng.below(LOCATIONS) / 360 - 90, longitude: prng.below(LOCATIONS) / 180 - 180 },
    },
  }
}

function dotted(address: number): string {
  return [24, 16, 8, 0].map(shift => (address >>> shift) & 255).join('.')
}

/** A vector of tables; no question. */
export function sampleOrders(directory: string, count = 200_000): Sample {
  const prng = new Prng(2)
  const builder = new Builder(2 ** 20)
  const orders = Array.from({ length: count }, (_, id) => {
    const customer = builder.createString(`Customer ${prng.below(1_000_000)}`)
    builder.startObject(3)
    builder.addFieldInt32(0, id, 0)
    builder.addFieldFloat64(1, prng.below(1_000_000) / 100, 0)
    builder.addFieldOffset(2, customer, 0)
    return builder.endObject()
  })
  builder.startVector(4, count, 4)
  for (const order of orders.reverse()) builder.addOffset(order)
  const vector = builder.endVector()
  builder.startObject(1)
  builder.addFieldOffset(0, vector, 0)
  builder.finish(builder.endObject())
  const path = join(directory, 'orders.bin')
  fs.writeFileSync(path, builder.asUint8Array())
  return { path, question: '' }
}

/** An IPC file of record batches; the question is a column. */
export function sampleColumns(directory: string, batches = 60, rows = 16_384): Sample {
  const prng = new Prng(3)
  const writer = new RecordBatchFileWriter()
  for (let batch = 0; batch < batches; batch++) {
    const sensor = Int32Array.from({ length: rows }, () => prng.below(1000))
    const kelvin = Float64Array.from({ length: rows }, () => 250 + prng.below(100_000) / 1024)
    for (const each of tableFromArrays({ sensor, kelvin }).batches) writer.write(each)
  }
  writer.finish()
  const path = join(directory, 'readings.arrow')
  fs.writeFileSync(path, writer.toUint8Array(true))
  return { path, question: 'kelvin' }
}

/** Lines of words; the question is a text that occurs in few places, some of them over the end of a page. */
export function sampleText(directory: string, bytes = 12 * 2 ** 20): Sample {
  const prng = new Prng(4)
  const page = 4096
  const text = Buffer.alloc(bytes, ' ')
  for (let at = 0; at < bytes; at += 16) text.write(prng.u32().toString(36), at)
  const question = 'the needle'
  for (let place = 0; place < 40; place++)
    text.write(question, (1 + prng.below(bytes / page - 1)) * page - prng.below(question.length))
  const path = join(directory, 'words.txt')
  fs.writeFileSync(path, text)
  return { path, question }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const [directory] = argumentsFor('DIRECTORY')
  fs.mkdirSync(directory, { recursive: true })
  for (const { path, question } of [
    sampleAddresses(directory),
    sampleOrders(directory),
    sampleColumns(directory),
    sampleText(directory),
  ])
    console.log(path, question)
}
