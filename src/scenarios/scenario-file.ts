/**
 * A user's own scenario: a small YAML file, read into the same plain data as those of the catalogue.
 *
 *     name: two-stores
 *     about: two stores on a page whose writes must be stable
 *     files:
 *       data: { pages: 1, stable: true }
 *     mappings:
 *       data: { file: data }
 *     tasks: [store data 0, store data 0, sync data]
 *
 * Whatever is wrong is said in one sentence that begins with file, line and column.
 */
import {
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type ParsedNode,
  parseDocument,
  stringify,
} from 'yaml'
import { SLICE_PAGES } from '../base/index.ts'
import { didYouMean } from '../group/index.ts'
import {
  type Failure,
  FILE_DEFAULTS,
  type FileSpec,
  MAPPING_DEFAULTS,
  type MappingSpec,
  type Phrase,
  parsePhrase,
  SCENARIO_DEFAULTS,
  type Scenario,
  VOLUME_VERBS,
  type VolumeSpec,
} from './scenario.ts'

export class ScenarioError extends Error {
  override readonly name = 'ScenarioError'
}

/** Reads one value, or fails with a sentence about its node. */
type Read<Value> = (reader: Reader, node: Node) => Value
type Readers<Spec> = { readonly [Key in keyof Spec]-?: Read<Spec[Key]> }

/** A phrase, and where it stands. */
interface Said {
  readonly node: Node
  readonly phrase: Phrase
}

/** `path` is only said in errors. */
export function readScenario(path: string, text: string): Scenario {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  const reader = new Reader(path, lines)
  const [broken] = document.errors
  if (broken !== undefined) reader.fail(broken.pos[0], `this isn't YAML: ${broken.message}`)
  if (document.contents === null) reader.fail(0, 'expected a scenario, got an empty file')
  return reader.scenario(document.contents as ParsedNode)
}

/** The file that `readScenario` makes this scenario of, without what is as usual. */
export function writeScenario(scenario: Scenario): string {
  const plan = {
    ...unusual(scenario, SCENARIO_DEFAULTS),
    files: each(scenario.files, FILE_DEFAULTS),
    mappings: each(scenario.mappings, MAPPING_DEFAULTS),
  }
  const { before, tasks, ...head } = plan as Partial<Scenario>
  return stringify({ ...head, ...(before === undefined ? {} : { before }), tasks })
}

const each = <Spec extends object>(specs: Readonly<Record<string, Spec>>, defaults: Spec) =>
  Object.fromEntries(Object.entries(specs).map(([name, spec]) => [name, unusual(spec, defaults)]))

function unusual<Spec extends object>(spec: Spec, defaults: Partial<Spec>): Partial<Spec> {
  const same = (key: string) =>
    JSON.stringify(spec[key as keyof Spec]) === JSON.stringify(defaults[key as keyof Spec])
  return Object.fromEntries(Object.entries(spec).filter(([key]) => !same(key))) as Partial<Spec>
}

class Reader {
  private readonly path: string
  private readonly lines: LineCounter
  private files: readonly string[] = []
  private mappings: readonly string[] = []
  private readonly said: { before: readonly Said[]; tasks: readonly Said[] } = { before: [], tasks: [] }

  constructor(path: string, lines: LineCounter) {
    this.path = path
    this.lines = lines
  }

  fail(at: number | Node, says: string): never {
    const { line, col } = this.lines.linePos(typeof at === 'number' ? at : (at.range?.[0] ?? 0))
    throw new ScenarioError(`${this.path}:${line}:${col}: ${says}`)
  }

  scenario(node: Node): Scenario {
    const scenario = this.record<Scenario>(node, 'a scenario', SCENARIO, {
      ...SCENARIO_DEFAULTS,
      about: '',
      from: '',
    })
    if (scenario.tasks === undefined) this.fail(node, 'a scenario needs `tasks`')
    if (scenario.name === undefined) this.fail(node, 'a scenario needs a `name`')
    this.checkSaid(scenario)
    this.checkBlocks(node, scenario)
    for (const [at, place] of scenario.kills.entries())
      if (place >= scenario.tasks.length)
        this.fail(
          within(node, 'kills', at),
          `\`kills\` names task ${place}; the last is ${scenario.tasks.length - 1}`,
        )
    return scenario as Scenario
  }

