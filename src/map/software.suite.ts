/** The software machine, for the suites of the contract. */
import type { MachineFace } from '../api/index.ts'
import type { Mmu } from './conformance.suite.ts'
import { Machine } from './index.ts'

export const SOFTWARE: Mmu = { name: 'software', lacks: [], start: options => Machine.start(options) }

/** The engine inside, for tests that look at it. */
export function engineOf(machine: MachineFace): Machine['engine'] {
  return (machine as Machine).engine
}
