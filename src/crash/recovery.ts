/**
 * What another machine finds after a crash: it opens the volume, checks it, and reads every name and every byte.
 *
 * Invariants checked, of each image
 *   the volume opens, or there never was one
 *   `check` finds nothing wrong, and no byte fails its checksum
 *   names, link counts, attributes, sizes and pages are those of one cut of the oracle
 *
 * Invariants
 *   RVC1 What a recovery finds goes by the mode, the records and the blocks that it reads.
 */
import { assert, type Bytes, errnoName } from '../base/index.ts'
import { copyArgs } from '../cache/index.ts'
import { newReadState } from '../memmap/index.ts'
import { bytesOf, MIX53, type Volume } from '../volume/index.ts'
import type { Image } from './image.ts'
import { type Cut, DIRECTORY, type MayHold, Oracle, pagesOf } from './oracle.ts'
import { expectDone, expectValue, MEMORY, type Mode, PAGE, Stage, type StagePlan } from './stage.ts'

interface FoundFile {
  readonly ino: number
  readonly links: number
  readonly bytes: Uint8Array
  readonly sums: readonly number[]
  readonly attributes: string
}

/** Paths, and the file that each leads to; undefined: a directory. */
export type Found = ReadonlyMap<string, FoundFile | undefined>

/** What is found in an image, or what is wrong with it. */
export type Verdict =
  | { readonly wrong: string; readonly found: undefined }
  /** `found`: undefined if there is no volume, and needn't be. */
  | { readonly wrong: undefined; readonly found: Found | undefined }

/** What opening an image has shown, and the blocks that were read for it, the first first. */
export interface Recovery {
  readonly verdict: Verdict
  readonly reads: ReadonlySet<number>
}

/** Opens what is there, and looks at all of it, in this memory. */
export function recover(image: Image, mode: Mode, memory = new ArrayBuffer(MEMORY)): Recovery {
  const reads = new Set<number>()
  try {
    return { verdict: lookAt({ mode, order: 'oldest-first', image, memory, reads }), reads }
  } catch (error) {
    return { verdict: broken(sayOf(error)), reads }
  }
}

/** A block that every recovery reads which has found the same until then; what follows goes by the sum of what it holds. */
interface Question {
  readonly block: number
  readonly answers: Map<number, Question | Verdict>
}

/** So many verdicts are remembered; each has the bytes of all files. */
const VERDICTS_MAX = 2000

/**
 * Recoveries that remember. What is found depends on the records and on the blocks that are read, and on nothing else: neither
 * on other blocks nor on what the program was promised.
 */
export class Recoveries {
  /** By mode and records, what is asked first. */
  private readonly firsts = new Map<string, Question | Verdict>()
  private count = 0
  /** hot: of one machine after the other; to get it anew took a tenth of the time. */
  private readonly memory = new ArrayBuffer(MEMORY)

  recover(image: Image, mode: Mode): Verdict {
    const key = `${mode} ${image.records.sum}`
    let known = this.firsts.get(key)
    while (known !== undefined && 'block' in known) known = known.answers.get(image.blocks[known.block]!.sum)
    return known ?? this.recoverAnew(key, image, mode)
  }

  private recoverAnew(key: string, image: Image, mode: Mode): Verdict {
    if (this.count++ === VERDICTS_MAX) {
      this.firsts.clear()
      this.count = 1
    }
    new Uint8Array(this.memory).fill(0)
    const { verdict, reads } = recover(image, mode, this.memory)
    let [answers, answer]: [Map<string | number, Question | Verdict>, string | number] = [this.firsts, key]
    for (const block of reads) {
      let question = answers.get(answer)
      if (question === undefined) {
        question = { block, answers: new Map() }
        answers.set(answer, question)
      }
      assert('block' in question && question.block === block, 'RVC1: a recovery goes by what it has read')
      answers = question.answers
      answer = image.blocks[block]!.sum
    }
    answers.set(answer, verdict)
    return verdict
  }
}

/** What an operation or a recovery says that broke off: a failed assertion too is something that a crash has led to. */
export function sayOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

