/**
 * Draws the next round of a run, looking at the model so that most operations mean something: near page edges and the
 * end of the file, on pages that are mapped, and with enough unmapping that private memory doesn't fill the machine.
 */
import { type Bytes, errno, type Prng } from '../base/index.ts'
import { compatible } from './footprint.ts'
import type { Model } from './model.ts'
import {
  type Kind,
  OPENINGS,
  type Operation,
  type Pages,
  type Plan,
  type Round,
  SPACES,
} from './operations.ts'

/** How often each kind is drawn. */
const WEIGHTS: readonly (readonly [Kind, number])[] = [
  ['load', 24],
  ['store', 24],
  ['read', 8],
  ['write', 10],
  ['truncate', 4],
  ['punch', 4],
  ['sync', 2],
  ['msync', 2],
  ['map', 7],
  ['unmap', 2],
  ['protect', 2],
  ['advise', 4],
  ['populate', 2],
  ['lock', 1],
  ['fork', 1],
  ['exit', 1],
  ['reopen', 1],
  ['evict', 1],
  ['idle', 1],
  ['break', 1],
  ['heal', 1],
]

const TOGETHER_MAX = 4
const TRIES_MAX = 4

export class Generator {
  private readonly prng: Prng
  private readonly plan: Plan
  private readonly kinds: readonly Kind[]
  private seeds = 0

  constructor(plan: Plan, prng: Prng) {
    this.plan = plan
    this.prng = prng
    this.kinds = WEIGHTS.filter(([kind]) => plan.errors || (kind !== 'break' && kind !== 'heal')).flatMap(
      ([kind, weight]) => new Array<Kind>(weight).fill(kind),
    )
  }

  round(model: Model): Round {
    const { prng } = this
    const wanted = prng.below(2) === 0 ? 1 : 1 + prng.below(TOGETHER_MAX)
    const round: Operation[] = []
    for (let tries = 0; round.length < wanted && tries < wanted * TRIES_MAX; tries++) {
      const operation = this.operation(model, prng.pick(this.kinds))
      if (operation === undefined || !compatible(model, operation, round)) continue
      round.push(wanted > 1 && prng.below(2) === 0 ? { ...operation, pause: prng.below(400_000) } : operation)
    }
    return round
  }

  private operation(model: Model, kind: Kind): Operation | undefined {
    const { prng } = this
    switch (kind) {
      case 'load':
        return { kind, ...this.access(model) }
      case 'store':
        return { kind, ...this.access(model), seed: ++this.seeds }
      case 'read':
        return { kind, open: prng.below(OPENINGS), ...this.span(model, model.capacity) }
      case 'write':
        return {
          kind,
          open: prng.below(OPENINGS),
          ...this.span(model, Math.min(model.capacity, model.size + 2 * model.pageSize)),
          seed: ++this.seeds,
        }
      case 'truncate':
        return { kind, size: this.size(model) }
      case 'punch':
        return this.punch(model)
      case 'sync':
      case 'reopen':
        return { kind, open: prng.below(OPENINGS) }
      case 'msync':
      case 'unmap':
        return { kind, ...this.pages(model) }
      case 'map':
        return this.map(model)
      case 'protect':
        return {
          kind,
          ...this.pages(model),
          allowed: prng.pick(['nothing', 'loads', 'stores', 'stores', 'stores', 'stores'] as const),
        }
      case 'advise':
        return {
          kind,
          ...this.pages(model),
          advice: prng.pick(['normal', 'random', 'sequential', 'willneed', 'dontneed', 'dontneed'] as const),
        }
      case 'populate':
        return { kind, ...this.pages(model), access: prng.pick(['load', 'store'] as const) }
      case 'lock':
        return { kind, ...this.pages(model, 1), to: prng.pick(['locked', 'unlocked', 'unlocked'] as const) }
      case 'fork':
        return { kind, space: this.space(model), child: 2 + prng.below(SPACES - 2) }
      case 'exit':
        return { kind, space: 2 + prng.below(SPACES - 2) }
      case 'idle':
        return { kind, ns: prng.below(30_000_000) }
      case 'break':
        return { kind, nth: 1 + prng.below(8), times: prng.pick([1, 1, 3, 1000]), errno: errno.EIO }
      case 'evict':
      case 'heal':
        return { kind }
    }
  }

