/**
 * A program whose calls of Linux fail at a given place: `node --import PRELOAD refusals.suite.ts FILE PLAN`. The preload,
 * which runs in each of its threads, makes the nth call of one function fail, in the threads of one kind; here is what the
 * program does, over and over, for one n after the other, and how each of its calls ended.
 */

import fs from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { FileFace, MachineFace, MappingFace } from '../api/index.ts'
import { FaultlineError } from '../calls/index.ts'
import { start } from './index.ts'

const PAGE = 4096

export interface Plan {
  /** A function of libc, and where it fails: 'main', 'pager-thread' or 'io-thread'. */
  readonly call: string
  readonly thread: string
  readonly errno: number
  readonly times: 'once' | 'for ever'
}

/** Text of a module that breaks koffi's functions. What is to fail now is read from a file, which all threads see. */
export function breaking(control: string): string {
  return `
    import fs from 'node:fs'
    import { createRequire } from 'node:module'
    import { isMainThread } from 'node:worker_threads'
    const koffi = createRequire(${JSON.stringify(fileURLToPath(import.meta.url))})('koffi')
    const { load, errno } = koffi
    const thread = isMainThread ? 'main' : /[a-z]+-thread|watchdog/.exec(process.argv[1])?.[0]
    let failure, round, count
    koffi.errno = () => failure ?? errno()
    koffi.load = path => {
      const library = load(path)
      const func = (name, ...types) => {
        const real = library.func(name, ...types)
        return (...args) => {
          failure = undefined
          const plan = JSON.parse(fs.readFileSync(${JSON.stringify(control)}, 'utf8'))
          if (plan.call !== name || plan.thread !== thread) return real(...args)
          if (plan.nth !== round) [round, count] = [plan.nth, 0]
          const fails = ++count === plan.nth || (plan.times === 'for ever' && count > plan.nth)
          if (!fails) return real(...args)
          fs.writeFileSync(${JSON.stringify(`${control}.hit`)}, '')
          failure = plan.errno
          return -1
        }
      }
      return { func }
    }`
}

/** How a call ended: 'ok', or the code of an error of ours. Anything else is thrown, and ends the program. */
async function ending(call: () => unknown): Promise<string> {
  try {
    await call()
    return 'ok'
  } catch (error) {
    if (error instanceof FaultlineError && error.code !== 'ERR_INTERNAL') return error.code
    throw error
  }
}

async function mapped(map: MappingFace, file: FileFace, path: string, does: Does): Promise<void> {
  const stored = await does('run', () =>
    map.run(view => {
      for (let page = 0; page < 8; page++) view.setU8(page * PAGE, 50 + page)
    }),
  )
  await does('run', async () => {
    for (let page = 0; page < 64; page += 3) await map.run(view => view.u8(page * PAGE))
  })
  const synced = await does('sync', () => map.sync())
  if (stored === 'ok' && synced === 'ok' && fs.readFileSync(path)[3 * PAGE] !== 53)
    throw new Error('sync said ok, and the store is not in the file')
  await does('write', () => file.write(new Uint8Array(9 * PAGE).fill(4), 20 * PAGE))
  await does('read', () => file.read(new Uint8Array(30 * PAGE), 9 * PAGE))
  await does('punch', () => file.punch(30 * PAGE, 4 * PAGE))
  await does('write', () => file.write(new Uint8Array(PAGE), 80 * PAGE))
  await does('truncate', () => file.truncate(60 * PAGE))
  await does('protect', () => map.protect('r'))
  await does('unmap', () => map.unmap())
}

type Does = (what: string, call: () => unknown) => Promise<string>

/** All that a machine does. Returns how each call ended that didn't end well. */
async function play(path: string): Promise<string[]> {
  fs.writeFileSync(path, Buffer.alloc(64 * PAGE, 1))
  const told: string[] = []
  const does: Does = async (what, call) => {
    const ended = await ending(call)
    if (ended !== 'ok') told.push(`${what} ${ended}`)
    return ended
  }
  let machine: MachineFace | undefined
  let file: FileFace | undefined
  let map: MappingFace | undefined
  await does('start', async () => {
    machine = await start({ mmu: 'hardware', memory: 32 * PAGE })
  })
  if (machine === undefined) return told
  const space = machine.space({ name: 'a' })
  await does('open', async () => {
    file = await machine!.open(path, { mode: 'r+' })
  })
  if (file !== undefined)
    await does('map', async () => {
      map = await space.map(file!, { prot: 'rw', advice: 'random' })
    })
  if (map !== undefined) await mapped(map, file!, path, does)
  await does('close', () => machine!.close())
  return told
}

async function main(path: string, plan: Plan, from: number, to: number): Promise<void> {
  const control = `${path}.control`
  for (let nth = from; nth <= to; nth++) {
    fs.rmSync(`${control}.hit`, { force: true })
    fs.writeSync(1, `${nth}:`)
    // Whole or not at all: threads read it all the time.
    fs.writeFileSync(`${control}.next`, JSON.stringify({ ...plan, nth }))
    fs.renameSync(`${control}.next`, control)
    const told = await play(path)
    fs.writeSync(1, ` ${told.join(', ') || 'well'}\n`)
    if (!fs.existsSync(`${control}.hit`)) return
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [path, plan, from, to] = process.argv.slice(2) as [string, string, string, string]
  await main(path, JSON.parse(plan) as Plan, Number(from), Number(to))
}
