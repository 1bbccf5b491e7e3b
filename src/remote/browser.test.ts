/**
 * Files on servers in a browser: the engine in a worker, ranges by the browser's own fetch, from a server of another origin that
 * behaves and misbehaves.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { inBrowser, NO_BROWSER } from '../engine/browser.suite.ts'
import {
  afterOpening,
  BEHAVIOURS,
  type Behaviour,
  forAWhile,
  MisbehavingServer,
  wellBehaved,
} from './misbehaving-server.suite.ts'

const MIB = 2 ** 20
const BODY = new Uint8Array(3 * MIB + 77).map((_, at) => (at * 31 + (at >> 12)) & 0xff)

/** Opens each file that the page names in one machine of 1 MiB, reads it page by page through a mapping, and says what it saw. */
const WORKER = `
import {
  Attempts, Cold, Engine, faultArgs, httpDevice, LinearFile, newReadState, newVmFault, PROT_READ, RealDriver, RemoteError, ROOT, View,
} from '/machine.ts'

const PAGE = 4096
const ended = new Map()
const watcher = { began() {}, waits() {}, resumes() {}, ended: task => ended.get(task)?.() }
const driver = new RealDriver()
const engine = new Engine({ driver, buffer: new ArrayBuffer(257 * PAGE), pageSize: PAGE, watcher })
driver.attach(engine.scheduler)
const space = engine.mm.createSpace({ name: 'worker', group: ROOT, commandLine: 'worker' })

function perform(verb, args) {
  const task = engine.scheduler.spawn(verb, args, { name: 'worker', group: ROOT })
  return new Promise(resolve => {
    ended.set(task, () => resolve(task))
    driver.pump()
  })
}

async function look(url, settings) {
  const device = await httpDevice(url, { pump: () => driver.pump(), ...settings })
  const backing = new LinearFile(device, engine.io, engine.memory, { stablePages: false, spaceFor: 0 })
  const file = engine.cache.add(device.name, device.length, backing)
  const open = { file, read: newReadState('normal'), readOnly: true, mappings: 0, seen: 0 }
  const pages = Math.ceil(device.length / PAGE)
  const plan = { prot: PROT_READ, share: 'shared', open, pageOffset: 0, advice: 'normal' }
  const { args } = await perform(engine.verbs.map, { space, pages, fixed: undefined, locked: false, start: 0, plan })
  const attempts = new Attempts({ enter() {}, leave() {}, misuse: (rule, cause) => new Error(rule, { cause }) })
  const mapping = {
    view: new View(space.table, engine.memory.frames, args.start, pages * PAGE, attempts.undo),
    chooseView() {},
  }
  let sum = 0
  for (let page = 0; page < pages; page++)
    for (;;) {
      const value = attempts.attempt(mapping, view => view.u8(page * PAGE) + view.u8(page * PAGE + 76))
      if (!(value instanceof Cold)) {
        sum += value
        break
      }
      for (const { miss } of value.misses) {
        const fault = newVmFault(miss.vpn, miss.access, ROOT, engine.scheduler.now())
        const { errno } = await perform(engine.verbs.fault, faultArgs(space, fault, 'go on'))
        if (errno !== 0) throw device.lastFailure ?? new Error('errno ' + errno)
      }
    }
  return { length: device.length, sum, requests: device.counts.requests > 0 }
}

onmessage = async ({ data: { url, settings } }) => {
  try {
    postMessage(await look(url, settings))
  } catch (error) {
    postMessage({ code: error instanceof RemoteError ? error.code : String(error), message: error.message })
  }
}
`

const page = (urls: readonly string[], settings: object) => `
const results = []
const worker = new Worker('/worker.js', { type: 'module' })
worker.onerror = error => { throw new Error(error.message) }
for (const url of ${JSON.stringify(urls)})
  results.push(await new Promise(resolve => {
    worker.onmessage = ({ data }) => resolve(data)
    worker.postMessage({ url, settings: ${JSON.stringify(settings)} })
  }))
window.result = results
`

interface Seen {
  readonly length?: number
  readonly sum?: number
  readonly code?: string
  readonly message?: string
}

function expected(): number {
  let sum = 0
  for (let at = 0; at < BODY.length; at += 4096) sum += BODY[at]! + (BODY[at + 76] ?? 0)
  return sum
}

describe('a file on a server, in a worker of a browser', { skip: NO_BROWSER, timeout: 120_000 }, () => {
  test('is mapped, though it is longer than memory, and each way of misbehaving ends in right bytes or a typed error', async t => {
    const cases: readonly (readonly [string, Behaviour, string])[] = [
      ['well', wellBehaved, 'right bytes'],
      ['503 for a while', forAWhile(2, BEHAVIOURS['busy with 503']), 'right bytes'],
      ['cut short', forAWhile(1, BEHAVIOURS['a body cut short']), 'right bytes'],
      ['another range', forAWhile(1, BEHAVIOURS['another range than asked for']), 'right bytes'],
      ['reset', forAWhile(1, BEHAVIOURS['a reset in the middle of the body']), 'right bytes'],
      ['changed', afterOpening(BEHAVIOURS['another ETag in the middle']), 'ESTALE'],
      ['gone', afterOpening(BEHAVIOURS['gone with 404']), 'ESTALE'],
      ['whole', afterOpening(BEHAVIOURS['the whole file with 200']), 'ENOTSUP'],
      ['not there', BEHAVIOURS['gone with 404'], 'ENOENT'],
      ['stalls', afterOpening(BEHAVIOURS['a body that stalls']), 'ETIMEDOUT|EREMOTEIO'],
      [
        'a server that lets pages of other origins see nothing',
        (ask, server) => {
          ask.response.removeHeader('access-control-expose-headers')
          wellBehaved(ask, server)
        },
        'EPROTO',
      ],
    ]
    const servers = await Promise.all(cases.map(([, behaviour]) => MisbehavingServer.start(BODY, behaviour)))
    t.after(() => Promise.all(servers.map(server => server[Symbol.asyncDispose]())))
    const settings = { headersWithin: 1000, progressWithin: 300, deadline: 3000, wholeMax: MIB }
    const seen = (await inBrowser(
      t,
      page(
        servers.map(({ url }) => url),
        settings,
      ),
      WORKER,
    )) as Seen[]
    for (const [at, [name, , end]] of cases.entries()) {
      const { length, sum, code, message } = seen[at]!
      if (end === 'right bytes')
        assert.deepEqual([length, sum], [BODY.length, expected()], `${name}: ${code} ${message}`)
      else
        assert.ok(
          end.split('|').includes(code!),
          `${name}: ${JSON.stringify(seen[at])}, of ${expected()}, ${servers[at]!.asked.length} requests`,
        )
      t.diagnostic(
        `${name}: ${code ?? 'right bytes'} ${message ?? ''}, ${servers[at]!.asked.length} requests`,
      )
      // A browser asks a server for leave before a request that isn't simple.
      assert.ok(servers[at]!.headers.every(headers => headers['access-control-request-method'] === undefined))
    }
  })
})
