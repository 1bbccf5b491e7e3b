/** The engine put together, on a memory device under a simulated clock: the smallest whole machine. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ROOT } from '../base/index.ts'
import { MemoryDevice } from '../device/index.ts'
import { LinearFile } from '../fs/index.ts'
import { newVmFault } from '../memmap/index.ts'
import { DISCIPLINES, faultArgs, newOpening, PROT_READ, PROT_WRITE } from '../mm/index.ts'
import { TimedDriver } from '../sched/index.ts'
import { Engine } from './engine.ts'

for (const discipline of DISCIPLINES)
  test(`a page of a file is read through a mapping and stored to, under ${discipline.name}`, () => {
    const driver = new TimedDriver()
    const engine = new Engine({ driver, buffer: new ArrayBuffer(65 * 4096), pageSize: 4096, discipline })
    const { scheduler, verbs, mm } = engine
    const device = new MemoryDevice(scheduler, { length: 1 << 20 })
    device.poke(0, new Uint8Array(8192).fill(7))
    const backing = new LinearFile(device, engine.io, engine.memory, { stablePages: true, spaceFor: 256 })
    const file = engine.cache.add('data', 1 << 20, backing)
    const open = newOpening(file)
    const space = mm.createSpace({ name: 'a', group: ROOT, commandLine: 'a' })
    const who = { name: 'a', group: ROOT }
    const mapped = scheduler.spawn(
      verbs.map,
      {
        space,
        pages: 256,
        fixed: undefined,
        locked: false,
        start: 0,
        plan: { prot: PROT_READ | PROT_WRITE, share: 'shared', open, pageOffset: 0, advice: 'normal' },
      },
      who,
    )
    driver.runUntil(scheduler, 1e9)
    assert.equal(mapped.errno, 0)
    const { start } = mapped.args
    const store = scheduler.spawn(
      verbs.fault,
      faultArgs(space, newVmFault(start + 1, 'store', ROOT, 0), 'go on'),
      who,
    )
    driver.runUntil(scheduler, 2e9)
    assert.equal(store.state, 'ended')
    assert.equal(store.errno, 0)
    assert.equal(engine.memory.frames.bytes(store.args.fault.frame)[0], 7)
    assert.equal(space.stat.mkwrites, 1)
    assert.equal(space.stat.ioUnderLock, discipline.read === 'keep' ? 1 : 0)
    engine.memory.frames.bytes(store.args.fault.frame).fill(9)
    driver.runUntil(scheduler, 60e9)
    assert.equal(engine.cache.dirtyPages, 0)
    const written = new Uint8Array(1)
    device.peek(4096, written)
    assert.equal(written[0], 9)
  })
