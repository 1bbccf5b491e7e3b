/** The exerciser: random operations on files and mappings, held against a flat model, made small when they fail. */
export { type Backend, MemoryBackend } from './backend.ts'
export { type Counts, Exerciser, type Inspect, Mismatch, memoryBackend } from './exerciser.ts'
export type { Operation, Plan, Round, Run } from './operations.ts'
export { exercise, type Failure, type Options, type Result, replay, shrink } from './play.ts'
