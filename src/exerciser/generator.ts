/**
 * Draws the next round of a run, looking at the model so that most operations mean something: near page edges and the
 * end of the file, on pages that are mapped, and with enough unmapping that private memory doesn't fill the machine.
 */
import { type Bytes, errno, type Prng } from '../base/index.ts'
import { compatible } from './footprint.ts'
import type { Model, ModelPage } from './model.ts'
import {
  type Kind,
  type Of,
  OPENINGS,
  type Operation,
  type Pages,
  type Plan,
  type Remap,
  type Round,
  SPACES,
  type Span,
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
  ['mremap', 2],
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

const MEMORY_TRIES = 10
const ADVICE = [
  'normal',
  'random',
  'sequential',
  'willneed',
  'dontneed',
  'dontneed',
  'free',
  'free',
  'cold',
  'pageout',
  'collapse',
  'dontfork',
  'dofork',
  'wipeonfork',
  'keeponfork',
] as const

/** Kinds that only a volume knows. */
const VOLUME_WEIGHTS: readonly (readonly [Kind, number])[] = [
  ['clone', 5],
  ['dedupe', 3],
  ['copy', 3],
  ['unshare', 2],
  ['allocate', 2],
  ['zero', 2],
  ['crash', 1],
]

/**
 * Kinds that a volume knows whose files are in the cache. With DAX a crash that undoes a shift leaves what was stored since where the
 * block was, which the model doesn't tell: `faultline lab crash` does.
 */
const SHIFT_WEIGHTS: readonly (readonly [Kind, number])[] = [
  ['collapse', 2],
  ['insert', 2],
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
    const weights = [
      ...WEIGHTS,
      ...(plan.volume === null ? [] : VOLUME_WEIGHTS),
      ...(plan.volume === 'cached' ? SHIFT_WEIGHTS : []),
    ]
    this.kinds = weights
      .filter(([kind]) => plan.errors || (kind !== 'break' && kind !== 'heal'))
      .flatMap(([kind, weight]) => new Array<Kind>(weight).fill(kind))
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
      case 'read': {
        const open = prng.below(OPENINGS)
        return { kind, open, ...this.span(model, model.fileOf(open), model.capacity) }
      }
      case 'write': {
        const open = prng.below(OPENINGS)
        const file = model.fileOf(open)
        const end = Math.min(model.capacity, model.files[file]!.size + 2 * model.pageSize)
        return { kind, open, ...this.span(model, file, end), seed: ++this.seeds }
      }
      case 'truncate': {
        const file = this.file(model)
        return { kind, file, size: this.size(model, file) }
      }
      case 'punch':
      case 'unshare': {
        const file = this.file(model)
        return { kind, file, ...this.range(model, file) }
      }
      case 'allocate':
      case 'zero': {
        const file = this.file(model)
        return { kind, file, ...this.range(model, file), keeps: prng.pick(['size', 'nothing'] as const) }
      }
      case 'collapse':
      case 'insert':
        return this.shift(model, kind)
      case 'clone':
      case 'dedupe':
      case 'copy':
        return { kind, ...this.remap(model, kind) }
      case 'crash':
        // Rarer than any weight says: a crash takes all mappings away.
        return prng.below(4) === 0 ? { kind, seed: prng.below(1 << 30) } : undefined
      case 'sync':
      case 'reopen':
        return { kind, open: prng.below(OPENINGS) }
      case 'msync':
      case 'unmap':
        return { kind, ...this.pages(model) }
      case 'map':
        return this.map(model)
      case 'mremap':
        return { kind, ...this.move(model) }
      case 'protect':
        return {
          kind,
          ...this.pages(model),
          allowed: prng.pick(['nothing', 'loads', 'stores', 'stores', 'stores', 'stores'] as const),
        }
      case 'advise': {
        const advice = prng.pick(ADVICE)
        return { kind, ...(advice === 'free' ? this.memory(model) : this.pages(model)), advice }
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
    const fileEnd =
      mapped === undefined ? 0 : start + model.files[mapped.file]!.size - mapped.index * model.pageSize
    const near = mapped !== undefined && prng.below(4) === 0 && fileEnd > start && fileEnd < end
    const at = near ? this.around(fileEnd, end) : this.within(start, model.pageSize, end)
    return { space, at, length: this.length(end - at) }
  }

  private file(model: Model): number {
    return model.files.length === 1 ? 0 : this.prng.below(model.files.length)
  }

  /** Bytes of a file. */
  private span(model: Model, file: number, end: Bytes): Span {
    const { prng } = this
    const near = prng.below(3) === 0
    const page = prng.below(Math.ceil(end / model.pageSize))
    const at = near
      ? this.around(Math.min(model.files[file]!.size, end - 1), end)
      : this.within(page * model.pageSize, model.pageSize, end)
    return { at, length: this.length(end - at) }
  }

  private size(model: Model, file: number): Bytes {
    const { prng } = this
    if (prng.below(3) === 0) return this.around(model.files[file]!.size, model.capacity)
    const { filePages } = this.plan
    const page =
      Math.max(prng.below(filePages), prng.below(filePages), prng.below(filePages)) * model.pageSize
    return prng.below(2) === 0 ? page : page + prng.below(model.pageSize)
  }

  /** Bytes of a file, half of the time whole pages. */
  private range(model: Model, file: number): Span {
    const { at } = this.span(model, file, model.capacity)
    const { pageSize } = model
    const pages = 1 + this.prng.below(3)
    if (this.prng.below(2) === 0) return { at, length: this.length(model.capacity - at) }
    const start = at - (at % pageSize)
    return { at: start, length: Math.min(pages * pageSize, model.capacity - start) }
  }

  /** Whole pages, mostly inside of the file; an insertion that leaves it within its capacity. */
  private shift(model: Model, kind: 'collapse' | 'insert'): Operation | undefined {
    const { prng } = this
    const { pageSize, capacity } = model
    const file = this.file(model)
    const { size } = model.files[file]!
    const most =
      kind === 'insert' ? Math.floor((capacity - size) / pageSize) : Math.max(1, model.pagesIn(file) - 1)
    if (most === 0) return undefined
    const at = prng.below(Math.max(1, model.pagesIn(file))) * pageSize
    const askew = prng.below(12) === 0 ? 1 + prng.below(pageSize - 1) : 0
    return { kind, file, at: at + askew, length: (1 + prng.below(Math.min(4, most))) * pageSize }
  }

  /** Bytes to go from one file to another, or elsewhere in the same one: mostly whole pages that can be shared. */
  private remap(model: Model, kind: 'clone' | 'dedupe' | 'copy'): Remap {
    const { prng } = this
    const { pageSize, capacity } = model
    const source = this.file(model)
    const target = this.file(model)
    const { size } = model.files[source]!
    const pages = Math.max(1, model.pagesIn(source))
    const page = prng.below(pages)
    const from = page * pageSize
    const whole = (1 + prng.below(Math.min(4, pages - page))) * pageSize
    const most = kind === 'dedupe' ? Math.max(1, model.pagesIn(target)) : capacity / pageSize
    const to = prng.below(4) === 0 ? from : prng.below(most) * pageSize
    const length = Math.min(prng.below(4) === 0 ? Math.max(1, size - from) : whole, capacity - to)
    if (prng.below(kind === 'copy' ? 2 : 12) > 0) return { source, from, target, to, length }
    const askew = this.span(model, source, capacity)
    const anywhere = prng.below(2) === 0 ? (askew.at + to - (to % pageSize)) % capacity : prng.below(capacity)
    return { source, from: askew.at, target, to: anywhere, length: Math.min(length, capacity - anywhere) }
  }

  private map(model: Model): Operation {
    const { prng, plan } = this
    const pages = 1 + prng.below(Math.min(12, plan.windowPages))
    const space = this.space(model)
    const open = prng.below(OPENINGS)
    return {
      kind: 'map',
      space,
      page: prng.below(plan.windowPages - pages + 1),
      pages,
      share: prng.pick(['shared', 'shared', 'shared', 'private', 'private', 'anonymous'] as const),
      allowed: prng.pick(['stores', 'stores', 'stores', 'stores', 'stores', 'loads'] as const),
      open,
      from: prng.below(prng.below(8) === 0 ? plan.filePages : Math.max(1, model.pagesIn(model.fileOf(open)))),
      place: prng.below(6) === 0 ? 'anywhere' : 'here',
    }
  }

  private pages(model: Model, most = 8): Pages {
    const { prng } = this
    const pages = 1 + prng.below(most)
    return { space: this.space(model), page: prng.below(this.plan.windowPages - pages + 1), pages }
  }

  /** Mostly of memory: elsewhere MADV_FREE is refused. */
  private memory(model: Model): Pages {
    let found = this.pages(model)
    for (let tries = 0; tries < MEMORY_TRIES && !isMemory(model.pagesOf(found)); tries++)
      found = this.pages(model, 4)
    return found
  }

  private move(model: Model): Omit<Of<'mremap'>, 'kind'> {
    const { prng } = this
    const { windowPages } = this.plan
    const { space, page, pages } = this.pages(model, 4)
    const to = prng.below(3) === 0 ? null : prng.below(windowPages - 8)
    const old = to !== null && prng.below(4) === 0 ? 'stays mapped' : 'is unmapped'
    const most = Math.min(8, windowPages - (to ?? page))
    const newPages = old === 'stays mapped' || prng.below(2) === 0 ? pages : 1 + prng.below(most)
    return { space, page, pages, newPages: Math.min(newPages, most), to, old }
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

function isMemory(pages: readonly (ModelPage | undefined)[]): boolean {
  return pages.every(page => page?.share === 'anonymous' && !page.locked)
}
