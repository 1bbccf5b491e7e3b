/**
 * What an operation reads and changes of the model, so that a round holds only operations whose order doesn't matter:
 * they overlap in time, and share pages, files and locks, but no byte and no mapping that one of them changes.
 *
 *     resource    0: private copies as a whole; 1: openings; 2 + s: the window of space s, in pages; then each file, in bytes
 *
 * Whether a byte lies in a shared block is nobody's to see: dedupe and unshare change nothing, so anybody may store
 * meanwhile. A crash is alone.
 */
import type { Model } from './model.ts'
import { OPENINGS, type Operation, type Pages, type Round, SPACES, type Span } from './operations.ts'

interface Use {
  readonly resource: number
  readonly start: number
  readonly end: number
  readonly changes: boolean
}

const COPIES = 0
const OPEN = 1
const WINDOWS = 2
const FILES = WINDOWS + SPACES

export function compatible(model: Model, operation: Operation, others: readonly Operation[]): boolean {
  if (others.length > 0 && [operation, ...others].some(({ kind }) => kind === 'crash')) return false
  const mine = footprint(model, operation)
  // A store across two mappings of one page, a shared and a private one: whether the copy sees the store isn't promised.
  const stores = operation.kind === 'store' || operation.kind === 'populate'
  if (stores && mine.some((use, at) => mine.some((own, place) => place > at && clash(own, use)))) return false
  return !others.some(other => footprint(model, other).some(use => mine.some(own => clash(own, use))))
}

/** A round without the operations that depend on those before them, as things stand now. */
export function independent(model: Model, round: Round): Round {
  const kept: Operation[] = []
  for (const operation of round) if (compatible(model, operation, kept)) kept.push(operation)
  return kept
}

function clash(a: Use, b: Use): boolean {
  return (a.changes || b.changes) && a.resource === b.resource && a.start < b.end && b.start < a.end
}

export function footprint(model: Model, operation: Operation): readonly Use[] {
  switch (operation.kind) {
    case 'load':
      return accesses(model, operation.space, operation, 'load')
    case 'store':
      return accesses(model, operation.space, operation, 'store')
    case 'read':
      return [
        reads(FILES + model.fileOf(operation.open), operation.at, operation.at + operation.length),
        opening(operation.open, 'uses'),
      ]
    case 'write':
      return [writes(model, model.fileOf(operation.open), operation), opening(operation.open, 'uses')]
    case 'truncate': {
      const { size } = model.files[operation.file]!
      return [
        changes(FILES + operation.file, Math.min(operation.size, size), Infinity),
        changes(COPIES, 0, 1),
      ]
    }
    case 'collapse':
    case 'insert': {
      const { size } = model.files[operation.file]!
      return [changes(FILES + operation.file, Math.min(operation.at, size), Infinity), changes(COPIES, 0, 1)]
    }
    case 'punch':
      return [changes(FILES + operation.file, operation.at, operation.at + operation.length)]
    case 'clone':
    case 'copy':
      // Where the source ends is part of what is asked.
      return [
        reads(FILES + operation.source, operation.from, Infinity),
        changes(
          FILES + operation.target,
          Math.min(operation.to, model.files[operation.target]!.size),
          Infinity,
        ),
      ]
    case 'dedupe':
      return [ends(model, operation.source), ends(model, operation.target)]
    case 'unshare':
      return [ends(model, operation.file)]
    case 'allocate':
      return operation.keeps === 'size' ? [] : [grows(model, operation.file, operation)]
    case 'zero':
      return [writes(model, operation.file, operation)]
    case 'crash':
      return []
    case 'sync':
      return [opening(operation.open, 'changes')]
    case 'msync':
      return [window(operation, 'uses'), opening('all', 'changes')]
    case 'map':
      return operation.place === 'anywhere'
        ? [wholeWindow(operation.space, 'changes'), opening(operation.open, 'uses')]
        : [window(operation, 'changes'), opening(operation.open, 'uses')]
    case 'mremap': {
      const { space, page, pages, newPages, to } = operation
      const here = window({ space, page, pages: Math.max(pages, newPages) }, 'changes')
      return to === null ? [here] : [here, window({ space, page: to, pages: newPages }, 'changes')]
    }
    case 'unmap':
    case 'protect':
    case 'advise':
    case 'lock':
      return [window(operation, 'changes')]
    case 'populate': {
      const { space, page, pages, access } = operation
      const span = { at: page * model.pageSize, length: pages * model.pageSize }
      return accesses(model, space, span, access, 'without data')
    }
    case 'fork':
      return [
        wholeWindow(operation.space, 'uses'),
        wholeWindow(operation.child, 'changes'),
        reads(COPIES, 0, 1),
      ]
    case 'exit':
      return [wholeWindow(operation.space, 'changes')]
    case 'reopen':
      return [opening(operation.open, 'changes')]
    case 'break':
    case 'heal':
      return [opening('all', 'changes')]
    case 'evict':
    case 'idle':
      return []
  }
}

