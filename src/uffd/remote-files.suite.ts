/** A server of one file in a thread of its own, for programs whose own thread stands still at a missing page. */
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import {
  afterOpening,
  BEHAVIOURS,
  type Behaviour,
  MisbehavingServer,
  wellBehaved,
} from '../remote/misbehaving-server.suite.ts'

const LENGTH = 5 * 2 ** 20 + 77
export const BODY = new Uint8Array(LENGTH).map((_, at) => (at * 31 + (at >> 12)) & 0xff)

export type Manner = 'well' | 'never from 2 MiB on' | keyof typeof BEHAVIOURS

/** The answer to a range from 2 MiB on never comes. */
const silent: Behaviour = (ask, server) => {
  if (ask.from < 2 * 2 ** 20) wellBehaved(ask, server)
}

/** Its address. Nothing is left of it after `close`. */
export async function serve(
  manner: Manner,
): Promise<{ readonly url: string; close(): Promise<unknown>; asked(): Promise<number> }> {
  const worker = new Worker(new URL(import.meta.url), { workerData: { manner } })
  const next = () => new Promise<unknown>(resolve => worker.once('message', resolve))
  const url = String(await next())
  const asked = async () => {
    const answer = next()
    worker.postMessage('asked')
    return Number(await answer)
  }
  return { url, asked, close: () => worker.terminate() }
}

function behaviourOf(manner: Manner): Behaviour {
  if (manner === 'well') return wellBehaved
  return afterOpening(manner === 'never from 2 MiB on' ? silent : BEHAVIOURS[manner])
}

const { manner } = (workerData ?? {}) as { readonly manner?: Manner }
if (!isMainThread && manner !== undefined) {
  const server = await MisbehavingServer.start(BODY, behaviourOf(manner))
  parentPort!.on('message', () => parentPort!.postMessage(server.asked.length))
  parentPort!.postMessage(server.url)
}
