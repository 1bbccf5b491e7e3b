/**
 * The examples, run as a user runs them, on files that are bigger than the memory they may have: what they find is what the
 * library finds in the whole file in the heap, memory stays within its limit, and the event loop goes on meanwhile.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { promisify } from 'node:util'
import { RecordBatchReader } from 'apache-arrow'
import { FaultlineError, start } from 'faultline'
import { ByteBuffer } from 'flatbuffers'
import { Reader } from 'mmdb-lib'
import type { Facts } from './mapped.ts'
import { Order, Orders } from './order.ts'
import { type Sample, sampleAddresses, sampleColumns, sampleOrders, sampleText } from './samples.ts'

/** Why this host has no hardware MMU for us; false: it has. */
const unavailable = await start({ mmu: 'hardware', memory: '1 MiB' }).then<false, string>(
  async (machine): Promise<false> => {
    await machine.close()
    return false
  },
  (error: unknown) => {
    if (error instanceof FaultlineError && error.code === 'ENOTSUP') return error.message
    throw error
  },
)

describe('examples', { skip: unavailable }, () => {
  let directory = ''
  before(() => {
    directory = fs.mkdtempSync(join(os.tmpdir(), 'faultline-examples-'))
  })
  after(() => fs.rmSync(directory, { recursive: true }))

  test('addresses: mmdb-lib finds what it finds in the heap', async () => {
    const sample = sampleAddresses(directory)
    const lines = await run('addresses.ts', sample)
    const reader = new Reader(fs.readFileSync(sample.path))
    const addresses = fs.readFileSync(sample.question, 'utf8').trimEnd().split('\n')
    assert.deepEqual(
      lines,
      addresses.map(address => `${address} ${JSON.stringify(reader.get(address))}`),
    )
    const unknown = lines.filter(line => line.endsWith(' null')).length
    assert.ok(unknown > 0 && unknown < lines.length, 'some addresses are known and some are not')
  })

  test('orders: flatbuffers reads every table of a vector', async () => {
    const sample = sampleOrders(directory)
    const [line] = await run('orders.ts', sample)
    const orders = new Orders(new ByteBuffer(new Uint8Array(fs.readFileSync(sample.path))))
    const each = Array.from({ length: orders.length }, (_, at) => orders.get(at, new Order()))
    const dearest = each.reduce((best, order) => (order.price() > best.price() ? order : best))
    assert.deepEqual(JSON.parse(line!), {
      orders: each.length,
      total: each.reduce((sum, order) => sum + order.price(), 0),
      dearest: dearest.id(),
      customer: dearest.customer(),
    })
  })

  test('columns: apache-arrow sums a column of many batches, and copies nothing', async () => {
    const sample = sampleColumns(directory)
    const [line] = await run('columns.ts', sample)
    let [batches, rows, sum] = [0, 0, 0]
    for (const batch of RecordBatchReader.from(fs.readFileSync(sample.path))) {
      for (const value of batch.getChild(sample.question)!.toArray()) sum += value
      batches++
      rows += batch.numRows
    }
    assert.deepEqual(JSON.parse(line!), { batches, rows, sum, copied: 0 })
  })

  test('search: Buffer.indexOf finds every place, also over the end of a page', async () => {
    const sample = sampleText(directory)
    const places = (await run('search.ts', sample)).map(Number)
    const parts = fs.readFileSync(sample.path, 'latin1').split(sample.question)
    let at = 0
    const expected = parts.slice(0, -1).map(part => {
      at += part.length + sample.question.length
      return at - sample.question.length
    })
    assert.deepEqual(places, expected)
    assert.ok(places.some(place => (place % 4096) + sample.question.length > 4096))
  })
})

/** Runs an example on a sample. Returns the lines that it prints, after a look at its facts. */
async function run(program: string, { path, question }: Sample): Promise<string[]> {
  const { stdout, stderr } = await promisify(execFile)(
    process.execPath,
    [
      '--conditions=faultline-source',
      join(import.meta.dirname, program),
      path,
      ...(question === '' ? [] : [question]),
    ],
    { maxBuffer: 2 ** 26 },
  )
  const facts = JSON.parse(stderr.trimEnd().split('\n').at(-1)!) as Facts
  const { fileBytes, memoryMax, residentMost, faults, faultsInOneTurn } = facts
  assert.ok(fileBytes > 2 * memoryMax, 'the file is bigger than its memory')
  assert.ok(residentMost > 0 && residentMost <= memoryMax, `${residentMost} bytes were in memory`)
  assert.ok(
    faultsInOneTurn < faults / 2,
    `the event loop stood still for ${faultsInOneTurn} of ${faults} faults`,
  )
  return stdout.trimEnd().split('\n')
}
