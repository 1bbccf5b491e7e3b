/** x */
import type { Discipline } from '../mm/index.ts'
import type { Machine } from './machine.ts'

export interface Canary {
  readonly name: string
  readonly says: string
  readonly plant?: (machine: Machine) => void
  readonly discipline?: (row: Discipline) => Discipline
}
