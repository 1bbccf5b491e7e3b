/** Files for the benches: of random content, written through to the device, removed when the process ends. */
import fs from 'node:fs'
import { join } from 'node:path'
import { type Bytes, Prng } from '../base/index.ts'
import { MIB, type Plan } from './measure.ts'

const paths = new Set<string>()
process.on('exit', () => {
  for (const path of paths) fs.rmSync(path, { force: true, recursive: true })
})
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130))

/** A path below the plan's directory that is removed at the end, whatever becomes of it. */
export function scratchPath(plan: Plan, name: string): string {
  const path = join(plan.directory, `faultline-bench-${process.pid}-${name}`)
  paths.add(path)
  return path
}

export function makeFile(plan: Plan, name: string, length: Bytes): string {
  const path = scratchPath(plan, name)
  if (fs.existsSync(path) && fs.statSync(path).size === length) return path
  plan.say(`writing ${length / MIB} MiB to ${path}`)
  const prng = new Prng(length)
  const words = new Uint32Array(MIB / 4)
  for (let at = 0; at < words.length; at++) words[at] = prng.u32()
  const fd = fs.openSync(path, 'w')
  for (let position = 0; position < length; position += MIB) {
    words[0] = position / MIB
    fs.writeSync(fd, new Uint8Array(words.buffer), 0, Math.min(MIB, length - position), position)
  }
  fs.fsyncSync(fd)
  fs.closeSync(fd)
  return path
}

/** The numbers below `count`, in random order. */
export function shuffled(count: number, seed: number): Uint32Array {
  const prng = new Prng(seed)
  const order = Uint32Array.from({ length: count }, (_, at) => at)
  for (let at = count - 1; at > 0; at--) {
    const other = prng.below(at + 1)
    const kept = order[at]!
    order[at] = order[other]!
    order[other] = kept
  }
  return order
}
