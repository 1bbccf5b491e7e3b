/**
 * Machines that share a volume's metadata, in every order of what may happen to them and to what they send: shared.ts is what is
 * walked through, walk.ts the walk, properties.ts what must be true, mutants.ts the plans and the ways to be wrong that must be
 * found in them.
 */
export { SHARED_MUTANTS, SHARED_PLANS } from './mutants.ts'
export { type Walk, walk } from './walk.ts'
