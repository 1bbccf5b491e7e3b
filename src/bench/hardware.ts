/** Hardware machines for the benches; where the host has none, the bench is skipped and says why. */
import type { MachineFace } from '../api/index.ts'
import { FaultlineError } from '../calls/index.ts'
import { type StartOptions, start } from '../uffd/index.ts'
import { Skipped } from './measure.ts'

export async function startHardware(options: StartOptions): Promise<MachineFace> {
  try {
    return await start({ ...options, mmu: 'hardware' })
  } catch (error) {
    if (error instanceof FaultlineError && error.code === 'ENOTSUP') throw new Skipped(error.message)
    throw error
  }
}
