/**
 * A scenario: a few tasks on a small machine, as plain data, so that it can be printed, kept in a file and sent to
 * another thread. The explorer runs its tasks in every order.
 *
 * Each task is a phrase of one verb and its words:
 *
 *     load|store MAPPING PAGE         one access through the page table, faulting as often as it must
 *     munmap MAPPING                  also: remap (anonymous memory takes its place), dontneed, willneed, cold, pageout, collapse, mlock, populate
 *     mprotect MAPPING none|read|write
 *     mremap MAPPING longer|shorter|away        by a page where it is, or all of it to another place
 *     fork, exit, proc cmdline|maps|smaps       the space `app`; `proc maps other` for another one
 *     read|write FILE PAGE            by call, a whole page
 *     truncate FILE PAGES, punch FILE PAGE, sync FILE, msync MAPPING
 *     reclaim                         one pass for memory
 *
 * and where the files are a volume's:
 *
 *     clone FILE FILE, dedupe FILE FILE         the whole of the first; the second is the one that changes
 *     unshare FILE, allocate FILE, zero FILE PAGE, commit, snapshot (of all)
 *
 * A mapping of a child that `before` has forked is named `child/MAPPING`, the place that mremap takes one to `away/MAPPING`.
 */
import { type PageIndex, SLICE_PAGES } from '../base/index.ts'

/** How many pages further mremap takes a mapping: past all others. */
export const AWAY = 512

export interface FileSpec {
  readonly pages: number
  /** Its pages may not change while they are written. */
  readonly stable: boolean
  /** Blocks that are still to be had for pages without one; undefined: every page has its block. */
  readonly free: number | undefined
}

/** Where files lie that may share blocks. */
export interface VolumeSpec {
  /** Of its device, the first with them, which holds no data. */
  readonly blocks: number
  /** Whether the pages of its files are in the cache, or are the device's own blocks. */
  readonly open: 'cached' | 'dax'
}

export interface MappingSpec {
  readonly space: string
  /** '': anonymous memory. */
  readonly file: string
  readonly share: 'shared' | 'private'
  readonly prot: 'read' | 'write'
  readonly pages: number
  readonly offset: PageIndex
  readonly advice: 'normal' | 'random' | 'sequential'
}

export interface Failure {
  readonly operation: 'read' | 'write' | 'flush' | 'resize' | 'zero'
  readonly times: number
}

export interface Scenario {
  readonly name: string
  readonly about: string
  /** The kernel bug or the xfstests number that it comes from. */
  readonly from: string
  /** Pages of memory. */
  readonly frames: number
  /** Memory is short: the order in which pages are reclaimed is part of the state. */
  readonly reclaims: boolean
  readonly pageKiB: number
  /** Pages that one attempt of a long call changes at most: 1, to see what lies between two slices. */
  readonly slicePages: number
  /** Whether writers are made to pause for what they dirty. */
  readonly throttles: boolean
  /** undefined: each file lies on a device of its own. */
  readonly volume: VolumeSpec | undefined
  readonly files: Readonly<Record<string, FileSpec>>
  readonly mappings: Readonly<Record<string, MappingSpec>>
  /** Done first, one after the other, before anything is explored. */
  readonly before: readonly string[]
  readonly tasks: readonly string[]
  /** I/O that may fail with EIO. */
  readonly fails: readonly Failure[]
  /** Tasks that may be killed at any moment, by their place from 0. */
  readonly kills: readonly number[]
}

export const FILE_DEFAULTS: FileSpec = { pages: 1, stable: false, free: undefined }

export const MAPPING_DEFAULTS: MappingSpec = {
  space: 'app',
  file: '',
  share: 'shared',
  prot: 'write',
  pages: 1,
  offset: 0,
  advice: 'random',
}

export const SCENARIO_DEFAULTS: Omit<Scenario, 'name' | 'about' | 'from' | 'tasks'> = {
  frames: 12,
  reclaims: false,
  pageKiB: 4,
  slicePages: SLICE_PAGES,
  throttles: false,
  volume: undefined,
  files: {},
  mappings: {},
  before: [],
  fails: [],
  kills: [],
}

/** A scenario, without what is as usual. */
export type Plan = Pick<Scenario, 'name' | 'about' | 'from' | 'tasks'> &
  Partial<Omit<Scenario, 'files' | 'mappings'>> & {
    readonly files: Readonly<Record<string, Partial<FileSpec>>>
    readonly mappings: Readonly<Record<string, Partial<MappingSpec>>>
  }

