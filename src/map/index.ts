/** The library: machines, and the spaces and mappings in them. */

export { checkMachine, Machine, type Platform } from './machine.ts'
export { Mapping } from './mapping.ts'
export { MMUS, Space } from './space.ts'
