/**
 * Doubly linked lists of small integers, kept as columns: LRU lists, the pages of a file, what is dirty.
 *
 *     head[list] -> n -> n -> n <- tail[list]        next[n], prev[n]: -1 ends the list
 *
 * Many lists share one pair of columns; a member is on at most one list of the same IndexLists.
 *
 * Invariants
 *   I1  next and prev agree: next[prev[n]] = n = prev[next[n]] inside a list.
 *   I2  size[list] members can be walked from head[list], the last of them tail[list].
 *   I3  The caller remembers on which list a member is; removing it from another one is an error that isn't looked for.
 */
import { assert } from './assert.ts'

export const END = -1

export class IndexLists {
  readonly next: Int32Array
  readonly prev: Int32Array
  private readonly heads: number[] = []
  private readonly tails: number[] = []
  private readonly sizes: number[] = []
  private readonly retired: number[] = []

  constructor(members: number) {
    this.next = new Int32Array(members).fill(END)
    this.prev = new Int32Array(members).fill(END)
  }

  /** Makes an empty list and returns its number. */
  create(): number {
    const retired = this.retired.pop()
    if (retired !== undefined) return retired
    this.heads.push(END)
    this.tails.push(END)
    return this.sizes.push(0) - 1
  }

  /** Gives an empty list's number back, to be used again. */
  destroy(list: number): void {
    assert(this.sizes[list] === 0, 'I2: a list that is given back is empty')
    this.retired.push(list)
  }

  head(list: number): number {
    return this.heads[list]!
  }

  tail(list: number): number {
    return this.tails[list]!
  }

  size(list: number): number {
    return this.sizes[list]!
  }

  pushHead(list: number, member: number): void {
    const head = this.heads[list]!
    this.next[member] = head
    this.prev[member] = END
    if (head === END) this.tails[list] = member
    else this.prev[head] = member
    this.heads[list] = member
    this.sizes[list]!++
  }

  pushTail(list: number, member: number): void {
    const tail = this.tails[list]!
    this.prev[member] = tail
    this.next[member] = END
    if (tail === END) this.heads[list] = member
    else this.next[tail] = member
    this.tails[list] = member
    this.sizes[list]!++
  }

  remove(list: number, member: number): void {
    const next = this.next[member]!
    const prev = this.prev[member]!
    if (prev === END) this.heads[list] = next
    else this.next[prev] = next
    if (next === END) this.tails[list] = prev
    else this.prev[next] = prev
    this.next[member] = END
    this.prev[member] = END
    this.sizes[list]!--
  }

  /** `by`, which is on no list, takes the place of a member. */
  replace(list: number, member: number, by: number): void {
    const next = this.next[member]!
    const prev = this.prev[member]!
    this.next[by] = next
    this.prev[by] = prev
    if (prev === END) this.heads[list] = by
    else this.next[prev] = by
    if (next === END) this.tails[list] = by
    else this.prev[next] = by
    this.next[member] = END
    this.prev[member] = END
  }

  /** Members from head to tail. The list may lose the member just seen, and no other, meanwhile. */
  *walk(list: number): Generator<number> {
    for (let member = this.heads[list]!; member !== END; ) {
      const following = this.next[member]!
      yield member
      member = following
    }
  }
}
