/**
 * The contract of the library, for whichever MMU shows the memory: the suites of sections, files and mappings run over every kind of
 * machine.
 * What a machine can't do by its nature is skipped, with the reason.
 */
import type { MachineFace, MachineOptions } from '../api/index.ts'

const REASONS = {
  'private memory': 'a hardware machine shows shared mappings of files only; it refuses the others',
  'calls in this thread':
    'the calls of the host are made in other threads, where a test can not hold them back',
  'the engine in this thread': 'the engine runs in the thread of the pager, where a test can not look at it',
} as const

export type Need = keyof typeof REASONS

export interface Mmu {
  readonly name: string
  readonly lacks: readonly Need[]
  start(options?: MachineOptions): Promise<MachineFace>
}

/** The options of a test that needs something. */
export function needs(mmu: Mmu, ...wanted: readonly Need[]): { readonly skip: string | false } {
  const missing = wanted.find(need => mmu.lacks.includes(need))
  return { skip: missing === undefined ? false : REASONS[missing] }
}
