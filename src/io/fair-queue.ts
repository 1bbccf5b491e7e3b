/**
 * Bios that wait at one stage: first come first served within a group, turn by turn between groups.
 *
 *     turns: [ b a c ]     b: b1 b2     a: a1 a2 a3     c: c1        served: b1 a1 c1 b2 a2 a3
 *
 * A group whose bio is refused keeps its turn, and the level of the hierarchy that refused is shut, for the rest of the
 * round, to everyone behind it. So what a level gives next goes to who has waited for it longest.
 *
 * Invariants
 *   FQ1  A group has one turn while a bio of its fifo waits, and none otherwise.
 *   FQ2  A bio may stand in several fifos; being taken from one, it leaves the stage, and the others pass over it.
 *   FQ3  Between two bios of one group that are taken, every other group that nobody refuses has one taken.
 */
import type { GroupId, GroupTree } from '../base/index.ts'
import type { Bio } from './bio.ts'

/** An answer beside the number of the group that refused. */
export const TAKEN = 0
export const FULL = -1

/** Takes the bio out of the stage on behalf of `group` and returns TAKEN, or says which level refused, or FULL: no one's may go. */
export type Offer = (bio: Bio, group: GroupId) => GroupId | typeof TAKEN | typeof FULL

/** How many bios that have left a fifo stay in front of it before it is cut. */
const TRIM = 64

interface Fifo {
  bios: Bio[]
  /** The first that may still wait. */
  from: number
}

export class FairQueue {
  private readonly tree: GroupTree
  private readonly stage: Bio['state']
  private readonly fifos = new Map<GroupId, Fifo>()
  private readonly turns: GroupId[] = []

  constructor(tree: GroupTree, stage: Bio['state']) {
    this.tree = tree
    this.stage = stage
  }

  get empty(): boolean {
    return this.turns.length === 0
  }

  push(bio: Bio, group: GroupId): void {
    let fifo = this.fifos.get(group)
    if (fifo === undefined) {
      fifo = { bios: [], from: 0 }
      this.fifos.set(group, fifo)
    }
    if (fifo.from === fifo.bios.length) this.turns.push(group)
    fifo.bios.push(bio)
  }

  /** Who waits here, in no order; one that stands in several fifos is told as often. */
  bios(): readonly Bio[] {
    return [...this.fifos.values()].flatMap(({ bios }) => bios.filter(bio => bio.state === this.stage))
  }

  /** One round: offers the first bio of each group in turn until nobody's is taken. */
  serve(offer: Offer): void {
    let shut: Set<GroupId> | undefined
    for (let turn = 0; turn < this.turns.length; ) {
      const group = this.turns[turn]!
      const bio = this.first(group)
      if (bio !== undefined && shut !== undefined && this.isShut(group, shut)) {
        turn++
        continue
      }
      const answer = bio === undefined ? TAKEN : offer(bio, group)
      if (answer === FULL) return
      if (answer === TAKEN) this.passTurn(turn, group)
      else {
        shut ??= new Set()
        shut.add(answer)
        turn++
      }
    }
  }

  /** The same, but the group whose `time` is least goes first, whoever's turn it is. */
  serveInOrder(time: (group: GroupId) => number, offer: Offer): void {
    const shut = new Set<GroupId>()
    for (;;) {
      let first = -1
      for (let turn = 0; turn < this.turns.length; turn++) {
        const group = this.turns[turn]!
        if (!this.isShut(group, shut) && (first === -1 || time(group) < time(this.turns[first]!)))
          first = turn
      }
      if (first === -1) return
      const group = this.turns[first]!
      const bio = this.first(group)
      const answer = bio === undefined ? TAKEN : offer(bio, group)
      if (answer === FULL) return
      if (answer === TAKEN) this.passTurn(first, group)
      else shut.add(answer)
    }
  }

  private isShut(group: GroupId, shut: ReadonlySet<GroupId>): boolean {
    for (let level = group; level !== 0; level = this.tree.parent(level)) if (shut.has(level)) return true
    return false
  }

  private passTurn(turn: number, group: GroupId): void {
    this.turns.splice(turn, 1)
    if (this.first(group) !== undefined) this.turns.push(group)
  }

  /** The first bio of the group that is still at this stage. */
  private first(group: GroupId): Bio | undefined {
    const fifo = this.fifos.get(group)!
    while (fifo.from < fifo.bios.length && fifo.bios[fifo.from]!.state !== this.stage) fifo.from++
    if (fifo.from >= TRIM && 2 * fifo.from >= fifo.bios.length) {
      fifo.bios = fifo.bios.slice(fifo.from)
      fifo.from = 0
    }
    return fifo.bios[fifo.from]
  }
}
