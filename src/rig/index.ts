/** What tests, lab and benches build their machines with, and break them with. */
export { replace } from './replace.ts'
