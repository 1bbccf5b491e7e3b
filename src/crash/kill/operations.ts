/**
 * What the victim does to its volume: operations on a few files, chosen by a seed and by what the files are like, so that
 * whoever knows both knows what it did. A page is full of one number, its stamp; 0 is a hole.
 */
import type { Prng } from '../../base/index.ts'

export type Operation =
  | { readonly kind: 'create'; readonly name: string }
  | { readonly kind: 'write' | 'store'; readonly name: string; readonly page: number; readonly count: number }
  | {
      readonly kind: 'punch' | 'fallocate'
      readonly name: string
      readonly page: number
      readonly count: number
    }
  | { readonly kind: 'truncate'; readonly name: string; readonly pages: number }
  | { readonly kind: 'sync' | 'unlink'; readonly name: string }
  /** An owner, or an extended attribute, that is the stamp. */
  | { readonly kind: 'own' | 'note'; readonly name: string }
  | { readonly kind: 'clone' | 'rename' | 'exchange'; readonly name: string; readonly to: string }
  | {
      readonly kind: 'collapse' | 'insert'
      readonly name: string
      readonly page: number
      readonly count: number
    }
  | {
      readonly kind: 'clone-range'
      readonly name: string
      readonly to: string
      readonly page: number
      readonly count: number
    }

/** A file: the stamp of each of its pages, and those of its owner and of its extended attribute; 0: it never got one. */
export interface Held {
  readonly pages: number[]
  readonly owner: number
  readonly note: number
}

export type Files = Map<string, Held>

const NAMES = ['/a', '/b', '/c', '/d', '/e', '/f']
/** Files are no longer than this. */
const PAGES_MAX = 40

/** The next operation; it can be done. */
export function nextOperation(prng: Prng, files: Files): Operation {
  const free = NAMES.filter(name => !files.has(name))
  const pick = <T>(from: readonly T[]): T => from[prng.below(from.length)]!
  if (free.length === NAMES.length) return { kind: 'create', name: pick(free) }
  const name = pick([...files.keys()].sort())
  const pages = files.get(name)!.pages.length
  const page = prng.below(PAGES_MAX)
  const count = 1 + prng.below(Math.min(6, PAGES_MAX - page))
  const inside = pages === 0 ? undefined : prng.below(pages)
  const most = inside === undefined ? 0 : 1 + prng.below(Math.min(6, pages - inside))
  switch (prng.below(19)) {
    case 0:
      return free.length > 0 ? { kind: 'create', name: pick(free) } : { kind: 'unlink', name }
    case 1:
    case 2:
    case 3:
      return inside === undefined
        ? { kind: 'write', name, page, count }
        : { kind: 'store', name, page: inside, count: most }
    case 4:
      return { kind: 'punch', name, page: inside ?? 0, count: Math.max(1, most) }
    case 5:
      return { kind: 'truncate', name, pages: prng.below(PAGES_MAX) }
    case 6:
    case 7:
    case 8:
      return { kind: 'sync', name }
    case 9:
      return free.length > 0 ? { kind: 'clone', name, to: pick(free) } : { kind: 'unlink', name }
    case 10:
      return { kind: 'rename', name, to: pick(NAMES) }
    case 11: {
      const to = pick([...files.keys()].sort())
      if (inside === undefined || to === name) return { kind: 'fallocate', name, page, count }
      return { kind: 'clone-range', name, to, page: inside, count: most }
    }
    case 12:
      return { kind: 'exchange', name, to: pick([...files.keys()].sort()) }
    case 13:
      if (inside === undefined || inside + most >= pages) return { kind: 'own', name }
      return { kind: 'collapse', name, page: inside, count: most }
    case 14:
      if (inside === undefined || pages + count > PAGES_MAX) return { kind: 'note', name }
      return { kind: 'insert', name, page: inside, count }
    case 15:
      return { kind: 'own', name }
    case 16:
      return { kind: 'note', name }
    default:
      return { kind: 'write', name, page, count }
  }
}

/** What the files hold after it. */
export function apply(files: Files, operation: Operation, stamp: number): void {
  const { name } = operation
  switch (operation.kind) {
    case 'create':
      files.set(name, { pages: [], owner: 0, note: 0 })
      break
    case 'write':
    case 'store':
      put(files.get(name)!.pages, operation.page, operation.count, () => stamp)
      break
    case 'punch': {
      const { pages } = files.get(name)!
      put(pages, operation.page, Math.min(operation.count, pages.length - operation.page), () => 0)
      break
    }
    case 'fallocate': {
      const { pages } = files.get(name)!
      put(pages, operation.page, operation.count, page => pages[page] ?? 0)
      break
    }
    case 'truncate': {
      const { pages } = files.get(name)!
      const before = pages.length
      pages.length = operation.pages
      if (operation.pages > before) pages.fill(0, before)
      break
    }
    case 'unlink':
      files.delete(name)
      break
    case 'clone':
      files.set(operation.to, { pages: [...files.get(name)!.pages], owner: 0, note: 0 })
      break
    case 'rename': {
      const held = files.get(name)!
      if (operation.to === name) break
      files.delete(name)
      files.set(operation.to, held)
      break
    }
    case 'exchange': {
      const [one, other] = [files.get(name)!, files.get(operation.to)!]
      files.set(name, other)
      files.set(operation.to, one)
      break
    }
    case 'collapse':
      files.get(name)!.pages.splice(operation.page, operation.count)
      break
    case 'insert':
      files.get(name)!.pages.splice(operation.page, 0, ...new Array<number>(operation.count).fill(0))
      break
    case 'own':
      files.set(name, { ...files.get(name)!, owner: stamp })
      break
    case 'note':
      files.set(name, { ...files.get(name)!, note: stamp })
      break
    case 'clone-range': {
      const source = files.get(name)!.pages
      put(files.get(operation.to)!.pages, operation.page, operation.count, page => source[page]!)
      break
    }
    case 'sync':
      break
  }
}

function put(pages: number[], page: number, count: number, stampOf: (page: number) => number): void {
  for (let at = page; at < page + count; at++) {
    while (pages.length < at) pages.push(0)
    pages[at] = stampOf(at)
  }
}