  private space(model: Model): number {
    for (;;) {
      const space = this.prng.below(SPACES)
      if (model.spaces[space] !== undefined) return space
    }
  }

  /** Bytes of a window, mostly on pages that are mapped. */
  private access(model: Model): { readonly space: number; readonly at: Bytes; readonly length: Bytes } {
    const { prng } = this
    const space = this.space(model)
    const window = model.spaces[space]!
    let page = prng.below(window.length)
    for (let tries = 0; tries < 8 && model.accessPage(window[page], 'store') !== errno.OK; tries++)
      page = prng.below(window.length)
    const mapped = window[page]
    const end = window.length * model.pageSize
    const start = page * model.pageSize
    const fileEnd = mapped === undefined ? 0 : start + model.size - mapped.index * model.pageSize
    const near = mapped !== undefined && prng.below(4) === 0 && fileEnd > start && fileEnd < end
    const at = near ? this.around(fileEnd, end) : this.within(start, model.pageSize, end)
    return { space, at, length: this.length(end - at) }
  }

  /** Bytes of the file. */
  private span(model: Model, end: Bytes): { readonly at: Bytes; readonly length: Bytes } {
    const { prng } = this
    const near = prng.below(3) === 0
    const page = prng.below(Math.ceil(end / model.pageSize))
    const at = near
      ? this.around(Math.min(model.size, end - 1), end)
      : this.within(page * model.pageSize, model.pageSize, end)
    return { at, length: this.length(end - at) }
  }

  private size(model: Model): Bytes {
    const { prng } = this
    if (prng.below(3) === 0) return this.around(model.size, model.capacity)
    const { filePages } = this.plan
    const page =
      Math.max(prng.below(filePages), prng.below(filePages), prng.below(filePages)) * model.pageSize
    return prng.below(2) === 0 ? page : page + prng.below(model.pageSize)
  }

  private punch(model: Model): Operation {
    const { at } = this.span(model, model.capacity)
    const { pageSize } = model
    const pages = 1 + this.prng.below(3)
    if (this.prng.below(2) === 0) return { kind: 'punch', at, length: this.length(model.capacity - at) }
    const start = at - (at % pageSize)
    return { kind: 'punch', at: start, length: Math.min(pages * pageSize, model.capacity - start) }
  }

  private map(model: Model): Operation {
    const { prng, plan } = this
    const pages = 1 + prng.below(Math.min(12, plan.windowPages))
    const space = this.space(model)
    return {
      kind: 'map',
      space,
      page: prng.below(plan.windowPages - pages + 1),
      pages,
      share: prng.pick(['shared', 'shared', 'shared', 'private', 'private', 'anonymous'] as const),
      allowed: prng.pick(['stores', 'stores', 'stores', 'stores', 'stores', 'loads'] as const),
      open: prng.below(OPENINGS),
      from: prng.below(prng.below(8) === 0 ? plan.filePages : Math.max(1, model.filePages)),
      place: prng.below(6) === 0 ? 'anywhere' : 'here',
    }
  }

  private pages(model: Model, most = 8): Pages {
    const { prng } = this
    const pages = 1 + prng.below(most)
    return { space: this.space(model), page: prng.below(this.plan.windowPages - pages + 1), pages }
  }

  /** A place in a page: often its first or its last bytes. */
  private within(start: Bytes, pageSize: Bytes, end: Bytes): Bytes {
    const { prng } = this
    const inPage = prng.pick([
      0,
      0,
      prng.below(pageSize),
      prng.below(pageSize),
      pageSize - 1 - prng.below(16),
    ])
    return Math.min(start + inPage, end - 1)
  }

  private around(anchor: Bytes, end: Bytes): Bytes {
    return Math.min(end - 1, Math.max(0, anchor - 8 + this.prng.below(16)))
  }

  /** Mostly short; sometimes a page and more. */
  private length(most: Bytes): Bytes {
    const { prng, plan } = this
    const pick = prng.below(16)
    if (pick === 0) return Math.min(most, 1 + prng.below(3 * plan.pageSize))
    if (pick === 1) return Math.min(most, plan.pageSize)
    return Math.min(most, 1 + prng.below(pick < 6 ? 600 : 24))
  }
}