  /** What a phrase can't say by itself: whether there is a volume, and the space that it names when its turn comes. */
  private checkSaid({ volume, mappings }: Scenario): void {
    const { before, tasks } = this.said
    const spaces = new Set(['app', ...Object.values(mappings).map(({ space }) => space)])
    for (const said of [...before, ...tasks]) {
      const { node, phrase } = said
      if (VOLUME_VERBS.has(phrase.verb) && volume === undefined)
        this.fail(
          node,
          `\`${phrase.text}\` is for files of a volume; say \`volume: { open: cached }\` or dax`,
        )
      const space = phrase.target.startsWith('child/') ? 'child' : phrase.space
      if (!spaces.has(space))
        this.fail(
          node,
          `\`${phrase.text}\`: there is no space \`${space}\`, only ${[...spaces].join(', ')}; a mapping's \`space\` makes one, and a \`fork\` in \`before\` makes \`child\``,
        )
      if (phrase.verb === 'fork' && before.includes(said)) spaces.add('child')
    }
  }

  /** The pages of all files have blocks of the volume, beside its first. */
  private checkBlocks(node: Node, { volume, files }: Scenario): void {
    const needed = Object.values(files).reduce((sum, { pages }) => sum + pages, 1)
    if (volume !== undefined && volume.blocks < needed)
      this.fail(
        within(node, 'volume', 'blocks'),
        `a volume of ${volume.blocks} blocks is too small: its first and the pages of its files are ${needed}`,
      )
  }

  /** A map with known keys; what it lacks comes from `defaults`. */
  record<Spec>(node: Node, what: string, readers: Readers<Spec>, defaults: Partial<Spec>): Spec {
    if (!isMap(node)) this.fail(node, `expected ${what} as a map, got ${shownNode(node)}`)
    const record: Partial<Spec> = { ...defaults }
    for (const { key, value } of node.items) {
      const name = String((key as { value?: unknown }).value)
      if (!Object.hasOwn(readers, name))
        this.fail(key as Node, `\`${name}\` is no key of ${what}${didYouMean(name, Object.keys(readers))}`)
      if (value === null) this.fail(key as Node, `\`${name}\` has no value`)
      record[name as keyof Spec] = readers[name as keyof Spec](this, value as Node)
    }
    return record as Spec
  }

  /** A map from names of the writer's choice. */
  named<Spec>(node: Node, what: string, read: Read<Spec>): Record<string, Spec> {
    if (!isMap(node)) this.fail(node, `expected ${what} as a map from their names, got ${shownNode(node)}`)
    const found: Record<string, Spec> = {}
    for (const { key, value } of node.items) {
      const name = String((key as { value?: unknown }).value)
      if (!/^[a-z][a-z0-9-]*$/.test(name))
        this.fail(key as Node, `expected a name of small letters, got \`${name}\``)
      found[name] = read(this, value as Node)
    }
    return found
  }

  list<Item>(node: Node, what: string, read: Read<Item>): Item[] {
    if (!isSeq(node)) this.fail(node, `expected ${what} as a list, got ${shownNode(node)}`)
    return node.items.map(item => read(this, item as Node))
  }

  readFiles(node: Node): Record<string, FileSpec> {
    const files = this.named(node, 'files', (reader, each) =>
      reader.record(each, 'a file', FILE, FILE_DEFAULTS),
    )
    this.files = Object.keys(files)
    return files
  }

  readMappings(node: Node): Record<string, MappingSpec> {
    const mappings = this.named(node, 'mappings', (reader, each) => reader.mapping(each))
    this.mappings = Object.keys(mappings)
    return mappings
  }

  private mapping(node: Node): MappingSpec {
    const { share: usual, ...defaults } = MAPPING_DEFAULTS
    const spec = this.record<MappingSpec>(node, 'a mapping', MAPPING, defaults)
    if (spec.file === '' && spec.share === 'shared')
      this.fail(
        within(node, 'share'),
        'memory without a file is private here; leave out `share`, or name a `file`',
      )
    return { ...spec, share: spec.share ?? (spec.file === '' ? 'private' : usual) }
  }

  fileName(node: Node): string {
    const name = word(this, node)
    if (!this.files.includes(name))
      this.fail(
        node,
        `there is no file \`${name}\`${didYouMean(name, this.files)}; \`files\` comes before \`mappings\``,
      )
    return name
  }

