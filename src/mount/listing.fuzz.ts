/**
 * A directory of a million names on a mount: how long it takes, what others wait meanwhile, and what the daemon's memory is.
 *
 *     node --conditions=faultline-source src/mount/listing.fuzz.ts [--names N]
 *
 * Takes root.
 */
import { parseArgs } from 'node:util'
import { listMany } from './listing.suite.ts'
import { unavailable } from './mounting.suite.ts'

const { values } = parseArgs({ options: { names: { type: 'string', default: '1000000' } } })
const why = unavailable()
if (why !== undefined) throw new Error(why)
const undo: (() => unknown)[] = []
try {
  const { rows, slowestMs, peakMiB } = await listMany(
    { after: each => undo.push(each as () => unknown) },
    Number(values.names),
  )
  for (const { what, seconds } of rows) console.log(`${what.padEnd(20)} ${seconds.toFixed(1)} s`)
  console.log(
    `${values.names} names; who asked for other things waited ${slowestMs.toFixed(0)} ms at most; the daemon's memory: ${peakMiB.toFixed(0)} MiB at most`,
  )
} finally {
  for (const each of undo) await each()
}
