/**
 * The engine as an exerciser uses it: files, their openings, and spaces whose windows all begin at the same page. Each
 * operation becomes a task of the engine's own verbs.
 */
import { errno, type Ns, ROOT } from '../base/index.ts'
import { newReadState } from '../memmap/index.ts'
import {
  newOpening,
  type OpenFile,
  PROT_NONE,
  PROT_READ,
  PROT_WRITE,
  type Prot,
  type Space,
  shrink,
} from '../mm/index.ts'
import type { View } from '../mmu/index.ts'
import type { Task, Verb } from '../sched/index.ts'
import { collapseArgs, type MapArgs, mremapArgs, msyncArgs, populateArgs } from '../space/index.ts'
import {
  preallocatingArgs,
  rangeCopyingArgs,
  remappingArgs,
  shiftingArgs,
  unsharingArgs,
} from '../volume/index.ts'
import type { Backend } from './backend.ts'
import {
  type Allowed,
  contentOf,
  type Of,
  OPENINGS,
  type Operation,
  type Plan,
  SPACES,
} from './operations.ts'
import { Section, sectionArgs, Window } from './section.ts'
import type { Subject } from './subject.ts'

/** Where the window of each space begins: where a space begins to give room away. */
export const WINDOW = 16

/** An operation that is in flight, or that needed no task. */
export interface Started<O extends Operation = Operation> {
  readonly operation: O
  readonly task: Task | undefined
  /** What it loads, stores, reads or writes. */
  readonly bytes: Uint8Array
  readonly pause: Ns
}

const NOTHING = new Uint8Array(0)
const PROT: Record<Allowed, Prot> = { nothing: PROT_NONE, loads: PROT_READ, stores: PROT_READ | PROT_WRITE }

export class World {
  readonly backend: Backend
  readonly subjects: readonly Subject[]
  readonly spaces: (Space | undefined)[] = []
  private readonly plan: Plan
  private readonly windows = new Map<Space, Window>()
  private readonly openings: OpenFile[] = []
  private readonly section: Section

  constructor(plan: Plan, backend: Backend) {
    this.plan = plan
    this.backend = backend
    this.subjects = backend.subjects()
    this.section = new Section(backend.engine)
    for (let open = 0; open < OPENINGS; open++) this.openings.push(this.open(open))
    for (let space = 0; space < SPACES; space++)
      this.spaces.push(space < 2 ? backend.engine.mm.createSpace(spacePlan(space)) : undefined)
  }

  /** Begins an operation; undefined: it means nothing as things stand. */
  start(operation: Operation): Started | undefined {
    const { engine } = this.backend
    const { verbs } = engine
    const started = (task: Task | undefined, bytes: Uint8Array = NOTHING): Started => ({
      operation,
      task,
      bytes,
      pause: operation.pause ?? 0,
    })
    const space = 'space' in operation ? this.spaces[operation.space] : undefined
    if ('space' in operation && space === undefined) return undefined
    switch (operation.kind) {
      case 'load': {
        const bytes = new Uint8Array(operation.length)
        return started(
          this.run(space!, view => view.read(operation.at, bytes)),
          bytes,
        )
      }
      case 'store': {
        const bytes = contentOf(operation.seed, operation.length)
        return started(
          this.run(space!, view => view.write(operation.at, bytes)),
          bytes,
        )
      }
      case 'read': {
        const bytes = new Uint8Array(operation.length)
        const { read } = this.openings[operation.open]!
        return started(this.subjectOf(operation.open).read(operation.at, bytes, read), bytes)
      }
      case 'write': {
        const bytes = contentOf(operation.seed, operation.length)
        const { read } = this.openings[operation.open]!
        return started(this.subjectOf(operation.open).write(operation.at, bytes, read), bytes)
      }
      case 'truncate':
        return started(this.subjects[operation.file]!.truncate(operation.size))
      case 'punch':
        return started(this.subjects[operation.file]!.punch(operation.at, operation.length))
      case 'sync':
        return started(this.subjectOf(operation.open).sync(this.openings[operation.open]!))
      case 'clone':
      case 'dedupe':
      case 'copy':
      case 'unshare':
      case 'allocate':
      case 'zero':
      case 'collapse':
      case 'insert':
        return started(this.change(operation))
      case 'crash':
        return started(undefined)
      case 'msync': {
        const { start, end } = rangeOf(operation)
        return started(this.spawn(verbs.msync, msyncArgs(space!, start, end)))
      }
      case 'map':
        return started(this.map(space!, operation))
      case 'unmap':
        return started(this.spawn(verbs.unmap, { space: space!, ...rangeOf(operation) }))
      case 'mremap': {
        const { pages, newPages, to, old } = operation
        const where = to === null ? 'stays' : { fixed: WINDOW + to }
        const plan = { space: space!, from: WINDOW + operation.page, pages, newPages, where, old } as const
        return started(this.spawn(verbs.mremap, mremapArgs(plan)))
      }
      case 'protect':
        return started(
          this.spawn(verbs.protect, { space: space!, ...rangeOf(operation), prot: PROT[operation.allowed] }),
        )
      case 'advise': {
        const { advice } = operation
        const { start, end } = rangeOf(operation)
        if (advice === 'collapse')
          return started(this.spawn(verbs.collapse, collapseArgs(space!, start, end)))
        return started(this.spawn(verbs.advise, { space: space!, ...rangeOf(operation), advice }))
      }
      case 'populate': {
        const { start, end } = rangeOf(operation)
        return started(this.spawn(verbs.populate, populateArgs(space!, start, end, operation.access)))
      }
      case 'lock':
        return started(this.spawn(verbs.lock, { space: space!, ...rangeOf(operation), to: operation.to }))
      case 'fork': {
        if (this.spaces[operation.child] !== undefined) return undefined
        const plan = spacePlan(operation.child)
        return started(this.spawn(verbs.fork, { space: space!, plan, child: undefined }))
      }
      case 'exit':
        return operation.space < 2 ? undefined : started(this.spawn(verbs.exit, { space: space! }))
      case 'reopen':
        this.openings[operation.open] = this.open(operation.open)
        return started(undefined)
      case 'evict':
        shrink(engine.mm, 0, ROOT)
        return started(undefined)
      case 'idle':
        return { ...started(undefined), pause: operation.ns }
      case 'break':
        this.backend.breaks(operation.nth, operation.times, operation.errno)
        return started(undefined)
      case 'heal':
        this.backend.heals()
        return started(undefined)
    }
  }

