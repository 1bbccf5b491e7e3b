/** What the objects of one machine share. Made by Machine.start, known to nobody outside this room. */
import type { Engine } from '../machine/index.ts'
import type { OpenFile } from '../mm/index.ts'
import type { RealDriver } from '../sched/index.ts'
import type { Performer } from './performer.ts'

export interface Context {
  readonly engine: Engine
  readonly driver: RealDriver
  readonly performer: Performer
  /** Closes the file of an opening once nobody maps it and its owner has closed it. */
  readonly unmapped: Map<OpenFile, () => void>
}
