/**
 * One story: fresh files and one process on each side, and the same operations on both, compared after each. Stories are
 * short, so that what went wrong has few causes; shrink.ts leaves out what isn't needed.
 */
import fs from 'node:fs'
import path from 'node:path'
import { type Bytes, Prng } from '../base/index.ts'
import { around, difference, hasLost, isCleaner, keepsApart, loadable, unlike } from './compare.ts'
import type { Coverage } from './coverage.ts'
import { type FilesystemName, traitsOf } from './differences.ts'
import { Kernel } from './kernel.ts'
import {
  FILE_PAGES,
  FILES,
  firstOperations,
  type Operation,
  PAGE,
  randomOperation,
  SEEN,
} from './operations.ts'
import { Ours } from './ours.ts'
import type { Outcome, VmaView } from './side.ts'
import type { Tracer } from './tracee.ts'

/** Operations of a story. */
export const STORY = 250

export interface Stage {
  readonly tracer: Tracer
  readonly filesystem: FilesystemName
  /** Where the files are made. */
  readonly directory: string
  /** What is played is counted here. */
  readonly coverage: Coverage
}

export interface Difference {
  /** Which operation showed it, and what it was. */
  readonly at: number
  readonly message: string
  /** Some process lacks pages in memory on the kernel's side alone. */
  readonly hasLost: boolean
}

export function storyOf(seed: number, story: number): readonly Operation[] {
  const prng = new Prng((seed * 1_000_003 + story) | 0)
  const first = firstOperations(prng)
  return [...first, ...Array.from({ length: STORY - first.length }, () => randomOperation(prng))]
}

/** Plays the operations on both sides. The first difference; undefined: there is none. */
export function play(stage: Stage, operations: readonly Operation[]): Difference | undefined {
  const { directory, tracer } = stage
  const kernelPaths = makeFiles(path.join(directory, 'kernel'))
  const ourPaths = makeFiles(path.join(directory, 'ours'))
  const kernel = new Kernel(tracer, stage.filesystem, kernelPaths)
  const ours = new Ours(tracer.linux, ourPaths)
  try {
    for (const [at, operation] of operations.entries()) {
      let message: string | undefined
      try {
        message = playOne(stage, kernel, ours, operation)
      } catch (error) {
        message = error instanceof Error ? (error.stack ?? error.message) : String(error)
      }
      if (message !== undefined)
        return { at, message: `${JSON.stringify(operation)}\n${message}`, hasLost: anyLost(kernel, ours) }
    }
    return undefined
  } finally {
    kernel.end()
    try {
      ours.end()
    } catch {
      // What it broke has been said.
    }
  }
}

function anyLost(kernel: Kernel, ours: Ours): boolean {
  try {
    return Array.from({ length: kernel.processes }, (_, process) => process).some(process =>
      hasLost(kernel.view(process), ours.view(process)),
    )
  } catch {
    // What is broken can't be looked at.
    return false
  }
}

function playOne(stage: Stage, kernel: Kernel, ours: Ours, operation: Operation): string | undefined {
  if (isLeftOut(stage, [kernel, ours], operation)) {
    stage.coverage.leftOut(operation)
    return undefined
  }
  const size = 'file' in operation ? kernel.sizeOf(operation.file) : 0
  const theirs = kernel.perform(operation)
  const own = ours.perform(operation)
  stage.coverage.played(operation, theirs)
  const said = outcomes(theirs, own)
  if (said !== undefined) return said
  if (operation.name === 'advise' && operation.advice === 'willneed') bringAll(kernel, ours)
  if (operation.name === 'advise' && operation.advice === 'pageout') {
    bringAll(kernel, ours)
    writeAll(kernel, ours)
    sameEntries(kernel, ours, operation.process)
  }
  if (operation.name === 'punch') afterPunch(kernel, ours)
  if ('file' in operation && kernel.sizeOf(operation.file) !== size) {
    bringAll(kernel, ours)
    writeAll(kernel, ours)
  }
  if ('process' in operation && (theirs.said.startsWith('EFAULT') || hasBroughtPastEnd(kernel, operation)))
    sameEntries(kernel, ours, operation.process)
  if (operation.name === 'sync') {
    bringAll(kernel, ours)
    const content = contents(kernel, ours, operation.file)
    if (content !== undefined) return content
  }
  if (operation.name === 'fork') afterFork(kernel, ours)
  if (!('process' in operation)) return everyProcess(stage, kernel, ours)
  if (operation.name === 'fork' || operation.name === 'exit') return everyProcess(stage, kernel, ours)
  return compare(stage, kernel, ours, operation.process)
}

