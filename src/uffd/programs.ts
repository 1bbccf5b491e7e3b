/** The caller's thread: the sections that run in it, and the arrays that it holds. */
import type { Pfn } from '../base/index.ts'
import { type Brought, FaultlineError, type Participant, Sections } from '../calls/index.ts'
import type { Connection } from './connection.ts'
import type { Control } from './control.ts'

/** A mapping that arrays of this thread show. */
export interface Shown extends Participant {
  readonly control: Control
  /** Makes every array of this thread unusable. */
  detach(): void
}

export class Programs {
  readonly sections: Sections
  readonly mappings = new Set<Shown>()
  /** Who is attached to each mapping, to those that are gone too while somebody holds their arrays. */
  private readonly controls = new Set<Control>()
  private readonly connection: Connection

  constructor(connection: Connection) {
    this.connection = connection
    this.sections = new Sections({
      unpin: kept => this.unpin(kept),
      // Nothing of the machine runs in this thread.
      enter() {},
      leave() {},
    })
  }

  add(mapping: Shown): void {
    this.mappings.add(mapping)
    this.controls.add(mapping.control)
  }

  /** Whether a worker holds the array of one of the mappings. */
  get isShared(): boolean {
    for (const control of this.controls) {
      if (control.inUse()) return true
      if (!control.mapped) this.controls.delete(control)
    }
    return false
  }

  private unpin(kept: readonly Pfn[]): void {
    if (kept.length === 0) return
    // A machine that has been closed meanwhile keeps nothing pinned.
    this.connection.call(this.connection.started.machine, 'unpin', [kept]).catch(() => {})
  }
}

export function broughtOr(error: unknown): Brought {
  if (error instanceof FaultlineError) return error
  throw error
}
