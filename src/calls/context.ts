/** What the objects of one machine share. Made by Machine.start, known to the library's rooms alone. */
import type { Engine } from '../engine/index.ts'
import type { EndingCalls, HostCalls } from '../host/index.ts'
import type { Space as MmSpace, OpenFile } from '../mm/index.ts'
import type { RealDriver } from '../sched/index.ts'
import type { Region } from '../volume/index.ts'
import type { Appends } from './appends.ts'
import type { Performer } from './performer.ts'
import type { Sections } from './sections.ts'

/** The volume whose blocks are memory of the machine. */
export interface Dax {
  /** The file that holds them. */
  readonly data: string
  readonly region: Region
  /** Nothing may look at the memory any more. */
  unmap(): void
}

export interface Context {
  readonly dax: Dax | undefined
  readonly engine: Engine
  readonly driver: RealDriver
  readonly performer: Performer
  /** What to do when the last mapping of an opening goes that its owner has closed. */
  readonly unmapped: Map<OpenFile, () => void>
  /** Files that are being let go of after their last mapping went. */
  readonly leaving: Set<Promise<void>>
  /** Errors that came when nobody was there to be told: machine.close tells the first. */
  readonly untold: unknown[]
  /** The spaces that are ending, or have ended. */
  readonly exits: WeakMap<MmSpace, Promise<void>>
  readonly mmu: 'software' | 'hardware'
  /** By which files of the host are read and written; Node's if undefined. */
  readonly calls: HostCalls | undefined
  /** Hears how many ranges of servers are under way. */
  readonly asked: (underWay: number) => void
  /** The same calls, if the end of the process can make them at once. */
  readonly ending: EndingCalls | undefined
  /** What runs sections of programs in this thread. */
  readonly sections: Sections
  readonly appends: Appends
}