/** What brings a range goes on where a touch past the end of a file fails, and succeeds (the row "failed touch"). */
function hasBroughtPastEnd(kernel: Kernel, operation: Operation): boolean {
  const brings = operation.name === 'remap' || operation.name === 'map' || operation.name === 'lock'
  return (
    brings &&
    kernel.view(operation.process).vmas.some(({ start, end, offset, name }) => {
      const size = fileSize(kernel, name)
      return size !== undefined && (offset + end - start) * PAGE > size
    })
  )
}

function isLeftOut(stage: Stage, [kernel, ours]: readonly [Kernel, Ours], operation: Operation): boolean {
  if (operation.name === 'remap') return isApart([kernel, ours], operation)
  if (operation.name === 'advise' && operation.advice === 'pageout')
    return kernel.freed || isSharedMemory(kernel, operation) || hasSwap()
  const keepsTail = stage.filesystem === 'ext4' || stage.filesystem === 'xfs'
  return operation.name === 'store' && !keepsTail && isPastEnd(kernel, operation)
}

/** An area of swap is the whole computer's, and comes and goes. */
function hasSwap(): boolean {
  return fs.readFileSync('/proc/swaps', 'latin1').trim().includes('\n')
}

function isSharedMemory(
  kernel: Kernel,
  { process, page, pages }: Extract<Operation, { name: 'advise' }>,
): boolean {
  return kernel
    .view(process)
    .vmas.some(({ start, end, name }) => name === 'shared memory' && start < page + pages && end > page)
}

/** What mremap may do depends on where VMAs end: a range that one side keeps apart and the other doesn't isn't remapped. */
function isApart(
  [kernel, ours]: readonly [Kernel, Ours],
  { process, page, pages, newPages, old }: Extract<Operation, { name: 'remap' }>,
): boolean {
  const view = kernel.view(process)
  const locked = ({ start, end, flags }: VmaView) =>
    start < page + pages && end > page && /\blo\b/.test(flags)
  if (old === 'stays mapped' && view.vmas.some(locked)) return true
  const end = page + Math.max(pages, newPages)
  return [view, ours.view(process)].some(each => keepsApart(each, page, end))
}

/** What is stored to the last page past the end of a file is lost by a sync; btrfs loses it sooner, tmpfs never (the rows "last page of …"). */
function isPastEnd(kernel: Kernel, { process, at, length }: Extract<Operation, { name: 'store' }>): boolean {
  return kernel.view(process).vmas.some(({ start, end, offset, name }) => {
    const size = fileSize(kernel, name) ?? 0
    const tail = size % PAGE === 0 ? 0 : (start - offset) * PAGE + size
    const inside = tail > start * PAGE && tail < end * PAGE
    return inside && at + length > tail && at < Math.ceil(tail / PAGE) * PAGE
  })
}

/** How long the file is that maps calls so; undefined: memory. */
function fileSize(kernel: Kernel, name: string): Bytes | undefined {
  return /^file\d$/.test(name) ? kernel.sizeOf(Number(name.slice(4))) : undefined
}

/** Both have begun to read, and who has come how far is chance: both read to the end (the row "willneed"). */
function bringAll(kernel: Kernel, ours: Ours): void {
  for (let file = 0; file < FILES; file++) {
    const whole: Operation = { name: 'read', file, at: 0, length: 2 * FILE_PAGES * PAGE }
    kernel.perform(whole)
    ours.perform(whole)
  }
}

/** The kernel may write when it likes: then both write all (the rows "flusher", "last page", "fsync of btrfs" and "pageout"). */
function writeAll(kernel: Kernel, ours: Ours): void {
  for (let file = 0; file < FILES; file++) {
    kernel.perform({ name: 'sync', file })
    ours.perform({ name: 'sync', file })
  }
}

/** What of a punched file stays in memory, mapped and dirty is for each filesystem to say (the row "punch"). */
function afterPunch(kernel: Kernel, ours: Ours): void {
  bringAll(kernel, ours)
  writeAll(kernel, ours)
  for (let process = 0; process < kernel.processes; process++) sameEntries(kernel, ours, process)
}

/**
 * A VMA that was kept apart has no anon_vma, and what it is a part of here has: its zero pages go along here alone, though
 * nothing shows any more that it was kept apart (the row "anon_vma").
 */
