/** What may be chosen about asking a server, and what is chosen where nothing is said. */
import type { Bytes } from '../base/index.ts'
import { Once } from './once.ts'
import type { Pin } from './version.ts'

/** fetch, as the platform has it. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>

/** Headers that say who asks. Asked for anew when the server says it doesn't know who asks. */
export interface Authorization {
  /** The headers to send with this very request, those given included; of a GET if no method is told. */
  headersFor(
    url: string,
    headers: Readonly<Record<string, string>>,
    method?: string,
  ): Promise<Readonly<Record<string, string>>>
  /** What was known may have run out: ask again at the next request. False: there is nothing fresh to be had. */
  refresh(): boolean
}

export interface RemoteSettings {
  readonly fetch: Fetch
  readonly authorization: Authorization
  readonly pin: Pin
  /** Ranges of one origin that are asked for at once. */
  readonly connections: number
  /** Milliseconds until the head of an answer must be there. */
  readonly headersWithin: number
  /** Milliseconds in which the body must bring a byte. */
  readonly progressWithin: number
  /** Milliseconds from asking for a range to having it, all retries included. */
  readonly deadline: number
  /** A server that knows no ranges may send a file of so many bytes whole. */
  readonly wholeMax: Bytes
  /** Whether the version is also asked for (If-Match), or only compared: a browser would ask the server for leave each time. */
  readonly preconditions: 'sent' | 'compared'
}

export const REMOTE_DEFAULTS: Omit<RemoteSettings, 'fetch' | 'authorization'> = {
  pin: 'strong',
  connections: 16,
  headersWithin: 5000,
  progressWithin: 5000,
  deadline: 30_000,
  wholeMax: 8 * 2 ** 20,
  preconditions: 'document' in globalThis || 'WorkerGlobalScope' in globalThis ? 'compared' : 'sent',
}

/** Headers that never change. */
export const plainHeaders = (given: Readonly<Record<string, string>>): Authorization => ({
  headersFor: async (_, headers) => ({ ...headers, ...given }),
  refresh: () => false,
})

/** Headers that a function tells; it is asked again when they were refused. */
export function freshHeaders(ask: () => Promise<Readonly<Record<string, string>>>): Authorization {
  const known = new Once(ask)
  return {
    headersFor: async (_, headers) => ({ ...headers, ...(await known.get()) }),
    refresh() {
      known.forget()
      return true
    },
  }
}
