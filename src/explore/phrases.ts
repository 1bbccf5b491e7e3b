/**
 * From the phrase of a scenario to a task of the engine: one entry for each verb of the grammar.
 *
 * Invariants
 *   PH1 Two phrases with the same text become tasks that differ in nothing but their number.
 */
import { assert, ROOT } from '../base/index.ts'
import { copyArgs, syncArgs, truncateArgs } from '../cache/index.ts'
import { newReadState } from '../memmap/index.ts'
import { PROT_NONE, PROT_READ, PROT_WRITE, type Prot, type Space, shrink } from '../mm/index.ts'
import { type ProcFile, procArgs } from '../proc/index.ts'
import { AWAY, type Phrase, type VerbName } from '../scenarios/index.ts'
import { done, type Outcome, type Task, type Verb } from '../sched/index.ts'
import { collapseArgs, mremapArgs, msyncArgs, populateArgs } from '../space/index.ts'
import {
  type DaxChangePlan,
  type DaxFile,
  daxChangeArgs,
  preallocatingArgs,
  remappingArgs,
  snapshotArgs,
  unsharingArgs,
  type VolumeFile,
} from '../volume/index.ts'
import type { Machine, Place } from './machine.ts'
import type { LabVolume } from './volume/volume.ts'

/** What the task of a phrase writes: its own word, the same for phrases of the same text. */
const WORDS_FROM = 200

/** More pages than a file of a scenario has. */
const PAGES_MAX = 100

const PROTS: Readonly<Record<string, Prot>> = {
  none: PROT_NONE,
  read: PROT_READ,
  write: PROT_READ | PROT_WRITE,
}

/** A task that asks for nothing but memory for others (kswapd, one pass). */
class Reclaim implements Verb<object> {
  readonly name = 'reclaim'
  private readonly machine: Machine

  constructor(machine: Machine) {
    this.machine = machine
  }

  attempt(): Outcome {
    shrink(this.machine.engine.mm, 0, ROOT)
    return done
  }
}

type Maker = (machine: Machine, phrase: Phrase, nth: number) => Task

const MAKERS: Readonly<Record<VerbName, Maker>> = {
  load: (machine, phrase) => access(machine, phrase, 'load', 0),
  store: (machine, phrase, nth) => access(machine, phrase, 'store', WORDS_FROM + nth),
  munmap: (machine, phrase) => spawn(machine, phrase, machine.engine.verbs.unmap, range(machine, phrase)),
  remap(machine, phrase) {
    const { space, start, end } = machine.place(phrase.target)
    const plan = {
      prot: PROTS.write!,
      share: 'private',
      open: undefined,
      pageOffset: 0,
      advice: 'normal',
    } as const
    const args = { space, pages: end - start, fixed: start, plan, locked: false, start: 0 }
    return spawn(machine, phrase, machine.engine.verbs.map, args)
  },
  dontneed: (machine, phrase) => advise(machine, phrase, 'dontneed'),
  cold: (machine, phrase) => advise(machine, phrase, 'cold'),
  pageout: (machine, phrase) => advise(machine, phrase, 'pageout'),
  collapse: (machine, phrase) => {
    const { space, start, end } = range(machine, phrase)
    return spawn(machine, phrase, machine.engine.verbs.collapse, collapseArgs(space, start, end))
  },
  willneed: (machine, phrase) => advise(machine, phrase, 'willneed'),
  mlock: (machine, phrase) =>
    spawn(machine, phrase, machine.engine.verbs.lock, { ...range(machine, phrase), to: 'locked' as const }),
  populate(machine, phrase) {
    const { space, start, end } = machine.place(phrase.target)
    return spawn(machine, phrase, machine.engine.verbs.populate, populateArgs(space, start, end, 'load'))
  },
  msync(machine, phrase) {
    const { space, start, end } = machine.place(phrase.target)
    return spawn(machine, phrase, machine.engine.verbs.msync, msyncArgs(space, start, end))
  },
  mprotect: (machine, phrase) =>
    spawn(machine, phrase, machine.engine.verbs.protect, {
      ...range(machine, phrase),
      prot: PROTS[phrase.word]!,
    }),
  mremap(machine, phrase) {
    const { space, start: from, end } = machine.place(phrase.target)
    const pages = end - from
    const newPages = pages + (phrase.word === 'longer' ? 1 : phrase.word === 'shorter' ? -1 : 0)
    const where = phrase.word === 'away' ? { fixed: from + AWAY } : 'stays'
    const plan = { space, from, pages, newPages, where, old: 'is unmapped' } as const
    return spawn(machine, phrase, machine.engine.verbs.mremap, mremapArgs(plan))
  },
  fork(machine, phrase) {
    const plan = { name: 'child', group: ROOT, commandLine: 'child' }
    return spawn(machine, phrase, machine.engine.verbs.fork, {
      space: spaceOf(machine, phrase),
      plan,
      child: undefined,
    })
  },
  exit: (machine, phrase) =>
    spawn(machine, phrase, machine.engine.verbs.exit, { space: spaceOf(machine, phrase) }),
  proc: (machine, phrase) =>
    spawn(
      machine,
      phrase,
      machine.engine.verbs.proc,
      procArgs(spaceOf(machine, phrase), phrase.word as ProcFile),
    ),
  read: (machine, phrase) => spawn(machine, phrase, machine.engine.verbs.read, call(machine, phrase, 0)),
  write: (machine, phrase, nth) =>
    spawn(machine, phrase, machine.engine.verbs.write, call(machine, phrase, WORDS_FROM + nth)),
  truncate(machine, phrase) {
    const size = phrase.number * machine.pageSize
    const dax = daxFile(machine, phrase)
    if (dax !== undefined) return daxChange(machine, phrase, { how: 'resize', file: dax, size })
    return spawn(
      machine,
      phrase,
      machine.engine.verbs.truncate,
      truncateArgs(machine.file(phrase.target), { size }),
    )
  },
  punch(machine, phrase) {
    const change = { position: phrase.number * machine.pageSize, length: machine.pageSize }
    const dax = daxFile(machine, phrase)
    if (dax !== undefined) return daxChange(machine, phrase, { how: 'punch', file: dax, ...change })
    return spawn(
      machine,
      phrase,
      machine.engine.verbs.truncate,
      truncateArgs(machine.file(phrase.target), change),
    )
  },
  sync(machine, phrase) {
    if (daxFile(machine, phrase) !== undefined) return commit(machine, phrase)
    const args = syncArgs(machine.file(phrase.target), 0, Infinity, { seen: 0 })
    return spawn(machine, phrase, machine.engine.verbs.sync, args)
  },
  reclaim: (machine, phrase) => spawn(machine, phrase, new Reclaim(machine), {}),
  clone: (machine, phrase) => remap(machine, phrase, 'clone'),
  dedupe: (machine, phrase) => remap(machine, phrase, 'dedupe'),
  unshare(machine, phrase) {
    const file = opened(machine, phrase.target)
    const args = unsharingArgs({ file, position: 0, length: PAGES_MAX * machine.pageSize })
    return spawn(machine, phrase, volumeOf(machine).volume.unsharing, args)
  },
  allocate(machine, phrase) {
    const file = opened(machine, phrase.target)
    const plan = { file, position: 0, length: file.size, how: 'allocate', size: 'kept' } as const
    return spawn(machine, phrase, volumeOf(machine).volume.preallocating, preallocatingArgs(plan))
  },
  zero(machine, phrase) {
    const file = opened(machine, phrase.target)
    const position = phrase.number * machine.pageSize
    const plan = { file, position, length: machine.pageSize, how: 'zero', size: 'kept' } as const
    return spawn(machine, phrase, volumeOf(machine).volume.preallocating, preallocatingArgs(plan))
  },
  commit,
  snapshot(machine, phrase) {
    const args = snapshotArgs({ from: '/', to: '/snapshot', mode: 'r+' })
    return spawn(machine, phrase, volumeOf(machine).volume.snapshot, args)
  },
}