function afterFork(kernel: Kernel, ours: Ours): void {
  for (let process = 0; process < kernel.processes; process++) {
    const [view, own] = [kernel.view(process), ours.view(process)]
    const isApart = keepsApart(view, 0, SEEN) || keepsApart(own, 0, SEEN)
    const { kernelHas, weHave } = unlike(view, own)
    if (isApart) kernel.drop(process, kernelHas)
    ours.drop(
      process,
      weHave.filter(page => isApart || own.present[page] === 'a'),
    )
  }
}

/** Where one side alone has mapped a page of a file, it lets it go. */
function sameEntries(kernel: Kernel, ours: Ours, process: number): void {
  const { kernelHas, weHave } = unlike(kernel.view(process), ours.view(process))
  kernel.drop(process, kernelHas)
  ours.drop(process, weHave)
}

function everyProcess(stage: Stage, kernel: Kernel, ours: Ours): string | undefined {
  for (let process = 0; process < kernel.processes; process++) {
    const found = compare(stage, kernel, ours, process)
    if (found !== undefined) return `process ${process}: ${found}`
  }
  return undefined
}

function compare(stage: Stage, kernel: Kernel, ours: Ours, process: number): string | undefined {
  const traits = traitsOf(stage.filesystem, kernel)
  let view = kernel.view(process)
  let own = ours.view(process)
  if (view.present !== own.present && (keepsApart(view, 0, SEEN) || keepsApart(own, 0, SEEN))) {
    sameEntries(kernel, ours, process)
    view = kernel.view(process)
    own = ours.view(process)
  }
  // Rows of the table that leave the two in different states are followed by what makes them equal again.
  for (let tries = 0; tries < 3; tries++) {
    const { kernelLacks, weLack } = around(view, own)
    if (kernelLacks.length + weLack.length === 0) break
    kernel.touch(process, kernelLacks)
    ours.touch(process, weLack)
    view = kernel.view(process)
    own = ours.view(process)
  }
  let found = difference(view, own, traits)
  if (found !== undefined && isCleaner(view, own)) {
    writeAll(kernel, ours)
    view = kernel.view(process)
    found = difference(view, ours.view(process), traits)
  }
  if (found !== undefined) return found
  const runs = loadable(view)
  const theirs = kernel.bytes(process, runs)
  const ourBytes = ours.bytes(process, runs)
  for (const [run, [start]] of runs.entries()) {
    const at = firstOf(theirs[run]!, ourBytes[run]!)
    if (at !== -1) return `byte ${start * PAGE + at}: kernel ${theirs[run]![at]}, ours ${ourBytes[run]![at]}`
  }
  return undefined
}

function outcomes(kernel: Outcome, ours: Outcome): string | undefined {
  if (kernel.said !== ours.said) return `kernel: ${kernel.said}\nours:   ${ours.said}`
  if (kernel.bytes === undefined || ours.bytes === undefined) return undefined
  const at = firstOf(kernel.bytes, ours.bytes)
  return at === -1
    ? undefined
    : `byte ${at} that it brought: kernel ${kernel.bytes[at]}, ours ${ours.bytes[at]}`
}

function contents(kernel: Kernel, ours: Ours, file: number): string | undefined {
  const theirs = kernel.content(file)
  const own = ours.content(file)
  if (theirs.size !== own.size) return `size of file ${file}: kernel ${theirs.size}, ours ${own.size}`
  const at = firstOf(theirs.bytes, own.bytes)
  return at === -1
    ? undefined
    : `byte ${at} of file ${file}: kernel ${theirs.bytes[at]}, ours ${own.bytes[at]}`
}

/** Where two arrays first differ; -1: nowhere. */
function firstOf(one: Uint8Array, other: Uint8Array): number {
  if (Buffer.compare(one, other) === 0) return -1
  return one.findIndex((byte, at) => byte !== other[at])
}

function makeFiles(folder: string): string[] {
  fs.rmSync(folder, { recursive: true, force: true })
  fs.mkdirSync(folder)
  return Array.from({ length: FILES }, (_, each) => {
    const name = path.join(folder, `file${each}`)
    const fd = fs.openSync(name, 'w')
    for (let page = 0; page < FILE_PAGES; page++)
      fs.writeSync(fd, Buffer.alloc(PAGE, 16 * (each + 1) + page), 0, PAGE, page * PAGE)
    fs.fsyncSync(fd)
    fs.closeSync(fd)
    return name
  })
}
