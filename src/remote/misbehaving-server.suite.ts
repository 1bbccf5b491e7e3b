/**
 * A server of one file that misbehaves on purpose, as servers of other people do: each way has a name and is a function of
 * the request. Between them it serves ranges as it should.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Ask {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly from: number
  /** Exclusive, and not beyond the end of the file. */
  readonly to: number
  /** Requests before this one. */
  readonly nth: number
}

export type Behaviour = (ask: Ask, server: MisbehavingServer) => void

export class MisbehavingServer {
  url = ''
  body: Uint8Array
  etag = '"one"'
  /** In order of their coming. */
  readonly asked: { readonly from: number; readonly to: number }[] = []
  readonly headers: IncomingMessage['headers'][] = []
  private readonly server = createServer((request, response) => this.take(request, response))
  private readonly behaviour: Behaviour

  private constructor(body: Uint8Array, behaviour: Behaviour) {
    this.body = body
    this.behaviour = behaviour
  }

  static async start(body: Uint8Array, behaviour: Behaviour = wellBehaved): Promise<MisbehavingServer> {
    const server = new MisbehavingServer(body, behaviour)
    await new Promise<void>(done => server.server.listen(0, '127.0.0.1', done))
    server.url = `http://127.0.0.1:${(server.server.address() as AddressInfo).port}/file.bin`
    return server
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.server.closeAllConnections()
    await new Promise(done => this.server.close(done))
  }

  private take(request: IncomingMessage, response: ServerResponse): void {
    const [, first = '0', last = ''] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') ?? []
    const from = Number(first)
    const to = Math.min(this.body.length, last === '' ? Infinity : Number(last) + 1)
    const nth = this.asked.length
    this.asked.push({ from, to })
    this.headers.push(request.headers)
    response.on('error', () => {})
    // What a page of another origin must be told before it sees them.
    response.setHeader('access-control-allow-origin', '*')
    response.setHeader('access-control-expose-headers', 'content-range, etag')
    this.behaviour({ request, response, from, to, nth }, this)
  }
}

export function wellBehaved({ request, response, from, to }: Ask, { body, etag }: MisbehavingServer): void {
  if (request.headers['if-match'] !== undefined && request.headers['if-match'] !== etag) {
    response.writeHead(412, { etag }).end()
    return
  }
  if (from >= body.length) {
    response.writeHead(416, { 'content-range': `bytes */${body.length}` }).end()
    return
  }
  response.writeHead(206, {
    etag,
    'content-range': `bytes ${from}-${to - 1}/${body.length}`,
    'content-length': to - from,
  })
  response.end(body.subarray(from, to))
}

/** Behaves well at the first request, by which a file is opened, and as `next` says from then on. */
export const afterOpening =
  (next: Behaviour): Behaviour =>
  (ask, server) =>
    (ask.nth === 0 ? wellBehaved : next)(ask, server)

/** Misbehaves `times` times after the opening, then behaves well again. */
export const forAWhile = (times: number, next: Behaviour): Behaviour =>
  afterOpening((ask, server) => (ask.nth <= times ? next : wellBehaved)(ask, server))

const partHeaders = ({ from, to }: Ask, { body, etag }: MisbehavingServer) => ({
  etag,
  'content-range': `bytes ${from}-${to - 1}/${body.length}`,
})

