/** The door: starts a machine with the MMU that is asked for. The hardware one is loaded only when it is wanted. */
import { isMainThread } from 'node:worker_threads'
import type { MachineFace, MachineOptions, MmuName } from '../api/index.ts'
import { checkObject, choice, FaultlineError, invalid } from '../calls/index.ts'
import { shown } from '../group/index.ts'
import { checkMachine, MMUS, Machine as SoftwareMachine } from '../map/index.ts'
import type { HardwareOptions } from './machine.ts'

/** What a machine is made of. Each option is checked at once; a wrong one is named, with what was expected. */
export interface StartOptions extends MachineOptions, HardwareOptions {
  /** `software` everywhere; `hardware` on Linux with userfaultfd; `auto`: hardware where it can be had. */
  readonly mmu?: MmuName
}

const DOOR_KEYS = ['mmu', 'onError', 'onWorkerLost']

/** A machine, whichever MMU shows its memory. */
export interface Machine extends MachineFace {}

/** Where machines come from: `await Machine.start({ memory: '64 MiB' })`. */
export const Machine: {
  /** Starts a machine: see `start`. */
  readonly start: typeof start
} = Object.freeze({ start })

/**
 * Starts a machine.
 *
 * Errors: EINVAL (names the option); ENOTSUP if the hardware MMU was asked for and can't be had (says which switch to turn);
 * ENOMEM; those of the host for `swap` and `dax`.
 * Cost: its memory, taken as it is used; a hardware machine also six or ten threads.
 */
export async function start(given: StartOptions = {}): Promise<Machine> {
  checkObject(given, 'start')
  const { mmu = 'software', ...options } = given
  checkMachine(given, DOOR_KEYS)
  checkFaults(options)
  if (choice(mmu, MMUS, 'mmu', 'start') === 'software') return startSoftware(options)
  const { HardwareMachine } = await import('./machine.ts')
  try {
    return await HardwareMachine.start(options)
  } catch (error) {
    if (mmu === 'auto' && error instanceof FaultlineError && error.code === 'ENOTSUP')
      return startSoftware(options)
    throw error
  }
}

function checkFaults({ onError = 'abort', onWorkerLost = () => {} }: HardwareOptions): void {
  choice(onError, ['abort', 'terminate-worker'], 'onError', 'start')
  if (typeof onWorkerLost !== 'function')
    throw invalid('start', `onWorkerLost: expected a function, got ${shown(onWorkerLost)}`)
}

async function startSoftware(options: StartOptions): Promise<Machine> {
  const given = software(options)
  if (process.platform !== 'linux' || !isMainThread) return SoftwareMachine.start(given)
  const { RING_CALLS } = await import('./ring-calls.ts')
  return SoftwareMachine.start(given, undefined, RING_CALLS)
}

/** What concerns hardware faults has no meaning where there are none. */
function software({
  onError: _,
  onWorkerLost: __,
  ...options
}: MachineOptions & HardwareOptions): MachineOptions {
  return options
}
