/** A way to a bucket that can refuse everything, and that loses answers of puts: what it loses was done. */

import { once } from 'node:events'
import { request as ask, createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'

export class RefusingProxy {
  isRefusing = false
  /** Of so many puts the answer of one is lost; 0: of none. */
  loses = 0
  refused = 0
  lost = 0
  private puts = 0
  private readonly server: Server

  private constructor(target: string) {
    this.server = createServer((given, answer) => {
      if (this.isRefusing) {
        this.refused++
        answer.writeHead(503).end()
        given.resume()
        return
      }
      const loses = given.method === 'PUT' && this.loses > 0 && ++this.puts % this.loses === 0
      const { host: _, ...headers } = given.headers
      const forwarded = ask(new URL(given.url!, target), { method: given.method!, headers }, found => {
        if (loses) {
          this.lost++
          found.resume()
          answer.destroy()
          return
        }
        answer.writeHead(found.statusCode!, found.headers)
        found.pipe(answer)
      })
      forwarded.on('error', () => answer.destroy())
      given.pipe(forwarded)
    })
  }

  static async start(target: string): Promise<RefusingProxy> {
    const proxy = new RefusingProxy(target)
    proxy.server.listen(0, '127.0.0.1')
    await once(proxy.server, 'listening')
    return proxy
  }

  get address(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`
  }

  async stop(): Promise<void> {
    const closed = once(this.server, 'close')
    this.server.close()
    this.server.closeAllConnections()
    await closed
  }
}
