/**
 * The engine in a browser: what is below the doors imports nothing of Node. A server of this test hands the sources out
 * with their types stripped, and a page maps a file on a memory device, faults, stores and syncs, on the event loop of
 * the browser.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inBrowser, NO_BROWSER } from './browser.suite.ts'

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

test('the engine maps, faults, stores and syncs in a browser', {
  timeout: 60_000,
  skip: NO_BROWSER,
}, async t => {
  const result = await inBrowser(t, PROGRAM)
  let sum = 0
  for (let byte = 0; byte < 256; byte++) sum += byte % 251
  assert.deepEqual(result, { sum, errno: 0, durable: [4, 3, 2, 1], faults: true })
})
