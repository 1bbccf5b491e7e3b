/**
 * A server of files in memory, in a thread of its own, that is as far away as it is told: each answer begins after a round
 * trip, and one in twenty only after ten. Counts what it was asked.
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { type Bytes, Prng } from '../base/index.ts'

/** A round trip in milliseconds, and the share of answers that take ten of them: chosen, as a bucket of the same continent has. */
export const ROUND_TRIP = 20
const SLOW_SHARE = 0.05
const SLOW_TIMES = 10
const SEED = 17

export interface Counted {
  readonly requests: number
  /** Of bodies. */
  readonly bytes: Bytes
}

export interface FarServer {
  /** Of the file of that name. */
  address(name: string): string
  /** Since it was last asked. */
  counted(): Promise<Counted>
  close(): Promise<unknown>
}

interface Told {
  readonly files: ReadonlyMap<string, Uint8Array>
  readonly roundTrip: number
}

export async function farServer(
  files: ReadonlyMap<string, Uint8Array>,
  roundTrip = ROUND_TRIP,
): Promise<FarServer> {
  const worker = new Worker(new URL(import.meta.url), { workerData: { files, roundTrip } satisfies Told })
  const next = () => new Promise<unknown>(resolve => worker.once('message', resolve))
  const origin = String(await next())
  return {
    address: name => `${origin}/${name}`,
    async counted() {
      const answer = next()
      worker.postMessage('counted')
      return (await answer) as Counted
    },
    close: () => worker.terminate(),
  }
}

function serve({ files, roundTrip }: Told): void {
  const prng = new Prng(SEED)
  let counted = { requests: 0, bytes: 0 }
  const server = createServer((request, response) => {
    const body = files.get((request.url ?? '').slice(1))
    if (body === undefined) return void response.writeHead(404).end()
    const [, first = '0', last = ''] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') ?? []
    const from = Math.min(Number(first), body.length)
    const to =
      request.method === 'HEAD' ? from : Math.min(body.length, last === '' ? Infinity : Number(last) + 1)
    counted = { requests: counted.requests + 1, bytes: counted.bytes + to - from }
    const slow = prng.below(1000) < SLOW_SHARE * 1000
    response.on('error', () => {})
    setTimeout(
      () => {
        const length = request.method === 'HEAD' ? body.length : to - from
        const head = { etag: '"1"', 'accept-ranges': 'bytes', 'content-length': length }
        if (request.headers.range === undefined) response.writeHead(200, head)
        else response.writeHead(206, { ...head, 'content-range': `bytes ${from}-${to - 1}/${body.length}` })
        response.end(body.subarray(from, to))
      },
      roundTrip * (slow ? SLOW_TIMES : 1),
    )
  })
  parentPort!.on('message', () => {
    parentPort!.postMessage(counted)
    counted = { requests: 0, bytes: 0 }
  })
  server.listen(0, '127.0.0.1', () =>
    parentPort!.postMessage(`http://127.0.0.1:${(server.address() as AddressInfo).port}`),
  )
}

if (!isMainThread && (workerData as Partial<Told> | undefined)?.files !== undefined) serve(workerData as Told)