export const BEHAVIOURS = {
  'another range than asked for': ({ response, from, to }, { body, etag }) => {
    const headers = { etag, 'content-range': `bytes ${from + 1}-${to}/${body.length}` }
    response.writeHead(206, headers).end(body.subarray(from + 1, to + 1))
  },
  'a range without saying which': ({ response, from, to }, { body, etag }) => {
    response.writeHead(206, { etag }).end(body.subarray(from, to))
  },
  'the whole file with 200': ({ response }, { body, etag }) => {
    response.writeHead(200, { etag, 'content-length': body.length }).end(body)
  },
  'the whole file with 200, its length untold': ({ response }, { body, etag }) => {
    response.writeHead(200, { etag, 'transfer-encoding': 'chunked' }).end(body)
  },
  'a body cut short': (ask, server) => {
    const { response, from, to } = ask
    response.writeHead(206, { ...partHeaders(ask, server), 'content-length': to - from })
    response.write(server.body.subarray(from, from + (to - from) / 2), () => response.destroy())
  },
  'a body that ends early, politely': (ask, server) => {
    const { response, from, to } = ask
    response.writeHead(206, partHeaders(ask, server)).end(server.body.subarray(from, to - 1))
  },
  'a body with bytes too many': (ask, server) => {
    const { response, from, to } = ask
    response.writeHead(206, partHeaders(ask, server))
    response.end(Buffer.concat([server.body.subarray(from, to), Buffer.alloc(100)]))
  },
  'a body that stalls': (ask, server) => {
    const { response, from, to } = ask
    response.writeHead(206, { ...partHeaders(ask, server), 'content-length': to - from })
    response.write(server.body.subarray(from, from + 10))
  },
  'no answer at all': () => {},
  'a reset connection': ({ request }) => {
    request.socket.resetAndDestroy()
  },
  'a reset in the middle of the body': (ask, server) => {
    const { request, response, from, to } = ask
    response.writeHead(206, { ...partHeaders(ask, server), 'content-length': to - from })
    response.write(server.body.subarray(from, from + 1000), () => request.socket.resetAndDestroy())
  },
  'busy with 503': ({ response }) => {
    response.writeHead(503).end('SlowDown')
  },
  'busy with 429 and Retry-After': ({ response }) => {
    response.writeHead(429, { 'retry-after': '0' }).end()
  },
  'busy for an hour': ({ response }) => {
    response.writeHead(503, { 'retry-after': '3600' }).end()
  },
  'gzip, though asked for none': (ask, server) => {
    const headers = { ...partHeaders(ask, server), 'content-encoding': 'gzip' }
    ask.response.writeHead(206, headers).end(Buffer.from('1f8b08', 'hex'))
  },
  'a redirect to a place that knows no ranges': ({ request, response }, { body, etag }) => {
    if (request.url === '/elsewhere')
      response.writeHead(200, { etag, 'content-length': body.length }).end(body)
    else response.writeHead(302, { location: '/elsewhere' }).end()
  },
  'a redirect to a good place': (ask, server) => {
    if (ask.request.url === '/elsewhere') wellBehaved(ask, server)
    else ask.response.writeHead(302, { location: '/elsewhere' }).end()
  },
  'redirects for ever': ({ response }) => {
    response.writeHead(302, { location: '/file.bin' }).end()
  },
  '416 for a file that was cut, before 412': ({ response }) => {
    response.writeHead(416, { 'content-range': 'bytes */5' }).end()
  },
  '416 without a length': ({ response }) => {
    response.writeHead(416).end()
  },
  '416 inside the file': ({ response }, { body }) => {
    response.writeHead(416, { 'content-range': `bytes */${body.length}` }).end()
  },
  'another ETag in the middle': (ask, server) => {
    const { response, from, to } = ask
    response
      .writeHead(206, { ...partHeaders(ask, server), etag: '"two"' })
      .end(server.body.subarray(from, to))
  },
  'no ETag in the middle': ({ response, from, to }, { body }) => {
    const headers = { 'content-range': `bytes ${from}-${to - 1}/${body.length}` }
    response.writeHead(206, headers).end(body.subarray(from, to))
  },
  'the same ETag with another length': ({ response, from, to }, { body, etag }) => {
    const headers = { etag, 'content-range': `bytes ${from}-${to - 1}/${body.length + 1}` }
    response.writeHead(206, headers).end(body.subarray(from, to))
  },
  'gone with 404': ({ response }) => {
    response.writeHead(404).end()
  },
  'who are you, with 403': ({ response }) => {
    response.writeHead(403).end()
  },
  'an answer to another question': ({ response }) => {
    response.writeHead(204).end()
  },
  'no HTTP at all': ({ request }) => {
    request.socket.end('SSH-2.0-OpenSSH_9.2\r\n')
  },
} satisfies Readonly<Record<string, Behaviour>>