function lookAt(plan: StagePlan): Verdict {
  const stage = new Stage(plan)
  stage.settle()
  if (stage.mount.errno !== 0) return broken(`the volume doesn’t open: ${errnoName(stage.mount.errno)}`)
  const { wrong } = stage.volume.check()
  if (wrong.length > 0) return broken(`check says: ${wrong.join('; ')}`)
  const found = read(stage)
  if (stage.volume.damageCount > 0) return broken(`damage: ${stage.volume.damage.join('; ')}`)
  return typeof found === 'string' ? broken(found) : { wrong: undefined, found }
}

/** The same, and compares it with what may be there. */
export function judge(image: Image, mode: Mode, oracle: Oracle, by: Recoveries): Verdict {
  if (oracle.mayBeNothing && image.records.entries.length === 0) return { wrong: undefined, found: undefined }
  const verdict = by.recover(image, mode)
  if (verdict.found === undefined) return verdict
  const { cuts } = oracle
  let nearest = ''
  for (const cut of cuts.toReversed()) {
    const differs = difference(verdict.found, cut, oracle)
    if (differs === undefined) return verdict
    nearest ||= differs
  }
  return broken(
    cuts.length === 1 ? nearest : `none of ${cuts.length} states fits; as to the newest, ${nearest}`,
  )
}

function broken(wrong: string): Verdict {
  return { wrong, found: undefined }
}

/** The oracle of a program that has seen all of this, and was promised it. */
export function oracleOf(found: Found, mode: Mode): Oracle {
  const names = new Map<string, string>()
  const content = new Map<string, Uint8Array>()
  const attributes = new Map<string, string>()
  const known = new Map<number, string>()
  for (const [path, file] of found) {
    if (file === undefined) {
      names.set(path, DIRECTORY)
      continue
    }
    const name = known.get(file.ino) ?? path.slice(1)
    known.set(file.ino, name)
    names.set(path, name)
    content.set(name, file.bytes)
    attributes.set(name, file.attributes)
  }
  return new Oracle(mode, names, content, attributes)
}

function read(stage: Stage): Found | string {
  const found = new Map<string, FoundFile | undefined>()
  const { volume } = stage
  const byIno = new Map<number, FoundFile>()
  const directories = ['']
  for (let parent = directories.pop(); parent !== undefined; parent = directories.pop()) {
    const list = volume.list(parent || '/')
    if (list.value === undefined) return `list of ${parent}/ ends with ${errnoName(list.errno)}`
    for (const { name, ino, kind } of list.value) {
      const path = `${parent}/${name}`
      if (kind === 'directory') {
        directories.push(path)
        found.set(path, undefined)
        continue
      }
      const file =
        byIno.get(ino) ?? (kind === 'file' ? readFile(stage, volume, path) : readOther(volume, path, kind))
      if (typeof file === 'string') return file
      byIno.set(ino, file)
      found.set(path, file)
    }
  }
  return found
}

/** A symbolic link is seen as a file that holds where it leads, and what has no bytes as an empty one. */
function readOther(volume: Volume, path: string, kind: string): FoundFile {
  const { ino, links } = expectValue(volume.stat(path, 'itself'), `stat ${path}`)
  const bytes =
    kind === 'symlink' ? bytesOf(expectValue(volume.readlink(path), `readlink ${path}`)) : new Uint8Array(0)
  return { ino, links, bytes, sums: sumsOf(bytes), attributes: attributesInWords(volume, ino) }
}

/** Kind and mode; what else it is, where it isn't as it was made; extended attributes with the sums of their values. */
export function attributesInWords(volume: Volume, ino: number): string {
  const found = expectValue(volume.inodes.getattr(ino), `stat of inode ${ino}`)
  const { kind, mode, uid, gid, rdev, atime, mtime } = found
  const names = expectValue(volume.inodes.listxattr(ino), `attributes of inode ${ino}`)
  const words = [`${kind} ${mode.toString(8)}`]
  if (uid !== 0 || gid !== 0) words.push(`owner ${uid}:${gid}`)
  if (rdev !== 0) words.push(`rdev ${rdev}`)
  for (const [name, { seconds, nanoseconds }] of Object.entries({ atime, mtime }))
    if (seconds !== 0 || nanoseconds !== 0) words.push(`${name} ${seconds}.${nanoseconds}`)
  for (const name of names)
    words.push(`${name}=${MIX53.of(expectValue(volume.inodes.getxattr(ino, name), name).slice())}`)
  return words.join(' ')
}

