/**
 * apache-arrow on an IPC file of many record batches that is bigger than the memory it may have: the sum of a column.
 *
 *     node examples/columns.ts FILE.arrow COLUMN
 *
 * The reader hands out one batch after the other, whose columns are typed arrays over the mapping itself. A whole Table
 * would be so too: but then each batch's bookkeeping stays in the heap.
 */
import { isMainThread } from 'node:worker_threads'
import { RecordBatchReader } from 'apache-arrow'
import { answer, argumentsFor, inWorker } from './mapped.ts'

if (isMainThread) {
  const [path, column] = argumentsFor('FILE', 'COLUMN')
  const { answer: found, facts } = await inWorker(import.meta.url, path, 'sequential', column)
  console.log(JSON.stringify(found))
  console.error(JSON.stringify(facts))
} else {
  answer((bytes, column: string) => {
    let batches = 0
    let rows = 0
    let sum = 0
    let copied = 0
    for (const batch of RecordBatchReader.from(bytes)) {
      const values = batch.getChild(column)
      if (values === null) throw new Error(`the file has no column ${column}`)
      for (const { values: part } of values.data) {
        for (const value of part) sum += value
        if (part.buffer !== bytes.buffer) copied += part.byteLength
      }
      batches++
      rows += batch.numRows
    }
    return { batches, rows, sum, copied }
  })
}
