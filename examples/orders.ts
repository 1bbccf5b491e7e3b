/**
 * flatbuffers on a vector of tables that is bigger than the memory it may have: how much did the orders cost, and whose
 * was the dearest?
 *
 *     node examples/orders.ts ORDERS.bin
 *
 * flatbuffers reads any Uint8Array in place, so it takes the mapping as it is.
 */
import { isMainThread } from 'node:worker_threads'
import { ByteBuffer } from 'flatbuffers'
import { answer, argumentsFor, inWorker } from './mapped.ts'
import { Order, Orders } from './order.ts'

if (isMainThread) {
  const [path] = argumentsFor('ORDERS')
  const { answer: found, facts } = await inWorker(import.meta.url, path, 'sequential', undefined)
  console.log(JSON.stringify(found))
  console.error(JSON.stringify(facts))
} else {
  answer(bytes => {
    const orders = new Orders(new ByteBuffer(bytes))
    const order = new Order()
    let total = 0
    let dearest = 0
    let most = -1
    for (let at = 0; at < orders.length; at++) {
      const price = orders.get(at, order).price()
      total += price
      if (price <= most) continue
      most = price
      dearest = at
    }
    const { length } = orders
    orders.get(dearest, order)
    return { orders: length, total, dearest: order.id(), customer: order.customer() }
  })
}
