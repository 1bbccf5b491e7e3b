/**
 * Plays workloads that begin alike: what several have in common is played once, and come back to.
 *
 *     open -- write-head -- clone -- sync
 *               |   \------ dedupe - sync
 *               \- commit - clone -- sync         kept: open, write-head, commit
 *
 * Invariants
 *   BG1 A workload that goes on from a place has the moments, images and promises that it has when it is played from its start.
 */
import { Rewinder, type Snapshot } from '../rewind/index.ts'
import { begin } from './begin.ts'
import { isOfImage } from './image.ts'
import type { Planted } from './planted.ts'
import { type CrashState, type Play, Player } from './play.ts'
import { type Workload, wordsOf } from './workloads.ts'

/** Where a player was when it had played a beginning. */
interface Kept {
  readonly player: Player
  readonly place: Snapshot
}

export class Beginnings {
  private readonly seed: number
  private readonly planted: Planted | undefined
  /** How many workloads have each beginning. */
  private readonly counts = new Map<string, number>()
  private readonly kept = new Map<string, Kept>()
  private readonly rewinders = new Map<Player, Rewinder>()

  constructor(workloads: readonly Workload[], seed: number, planted: Planted | undefined) {
    this.seed = seed
    this.planted = planted
    for (const workload of workloads)
      for (let length = 0; length <= workload.operations.length; length++) {
        const name = nameOf(workload, length)
        this.counts.set(name, (this.counts.get(name) ?? 0) + 1)
      }
  }

  /** Who has played the longest beginning of the workload that was kept; somebody who has played nothing, if none was. */
  playerOf(workload: Workload): Player {
    for (let length = workload.operations.length; length >= 0; length--) {
      const kept = this.kept.get(nameOf(workload, length))
      if (kept === undefined) continue
      this.rewinders.get(kept.player)!.restore(kept.place)
      return kept.player
    }
    return new Player(playOf(workload, this.seed, this.planted))
  }

  /** What a crash may leave in what that player hasn't played of it. */
  *rest(player: Player, { operations, ...how }: Workload): Generator<CrashState> {
    for (let step = player.next(operations); step !== undefined; step = player.next(operations)) {
      yield* step
      this.keep(player, nameOf({ ...how, operations }, player.performed))
    }
  }

  private keep(player: Player, name: string): void {
    if (this.counts.get(name) === 1) return
    let rewinder = this.rewinders.get(player)
    if (rewinder === undefined) {
      rewinder = new Rewinder([player], [player.play], isOfImage)
      this.rewinders.set(player, rewinder)
    }
    this.kept.set(name, { player, place: rewinder.save() })
  }
}

export function playOf(workload: Workload, seed: number, planted: Planted | undefined): Play {
  return { workload, ...begin(workload.mode, workload.start), seed, planted, isAfterwards: false }
}

function nameOf(workload: Workload, length: number): string {
  return wordsOf({ ...workload, operations: workload.operations.slice(0, length) })
}
