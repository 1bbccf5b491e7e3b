/**
 * The end of a thread that has started machines, and of the process: by returning, by process.exit, by an exception or a
 * rejection that nobody handles.
 *
 *     'exit':  what was stored is handed to the host  ->  everybody else's listeners  ->  what they stored is, too
 *              ->  the pager is told to end  ->  the exception's own words  ->  _exit
 *
 * Node ends a process by joining its workers one after the other, the pager before or after one that waits for a page. So
 * where a worker is attached to an array, or was stopped for good, the process doesn't come to that: it ends by _exit, after
 * what Node does before. Elsewhere it ends as ever.
 *
 * Invariants
 *   EN1 When the process ends by itself, every store that a thread had made before is in its host file, or a sentence says
 *       which file could not be written. So are stores of listeners of 'exit', whose pages are served to the last.
 *   EN2 Listeners of 'exit' all run, and the exception that ends the process is printed.
 */
import fs from 'node:fs'
import { inspect } from 'node:util'
import { isMainThread } from 'node:worker_threads'
import { type AtExit, lastAtExit, listenersAfter } from '../host/index.ts'
import { Linux } from '../linux/index.ts'

/** A machine, as its end concerns the process. */
export interface Ending {
  /** Hands what was stored to the host. Returns a sentence for each file that it could not be written to. */
  leave(): readonly string[]
  /** Nobody touches it any more. */
  abandon(): void
  /** Whether a thread is attached to an array of it. */
  readonly isShared: boolean
  /** Whether a worker was stopped for good. */
  readonly hasLost: boolean
}

const open = new Set<Ending>()
let listening = false
/** Of machines that are closed. */
let lost = false
/** Sentences that were said. */
const told = new Set<string>()
let leaving = false
/** What ends the process, if it is an exception. */
let fatal: { readonly error: unknown } | undefined

/** It has started, and nobody has closed it. */
export function started(machine: Ending): void {
  open.add(machine)
  if (listening) return
  listening = true
  process.on('exit', begin)
  lastAtExit(end)
  process.on('uncaughtExceptionMonitor', noteFatal)
}

export function closed(machine: Ending): void {
  open.delete(machine)
  lost ||= machine.hasLost
}

function noteFatal(error: unknown): void {
  const handled =
    process.listenerCount('uncaughtException') > 0 || process.hasUncaughtExceptionCaptureCallback()
  if (!handled) fatal = { error }
  // A listener threw, so those behind it aren't called.
  if (leaving && !finish()) exitNow(1)
}

/** A listener may throw, so this doesn't wait for the last. */
function begin(): void {
  leaving = true
  leave()
}

function end(status: number): void {
  const late = isMainThread ? listenersAfter(end) : []
  const failed = !tell(late, status)
  const joins = finish()
  // Those were called, and Node would call them again.
  if (!joins || late.length > 0) exitNow(failed ? 1 : Number(process.exitCode ?? status))
}

/** Nobody listens any more: what they stored goes to the host. Returns whether Node may do the rest. */
function finish(): boolean {
  const joins = [...open].every(machine => !machine.isShared && !machine.hasLost) && !lost
  leave()
  for (const machine of open) machine.abandon()
  open.clear()
  return joins || !isMainThread
}

function exitNow(status: number): void {
  if (fatal !== undefined) say(`${uncaught(fatal.error)}\n\nNode.js ${process.version}`)
  new Linux().exitNow(status)
}

function leave(): void {
  for (const machine of open)
    for (const sentence of machine.leave()) {
      if (!told.has(sentence)) say(`faultline: ${sentence}`)
      told.add(sentence)
      process.exitCode ||= 1
    }
}

/** Calls listeners that would come after ours. Returns whether none of them threw. */
function tell(listeners: readonly AtExit[], status: number): boolean {
  try {
    for (const listener of listeners) listener.call(process, status)
    return true
  } catch (error) {
    say(uncaught(error))
    return false
  }
}

function uncaught(error: unknown): string {
  return error instanceof Error ? inspect(error) : `Uncaught ${inspect(error)}`
}

function say(text: string): void {
  fs.writeSync(2, `${text}\n`)
}
