/** The hardware machine, for the suites of the contract; or why there is none here. */

import { FaultlineError } from '../calls/index.ts'
import type { Mmu } from '../map/conformance.suite.ts'
import { start } from './index.ts'

export const HARDWARE: Mmu = {
  name: 'hardware',
  lacks: ['private memory', 'calls in this thread', 'the engine in this thread'],
  start: options => start({ ...options, mmu: 'hardware' }),
}

/** Why this host has no hardware MMU for us; false: it has. */
export const unavailable: string | false = await refusal()

async function refusal(): Promise<string | false> {
  try {
    const machine = await start({ mmu: 'hardware', memory: '1 MiB' })
    await machine.close()
    return false
  } catch (error) {
    if (error instanceof FaultlineError && error.code === 'ENOTSUP') return error.message
    throw error
  }
}
