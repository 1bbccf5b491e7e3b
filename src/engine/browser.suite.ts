/** What runs the project's sources in a browser: a server that hands them out with their types stripped, and Chromium. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { createServer, type Server } from 'node:http'
import { stripTypeScriptTypes } from 'node:module'
import { join, normalize } from 'node:path'
import type { TestContext } from 'node:test'
import { chromium } from 'playwright-core'

const CHROMIUM = '/usr/bin/chromium'
const ARGUMENTS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]
const SOURCES = join(import.meta.dirname, '..')

/** Milliseconds that a program has: there are hundreds of sources to load. */
const WITHIN = 100_000

/** Why there can be no browser here; false: there can. */
export const NO_BROWSER: string | false = fs.existsSync(CHROMIUM)
  ? false
  : `there is no browser at ${CHROMIUM}`

/** Runs a program in a page, and `worker` beside it as /worker.js; returns what it sets `window.result` to. */
export async function inBrowser(t: TestContext, program: string, worker = ''): Promise<unknown> {
  const address = await serve(t, program, worker)
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: ARGUMENTS })
  t.after(() => browser.close())
  const page = await browser.newPage()
  const errors: string[] = []
  page.on('pageerror', error => errors.push(String(error)))
  page.on('console', message => errors.push(message.text()))
  await page.goto(address)
  return Promise.race([
    page.waitForFunction('window.result', undefined, { timeout: WITHIN }).then(handle => handle.jsonValue()),
    page.waitForEvent('pageerror', { timeout: WITHIN }).then(error => Promise.reject(error)),
  ]).catch(error => assert.fail(`${error}\n${errors.join('\n')}`))
}

async function serve(t: TestContext, program: string, worker: string): Promise<string> {
  const server: Server = createServer((request, response) => {
    const path = normalize(new URL(request.url ?? '/', 'http://host').pathname)
    if (path === '/') {
      response.setHeader('content-type', 'text/html')
      response.end(`<!doctype html><title>engine</title><script type="module">${program}</script>`)
      return
    }
    response.setHeader('content-type', 'text/javascript')
    const source = join(SOURCES, path)
    if (path === '/worker.js') response.end(worker)
    else if (path.endsWith('.ts') && fs.existsSync(source))
      response.end(stripTypeScriptTypes(fs.readFileSync(source, 'utf8')))
    else {
      response.statusCode = 404
      response.end()
    }
  })
  await new Promise<void>(listening => server.listen(0, '127.0.0.1', listening))
  t.after(() => server.close())
  const address = server.address()
  return typeof address === 'object' ? `http://127.0.0.1:${address?.port}/` : ''
}