  /** Reads a whole file. */
  whole(file: number): Started {
    const subject = this.subjects[file]!
    const bytes = new Uint8Array(subject.file.size)
    const task = subject.read(0, bytes, newReadState('normal'))
    return { operation: { kind: 'read', open: file, at: 0, length: bytes.length }, task, bytes, pause: 0 }
  }

  /** A child was born or a space has ended. */
  place(space: number, now: Space | undefined): void {
    const before = this.spaces[space]
    if (before !== undefined) this.windows.delete(before)
    this.spaces[space] = now
  }

  unmap(space: number, start: number, end: number): Task {
    return this.spawn(this.backend.engine.verbs.unmap, { space: this.spaces[space]!, start, end })
  }

  errnoOf({ task }: Started): number {
    return task === undefined ? errno.OK : task.errno
  }

  private run(space: Space, run: (view: View) => void): Task {
    let window = this.windows.get(space)
    if (window === undefined) {
      window = new Window(this.section, space, WINDOW, this.plan.windowPages)
      this.windows.set(space, window)
    }
    return this.spawn(this.section, sectionArgs(window, run))
  }

  private map(space: Space, operation: Of<'map'>): Task {
    const { share, allowed, from, pages, place } = operation
    const anonymous = share === 'anonymous'
    const args: MapArgs = {
      space,
      pages,
      fixed: place === 'here' ? rangeOf(operation).start : undefined,
      locked: false,
      start: 0,
      plan: {
        prot: PROT[allowed],
        share: share === 'shared' ? 'shared' : 'private',
        open: anonymous ? undefined : this.openings[operation.open]!,
        pageOffset: from,
        advice: 'normal',
      },
    }
    return this.spawn(this.backend.engine.verbs.map, args)
  }

  /** What only files of a volume know. */
  private change(
    operation: Of<'clone' | 'dedupe' | 'copy' | 'unshare' | 'allocate' | 'zero' | 'collapse' | 'insert'>,
  ): Task {
    const volume = this.backend.volume!
    const opened = (file: number) => this.subjects[file]!.opened!
    switch (operation.kind) {
      case 'clone':
      case 'dedupe': {
        const { kind: how, from, to, length } = operation
        const [source, target] = [opened(operation.source), opened(operation.target)]
        return this.spawn(volume.remapping, remappingArgs({ how, source, from, target, to, length }))
      }
      case 'copy': {
        const { from, to, length } = operation
        const [source, target] = [opened(operation.source), opened(operation.target)]
        return this.spawn(volume.copying, rangeCopyingArgs({ source, from, target, to, length }))
      }
      case 'unshare': {
        const { at: position, length } = operation
        const file = opened(operation.file)
        return this.spawn(volume.unsharing, unsharingArgs({ file, position, length }))
      }
      case 'collapse':
      case 'insert': {
        const { kind: how, at: position, length } = operation
        const file = opened(operation.file)
        return this.spawn(volume.shifting, shiftingArgs({ how, file, position, length }))
      }
      case 'allocate':
      case 'zero': {
        const { kind: how, at: position, length, keeps } = operation
        const file = opened(operation.file)
        const size = keeps === 'size' ? 'kept' : 'grows'
        return this.spawn(volume.preallocating, preallocatingArgs({ file, position, length, how, size }))
      }
    }
  }

  private subjectOf(open: number): Subject {
    return this.subjects[open % this.subjects.length]!
  }

  private open(open: number): OpenFile {
    const { file, errorCount } = this.subjectOf(open)
    return newOpening(file, { seen: errorCount })
  }

  private spawn<Args>(verb: Verb<Args>, args: Args): Task {
    return this.backend.engine.scheduler.spawn(verb, args, { name: verb.name, group: ROOT })
  }
}

function rangeOf({ page, pages }: { readonly page: number; readonly pages: number }): {
  readonly start: number
  readonly end: number
} {
  return { start: WINDOW + page, end: WINDOW + page + pages }
}

function spacePlan(space: number): { name: string; group: number; commandLine: string } {
  return { name: `space ${space}`, group: ROOT, commandLine: `space ${space}` }
}
