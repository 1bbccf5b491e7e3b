/**
 * What may be found after the victim was killed: everything that a sync promised, and of what came after it anything that a
 * commit may have caught.
 *
 * Names are as they were after some operation since the last sync of any file, since a commit takes all names with it. A page
 * holds what it held when its file was last synced, or what was put there since; a size likewise. Owners and extended attributes are
 * durable with names.
 *
 * Invariants
 *   PM1 What `wrong` lets pass is a state that a crash may leave, page by page; it doesn't ask whether the pages go together.
 */
import { apply, type Files, type Held, type Operation } from './operations.ts'

/** One file, whatever it is called: what its pages may hold, and how long it may be. */
interface History {
  sizes: Set<number>
  /** By page; a page that isn't there may be a hole. */
  stamps: Set<number>[]
  owners: Set<number>
  notes: Set<number>
}

type Names = ReadonlyMap<string, History>

export class Promises {
  private readonly files: Files
  private names: Map<string, History>
  /** Every state of the names since the last sync. */
  private since: Names[]

  /** `found`: what the volume held before. */
  constructor(found: Files) {
    this.files = new Map([...found].map(([name, held]) => [name, { ...held, pages: [...held.pages] }]))
    this.names = new Map([...found].map(([name, held]) => [name, historyOf(held)]))
    this.since = [new Map(this.names)]
  }

  /** What the files hold in memory. */
  get now(): Files {
    return this.files
  }

  /** The operation has begun: what it does may be durable. */
  begun(operation: Operation, stamp: number): void {
    const source = this.names.get(operation.name)
    apply(this.files, operation, stamp)
    switch (operation.kind) {
      case 'create':
        this.names.set(operation.name, historyOf({ pages: [], owner: 0, note: 0 }))
        break
      case 'clone':
        this.names.set(operation.to, historyOf(this.files.get(operation.to)!))
        break
      case 'unlink':
        this.names.delete(operation.name)
        break
      case 'rename':
        this.names.delete(operation.name)
        this.names.set(operation.to, source!)
        break
      case 'exchange':
        this.names.set(operation.name, this.names.get(operation.to)!)
        this.names.set(operation.to, source!)
        break
      case 'own':
        source!.owners.add(stamp)
        break
      case 'note':
        source!.notes.add(stamp)
        break
      case 'sync':
        return
      default:
        this.changed(operation.kind === 'clone-range' ? operation.to : operation.name)
    }
    this.since.push(new Map(this.names))
  }

  /** The operation has ended. */
  done(operation: Operation): void {
    if (operation.kind !== 'sync') return
    const history = this.names.get(operation.name)!
    const { sizes, stamps } = historyOf(this.files.get(operation.name)!)
    history.sizes = sizes
    history.stamps = stamps
    for (const [name, each] of this.names) {
      const { owner, note } = this.files.get(name)!
      each.owners = new Set([owner])
      each.notes = new Set([note])
    }
    this.since = [new Map(this.names)]
  }

  /** Why what was found can't be what is left; undefined: it may be. */
  wrong(found: Files): string | undefined {
    const names = [...found.keys()].sort().join(' ')
    const alike = this.since.filter(state => [...state.keys()].sort().join(' ') === names)
    if (alike.length === 0)
      return `the names are ${names}; since the last sync they were ${this.since.map(state => [...state.keys()].sort().join(' ')).join(' | ')}`
    const whys = alike.map(state => {
      for (const [name, held] of found) {
        const why = unlike(name, held, state.get(name)!)
        if (why !== undefined) return why
      }
      return undefined
    })
    return whys.includes(undefined) ? undefined : whys.at(-1)
  }

  private changed(name: string): void {
    const { sizes, stamps } = this.names.get(name)!
    const { pages } = this.files.get(name)!
    sizes.add(pages.length)
    for (let page = 0; page < Math.max(pages.length, stamps.length); page++) {
      const possible = stamps[page] ?? new Set([0])
      possible.add(pages[page] ?? 0)
      stamps[page] = possible
    }
  }
}

function historyOf({ pages, owner, note }: Held): History {
  return {
    sizes: new Set([pages.length]),
    stamps: pages.map(stamp => new Set([stamp])),
    owners: new Set([owner]),
    notes: new Set([note]),
  }
}

function unlike(
  name: string,
  { pages, owner, note }: Held,
  { sizes, stamps, owners, notes }: History,
): string | undefined {
  if (!owners.has(owner)) return `${name} belongs to ${owner}, expected one of ${[...owners].join(', ')}`
  if (!notes.has(note)) return `${name} has the note ${note}, expected one of ${[...notes].join(', ')}`
  if (!sizes.has(pages.length) && pages.length > Math.max(...sizes))
    return `${name} has ${pages.length} pages, expected one of ${[...sizes].join(', ')}`
  if (pages.length < Math.min(...sizes))
    return `${name} has ${pages.length} pages, at least ${Math.min(...sizes)} were promised`
  for (const [page, stamp] of pages.entries())
    if (stamps[page]?.has(stamp) !== true)
      return `page ${page} of ${name} holds ${stamp}, expected one of ${[...(stamps[page] ?? [])].join(', ')}`
  return undefined
}
