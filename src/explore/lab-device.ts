/**
 * The device of a small machine: what is started waits until the explorer ends it. A page is one word on it, the first
 * byte of the page in memory, and a page may lack its block, so that a write can meet ENOSPC.
 *
 * Invariants
 *   D1 to D3 (device.ts), D1 as far as the explorer ends what was started
 *   LD1 Blocks in use and free blocks add up to the same sum for ever.
 *
 * It also keeps count of what the properties ask for: pages that changed while they were being written, and writebacks
 * and flushes that failed or met ENOSPC.
 */
import { assert, type Bytes, type Errno, errno } from '../base/index.ts'
import type { Device, Request } from '../device/index.ts'
import type { Bio } from '../io/index.ts'
import { eachPage, wordsOf } from './request-pages.ts'

/** A page without a block; it reads as 0. */
const HOLE = -1

export class LabDevice implements Device {
  readonly name: string
  readonly disk = 'lab'
  readonly readOnly = false
  onEnd: (request: Request, error: Errno) => void = () => {}
  /** Pages that changed while they were written. */
  torn = 0
  /** Writebacks and flushes that failed. */
  failures = 0
  /** Of these, those that met ENOSPC. */
  refusals = 0
  /** A resize or a zeroing failed: who knows what of it was done. */
  inDoubt = false
  free: number
  private readonly pageSize: Bytes
  private readonly blocks: number[]
  private readonly started: { readonly request: Request; readonly words: readonly number[] }[] = []

  /** `free`: the blocks to be had; undefined: every page has its own already, with `first`, `first` + 1, … on them. */
  constructor(name: string, pageSize: Bytes, pages: number, free: number | undefined, first: number) {
    this.name = name
    this.pageSize = pageSize
    this.free = free ?? 64
    this.blocks = Array.from({ length: pages }, (_, page) => (free === undefined ? first + page : HOLE))
  }

  /** What a page holds. */
  word(page: number): number {
    const block = this.blocks[page]
    return block === undefined || block === HOLE ? 0 : block
  }

  hasBlock(page: number): boolean {
    return this.blocks[page] !== undefined && this.blocks[page] !== HOLE
  }

  start(request: Request): void {
    this.started.push({
      request,
      words: request.operation === 'write' ? wordsOf(request, this.pageSize) : [],
    })
  }

  /** Ends a started request, well or with the errno given; `purpose` is its bio's. */
  end(request: Request, error: Errno, purpose: Bio['purpose']): void {
    const place = this.started.findIndex(each => each.request === request)
    assert(place !== -1, `D1: ${request.operation} was started on ${this.name}`)
    const { words } = this.started.splice(place, 1)[0]!
    const result = error === errno.OK ? this.serve(request, words) : error
    if ((purpose === 'writeback' || request.operation === 'flush') && result !== errno.OK) {
      this.failures++
      if (result === errno.ENOSPC) this.refusals++
    }
    if (result !== errno.OK && (request.operation === 'resize' || request.operation === 'zero'))
      this.inDoubt = true
    this.onEnd(request, result)
  }

  private serve(request: Request, words: readonly number[]): Errno {
    const page = request.position / this.pageSize
    const pages = Math.ceil(request.length / this.pageSize)
    switch (request.operation) {
      case 'flush':
        return errno.OK
      case 'read':
        eachPage(request, this.pageSize, (bytes, at) => {
          bytes.fill(0)
          bytes[0] = this.word(page + at)
        })
        return errno.OK
      case 'write':
        return this.write(page, words, wordsOf(request, this.pageSize))
      case 'zero':
        for (let at = page; at < page + pages; at++) this.drop(at)
        return errno.OK
      case 'resize':
        for (let at = pages; at < this.blocks.length; at++) this.drop(at)
        return errno.OK
    }
  }

  private write(page: number, before: readonly number[], words: readonly number[]): Errno {
    const wanted = words.filter((_, at) => !this.hasBlock(page + at)).length
    if (wanted > this.free) return errno.ENOSPC
    this.free -= wanted
    words.forEach((word, at) => {
      if (word !== before[at]) this.torn++
      this.blocks[page + at] = word
    })
    return errno.OK
  }

  private drop(page: number): void {
    if (!this.hasBlock(page)) return
    this.blocks[page] = HOLE
    this.free++
  }
}