/** A store to a private page reads all of it, to copy it; a page past the end of file may be inside it soon. */
function accesses(
  model: Model,
  space: number,
  { at, length }: Span,
  access: 'load' | 'store',
  data: 'with data' | 'without data' = 'with data',
): Use[] {
  const { pageSize } = model
  const uses: Use[] = []
  const pages = model.spaces[space]
  for (let number = Math.floor(at / pageSize); number * pageSize < at + length; number++) {
    const page = pages?.[number]
    const isPrivate = page !== undefined && page.share !== 'shared'
    const copies = isPrivate && access === 'store'
    uses.push({ resource: WINDOWS + space, start: number, end: number + 1, changes: copies })
    if (page === undefined || page.share === 'anonymous') continue
    const start = page.index * pageSize
    const inPage = Math.max(0, at - number * pageSize)
    const end = Math.min(pageSize, at + length - number * pageSize)
    const resource = FILES + page.file
    if (isPrivate) uses.push(reads(resource, start, start + pageSize))
    else if (data === 'without data') uses.push(reads(resource, start, start + 1))
    else if (access === 'load') uses.push(reads(resource, start + inPage, start + end))
    else uses.push(changes(resource, start + inPage, start + end))
  }
  return uses
}

function reads(resource: number, start: number, end: number): Use {
  return { resource, start, end, changes: false }
}

function changes(resource: number, start: number, end: number): Use {
  return { resource, start, end, changes: true }
}

/** A change of bytes that makes the file longer if it must. */
function writes(model: Model, file: number, { at, length }: Span): Use {
  const { size } = model.files[file]!
  const grows = at + length > size
  return changes(FILES + file, grows ? Math.min(at, size) : at, grows ? Infinity : at + length)
}

/** A file that is made longer, if it must be, and keeps its bytes. */
function grows(model: Model, file: number, { at, length }: Span): Use {
  const { size } = model.files[file]!
  return changes(FILES + file, size, at + length > size ? Infinity : size)
}

/** Where the file ends must stay. */
function ends(model: Model, file: number): Use {
  return reads(FILES + file, model.files[file]!.size, Infinity)
}

function opening(open: number | 'all', how: 'uses' | 'changes'): Use {
  return open === 'all'
    ? { resource: OPEN, start: 0, end: OPENINGS, changes: how === 'changes' }
    : { resource: OPEN, start: open, end: open + 1, changes: how === 'changes' }
}

function window({ space, page, pages }: Pages, how: 'uses' | 'changes'): Use {
  return { resource: WINDOWS + space, start: page, end: page + pages, changes: how === 'changes' }
}

function wholeWindow(space: number, how: 'uses' | 'changes'): Use {
  return { resource: WINDOWS + space, start: 0, end: Infinity, changes: how === 'changes' }
}
