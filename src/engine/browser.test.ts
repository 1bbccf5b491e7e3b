/**
 * The engine in a browser: what is below the doors imports nothing of Node. A server of this test hands the sources out
 * with their types stripped, and a page maps a file on a memory device, faults, stores and syncs, on the event loop of
 * the browser.
 */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { createServer, type Server } from 'node:http'
import { stripTypeScriptTypes } from 'node:module'
import { join, normalize } from 'node:path'
import { type TestContext, test } from 'node:test'
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

/** Runs in the page. */
const PROGRAM = `
import { ROOT } from '/base/index.ts'
import { MemoryDevice } from '/device/index.ts'
import { LinearFile } from '/fs/index.ts'
import { Engine } from '/engine/index.ts'
import { newVmFault } from '/memmap/index.ts'
import { faultArgs, newOpening, PROT_READ, PROT_WRITE } from '/mm/index.ts'
import { Attempts, Cold, View } from '/mmu/index.ts'
import { RealDriver } from '/sched/index.ts'
import { msyncArgs } from '/space/index.ts'

const PAGE = 4096
const ended = new Map()
const watcher = { began() {}, waits() {}, resumes() {}, ended: task => ended.get(task)?.() }
const driver = new RealDriver()
const engine = new Engine({ driver, buffer: new ArrayBuffer(65 * PAGE), pageSize: PAGE, watcher })
driver.attach(engine.scheduler)
const device = new MemoryDevice(engine.scheduler, { length: 256 * PAGE })
for (let page = 0; page < 256; page++) device.poke(page * PAGE, new Uint8Array(PAGE).fill(page % 251))
const backing = new LinearFile(device, engine.io, engine.memory, { stablePages: false, spaceFor: 256 })
const file = engine.cache.add('data', 256 * PAGE, backing)
const open = newOpening(file)
const space = engine.mm.createSpace({ name: 'page', group: ROOT, commandLine: 'page' })

function perform(verb, args) {
  const task = engine.scheduler.spawn(verb, args, { name: 'page', group: ROOT })
  return new Promise(resolve => {
    ended.set(task, () => resolve(task))
    driver.pump()
  })
}

const plan = { prot: PROT_READ | PROT_WRITE, share: 'shared', open, pageOffset: 0, advice: 'normal' }
const mapped = await perform(engine.verbs.map, { space, pages: 256, fixed: undefined, locked: false, start: 0, plan })
const start = mapped.args.start
const attempts = new Attempts({ enter() {}, leave() {}, misuse: (rule, cause) => new Error(rule, { cause }) })
const mapping = {
  view: new View(space.table, engine.memory.frames, start, 256 * PAGE, attempts.undo),
  chooseView() {},
}

async function run(section) {
  for (;;) {
    const value = attempts.attempt(mapping, section)
    if (!(value instanceof Cold)) return value
    for (const { miss: { vpn, access } } of value.misses)
      await perform(engine.verbs.fault, faultArgs(space, newVmFault(vpn, access, ROOT, engine.scheduler.now()), 'go on'))
  }
}

let sum = 0
for (let page = 0; page < 256; page++) sum += await run(view => view.u8(page * PAGE))
await run(view => view.setU32(200 * PAGE, 0x01020304))
const synced = await perform(engine.verbs.msync, msyncArgs(space, start, start + 256))
const durable = new Uint8Array(4)
device.peek(200 * PAGE, durable)
window.result = { sum, errno: mapped.errno + synced.errno, durable: [...durable], faults: space.stat.faults > 0 }
`

/** Hands out the sources as a browser can run them, and a page that runs the program. */
async function serve(t: TestContext): Promise<string> {
  const server: Server = createServer((request, response) => {
    const path = normalize(new URL(request.url ?? '/', 'http://host').pathname)
    if (path === '/') {
      response.setHeader('content-type', 'text/html')
      response.end(`<!doctype html><title>engine</title><script type="module">${PROGRAM}</script>`)
      return
    }
    const source = join(SOURCES, path)
    if (!path.endsWith('.ts') || !fs.existsSync(source)) {
      response.statusCode = 404
      response.end()
      return
    }
    response.setHeader('content-type', 'text/javascript')
    response.end(stripTypeScriptTypes(fs.readFileSync(source, 'utf8')))
  })
  await new Promise<void>(listening => server.listen(0, '127.0.0.1', listening))
  t.after(() => server.close())
  const address = server.address()
  return typeof address === 'object' ? `http://127.0.0.1:${address?.port}/` : ''
}

test('the engine maps, faults, stores and syncs in a browser', { timeout: 60_000 }, async t => {
  if (!fs.existsSync(CHROMIUM)) {
    t.skip(`there is no browser at ${CHROMIUM}`)
    return
  }
  const address = await serve(t)
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: ARGUMENTS })
  t.after(() => browser.close())
  const page = await browser.newPage()
  const errors: string[] = []
  page.on('pageerror', error => errors.push(String(error)))
  page.on('console', message => errors.push(message.text()))
  await page.goto(address)
  const result = await Promise.race([
    page.waitForFunction('window.result').then(handle => handle.jsonValue()),
    page.waitForEvent('pageerror').then(error => Promise.reject(error)),
  ]).catch(error => assert.fail(`${error}\n${errors.join('\n')}`))
  let sum = 0
  for (let byte = 0; byte < 256; byte++) sum += byte % 251
  assert.deepEqual(result, { sum, errno: 0, durable: [4, 3, 2, 1], faults: true })
})
