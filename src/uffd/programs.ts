/** The caller's thread: the sections that run in it, and the arrays that it holds. */
import type { Pfn } from '../base/index.ts'
import { type Brought, FaultlineError, Sections } from '../map/index.ts'
import type { Line } from './line.ts'
import type { HardwareMapping } from './mapping.ts'

export class Programs {
  readonly sections: Sections<HardwareMapping>
  readonly mappings = new Set<HardwareMapping>()
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

  /** Whether a worker is attached to one of the mappings. */
  get shared(): boolean {
    for (const { control } of this.mappings) if (control.inUse()) return true
    return false
  }

  private unpin(kept: readonly Pfn[]): void {
    if (kept.length > 0) void this.line.call(this.line.started.machine, 'unpin', [kept])
  }
}

export function broughtOr(error: unknown): Brought {
  if (error instanceof FaultlineError) return error
  throw error
}