/** Makes the task of a phrase; `nth` tells phrases with different texts apart. */
export function begin(machine: Machine, phrase: Phrase, nth: number): Task {
  return MAKERS[phrase.verb](machine, phrase, nth)
}

function volumeOf({ volume, scenario }: Machine): LabVolume {
  assert(volume !== undefined, `${scenario.name}: the files are a volume's`)
  return volume
}

function opened(machine: Machine, name: string): VolumeFile | DaxFile {
  return volumeOf(machine).opened.get(name)!
}

function daxFile({ volume }: Machine, { target }: Phrase): DaxFile | undefined {
  const file = volume?.opened.get(target)
  return file?.opened === 'dax' ? file : undefined
}

function daxChange(machine: Machine, phrase: Phrase, plan: DaxChangePlan): Task {
  return spawn(machine, phrase, volumeOf(machine).volume.daxChange, daxChangeArgs(plan))
}

function remap(machine: Machine, phrase: Phrase, how: 'clone' | 'dedupe'): Task {
  const source = opened(machine, phrase.source)
  const target = opened(machine, phrase.target)
  const args = remappingArgs({ how, source, from: 0, target, to: 0, length: source.size })
  return spawn(machine, phrase, volumeOf(machine).volume.remapping, args)
}

function commit(machine: Machine, phrase: Phrase): Task {
  return spawn(machine, phrase, volumeOf(machine).committing, { ticket: undefined })
}

function spawn<Args>(machine: Machine, phrase: Phrase, verb: Verb<Args>, args: Args): Task {
  return machine.engine.scheduler.spawn(verb, args, { name: phrase.text, group: ROOT })
}

function access(machine: Machine, phrase: Phrase, kind: 'load' | 'store', word: number): Task {
  const { space, start } = machine.place(phrase.target)
  const args = { space, vpn: start + phrase.number, access: kind, word, fault: undefined }
  return spawn(machine, phrase, machine.access, args)
}

function advise(
  machine: Machine,
  phrase: Phrase,
  advice: 'willneed' | 'dontneed' | 'cold' | 'pageout',
): Task {
  return spawn(machine, phrase, machine.engine.verbs.advise, { ...range(machine, phrase), advice })
}

function call(machine: Machine, phrase: Phrase, word: number) {
  // What a read fills is part of the state.
  const buffer = phrase.verb === 'read' ? new Uint8Array(machine.pageSize) : machine.constant(word)
  return copyArgs(
    machine.file(phrase.target),
    phrase.number * machine.pageSize,
    buffer,
    newReadState('random'),
  )
}

function range(machine: Machine, phrase: Phrase): Place {
  return { ...machine.place(phrase.target) }
}

function spaceOf(machine: Machine, phrase: Phrase): Space {
  return machine.space(phrase.space)
}
