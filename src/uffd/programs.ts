/** The caller's thread: the sections that run in it, and the arrays that it holds. */
import type { Pfn } from '../base/index.ts'
import { type Brought, FaultlineError, Sections } from '../map/index.ts'
import type { Control } from './control.ts'
import type { Line } from './line.ts'
import type { HardwareMapping } from './mapping.ts'

export class Programs {
  readonly sections: Sections<HardwareMapping>
  readonly mappings = new Set<HardwareMapping>()
  /** Who is attached to each mapping, to those that are gone too while somebody holds their arrays. */
  private readonly controls = new Set<Control>()
  private readonly line: Line

  constructor(line: Line) {
    this.line = line
    this.sections = new Sections<HardwareMapping>({
      bring: (mapping, miss, signal) => mapping.bring(miss, signal),
      unpin: kept => this.unpin(kept),
      // Nothing of the machine runs in this thread.
      enter() {},
      leave() {},
    })
  }

  add(mapping: HardwareMapping): void {
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
    this.line.call(this.line.started.machine, 'unpin', [kept]).catch(() => {})
  }
}

export function broughtOr(error: unknown): Brought {
  if (error instanceof FaultlineError) return error
  throw error
}