function sumsOf(bytes: Uint8Array): number[] {
  return pagesOf(bytes).map(({ sum }) => sum)
}

function readFile(stage: Stage, volume: Volume, path: string): FoundFile | string {
  const { ino, links } = expectValue(volume.stat(path), `stat ${path}`)
  const { cached } = expectValue(volume.open(path), `open ${path}`)
  const pages = Math.ceil(cached.size / PAGE)
  const buffer = new Uint8Array(pages * PAGE)
  const args = copyArgs(cached, 0, buffer.subarray(0, cached.size), newReadState('normal'))
  const task = stage.spawn(stage.engine.verbs.read, args)
  stage.settle()
  if (task.errno !== 0) return `read of ${path} ends with ${errnoName(task.errno)}`
  expectDone(task)
  const bytes = buffer.subarray(0, cached.size)
  return { ino, links, bytes, sums: sumsOf(bytes), attributes: attributesInWords(volume, ino) }
}

/** In what the volume differs from the cut, in words. */
function difference(found: Found, cut: Cut, oracle: Oracle): string | undefined {
  const inos = new Map<string, number>()
  for (const path of cut.names.keys()) if (!found.has(path)) return `${path} is missing`
  for (const [path, file] of found) {
    const name = cut.names.get(path)
    if (name === undefined) return `${path} is there`
    if ((name === DIRECTORY) !== (file === undefined)) return `${path} is of another kind`
    if (file === undefined) continue
    const ino = inos.get(name)
    if (ino !== undefined && ino !== file.ino) return `${path} is another file than its other names`
    inos.set(name, file.ino)
    const links = [...cut.names.values()].filter(each => each === name).length
    if (file.links !== links) return `${path} has ${file.links} links, expected ${links}`
    const differs = differenceOf(file, cut.files.get(name)!, oracle)
    if (differs !== undefined) return `${path} ${differs}`
  }
  return undefined
}

function differenceOf(
  { bytes, sums, attributes }: FoundFile,
  may: MayHold,
  oracle: Oracle,
): string | undefined {
  if (attributes !== may.attributes) return `is "${attributes}", expected "${may.attributes}"`
  const { length } = bytes
  if (!isSize(length, may.sizes)) return `has ${length} bytes, expected ${may.sizes.join(' or ')}`
  for (let page = 0; page < sums.length; page++) {
    if (may.pages[page]!.includes(sums[page]!)) continue
    const whole = new Uint8Array(PAGE)
    whole.set(bytes.subarray(page * PAGE, (page + 1) * PAGE))
    if (oracle.isMixture(whole, may.pages[page]!)) continue
    const words = may.pages[page]!.map(sum => describe(oracle.versions.get(sum)!.bytes))
    return `page ${page} is ${describe(whole)}, expected ${words.join(' or ')}`
  }
  return undefined
}

/** A file that grows by several pages may have some of them. */
function isSize(size: Bytes, sizes: readonly Bytes[]): boolean {
  return sizes.includes(size) || (size % PAGE === 0 && size > Math.min(...sizes) && size < Math.max(...sizes))
}

/** Runs of equal bytes: "0x41 x 100, 0x00 x 3996". */
function describe(bytes: Uint8Array): string {
  const runs: string[] = []
  for (let at = 0; at < bytes.length && runs.length < 6; ) {
    let end = at
    while (end < bytes.length && bytes[end] === bytes[at]) end++
    runs.push(`0x${bytes[at]!.toString(16).padStart(2, '0')} × ${end - at}`)
    at = end
  }
  return runs.join(', ')
}