/** A scenario from what it says, and the defaults for what it doesn't. */
export function scenarioOf({ files, mappings, ...plan }: Plan): Scenario {
  return {
    ...SCENARIO_DEFAULTS,
    ...plan,
    files: filled(files, FILE_DEFAULTS),
    mappings: filled(mappings, MAPPING_DEFAULTS),
  }
}

function filled<Spec>(specs: Readonly<Record<string, Partial<Spec>>>, defaults: Spec): Record<string, Spec> {
  return Object.fromEntries(Object.entries(specs).map(([name, spec]) => [name, { ...defaults, ...spec }]))
}

/** What a word of a phrase names. */
type WordKind = 'mapping' | 'file' | 'source' | 'page' | 'pages' | 'space' | readonly string[]

export const GRAMMAR = {
  load: ['mapping', 'page'],
  store: ['mapping', 'page'],
  munmap: ['mapping'],
  remap: ['mapping'],
  dontneed: ['mapping'],
  cold: ['mapping'],
  pageout: ['mapping'],
  collapse: ['mapping'],
  willneed: ['mapping'],
  mlock: ['mapping'],
  populate: ['mapping'],
  msync: ['mapping'],
  mprotect: ['mapping', ['none', 'read', 'write']],
  mremap: ['mapping', ['longer', 'shorter', 'away']],
  fork: ['space'],
  exit: ['space'],
  proc: [['cmdline', 'maps', 'smaps'], 'space'],
  read: ['file', 'page'],
  write: ['file', 'page'],
  truncate: ['file', 'pages'],
  punch: ['file', 'page'],
  sync: ['file'],
  reclaim: [],
  clone: ['source', 'file'],
  dedupe: ['source', 'file'],
  unshare: ['file'],
  allocate: ['file'],
  zero: ['file', 'page'],
  commit: [],
  snapshot: [],
} as const satisfies Readonly<Record<string, readonly WordKind[]>>

/** Verbs that only files of a volume know. */
export const VOLUME_VERBS: ReadonlySet<string> = new Set([
  'clone',
  'dedupe',
  'unshare',
  'allocate',
  'zero',
  'commit',
  'snapshot',
])

export type VerbName = keyof typeof GRAMMAR

export interface Phrase {
  readonly text: string
  readonly verb: VerbName
  /** The mapping or the file, '' if the verb has none. */
  readonly target: string
  /** The file that another one is to be like. */
  readonly source: string
  readonly space: string
  /** A page, or a number of pages. */
  readonly number: number
  /** A word of the verb's own. */
  readonly word: string
}

/** A phrase, or one sentence that says what is wrong with it. */
export function parsePhrase(
  text: string,
  files: readonly string[],
  mappings: readonly string[],
): Phrase | string {
  const [verb = '', ...words] = text.trim().split(/\s+/)
  if (!Object.hasOwn(GRAMMAR, verb))
    return `\`${verb}\` is no verb; the verbs are ${Object.keys(GRAMMAR).join(', ')}`
  const grammar: readonly WordKind[] = GRAMMAR[verb as VerbName]
  const said = [verb, ...words].join(' ')
  const phrase = {
    text: said,
    verb: verb as VerbName,
    target: '',
    source: '',
    space: 'app',
    number: 0,
    word: '',
  }
  for (const [at, kind] of grammar.entries()) {
    const word = words[at]
    if (word === undefined && kind === 'space') continue
    if (word === undefined) return `\`${text}\` lacks a ${nameOf(kind)}`
    if (kind === 'space') phrase.space = word
    else if (kind === 'page' || kind === 'pages') {
      if (!/^\d{1,2}$/.test(word))
        return `\`${text}\`: expected a number of ${kind} below 100, got \`${word}\``
      phrase.number = Number(word)
    } else if (kind === 'mapping' || kind === 'file' || kind === 'source') {
      const known = kind === 'mapping' ? mappings : files
      if (!known.includes(word.replace(/^(child|away)\//, '')))
        return `\`${text}\`: there is no ${nameOf(kind)} \`${word}\`; there ${known.length === 1 ? 'is' : 'are'} ${known.join(', ') || 'none'}`
      if (kind === 'source') phrase.source = word
      else phrase.target = word
    } else {
      if (!kind.includes(word)) return `\`${text}\`: expected ${kind.join(' or ')}, got \`${word}\``
      phrase.word = word
    }
  }
  if (words.length > grammar.length) return `\`${text}\` has a word too many: \`${words[grammar.length]}\``
  return phrase
}

function nameOf(kind: WordKind): string {
  if (kind === 'source') return 'file'
  return typeof kind === 'string' ? kind : kind.join(' or ')
}
