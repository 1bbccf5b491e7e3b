/**
 * The end of a process whose program has not closed its machines: by returning, by process.exit, by an exception or a
 * rejection that nobody handles. What a machine's own timers would do later keeps no process alive.
 *
 *     nothing left to do   volumes are synced, and the process goes on until they are          ('beforeExit')
 *     'exit'               what was stored to files of the host is handed to the host, at once
 *
 * Invariants
 *   PE1 When the process ends by itself, every store to a file of the host is in that file, or a sentence says which file
 *       could not be written, and the process doesn't end well.
 */
import fs from 'node:fs'
import { lastAtExit } from '../host/index.ts'

/** A machine, as its end concerns the process. */
export interface Ending {
  /** Hands what was stored to the host, at once. Returns a sentence for each file that it could not be written to. */
  leave(): readonly string[]
  /** Makes durable what volumes have changed. Returns a sentence for each that could not be. */
  settle(): Promise<readonly string[]>
  /** Whether a volume has something to be made durable. */
  isUnsettled(): boolean
}

const open = new Set<Ending>()
/** Sentences that were said. */
const told = new Set<string>()
let listening = false

/** It has started, and nobody has closed it. */
export function started(machine: Ending): void {
  open.add(machine)
  if (listening) return
  listening = true
  process.on('beforeExit', () => void settle())
  // A listener may throw, and those behind it aren't called.
  process.on('exit', leave)
  lastAtExit(leaveAtLast)
}

export function closed(machine: Ending): void {
  open.delete(machine)
}

/** Node asks again when the promises that this makes are settled. */
async function settle(): Promise<void> {
  for (const machine of open) if (machine.isUnsettled()) tell(await machine.settle())
}

function leave(): void {
  for (const machine of open) tell(machine.leave())
}

function leaveAtLast(): void {
  leave()
}

function tell(sentences: readonly string[]): void {
  for (const sentence of sentences) {
    if (!told.has(sentence)) fs.writeSync(2, `faultline: ${sentence}\n`)
    told.add(sentence)
  }
  if (sentences.length > 0) process.exitCode ||= 1
}
