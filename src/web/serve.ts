/**
 * Serves `faultline.html` and files beside it to a browser of this machine, and to nobody else: on the loopback interface, below
 * a path that can't be guessed.
 *
 * Invariants
 *   WB2 Nothing is served but the page and the files that were named, each by its number.
 */
import { randomBytes } from 'node:crypto'
import { createReadStream, readFileSync, statSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { basename } from 'node:path'
import { TraceError } from '../trace/index.ts'
import { CONNECTS, json, SERVED } from './shell.ts'

/** From src/web and from dist/web alike. */
const PAGE = new URL('../../dist/faultline.html', import.meta.url)

export interface Serving {
  readonly address: string
  close(): Promise<void>
}

export async function servePage(files: readonly string[]): Promise<Serving> {
  for (const path of files) assertFile(path)
  const page = pageText(files)
  const token = randomBytes(16).toString('hex')
  const server = createServer((request, response) => answer(request, response, { token, page, files }))
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  const { port } = server.address() as AddressInfo
  return {
    address: `http://127.0.0.1:${port}/${token}/`,
    async close() {
      const closed = new Promise<void>(resolve => server.close(() => resolve()))
      server.closeAllConnections()
      await closed
    },
  }
}

interface Serves {
  readonly token: string
  readonly page: string
  readonly files: readonly string[]
}

function answer({ url = '' }: IncomingMessage, response: ServerResponse, serves: Serves): void {
  const [, token, what = '', number = ''] = url.split('/')
  const path = what === 'file' ? serves.files[Number(number)] : undefined
  response.setHeader('Cache-Control', 'no-store')
  response.setHeader('X-Content-Type-Options', 'nosniff')
  if (token === serves.token && what === '') {
    response.setHeader('Content-Type', 'text/html; charset=utf-8')
    response.end(serves.page)
  } else if (token === serves.token && path !== undefined) {
    response.setHeader('Content-Type', 'application/octet-stream')
    const stream = createReadStream(path)
    // Gone or unreadable since it was named: the browser sees a broken answer, and the page says so.
    stream.on('error', () => response.destroy())
    stream.pipe(response)
  } else {
    response.statusCode = 404
    response.end('there is nothing here\n')
  }
}

function pageText(files: readonly string[]): string {
  let text: string
  try {
    text = readFileSync(PAGE, 'utf8')
  } catch {
    throw new TraceError(
      'the page faultline.html is not built; expected it in dist, npm run build in the checkout makes it',
    )
  }
  const served = files.map((path, at) => ({ name: basename(path), href: `file/${at}` }))
  return text.replace(CONNECTS, "connect-src 'self'").replace(
    SERVED,
    SERVED.replace('[]', () => json(served)),
  )
}

function assertFile(path: string): void {
  const stat = statSync(path, { throwIfNoEntry: false })
  if (stat === undefined) throw new TraceError(`${path} does not exist; expected a trace file`)
  if (stat.isDirectory()) throw new TraceError(`${path} is a folder; expected a trace file`)
}
