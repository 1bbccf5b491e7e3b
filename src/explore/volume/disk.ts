/**
 * The device of a small machine's volume: what is started waits until the explorer ends it. A block is one word on it, the
 * first byte of the page that it holds; for DAX the blocks are frames of the machine's memory.
 *
 * Invariants
 *   D1 to D3 (device.ts), D1 as far as the explorer ends what was started
 */
import { assert, type Bytes, type Errno, errno, type Pfn } from '../../base/index.ts'
import type { Device, Request } from '../../device/index.ts'
import type { Frames } from '../../memory/index.ts'
import { eachPage, wordsOf } from '../request-pages.ts'

interface Started {
  readonly request: Request
  /** What a write was asked to write. */
  readonly words: readonly number[]
}

/** Where the words of blocks are. */
export interface Words {
  get(block: number): number
  set(block: number, word: number): void
}

/** Blocks beside the memory. */
export class OwnWords implements Words {
  private readonly words: number[]

  constructor(blocks: number) {
    this.words = new Array<number>(blocks).fill(0)
  }

  get(block: number): number {
    return this.words[block]!
  }

  set(block: number, word: number): void {
    this.words[block] = word
  }
}

/** Blocks that are frames, from `first` on. */
export class FrameWords implements Words {
  private readonly frames: Frames
  private readonly first: Pfn

  constructor(frames: Frames, first: Pfn) {
    this.frames = frames
    this.first = first
  }

  get(block: number): number {
    return this.frames.bytes(this.first + block)[0]!
  }

  set(block: number, word: number): void {
    this.frames.bytes(this.first + block)[0] = word
  }
}

export class VolumeDisk implements Device {
  readonly name = 'disk'
  readonly disk = 'lab'
  readonly readOnly = false
  onEnd: (request: Request, error: Errno) => void = () => {}
  /** Blocks that changed while they were written. */
  torn = 0
  readonly words: Words
  private readonly pageSize: Bytes
  private readonly started: Started[] = []

  constructor(pageSize: Bytes, words: Words) {
    this.pageSize = pageSize
    this.words = words
  }

  /** What it is doing, first started first. */
  get inFlight(): readonly Request[] {
    return this.started.map(({ request }) => request)
  }

  start(request: Request): void {
    this.started.push({
      request,
      words: request.operation === 'write' ? wordsOf(request, this.pageSize) : [],
    })
  }

  end(request: Request, error: Errno): void {
    const place = this.started.findIndex(each => each.request === request)
    assert(place !== -1, `D1: ${request.operation} was started on ${this.name}`)
    const { words } = this.started.splice(place, 1)[0]!
    if (error === errno.OK) this.serve(request, words)
    this.onEnd(request, error)
  }

  private serve(request: Request, before: readonly number[]): void {
    const block = request.position / this.pageSize
    if (request.operation === 'write')
      wordsOf(request, this.pageSize).forEach((word, at) => {
        if (word !== before[at]) this.torn++
        this.words.set(block + at, word)
      })
    if (request.operation === 'read')
      eachPage(request, this.pageSize, (bytes, at) => {
        bytes.fill(0)
        bytes[0] = this.words.get(block + at)
      })
  }
}
