/**
 * What the engine remembers of a page, beside the page: for each one in the cache, and for each one that is mapped.
 *
 * Measured twice: by what the process holds before and after (heap and array buffers, after a collection), and by adding
 * up the arrays that can be reached from the engine.
 */
import type { Bytes } from '../base/index.ts'
import { type Bench, type Figure, Skipped } from './measure.ts'
import { openOf, World } from './world.ts'

const RESIDENT_MAX: Bytes = 48
const MAPPED_MAX: Bytes = 8

export const footprint: Bench = {
  name: 'footprint',
  about: 'memory held for each resident page beside its data, and for each mapped one',
  async run(plan) {
    if (globalThis.gc === undefined) throw new Skipped('it needs `node --expose-gc`, as in `npm run bench`')
    const pages = plan.smoke ? 10_000 : 1_000_000
    plan.say(`${pages} pages in the cache`)
    const before = await held()
    const world = new World(pages)
    const data = world.engine.memory.frames.data.buffer
    const file = world.file(pages)
    world.fill(file)
    const resident = (await held()) - before - data.byteLength
    const columns = arraysOf(world, data)

    plan.say(`${pages} pages mapped`)
    const start = world.map(openOf(file), 0, pages)
    for (let page = 0; page < pages; page++) world.load(start + page)
    const mapped = (await held()) - before - data.byteLength - resident
    const table = arraysOf(world, data) - columns
    return [
      figure('a resident page', resident / pages, RESIDENT_MAX, 'by what the process holds'),
      figure('a resident page, added up', columns / pages, RESIDENT_MAX, 'by adding up the arrays'),
      figure('a mapped page', mapped / pages, MAPPED_MAX, 'by what the process holds'),
      figure('a mapped page, added up', table / pages, MAPPED_MAX, 'by adding up the arrays'),
    ]
  },
}

function figure(name: string, bytes: Bytes, most: Bytes, how: string): Figure {
  const ratio = bytes / most
  return {
    name,
    what: `bytes for each of them beside its data, ${how}, against what they may be`,
    ours: bytes,
    theirs: most,
    unit: 'bytes',
    ratio,
    target: { atMost: 1 },
    rounds: 1,
    spread: [ratio, ratio],
  }
}

async function held(): Promise<Bytes> {
  // What a collection finds dead is given back beside the program, some of it only after the next one.
  for (let collection = 0; collection < 3; collection++) {
    globalThis.gc?.()
    await new Promise(resolve => setTimeout(resolve, 20))
  }
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

/** Bytes of all array buffers that can be reached from `root`, but for one. */
function arraysOf(root: object, except: ArrayBufferLike): Bytes {
  const seen = new Set<object>()
  const left: object[] = [root]
  let bytes = 0
  for (let object = left.pop(); object !== undefined; object = left.pop()) {
    if (seen.has(object)) continue
    seen.add(object)
    if (object instanceof ArrayBuffer) bytes += object === except ? 0 : object.byteLength
    else if (ArrayBuffer.isView(object)) left.push(object.buffer)
    else
      for (const value of object instanceof Map ? object.values() : Object.values(object))
        if (typeof value === 'object' && value !== null) left.push(value)
  }
  return bytes
}