  phrases(node: Node, key: 'before' | 'tasks'): string[] {
    this.said[key] = this.list(node, `\`${key}\``, (each, item) => each.phrase(item))
    return this.said[key].map(({ phrase }) => phrase.text)
  }

  private phrase(node: Node): Said {
    const phrase = parsePhrase(word(this, node), this.files, this.mappings)
    if (typeof phrase === 'string') this.fail(node, phrase)
    return { node, phrase }
  }
}

/** The part of a map or a list that a path of keys leads to, or the last on the way there that is written. */
function within(node: Node, ...keys: readonly (string | number)[]): Node {
  const [key, ...rest] = keys
  const part = key !== undefined && (isMap(node) || isSeq(node)) ? node.get(key, true) : undefined
  return part === undefined ? node : within(part as Node, ...rest)
}

function word(reader: Reader, node: Node): string {
  if (!isScalar(node) || typeof node.value !== 'string')
    reader.fail(node, `expected words, got ${shownNode(node)}`)
  return node.value
}

function yesOrNo(reader: Reader, node: Node): boolean {
  if (!isScalar(node) || typeof node.value !== 'boolean')
    reader.fail(node, `expected true or false, got ${shownNode(node)}`)
  return node.value
}

function whole(least: number, most: number): Read<number> {
  return (reader: Reader, node: Node): number => {
    const value = isScalar(node) ? node.value : undefined
    if (typeof value !== 'number' || !Number.isInteger(value) || value < least || value > most)
      reader.fail(node, `expected a whole number from ${least} to ${most}, got ${shownNode(node)}`)
    return value
  }
}

function oneOf<Word extends string>(...words: readonly Word[]): Read<Word> {
  return (reader: Reader, node: Node): Word => {
    const value = isScalar(node) ? node.value : undefined
    const found = words.find(each => each === value)
    if (found === undefined) reader.fail(node, `expected ${words.join(' or ')}, got ${shownNode(node)}`)
    return found
  }
}

const FILE: Readers<FileSpec> = { pages: whole(0, 16), stable: yesOrNo, free: whole(0, 8) }

const MAPPING: Readers<MappingSpec> = {
  space: word,
  file: (reader, node) => reader.fileName(node),
  share: oneOf('shared', 'private'),
  prot: oneOf('read', 'write'),
  pages: whole(1, 16),
  offset: whole(0, 7),
  advice: oneOf('normal', 'random', 'sequential'),
}

const FAILURE: Readers<Failure> = {
  operation: oneOf('read', 'write', 'flush', 'resize', 'zero'),
  times: whole(1, 4),
}

const VOLUME: Readers<VolumeSpec> = { blocks: whole(2, 64), open: oneOf('cached', 'dax') }

const SCENARIO: Readers<Scenario> = {
  name: word,
  about: word,
  from: word,
  frames: whole(1, 64),
  reclaims: yesOrNo,
  pageKiB: (reader, node) => Number(oneOf('4', '16', '64', '128')(reader, asWord(node))),
  slicePages: whole(1, SLICE_PAGES),
  throttles: yesOrNo,
  volume: (reader, node) => reader.record(node, 'a volume', VOLUME, { blocks: 16, open: 'cached' }),
  files: (reader, node) => reader.readFiles(node),
  mappings: (reader, node) => reader.readMappings(node),
  before: (reader, node) => reader.phrases(node, 'before'),
  tasks: (reader, node) => {
    const tasks = reader.phrases(node, 'tasks')
    if (tasks.length < 1 || tasks.length > 8) reader.fail(node, `expected 1 to 8 tasks, got ${tasks.length}`)
    return tasks
  },
  fails: (reader, node) =>
    reader.list(node, '`fails`', (each, item) => each.record(item, 'a failure', FAILURE, { times: 1 })),
  kills: (reader, node) => reader.list(node, '`kills`', whole(0, 7)),
}

/** 128 and `128` are the same choice. */
function asWord(node: Node): Node {
  if (isScalar(node) && typeof node.value === 'number') node.value = String(node.value)
  return node
}

function shownNode(node: Node): string {
  if (isScalar(node)) return `\`${String(node.value)}\``
  return isMap(node) ? 'a map' : isSeq(node) ? 'a list' : 'nothing'
}
